"""What ground looks like in generated photographs: colours, grain, rows and heights of each class.

Colours are red, green, blue and near infrared (0–255) under a plain summer light; a photograph changes them. They
overlap on purpose, as real ones do: a grey roof and a road differ by their height, a dry lawn and a ripe crop by their
grain and their rows, water and a shadow by what lies around.
"""

from __future__ import annotations

from benchmarks.landscape import (
    BARE,
    BROADLEAF,
    BUILT,
    CONIFER,
    CROP,
    LAWN,
    LOOSE,
    PLOUGHED,
    POOL,
    SEALED,
    SHRUB,
    VINE,
    WATER,
)

Colour = tuple[int, int, int, int]

COSIA_NAMES: dict[int, str] = {
    BUILT: "Bâtiment",
    LOOSE: "Zone perméable",
    SEALED: "Zone imperméable",
    POOL: "Piscine",
    BARE: "Sol nu",
    WATER: "Surface eau",
    CONIFER: "Conifère",
    BROADLEAF: "Feuillu",
    SHRUB: "Broussaille",
    VINE: "Vigne",
    LAWN: "Pelouse",
    CROP: "Culture",
    PLOUGHED: "Terre labourée",
}
"""Classes of generated ground, in the numbering of the vector product; greenhouses are not drawn."""

GROWING: dict[int, tuple[Colour, ...]] = {
    BUILT: (
        (172, 112, 88, 148),
        (138, 98, 82, 126),
        (92, 96, 108, 92),
        (74, 74, 78, 68),
        (150, 150, 152, 146),
        (212, 212, 208, 200),
        (186, 150, 122, 160),
    ),
    LOOSE: (
        (168, 156, 136, 152),
        (122, 114, 104, 114),
        (150, 126, 100, 138),
        (134, 132, 98, 150),
        (186, 174, 152, 168),
    ),
    SEALED: ((92, 92, 96, 80), (126, 125, 124, 114), (112, 108, 106, 100), (172, 168, 160, 162), (146, 138, 132, 134)),
    POOL: ((92, 170, 196, 40), (122, 194, 204, 52), (70, 132, 150, 34), (82, 132, 118, 46)),
    BARE: ((186, 164, 132, 168), (162, 158, 150, 154), (172, 120, 90, 150), (148, 130, 108, 136)),
    WATER: ((44, 60, 54, 14), (94, 92, 70, 34), (58, 76, 92, 20), (70, 88, 62, 40)),
    CONIFER: ((46, 64, 50, 96), (62, 78, 56, 118), (54, 66, 58, 84)),
    BROADLEAF: ((62, 90, 54, 168), (82, 108, 60, 188), (98, 106, 66, 176), (52, 76, 50, 150)),
    SHRUB: ((86, 100, 66, 142), (112, 112, 76, 146), (126, 116, 86, 130), (74, 96, 58, 158)),
    VINE: ((148, 130, 104, 138), (172, 152, 122, 156), (124, 118, 88, 146)),
    LAWN: ((108, 136, 76, 192), (136, 146, 90, 180), (96, 126, 66, 200), (150, 146, 100, 166)),
    CROP: ((76, 116, 60, 206), (120, 140, 76, 202), (158, 158, 96, 180), (190, 170, 116, 170), (96, 130, 62, 214)),
    PLOUGHED: ((126, 100, 80, 112), (156, 130, 106, 136), (104, 86, 70, 96), (170, 146, 120, 148)),
}
"""Colours of the classes in the growing season; a class takes those between two neighbours too."""

DORMANT: dict[int, tuple[Colour, ...]] = GROWING | {
    BROADLEAF: ((112, 100, 86, 104), (126, 104, 64, 132), (98, 94, 84, 96), (142, 116, 70, 140)),
    SHRUB: ((110, 102, 80, 112), (126, 114, 88, 122), (134, 118, 94, 120), (96, 96, 74, 122)),
    LAWN: ((150, 148, 104, 166), (168, 156, 112, 164), (128, 138, 88, 172), (176, 160, 122, 158)),
    CROP: ((190, 172, 118, 168), (184, 166, 126, 152), (172, 160, 110, 160), (204, 184, 134, 176), (118, 134, 76, 186)),
    VINE: ((150, 128, 104, 130), (176, 154, 124, 152), (140, 122, 98, 126)),
}
"""Colours in the other season: leaves off or brown, grass dry, crops ripe or cut."""

GRAIN: dict[int, tuple[float, float]] = {
    BUILT: (4.0, 3.0),
    LOOSE: (7.0, 6.0),
    SEALED: (3.0, 5.0),
    POOL: (2.5, 3.0),
    BARE: (5.0, 11.0),
    WATER: (1.5, 3.0),
    CONIFER: (9.0, 6.0),
    BROADLEAF: (8.0, 6.0),
    SHRUB: (11.0, 8.0),
    VINE: (5.0, 4.0),
    LAWN: (3.5, 7.0),
    CROP: (4.0, 4.0),
    PLOUGHED: (6.5, 4.0),
}
"""Amplitude of the grain finer than a metre, and of the patches of some metres, in units of the bands."""

ROWS: dict[int, tuple[float, float, Colour]] = {
    VINE: (2.0, 2.8, (-62, -30, -46, 34)),
    CROP: (0.9, 1.6, (-5, -3, -4, 6)),
    PLOUGHED: (0.9, 1.8, (-15, -13, -11, -11)),
}
"""Shortest and longest distance between rows, metres, and what the rows add to the colour."""

TRAMLINE_M = (16.0, 28.0)
"""Distance between the wheel tracks of a crop, metres."""

OBJECTS = (BUILT, POOL, VINE, CROP, PLOUGHED)
"""Classes whose connected parts have one colour each; the others change from place to place."""

HEIGHT_M: dict[int, tuple[float, float]] = {
    CONIFER: (7.0, 18.0),
    BROADLEAF: (4.0, 15.0),
    SHRUB: (0.7, 2.4),
    VINE: (0.9, 1.5),
    CROP: (0.0, 1.3),
    LAWN: (0.0, 0.15),
}
"""Lowest and highest height above ground of what grows, metres; buildings stand by their footprint."""

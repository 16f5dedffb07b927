"""Maps: the right size, the right colours, the same bytes."""

from __future__ import annotations

import time

import geopandas as gpd
import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
import shapely
from matplotlib.figure import Figure

from ocsge.errors import CodeError, CrsError, ParameterError
from ocsge.legal_notice import NO_BUILDING_RULE
from ocsge.maps import WIDTH_PX, draw_map
from ocsge.styles import ARTIF_STATES

COLOURS = {"CS1.1.1.1": "#ff377a", "CS2.1.1.1": "#80ff00", "CS2.2.1": "#ccf24d"}
LABELS = {"CS1.1.1.1": "Zones bâties", "CS2.1.1.1": "Peuplement de feuillus", "CS2.2.1": "Prés (prairies)"}
ARTIF = {state.value: state.colour for state in ARTIF_STATES}


@pytest.fixture
def polygons():
    """A ring of built land, 1 km wide, around a square of forest of 0.6 km; beyond it no territory."""
    inner = shapely.box(660_200, 6_360_200, 660_800, 6_360_800)
    ring = shapely.box(660_000, 6_360_000, 661_000, 6_361_000).difference(inner)
    return gpd.GeoDataFrame(
        {
            "code_cs": ["CS1.1.1.1", "CS2.1.1.1", "CS9"],
            "artif": [True, False, False],
            "crit_seuil": [False, True, False],
            "area_m2": [640_000.0, 360_000.0, 1e9],
            "in_territory": [True, True, False],
        },
        geometry=[ring, inner, None],
        crs=2154,
    )


def pixels(path) -> np.ndarray:
    return np.round(matplotlib.image.imread(path)[:, :, :3] * 255).astype(int)


def share(image: np.ndarray, colour: str) -> float:
    """Share of the pixels that have exactly this colour."""
    rgb = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return float((image == rgb).all(axis=2).mean())


def drawn_texts(monkeypatch, draw) -> list[str]:
    texts = []
    original = Figure.savefig

    def keep(self, *arguments, **options):
        texts.extend(text.get_text() for text in self.texts)
        texts.extend(text.get_text() for axes in self.axes for text in axes.texts)
        return original(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    draw()
    return texts


def test_a_cover_map_is_1600_pixels_wide_and_areas_keep_their_proportion(polygons, tmp_path):
    path = tmp_path / "map.png"
    draw_map(polygons, path, kind="couverture", title="Olemps", colours=COLOURS, labels=LABELS)
    image = pixels(path)
    assert image.shape[1] == WIDTH_PX == 1600
    built, forest = share(image, COLOURS["CS1.1.1.1"]), share(image, COLOURS["CS2.1.1.1"])
    assert forest > 0.1
    # 0.64 km² of ring around 0.36 km²: the hole is left open.
    assert built / forest == pytest.approx(640 / 360, rel=0.05)
    assert share(image, COLOURS["CS2.2.1"]) == 0, "a cover that is not there is in no legend"


def test_an_artificialisation_map_shows_what_the_threshold_changed(polygons, tmp_path):
    path = tmp_path / "map.png"
    draw_map(polygons, path, kind="artificialisation", title="Olemps")
    image = pixels(path)
    assert share(image, ARTIF["artif"]) > 0.2
    assert share(image, ARTIF["non artif seuil"]) > 0.1
    assert share(image, ARTIF["non artif"]) == 0


def test_the_legend_gives_hectares_in_french_and_the_map_its_warning(polygons, tmp_path, monkeypatch):
    texts = drawn_texts(
        monkeypatch,
        lambda: draw_map(
            polygons,
            tmp_path / "map.png",
            kind="artificialisation",
            title="Olemps 2022",
            credit="Sources : IGN",
        ),
    )
    assert {"Olemps 2022", "Sources : IGN", NO_BUILDING_RULE, "64,0 ha", "36,0 ha", "200 m", "N"} <= set(texts)
    assert "Total : 100,0 ha" in texts
    assert "dont artificialisé : 64,0 ha (64,0\u00a0%)" in texts


def test_what_a_reader_must_know_stands_under_the_totals_line_by_line(polygons, tmp_path, monkeypatch):
    notes = ["Sans CoSIA : 906,1 ha (71\u00a0%) de couverture par défaut", "Zone construite estimée"]
    texts = drawn_texts(
        monkeypatch,
        lambda: draw_map(polygons, tmp_path / "map.png", kind="artificialisation", title="Olemps", notes=notes),
    )
    written = texts[texts.index("Total : 100,0 ha") + 2 :]
    assert "Zone construite estimée" in written
    first = written[: written.index("Zone construite estimée")]
    assert " ".join(first) == notes[0]
    assert all(len(line) <= 44 for line in first)


def test_the_legend_leaves_out_the_examples_in_brackets(polygons, tmp_path, monkeypatch):
    polygons.loc[1, "code_cs"] = "CS2.2.1"
    polygons.loc[1, "area_m2"] = 12_345_678.0
    texts = drawn_texts(
        monkeypatch,
        lambda: draw_map(
            polygons,
            tmp_path / "map.png",
            kind="couverture",
            title="Olemps",
            colours=COLOURS,
            labels=LABELS,
        ),
    )
    assert "CS2.2.1 Prés" in texts
    assert "1\u00a0234,6 ha" in texts


def test_the_outline_sets_the_frame_and_is_drawn(polygons, tmp_path):
    outline = shapely.box(659_000, 6_360_000, 662_000, 6_361_000)
    draw_map(polygons, tmp_path / "with.png", kind="artificialisation", title="Olemps", outline=outline)
    draw_map(polygons, tmp_path / "without.png", kind="artificialisation", title="Olemps")
    with_outline = share(pixels(tmp_path / "with.png"), ARTIF["artif"])
    assert 0 < with_outline < share(pixels(tmp_path / "without.png"), ARTIF["artif"]) / 4


def test_the_same_polygons_give_the_same_bytes_whatever_the_user_s_settings(polygons, tmp_path):
    draw_map(polygons, tmp_path / "a.png", kind="artificialisation", title="Olemps")
    with mpl.rc_context({"savefig.dpi": 50, "font.size": 30, "lines.antialiased": False}):
        draw_map(polygons, tmp_path / "b.png", kind="artificialisation", title="Olemps")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_ten_thousand_polygons_take_less_than_two_seconds(tmp_path):
    corners = np.indices((100, 100)).reshape(2, -1).T * 60.0 + [660_000, 6_360_000]
    cells = shapely.segmentize(shapely.box(*corners.T, *(corners + 60).T), 4.0)
    frame = gpd.GeoDataFrame(
        {"code_cs": np.array(list(COLOURS))[np.arange(10_000) % 3], "area_m2": 3600.0},
        geometry=cells,
        crs=2154,
    )
    start = time.process_time()
    draw_map(frame, tmp_path / "map.png", kind="couverture", title="x", colours=COLOURS, labels=LABELS)
    assert time.process_time() - start < 2


def test_a_cover_without_a_colour_is_refused(polygons, tmp_path):
    with pytest.raises(CodeError, match=r"cover code CS2\.1\.1\.1: no colour"):
        draw_map(polygons, tmp_path / "map.png", kind="couverture", title="x", colours={"CS1.1.1.1": "#000000"})
    assert list(tmp_path.iterdir()) == []


def test_a_map_without_polygon_without_metres_or_of_another_kind_is_refused(polygons, tmp_path):
    path = tmp_path / "map.png"
    with pytest.raises(ParameterError, match="no polygon to draw"):
        draw_map(polygons[2:], path, kind="artificialisation", title="x")
    with pytest.raises(CrsError, match="projected"):
        draw_map(polygons[:2].to_crs(4326), path, kind="artificialisation", title="x")
    with pytest.raises(ParameterError, match="choose couverture, artificialisation or changement"):
        draw_map(polygons, path, kind="usage", title="x")


@pytest.mark.parametrize(("width", "expected"), [(5_000, "1 km"), (26_000, "5 km"), (1_100, "200 m")])
def test_the_scale_bar_has_a_round_length_about_a_fifth_of_the_map(tmp_path, monkeypatch, width, expected):
    frame = gpd.GeoDataFrame(
        {"artif": [True], "crit_seuil": [False], "area_m2": [1.0]},
        geometry=[shapely.box(660_000, 6_360_000, 660_000 + width, 6_360_000 + width)],
        crs=2154,
    )
    path = tmp_path / "map.png"
    texts = drawn_texts(monkeypatch, lambda: draw_map(frame, path, kind="artificialisation", title="x"))
    assert expected in texts

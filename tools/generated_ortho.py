"""Generate ground whose truth is known, and photograph it: five bands at 0.2 m, red, green, blue, infrared and height.

    python -m tools.generated_ortho FOLDER [SEED]

writes one scene as pictures, to be looked at. The ground is that of the benchmark scenes (houses, centres, activity,
fields, woods, roads, hedges); a photograph has a date, a sun and its shadows, a radiometry, a blur, a noise and a
compression of its own, so that no colour tells a class by itself. Same seed, same scene.

Nothing here is real imagery: a model that learns it knows this ground and no other.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from scipy import ndimage

from benchmarks.landscape import BROADLEAF, BUILT, CONIFER, CROP, GREENHOUSE, SEALED, SHRUB, VINE, Ground
from benchmarks.noise import smooth_noise
from benchmarks.scene import XMIN, YMIN, class_tile
from tools.ground_colours import DORMANT, GRAIN, GROWING, HEIGHT_M, OBJECTS, ROWS, TRAMLINE_M

RESOLUTION_M, PIXELS_PER_M = 0.2, 5
WARP = ((3.0, 0.22), (1.0, 0.1))
"""Outlines waver by some decimetres only: this is the ground itself, not what a classifier says of it."""
CALM = 1.15
HEIGHT_UNIT_M = 0.2
"""One unit of the height band (FLAIR-INC: 20 cm above ground, at most 51 m)."""
BANDS = 5
_LEVELS = 64
_ANYWHERE = Affine(RESOLUTION_M, 0, 0, 0, -RESOLUTION_M, 0)

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Conditions:
    """When and how a photograph is taken."""

    sun_azimuth: float
    """Where the sun stands, degrees from the north, clockwise."""
    sun_elevation: float
    """Its height above the horizon, degrees."""
    growing: float
    """Season: 1 everything grows, 0 leaves are off or brown, grass dry and crops ripe."""
    gain: tuple[float, ...]
    """Factor of each of the four bands."""
    haze: tuple[float, ...]
    """What the air adds to each band."""
    gamma: float
    saturation: float
    shadow: float
    """Share of the light that is left in a shadow."""
    blur_px: float
    noise: float
    """Standard deviation of the sensor's noise."""
    quality: int
    """JPEG quality of the delivery, 1–100."""
    height_blur_px: float
    """Blur of the surface model."""

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Conditions:
        """Return the conditions of one flight."""
        light = rng.uniform(0.86, 1.14)
        return cls(
            sun_azimuth=rng.uniform(110, 250),
            sun_elevation=rng.uniform(32, 64),
            growing=float(rng.beta(1.6, 1.0)),
            gain=tuple((light * rng.uniform(0.92, 1.08, 4) * [1, 1, 1, rng.uniform(0.85, 1.15)]).tolist()),
            haze=tuple((rng.uniform(0, 20) * np.array([0.7, 0.85, 1.2, 0.3])).tolist()),
            gamma=rng.uniform(0.85, 1.2),
            saturation=rng.uniform(0.7, 1.3),
            shadow=rng.uniform(0.35, 0.6),
            blur_px=rng.uniform(0.4, 0.9),
            noise=rng.uniform(1.0, 3.5),
            quality=int(rng.integers(65, 92)),
            height_blur_px=rng.uniform(1.0, 2.5),
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A window of a generated ground: its first pixel and its random fields."""

    ground: Ground
    row: int
    col: int
    height: int
    width: int

    def truth(self) -> NDArray[np.uint8]:
        """Return the classes, in the numbering of the vector product."""
        classes = class_tile(
            self.ground,
            row=self.row,
            col=self.col,
            height=self.height,
            width=self.width,
            resolution=RESOLUTION_M,
            warp=WARP,
            calm=CALM,
        )
        classes[classes == GREENHOUSE] = BUILT
        return classes

    def noise(self, salt: int, *octaves: tuple[float, float]) -> Field:
        """Return smooth noise, octaves as (wavelength in metres, amplitude)."""
        periods = tuple((max(1, round(wave * PIXELS_PER_M)), amplitude) for wave, amplitude in octaves)
        return smooth_noise(
            (self.height, self.width), row=self.row, col=self.col, octaves=periods, seed=self.ground.seed * 32 + salt
        )


@dataclass(frozen=True, slots=True)
class Relief:
    """What stands on the ground."""

    height: Field
    """Height above ground, metres."""
    labels: NDArray[np.int32]
    """Number of the connected part of a class of ``OBJECTS`` each pixel is of; 0 elsewhere."""
    values: Field
    """A number in 0–1 for each of those parts, by its number."""


def place_at(seed: int, *, side_px: int, scene: int = 0, side_m: float = 1400.0) -> Place:
    """Return a square window somewhere in the ground of a seed; another ``scene`` is another window."""
    ground = Ground(XMIN, YMIN, side_m, seed)
    rng = np.random.default_rng([seed, scene])
    room = int(side_m * PIXELS_PER_M) - side_px
    col, row = (int(v) for v in rng.integers(0, room + 1, 2))
    north = round((YMIN + side_m) * PIXELS_PER_M)
    return Place(ground, row - north, col + round(XMIN * PIXELS_PER_M), side_px, side_px)


def relief(classes: NDArray[np.uint8], place: Place) -> Relief:
    """Return the heights and the objects of the classes of a place."""
    rng = np.random.default_rng([place.ground.seed, 7, place.row % 2**31, place.col % 2**31])
    labels = np.zeros(classes.shape, dtype=np.int32)
    count = 0
    for cover in OBJECTS:
        found, parts = ndimage.label(classes == cover)
        labels += np.where(found > 0, found + count, 0).astype(np.int32)
        count += parts
    values = rng.random(count + 1).astype(np.float32)
    bumps = place.noise(1, (4.5, 0.5), (2.2, 0.35), (0.9, 0.15))
    stand = 0.5 + 0.5 * place.noise(2, (34.0, 0.7), (15.0, 0.3))
    height = np.zeros(classes.shape, dtype=np.float32)
    edge = np.minimum(_distance_m(np.isin(classes, (BROADLEAF, CONIFER, SHRUB))) / 1.6, 1.0)
    for cover, (low, high) in HEIGHT_M.items():
        mask = classes == cover
        own = values[labels[mask]] if cover in OBJECTS else stand[mask]
        crown = edge[mask] * (0.8 + 0.25 * bumps[mask]) if cover in {BROADLEAF, CONIFER, SHRUB} else 1.0
        height[mask] = (low + (high - low) * own) * crown
    height += _roofs(classes, labels, values, rng)
    return Relief(height=np.maximum(height, 0), labels=labels, values=values)


def _distance_m(mask: NDArray[np.bool_]) -> Field:
    return (ndimage.distance_transform_edt(mask) * RESOLUTION_M).astype(np.float32)


def _roofs(classes: NDArray[np.uint8], labels: NDArray[np.int32], values: Field, rng: np.random.Generator) -> Field:
    """Return the height of the buildings: eaves by footprint, roofs that are flat or rise from their edge."""
    built = classes == BUILT
    area_m2 = np.bincount(labels.ravel(), minlength=len(values)) * RESOLUTION_M**2
    eaves = np.where(area_m2 < 60, rng.uniform(2.2, 3.2, len(values)), rng.uniform(3.0, 9.5, len(values)))
    slope = np.where((area_m2 > 500) | (rng.random(len(values)) < 0.25), 0.0, rng.uniform(0.35, 0.7, len(values)))
    roofs = np.zeros(classes.shape, dtype=np.float32)
    inside = labels[built]
    roofs[built] = eaves[inside] + slope[inside] * np.minimum(_distance_m(built)[built], 5.0)
    return roofs


def photograph(classes: NDArray[np.uint8], place: Place, conditions: Conditions) -> NDArray[np.uint8]:
    """Return (5, h, w) red, green, blue, infrared and height (units of 20 cm) of the classes of a place."""
    rng = np.random.default_rng([place.ground.seed, 11, place.row % 2**31, place.col % 2**31])
    stands = relief(classes, place)
    colours = _colours(classes, place, stands, conditions)
    _add_cars(colours, stands.height, classes, place, rng)
    light = _light(stands.height, conditions)
    seen = np.empty((BANDS, *classes.shape), dtype=np.uint8)
    luminance = colours[..., :3].mean(axis=2)
    for band in range(4):
        values = colours[..., band]
        if band < 3:
            values = luminance + conditions.saturation * (values - luminance)
        values = np.clip(values * light * conditions.gain[band] + conditions.haze[band], 1, 254)
        values = 255.0 * (values / 255.0) ** conditions.gamma
        values = ndimage.gaussian_filter(values, conditions.blur_px, output=np.float32)
        values += rng.standard_normal(values.shape, dtype=np.float32) * conditions.noise
        seen[band] = np.clip(values + 0.5, 1, 255)
    seen[:3] = as_jpeg(seen[:3], conditions.quality)
    seen[3:4] = as_jpeg(seen[3:4], conditions.quality)
    surface = ndimage.gaussian_filter(stands.height, conditions.height_blur_px)
    surface += place.noise(3, (9.0, 0.15), (2.0, 0.1)) + rng.standard_normal(surface.shape, dtype=np.float32) * 0.08
    seen[4] = np.clip(surface / HEIGHT_UNIT_M, 0, 255)
    return seen


def _palette(conditions: Conditions) -> Field:
    """Return (classes, levels, bands): the colours of each class at this season, from one to the next."""
    table = np.zeros((max(GROWING) + 1, _LEVELS, 4), dtype=np.float32)
    level = np.linspace(0, 1, _LEVELS)
    for cover in GROWING:
        growing, dormant = (np.array(season[cover], dtype=np.float64) for season in (GROWING, DORMANT))
        colours = conditions.growing * growing + (1 - conditions.growing) * dormant
        knots = np.linspace(0, 1, len(colours))
        for band in range(4):
            table[cover, :, band] = np.interp(level, knots, colours[:, band])
    return table


def _colours(classes: NDArray[np.uint8], place: Place, stands: Relief, conditions: Conditions) -> Field:
    """Return (h, w, 4) colours before light and air."""
    shade = place.noise(4, (60.0, 0.5), (22.0, 0.5))
    shade = np.where(stands.labels > 0, stands.values[stands.labels], np.clip(0.5 + 0.75 * shade, 0, 1))
    colours = _palette(conditions)[classes, (shade * (_LEVELS - 1)).astype(np.uint8)]
    grain = np.zeros((max(GROWING) + 1, 2), dtype=np.float32)
    for cover, amplitudes in GRAIN.items():
        grain[cover] = amplitudes
    fine = place.noise(5, (0.8, 0.7), (0.4, 0.7))
    coarse = place.noise(6, (7.0, 0.6), (2.5, 0.6))
    own = np.where(stands.labels > 0, 14 * (stands.values[stands.labels] * 7.0 % 1.0 - 0.5), 0)
    colours += (fine * grain[classes, 0] + coarse * grain[classes, 1] + own)[..., np.newaxis]
    _add_rows(colours, classes, place, stands)
    return colours


def _add_rows(colours: Field, classes: NDArray[np.uint8], place: Place, stands: Relief) -> None:
    """Draw the rows of vines, the furrows and the wheel tracks of crops, each field in its direction."""
    for cover, (shortest, longest, added) in ROWS.items():
        row, col = np.nonzero(classes == cover)
        own = stands.values[stands.labels[row, col]]
        turn = own * 13.0 % 1.0 * math.pi
        across = ((place.col + col) * np.cos(turn) + (place.row + row) * np.sin(turn)) * RESOLUTION_M
        wave = np.sin(2 * math.pi * across / (shortest + (longest - shortest) * (own * 29.0 % 1.0)))
        strength = np.clip(0.5 + 1.2 * wave, 0, 1) if cover == VINE else wave
        colours[row, col] += strength[:, np.newaxis].astype(np.float32) * np.array(added, dtype=np.float32)
        if cover == CROP:
            apart = TRAMLINE_M[0] + (TRAMLINE_M[1] - TRAMLINE_M[0]) * (own * 5.0 % 1.0)
            track = np.abs(across % apart - 1.0) < 0.3
            colours[row[track], col[track]] += np.array((22, 2, 10, -34), dtype=np.float32)


def _add_cars(
    colours: Field, height: Field, classes: NDArray[np.uint8], place: Place, rng: np.random.Generator
) -> None:
    """Park cars of many colours on sealed ground, more in some places than in others."""
    crowd = np.clip(place.noise(8, (45.0, 1.0)), 0, 1) * 0.0016
    row, col = np.nonzero((classes == SEALED) & (rng.random(classes.shape, dtype=np.float32) < crowd))
    for r, c, upright in zip(row.tolist(), col.tolist(), (rng.random(len(row)) < 0.5).tolist(), strict=True):
        h, w = (21, 9) if upright else (9, 21)
        window = slice(r, r + h), slice(c, c + w)
        if (classes[window] == SEALED).all():
            colours[window] = rng.choice([35, 60, 110, 190, 235]) + rng.uniform(-12, 12, 4)
            height[window] = 1.5


def _light(height: Field, conditions: Conditions) -> Field:
    """Return the share of light each pixel gets: its slope to the sun, and the shadows that are cast on it."""
    azimuth, elevation = math.radians(conditions.sun_azimuth), math.radians(conditions.sun_elevation)
    east, south = math.sin(azimuth), -math.cos(azimuth)
    rise_s, rise_e = np.gradient(ndimage.gaussian_filter(height, 1.2), RESOLUTION_M)
    facing = np.clip(-(rise_e * east + rise_s * south), -1.2, 1.2)
    light = 1.0 + 0.22 * facing
    lit = ndimage.gaussian_filter((~cast_shadow(height, east, south, math.tan(elevation))).astype(np.float32), 0.7)
    result: Field = (light * (conditions.shadow + (1 - conditions.shadow) * lit)).astype(np.float32)
    return result


def cast_shadow(height: Field, east: float, south: float, slope: float, *, step_px: int = 2) -> NDArray[np.bool_]:
    """Return where something towards the sun is higher than the ray of light.

    Parameters
    ----------
    height
        (h, w) heights, metres.
    east, south
        Unit direction of the sun on the ground.
    slope
        Tangent of its elevation.
    step_px
        Distance between two looks towards the sun, pixels.
    """
    rows, cols = height.shape
    longest = int(height.max(initial=0.0) / slope / RESOLUTION_M) + 1
    shadow = np.zeros(height.shape, dtype=np.bool_)
    for away in range(step_px, longest + 1, step_px):
        dr, dc = round(away * south), round(away * east)
        to = slice(max(0, -dr), rows - max(0, dr)), slice(max(0, -dc), cols - max(0, dc))
        of = slice(max(0, dr), rows - max(0, -dr)), slice(max(0, dc), cols - max(0, -dc))
        shadow[to] |= height[of] > height[to] + np.float32(away * RESOLUTION_M * slope + 0.3)
    return shadow


def as_jpeg(bands: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return bands as they come back from a JPEG file."""
    count, height, width = bands.shape
    coding = {"compress": "jpeg", "jpeg_quality": quality, "photometric": "ycbcr" if count == 3 else "minisblack"}
    with MemoryFile() as file:
        with file.open(
            driver="GTiff", dtype="uint8", count=count, height=height, width=width, transform=_ANYWHERE, **coding
        ) as sink:
            sink.write(bands)
        with file.open() as source:
            read: NDArray[np.uint8] = source.read()
    return read


def scene_of(seed: int, *, side_px: int, scene: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return (5, h, w) bands and (h, w) classes of a scene; each scene has its place and its conditions."""
    place = place_at(seed, side_px=side_px, scene=scene)
    truth = place.truth()
    return photograph(truth, place, Conditions.drawn(np.random.default_rng([seed, scene, 3]))), truth


def main() -> None:
    """Write a scene as pictures: true colours, infrared, height, classes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for scene in range(4):
        bands, truth = scene_of(arguments.seed, side_px=1024, scene=scene)
        pictures = {
            "rvb": bands[:3],
            "irc": bands[[3, 0, 1]],
            "hauteur": bands[4:] * 4,
            "verite": truth[np.newaxis] * 16,
        }
        for name, picture in pictures.items():
            path = arguments.folder / f"{arguments.seed}_{scene}_{name}.tif"
            with rasterio.open(
                path,
                "w",
                driver="GTiff",
                dtype="uint8",
                count=len(picture),
                height=1024,
                width=1024,
                transform=_ANYWHERE,
            ) as sink:
                sink.write(picture)


if __name__ == "__main__":
    main()

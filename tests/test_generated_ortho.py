"""Generated photographs: shadows where the sun puts them, heights, and colours that tell no class by themselves."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.landscape import BARE, BROADLEAF, BUILT, CONIFER, CROP, LAWN, PLOUGHED, SEALED, VINE, Ground
from tools.generated_ortho import (
    HEIGHT_UNIT_M,
    RESOLUTION_M,
    Conditions,
    Place,
    as_jpeg,
    cast_shadow,
    photograph,
    place_at,
    relief,
    scene_of,
)
from tools.ground_colours import COSIA_NAMES, DORMANT, GRAIN, GROWING

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 320
PLAIN = Conditions(
    sun_azimuth=180,
    sun_elevation=45,
    growing=1.0,
    gain=(1, 1, 1, 1),
    haze=(0, 0, 0, 0),
    gamma=1.0,
    saturation=1.0,
    shadow=0.4,
    blur_px=0.5,
    noise=1.0,
    quality=90,
    height_blur_px=1.0,
)
"""Noon, sun in the south at 45°."""


@lru_cache(maxsize=16)
def scene(seed: int, side: int = SIDE) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return scene_of(seed, side_px=side)


def lawn_with(cover: int, *, side_m: float = 10.0) -> tuple[Place, NDArray[np.uint8]]:
    """Return a lawn of 64 m with a square of another class in its middle."""
    classes = np.full((SIDE, SIDE), LAWN, dtype=np.uint8)
    half = round(side_m / RESOLUTION_M / 2)
    classes[SIDE // 2 - half : SIDE // 2 + half, SIDE // 2 - half : SIDE // 2 + half] = cover
    return Place(Ground(0.0, 0.0, 500.0, 4), -SIDE, 0, SIDE, SIDE), classes


def test_a_wall_of_4_m_shades_4_m_of_ground_to_the_north_at_noon_under_a_sun_at_45_degrees() -> None:
    height = np.zeros((100, 11), dtype=np.float32)
    height[60, :] = 4.0
    shadow = cast_shadow(height, 0.0, 1.0, 1.0, step_px=1)
    shaded = np.flatnonzero(shadow[:, 5])
    assert shaded.max() == 59  # the row just north of the wall
    assert 17 <= len(shaded) <= 20  # 4 m are 20 pixels; a ray that only grazes the top passes
    assert not shadow[61:].any()


def test_flat_ground_has_no_shadow() -> None:
    assert not cast_shadow(np.zeros((20, 20), dtype=np.float32), 0.6, 0.8, 1.0).any()


def test_the_ground_north_of_a_building_is_darker_than_the_ground_south_of_it() -> None:
    place, classes = lawn_with(BUILT)
    bands = photograph(classes, place, PLAIN)
    middle = slice(SIDE // 2 - 10, SIDE // 2 + 10)
    north, south = bands[:3, 125:133, middle].mean(), bands[:3, 190:198, middle].mean()
    assert north < 0.7 * south


@pytest.mark.parametrize(("cover", "low", "high"), [(BUILT, 2.0, 14.0), (BROADLEAF, 2.0, 20.0), (SEALED, 0.0, 0.6)])
def test_the_height_band_tells_a_roof_and_a_tree_from_a_yard(cover: int, low: float, high: float) -> None:
    place, classes = lawn_with(cover)
    metres = photograph(classes, place, PLAIN)[4, 155:165, 155:165] * HEIGHT_UNIT_M
    assert low <= metres.mean() <= high


def test_a_building_has_one_colour_and_stands_on_its_eaves() -> None:
    place, classes = lawn_with(BUILT)
    stands = relief(classes, place)
    assert set(np.unique(stands.labels)) == {0, 1}
    roof = stands.height[classes == BUILT]
    assert roof.min() >= 2.2
    assert stands.height[classes == LAWN].max() < 0.2


def test_trees_are_bright_in_the_infrared_and_roads_are_not() -> None:
    tree, road = (photograph(classes, place, PLAIN) for place, classes in (lawn_with(BROADLEAF), lawn_with(SEALED)))
    middle = np.s_[:, 150:170, 150:170]
    assert tree[middle][3].mean() > 1.3 * tree[middle][0].mean()
    assert road[middle][3].mean() < 1.15 * road[middle][0].mean()


def test_leaves_fall_and_grass_dries_when_nothing_grows() -> None:
    for cover in (BROADLEAF, LAWN):
        place, classes = lawn_with(cover, side_m=40)
        summer, winter = (photograph(classes, place, replace(PLAIN, growing=growing)) for growing in (1.0, 0.0))
        middle = np.s_[:, 100:220, 100:220]
        assert winter[middle][3].mean() < summer[middle][3].mean()


def test_vines_stand_in_rows() -> None:
    place, classes = lawn_with(VINE, side_m=50)
    rows = photograph(classes, place, PLAIN)[0, 100:220, 100:220].astype(float)
    spectrum = np.abs(np.fft.fft2(rows - rows.mean()))
    assert spectrum.max() > 12 * np.median(spectrum)  # one wavelength stands out


def test_a_scene_is_the_same_each_time_and_another_seed_is_another_scene() -> None:
    bands, truth = scene(7)
    again, truth_again = scene_of(7, side_px=SIDE)
    assert (bands == again).all()
    assert (truth == truth_again).all()
    assert (scene(8)[1] != truth).any()


def test_a_scene_has_five_bands_and_classes_that_have_a_name() -> None:
    bands, truth = scene(7)
    assert bands.shape == (5, SIDE, SIDE)
    assert bands.dtype == truth.dtype == np.uint8
    assert set(np.unique(truth)) <= set(COSIA_NAMES)
    assert bands[:4].min() >= 0


def test_every_class_that_has_a_name_has_colours_for_both_seasons_and_a_grain() -> None:
    assert set(COSIA_NAMES) == set(GROWING) == set(DORMANT) == set(GRAIN)
    for cover in COSIA_NAMES:
        assert len(GROWING[cover]) == len(DORMANT[cover])


def test_two_photographs_of_one_ground_differ_in_light_and_colour() -> None:
    place, classes = lawn_with(SEALED)
    rng = np.random.default_rng(3)
    means = [photograph(classes, place, Conditions.drawn(rng))[:4].mean(axis=(1, 2)) for _ in range(6)]
    assert (np.std(means, axis=0) > 5).all()


def test_a_palette_is_not_enough_to_tell_the_classes() -> None:
    """The mean colour of each class over some scenes says little of other scenes: context must be learnt."""
    known = [scene(seed, 640) for seed in range(40, 46)]
    covers = sorted(COSIA_NAMES)
    pixels = np.concatenate([bands[:4].reshape(4, -1) for bands, _ in known], axis=1).astype(float)
    labels = np.concatenate([truth.ravel() for _, truth in known])
    present = [cover for cover in covers if (labels == cover).any()]
    centres = np.array([pixels[:, labels == cover].mean(axis=1) for cover in present])
    right = total = 0
    for seed in range(60, 64):
        bands, truth = scene(seed, 640)
        flat = bands[:4].reshape(4, -1).astype(float)[:, ::7]
        nearest = ((flat.T[:, np.newaxis] - centres) ** 2).sum(axis=2).argmin(axis=1)
        right += int((np.array(present)[nearest] == truth.ravel()[::7]).sum())
        total += flat.shape[1]
    assert right / total < 0.55


def test_grounds_hold_town_and_country() -> None:
    met = {int(cover) for seed in range(40, 46) for cover in np.unique(scene(seed, 640)[1])}
    assert {BUILT, SEALED, LAWN, BROADLEAF} <= met
    assert met & {CROP, PLOUGHED, VINE}
    assert met & {CONIFER, BARE}


def test_jpeg_gives_back_about_what_it_was_given() -> None:
    bands = np.tile(np.linspace(40, 200, 64).astype(np.uint8), (3, 64, 1))
    assert np.abs(as_jpeg(bands, 90).astype(int) - bands).mean() < 4


def test_a_place_lies_inside_its_ground() -> None:
    for scene_number in range(5):
        place = place_at(3, side_px=256, scene=scene_number)
        west = place.col * RESOLUTION_M - place.ground.xmin
        south = -(place.row + place.height) * RESOLUTION_M - place.ground.ymin
        assert 0 <= west <= place.ground.side - 256 * RESOLUTION_M
        assert 0 <= south <= place.ground.side - 256 * RESOLUTION_M

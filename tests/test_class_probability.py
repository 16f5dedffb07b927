"""The probability of a class raster: where it is looked for, when it tells levels, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from small_commune import BUILT, GRASS, SIDE, write_raster

from ocsge.errors import RasterError
from ocsge.grid import Grid, Window
from ocsge.products.class_probability import A_LEVEL, ProbabilityLevels, probability_levels
from ocsge.products.confusion import Confusion, Level
from ocsge.products.cosia import NO_DATA, RasterTile, place_tiles

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GRID = Grid(epsg=2154, pixels_per_m=1)
LEVELS = (Level(GRASS, 0, np.array([40, 10])), Level(GRASS, 200, np.array([50, 0])))
MATRIX = Confusion("cosia_vector_numero", (GRASS, BUILT), np.array([[90, 10], [0, 100]]), "a test", levels=LEVELS)


def tile(folder: Path, kind: str, values: NDArray[np.uint8], *, name: str = "a.tif", model: str = "m") -> RasterTile:
    """Write a dalle of classes or of probabilities, the first kind without the no data of the second."""
    (folder / kind).mkdir(exist_ok=True)
    path = write_raster(folder / kind / name, values, nodata=NO_DATA if kind == "classes" else 0)
    with rasterio.open(path, "r+") as raster:
        raster.update_tags(OCSGE_MODEL=model)
    return place_tiles([path], grid=GRID)[0]


def square(value: int) -> NDArray[np.uint8]:
    return np.full((int(SIDE), int(SIDE)), value, dtype=np.uint8)


def found(*tiles: RasterTile, confusion: Confusion | None = MATRIX) -> tuple[ProbabilityLevels | None, str]:
    return probability_levels(tiles, confusion, grid=GRID, window=tiles[0].window)


def test_a_pixel_is_of_the_level_of_its_probability_and_class(tmp_path: Path) -> None:
    values, probability = square(GRASS), square(199)
    values[:, 50:] = BUILT
    values[100:] = NO_DATA
    probability[:, :2] = 200
    probability[100:] = 0
    classes = tile(tmp_path, "classes", values)
    tile(tmp_path, "probability", probability)
    levels, said = found(classes)
    assert levels is not None
    assert (levels.count, len(levels.sha256), said) == (2, 1, "")
    window = Window(row=classes.window.row, col=classes.window.col, height=101, width=51)
    strips = np.concatenate(list(levels.strips([classes], grid=GRID, window=window, score_classes=())))
    assert strips[0, [0, 1, 2, 49, 50]].tolist() == [A_LEVEL + GRASS] * 2 + [GRASS] * 2 + [BUILT]
    assert set(strips[100].tolist()) == {NO_DATA}


@pytest.mark.parametrize("confusion", [None, Confusion("x", (GRASS,), np.array([[9]]), "without levels")])
def test_without_levels_no_probability_is_looked_for(tmp_path: Path, confusion: Confusion | None) -> None:
    classes = tile(tmp_path, "classes", square(GRASS))
    tile(tmp_path, "probability", square(9), model="another")
    assert found(classes, confusion=confusion) == (None, "")


def test_levels_without_probability_say_that_classes_are_told_alone(tmp_path: Path) -> None:
    levels, said = found(tile(tmp_path, "classes", square(GRASS)))
    assert levels is None
    assert "by class alone" in said
    assert "probability/a.tif is not there (`ocsge segment --probability` writes it)" in said


def test_a_raster_that_lies_elsewhere_has_no_probability(tmp_path: Path) -> None:
    tile(tmp_path, "probability", square(9))
    assert found(tile(tmp_path, "cosia", square(GRASS)))[0] is None


def test_dalles_that_overlap_have_no_levels(tmp_path: Path) -> None:
    tiles = [tile(tmp_path, "classes", square(GRASS), name=name) for name in ("a.tif", "b.tif")]
    for name in ("a.tif", "b.tif"):
        tile(tmp_path, "probability", square(9), name=name)
    assert "dalles overlap" in found(*tiles)[1]


def test_the_probability_of_another_model_or_of_other_pixels_is_refused(tmp_path: Path) -> None:
    classes = tile(tmp_path, "classes", square(GRASS))
    tile(tmp_path, "probability", square(9), model="another")
    with pytest.raises(RasterError, match="was made by the model 'another', its classes by 'm'"):
        found(classes)
    tile(tmp_path, "probability", square(9)[:50])
    with pytest.raises(RasterError, match="is not the probability of"):
        found(classes)


def test_a_class_without_probability_is_refused(tmp_path: Path) -> None:
    classes = tile(tmp_path, "classes", square(GRASS))
    tile(tmp_path, "probability", square(0))
    levels, _ = found(classes)
    assert levels is not None
    with pytest.raises(RasterError, match="pixels have a class and no probability"):
        list(levels.strips([classes], grid=GRID, window=classes.window, score_classes=()))

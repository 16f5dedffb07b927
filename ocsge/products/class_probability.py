"""Read the probability that a model gave the class of each pixel, as the levels that its confusion matrix tells.

``ocsge segment --probability`` writes a raster of probabilities, of 255, beside each raster of classes::

    <folder>/classes/<dalle>.tif        <folder>/probability/<dalle>.tif
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from ocsge.errors import RasterError
from ocsge.products.cosia import MODEL_TAG, NO_DATA, class_strips, overlapped_m2, place_tiles
from ocsge.publish import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.grid import Grid, Window
    from ocsge.products.confusion import Confusion
    from ocsge.products.cosia import RasterTile

CLASSES, PROBABILITY = "classes", "probability"
"""Folders of the rasters of classes and of probabilities, side by side."""

A_LEVEL = 256
"""What a level adds to a class number where both are one number."""


@dataclass(frozen=True, slots=True)
class ProbabilityLevels:
    """Rasters of probabilities, and the levels they are told by."""

    tiles: tuple[RasterTile, ...]
    """The rasters, pixel for pixel those of the classes."""

    level: NDArray[np.uint8]
    """(256, 256) level of each class number and probability, from 0; see :meth:`Confusion.level_table`."""

    count: int
    """Most levels of a class."""

    sha256: tuple[str, ...]
    """Digests of the files."""

    def strips(
        self, classes: Sequence[RasterTile], *, grid: Grid, window: Window, score_classes: Sequence[int]
    ) -> Iterator[NDArray[np.uint16]]:
        """Yield class number + :data:`A_LEVEL` × level, as :func:`~ocsge.products.cosia.class_strips` yields classes.

        Raises
        ------
        RasterError
            When a pixel has a class and no probability; and as ``class_strips``.
        """
        row = window.row
        for number in class_strips(classes, grid=grid, window=window, score_classes=score_classes):
            strip = replace(window, row=row, height=len(number))
            # read whole: the readers of two rasters half read may not be closed in the order they were opened
            (probability,) = class_strips(self.tiles, grid=grid, window=strip, score_classes=())
            row = strip.bottom
            if ((probability == 0) & (number != NO_DATA)).any():
                raise RasterError(
                    f"{self.tiles[0].path.parent}: pixels have a class and no probability; write both rasters in one "
                    "run of `ocsge segment --probability`, or take the folder away"
                )
            yield number + A_LEVEL * self.level[number, probability].astype(np.uint16)


def probability_levels(
    tiles: Sequence[RasterTile], confusion: Confusion | None, *, grid: Grid, window: Window
) -> tuple[ProbabilityLevels | None, str]:
    """Return the levels of probability of a class raster, None where they tell nothing, and what to say of it.

    Parameters
    ----------
    tiles
        The class raster.
    confusion
        Samples of its model; None or samples without levels need no probability, and none is looked for.
    grid, window
        The run's grid, and the pixels read.

    Raises
    ------
    RasterError
        When a raster of probabilities is unreadable, of another model, or of other pixels than its classes.
    """
    if confusion is None or not confusion.levels or not tiles:
        return None, ""
    beside = [tile.path.parent.parent / PROBABILITY / tile.path.name for tile in tiles]
    missing = [
        path for tile, path in zip(tiles, beside, strict=True) if tile.path.parent.name != CLASSES or not path.is_file()
    ]
    if missing:
        return None, _alone(f"{missing[0]} is not there (`ocsge segment --probability` writes it)")
    if any(tile.resampled for tile in tiles):
        return None, _alone("the raster is resampled")
    if overlapped_m2(tiles, grid=grid, window=window)[1]:
        return None, _alone("dalles overlap")
    placed = [replace(tile, nodata=None) for tile in place_tiles(beside, grid=grid)]  # no data stays 0
    for ours, theirs in zip(tiles, placed, strict=True):
        if theirs.window != ours.window or theirs.bands != 1:
            raise RasterError(f"{theirs.path}: is not the probability of {ours.path}, pixel for pixel; segment again")
        if _model(theirs.path) != _model(ours.path):
            raise RasterError(
                f"{theirs.path}: was made by the model {_model(theirs.path)!r}, its classes by {_model(ours.path)!r}; "
                "segment again"
            )
    level = confusion.level_table()
    return ProbabilityLevels(
        tuple(placed), level, int(level.max()) + 1, tuple(file_sha256(tile.path) for tile in placed)
    ), ""


def _alone(why: str) -> str:
    return f"intervals are told by class alone, though the confusion matrix has levels of probability: {why}"


def _model(path: Path) -> str:
    with rasterio.open(path) as dataset:
        return str(dataset.tags().get(MODEL_TAG, ""))

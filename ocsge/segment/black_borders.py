"""Find where an image holds nothing although it does not say so: black that reaches the edge of its file.

Orthophotos are cut at the limit of a département or of a flight and filled with zeros. A pixel of zeros inside is a
black roof or a shadow, and stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.windows import Window as RasterWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from ocsge.grid import Window
    from ocsge.segment.image_tiles import ImageTile

_STRIP_ROWS = 512


@dataclass(frozen=True, slots=True)
class BlackBorder:
    """Black pixels of a tile that are connected to its edge, by their sides, as spans of columns."""

    row_ptr: NDArray[np.int64]
    """(height + 1,) first span of each row."""
    start: NDArray[np.int32]
    stop: NDArray[np.int32]

    def holes(self, window: Window) -> NDArray[np.bool_]:
        """Return the pixels of a window, relative to the tile, that belong to the border."""
        mask = np.zeros((window.height, window.width), dtype=np.bool_)
        for row in range(window.row, window.bottom):
            for span in range(self.row_ptr[row], self.row_ptr[row + 1]):
                first, last = self.start[span] - window.col, self.stop[span] - window.col
                mask[row - window.row, max(first, 0) : max(last, 0)] = True
        return mask


def black_border(tile: ImageTile) -> BlackBorder | None:
    """Return the black border of a tile, or None when no pixel of its edge is black.

    The four edges are read first; the whole tile only when one of their pixels is black in every band.
    """
    with rasterio.open(tile.path) as dataset:
        height, width = dataset.height, dataset.width
        edges = (
            RasterWindow(0, 0, width, 1),
            RasterWindow(0, height - 1, width, 1),
            RasterWindow(0, 0, 1, height),
            RasterWindow(width - 1, 0, 1, height),
        )
        if not any(_black(dataset, tile, edge).any() for edge in edges):
            return None
        return _connected(_strips(dataset, tile), width=width)


def _black(dataset: DatasetReader, tile: ImageTile, window: RasterWindow) -> NDArray[np.bool_]:
    black: NDArray[np.bool_] = ~dataset.read(list(tile.indexes), window=window).any(axis=0)
    return black


def _strips(dataset: DatasetReader, tile: ImageTile) -> Iterator[NDArray[np.uint8]]:
    for row in range(0, dataset.height, _STRIP_ROWS):
        rows = min(_STRIP_ROWS, dataset.height - row)
        yield _black(dataset, tile, RasterWindow(0, row, dataset.width, rows)).astype(np.uint8)


def _connected(strips: Iterator[NDArray[np.uint8]], *, width: int) -> BlackBorder:
    from ocsge.regions.labels import label_runs  # noqa: PLC0415  (compiled kernels, for images with a border only)
    from ocsge.regions.runs import runs_of_strips  # noqa: PLC0415

    runs = runs_of_strips(strips, width=width)
    label, count = label_runs(runs.row_ptr, runs.start, runs.value, width, 0)
    stop = np.append(runs.start[1:], width).astype(np.int32)
    stop[runs.row_ptr[1:] - 1] = width
    row = np.repeat(np.arange(runs.height), np.diff(runs.row_ptr))
    at_edge = (row == 0) | (row == runs.height - 1) | (runs.start == 0) | (stop == width)
    reaches = np.zeros(count + 1, dtype=np.bool_)
    reaches[label[at_edge]] = True
    reaches[-1] = False  # label −1: not black
    kept = reaches[label]
    spans = np.bincount(row[kept], minlength=runs.height)
    return BlackBorder(row_ptr=np.append(0, np.cumsum(spans)), start=runs.start[kept], stop=stop[kept])

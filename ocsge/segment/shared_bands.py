"""Check that RVB and IRC files hold the bands they are given for: both show red and green, of the same flight.

Files that declare no band are read in the order of their product. Exchanged products, or an RVB in the order blue,
green, red, would then be classified without a word; the bands that both hold tell, since the same band correlates at
0.999 and another at 0.9 or less.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from ocsge.errors import RasterError
from ocsge.segment.tiling import common_window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ocsge.grid import Window
    from ocsge.segment.image_tiles import ImageTile
    from ocsge.segment.model_card import Band

RVB: tuple[Band, ...] = ("rouge", "vert", "bleu")
IRC: tuple[Band, ...] = ("infrarouge", "rouge", "vert")

BLOCK_PX, BLOCKS_A_SIDE = 128, 3
"""Side of the squares of a sample and how many in a row and a column: whole pixels, as overviews are not aligned."""

PAIRS_TRIED = 8
"""Pairs of tiles looked at until one is neither uniform nor without data."""

_FEWEST_PX = 256
_LEAST_SPREAD = 1.0
"""Standard deviation of a band, levels of 8 bits: less is noise."""
_SAME_BAND = 0.9
"""Correlation from which two bands may be one."""
_BEATEN_BY = 0.02
"""Correlation that another order has to win by; two treatments of the same flight differ by less."""


def overlaps(first: Sequence[ImageTile], second: Sequence[ImageTile]) -> Iterator[tuple[ImageTile, ImageTile, Window]]:
    """Yield each pair of tiles of two products that have pixels in common, and those pixels."""
    for one in first:
        for other in second:
            both = common_window(one.window, other.window)
            if both is not None:
                yield one, other, both


def check_shared_bands(rvb: Sequence[ImageTile], irc: Sequence[ImageTile]) -> None:
    """Refuse products whose red and green are not the same, on a sample of the first tiles that tell.

    Raises
    ------
    RasterError
        When no tile of one meets a tile of the other, another order of bands fits better, or a file cannot be read.
    """
    met = False
    for tried, (one, other, both) in enumerate(overlaps(rvb, irc)):
        met = True
        if tried == PAIRS_TRIED:
            break
        right, best = _agreement(one, other, both)
        if np.isnan(right):
            continue  # uniform, or no data
        if best >= _SAME_BAND and best - right >= _BEATEN_BY:
            raise RasterError(
                f"{one.path}, {other.path}: the red of RVB and of IRC differ; are the products exchanged? (red and "
                f"green correlate at {right:.2f}, at {best:.2f} in another order of bands)"
            )
        return
    if not met:
        raise RasterError(
            f"{rvb[0].path}, {irc[0].path}: no tile of --rvb meets a tile of --irc; give both products of one ground"
        )


def _agreement(rvb: ImageTile, irc: ImageTile, both: Window) -> tuple[float, float]:
    """Return the least correlation of red with red and green with green, and that of the best two pairs of bands.

    NaN when the sample says nothing.
    """
    true_colours, valid = _sample(rvb, RVB, both)
    false_colours, also = _sample(irc, IRC, both)
    kept = valid & also
    pixels = np.concatenate([true_colours, false_colours])[:, kept].astype(np.float64)
    if pixels.shape[1] < _FEWEST_PX:
        return np.nan, np.nan
    spread = pixels.std(axis=1)
    if min(spread[[0, 1, 4, 5]]) < _LEAST_SPREAD:
        return np.nan, np.nan
    centred = (pixels - pixels.mean(axis=1, keepdims=True)) / np.maximum(spread, _LEAST_SPREAD)[:, None]
    found = centred[:3] @ centred[3:].T / pixels.shape[1]
    right = min(found[RVB.index(band), IRC.index(band)] for band in ("rouge", "vert"))
    best = max(
        min(found[a, x], found[b, y]) for a, b in permutations(range(3), 2) for x, y in permutations(range(3), 2)
    )
    return float(right), float(best)


def _sample(tile: ImageTile, bands: Sequence[Band], both: Window) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return (bands, pixels) a few squares of a tile, and where it holds something."""
    indexes = [tile.indexes[tile.bands.index(band)] for band in bands]
    pixels, valid = [], []
    try:
        with rasterio.open(tile.path) as dataset:
            for row, height in _squares(both.row - tile.window.row, both.height):
                for col, width in _squares(both.col - tile.window.col, both.width):
                    where = RasterWindow(col, row, width, height)
                    read = dataset.read(indexes, window=where)
                    pixels.append(read.reshape(len(bands), -1))
                    valid.append(((dataset.dataset_mask(window=where) != 0) & (read != 0).any(axis=0)).ravel())
    except RasterioError as error:
        raise RasterError(
            f"{tile.path}: cannot be read ({error}); the file is truncated or corrupt, fetch it again"
        ) from error
    return np.concatenate(pixels, axis=1), np.concatenate(valid)


def _squares(first: int, length: int) -> list[tuple[int, int]]:
    """Return the (start, length) of the squares along a side: spread evenly, or the whole side when it is short."""
    if length <= BLOCK_PX * BLOCKS_A_SIDE:
        return [(first, length)]
    steps = BLOCKS_A_SIDE - 1
    return [(first + (length - BLOCK_PX) * step // steps, BLOCK_PX) for step in range(BLOCKS_A_SIDE)]

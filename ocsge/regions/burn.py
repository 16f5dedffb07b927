"""Burn shapes into pixel intervals: an even-odd scanline at pixel centres.

A pixel is inside when its centre is; an edge exactly on a centre counts on one side only (half-open both
ways), so shapes that share an edge never share a pixel and never leave one out. Crossings are computed in
global pixel coordinates, so a window burns the very pixels of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ocsge.grid import Grid, Window
    from ocsge.regions.shapes import Shapes


@dataclass(frozen=True, slots=True)
class Intervals:
    """Pixel intervals of a window, grouped by row, in paint order within a row."""

    row_ptr: NDArray[np.int64]
    """(height + 1,) first interval of each row."""

    start: NDArray[np.int32]
    """(n,) first column, from the window's left edge."""

    stop: NDArray[np.int32]
    """(n,) column after the last."""

    channel: NDArray[np.uint8]
    """(n,) a :class:`~ocsge.regions.shapes.Channel`."""

    value: NDArray[np.uint16]
    """(n,) what is painted."""


def burn(shapes: Shapes, *, grid: Grid, window: Window, channels: Sequence[int] | None = None) -> Intervals:
    """Return the pixel intervals that ``shapes`` cover in ``window``, of some channels or of all.

    Only shapes whose bounds meet the window are looked at. Nothing pixel-sized is allocated.
    """
    xmin, ymin, xmax, ymax = grid.bounds_of(window)
    bounds = shapes.bounds
    meets = (bounds[:, 0] < xmax) & (bounds[:, 2] > xmin) & (bounds[:, 1] < ymax) & (bounds[:, 3] > ymin)
    if channels is not None:
        meets &= np.isin(shapes.channel, channels)
    near = np.flatnonzero(meets)
    row, start, stop, shape = _burn_shapes(
        shapes.coords,
        shapes.ring_offsets,
        shapes.shape_offsets,
        near,
        float(grid.pixels_per_m),
        window.row,
        window.col,
        window.height,
        window.width,
    )
    return Intervals(*_grouped_by_row(row, start, stop, shape, shapes.channel, shapes.value, window.height))


@njit(cache=True, nogil=True)
def _first_centre(position):  # type: ignore[no-untyped-def]
    """Return the first pixel whose centre is at or after ``position``."""
    return int(np.ceil(position - 0.5))


@njit(cache=True, nogil=True)
def _count_crossings(  # type: ignore[no-untyped-def]
    coords, ring_offsets, shape_offsets, near, scale, top, height
):
    total = 0
    for s in near:
        for ring in range(shape_offsets[s], shape_offsets[s + 1]):
            for v in range(ring_offsets[ring], ring_offsets[ring + 1] - 1):
                ya, yb = -coords[v, 1] * scale, -coords[v + 1, 1] * scale
                first = max(_first_centre(min(ya, yb)), top)
                last = min(_first_centre(max(ya, yb)), top + height)
                if last > first:
                    total += last - first
    return total


@njit(cache=True, nogil=True)
def _burn_shapes(  # type: ignore[no-untyped-def]
    coords, ring_offsets, shape_offsets, near, scale, top, left, height, width
):
    capacity = _count_crossings(coords, ring_offsets, shape_offsets, near, scale, top, height) // 2 + 1
    out_row = np.empty(capacity, np.int32)
    out_start = np.empty(capacity, np.int32)
    out_stop = np.empty(capacity, np.int32)
    out_shape = np.empty(capacity, np.int32)
    n = 0
    count = np.zeros(height + 1, np.int32)
    crossings = np.empty(64, np.float64)
    for s in near:
        first_row, last_row = top + height, top
        total = 0
        for ring in range(shape_offsets[s], shape_offsets[s + 1]):
            for v in range(ring_offsets[ring], ring_offsets[ring + 1] - 1):
                ya, yb = -coords[v, 1] * scale, -coords[v + 1, 1] * scale
                a = max(_first_centre(min(ya, yb)), top)
                b = min(_first_centre(max(ya, yb)), top + height)
                if b > a:
                    total += b - a
                    first_row, last_row = min(first_row, a), max(last_row, b)
                    for r in range(a, b):
                        count[r - top + 1] += 1
        if total == 0:
            continue
        if total > len(crossings):
            crossings = np.empty(2 * total, np.float64)
        base = first_row - top
        for r in range(base, last_row - top):
            count[r + 1] += count[r]
        # count[r] is now where row r begins; fill rows backwards from their ends
        for ring in range(shape_offsets[s], shape_offsets[s + 1]):
            for v in range(ring_offsets[ring], ring_offsets[ring + 1] - 1):
                xa, ya = coords[v, 0] * scale, -coords[v, 1] * scale
                xb, yb = coords[v + 1, 0] * scale, -coords[v + 1, 1] * scale
                if ya > yb:
                    xa, ya, xb, yb = xb, yb, xa, ya
                a = max(_first_centre(ya), top)
                b = min(_first_centre(yb), top + height)
                for r in range(a, b):
                    x = xa + (r + 0.5 - ya) * (xb - xa) / (yb - ya)
                    count[r - top + 1] -= 1
                    crossings[count[r - top + 1]] = x
        # after filling, count[r + 1] is where row r begins
        for r in range(base, last_row - top):
            begin = count[r + 1]
            end = count[r + 2] if r + 1 < last_row - top else total
            for i in range(begin + 1, end):
                x = crossings[i]
                j = i - 1
                while j >= begin and crossings[j] > x:
                    crossings[j + 1] = crossings[j]
                    j -= 1
                crossings[j + 1] = x
            for i in range(begin, end - 1, 2):
                c0 = max(_first_centre(crossings[i]) - left, 0)
                c1 = min(_first_centre(crossings[i + 1]) - left, width)
                if c1 > c0:
                    out_row[n], out_start[n], out_stop[n], out_shape[n] = r, c0, c1, s
                    n += 1
        count[base : last_row - top + 1] = 0
    return out_row[:n], out_start[:n], out_stop[:n], out_shape[:n]


@njit(cache=True, nogil=True)
def _grouped_by_row(row, start, stop, shape, channel, value, height):  # type: ignore[no-untyped-def]
    """Return the arrays of :class:`Intervals`: grouped by row, in the order given within a row."""
    row_ptr = np.zeros(height + 1, np.int64)
    for r in row:
        row_ptr[r + 1] += 1
    for r in range(height):
        row_ptr[r + 1] += row_ptr[r]
    fill = row_ptr[:-1].copy()
    out_start, out_stop = np.empty(len(row), np.int32), np.empty(len(row), np.int32)
    out_channel, out_value = np.empty(len(row), np.uint8), np.empty(len(row), np.uint16)
    for i in range(len(row)):
        at = fill[row[i]]
        fill[row[i]] = at + 1
        out_start[at], out_stop[at] = start[i], stop[i]
        out_channel[at], out_value[at] = channel[shape[i]], value[shape[i]]
    return row_ptr, out_start, out_stop, out_channel, out_value

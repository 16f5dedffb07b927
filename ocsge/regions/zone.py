"""Zone construite: from the official layer, or from the built ground on a 1 m lattice.

Derived: built ground dilated, then eroded, then parts and holes below a minimum removed
(``rules/zone_construite.csv``; low confidence). Distances are Euclidean between cell centres, exact; a cell
is built when its centre pixel is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from ocsge.grid import Window
from ocsge.regions.bands import each_band
from ocsge.regions.burn import Intervals
from ocsge.regions.labels import label_runs
from ocsge.regions.runs import Runs, runs_of_strips, without_repeats
from ocsge.regions.shapes import Channel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ZoneConstruite:
    """Distances and areas of the derived zone construite, metres and m²."""

    dilation_m: float
    erosion_m: float
    minimum_area_m2: float
    minimum_hole_m2: float


def built_cells(built: Runs, *, window: Window, pixels_per_m: int) -> NDArray[np.bool_]:
    """Return which 1 m cells of a window are built, (rows, columns) bool.

    The window must begin and end on whole metres.
    """
    centre = pixels_per_m // 2
    rows = np.arange(centre, window.height, pixels_per_m)
    cells: NDArray[np.bool_] = _sample_rows(
        built.row_ptr, built.start, built.value, rows, centre, pixels_per_m, window.width
    )
    return cells


def zone_construite(built: NDArray[np.bool_], zone: ZoneConstruite, *, threads: int = 1) -> Runs:
    """Return the zone construite of built 1 m cells, as runs of 0 and 1 on the same cells."""
    grown = within(built, True, zone.dilation_m, threads=threads)
    if zone.erosion_m > 0:
        # in place: the cells of a run are its largest arrays
        near_outside = within(grown, False, zone.erosion_m, threads=threads)
        np.logical_not(near_outside, out=near_outside)
        np.logical_and(grown, near_outside, out=grown)
        del near_outside
    runs = runs_of_strips([grown.view(np.uint8)], width=grown.shape[1])
    del grown
    runs = _without_small(runs, value=1, minimum=zone.minimum_area_m2)
    return _without_small(runs, value=0, minimum=zone.minimum_hole_m2)


def zone_intervals(zone: Runs, *, zone_window: Window, window: Window, pixels_per_m: int) -> Intervals:
    """Return the zone construite of a window as intervals of the ``ZONE`` channel.

    Parameters
    ----------
    zone
        Runs of 0 and 1 on 1 m cells.
    zone_window
        Window of ``zone`` on the 1 m lattice.
    window
        Window wanted, on the run's grid.
    pixels_per_m
        Pixels along one metre of the run's grid.
    """
    row_ptr, start, stop = _refine(
        zone.row_ptr,
        zone.start,
        zone.value,
        zone.width,
        zone_window.row,
        zone_window.col,
        window.row,
        window.col,
        window.height,
        window.width,
        pixels_per_m,
    )
    return Intervals(
        row_ptr=row_ptr,
        start=start,
        stop=stop,
        channel=np.full(len(start), Channel.ZONE, dtype=np.uint8),
        value=np.ones(len(start), dtype=np.uint16),
    )


def metre_window(window: Window, pixels_per_m: int) -> Window:
    """Return the window of 1 m cells that covers a window of the run's grid."""
    row, col = window.row // pixels_per_m, window.col // pixels_per_m
    bottom, right = math.ceil(window.bottom / pixels_per_m), math.ceil(window.right / pixels_per_m)
    return Window(row=row, col=col, height=bottom - row, width=right - col)


def _without_small(runs: Runs, *, value: int, minimum: float) -> Runs:
    """Return the runs with connected groups of ``value`` below ``minimum`` cells turned over."""
    label, count = label_runs(runs.row_ptr, runs.start, runs.value, runs.width, 1 - value)
    small = _small_groups(runs.row_ptr, runs.start, label, count, runs.width, minimum)
    flipped = np.where((label >= 0) & small[label], 1 - value, runs.value).astype(runs.value.dtype)
    return without_repeats(Runs(row_ptr=runs.row_ptr, start=runs.start, value=flipped, width=runs.width))


@njit(cache=True, nogil=True)
def _small_groups(row_ptr, start, label, count, width, minimum):  # type: ignore[no-untyped-def]
    area = np.zeros(count + 1, np.int64)
    for r in range(len(row_ptr) - 1):
        for i in range(row_ptr[r], row_ptr[r + 1]):
            stop = start[i + 1] if i + 1 < row_ptr[r + 1] else width
            area[label[i]] += stop - start[i]
    small = area < minimum
    small[count] = False
    return small


@njit(cache=True, nogil=True)
def _sample_rows(row_ptr, start, value, rows, centre, step, width):  # type: ignore[no-untyped-def]
    columns = (width - centre + step - 1) // step
    cells = np.zeros((len(rows), columns), np.bool_)
    for k in range(len(rows)):
        r = rows[k]
        i = row_ptr[r]
        for c in range(columns):
            column = centre + c * step
            while i + 1 < row_ptr[r + 1] and start[i + 1] <= column:
                i += 1
            cells[k, c] = value[i] != 0
    return cells


_BLOCK_ROWS = 512


def within(mask: NDArray[np.bool_], wanted: bool, radius: float, *, threads: int = 1) -> NDArray[np.bool_]:
    """Return the cells whose centre is within ``radius`` cells of a cell where ``mask`` is ``wanted``."""
    height = len(mask)
    out = np.zeros(mask.shape, dtype=np.bool_)
    cuts = np.linspace(0, height, max(min(threads, height), 1) + 1).astype(int).tolist()
    each_band(list(pairwise(cuts)), lambda first, last: _within_rows(mask, wanted, radius, first, last, out))
    return out


@njit(cache=True, nogil=True)
def _within_rows(mask, wanted, radius, begin, end, out):  # type: ignore[no-untyped-def]
    """Set the cells of some rows that are within ``radius`` of a wanted one.

    Vertical distances by two scans of each column, then every cell paints the columns it reaches: linear and exact.
    Blocks of rows are worked on in turn, each with the rows it can see, so that memory does not grow with the mask.
    """
    height, width = mask.shape
    reach = int(radius)
    far = reach + 1
    half = np.empty(far, np.int32)
    for v in range(far):
        half[v] = int(np.sqrt(radius * radius - v * v) + 1e-9)
    vertical = np.empty((min(_BLOCK_ROWS, end - begin) + 2 * reach, width), np.int16)
    change = np.zeros(width + 1, np.int32)
    for top in range(begin, end, _BLOCK_ROWS):
        bottom = min(top + _BLOCK_ROWS, end)
        first, last = max(top - reach, 0), min(bottom + reach, height)
        for r in range(first, last):
            for c in range(width):
                above = vertical[r - 1 - first, c] if r > first else far
                vertical[r - first, c] = 0 if mask[r, c] == wanted else min(above + 1, far)
        for r in range(last - 2, first - 1, -1):
            for c in range(width):
                vertical[r - first, c] = min(vertical[r - first, c], vertical[r + 1 - first, c] + 1)
        for r in range(top, bottom):
            change[:] = 0
            for c in range(width):
                v = vertical[r - first, c]
                if v <= reach:
                    change[max(c - half[v], 0)] += 1
                    change[min(c + half[v] + 1, width)] -= 1
            depth = 0
            for c in range(width):
                depth += change[c]
                out[r, c] = depth > 0


@njit(cache=True, nogil=True)
def _refine(  # type: ignore[no-untyped-def]
    row_ptr, start, value, zone_width, zone_row, zone_col, top, left, height, width, n
):
    out_ptr = np.zeros(height + 1, np.int64)
    total = 0
    for r in range(height):
        k = (top + r) // n - zone_row
        if 0 <= k < len(row_ptr) - 1:
            total += row_ptr[k + 1] - row_ptr[k]
    out_start = np.empty(total, np.int32)
    out_stop = np.empty(total, np.int32)
    m = 0
    for r in range(height):
        k = (top + r) // n - zone_row
        if 0 <= k < len(row_ptr) - 1:
            for i in range(row_ptr[k], row_ptr[k + 1]):
                if value[i]:
                    end = start[i + 1] if i + 1 < row_ptr[k + 1] else zone_width
                    a = max((start[i] + zone_col) * n - left, 0)
                    b = min((end + zone_col) * n - left, width)
                    if b > a:
                        out_start[m], out_stop[m] = a, b
                        m += 1
        out_ptr[r + 1] = m
    return out_ptr, out_start[:m].copy(), out_stop[:m].copy()

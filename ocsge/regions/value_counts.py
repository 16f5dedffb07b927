"""Count the pixels of each value under intervals: burned zones crossed with the runs of a raster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.regions.burn import Intervals
    from ocsge.regions.runs import Runs


def count_values(
    intervals: Intervals, runs: Runs, *, zone: NDArray[np.int64], zones: int, columns: int
) -> NDArray[np.int64]:
    """Return the number of pixels of each value under the intervals of each zone.

    Intervals may overlap: a pixel counts once in each of its zones.

    Parameters
    ----------
    intervals
        Where the zones lie, in the window of the runs.
    runs
        Values below ``columns``.
    zone
        (intervals,) zone of each interval, below ``zones``.
    zones, columns
        Shape of the result.

    Returns
    -------
    numpy.ndarray
        (zones, columns) int64.
    """
    counts = np.zeros((zones, columns), dtype=np.int64)
    _count(
        intervals.row_ptr,
        intervals.start,
        intervals.stop,
        zone,
        runs.row_ptr,
        runs.start,
        runs.value,
        runs.width,
        counts,
    )
    return counts


@njit(cache=True, nogil=True)
def _count(row_ptr, start, stop, zone, run_ptr, run_start, value, width, counts):  # type: ignore[no-untyped-def]
    for r in range(len(row_ptr) - 1):
        first_run, past_run = run_ptr[r], run_ptr[r + 1]
        for i in range(row_ptr[r], row_ptr[r + 1]):
            # the last run that begins at or before the interval
            low, high = first_run, past_run
            while high - low > 1:
                middle = (low + high) // 2
                if run_start[middle] <= start[i]:
                    low = middle
                else:
                    high = middle
            at, run = start[i], low
            while at < stop[i]:
                end = run_start[run + 1] if run + 1 < past_run else width
                end = min(end, stop[i])
                counts[zone[i], value[run]] += end - at
                at, run = end, run + 1

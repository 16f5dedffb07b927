"""Sweep a row of a window: what every channel holds, segment by segment.

The columns where a class run or an interval begins or ends cut the row into segments. Intervals are painted
over segments, not pixels, so a row costs what it holds and not its width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from ocsge.regions.runs import Runs
from ocsge.regions.shapes import CHANNELS, Channel

if TYPE_CHECKING:
    from ocsge.regions.burn import Intervals

_CHANNELS = int(CHANNELS)


@njit(cache=True, nogil=True)
def row_buffers(width):  # type: ignore[no-untyped-def]
    """Return the buffers that :func:`paint_row` reuses from row to row."""
    marks = np.zeros(8 * (width // 8 + 2), np.uint8)
    cuts = np.empty(width + 1, np.int32)
    position = np.empty(width + 1, np.int32)
    painted = np.zeros((_CHANNELS, width + 1), np.uint16)
    return marks, cuts, position, painted


@njit(cache=True, nogil=True)
def paint_row(buffers, width, class_start, start, stop, channel, value):  # type: ignore[no-untyped-def]
    """Cut one row into segments and paint its intervals; return the number of segments.

    Parameters
    ----------
    buffers
        What :func:`row_buffers` returned. On return ``cuts[:n]`` holds the first column of each segment,
        ``cuts[n]`` the width, and ``painted[c, :n]`` the value of channel c.
    width
        Columns of the window.
    class_start
        First columns of the class runs of the row; empty where there is no raster.
    start, stop, channel, value
        The row's intervals in paint order.
    """
    marks, cuts, position, painted = buffers
    marks[0] = 1
    for c in class_start:
        marks[c] = 1
    for i in range(len(start)):
        marks[start[i]] = 1
        marks[stop[i]] = 1
    marks[width] = 0
    n = 0
    words = marks.view(np.uint64)
    for w in range(len(words)):
        if words[w] != 0:
            for c in range(8 * w, 8 * w + 8):
                if marks[c]:
                    cuts[n] = c
                    position[c] = n
                    n += 1
            words[w] = 0
    cuts[n] = width
    position[width] = n
    painted[:, :n] = 0
    for i in range(len(start)):
        layer = painted[channel[i]]
        v = value[i]
        for k in range(position[start[i]], position[stop[i]]):
            layer[k] = v
    return n


def painted_runs(intervals: Intervals, *, channel: Channel, width: int, unpainted: int) -> Runs:
    """Return what one channel holds, as runs of uint8 values.

    Parameters
    ----------
    intervals
        Burned layers; other channels are ignored.
    channel
        The channel wanted; its values are below 255.
    width
        Columns of the window.
    unpainted
        Value of the pixels nothing paints.
    """
    row_ptr, start, value = _painted_runs(
        intervals.row_ptr,
        intervals.start,
        intervals.stop,
        intervals.channel,
        intervals.value,
        width,
        int(channel),
        unpainted,
    )
    return Runs(row_ptr=row_ptr, start=start, value=value, width=width)


@njit(cache=True, nogil=True)
def _painted_runs(row_ptr, start, stop, channel, value, width, wanted, unpainted):  # type: ignore[no-untyped-def]
    height = len(row_ptr) - 1
    capacity = 2 * len(start) + height
    out_ptr = np.zeros(height + 1, np.int64)
    out_start = np.empty(capacity, np.int32)
    out_value = np.empty(capacity, np.uint8)
    buffers = row_buffers(width)
    _, cuts, _, painted = buffers
    none = np.empty(0, np.int32)
    n = 0
    for r in range(height):
        a, b = row_ptr[r], row_ptr[r + 1]
        # values are painted one higher, so that 0 means nothing was
        segments = paint_row(buffers, width, none, start[a:b], stop[a:b], channel[a:b], value[a:b] + np.uint16(1))
        for k in range(segments):
            v = painted[wanted, k] - 1 if painted[wanted, k] else unpainted
            if k == 0 or out_value[n - 1] != v:
                out_start[n], out_value[n] = cuts[k], v
                n += 1
        out_ptr[r + 1] = n
    return out_ptr, out_start[:n].copy(), out_value[:n].copy()

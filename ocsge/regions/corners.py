"""Corners of the pixel borders between pieces, and the arcs that join them.

A lattice corner has four quadrants and four directions, both numbered clockwise on the map so that the border
that leaves a corner in direction d has quadrant d on its left and quadrant d + 1 on its right::

    quadrants   3 NW | 0 NE        directions         3 up
                -----+-----                    2 left  +  0 right
                2 SW | 1 SE                           1 down

There is a border in direction d where the two quadrants differ. Only the corners where a path turns or where
paths meet are kept: what a window costs depends on its runs, not on its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUTSIDE = -1
"""Label of what belongs to no piece."""


@dataclass(frozen=True, slots=True)
class CornerGraph:
    """The corners of a window where a border turns (bends) or where three or four borders meet (nodes).

    Corners are numbered in the order of (row, column); none lies inside a straight border.
    """

    row_ptr: NDArray[np.int64]
    """(height + 2,) first corner of each lattice row; lattice row r is the northern edge of pixel row r."""

    row: NDArray[np.int32]
    """(n,) lattice row, from the window's northern edge."""

    col: NDArray[np.int32]
    """(n,) lattice column, from the window's western edge."""

    quadrant: NDArray[np.int32]
    """(n, 4) piece of the quadrants NE, SE, SW, NW; −1 outside."""

    link: NDArray[np.int32]
    """(n, 4) corner at the other end of the border to the right, down, left, up; −1 where there is none."""

    node: NDArray[np.bool_]
    """(n,) whether three or four borders meet."""


@dataclass(frozen=True, slots=True)
class Arcs:
    """Borders between two nodes, each once, from its first end in (row, column) order.

    An arc both ends of which are the same node starts in the lower of its two directions. A closed border
    without node starts and ends at its first corner, towards the right.
    """

    start: NDArray[np.int32]
    """(m,) corner of the first end."""

    leave: NDArray[np.int8]
    """(m,) direction that leaves the first end."""

    end: NDArray[np.int32]
    """(m,) corner of the last end; ``start`` for a closed arc."""

    back: NDArray[np.int8]
    """(m,) direction that leaves the last end, walking the arc backwards."""

    size: NDArray[np.int64]
    """(m,) corners along the arc, both ends counted."""

    left: NDArray[np.int32]
    """(m,) piece on the left; −1 outside."""

    right: NDArray[np.int32]
    """(m,) piece on the right; −1 outside."""


def corner_graph(
    row_ptr: NDArray[np.int64], start: NDArray[np.int32], piece: NDArray[np.int32], *, width: int
) -> CornerGraph:
    """Return the corners of the borders between pieces; everything around the window counts as outside.

    Parameters
    ----------
    row_ptr
        (height + 1,) first run of each row.
    start
        (runs,) first column of each run; every row is covered from column 0.
    piece
        (runs,) piece of each run, −1 outside.
    width
        Columns of the window.
    """
    height = len(row_ptr) - 1
    lattice_ptr = np.zeros(height + 2, np.int64)
    nothing = np.empty((0, 4), np.int32)
    _scan(row_ptr, start, piece, width, False, lattice_ptr, nothing[:, 0], nothing, nothing)
    n = int(lattice_ptr[-1])
    col = np.empty(n, np.int32)
    quadrant = np.empty((n, 4), np.int32)
    link = np.full((n, 4), -1, np.int32)
    _scan(row_ptr, start, piece, width, True, lattice_ptr, col, quadrant, link)
    return CornerGraph(
        row_ptr=lattice_ptr,
        row=np.repeat(np.arange(height + 1, dtype=np.int32), np.diff(lattice_ptr)),
        col=col,
        quadrant=quadrant,
        link=link,
        node=np.count_nonzero(link >= 0, axis=1) > 2,
    )


def list_arcs(graph: CornerGraph) -> Arcs:
    """Return every arc of a window, in the order of their first ends."""
    ends = int(np.count_nonzero(graph.link[graph.node] >= 0))
    capacity = ends // 2 + int(np.count_nonzero(~graph.node)) // 4  # a closed border has four bends or more
    m, start, leave, end, back, size = _list(graph.link, graph.node, capacity)
    start, leave = start[:m], leave[:m]
    return Arcs(
        start=start,
        leave=leave,
        end=end[:m],
        back=back[:m],
        size=size[:m],
        left=graph.quadrant[start, leave],
        right=graph.quadrant[start, (leave + 1) & 3],
    )


def arc_corners(
    graph: CornerGraph, arcs: Arcs, chosen: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the corners along the arcs numbered ``chosen``.

    Returns
    -------
    tuple
        (len(chosen) + 1,) first position of each arc, and the corners one arc after the other, both ends
        included.
    """
    ptr = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(arcs.size[chosen], out=ptr[1:])
    return ptr, _walk(graph.link, arcs.start[chosen], arcs.leave[chosen], ptr)


@njit(cache=True, nogil=True)
def bend(link, corner, heading):  # type: ignore[no-untyped-def]
    """Return the direction in which a path that arrives with ``heading`` leaves a bend."""
    left = (heading + 3) & 3
    return left if link[corner, left] >= 0 else (heading + 1) & 3


@njit(cache=True, nogil=True)
def _scan(row_ptr, start, piece, width, fill, lattice_ptr, col, quadrant, link):  # type: ignore[no-untyped-def]
    """Count the corners per lattice row, or fill them when ``fill``."""
    height = len(row_ptr) - 1
    n = 0
    open_down = np.full(width + 1, -1, np.int32)
    for y in range(height + 1):
        # runs of the pixel rows above and below the lattice row; none beyond the window
        above, above_end = (row_ptr[y - 1], row_ptr[y]) if y > 0 else (0, 0)
        below, below_end = (row_ptr[y], row_ptr[y + 1]) if y < height else (0, 0)
        nw = ne = sw = se = OUTSIDE
        open_right = -1
        x = 0
        while x < width:
            next_above = start[above] if above < above_end else width
            next_below = start[below] if below < below_end else width
            x = min(next_above, next_below)
            nw, sw = ne, se
            if x == width:
                ne = se = OUTSIDE
            if next_above == x and x < width:
                ne = piece[above]
                above += 1
            if next_below == x and x < width:
                se = piece[below]
                below += 1
            right, down, left, up = ne != se, se != sw, sw != nw, nw != ne
            if left == right and up == down and not (left and up):
                continue  # nothing, or a straight border
            if fill:
                col[n] = x
                quadrant[n, 0], quadrant[n, 1], quadrant[n, 2], quadrant[n, 3] = ne, se, sw, nw
                if left:
                    link[n, 2] = open_right
                    link[open_right, 0] = n
                if up:
                    link[n, 3] = open_down[x]
                    link[open_down[x], 1] = n
                open_right = n
                open_down[x] = n
            n += 1
        lattice_ptr[y + 1] = n


@njit(cache=True, nogil=True)
def _list(link, node, capacity):  # type: ignore[no-untyped-def]
    start = np.empty(capacity, np.int32)
    leave = np.empty(capacity, np.int8)
    end = np.empty(capacity, np.int32)
    back = np.empty(capacity, np.int8)
    size = np.empty(capacity, np.int64)
    seen = np.zeros(len(node), np.uint8)  # one bit per direction of a node; any bit for a bend
    m = 0
    for closed in (False, True):  # a bend left unseen after all nodes belongs to a closed border
        for c in range(len(node)):
            if node[c] == closed or (closed and seen[c]):
                continue
            for d in range(4):
                if link[c, d] < 0 or seen[c] >> d & 1 or (closed and d > 0):
                    continue
                seen[c] |= 1 << d
                at, heading, count = link[c, d], d, 2
                while at != c and not node[at]:
                    heading = bend(link, at, heading)
                    seen[at] |= 1
                    at = link[at, heading]
                    count += 1
                arrival = (heading + 2) & 3
                seen[at] |= 1 << arrival
                start[m], leave[m], end[m], back[m], size[m] = c, d, at, arrival, count
                m += 1
    return m, start, leave, end, back, size


@njit(cache=True, nogil=True)
def _walk(link, start, leave, ptr):  # type: ignore[no-untyped-def]
    corner = np.empty(ptr[-1], np.int32)
    for a in range(len(start)):
        at, heading = start[a], leave[a]
        corner[ptr[a]] = at
        for p in range(ptr[a] + 1, ptr[a + 1]):
            at = link[at, heading]
            corner[p] = at
            if p + 1 < ptr[a + 1]:
                heading = bend(link, at, heading)
    return corner

"""Draw pieces: borders → arcs shared by neighbours → rings → polygons.

Each arc is stored and simplified once, so neighbours share every vertex: no gap, no overlap. An arc depends
on the corners around it and not on which pieces are drawn, so a piece drawn alone or among others has the
same coordinates.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numba import njit

from ocsge.errors import OcsgeError
from ocsge.regions.corners import arc_corners, corner_graph, list_arcs
from ocsge.regions.simplify import simplify_arcs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.grid import Grid, Window
    from ocsge.regions.corners import Arcs


def trace_polygons(
    row_ptr: NDArray[np.int64],
    start: NDArray[np.int32],
    piece: NDArray[np.int32],
    *,
    wanted: NDArray[np.bool_],
    grid: Grid,
    window: Window,
    tolerance_px: float,
) -> NDArray[np.object_]:
    """Draw pieces as polygons, metres of the grid's CRS.

    Parameters
    ----------
    row_ptr
        (height + 1,) first run of each row of the window.
    start
        (runs,) first column of each run, from the window's western edge; every row is covered from column 0.
    piece
        (runs,) piece of each run, −1 outside. Each piece is one 4-connected set of pixels.
    wanted
        (pieces,) pieces to draw. Others are not drawn, but their borders are in the way of simplification all
        the same. A wanted piece cut by the edge of the window is drawn as if the ground beyond were outside.
    grid, window
        Where the runs lie.
    tolerance_px
        Farthest that simplification may leave a pixel corner from the line drawn, pixels; 0 draws the pixel
        borders.

    Returns
    -------
    NDArray
        (pieces,) valid shapely polygons; None where a piece is not wanted or has no pixel. Outer rings turn
        counter-clockwise, holes clockwise; a ring starts at its northernmost then westernmost vertex, and
        holes are in the order of their starts.

    Raises
    ------
    OcsgeError
        When a wanted piece is not 4-connected.
    """
    graph = corner_graph(
        np.ascontiguousarray(row_ptr, np.int64),
        np.ascontiguousarray(start, np.int32),
        np.ascontiguousarray(piece, np.int32),
        width=window.width,
    )
    arcs = list_arcs(graph)
    graph = replace(graph, quadrant=graph.quadrant[:0].copy())  # the arcs know their sides: a third of its memory
    draw = np.append(np.asarray(wanted, np.bool_), False)  # label −1 reads the last entry
    chosen = np.flatnonzero(draw[arcs.left] | draw[arcs.right])
    ptr, corner = arc_corners(graph, arcs, chosen)
    keep = simplify_arcs(graph, arcs, chosen, ptr, corner, tolerance_px=tolerance_px)
    row, col = graph.row, graph.col
    del graph
    corner = corner[keep]
    ptr = np.append(0, np.cumsum(keep))[ptr]

    left, right = arcs.left[chosen], arcs.right[chosen]
    ring_ptr, half = _half_rings(arcs, chosen, draw[left], draw[right])
    vertex_ptr, vertex, area2 = _ring_vertices(ring_ptr, half, ptr, corner, row, col)
    label = np.where(half & 1, right[half >> 1], left[half >> 1])[ring_ptr[:-1]]
    order = np.lexsort((area2, vertex[vertex_ptr[:-1]], area2 < 0, label))
    label = label[order]
    _check_outer_rings(label, area2[order] > 0)
    vertex_ptr, vertex = _reordered(vertex_ptr, vertex, order)

    # whole numbers first: the same lattice corner has the same floats in every window
    x = (col[vertex].astype(np.int64) + window.col) / grid.pixels_per_m
    y = -(row[vertex].astype(np.int64) + window.row) / grid.pixels_per_m
    drawn, first_ring = np.unique(label, return_index=True)
    polygons = np.full(len(wanted), None, dtype=object)
    polygons[drawn] = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        np.column_stack((x, y)),
        (vertex_ptr, np.append(first_ring, len(label)).astype(np.int64)),
    )
    return polygons


def _half_rings(
    arcs: Arcs, chosen: NDArray[np.int64], left_drawn: NDArray[np.bool_], right_drawn: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return simple rings of half-arcs: 2·a walks arc a forwards, 2·a + 1 backwards, piece on the left."""
    nodes, node = np.unique(np.concatenate((arcs.start[chosen], arcs.end[chosen])), return_inverse=True)
    begin = node.reshape(2, -1).T.ravel()  # node at which each half-arc begins
    leave = np.column_stack((arcs.leave[chosen], arcs.back[chosen])).ravel().astype(np.int64)
    drawn = np.column_stack((left_drawn, right_drawn)).ravel()
    return _join(begin, leave, drawn, len(nodes))  # type: ignore[no-any-return]


def _check_outer_rings(label: NDArray[np.int32], outer: NDArray[np.bool_]) -> None:
    twice = np.flatnonzero(np.bincount(label[outer], minlength=1) > 1)
    if len(twice):
        raise OcsgeError(
            f"piece {twice[0]} is in several parts ({len(twice)} such pieces): pieces must be 4-connected; "
            "this is a bug, please report it with the command that was run"
        )


def _reordered(
    ptr: NDArray[np.int64], values: NDArray[np.int32], order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return a ragged array with its rows in another order."""
    size = np.diff(ptr)[order]
    new_ptr = np.append(0, np.cumsum(size))
    shift = np.repeat(ptr[:-1][order] - new_ptr[:-1], size)
    return new_ptr, values[np.arange(len(values)) + shift]


@njit(cache=True, nogil=True)
def _join(begin, leave, drawn, n_nodes):  # type: ignore[no-untyped-def]
    """Chain half-arcs into rings that hug their piece, and cut the rings where they touch themselves."""
    n = len(begin)
    out = np.full((n_nodes, 4), -1, np.int64)
    for h in range(n):
        if drawn[h]:
            out[begin[h], leave[h]] = h
    done = np.zeros(n, np.bool_)
    half = np.empty(np.count_nonzero(drawn), np.int64)
    ptr = np.zeros(len(half) + 1, np.int64)
    filled = rings = 0
    stack = np.empty(len(half), np.int64)
    depth_at = np.full(n_nodes, -1, np.int64)  # depth in the stack of the half-arc that begins at a node
    for h0 in range(n):
        if done[h0] or not drawn[h0]:
            continue
        top = 0
        h = h0
        while True:
            done[h] = True
            depth_at[begin[h]] = top
            stack[top] = h
            top += 1
            at = begin[h ^ 1]
            if depth_at[at] >= 0:
                bottom = depth_at[at]
                for k in range(bottom, top):
                    half[filled] = stack[k]
                    depth_at[begin[stack[k]]] = -1
                    filled += 1
                rings += 1
                ptr[rings] = filled
                top = bottom
            # the leftmost border: the piece is on the left and its pixels are joined by their sides only
            arrival = leave[h ^ 1]
            h = out[at, (arrival + 1) & 3]
            if h < 0:
                h = out[at, (arrival + 2) & 3]
            if h < 0:
                h = out[at, (arrival + 3) & 3]
            if h == h0:
                break
    return ptr[: rings + 1], half


@njit(cache=True, nogil=True)
def _ring_vertices(ring_ptr, half, arc_ptr, arc_corner, row, col):  # type: ignore[no-untyped-def]
    """Return closed rings from their first corner, and twice their areas (holes negative)."""
    rings = len(ring_ptr) - 1
    ptr = np.zeros(rings + 1, np.int64)
    for g in range(rings):
        ptr[g + 1] = ptr[g] + 1
        for k in range(ring_ptr[g], ring_ptr[g + 1]):
            a = half[k] >> 1
            ptr[g + 1] += arc_ptr[a + 1] - arc_ptr[a] - 1
    vertex = np.empty(ptr[-1], np.int32)
    area2 = np.zeros(rings, np.int64)
    for g in range(rings):
        # the position of the first corner (corners are numbered by row, then column), then the ring from
        # there
        size = ptr[g + 1] - ptr[g] - 1
        ring = vertex[ptr[g] : ptr[g + 1]]
        smallest, turn = -1, 0
        for k in range(ring_ptr[g], ring_ptr[g + 1]):
            a = half[k] >> 1
            for p in range(arc_ptr[a], arc_ptr[a + 1]):
                if smallest < 0 or arc_corner[p] < smallest:
                    smallest = arc_corner[p]
        position = 0
        for k in range(ring_ptr[g], ring_ptr[g + 1]):
            a = half[k] >> 1
            low, high = arc_ptr[a], arc_ptr[a + 1] - 1
            for p in range(high - low):
                v = arc_corner[high - p] if half[k] & 1 else arc_corner[low + p]
                ring[position] = v
                if v == smallest:
                    turn = position
                position += 1
        _rotate(ring, turn, size)
        ring[size] = ring[0]
        for p in range(size):
            v, w = ring[p], ring[p + 1]
            area2[g] += np.int64(row[v]) * col[w] - np.int64(col[v]) * row[w]
    return ptr, vertex, area2


@njit(cache=True, nogil=True)
def _rotate(ring, turn, size):  # type: ignore[no-untyped-def]
    """Move the first ``size`` values so that the one at ``turn`` comes first, by three reversals."""
    for low, high in ((0, turn), (turn, size), (0, size)):
        middle = (high - low) // 2
        for k in range(middle):
            ring[low + k], ring[high - 1 - k] = ring[high - 1 - k], ring[low + k]

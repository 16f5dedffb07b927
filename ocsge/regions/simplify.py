"""Simplify arcs without ever letting two of them cross, each arc from its own neighbourhood only.

Douglas–Peucker: the chord of a stretch of arc replaces it when the stretch stays within the tolerance of the
chord **and** the region swept between the two holds no corner that is not of the stretch, not even on its
edge. Two arcs then cannot cross: a path that enters the swept region leaves it neither through the stretch
(borders do not cross) nor through the chord a second time (a segment meets a chord once), so it would have a
corner inside. The argument holds chord against border and chord against chord, so each arc is decided alone,
from the original corners around it. The swept region is that of the winding number; the tests are on whole
numbers, so they are exact.

Two arcs with the same two ends could become the same chord, which nothing above forbids: each then keeps its
farthest corner. A closed arc keeps a triangle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from ocsge.regions.corners import bend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.regions.corners import Arcs, CornerGraph


def simplify_arcs(
    graph: CornerGraph,
    arcs: Arcs,
    chosen: NDArray[np.int64],
    ptr: NDArray[np.int64],
    corner: NDArray[np.int32],
    *,
    tolerance_px: float,
) -> NDArray[np.bool_]:
    """Return which corners of the chosen arcs remain after simplification; the ends always do.

    Parameters
    ----------
    graph, arcs
        All corners and all arcs of the window: those that are not chosen are in the way all the same.
    chosen
        (k,) arcs to simplify.
    ptr, corner
        Their corners, as :func:`ocsge.regions.corners.arc_corners` returns them.
    tolerance_px
        Farthest that a corner may be from the simplified arc, pixels; 0 keeps every corner.

    Returns
    -------
    NDArray
        (len(corner),) True where the corner remains.
    """
    if tolerance_px <= 0:
        # every corner of the graph is a turn or a node: none is superfluous
        return np.ones(len(corner), np.bool_)
    limit = float(tolerance_px)
    must_bend = _parallel(graph.link, graph.row, graph.col, arcs.start, arcs.leave, arcs.end, arcs.size, limit)
    return _simplify(  # type: ignore[no-any-return]
        ptr,
        corner,
        graph.row[corner],
        graph.col[corner],
        must_bend[chosen],
        graph.row_ptr,
        graph.col,
        limit,
    )


@njit(cache=True, nogil=True)
def _distance2(r, c, r0, c0, r1, c1):  # type: ignore[no-untyped-def]
    """Return the squared distance of (r, c) to the segment between two distinct points, square pixels."""
    dr, dc = r1 - r0, c1 - c0
    pr, pc = r - r0, c - c0
    dot, length2 = pr * dr + pc * dc, dr * dr + dc * dc
    if dot <= 0:
        return np.float64(pr * pr + pc * pc)
    if dot >= length2:
        qr, qc = r - r1, c - c1
        return np.float64(qr * qr + qc * qc)
    cross = np.float64(pr * dc - pc * dr)
    return cross * cross / length2


@njit(cache=True, nogil=True)
def _near_chord(link, row, col, start, leave, end, size, tolerance):  # type: ignore[no-untyped-def]
    """Tell whether an arc lies within the tolerance of the chord of its ends."""
    r0, c0, r1, c1 = np.int64(row[start]), np.int64(col[start]), np.int64(row[end]), np.int64(col[end])
    heading = leave
    at = link[start, heading]
    for _ in range(size - 2):
        if _distance2(np.int64(row[at]), np.int64(col[at]), r0, c0, r1, c1) > tolerance * tolerance:
            return False
        heading = bend(link, at, heading)
        at = link[at, heading]
    return True


@njit(cache=True, nogil=True)
def _parallel(link, row, col, start, leave, end, size, tolerance):  # type: ignore[no-untyped-def]
    """Tell which arcs could become the same chord as another arc.

    Only arcs that stay within the tolerance of their chord count: others keep a corner anyway, and a window
    that cuts them short must not change the answer.
    """
    m = len(start)
    result = np.zeros(m, np.bool_)
    for a in range(m):
        if size[a] == 2 or start[a] == end[a]:
            continue
        for b in range(max(a - 3, 0), min(a + 4, m)):  # the arcs of a node follow one another: four at most
            if (
                b != a
                and start[b] == start[a]
                and end[b] == end[a]
                and _near_chord(link, row, col, start[a], leave[a], end[a], size[a], tolerance)
                and _near_chord(link, row, col, start[b], leave[b], end[b], size[b], tolerance)
            ):
                result[a] = True
                break
    return result


@njit(cache=True, nogil=True)
def _farthest(r, c, i, j):  # type: ignore[no-untyped-def]
    """Return the first position farthest from the chord i–j, and its squared distance."""
    best, position = -1.0, i
    for p in range(i + 1, j):
        distance2 = _distance2(r[p], c[p], r[i], c[i], r[j], c[j])
        if distance2 > best:
            best, position = distance2, p
    return position, best


@njit(cache=True, nogil=True)
def _swept(r, c, i, j, qr, qc):  # type: ignore[no-untyped-def]
    """Tell whether the point (qr, qc) is inside or on the region between positions i to j and their chord.

    The point is no corner of the path, hence not on it: what is left of the edge is the chord.
    """
    dr, dc = r[j] - r[i], c[j] - c[i]
    pr, pc = qr - r[i], qc - c[i]
    side = dr * pc - dc * pr
    dot = pr * dr + pc * dc
    if side == 0 and 0 <= dot <= dr * dr + dc * dc:
        return True
    winding = 0
    for p in range(i, j):
        # edges are horizontal or vertical: a ray along the row meets vertical ones only
        if r[p] <= qr < r[p + 1]:
            winding += c[p] > qc
        elif r[p + 1] <= qr < r[p]:
            winding -= c[p] > qc
    # the chord closes the path, walked from j to i; side > 0: the point is on its right when it goes down
    if r[j] <= qr < r[i]:
        winding += side > 0
    elif r[i] <= qr < r[j]:
        winding -= side < 0
    return winding != 0


@njit(cache=True, nogil=True)
def _blocked(corner, r, c, i, j, first, owner, place, row_ptr, col, tolerance):  # type: ignore[no-untyped-def]
    """Tell whether the region swept by the chord i–j holds a corner that is not of the path i–j."""
    top, bottom, west, east = r[i], r[i], c[i], c[i]
    for p in range(i + 1, j + 1):
        top, bottom = min(top, r[p]), max(bottom, r[p])
        west, east = min(west, c[p]), max(east, c[p])
    dr, dc = r[j] - r[i], c[j] - c[i]
    reach = tolerance * np.sqrt(np.float64(dr * dr + dc * dc))
    for y in range(top, bottom + 1):
        low, high = west, east
        if dr != 0:  # the columns of the row that are within the tolerance of the chord's line
            centre, half = c[i] + (y - r[i]) * dc / dr, reach / abs(dr)
            low = max(low, np.int64(np.floor(centre - half)))
            high = min(high, np.int64(np.ceil(centre + half)))
        a, b = row_ptr[y], row_ptr[y + 1]
        while a < b:
            middle = (a + b) >> 1
            if col[middle] < low:
                a = middle + 1
            else:
                b = middle
        for q in range(a, row_ptr[y + 1]):
            if col[q] > high:
                break
            if q == corner[i] or q == corner[j] or (owner[q] == first and i < place[q] < j):
                continue
            if _swept(r, c, i, j, y, np.int64(col[q])):
                return True
    return False


@njit(cache=True, nogil=True)
def _simplify(ptr, corner, r, c, must_bend, row_ptr, col, tolerance):  # type: ignore[no-untyped-def]
    keep = np.zeros(len(corner), np.bool_)
    owner = np.full(len(col), -1, np.int64)  # bends only: first position of their arc, and own position
    place = np.zeros(len(col), np.int64)
    longest = 0
    for a in range(len(ptr) - 1):
        longest = max(longest, ptr[a + 1] - ptr[a])
        for p in range(ptr[a] + 1, ptr[a + 1] - 1):
            owner[corner[p]], place[corner[p]] = ptr[a], p
    stack = np.empty((longest + 4, 2), np.int64)
    for a in range(len(ptr) - 1):
        first, last = ptr[a], ptr[a + 1] - 1
        keep[first] = keep[last] = True
        stack[0, 0], stack[0, 1] = first, last
        depth = 1
        forced = must_bend[a]
        if corner[first] == corner[last]:
            low, high = _triangle(r, c, first, last)
            keep[low] = keep[high] = True
            stack[0, 1], stack[1, 0], stack[1, 1], stack[2, 0], stack[2, 1] = low, low, high, high, last
            depth = 3
        while depth > 0:
            depth -= 1
            i, j = stack[depth, 0], stack[depth, 1]
            if j - i < 2:
                continue
            k, distance2 = _farthest(r, c, i, j)
            if (
                not forced
                and distance2 <= tolerance * tolerance
                and not _blocked(corner, r, c, i, j, first, owner, place, row_ptr, col, tolerance)
            ):
                continue
            forced = False
            keep[k] = True
            stack[depth, 0], stack[depth, 1] = i, k
            stack[depth + 1, 0], stack[depth + 1, 1] = k, j
            depth += 2
    return keep


@njit(cache=True, nogil=True)
def _triangle(r, c, first, last):  # type: ignore[no-untyped-def]
    """Return two positions of a closed arc that make a triangle with its start, in order."""
    best, far = np.int64(-1), first
    for p in range(first + 1, last):
        d2 = (r[p] - r[first]) ** 2 + (c[p] - c[first]) ** 2
        if d2 > best:
            best, far = d2, p
    dr, dc = r[far] - r[first], c[far] - c[first]
    best, aside = np.int64(-1), first
    for p in range(first + 1, last):
        cross = abs((r[p] - r[first]) * dc - (c[p] - c[first]) * dr)
        if cross > best:
            best, aside = cross, p
    return min(far, aside), max(far, aside)

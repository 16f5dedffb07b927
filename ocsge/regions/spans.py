"""Sets of pixels as spans: rows of disjoint, ascending (start, stop) columns.

A span list is three arrays: ``ptr`` (height + 1), the first span of each row; ``start`` and ``stop``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ocsge.regions.labels import find


@njit(cache=True, nogil=True)
def spans_of(row_ptr, start, value, width, wanted):  # type: ignore[no-untyped-def]
    """Return (ptr, start, stop) of the runs whose value is ``wanted``."""
    ptr = np.zeros(len(row_ptr), np.int64)
    total = 0
    for i in range(len(value)):
        total += value[i] == wanted
    out_start = np.empty(total, np.int32)
    out_stop = np.empty(total, np.int32)
    n = 0
    for r in range(len(row_ptr) - 1):
        for i in range(row_ptr[r], row_ptr[r + 1]):
            if value[i] == wanted:
                out_start[n] = start[i]
                out_stop[n] = start[i + 1] if i + 1 < row_ptr[r + 1] else width
                n += 1
        ptr[r + 1] = n
    return ptr, out_start, out_stop


@njit(cache=True, nogil=True)
def _merge_rows(ptr, start, stop, above, below, union):  # type: ignore[no-untyped-def]
    """Combine rows r + ``above`` and r + ``below`` of a span list, by union or intersection, into row r.

    A row outside the list is empty for a union and everything for an intersection.
    """
    height = len(ptr) - 1
    out_ptr = np.zeros(height + 1, np.int64)
    out_start = np.empty(2 * len(start) + 1, np.int32)
    out_stop = np.empty(2 * len(start) + 1, np.int32)
    n = 0
    for r in range(height):
        ra, rb = r + above, r + below
        ia = ea = ib = eb = 0
        if 0 <= ra < height:
            ia, ea = ptr[ra], ptr[ra + 1]
        if 0 <= rb < height:
            ib, eb = ptr[rb], ptr[rb + 1]
        only = not (0 <= ra < height and 0 <= rb < height)
        if union or only:
            first = n
            while ia < ea or ib < eb:
                if ib >= eb or (ia < ea and start[ia] <= start[ib]):
                    s, e = start[ia], stop[ia]
                    ia += 1
                else:
                    s, e = start[ib], stop[ib]
                    ib += 1
                if n > first and s <= out_stop[n - 1]:
                    out_stop[n - 1] = max(out_stop[n - 1], e)
                else:
                    out_start[n], out_stop[n] = s, e
                    n += 1
        else:
            while ia < ea and ib < eb:
                s, e = max(start[ia], start[ib]), min(stop[ia], stop[ib])
                if s < e:
                    out_start[n], out_stop[n] = s, e
                    n += 1
                if stop[ia] < stop[ib]:
                    ia += 1
                else:
                    ib += 1
        out_ptr[r + 1] = n
    return out_ptr, out_start[:n].copy(), out_stop[:n].copy()


@njit(cache=True, nogil=True)
def _window_of_rows(ptr, start, stop, radius, union):  # type: ignore[no-untyped-def]
    """Combine the rows r − radius … r + radius into row r, by doubling."""
    size = 1
    p, s, e = ptr, start, stop
    while 2 * size <= 2 * radius + 1:
        p, s, e = _merge_rows(p, s, e, 0, size, union)
        size *= 2
    # rows r … r + size − 1 are in row r; the window starts radius rows above
    return _merge_rows(p, s, e, -radius, radius + 1 - size, union)


@njit(cache=True, nogil=True)
def _widened(ptr, start, stop, by):  # type: ignore[no-untyped-def]
    """Move both ends of each span outwards by ``by`` columns; spans that meet join, spans that vanish go."""
    out_ptr = np.zeros(len(ptr), np.int64)
    out_start = np.empty(len(start), np.int32)
    out_stop = np.empty(len(start), np.int32)
    n = 0
    for r in range(len(ptr) - 1):
        first = n
        for i in range(ptr[r], ptr[r + 1]):
            s, e = start[i] - by, stop[i] + by
            if e <= s:
                continue
            if n > first and s <= out_stop[n - 1]:
                out_stop[n - 1] = e
            else:
                out_start[n], out_stop[n] = s, e
                n += 1
        out_ptr[r + 1] = n
    return out_ptr, out_start[:n].copy(), out_stop[:n].copy()


@njit(cache=True, nogil=True)
def closed(ptr, start, stop, radius):  # type: ignore[no-untyped-def]
    """Morphological closing by a square of half-side ``radius`` pixels; nothing is built outside the window."""
    halo_px = 2 * radius
    height = len(ptr) - 1
    with_halo = np.zeros(height + 2 * halo_px + 1, np.int64)
    with_halo[halo_px : halo_px + height + 1] = ptr
    with_halo[halo_px + height + 1 :] = ptr[height]
    p, s, e = _widened(with_halo, start, stop, radius)
    p, s, e = _window_of_rows(p, s, e, radius, True)
    p, s, e = _widened(p, s, e, -radius)
    p, s, e = _window_of_rows(p, s, e, radius, False)
    first, last = p[halo_px], p[halo_px + height]
    return p[halo_px : halo_px + height + 1] - first, s[first:last].copy(), e[first:last].copy()


@njit(cache=True, nogil=True)
def without(ptr, start, stop, state_ptr, state_start, state, width, unwanted):  # type: ignore[no-untyped-def]
    """Return the spans, cut to the width, without the columns of the runs whose state is ``unwanted``."""
    out_ptr = np.zeros(len(ptr), np.int64)
    out_start = np.empty(len(start) + len(state_start), np.int32)
    out_stop = np.empty(len(out_start), np.int32)
    n = 0
    for r in range(len(ptr) - 1):
        j = state_ptr[r]
        end = state_ptr[r + 1]
        for i in range(ptr[r], ptr[r + 1]):
            a, b = max(start[i], 0), min(stop[i], width)
            while j > state_ptr[r] and state_start[j] > a:
                j -= 1
            while j + 1 < end and state_start[j + 1] <= a:
                j += 1
            while a < b:
                stop_j = state_start[j + 1] if j + 1 < end else width
                piece_end = min(b, stop_j)
                if state[j] != unwanted:
                    if n > out_ptr[r] and out_stop[n - 1] == a:
                        out_stop[n - 1] = piece_end
                    else:
                        out_start[n], out_stop[n] = a, piece_end
                        n += 1
                a = piece_end
                if a < b:
                    j += 1
        out_ptr[r + 1] = n
    return out_ptr, out_start[:n].copy(), out_stop[:n].copy()


@njit(cache=True, nogil=True)
def group_spans(ptr, start, stop):  # type: ignore[no-untyped-def]
    """Label 4-connected groups of spans; a label is the first span of the group."""
    parent = np.arange(len(start)).astype(np.int32)
    for r in range(1, len(ptr) - 1):
        i, j = ptr[r - 1], ptr[r]
        while i < ptr[r] and j < ptr[r + 1]:
            if start[i] < stop[j] and start[j] < stop[i]:
                a, b = find(parent, i), find(parent, j)
                if a < b:
                    parent[b] = a
                elif b < a:
                    parent[a] = b
            if stop[i] < stop[j]:
                i += 1
            else:
                j += 1
    for i in range(len(parent)):
        parent[i] = find(parent, i)
    return parent

"""Joining regions of the border graph: union-find over regions whose border lists are chained."""

from __future__ import annotations

import numpy as np
from numba import njit

from ocsge.regions.labels import find


@njit(cache=True, nogil=True)
def join(a, b, parent, area, zone, head, tail, following):  # type: ignore[no-untyped-def]
    """Join two roots into the one that comes first; its border list becomes both lists."""
    if b < a:
        a, b = b, a
    parent[b] = a
    area[a] += area[b]
    zone[a] |= zone[b]
    if head[a] < 0:
        head[a], tail[a] = head[b], tail[b]
    elif head[b] >= 0:
        following[tail[a]] = head[b]
        tail[a] = tail[b]
    return a


@njit(cache=True, nogil=True)
def join_all(  # type: ignore[no-untyped-def]
    r, wanted, key, parent, area, zone, head, tail, neighbour, following
):
    """Give root ``r`` the key ``wanted`` and join it with every neighbour of that key."""
    count = 0
    e = head[r]
    while e >= 0:
        count += 1
        e = following[e]
    same = np.empty(count, np.int32)
    n = 0
    e = head[r]
    while e >= 0:
        v = find(parent, neighbour[e])
        if v != r and key[v] == wanted:
            same[n] = v
            n += 1
        e = following[e]
    key[r] = wanted
    for i in range(n):
        v = find(parent, same[i])
        if v != r:
            r = join(r, v, parent, area, zone, head, tail, following)
    key[r] = wanted
    return r


@njit(cache=True, nogil=True)
def drop_inner(r, parent, head, tail, neighbour, following):  # type: ignore[no-untyped-def]
    """Unlink the entries of ``r``'s list that lead back to ``r``."""
    while head[r] >= 0 and find(parent, neighbour[head[r]]) == r:
        head[r] = following[head[r]]
    last = head[r]
    if last < 0:
        tail[r] = -1
        return
    while following[last] >= 0:
        e = following[last]
        if find(parent, neighbour[e]) == r:
            following[last] = following[e]
        else:
            last = e
    tail[r] = last

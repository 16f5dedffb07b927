"""Fill regions of unknown cover from their neighbours, before any minimum area is looked at."""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit

from ocsge.regions.evidence import ABSORB, OSSATURE_SHIFT, USAGE_SHIFT, cover_of, usage_of
from ocsge.regions.joining import join_all
from ocsge.regions.labels import find

_OSSATURE_BIT = 1 << OSSATURE_SHIFT


@njit(cache=True, nogil=True)
def _key_for_unknown(  # type: ignore[no-untyped-def]
    r, large, absorb_cover, border, touched, key, parent, head, neighbour, length, following
):
    """Return the key that region ``r`` of unknown cover receives, −1 while all its neighbours are unknown too.

    Only what it lacks comes from the longest border: the cover, the usage of a large one, or both at once.
    """
    usage = usage_of(key[r])
    n = 0
    e = head[r]
    while e >= 0:
        v = find(parent, neighbour[e])
        cover = cover_of(key[v])
        if v != r and cover not in (0, ABSORB):
            if usage:
                k = cover
            elif large:
                k = usage_of(key[v])
            else:
                k = key[v] & ~_OSSATURE_BIT
            if border[k] == 0:
                touched[n] = k
                n += 1
            border[k] += length[e]
        e = following[e]
    if n == 0:
        return -1
    best = touched[0]
    for t in range(n):
        k = touched[t]
        if border[k] > border[best] or (border[k] == border[best] and k < best):
            best = k
    for t in range(n):
        border[touched[t]] = 0
    if usage:
        return (key[r] & ~15) | best
    if large:
        return (key[r] & ~15) | (best << USAGE_SHIFT) | absorb_cover
    return best


@njit(cache=True, nogil=True)
def fill_unknown(  # type: ignore[no-untyped-def]
    key, parent, area, zone, head, tail, neighbour, length, following, absorb_px, absorb_cover
):
    """Step 1: give every region of unknown cover the cover, or the whole key, of its longest border."""
    for r in range(len(key)):
        large = cover_of(key[r]) == ABSORB and area[r] >= absorb_px
        if parent[r] == r and large and usage_of(key[r]):
            wanted = (key[r] & ~15) | absorb_cover
            join_all(r, wanted, key, parent, area, zone, head, tail, neighbour, following)
    heap = [(np.int64(0), np.int64(0)) for _ in range(0)]
    for r in range(len(key)):
        if parent[r] == r and cover_of(key[r]) in (0, ABSORB):
            heap.append((area[r], np.int64(r)))  # noqa: PERF401 - a typed list for the compiler
    border = np.zeros(1024, np.int64)
    touched = np.empty(1024, np.int32)
    progress = True
    while progress:
        progress = False
        heapq.heapify(heap)
        waiting = [(np.int64(0), np.int64(0)) for _ in range(0)]
        while len(heap) > 0:
            a, i = heapq.heappop(heap)
            region = np.int32(i)
            large = cover_of(key[region]) == ABSORB and a >= absorb_px
            wanted = _key_for_unknown(
                region, large, absorb_cover, border, touched, key, parent, head, neighbour, length, following
            )
            if wanted < 0:
                waiting.append((a, i))
                continue
            progress = True
            join_all(region, wanted, key, parent, area, zone, head, tail, neighbour, following)
        heap = waiting

"""Absorb undersized regions, smallest first, into the neighbouring key that fits best.

Four steps on the border graph, each a heap ordered by (area, first pixel), so the answer depends on the regions alone:

1. *Unknown cover* (no data, or a class that takes the enclosing cover) receives the cover it shares the longest border
   with, keeping its own usage when it has one, else the usage too. A large region of the second kind has its own cover
   and lacks at most the usage. What has unknown neighbours only waits for them; a domain without any known cover stays
   unknown.
2. *Built pieces* below the built minimum join the built ground they touch.
3. *Everything else* below its minimum (a smaller one where it touches the zone construite) is absorbed by the
   neighbouring key with the largest border × semantic weight; ties go to the longest border, then to the lowest key.
   It joins every neighbour of that key, and what results is examined again. Built ground and the ossature are absorbers of last resort.
4. The ossature is never absorbed.

Independence: a region at or above its minimum never changes. So each connected cluster of unstable regions is decided
by itself and its direct neighbours, and :func:`absorb` reports whether a cluster cut by the window reaches the part
that is kept.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ocsge.regions.evidence import ABSORB, OSSATURE_SHIFT, USAGE_SHIFT
from ocsge.regions.graph import RegionGraph, find

_OSSATURE_BIT = 1 << OSSATURE_SHIFT


@dataclass(frozen=True, slots=True)
class MinimumAreas:
    """Minimum areas and merging weights, in pixels of the run's grid and small integers."""

    built_px: int
    """Minimum of built ground."""

    built_evidence_px: int
    """Below it, built ground with no built neighbour is absorbed; at or above it, a hemmed-in house is kept."""

    zone_px: int
    """Minimum of a region that touches the zone construite."""

    elsewhere_px: int
    """Minimum of the other regions."""

    absorb_px: int
    """An ABSORB region at or above this takes ``absorb_cover``."""

    absorb_cover: int
    """Cover index of large ABSORB regions."""

    built_cover: int
    """Cover index of built ground."""

    cover_weight: NDArray[np.int32]
    """(COVERS, COVERS) weight of merging one cover into another."""

    usage_weight: NDArray[np.int32]
    """(USAGES, USAGES) weight of merging one usage into another; added to the cover's."""

    into_built: int
    """Weight of merging into built ground whatever the codes; 0 = only when nothing else touches."""

    into_ossature: int
    """Weight of merging into the ossature whatever the codes; 0 = only when nothing else touches."""


@dataclass(frozen=True, slots=True)
class Absorbed:
    """Regions after merging."""

    root: NDArray[np.int32]
    """(regions,) region each one belongs to in the end (the first in row order of its group)."""

    key: NDArray[np.int32]
    """(regions,) key of the roots."""

    filled: NDArray[np.bool_]
    """(regions,) whether the region had no known cover and received one."""

    exact: bool
    """False when a cluster cut by the window's edge reaches the kept part: the halo must grow."""


def clusters_are_whole(
    graph: RegionGraph, minimum: MinimumAreas, *, cut: NDArray[np.bool_], kept: NDArray[np.bool_]
) -> bool:
    """Return whether no connected cluster of unstable regions holds both a cut region and a kept one.

    Parameters
    ----------
    graph
        Regions and borders, before :func:`absorb`.
    minimum
        Minimum areas.
    cut
        (regions,) goes on beyond what is seen.
    kept
        (regions,) has a pixel in the part whose answer matters.
    """
    unstable = _unstable(graph, minimum)
    return bool(_clusters_are_whole(graph.head, graph.neighbour, graph.following, unstable, cut, kept))


def _unstable(graph: RegionGraph, minimum: MinimumAreas) -> NDArray[np.bool_]:
    """Return which regions may change: of unknown cover, or below their minimum and not ossature."""
    cover = graph.key & 15
    wanted = np.where(graph.in_zone, minimum.zone_px, minimum.elsewhere_px)
    wanted = np.where(cover == minimum.built_cover, minimum.built_px, wanted)
    unknown = (cover == 0) | (cover == ABSORB)
    ossature = graph.key & _OSSATURE_BIT != 0
    unstable: NDArray[np.bool_] = unknown | ((graph.area < wanted) & ~ossature)
    return unstable


def absorb(
    graph: RegionGraph, minimum: MinimumAreas, *, cut: NDArray[np.bool_], kept: NDArray[np.bool_]
) -> Absorbed:
    """Merge undersized regions of a window.

    Parameters
    ----------
    graph
        Regions and borders; its linked lists are consumed.
    minimum
        Minimum areas and weights.
    cut
        (regions,) touches an edge of the window beyond which there is more to derive.
    kept
        (regions,) has a pixel in the part of the window that is kept.
    """
    exact = clusters_are_whole(graph, minimum, cut=cut, kept=kept)
    cover = graph.key & 15
    key = graph.key.copy()
    filled = cover == 0
    parent = np.arange(len(key), dtype=np.int32)
    area, zone = graph.area.copy(), graph.in_zone.copy()
    links = (graph.head, graph.tail, graph.neighbour, graph.length, graph.following)
    _fill_unknown(key, parent, area, zone, *links, minimum.absorb_px, minimum.absorb_cover)
    limits = np.array(
        [minimum.built_px, minimum.built_evidence_px, minimum.zone_px, minimum.elsewhere_px], dtype=np.int64
    )
    for built_only in (True, False):
        _merge(
            key,
            parent,
            area,
            zone,
            *links,
            limits,
            minimum.built_cover,
            minimum.cover_weight,
            minimum.usage_weight,
            minimum.into_built,
            minimum.into_ossature,
            built_only,
        )
    root = _roots(parent)
    return Absorbed(root=root, key=key, filled=filled, exact=exact)


@njit(cache=True, nogil=True)
def _roots(parent):  # type: ignore[no-untyped-def]
    for i in range(len(parent)):
        parent[i] = find(parent, i)
    return parent


@njit(cache=True, nogil=True)
def _clusters_are_whole(head, neighbour, following, unstable, at_edge, in_core):  # type: ignore[no-untyped-def]
    n = len(head)
    parent = np.arange(n).astype(np.int32)
    for r in range(n):
        if unstable[r]:
            e = head[r]
            while e >= 0:
                if unstable[neighbour[e]]:
                    a, b = find(parent, r), find(parent, neighbour[e])
                    if a < b:
                        parent[b] = a
                    elif b < a:
                        parent[a] = b
                e = following[e]
    cut = np.zeros(n, np.bool_)
    for r in range(n):
        if unstable[r] and at_edge[r]:
            cut[find(parent, r)] = True
    for r in range(n):
        if unstable[r] and in_core[r] and cut[find(parent, r)]:
            return False
    return True


@njit(cache=True, nogil=True)
def _join(a, b, parent, area, zone, head, tail, following):  # type: ignore[no-untyped-def]
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
def _join_all(r, wanted, key, parent, area, zone, head, tail, neighbour, following):  # type: ignore[no-untyped-def]
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
            r = _join(r, v, parent, area, zone, head, tail, following)
    key[r] = wanted
    return r


@njit(cache=True, nogil=True)
def _drop_inner(r, parent, head, tail, neighbour, following):  # type: ignore[no-untyped-def]
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


@njit(cache=True, nogil=True)
def _key_for_unknown(r, large, absorb_cover, border, touched, key, parent, head, neighbour, length, following):  # type: ignore[no-untyped-def]
    """Return the key that region ``r`` of unknown cover receives, −1 while all its neighbours are unknown too.

    Only what it lacks comes from the longest border: the cover, the usage of a large one, or both at once.
    """
    usage = (key[r] >> USAGE_SHIFT) & 31
    n = 0
    e = head[r]
    while e >= 0:
        v = find(parent, neighbour[e])
        cover = key[v] & 15
        if v != r and cover not in (0, ABSORB):
            if usage:
                k = cover
            elif large:
                k = (key[v] >> USAGE_SHIFT) & 31
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
def _fill_unknown(  # type: ignore[no-untyped-def]
    key, parent, area, zone, head, tail, neighbour, length, following, absorb_px, absorb_cover
):
    """Step 1: give every region of unknown cover the cover, or the whole key, of its longest border."""
    for r in range(len(key)):
        large = key[r] & 15 == ABSORB and area[r] >= absorb_px
        if parent[r] == r and large and (key[r] >> USAGE_SHIFT) & 31:
            wanted = (key[r] & ~15) | absorb_cover
            _join_all(r, wanted, key, parent, area, zone, head, tail, neighbour, following)
    heap = [(np.int64(0), np.int64(0)) for _ in range(0)]
    for r in range(len(key)):
        if parent[r] == r and key[r] & 15 in (0, ABSORB):
            heap.append((area[r], np.int64(r)))
    border = np.zeros(1024, np.int64)
    touched = np.empty(1024, np.int32)
    progress = True
    while progress:
        progress = False
        heapq.heapify(heap)
        waiting = [(np.int64(0), np.int64(0)) for _ in range(0)]
        while len(heap) > 0:
            a, i = heapq.heappop(heap)
            r = np.int32(i)
            large = key[r] & 15 == ABSORB and a >= absorb_px
            wanted = _key_for_unknown(
                r, large, absorb_cover, border, touched, key, parent, head, neighbour, length, following
            )
            if wanted < 0:
                waiting.append((a, i))
                continue
            progress = True
            _join_all(r, wanted, key, parent, area, zone, head, tail, neighbour, following)
        heap = waiting


@njit(cache=True, nogil=True)
def _has_built_neighbour(r, key, parent, head, neighbour, following, built_cover):  # type: ignore[no-untyped-def]
    e = head[r]
    while e >= 0:
        v = find(parent, neighbour[e])
        if v != r and key[v] & 15 == built_cover:
            return True
        e = following[e]
    return False


@njit(cache=True, nogil=True)
def _merge(key, parent, area, zone, head, tail, neighbour, length, following, limits, built_cover, cover_weight,
           usage_weight, into_built, into_ossature, built_only):  # type: ignore[no-untyped-def]  # fmt: skip
    """Steps 2 and 3: absorb undersized regions, built ones only or all."""
    built_px, evidence_px, zone_px, elsewhere_px = limits
    heap = [(np.int64(0), np.int64(0)) for _ in range(0)]
    for r in range(len(key)):
        if parent[r] == r and key[r] & _OSSATURE_BIT == 0 and area[r] < max(elsewhere_px, built_px):
            if built_only and key[r] & 15 != built_cover:
                continue
            heap.append((area[r], np.int64(r)))
    heapq.heapify(heap)
    border = np.zeros(1024, np.int64)
    touched = np.empty(1024, np.int32)
    while len(heap) > 0:
        a, i = heapq.heappop(heap)
        r = np.int32(i)
        if parent[r] != r or area[r] != a:
            continue
        built = key[r] & 15 == built_cover
        if built_only and not built:
            continue
        if built:
            among_built = _has_built_neighbour(r, key, parent, head, neighbour, following, built_cover)
            enough = a >= built_px or (not among_built and a >= evidence_px)
        else:
            among_built = False
            enough = a >= (zone_px if zone[r] else elsewhere_px)
        if enough:
            continue
        n = 0
        e = head[r]
        while e >= 0:
            v = find(parent, neighbour[e])
            if v != r and not (among_built and key[v] & 15 != built_cover):
                k = key[v]
                if border[k] == 0:
                    touched[n] = k
                    n += 1
                border[k] += length[e]
            e = following[e]
        if n == 0:
            continue
        best, best_score, best_border = touched[0], np.int64(-1), np.int64(-1)
        for t in range(n):
            k = touched[t]
            if k & _OSSATURE_BIT:
                weight = into_ossature
            elif k & 15 == built_cover and not built:
                weight = into_built
            else:
                weight = (
                    cover_weight[key[r] & 15, k & 15]
                    + usage_weight[(key[r] >> USAGE_SHIFT) & 31, (k >> USAGE_SHIFT) & 31]
                )
            score = border[k] * np.int64(weight)
            if (
                score > best_score
                or (score == best_score and border[k] > best_border)
                or (score == best_score and border[k] == best_border and k < best)
            ):
                best, best_score, best_border = k, score, border[k]
        for t in range(n):
            border[touched[t]] = 0
        r = _join_all(r, best, key, parent, area, zone, head, tail, neighbour, following)
        if key[r] & _OSSATURE_BIT == 0 and area[r] < max(elsewhere_px, built_px):
            _drop_inner(r, parent, head, tail, neighbour, following)
            heapq.heappush(heap, (area[r], np.int64(r)))

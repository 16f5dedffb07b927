"""Absorb undersized regions, smallest first, into the neighbouring key that fits best.

Four steps on the border graph, each a heap ordered by (area, first pixel), so the answer depends on the
regions alone:

1. *Unknown cover* (no data, or a class that takes the enclosing cover) receives the cover it shares the
   longest border with, keeping its own usage when it has one, else the usage too. A large region of the
   second kind has its own cover and lacks at most the usage. What has unknown neighbours only waits for them;
   a domain without any known cover stays unknown.
2. *Built pieces* below the built minimum join the built ground they touch.
3. *Everything else* below its minimum (a smaller one where it touches the zone construite) is absorbed by the
   neighbouring key with the largest border × semantic weight; ties go to the longest border, then to the
   lowest key. It joins every neighbour of that key, and what results is examined again. Built ground and the
   ossature are absorbers of last resort.
4. The ossature is never absorbed.

Independence: a region at or above its minimum never changes. So each connected cluster of unstable regions is
decided by itself and its direct neighbours, one after another, and :func:`clusters_are_whole` says whether a cluster
cut by the window reaches the part that is kept.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from ocsge.regions.evidence import ABSORB, OSSATURE_SHIFT, cover_of, usage_of
from ocsge.regions.joining import drop_inner, join_all
from ocsge.regions.labels import find
from ocsge.regions.unknown_cover import fill_unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.regions.graph import RegionGraph

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

    @property
    def largest_px(self) -> int:
        """No region at or above this is ever absorbed for its area."""
        return max(self.built_px, self.zone_px, self.elsewhere_px)


@dataclass(frozen=True, slots=True)
class Absorbed:
    """Regions after merging."""

    root: NDArray[np.int32]
    """(regions,) region each one belongs to in the end (the first in row order of its group)."""

    key: NDArray[np.int32]
    """(regions,) key of the roots."""


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
    if not cut.any():
        return True
    unstable = _unstable(graph, minimum)
    cluster = _clusters(graph.head, graph.neighbour, graph.following, unstable)
    return bool(_are_whole(cluster, cut, kept))


def _unstable(graph: RegionGraph, minimum: MinimumAreas) -> NDArray[np.bool_]:
    """Return which regions may change: of unknown cover, or below their minimum and not ossature."""
    cover = cover_of(graph.key)
    wanted = np.where(graph.in_zone, minimum.zone_px, minimum.elsewhere_px)
    wanted = np.where(cover == minimum.built_cover, minimum.built_px, wanted)
    unknown = (cover == 0) | (cover == ABSORB)
    ossature = graph.key & _OSSATURE_BIT != 0
    unstable: NDArray[np.bool_] = unknown | ((graph.area < wanted) & ~ossature)
    return unstable


def absorb(graph: RegionGraph, minimum: MinimumAreas) -> Absorbed:
    """Merge undersized regions of a window.

    Parameters
    ----------
    graph
        Regions and borders; its linked lists are consumed.
    minimum
        Minimum areas and weights.
    """
    key = graph.key.copy()
    parent = np.arange(len(key), dtype=np.int32)
    area, zone = graph.area.copy(), graph.in_zone.copy()
    links = (graph.head, graph.tail, graph.neighbour, graph.length, graph.following)
    members, first = _members(_clusters(graph.head, graph.neighbour, graph.following, _unstable(graph, minimum)))
    fill_unknown(key, parent, area, zone, *links, minimum.absorb_px, minimum.absorb_cover)
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
            members,
            first,
            limits,
            minimum.built_cover,
            minimum.cover_weight,
            minimum.usage_weight,
            minimum.into_built,
            minimum.into_ossature,
            built_only,
        )
    root = _roots(parent)
    return Absorbed(root=root, key=key)


@njit(cache=True, nogil=True)
def _roots(parent):  # type: ignore[no-untyped-def]
    for i in range(len(parent)):
        parent[i] = find(parent, i)
    return parent


@njit(cache=True, nogil=True)
def _clusters(head, neighbour, following, unstable):  # type: ignore[no-untyped-def]
    """Return, by region, the first region of its connected cluster of unstable ones; −1 for a stable region."""
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
    for r in range(n):
        parent[r] = find(parent, r) if unstable[r] else -1
    return parent


@njit(cache=True, nogil=True)
def _members(cluster):  # type: ignore[no-untyped-def]
    """Return the unstable regions cluster by cluster, and where each cluster begins, its end included."""
    n = len(cluster)
    size = np.zeros(n, np.int32)
    for r in range(n):
        if cluster[r] >= 0:
            size[cluster[r]] += 1
    count = 0
    for r in range(n):
        count += size[r] > 0
    first = np.zeros(count + 1, np.int32)
    place = np.empty(n, np.int32)
    k = 0
    for r in range(n):
        if size[r] > 0:
            place[r] = first[k]
            first[k + 1] = first[k] + size[r]
            k += 1
    members = np.empty(first[count], np.int32)
    for r in range(n):
        c = cluster[r]
        if c >= 0:
            members[place[c]] = r
            place[c] += 1
    return members, first


@njit(cache=True, nogil=True)
def _are_whole(cluster, at_edge, in_core):  # type: ignore[no-untyped-def]
    n = len(cluster)
    cut = np.zeros(n, np.bool_)
    for r in range(n):
        if cluster[r] >= 0 and at_edge[r]:
            cut[cluster[r]] = True
    whole = True
    for r in range(n):
        whole &= not (cluster[r] >= 0 and in_core[r] and cut[cluster[r]])
    return whole


@njit(cache=True, nogil=True)
def _has_built_neighbour(r, key, parent, head, neighbour, following, built_cover):  # type: ignore[no-untyped-def]
    e = head[r]
    while e >= 0:
        v = find(parent, neighbour[e])
        if v != r and cover_of(key[v]) == built_cover:
            return True
        e = following[e]
    return False


@njit(cache=True, nogil=True)
def _add_up_borders(  # type: ignore[no-untyped-def]
    r, key, parent, head, neighbour, length, following, wanted_cover, border, touched
):
    """Sum the borders of ``r`` by neighbouring key into ``border``; return how many keys ``touched`` holds.

    Only neighbours of ``wanted_cover`` count, or all when it is negative.
    """
    n = 0
    e = head[r]
    while e >= 0:
        v = find(parent, neighbour[e])
        if v != r and (wanted_cover < 0 or cover_of(key[v]) == wanted_cover):
            k = key[v]
            if border[k] == 0:
                touched[n] = k
                n += 1
            border[k] += length[e]
        e = following[e]
    return n


@njit(cache=True, nogil=True)
def _best_key(  # type: ignore[no-untyped-def]
    own, border, touched, n, built_cover, cover_weight, usage_weight, into_built, into_ossature
):
    """Return the key with the largest border × weight, and clear ``border``."""
    best, best_score = touched[0], np.int64(-1)
    for t in range(n):
        k = touched[t]
        if k & _OSSATURE_BIT:
            weight = into_ossature
        elif cover_of(k) == built_cover and cover_of(own) != built_cover:
            weight = into_built
        else:
            weight = cover_weight[cover_of(own), cover_of(k)] + usage_weight[usage_of(own), usage_of(k)]
        score = border[k] * np.int64(weight)
        if score > best_score or (
            score == best_score and (border[k] > border[best] or (border[k] == border[best] and k < best))
        ):
            best, best_score = k, score
    for t in range(n):
        border[touched[t]] = 0
    return best


@njit(cache=True, nogil=True)
def _push_built_neighbours(  # type: ignore[no-untyped-def]
    heap, r, key, parent, area, head, neighbour, following, built_cover, built_px
):
    """Put back the built pieces that were kept for touching no built ground: they are about to."""
    e = head[r]
    while e >= 0:
        v = find(parent, neighbour[e])
        if cover_of(key[v]) == built_cover and area[v] < built_px:
            heapq.heappush(heap, (area[v], np.int64(v)))
        e = following[e]


@njit(cache=True, nogil=True)
def _merge(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    key,
    parent,
    area,
    zone,
    head,
    tail,
    neighbour,
    length,
    following,
    members,
    first_member,
    limits,
    built_cover,
    cover_weight,
    usage_weight,
    into_built,
    into_ossature,
    built_only,
):
    """Absorb undersized regions: steps 2 (built ones only) and 3 (all), one cluster of unstable regions after another.

    A cluster does not depend on the others, and its heap and its regions stay near the processor.
    """
    built_px, evidence_px, zone_px, elsewhere_px = limits
    heap = [(np.int64(0), np.int64(0)) for _ in range(0)]
    border = np.zeros(1024, np.int64)
    touched = np.empty(1024, np.int32)
    for c in range(len(first_member) - 1):
        for m in range(first_member[c], first_member[c + 1]):
            i = members[m]
            if parent[i] == i and key[i] & _OSSATURE_BIT == 0 and area[i] < max(elsewhere_px, built_px):
                if built_only and cover_of(key[i]) != built_cover:
                    continue
                heap.append((area[i], np.int64(i)))
        heapq.heapify(heap)
        while len(heap) > 0:
            a, first = heapq.heappop(heap)
            r = np.int32(first)
            built = cover_of(key[r]) == built_cover
            if parent[r] != r or area[r] != a or (built_only and not built):
                continue
            among_built = False
            if built:
                among_built = _has_built_neighbour(r, key, parent, head, neighbour, following, built_cover)
                enough = a >= built_px or (not among_built and a >= evidence_px)
            else:
                enough = a >= (zone_px if zone[r] else elsewhere_px)
            if enough:
                continue
            wanted_cover = built_cover if among_built else -1
            n = _add_up_borders(r, key, parent, head, neighbour, length, following, wanted_cover, border, touched)
            if n == 0:
                continue
            best = _best_key(
                key[r], border, touched, n, built_cover, cover_weight, usage_weight, into_built, into_ossature
            )
            if cover_of(best) == built_cover and not built:
                _push_built_neighbours(heap, r, key, parent, area, head, neighbour, following, built_cover, built_px)
            r = join_all(r, best, key, parent, area, zone, head, tail, neighbour, following)
            if key[r] & _OSSATURE_BIT == 0 and area[r] < max(elsewhere_px, built_px):
                drop_inner(r, parent, head, tail, neighbour, following)
                heapq.heappush(heap, (area[r], np.int64(r)))

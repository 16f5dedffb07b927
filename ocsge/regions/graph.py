"""Connected regions of a window and their border graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from ocsge.regions.evidence import ABSORB, COMMUNE_SHIFT, KEY_MASK, OUTSIDE, UNSEEN, ZONE_SHIFT, cover_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.regions.runs import Runs


@dataclass(frozen=True, slots=True)
class RegionGraph:
    """4-connected regions of equal key, numbered by their first pixel in row order, and who borders the small ones.

    Borders are linked lists: region r's first entry is ``head[r]``, its last ``tail[r]``, the entry after e
    is ``following[e]`` (−1 = end). Only regions that may be absorbed have a list: the others are never walked.
    """

    label: NDArray[np.int32]
    """(runs,) region of each run, −1 outside the domain."""

    key: NDArray[np.int32]
    """(regions,) cover, usage and ossature bits."""

    area: NDArray[np.int64]
    """(regions,) pixels."""

    in_zone: NDArray[np.bool_]
    """(regions,) whether the region touches the zone construite."""

    head: NDArray[np.int32]
    """(regions,) first border entry."""

    tail: NDArray[np.int32]
    """(regions,) last border entry."""

    neighbour: NDArray[np.int32]
    """(entries,) region on the other side."""

    length: NDArray[np.int32]
    """(entries,) shared border, pixel sides."""

    following: NDArray[np.int32]
    """(entries,) next entry of the same region."""


def region_graph(evidence: Runs, *, small_px: int | None = None) -> RegionGraph:
    """Return the regions of evidence runs and the borders of those that may be absorbed.

    Parameters
    ----------
    evidence
        Packed values of :mod:`ocsge.regions.evidence`.
    small_px
        Regions below this area, and those of unknown cover, get a list of borders; None gives every region one.
    """
    key_of_run = (evidence.value & KEY_MASK).astype(np.uint16)
    key_of_run[key_of_run == UNSEEN] = OUTSIDE
    label, count = label_runs(evidence.row_ptr, evidence.start, key_of_run, evidence.width, OUTSIDE)
    key, area, in_zone = _measure(evidence.row_ptr, evidence.start, evidence.value, label, count, evidence.width)
    unknown = np.isin(cover_of(key), (0, ABSORB))
    walked = np.ones(count, dtype=np.bool_) if small_px is None else unknown | (area < small_px)
    head, tail, neighbour, length, following = _borders(evidence.row_ptr, evidence.start, label, walked, evidence.width)
    return RegionGraph(label, key, area, in_zone, head, tail, neighbour, length, following)


def commune_of(value: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Return the commune position of packed evidence values."""
    return ((value >> COMMUNE_SHIFT) & 0xFFF).astype(np.int32)


@njit(cache=True, nogil=True)
def find(parent, i):  # type: ignore[no-untyped-def]
    """Return the root of ``i``, halving the path on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def label_runs(row_ptr, start, key, width, outside):  # type: ignore[no-untyped-def]
    """Label 4-connected runs of equal key; labels count from 0 in the row order of first pixels.

    Parameters
    ----------
    row_ptr, start, width
        The runs.
    key
        (runs,) integer key; ``outside`` is never labelled.
    outside
        Key of the pixels left out.

    Returns
    -------
    label
        (runs,) int32, −1 outside.
    count
        Number of labels.
    """
    n = len(start)
    parent = np.empty(n, np.int32)
    for r in range(len(row_ptr) - 1):
        a, end = row_ptr[r], row_ptr[r + 1]
        for i in range(a, end):
            parent[i] = parent[i - 1] if i > a and key[i] == key[i - 1] else i
        if r == 0:
            continue
        i, j = row_ptr[r - 1], a
        while i < a and j < end:
            if key[i] == key[j] and key[i] != outside:
                x, y = find(parent, i), find(parent, j)
                if x < y:
                    parent[y] = x
                elif y < x:
                    parent[x] = y
            stop_i = start[i + 1] if i + 1 < a else width
            stop_j = start[j + 1] if j + 1 < end else width
            if stop_i <= stop_j:
                i += 1
            if stop_j <= stop_i:
                j += 1
    label = np.empty(n, np.int32)
    count = 0
    for i in range(n):
        if key[i] == outside:
            label[i] = -1
        elif parent[i] == i:
            label[i] = count
            count += 1
        else:
            label[i] = label[find(parent, i)]
    return label, count


@njit(cache=True, nogil=True)
def _measure(row_ptr, start, value, label, count, width):  # type: ignore[no-untyped-def]
    key = np.empty(count, np.int32)
    area = np.zeros(count, np.int64)
    in_zone = np.zeros(count, np.bool_)
    for r in range(len(row_ptr) - 1):
        for i in range(row_ptr[r], row_ptr[r + 1]):
            g = label[i]
            if g >= 0:
                stop = start[i + 1] if i + 1 < row_ptr[r + 1] else width
                area[g] += stop - start[i]
                key[g] = value[i] & KEY_MASK
                if (value[i] >> ZONE_SHIFT) & 1:
                    in_zone[g] = True
    return key, area, in_zone


_RECENT = 1 << 14
"""Borders met lately, by a hash of the pair: a border goes on for many rows, so most sides find their entry there."""


@njit(cache=True, nogil=True)
def _borders(row_ptr, start, label, walked, width):  # type: ignore[no-untyped-def]
    """Return the lists of borders of the regions that are walked."""
    head = np.full(len(walked), -1, np.int32)
    tail = np.full(len(walked), -1, np.int32)
    none = np.empty(0, np.int32)
    # counted first: arrays that grow inside the walk would slow every step of it
    count = _walk_borders(row_ptr, start, label, walked, width, head, tail, none, none, none)
    neighbour = np.empty(count, np.int32)
    length = np.empty(count, np.int32)
    following = np.empty(count, np.int32)
    _walk_borders(row_ptr, start, label, walked, width, head, tail, neighbour, length, following)
    return head, tail, neighbour, length, following


@njit(cache=True, nogil=True)
def _row_borders(row_ptr, start, label, width, r, pairs):  # type: ignore[no-untyped-def]
    """Put the borders inside row r and with the row above in ``pairs`` (region, region, sides); return how many."""
    n = 0
    a, end = row_ptr[r], row_ptr[r + 1]
    for i in range(a + 1, end):
        p, q = label[i - 1], label[i]
        if p != q and p >= 0 and q >= 0:
            pairs[n, 0], pairs[n, 1], pairs[n, 2] = p, q, 1
            n += 1
    i, j = row_ptr[max(r - 1, 0)], a
    while i < a and j < end:
        stop_i = start[i + 1] if i + 1 < a else width
        stop_j = start[j + 1] if j + 1 < end else width
        p, q = label[i], label[j]
        if p != q and p >= 0 and q >= 0:
            pairs[n, 0], pairs[n, 1], pairs[n, 2] = p, q, min(stop_i, stop_j) - max(start[i], start[j])
            n += 1
        if stop_i <= stop_j:
            i += 1
        if stop_j <= stop_i:
            j += 1
    return n


@njit(cache=True, nogil=True)
def _walk_borders(row_ptr, start, label, walked, width, head, tail, neighbour, length, following):  # type: ignore[no-untyped-def]
    """Walk every border between runs; fill the lists, or only count their entries when ``neighbour`` is empty.

    A border that was forgotten meanwhile gets a second entry: the lists add up, they need not be unique.
    """
    counting = len(neighbour) == 0
    recent = np.full((_RECENT, 4), -1, np.int32)
    longest = 1
    for r in range(1, len(row_ptr) - 1):
        longest = max(longest, 2 * (row_ptr[r + 1] - row_ptr[r - 1]))
    pairs = np.empty((longest + 2 * (row_ptr[1] - row_ptr[0]), 3), np.int32)
    n = 0
    for r in range(len(row_ptr) - 1):
        for k in range(_row_borders(row_ptr, start, label, width, r, pairs)):
            low, high = min(pairs[k, 0], pairs[k, 1]), max(pairs[k, 0], pairs[k, 1])
            if not (walked[low] or walked[high]):
                continue
            slot = (low * 40503 + high) & (_RECENT - 1)
            if recent[slot, 0] == low and recent[slot, 1] == high:
                if not counting:
                    if recent[slot, 2] >= 0:
                        length[recent[slot, 2]] += pairs[k, 2]
                    if recent[slot, 3] >= 0:
                        length[recent[slot, 3]] += pairs[k, 2]
                continue
            recent[slot, 0], recent[slot, 1], recent[slot, 2], recent[slot, 3] = low, high, -1, -1
            for side in range(2):
                owner = low if side == 0 else high
                if not walked[owner]:
                    continue
                if not counting:
                    neighbour[n], length[n], following[n] = low + high - owner, pairs[k, 2], head[owner]
                    if head[owner] < 0:
                        tail[owner] = n
                    head[owner] = n
                    recent[slot, 2 + side] = n
                n += 1
    return n

"""Connected regions of a window and their border graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from ocsge.regions.evidence import COMMUNE_SHIFT, KEY_MASK, OUTSIDE, UNSEEN, ZONE_SHIFT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.regions.runs import Runs


@dataclass(frozen=True, slots=True)
class RegionGraph:
    """4-connected regions of equal key, numbered by their first pixel in row order, and who borders whom.

    Borders are linked lists: region r's first entry is ``head[r]``, its last ``tail[r]``, the entry after e
    is ``following[e]`` (−1 = end). Only borders with at least one undersized side need to be walked, so
    nothing is sorted.
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


def region_graph(evidence: Runs) -> RegionGraph:
    """Return the regions of evidence runs (packed values of :mod:`ocsge.regions.evidence`)."""
    key_of_run = (evidence.value & KEY_MASK).astype(np.uint16)
    key_of_run[key_of_run == UNSEEN] = OUTSIDE
    label, count = label_runs(evidence.row_ptr, evidence.start, key_of_run, evidence.width, OUTSIDE)
    key, area, in_zone = _measure(evidence.row_ptr, evidence.start, evidence.value, label, count, evidence.width)
    head, tail, neighbour, length, following = _borders(evidence.row_ptr, evidence.start, label, count, evidence.width)
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


@njit(cache=True, nogil=True)
def _add_border(a, b, by, head, tail, neighbour, length, following, n):  # type: ignore[no-untyped-def]
    """Add ``by`` sides to the border of a with b; recent entries are looked at first, then one is made."""
    e = head[a]
    for _ in range(6):
        if e < 0:
            break
        if neighbour[e] == b:
            length[e] += by
            return n
        e = following[e]
    neighbour[n], length[n], following[n] = b, by, head[a]
    if head[a] < 0:
        tail[a] = n
    head[a] = n
    return n + 1


@njit(cache=True, nogil=True)
def _grown(array, size):  # type: ignore[no-untyped-def]
    larger = np.empty(size, array.dtype)
    larger[: len(array)] = array
    return larger


@njit(cache=True, nogil=True)
def _borders(row_ptr, start, label, count, width):  # type: ignore[no-untyped-def]
    head = np.full(count, -1, np.int32)
    tail = np.full(count, -1, np.int32)
    capacity = 8 * count + 1024
    neighbour = np.empty(capacity, np.int32)
    length = np.empty(capacity, np.int32)
    following = np.empty(capacity, np.int32)
    n = 0
    for r in range(len(row_ptr) - 1):
        a, end = row_ptr[r], row_ptr[r + 1]
        if n + 4 * (end - a + a - row_ptr[max(r - 1, 0)]) + 64 > len(neighbour):
            size = 2 * len(neighbour) + 4 * (end - row_ptr[max(r - 1, 0)])
            neighbour, length = _grown(neighbour, size), _grown(length, size)
            following = _grown(following, size)
        for i in range(a + 1, end):
            p, q = label[i - 1], label[i]
            if p != q and p >= 0 and q >= 0:
                n = _add_border(p, q, 1, head, tail, neighbour, length, following, n)
                n = _add_border(q, p, 1, head, tail, neighbour, length, following, n)
        if r == 0:
            continue
        i, j = row_ptr[r - 1], a
        while i < a and j < end:
            stop_i = start[i + 1] if i + 1 < a else width
            stop_j = start[j + 1] if j + 1 < end else width
            p, q = label[i], label[j]
            if p != q and p >= 0 and q >= 0:
                by = min(stop_i, stop_j) - max(start[i], start[j])
                n = _add_border(p, q, by, head, tail, neighbour, length, following, n)
                n = _add_border(q, p, by, head, tail, neighbour, length, following, n)
            if stop_i <= stop_j:
                i += 1
            if stop_j <= stop_i:
                j += 1
    return head, tail, neighbour[:n].copy(), length[:n].copy(), following[:n].copy()

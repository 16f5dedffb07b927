"""Connected regions of a window and their border graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from ocsge.regions.bands import bands_of, each_band
from ocsge.regions.evidence import ABSORB, KEY_MASK, OUTSIDE, UNSEEN, ZONE_SHIFT, cover_of
from ocsge.regions.labels import label_in_bands

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


def region_graph(evidence: Runs, *, small_px: int | None = None, threads: int = 1) -> RegionGraph:
    """Return the regions of evidence runs and the borders of those that may be absorbed.

    Parameters
    ----------
    evidence
        Packed values of :mod:`ocsge.regions.evidence`.
    small_px
        Regions below this area, and those of unknown cover, get a list of borders; None gives every region one.
    threads
        Threads that walk the rows, a band each; the regions are the same whatever their number, and so is the sum of
        the borders of two regions, though not the order of a list.
    """
    bands = bands_of(evidence.row_ptr, threads)
    key_of_run = np.empty(len(evidence.value), dtype=np.uint16)
    each_band(bands, lambda first, last: _read_keys(evidence.row_ptr, evidence.value, first, last, key_of_run))
    label, count = label_in_bands(evidence.row_ptr, evidence.start, key_of_run, evidence.width, OUTSIDE, bands=bands)
    (key, area, in_zone), *others = each_band(
        bands,
        lambda first, last: _measure(
            evidence.row_ptr, evidence.start, evidence.value, label, count, evidence.width, first, last
        ),
    )
    for other_key, other_area, other_zone in others:
        key, area, in_zone = np.maximum(key, other_key), area + other_area, in_zone | other_zone
    unknown = np.isin(cover_of(key), (0, ABSORB))
    walked = np.ones(count, dtype=np.bool_) if small_px is None else unknown | (area < small_px)
    borders = each_band(bands, lambda first, last: borders_of_rows(evidence, label, walked, first, last))
    return RegionGraph(label, key, area, in_zone, *chained(borders))


@njit(cache=True, nogil=True)
def _read_keys(row_ptr, value, first, last, key):  # type: ignore[no-untyped-def]
    """Set the key of the runs of some rows; what is not seen is outside."""
    for i in range(row_ptr[first], row_ptr[last]):
        k = value[i] & KEY_MASK
        key[i] = OUTSIDE if k == UNSEEN else k


@njit(cache=True, nogil=True)
def _measure(row_ptr, start, value, label, count, width, first, last):  # type: ignore[no-untyped-def]
    """Return the key, the pixels and the zone of each region as some rows hold them; key −1 where they hold nothing."""
    key = np.full(count, -1, np.int32)
    area = np.zeros(count, np.int64)
    in_zone = np.zeros(count, np.bool_)
    for r in range(first, last):
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
_FIRST_ROOM = 1 << 16
"""Entries there is room for at first; doubled when the walk fills it."""


class BorderLists(NamedTuple):
    """Borders as linked lists, as :class:`RegionGraph` says."""

    head: NDArray[np.int32]
    tail: NDArray[np.int32]
    neighbour: NDArray[np.int32]
    length: NDArray[np.int32]
    following: NDArray[np.int32]


def borders_of_rows(
    evidence: Runs, label: NDArray[np.int32], walked: NDArray[np.bool_], first: int, last: int
) -> BorderLists:
    """Return the borders of the walked regions inside some rows, and of the first of them with the row above."""
    head = np.full(len(walked), -1, dtype=np.int32)
    tail = np.full(len(walked), -1, dtype=np.int32)
    recent = np.full((_RECENT, 4), -1, dtype=np.int32)
    entries = np.empty((3, _FIRST_ROOM), dtype=np.int32)
    row, count = first, 0
    while row < last:
        # the arrays grow between the walks: inside, that would slow every step
        row, count, needed = _walk_borders(
            evidence.row_ptr,
            evidence.start,
            label,
            walked,
            evidence.width,
            row,
            last,
            count,
            recent,
            head,
            tail,
            entries,
        )
        if needed:
            room = max(2 * entries.shape[1], count + needed)
            entries = np.concatenate([entries[:, :count], np.empty((3, room - count), dtype=np.int32)], axis=1)
    neighbour, length, following = (np.ascontiguousarray(column[:count]) for column in entries)
    return BorderLists(head, tail, neighbour, length, following)


def chained(parts: list[BorderLists]) -> BorderLists:
    """Return the lists of several bands of rows as one: those of a later band come first."""
    if len(parts) == 1:
        return parts[0]
    head, tail = parts[0].head, parts[0].tail
    offset, followings = len(parts[0].neighbour), [parts[0].following]
    for part in parts[1:]:
        following = np.where(part.following >= 0, part.following + offset, -1).astype(np.int32)
        both = (part.head >= 0) & (head >= 0)
        following[part.tail[both]] = head[both]
        tail = np.where(head >= 0, tail, np.where(part.tail >= 0, part.tail + offset, -1)).astype(np.int32)
        head = np.where(part.head >= 0, part.head + offset, head).astype(np.int32)
        followings.append(following)
        offset += len(part.neighbour)
    return BorderLists(
        head,
        tail,
        np.concatenate([part.neighbour for part in parts]),
        np.concatenate([part.length for part in parts]),
        np.concatenate(followings),
    )


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
def _walk_borders(  # type: ignore[no-untyped-def]
    row_ptr, start, label, walked, width, first, last, n, recent, head, tail, entries
):
    """Walk the borders between the runs of some rows; fill the lists from entry ``n`` on.

    Returns the row reached, the entries filled, and the entries that row may take when there is no room for them.
    A border that was forgotten meanwhile gets a second entry: the lists add up, they need not be unique.
    """
    neighbour, length, following = entries[0], entries[1], entries[2]
    longest = 0
    for r in range(first, last):
        longest = max(longest, 2 * (row_ptr[r + 1] - row_ptr[max(r - 1, 0)]))
    pairs = np.empty((longest, 3), np.int32)
    for r in range(first, last):
        met = _row_borders(row_ptr, start, label, width, r, pairs)
        if n + 2 * met > entries.shape[1]:
            return r, n, 2 * met
        for k in range(met):
            low, high = min(pairs[k, 0], pairs[k, 1]), max(pairs[k, 0], pairs[k, 1])
            if not (walked[low] or walked[high]):
                continue
            slot = (low * 40503 + high) & (_RECENT - 1)
            if recent[slot, 0] == low and recent[slot, 1] == high:
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
                neighbour[n], length[n], following[n] = low + high - owner, pairs[k, 2], head[owner]
                if head[owner] < 0:
                    tail[owner] = n
                head[owner] = n
                recent[slot, 2 + side] = n
                n += 1
    return last, n, 0

"""A second state that starts from the first: same evidence, same answer.

Two states derived apart differ along every border: the noise of the evidence moves each of them a little. Here the
second one is *anchored*. Where the evidence of both dates has one key, it takes the key that the first state gave to
that ground; elsewhere its own evidence speaks. After the minimum areas, a change is the connected ground whose key
differs, whatever the keys; one below the minimum area or narrower than the minimum width is undone.

Source: ``docs/change.md`` says why; the two minima are ``rules/change.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from ocsge.regions.evidence import KEY_MASK, OUTSIDE, UNSEEN
from ocsge.regions.labels import label_runs
from ocsge.regions.runs import Runs, without_repeats
from ocsge.regions.zone import within

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ChangeMinima:
    """What a change must reach to be one, in pixels of the run's grid."""

    area_px: int
    """Smaller connected ground of changed keys is undone."""

    width_px: float
    """Ground in which no disc of this diameter fits is undone."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The second state once what is too small to be a change is undone."""

    state: Runs
    """Keys and communes of the second state."""

    same: Runs
    """1 where both states have one key, 0 where they differ."""


def anchored_evidence(first: Runs, second: Runs, state: Runs) -> Runs:
    """Return the evidence of the second date, its keys replaced by those of the first state where nothing changed.

    Parameters
    ----------
    first, second
        Evidence of a window at both dates, packed as in :mod:`ocsge.regions.evidence`.
    state
        First state of the window: piece values, key and commune.
    """
    return _merged(first, second, state, anchor=True)


def effective_evidence(first: Runs, second: Runs, same: Runs) -> Runs:
    """Return what a second state is made of: the first evidence where nothing changed, else the second.

    Without it the noise of the second date would move the shares that decide the cover of an unchanged piece.
    """
    return _merged(first, second, same, anchor=False)


def settle(first: Runs, second: Runs, minima: ChangeMinima) -> Settled:
    """Undo the changes between two states that are too small or too narrow to be one.

    Parameters
    ----------
    first, second
        Piece values of both states over one window, after the minimum areas.
    minima
        Area and width of a change.
    """
    row_ptr, start, before, after = crossed(first, second)
    width = first.width
    differs = (before != after).astype(np.uint8)
    label, count = label_runs(row_ptr, start, differs, width, 0)
    kept = _changes(row_ptr, start, label, count, width, minima)
    undone = (differs == 1) & ~kept[label]
    settled = np.where(undone, before, after)
    return Settled(
        state=without_repeats(Runs(row_ptr=row_ptr, start=start, value=settled, width=width)),
        same=without_repeats(
            Runs(row_ptr=row_ptr, start=start, value=(before == settled).astype(np.uint32), width=width)
        ),
    )


def crossed(
    first: Runs, second: Runs
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the runs along which both values are constant: row pointers, starts, first and second values."""
    arguments = (first.row_ptr, first.start, first.value, second.row_ptr, second.start, second.value, first.width)
    ends = np.zeros(len(first.row_ptr), dtype=np.int64)
    none = np.empty(0, dtype=np.uint32)
    total = _cross(*arguments, False, ends, np.empty(0, dtype=np.int32), none, none)
    start = np.empty(total, dtype=np.int32)
    one, other = np.empty(total, dtype=first.value.dtype), np.empty(total, dtype=second.value.dtype)
    _cross(*arguments, True, ends, start, one, other)
    return ends, start, one, other


def _changes(
    row_ptr: NDArray[np.int64],
    start: NDArray[np.int32],
    label: NDArray[np.int32],
    count: int,
    width: int,
    minima: ChangeMinima,
) -> NDArray[np.bool_]:
    """Return which connected grounds are a change; the last entry stands for ground without any."""
    area, box = _extents(row_ptr, start, label, count, width)
    kept = np.zeros(count + 1, dtype=np.bool_)
    for change in np.flatnonzero(area >= minima.area_px):
        top, bottom, left, right = box[change]
        # a margin of one pixel: what lies around is not of the change, beyond the window neither
        mask = np.zeros((bottom - top + 2, right - left + 2), dtype=np.bool_)
        _paint(row_ptr, start, label, width, change, top, left, mask)
        kept[change] = bool((mask & ~within(mask, False, minima.width_px / 2)).any())
    return kept


def _merged(first: Runs, second: Runs, third: Runs, *, anchor: bool) -> Runs:
    arguments = (
        *(first.row_ptr, first.start, first.value),
        *(second.row_ptr, second.start, second.value),
        *(third.row_ptr, third.start, third.value),
        first.width,
        anchor,
    )
    ends = np.zeros(len(first.row_ptr), dtype=np.int64)
    total = _merge(*arguments, False, ends, np.empty(0, dtype=np.int32), np.empty(0, dtype=np.uint32))
    start, value = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.uint32)
    _merge(*arguments, True, ends, start, value)
    return Runs(row_ptr=ends, start=start, value=value, width=first.width)


@njit(cache=True, nogil=True)
def _merge(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    ptr_a, start_a, value_a, ptr_b, start_b, value_b, ptr_c, start_c, value_c, width, anchor, fill, ends, start, value
):
    """Walk three lists of runs together; count the runs of the answer, or write them when ``fill``."""
    n = 0
    for r in range(len(ptr_a) - 1):
        i, j, k = ptr_a[r], ptr_b[r], ptr_c[r]
        x, row_first = 0, n
        last = np.uint32(0)
        while x < width:
            stop_i = start_a[i + 1] if i + 1 < ptr_a[r + 1] else width
            stop_j = start_b[j + 1] if j + 1 < ptr_b[r + 1] else width
            stop_k = start_c[k + 1] if k + 1 < ptr_c[r + 1] else width
            a, b, c = value_a[i], value_b[j], value_c[k]
            key_b = b & KEY_MASK
            answer = b
            if anchor:
                known = key_b not in (OUTSIDE, UNSEEN) and c & KEY_MASK != OUTSIDE
                if known and a & KEY_MASK == key_b:
                    answer = np.uint32((b ^ key_b) | (c & KEY_MASK))
            elif c == 1:
                answer = a
            if n == row_first or answer != last:
                if fill:
                    start[n], value[n] = x, answer
                n += 1
                last = answer
            x = min(stop_i, stop_j, stop_k)
            i += stop_i == x
            j += stop_j == x
            k += stop_k == x
        ends[r + 1] = n
    return n


@njit(cache=True, nogil=True)
def _cross(  # type: ignore[no-untyped-def]
    ptr_a, start_a, value_a, ptr_b, start_b, value_b, width, fill, ends, start, one, other
):
    """Walk two lists of runs together; count the stretches of constant values, or write them when ``fill``."""
    n = 0
    for r in range(len(ptr_a) - 1):
        i, j, x = ptr_a[r], ptr_b[r], 0
        while x < width:
            stop_i = start_a[i + 1] if i + 1 < ptr_a[r + 1] else width
            stop_j = start_b[j + 1] if j + 1 < ptr_b[r + 1] else width
            if fill:
                start[n], one[n], other[n] = x, value_a[i], value_b[j]
            n += 1
            x = min(stop_i, stop_j)
            i += stop_i == x
            j += stop_j == x
        ends[r + 1] = n
    return n


@njit(cache=True, nogil=True)
def _extents(row_ptr, start, label, count, width):  # type: ignore[no-untyped-def]
    """Return the area of each label, pixels, and its first row, last row + 1, first column, last column + 1."""
    area = np.zeros(count, np.int64)
    box = np.empty((count, 4), np.int64)
    box[:, 0], box[:, 1], box[:, 2], box[:, 3] = len(row_ptr), 0, width, 0
    for r in range(len(row_ptr) - 1):
        for i in range(row_ptr[r], row_ptr[r + 1]):
            g = label[i]
            if g < 0:
                continue
            stop = start[i + 1] if i + 1 < row_ptr[r + 1] else width
            area[g] += stop - start[i]
            box[g, 0], box[g, 1] = min(box[g, 0], r), r + 1
            box[g, 2], box[g, 3] = min(box[g, 2], start[i]), max(box[g, 3], stop)
    return area, box


@njit(cache=True, nogil=True)
def _paint(row_ptr, start, label, width, wanted, top, left, mask):  # type: ignore[no-untyped-def]
    """Set the pixels of one label in a mask whose pixel (1, 1) is at (top, left)."""
    for r in range(top, min(top + mask.shape[0] - 2, len(row_ptr) - 1)):
        for i in range(row_ptr[r], row_ptr[r + 1]):
            if label[i] == wanted:
                stop = start[i + 1] if i + 1 < row_ptr[r + 1] else width
                mask[r - top + 1, start[i] - left + 1 : stop - left + 1] = True

"""Connected runs of equal key, numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from ocsge.regions.bands import each_band

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.regions.bands import Band


@njit(cache=True, nogil=True)
def find(parent, i):  # type: ignore[no-untyped-def]
    """Return the root of ``i``, halving the path on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _join_with_row_above(row_ptr, start, key, width, outside, row, parent):  # type: ignore[no-untyped-def]
    """Join the runs of a row with those of one key that they touch in the row above; the first run is the root."""
    i, a, end = row_ptr[row - 1], row_ptr[row], row_ptr[row + 1]
    j = a
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


@njit(cache=True, nogil=True)
def _join_rows(row_ptr, start, key, width, outside, first, last, parent):  # type: ignore[no-untyped-def]
    """Join the connected runs of rows [first, last) with each other."""
    for r in range(first, last):
        a, end = row_ptr[r], row_ptr[r + 1]
        for i in range(a, end):
            parent[i] = parent[i - 1] if i > a and key[i] == key[i - 1] else i
        if r > first:
            _join_with_row_above(row_ptr, start, key, width, outside, r, parent)


@njit(cache=True, nogil=True)
def _numbered(key, outside, parent):  # type: ignore[no-untyped-def]
    """Return the number of each run's root, from 0 in the order of the roots, and how many there are."""
    label = np.empty(len(parent), np.int32)
    count = 0
    for i in range(len(parent)):
        if key[i] == outside:
            label[i] = -1
        elif parent[i] == i:
            label[i] = count
            count += 1
        else:
            label[i] = label[find(parent, i)]
    return label, count


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
    parent = np.empty(len(start), np.int32)
    _join_rows(row_ptr, start, key, width, outside, 0, len(row_ptr) - 1, parent)
    return _numbered(key, outside, parent)


def label_in_bands(
    row_ptr: NDArray[np.int64],
    start: NDArray[np.int32],
    key: NDArray[np.integer],
    width: int,
    outside: int,
    *,
    bands: list[Band],
) -> tuple[NDArray[np.int32], int]:
    """Return what :func:`label_runs` returns; bands are joined inside side by side, then over their seams."""
    parent = np.empty(len(start), dtype=np.int32)
    each_band(bands, lambda first, last: _join_rows(row_ptr, start, key, width, outside, first, last, parent))
    for seam, _ in bands[1:]:
        _join_with_row_above(row_ptr, start, key, width, outside, seam, parent)
    return _numbered(key, outside, parent)  # type: ignore[no-any-return]

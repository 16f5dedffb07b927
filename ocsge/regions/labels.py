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


def label_in_bands(
    row_ptr: NDArray[np.int64],
    start: NDArray[np.int32],
    key: NDArray[np.integer],
    width: int,
    outside: int,
    *,
    bands: list[Band],
) -> tuple[NDArray[np.int32], int]:
    """Return what :func:`label_runs` returns, found band by band.

    Labels of a band count from its first pixel, and bands come one under the other: the smallest of the labels that
    the seams join is that of the first pixel, so the order of first pixels is kept.
    """
    if len(bands) == 1:
        return label_runs(row_ptr, start, key, width, outside)  # type: ignore[no-any-return]

    def of_band(first: int, last: int) -> tuple[NDArray[np.int32], int]:
        """Label a band on its own."""
        a, b = row_ptr[first], row_ptr[last]
        return label_runs(  # type: ignore[no-any-return]
            row_ptr[first : last + 1] - a, start[a:b], key[a:b], width, outside
        )

    found = each_band(bands, of_band)
    offsets = np.cumsum([0, *(count for _, count in found)])
    parent = np.arange(offsets[-1], dtype=np.int32)
    for position in range(1, len(bands)):
        above, below = position - 1, position
        (top, seam), (_, _) = bands[above], bands[below]
        _join_over_seam(
            row_ptr,
            start,
            key,
            width,
            outside,
            seam,
            found[above][0][row_ptr[seam - 1] - row_ptr[top] :],
            found[below][0],
            offsets[above],
            offsets[below],
            parent,
        )
    renumbered, count = _renumbered(parent)
    label = np.empty(len(start), dtype=np.int32)

    def number(first: int, last: int) -> None:
        """Write the labels of a band as they are in the whole."""
        position = bands.index((first, last))
        _numbered(found[position][0], renumbered, offsets[position], label[row_ptr[first] : row_ptr[last]])

    each_band(bands, number)
    return label, count


@njit(cache=True, nogil=True)
def _join_over_seam(  # type: ignore[no-untyped-def]
    row_ptr, start, key, width, outside, seam, label_above, label_below, offset_above, offset_below, parent
):
    """Join the labels of the rows on both sides of a seam where the key goes on."""
    first, a, end = row_ptr[seam - 1], row_ptr[seam], row_ptr[seam + 1]
    i, j = first, a
    while i < a and j < end:
        if key[i] == key[j] and key[i] != outside:
            x = find(parent, offset_above + label_above[i - first])
            y = find(parent, offset_below + label_below[j - a])
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
def _renumbered(parent):  # type: ignore[no-untyped-def]
    """Return the number of each root in their order, for every label."""
    number = np.empty(len(parent), np.int32)
    count = 0
    for i in range(len(parent)):
        if parent[i] == i:
            number[i] = count
            count += 1
        else:
            number[i] = number[find(parent, i)]
    return number, count


@njit(cache=True, nogil=True)
def _numbered(label, number, offset, out):  # type: ignore[no-untyped-def]
    for i in range(len(label)):
        out[i] = number[offset + label[i]] if label[i] >= 0 else -1

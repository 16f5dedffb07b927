"""Who borders whom, and along how many pixel sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray


def piece_adjacency(
    row_ptr: NDArray[np.int64],
    start: NDArray[np.int32],
    piece: NDArray[np.int32],
    width: int,
    n_pieces: int,
) -> NDArray[np.int64]:
    """Return the pairs of pieces that share a border, with its length in pixel sides.

    Pieces that touch at a point only are not paired, and what lies outside (−1) borders nobody.

    Parameters
    ----------
    row_ptr
        (height + 1,) first run of each row.
    start
        (runs,) first column of each run; every row is covered from column 0.
    piece
        (runs,) piece of each run, −1 outside.
    width
        Columns of the window.
    n_pieces
        Number of pieces.

    Returns
    -------
    NDArray
        (m, 3) int64: piece i, piece j (i < j), shared pixel sides; sorted by i, then j.
    """
    keys, lengths = _borders(
        np.ascontiguousarray(row_ptr, np.int64),
        np.ascontiguousarray(start, np.int32),
        np.ascontiguousarray(piece, np.int32),
        width,
        n_pieces,
    )
    order = np.argsort(keys)
    keys = keys[order]
    n = max(n_pieces, 1)
    return np.column_stack((keys // n, keys % n, lengths[order]))


def merged_adjacency(adjacency: NDArray[np.int64], became: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the adjacency of pieces that were merged, from that of the pieces before.

    Parameters
    ----------
    adjacency
        (m, 3) of :func:`piece_adjacency`.
    became
        (pieces before,) piece that each one is part of.
    """
    pair = np.sort(became[adjacency[:, :2]].astype(np.int64), axis=1)
    apart = pair[:, 0] != pair[:, 1]
    n = np.int64(became.max(initial=0)) + 1
    keys, place = np.unique(pair[apart, 0] * n + pair[apart, 1], return_inverse=True)
    lengths = np.zeros(len(keys), dtype=np.int64)
    np.add.at(lengths, place, adjacency[apart, 2])
    return np.column_stack((keys // n, keys % n, lengths))


@njit(cache=True, nogil=True)
def _slot(keys, key):  # type: ignore[no-untyped-def]
    """Return where ``key`` is, or where it goes, in an open-addressing table whose size is a power of two."""
    mask = len(keys) - 1
    # Fibonacci hashing spreads keys that differ by little
    slot = ((np.uint64(key) * np.uint64(11400714819323198485)) >> np.uint64(20)) & np.uint64(mask)
    s = np.int64(slot)
    while keys[s] != -1 and keys[s] != key:
        s = (s + 1) & mask
    return s


@njit(cache=True, nogil=True)
def _borders(row_ptr, start, piece, width, n_pieces):  # type: ignore[no-untyped-def]
    keys = np.full(1024, -1, np.int64)
    lengths = np.zeros(1024, np.int64)
    used = 0
    for y in range(len(row_ptr) - 1):
        above, here, end = row_ptr[max(y - 1, 0)], row_ptr[y], row_ptr[y + 1]
        # a row of b runs under a runs has b sides and fewer than a + b overlaps: the table stays half empty
        while len(keys) < 2 * (used + 2 * (end - here) + (here - above)):
            keys, lengths = _grown(keys, lengths)
        used += _add_row(keys, lengths, start, piece, above, here, end, width, n_pieces)
    held = keys >= 0
    return keys[held], lengths[held]


@njit(cache=True, nogil=True)
def _add_row(keys, lengths, start, piece, above, here, end, width, n_pieces):  # type: ignore[no-untyped-def]
    """Add the borders inside a row (runs here to end) and with the row above (runs above to here)."""
    new = 0
    a = above
    for b in range(here, end):
        low = piece[b]
        stop = start[b + 1] if b + 1 < end else width
        if b > here:
            new += _add(keys, lengths, piece[b - 1], low, 1, n_pieces)
        while a < here and start[a] < stop:
            above_stop = start[a + 1] if a + 1 < here else width
            if piece[a] != low:
                overlap = min(stop, above_stop) - max(start[b], start[a])
                new += _add(keys, lengths, piece[a], low, overlap, n_pieces)
            if above_stop > stop:
                break  # the run above continues over the next run
            a += 1
    return new


@njit(cache=True, nogil=True)
def _add(keys, lengths, i, j, length, n_pieces):  # type: ignore[no-untyped-def]
    """Add a border between two pieces; return 1 when the pair is new."""
    if i < 0 or j < 0 or i == j:
        return 0
    key = np.int64(min(i, j)) * n_pieces + max(i, j)
    s = _slot(keys, key)
    new = keys[s] < 0
    keys[s] = key
    lengths[s] += length
    return np.int64(new)


@njit(cache=True, nogil=True)
def _grown(keys, lengths):  # type: ignore[no-untyped-def]
    new_keys = np.full(2 * len(keys), -1, np.int64)
    new_lengths = np.zeros(2 * len(keys), np.int64)
    for k in range(len(keys)):
        if keys[k] >= 0:
            s = _slot(new_keys, keys[k])
            new_keys[s], new_lengths[s] = keys[k], lengths[k]
    return new_keys, new_lengths

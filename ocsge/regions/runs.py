"""Rows as runs: the only form in which pixels are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from ocsge.regions.array_files import load_arrays, save_arrays

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.grid import Window


@dataclass(frozen=True, slots=True)
class Runs:
    """A raster of a window as runs; every row is covered from its first to its last column.

    The last column of a run is the column before the next run of the row, or the last of the window.
    """

    row_ptr: NDArray[np.int64]
    """(height + 1,) first run of each row."""

    start: NDArray[np.int32]
    """(n,) first column of the run, from the window's left edge."""

    value: NDArray[np.uint32]
    """(n,) value of the run's pixels (any unsigned or signed integer type)."""

    width: int
    """Columns of the window."""

    @property
    def height(self) -> int:
        """Rows of the window."""
        return len(self.row_ptr) - 1

    def save(self, path: Path) -> None:
        """Write the runs to ``path``."""
        save_arrays(
            path, {"row_ptr": self.row_ptr, "start": self.start, "value": self.value, "width": np.array(self.width)}
        )

    @classmethod
    def load(cls, path: Path) -> Runs:
        """Read what :meth:`save` wrote."""
        arrays: dict[str, Any] = load_arrays(path)
        return cls(**{**arrays, "width": int(arrays["width"])})


def runs_of_strips(strips: Iterable[NDArray[np.uint8]], *, width: int) -> Runs:
    """Return the runs of a raster given as strips of rows from north to south.

    Parameters
    ----------
    strips
        uint8 arrays of shape (rows, width); their heights may differ and do not change the result.
    width
        Columns of the raster.
    """
    starts, values, counts = [], [], [np.zeros(1, dtype=np.int64)]
    for strip in strips:
        count, start, value = _encode(strip)
        counts.append(count)
        starts.append(start)
        values.append(value)
    return Runs(
        row_ptr=np.cumsum(np.concatenate(counts)),
        start=np.concatenate(starts),
        value=np.concatenate(values),
        width=width,
    )


def values_present(values: NDArray[np.unsignedinteger]) -> NDArray[np.int64]:
    """Return the values there are, ascending; all are below 256."""
    present = np.zeros(256, dtype=np.bool_)
    present[values] = True
    return np.flatnonzero(present)


def stacked(bands: list[Runs]) -> Runs:
    """Return the rows of bands of one width, from north to south, as one window."""
    if len(bands) == 1:
        return bands[0]
    offsets = np.cumsum([0, *(band.row_ptr[-1] for band in bands)])
    pointers = [band.row_ptr[1:] + offset for band, offset in zip(bands, offsets, strict=False)]
    return Runs(
        row_ptr=np.concatenate([np.zeros(1, dtype=np.int64), *pointers]),
        start=np.concatenate([band.start for band in bands]),
        value=np.concatenate([band.value for band in bands]),
        width=bands[0].width,
    )


def _rows(runs: Runs, first: int, last: int) -> Runs:
    """Return rows [first, last) of some runs, without copying them."""
    a, b = runs.row_ptr[first], runs.row_ptr[last]
    return Runs(
        row_ptr=runs.row_ptr[first : last + 1] - a, start=runs.start[a:b], value=runs.value[a:b], width=runs.width
    )


def without_repeats(runs: Runs) -> Runs:
    """Return the runs with equal neighbours of a row made one."""
    row_ptr, kept = first_of_equals(runs.row_ptr, runs.value)
    return Runs(row_ptr=row_ptr, start=runs.start[kept], value=runs.value[kept], width=runs.width)


def joined(parts: list[tuple[Window, Runs]], *, window: Window) -> Runs:
    """Return the runs of ``window`` cut from windows that together cover it.

    Equal neighbours across a seam become one run, so the result does not depend on where the seams are.

    Parameters
    ----------
    parts
        Windows of a regular tiling with their runs; those outside ``window`` are not looked at.
    window
        The window to return.
    """
    if len(parts) == 1 and parts[0][0] == window:
        return parts[0][1]
    near = [
        (w, runs)
        for w, runs in parts
        if w.row < window.bottom and w.bottom > window.row and w.col < window.right and w.right > window.col
    ]
    if all(w.col == window.col and w.right == window.right for w, _ in near):
        bands = sorted(near, key=lambda part: part[0].row)
        return stacked(
            [_rows(runs, max(window.row - w.row, 0), min(window.bottom, w.bottom) - w.row) for w, runs in bands]
        )
    tops = sorted({w.row for w, _ in near})
    row_ptrs, starts, values, total = [np.zeros(1, dtype=np.int64)], [], [], 0
    for top in tops:
        band = sorted(((w, r) for w, r in near if w.row == top), key=lambda part: part[0].col)
        first, last = max(top, window.row), min(band[0][0].bottom, window.bottom)
        block: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint32]] | None = None
        for w, runs in band:
            piece = _cut(
                runs.row_ptr,
                runs.start,
                runs.value,
                runs.width,
                first - w.row,
                last - w.row,
                window.col - w.col,
                window.right - w.col,
            )
            block = piece if block is None else _append_right(*block, *piece)
        if block is None:  # pragma: no cover - a band always has a window
            continue
        row_ptrs.append(block[0][1:] + total)
        total += int(block[0][-1])
        starts.append(block[1])
        values.append(block[2])
    return Runs(
        row_ptr=np.concatenate(row_ptrs),
        start=np.concatenate(starts),
        value=np.concatenate(values),
        width=window.width,
    )


@njit(cache=True, nogil=True)
def first_of_equals(row_ptr, value):  # type: ignore[no-untyped-def]
    """Return row pointers without the runs that repeat the one before, and which runs are kept."""
    out_ptr = np.zeros(len(row_ptr), np.int64)
    kept = np.ones(len(value), np.bool_)
    n = 0
    for r in range(len(row_ptr) - 1):
        for i in range(row_ptr[r], row_ptr[r + 1]):
            kept[i] = i == row_ptr[r] or value[i] != value[i - 1]
            n += kept[i]
        out_ptr[r + 1] = n
    return out_ptr, kept


@njit(cache=True, nogil=True)
def _encode(strip):  # type: ignore[no-untyped-def]
    height, width = strip.shape
    count = np.zeros(height, np.int64)
    # comparing neighbours row by row is a vector loop; only the changes are visited one by one
    total = 0
    for r in range(height):
        changes = 1
        for c in range(1, width):
            changes += strip[r, c] != strip[r, c - 1]
        count[r] = changes
        total += changes
    start = np.empty(total, np.int32)
    value = np.empty(total, strip.dtype)
    n = 0
    for r in range(height):
        start[n], value[n] = 0, strip[r, 0]
        n += 1
        c = 1
        last = strip[r, 0]
        while c < width:
            if c + 16 <= width:
                differs = False
                for k in range(16):
                    differs |= strip[r, c + k] != last
                if not differs:
                    c += 16
                    continue
            end = min(c + 16, width)
            while c < end:
                if strip[r, c] != last:
                    last = strip[r, c]
                    start[n], value[n] = c, last
                    n += 1
                c += 1
    return count, start, value


@njit(cache=True, nogil=True)
def _cut(row_ptr, start, value, width, first, last, left, right):  # type: ignore[no-untyped-def]
    """Cut rows [first, last) and columns [left, right); columns are kept relative to ``left``."""
    a, b = max(left, 0), min(right, width)
    capacity = row_ptr[last] - row_ptr[first] + (last - first)
    out_ptr = np.zeros(last - first + 1, np.int64)
    out_start = np.empty(capacity, np.int32)
    out_value = np.empty(capacity, value.dtype)
    n = 0
    for r in range(first, last):
        for i in range(row_ptr[r], row_ptr[r + 1]):
            stop = start[i + 1] if i + 1 < row_ptr[r + 1] else width
            if stop > a and start[i] < b:
                out_start[n] = max(start[i], a) - left
                out_value[n] = value[i]
                n += 1
        out_ptr[r - first + 1] = n
    return out_ptr, out_start[:n], out_value[:n]


@njit(cache=True, nogil=True)
def _append_right(ptr_a, start_a, value_a, ptr_b, start_b, value_b):  # type: ignore[no-untyped-def]
    rows = len(ptr_a) - 1
    out_ptr = np.zeros(rows + 1, np.int64)
    out_start = np.empty(len(start_a) + len(start_b), np.int32)
    out_value = np.empty(len(out_start), value_a.dtype)
    n = 0
    for r in range(rows):
        for i in range(ptr_a[r], ptr_a[r + 1]):
            out_start[n], out_value[n] = start_a[i], value_a[i]
            n += 1
        for i in range(ptr_b[r], ptr_b[r + 1]):
            if i == ptr_b[r] and n > out_ptr[r] and out_value[n - 1] == value_b[i]:
                continue
            out_start[n], out_value[n] = start_b[i], value_b[i]
            n += 1
        out_ptr[r + 1] = n
    return out_ptr, out_start[:n], out_value[:n]

"""Pieces: regions after merging, cut by commune, joined across windows.

A piece is a 4-connected set of pixels of one key and one commune. The commune is an accounting key: it comes
after the minimum areas, so a border never changes them, and parts sum exactly. Every figure of a piece is an
integer of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from ocsge.regions.array_files import load_arrays, save_arrays
from ocsge.regions.bands import bands_of, each_band
from ocsge.regions.evidence import (
    COMMUNE_SHIFT,
    CORRECTED_RULE,
    COVERS,
    DEFAULT_SHIFT,
    KEY_MASK,
    OUTSIDE,
    PARK_SHIFT,
    RULE_SHIFT,
    ZONE_SHIFT,
    cover_of,
)
from ocsge.regions.labels import label_in_bands, label_runs
from ocsge.regions.runs import Runs, first_of_equals, joined, stacked

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.grid import Window
    from ocsge.regions.graph import RegionGraph
    from ocsge.regions.minimum_areas import Absorbed

PIECE_COMMUNE_SHIFT = 10
"""A piece's value is its key (10 bits) and, above it, its commune position."""
_RULES = CORRECTED_RULE + 1
PARK, PHOTOVOLTAIC, PARK_AND_PHOTOVOLTAIC, DEFAULT_COVER = range(4)
"""Columns of ``flag_px``: in a public park, in a ground photovoltaic plant, in both, with the default cover."""
_FLAGS = 4


@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces of a window with what lies under each of them."""

    runs: Runs
    """Runs of piece values (key and commune); ``OUTSIDE`` where nothing is derived."""

    label: NDArray[np.int32]
    """(runs,) piece of each run, −1 outside."""

    value: NDArray[np.uint32]
    """(pieces,) key and commune."""

    cover_px: NDArray[np.int64]
    """(pieces, COVERS) pixels by cover before merging."""

    rule_px: NDArray[np.int64]
    """(pieces, 64) pixels by usage rule; the last are those of corrections."""

    flag_px: NDArray[np.int64]
    """(pieces, 4) pixels by flag: :data:`PARK` and those that follow it."""

    in_zone: NDArray[np.bool_]
    """(pieces,) touches the zone construite."""

    @property
    def area_px(self) -> NDArray[np.int64]:
        """(pieces,) pixels."""
        area: NDArray[np.int64] = self.cover_px.sum(axis=1)
        return area

    @property
    def key(self) -> NDArray[np.int32]:
        """(pieces,) cover, usage and ossature bits."""
        return (self.value & KEY_MASK).astype(np.int32)

    @property
    def commune(self) -> NDArray[np.int32]:
        """(pieces,) position of the commune in the run's list, 0 = none."""
        return (self.value >> PIECE_COMMUNE_SHIFT).astype(np.int32)

    @property
    def labelled(self) -> Runs:
        """Runs whose value is the piece, as unsigned integers; −1 outside."""
        runs = self.runs
        return Runs(row_ptr=runs.row_ptr, start=runs.start, value=self.label.view(np.uint32), width=runs.width)

    def save(self, path: Path) -> None:
        """Write the pieces to ``path``."""
        save_arrays(
            path,
            {
                "row_ptr": self.runs.row_ptr,
                "start": self.runs.start,
                "run_value": self.runs.value,
                "width": np.array(self.runs.width),
                **{name: getattr(self, name) for name in self.__slots__ if name != "runs"},
            },
        )

    @classmethod
    def load(cls, path: Path) -> Pieces:
        """Read what :meth:`save` wrote."""
        arrays: dict[str, Any] = load_arrays(path)
        runs = Runs(
            row_ptr=arrays["row_ptr"],
            start=arrays["start"],
            value=arrays["run_value"],
            width=int(arrays["width"]),
        )
        return cls(runs=runs, **{name: arrays[name] for name in cls.__slots__ if name != "runs"})


def pieces_of_window(
    evidence: Runs, graph: RegionGraph, absorbed: Absorbed, *, window: Window, core: Window, threads: int = 1
) -> Pieces:
    """Return the pieces of the core of a window.

    Parameters
    ----------
    evidence, graph, absorbed
        The window with its halo.
    window, core
        The window with its halo, and the part that is kept.
    threads
        Threads that walk the rows; the pieces are the same whatever their number.
    """
    top, bottom = core.row - window.row, core.bottom - window.row
    left, right = core.col - window.col, core.right - window.col

    def generalised(first: int, last: int) -> Runs:
        """Return the runs of a band of the core."""
        row_ptr, start, value = _generalise(
            evidence.row_ptr,
            evidence.start,
            evidence.value,
            evidence.width,
            graph.label,
            absorbed.root,
            absorbed.key,
            top + first,
            top + last,
            left,
            right,
        )
        return Runs(row_ptr=row_ptr, start=start, value=value, width=core.width)

    bands = bands_of(evidence.row_ptr[top : bottom + 1] - evidence.row_ptr[top], threads)
    return _filled(evidence, stacked(each_band(bands, generalised)), (top, left, right), threads=threads)


def pieces_of_state(evidence: Runs, state: Runs) -> Pieces:
    """Return the pieces of a window whose keys and communes are known, filled from its evidence.

    Parameters
    ----------
    evidence
        What the pieces are made of.
    state
        Piece values over the same window.
    """
    return _filled(evidence, state, (0, 0, state.width))


def _filled(evidence: Runs, state: Runs, place: tuple[int, int, int], *, threads: int = 1) -> Pieces:
    """Return the connected pieces of a state, with what lies under them in the evidence.

    Parameters
    ----------
    evidence, state
        Rows of two windows.
    place
        First row, first column and column after the last of the state in the evidence's window.
    threads
        Threads that walk the rows.
    """
    bands = bands_of(state.row_ptr, threads)
    label, count = label_in_bands(state.row_ptr, state.start, state.value, state.width, OUTSIDE, bands=bands)

    def accumulated(first: int, last: int) -> tuple[NDArray[np.int64], ...]:
        """Return what lies under the pieces in a band of the state."""
        return _accumulate(  # type: ignore[no-any-return]
            evidence.row_ptr,
            evidence.start,
            evidence.value,
            evidence.width,
            state.row_ptr,
            state.start,
            label,
            count,
            place,
            first,
            last,
        )

    (cover_px, rule_px, flag_px, zone_px), *others = each_band(bands, accumulated)
    for cover, rule, flag, zone in others:
        cover_px += cover
        rule_px += rule
        flag_px += flag
        zone_px += zone
    values = np.empty(count + 1, dtype=np.uint32)  # label −1 writes the last entry
    values[label] = state.value
    return Pieces(state, label, values[:-1], cover_px, rule_px, flag_px, zone_px > 0)


def stitched(parts: list[tuple[Window, Pieces]], *, window: Window) -> Pieces:
    """Return the pieces of ``window`` from windows that tile it; a piece over a seam becomes one."""
    if len(parts) == 1 and parts[0][0] == window:
        return parts[0][1]
    runs = joined([(w, pieces.runs) for w, pieces in parts], window=window)
    label, count = label_runs(runs.row_ptr, runs.start, runs.value, runs.width, OUTSIDE)
    mapping = []
    for w, pieces in parts:
        row, col = _first_pixels(pieces.runs.row_ptr, pieces.runs.start, pieces.label, len(pieces.value))
        down, right = w.row - window.row, w.col - window.col
        mapping.append(_labels_at(runs.row_ptr, runs.start, label, row, col, down, right))
    return _regrouped(runs, label, count, [pieces for _, pieces in parts], mapping)


def recoded(pieces: Pieces, key: NDArray[np.int32]) -> tuple[Pieces, NDArray[np.int32]]:
    """Return the pieces under new keys, equal neighbours of one commune joined, and each old piece's new number."""
    value = (key.astype(np.uint32) & KEY_MASK) | (pieces.commune.astype(np.uint32) << PIECE_COMMUNE_SHIFT).astype(
        np.uint32
    )
    # label −1 reads and writes the last entry
    run_value = np.append(value, np.uint32(OUTSIDE))[pieces.label]
    label, count = label_runs(pieces.runs.row_ptr, pieces.runs.start, run_value, pieces.runs.width, OUTSIDE)
    mapping = np.full(len(value) + 1, -1, dtype=np.int32)
    mapping[pieces.label] = label
    mapping = mapping[:-1]
    row_ptr, kept = first_of_equals(pieces.runs.row_ptr, run_value)
    runs = Runs(row_ptr=row_ptr, start=pieces.runs.start[kept], value=run_value[kept], width=pieces.runs.width)
    return _regrouped(runs, label[kept], count, [pieces], [mapping]), mapping


def at_edge(pieces: Pieces) -> NDArray[np.bool_]:
    """Return which pieces touch the edge of the domain: ground left out, or the limit of the window."""
    result: NDArray[np.bool_] = _at_edge(
        pieces.runs.row_ptr, pieces.runs.start, pieces.label, pieces.runs.width, len(pieces.value)
    )
    return result


def _regrouped(
    runs: Runs, label: NDArray[np.int32], count: int, parts: list[Pieces], mapping: list[NDArray[np.int32]]
) -> Pieces:
    cover_px = np.zeros((count, COVERS), dtype=np.int64)
    rule_px = np.zeros((count, _RULES), dtype=np.int64)
    flag_px = np.zeros((count, _FLAGS), dtype=np.int64)
    in_zone = np.zeros(count, dtype=np.bool_)
    for pieces, to in zip(parts, mapping, strict=True):
        np.add.at(cover_px, to, pieces.cover_px)
        np.add.at(rule_px, to, pieces.rule_px)
        np.add.at(flag_px, to, pieces.flag_px)
        np.logical_or.at(in_zone, to, pieces.in_zone)
    value = np.empty(count + 1, dtype=np.uint32)  # label −1 writes the last entry
    value[label] = runs.value
    return Pieces(runs, label, value[:-1], cover_px, rule_px, flag_px, in_zone)


@njit(cache=True, nogil=True)
def _generalise(  # type: ignore[no-untyped-def]
    row_ptr, start, value, width, label, root, key, first, last, left, right
):
    out_ptr = np.zeros(last - first + 1, np.int64)
    capacity = row_ptr[last] - row_ptr[first] + last - first
    out_start = np.empty(capacity, np.int32)
    out_value = np.empty(capacity, np.uint32)
    n = 0
    for r in range(first, last):
        row_first = n
        for i in range(row_ptr[r], row_ptr[r + 1]):
            stop = start[i + 1] if i + 1 < row_ptr[r + 1] else width
            if stop <= left or start[i] >= right:
                continue
            if label[i] < 0:
                v = np.uint32(OUTSIDE)
            else:
                commune = (np.int64(value[i]) >> COMMUNE_SHIFT) & 0xFFF
                v = np.uint32(key[root[label[i]]] | (commune << PIECE_COMMUNE_SHIFT))
            if n > row_first and out_value[n - 1] == v:
                continue
            out_start[n], out_value[n] = max(start[i] - left, 0), v
            n += 1
        out_ptr[r - first + 1] = n
    return out_ptr, out_start[:n].copy(), out_value[:n].copy()


@njit(cache=True, nogil=True)
def _accumulate(  # type: ignore[no-untyped-def]
    row_ptr, start, value, width, out_ptr, out_start, label, count, place, first, last
):
    cover_px = np.zeros((count, COVERS), np.int64)
    rule_px = np.zeros((count, _RULES), np.int64)
    flag_px = np.zeros((count, _FLAGS), np.int64)
    zone_px = np.zeros(count, np.int64)
    top, left, right = place
    for r in range(first, last):
        j, j_end = out_ptr[r], out_ptr[r + 1]
        for i in range(row_ptr[top + r], row_ptr[top + r + 1]):
            stop = start[i + 1] if i + 1 < row_ptr[top + r + 1] else width
            a, b = max(start[i], left), min(stop, right)
            v = np.int64(value[i])
            while a < b:
                # a state that is given may change where the evidence does not
                while j + 1 < j_end and out_start[j + 1] <= a - left:
                    j += 1
                end = min(b, out_start[j + 1] + left) if j + 1 < j_end else b
                size, g = end - a, label[j]
                a = end
                if g < 0:
                    continue
                cover_px[g, cover_of(v)] += size
                rule_px[g, (v >> RULE_SHIFT) & CORRECTED_RULE] += size
                park, photovoltaic = (v >> PARK_SHIFT) & 1, (v >> (PARK_SHIFT + 1)) & 1
                if park:
                    flag_px[g, PARK] += size
                if photovoltaic:
                    flag_px[g, PHOTOVOLTAIC] += size
                if park and photovoltaic:
                    flag_px[g, PARK_AND_PHOTOVOLTAIC] += size
                if (v >> DEFAULT_SHIFT) & 1:
                    flag_px[g, DEFAULT_COVER] += size
                if (v >> ZONE_SHIFT) & 1:
                    zone_px[g] += size
    return cover_px, rule_px, flag_px, zone_px


@njit(cache=True, nogil=True)
def _first_pixels(row_ptr, start, label, count):  # type: ignore[no-untyped-def]
    """Return (row, column) of the first pixel of each piece."""
    row = np.full(count, -1, np.int64)
    col = np.empty(count, np.int64)
    for r in range(len(row_ptr) - 1):
        for i in range(row_ptr[r], row_ptr[r + 1]):
            g = label[i]
            if g >= 0 and row[g] < 0:
                row[g], col[g] = r, start[i]
    return row, col


@njit(cache=True, nogil=True)
def _labels_at(row_ptr, start, label, row, col, down, right):  # type: ignore[no-untyped-def]
    out = np.empty(len(row), np.int32)
    for k in range(len(row)):
        r = row[k] + down
        a, b = row_ptr[r], row_ptr[r + 1]
        out[k] = label[a + np.searchsorted(start[a:b], col[k] + right, side="right") - 1]
    return out


@njit(cache=True, nogil=True)
def _at_edge(row_ptr, start, label, width, count):  # type: ignore[no-untyped-def]
    edge = np.zeros(count + 1, np.bool_)  # label −1 writes the last entry
    height = len(row_ptr) - 1
    for r in range(height):
        a, end = row_ptr[r], row_ptr[r + 1]
        for i in range(a, end):
            if r in (0, height - 1) or i in (a, end - 1):
                edge[label[i]] = True
            if i > a and (label[i] < 0 or label[i - 1] < 0):
                edge[label[i]] = edge[label[i - 1]] = True
        if r == 0:
            continue
        i, j = row_ptr[r - 1], a
        while i < a and j < end:
            if label[i] < 0 or label[j] < 0:
                edge[label[i]] = edge[label[j]] = True
            stop_i = start[i + 1] if i + 1 < a else width
            stop_j = start[j + 1] if j + 1 < end else width
            if stop_i <= stop_j:
                i += 1
            if stop_j <= stop_i:
                j += 1
    return edge[:count].copy()

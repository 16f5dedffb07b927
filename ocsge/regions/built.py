"""Built ground: evidence closed over small gaps, grouped, dissolved when a speck, grown when a lone house.

It comes before the minimum areas of the other covers: absorbing the smallest regions first would erase every
house below 200 m². The steps, each local, so that a window with a halo wider than a building gives the
whole's answer:

1. evidence = buildings of the class raster and of the layers, never on the ossature, nor where a correction gives
   another cover;
2. gaps narrower than ``2 × gap`` are closed (square structuring element), never across the ossature;
3. connected groups below the evidence minimum dissolve;
4. groups between the evidence minimum and the built minimum grow evenly to the built minimum, ring by ring,
   around ossature and other built ground, no farther than the growth limit. Two grown groups may meet: they
   are then one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from ocsge.regions.burn import Intervals
from ocsge.regions.evidence import ABSORB, CORRECTED, OVERRIDE, EvidenceTables
from ocsge.regions.runs import Runs
from ocsge.regions.shapes import Channel
from ocsge.regions.spans import closed, group_spans, spans_of, without
from ocsge.regions.sweep import paint_row, row_buffers

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DOMAIN, _COVER, _BUILT = int(Channel.DOMAIN), int(Channel.COVER), int(Channel.BUILT)
_FREE, _BUILT_STATE, _BLOCKED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class BuiltAggregation:
    """Values of the built aggregation, in pixels of the run's grid."""

    gap_px: int
    """Half the width of the gaps that are closed."""

    growth_limit_px: int
    """Farthest ring a group grows to."""

    evidence_px: int
    """Groups below this area dissolve."""

    minimum_px: int
    """Groups below this area grow to it."""


def aggregate_built(
    classes: Runs | None,
    intervals: Intervals,
    *,
    width: int,
    tables: EvidenceTables,
    aggregation: BuiltAggregation,
) -> Runs:
    """Return the built ground of a window as runs of 0 and 1.

    Parameters
    ----------
    classes
        Runs of the class raster, or None.
    intervals
        Burned ``DOMAIN``, ``COVER`` and ``BUILT`` channels (others are ignored).
    width
        Columns of the window.
    tables
        The rules as look-up tables.
    aggregation
        Distances and areas in pixels.
    """
    height = len(intervals.row_ptr) - 1
    if classes is None:
        classes = Runs(
            row_ptr=np.arange(height + 1, dtype=np.int64),
            start=np.zeros(height, dtype=np.int32),
            value=np.zeros(height, dtype=np.uint8),
            width=width,
        )
    built_class = (tables.class_cover[:, 0] == tables.built_cover) & tables.has_raster
    ossature = (tables.layer_ossature != 0) & (tables.layer_mode == OVERRIDE)
    corrected = (tables.layer_mode == CORRECTED) & (tables.layer_cover != ABSORB)
    state_ptr, state_start, state = _built_state(
        classes.row_ptr,
        classes.start,
        classes.value,
        intervals.row_ptr,
        intervals.start,
        intervals.stop,
        intervals.channel,
        intervals.value,
        width,
        built_class,
        ossature | corrected,
    )
    ptr, start, stop = spans_of(state_ptr, state_start, state, width, _BUILT_STATE)
    if aggregation.gap_px > 0:
        ptr, start, stop = closed(ptr, start, stop, aggregation.gap_px)
        ptr, start, stop = without(ptr, start, stop, state_ptr, state_start, state, width, _BLOCKED)
    kept, grown = _keep_and_grow(
        ptr,
        start,
        stop,
        group_spans(ptr, start, stop),
        state_ptr,
        state_start,
        state,
        width,
        aggregation.growth_limit_px,
        aggregation.evidence_px,
        aggregation.minimum_px,
    )
    return _runs_of_spans(kept, grown, height=height, width=width)


def as_intervals(built: Runs, *, channel: Channel) -> Intervals:
    """Return the runs of value 1 as intervals of ``channel``."""
    ptr, start, stop = spans_of(built.row_ptr, built.start, built.value, built.width, 1)
    return Intervals(
        row_ptr=ptr,
        start=start,
        stop=stop,
        channel=np.full(len(start), channel, dtype=np.uint8),
        value=np.ones(len(start), dtype=np.uint16),
    )


def _runs_of_spans(
    kept: tuple[NDArray[np.int32], ...], grown: tuple[NDArray[np.int32], ...], *, height: int, width: int
) -> Runs:
    """Return runs of 0 and 1 from (row, start, stop) spans that may overlap."""
    row = np.concatenate([kept[0], grown[0]])
    start = np.concatenate([kept[1], grown[1]])
    stop = np.concatenate([kept[2], grown[2]])
    order = np.lexsort((start, row))
    row_ptr, out_start, value = _paint_binary(row[order], start[order], stop[order], height, width)
    return Runs(row_ptr=row_ptr, start=out_start, value=value, width=width)


@njit(cache=True, nogil=True)
def _paint_binary(row, start, stop, height, width):  # type: ignore[no-untyped-def]
    out_ptr = np.zeros(height + 1, np.int64)
    out_start = np.empty(2 * len(row) + height, np.int32)
    value = np.empty(len(out_start), np.uint8)
    n = i = 0
    for r in range(height):
        out_start[n], value[n] = 0, 0
        n += 1
        while i < len(row) and row[i] == r:
            a, b = start[i], stop[i]
            i += 1
            while i < len(row) and row[i] == r and start[i] <= b:
                b = max(b, stop[i])
                i += 1
            if a == 0:
                value[n - 1] = 1
            else:
                out_start[n], value[n] = a, 1
                n += 1
            if b < width:
                out_start[n], value[n] = b, 0
                n += 1
        out_ptr[r + 1] = n
    return out_ptr, out_start[:n].copy(), value[:n].copy()


@njit(cache=True, nogil=True)
def _built_state(  # type: ignore[no-untyped-def]
    class_ptr, class_start, class_value, row_ptr, start, stop, channel, value, width, built_class, never_built
):
    height = len(row_ptr) - 1
    capacity = len(class_start) + 2 * len(start) + height
    out_ptr = np.zeros(height + 1, np.int64)
    out_start = np.empty(capacity, np.int32)
    out_state = np.empty(capacity, np.uint8)
    buffers = row_buffers(width)
    _, cuts, _, painted = buffers
    no_class = np.empty(0, np.int32)
    n = 0
    for r in range(height):
        a, b = row_ptr[r], row_ptr[r + 1]
        segments = paint_row(buffers, width, no_class, start[a:b], stop[a:b], channel[a:b], value[a:b])
        row_first = n
        run, run_end = class_ptr[r], class_ptr[r + 1]
        for k in range(segments):
            column, end = cuts[k], cuts[k + 1]
            blocked = not painted[_DOMAIN, k] or never_built[painted[_COVER, k]]
            if not blocked and not painted[_BUILT, k]:
                # the layers leave it to the classes
                while run + 1 < run_end and class_start[run + 1] <= column:
                    run += 1
            while column < end:
                if blocked:
                    state, after = _BLOCKED, end
                elif painted[_BUILT, k]:
                    state, after = _BUILT_STATE, end
                else:
                    state = _BUILT_STATE if built_class[class_value[run]] else _FREE
                    after = end
                    if run + 1 < run_end and class_start[run + 1] < end:
                        run += 1
                        after = class_start[run]
                if n == row_first or out_state[n - 1] != state:
                    out_start[n], out_state[n] = column, state
                    n += 1
                column = after
        out_ptr[r + 1] = n
    return out_ptr, out_start[:n].copy(), out_state[:n].copy()


@njit(cache=True, nogil=True)
def _keep_and_grow(  # type: ignore[no-untyped-def]
    ptr, start, stop, group, state_ptr, state_start, state, width, limit, evidence_px, minimum_px
):
    height = len(ptr) - 1
    spans = len(start)
    area = np.zeros(spans, np.int64)
    box = np.empty((spans, 4), np.int32)
    row_of = np.empty(spans, np.int32)
    for r in range(height):
        for i in range(ptr[r], ptr[r + 1]):
            row_of[i] = r
            g = group[i]
            if area[g] == 0:
                box[g, 0], box[g, 1], box[g, 2], box[g, 3] = r, start[i], r + 1, stop[i]
            area[g] += stop[i] - start[i]
            box[g, 1] = min(box[g, 1], start[i])
            box[g, 2] = r + 1
            box[g, 3] = max(box[g, 3], stop[i])
    kept_row = np.empty(spans, np.int32)
    kept_start = np.empty(spans, np.int32)
    kept_stop = np.empty(spans, np.int32)
    n = 0
    for i in range(spans):
        if area[group[i]] >= evidence_px:
            kept_row[n], kept_start[n], kept_stop[n] = row_of[i], start[i], stop[i]
            n += 1
    grown_row = [np.int32(0) for _ in range(0)]
    grown_start = [np.int32(0) for _ in range(0)]
    grown_stop = [np.int32(0) for _ in range(0)]
    for g in range(spans):
        if group[g] != g or area[g] < evidence_px or area[g] >= minimum_px:
            continue
        top, left = max(box[g, 0] - limit, 0), max(box[g, 1] - limit, 0)
        bottom, right = min(box[g, 2] + limit, height), min(box[g, 3] + limit, width)
        ground = _local_ground(ptr, start, stop, group, area, g, evidence_px, state_ptr, state_start, state, width,
                               top, left, bottom, right)  # fmt: skip
        _grow(ground, area[g], minimum_px, limit)
        for r in range(bottom - top):
            c = 0
            while c < right - left:
                if ground[r, c] == 3:
                    c0 = c
                    while c < right - left and ground[r, c] == 3:
                        c += 1
                    grown_row.append(np.int32(r + top))
                    grown_start.append(np.int32(c0 + left))
                    grown_stop.append(np.int32(c + left))
                else:
                    c += 1
    return (kept_row[:n], kept_start[:n], kept_stop[:n]), (
        np.array(grown_row, np.int32),
        np.array(grown_start, np.int32),
        np.array(grown_stop, np.int32),
    )


@njit(cache=True, nogil=True)
def _local_ground(  # type: ignore[no-untyped-def]  # noqa: PLR0917
    ptr,
    start,
    stop,
    group,
    area,
    g,
    evidence_px,
    state_ptr,
    state_start,
    state,
    width,
    top,
    left,
    bottom,
    right,
):
    """Return an array around group ``g``: 0 free, 1 the group, 2 ossature, outside or other built ground."""
    ground = np.zeros((bottom - top, right - left), np.uint8)
    for r in range(top, bottom):
        a, b = state_ptr[r], state_ptr[r + 1]
        i = a + np.searchsorted(state_start[a:b], left, side="right") - 1
        while i < b and state_start[i] < right:
            if state[i] == _BLOCKED:
                end = state_start[i + 1] if i + 1 < b else width
                ground[r - top, max(state_start[i], left) - left : min(end, right) - left] = 2
            i += 1
        a, b = ptr[r], ptr[r + 1]
        i = a + np.searchsorted(stop[a:b], left, side="right")
        while i < b and start[i] < right:
            if area[group[i]] >= evidence_px:
                mark = 1 if group[i] == g else 2
                ground[r - top, max(start[i], left) - left : min(stop[i], right) - left] = mark
            i += 1
    return ground


@njit(cache=True, nogil=True)
def _grow(ground, area, minimum_px, limit):  # type: ignore[no-untyped-def]
    """Mark 3 the free pixels that bring the group (1) to ``minimum_px``, ring by ring.

    Odd rings take side neighbours, even ones corner neighbours too.
    In a ring that is more than needed, side neighbours come before corner neighbours, each in row order.
    """
    height, width = ground.shape
    frontier_r = np.empty(height * width, np.int32)
    frontier_c = np.empty(height * width, np.int32)
    head = tail = 0
    for r in range(height):
        for c in range(width):
            if ground[r, c] == 1:
                frontier_r[tail], frontier_c[tail] = r, c
                tail += 1
    missing = minimum_px - area
    for ring in range(1, limit + 1):
        if missing <= 0 or head == tail:
            return
        sources_end = tail
        for corners in range(1 if ring % 2 else 2):
            found_from = tail
            for i in range(head, sources_end):
                for k in range(4):
                    if corners == 0:
                        dr, dc = (k == 2) - (k == 0), (k == 1) - (k == 3)
                    else:
                        dr, dc = 2 * (k // 2) - 1, 2 * (k % 2) - 1
                    r, c = frontier_r[i] + dr, frontier_c[i] + dc
                    if 0 <= r < height and 0 <= c < width and ground[r, c] == 0:
                        if corners and ground[frontier_r[i], c] in (0, 2) and ground[r, frontier_c[i]] in (0, 2):
                            continue
                        ground[r, c] = 4
                        frontier_r[tail], frontier_c[tail] = r, c
                        tail += 1
            found = tail - found_from
            if found > missing:
                _keep_first(ground, missing)
                return
            for i in range(found_from, tail):
                ground[frontier_r[i], frontier_c[i]] = 3
            missing -= found
        head = sources_end


@njit(cache=True, nogil=True)
def _keep_first(ground, missing):  # type: ignore[no-untyped-def]
    """Keep the first ``missing`` candidates (4) in row order as grown (3), free the others."""
    for r in range(ground.shape[0]):
        for c in range(ground.shape[1]):
            if ground[r, c] == 4:
                ground[r, c] = 3 if missing > 0 else 0
                missing -= 1

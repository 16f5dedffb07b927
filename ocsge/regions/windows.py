"""The window stages of the engine, each from arrays to arrays.

``classes`` (a reader's job) → :func:`built_ground` → zone construite of the whole run → :func:`evidence_of_window`
→ :func:`regions_of_window` → :func:`pieces_of_regions`. Evidence is local; built ground and regions need context, so
their windows are a core that is kept and a halo that is read and discarded. Nothing here touches the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from ocsge.regions.bands import bands_of, each_band
from ocsge.regions.built import BuiltAggregation, aggregate_built, as_intervals
from ocsge.regions.burn import Intervals, burn
from ocsge.regions.evidence import COMMUNE_SHIFT, UNSEEN, EvidenceTables, evidence_runs
from ocsge.regions.graph import RegionGraph, region_graph
from ocsge.regions.minimum_areas import MinimumAreas, absorb, clusters_are_whole
from ocsge.regions.pieces import Pieces, pieces_of_window
from ocsge.regions.runs import Runs, joined
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.zone import zone_intervals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.grid import Grid, Window

_BUILT_CHANNELS = (Channel.DOMAIN, Channel.COVER, Channel.BUILT)


@dataclass(frozen=True, slots=True)
class EngineRules:
    """Everything the engine takes from the rules, as integers of pixels and look-up tables."""

    tables: EvidenceTables
    aggregation: BuiltAggregation
    minimum: MinimumAreas


@dataclass(frozen=True, slots=True)
class WindowRegions:
    """Regions of a window before merging, and whether its halo and the run's context are wide enough to merge them."""

    graph: RegionGraph
    halo_is_enough: bool
    """No cluster of unstable regions cut by the window's edge reaches the core."""
    context_is_enough: bool
    """No cluster of unstable regions cut by the edge of the domain reaches the territory."""


def built_ground(
    classes: Runs | None, shapes: Shapes, *, grid: Grid, window: Window, core: Window, engine: EngineRules
) -> Runs:
    """Return the built ground of ``core`` as runs of 0 and 1, seen with the halo of ``window``."""
    built = aggregate_built(
        classes,
        burn(shapes, grid=grid, window=window, channels=_BUILT_CHANNELS),
        width=window.width,
        tables=engine.tables,
        aggregation=engine.aggregation,
    )
    return joined([(window, built)], window=core)


def evidence_of_window(
    classes: Runs | None,
    built: Runs,
    zone: Runs,
    shapes: Shapes,
    *,
    grid: Grid,
    window: Window,
    zone_window: Window,
    engine: EngineRules,
) -> Runs:
    """Return the evidence of ``window``. It is local: windows need no halo.

    Parameters
    ----------
    classes
        Runs of the class raster over ``window``, or None.
    built
        Built ground over ``window``, runs of 0 and 1.
    zone, zone_window
        Zone construite on 1 m cells, and where those cells lie.
    shapes
        Evidence to burn.
    grid, window
        The lattice, and the window read.
    engine
        Rules in pixels.
    """
    intervals = _together(
        [
            burn(shapes, grid=grid, window=window),
            as_intervals(built, channel=Channel.BUILT_GROUND),
            zone_intervals(zone, zone_window=zone_window, window=window, pixels_per_m=grid.pixels_per_m),
        ]
    )
    return evidence_runs(classes, intervals, width=window.width, tables=engine.tables)


def regions_of_window(
    evidence: Runs,
    *,
    window: Window,
    core: Window,
    whole: Window,
    territory: NDArray[np.bool_],
    engine: EngineRules,
    threads: int = 1,
) -> WindowRegions:
    """Return the regions of ``window`` before any is absorbed.

    Parameters
    ----------
    evidence
        Of :func:`evidence_of_window`.
    window, core, whole
        The window read, the part kept, and the window of the whole run.
    territory
        (communes + 1,) whether each commune position belongs to the territory asked for.
    engine
        Rules in pixels.
    threads
        Threads that walk the rows; the result is the same whatever their number.
    """
    graph = region_graph(evidence, small_px=engine.minimum.largest_px, threads=threads)
    sides = (
        window.row > whole.row,
        window.bottom < whole.bottom,
        window.col > whole.col,
        window.right < whole.right,
    )
    kept = (core.row - window.row, core.bottom - window.row, core.col - window.col, core.right - window.col)
    found = tuple(np.zeros(len(graph.key), dtype=np.bool_) for _ in range(4))

    def look(first: int, last: int) -> None:
        """Look at a band of rows; what it finds is only ever set."""
        _where_regions_are(
            evidence.row_ptr,
            evidence.start,
            evidence.value,
            graph.label,
            evidence.width,
            sides,
            kept,
            territory,
            first,
            last,
            found,
        )

    each_band(bands_of(evidence.row_ptr, threads), look)
    at_window_edge, at_domain_edge, in_core, in_territory = found
    return WindowRegions(
        graph=graph,
        halo_is_enough=clusters_are_whole(graph, engine.minimum, cut=at_window_edge, kept=in_core),
        context_is_enough=clusters_are_whole(graph, engine.minimum, cut=at_domain_edge, kept=in_core & in_territory),
    )


def pieces_of_regions(
    evidence: Runs, regions: WindowRegions, *, window: Window, core: Window, engine: EngineRules, threads: int = 1
) -> Pieces:
    """Return the pieces of ``core``; the regions are consumed. They are exact where the halo was enough."""
    absorbed = absorb(regions.graph, engine.minimum)
    return pieces_of_window(evidence, regions.graph, absorbed, window=window, core=core, threads=threads)


def _together(parts: list[Intervals]) -> Intervals:
    """Return the intervals of all parts, row by row, each row in the order of the parts."""
    row_ptr = np.sum([part.row_ptr for part in parts], axis=0)
    place = row_ptr[:-1].copy()
    out = Intervals(
        row_ptr=row_ptr,
        start=np.empty(row_ptr[-1], dtype=np.int32),
        stop=np.empty(row_ptr[-1], dtype=np.int32),
        channel=np.empty(row_ptr[-1], dtype=np.uint8),
        value=np.empty(row_ptr[-1], dtype=np.uint16),
    )
    for part in parts:
        for into, values in (
            (out.start, part.start),
            (out.stop, part.stop),
            (out.channel, part.channel),
            (out.value, part.value),
        ):
            _put_rows(into, place, part.row_ptr, values)
        place += np.diff(part.row_ptr)
    return out


@njit(cache=True, nogil=True)
def _put_rows(into, place, row_ptr, values):  # type: ignore[no-untyped-def]
    """Write the values of each row at its place."""
    for r in range(len(place)):
        at = place[r] - row_ptr[r]
        for i in range(row_ptr[r], row_ptr[r + 1]):
            into[at + i] = values[i]


@njit(cache=True, nogil=True)
def _mark_overlapped(start, label, first, end, left, right, marks):  # type: ignore[no-untyped-def]
    """Mark the regions of the runs of a row that overlap some columns."""
    j = first + max(np.searchsorted(start[first:end], left, side="right") - 1, 0)
    while j < end and start[j] < right:
        if label[j] >= 0:
            marks[label[j]] = True
        j += 1


@njit(cache=True, nogil=True)
def _where_regions_are(  # type: ignore[no-untyped-def]
    row_ptr, start, value, label, width, sides, core, territory, first, last, found
):
    """Set, by region: touches a cut side of the window, touches outside, has core pixels, has territory pixels."""
    at_window_edge, at_domain_edge, in_core, in_territory = found
    height = len(row_ptr) - 1
    north, south, west, east = sides
    for r in range(first, last):
        a, end = row_ptr[r], row_ptr[r + 1]
        for i in range(a, end):
            g = label[i]
            stop = start[i + 1] if i + 1 < end else width
            if g < 0:
                if value[i] == UNSEEN:
                    continue
                if i > a and label[i - 1] >= 0:
                    at_domain_edge[label[i - 1]] = True
                if i + 1 < end and label[i + 1] >= 0:
                    at_domain_edge[label[i + 1]] = True
                if r > 0:
                    _mark_overlapped(start, label, row_ptr[r - 1], a, start[i], stop, at_domain_edge)
                if r + 1 < height:
                    _mark_overlapped(start, label, end, row_ptr[r + 2], start[i], stop, at_domain_edge)
                continue
            if (north and r == 0) or (south and r == height - 1) or (west and i == a) or (east and i == end - 1):
                at_window_edge[g] = True
            elif r == 0 or r == height - 1 or i == a or i == end - 1:
                at_domain_edge[g] = True
            if core[0] <= r < core[1] and start[i] < core[3] and stop > core[2]:
                in_core[g] = True
            if territory[(value[i] >> COMMUNE_SHIFT) & 0xFFF]:
                in_territory[g] = True

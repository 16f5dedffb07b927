"""The stages that run window by window, from paths to paths, for :func:`ocsge.run.run`.

Each function is a module-level function of one small picklable job; it reads its inputs by path, keeps its result as an
artefact of the workspace and returns its path, so a killed run resumes and a cluster needs no other code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ocsge.errors import OcsgeError
from ocsge.grid import Grid, Window
from ocsge.handover import keep, take
from ocsge.products.cosia import RasterTile, check_class_numbers, class_strips
from ocsge.regions import pieces as region_pieces
from ocsge.regions.anchor import anchored_evidence, effective_evidence
from ocsge.regions.burn import burn
from ocsge.regions.pieces import Pieces, pieces_of_state
from ocsge.regions.runs import Runs, joined, runs_of_strips
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.sweep import painted_runs
from ocsge.regions.windows import (
    EngineRules,
    built_ground,
    evidence_of_window,
    pieces_of_regions,
    regions_of_window,
)
from ocsge.regions.zone import built_cells
from ocsge.store import Workspace, artefact_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsge.handover import Kept

BUILT_HALO_M = 200
"""Context of the built aggregation: ground that joins the edge of the halo to the core is so long that it is far above
the areas below which a group dissolves or grows, so a core is exact."""
MERGE_HALO_M = 1000
"""First context of the merging; doubled as long as an unstable cluster joins the window's edge to its core.

Along a seam of some kilometres a cluster of 700 m is common: a first halo of 500 m was tried in vain half the time."""

Placed = tuple[tuple[Window, Path], ...]
"""Windows that tile the run, with the file of each."""


@dataclass(frozen=True, slots=True)
class ClassesJob:
    """Read the class raster of a window."""

    workspace: Path
    key: str
    grid: Grid
    window: Window
    tiles: tuple[RasterTile, ...]
    shapes: Path | None
    """Class polygons to burn instead of tiles (CoSIA vector); their value is the class number."""
    numbers: tuple[int, ...]
    numbering: str
    strip_rows: int

    def __str__(self) -> str:
        return _place(self.grid, self.window)


@dataclass(frozen=True, slots=True)
class BuiltJob:
    """Aggregate the built ground of a window."""

    workspace: Path
    key: str
    grid: Grid
    whole: Window
    core: Window
    shapes: Path
    classes: Placed
    engine: EngineRules

    def __str__(self) -> str:
        return _place(self.grid, self.core)


@dataclass(frozen=True, slots=True)
class EvidenceJob:
    """Cross the class runs, the built ground, the zone construite and the layers of a window."""

    workspace: Path
    key: str
    grid: Grid
    window: Window
    shapes: Path
    classes: Placed
    built: Placed
    zone: Path
    zone_window: Window
    engine: EngineRules

    def __str__(self) -> str:
        return _place(self.grid, self.window)


@dataclass(frozen=True, slots=True)
class PiecesJob:
    """Merge the regions of a window and cut them into pieces."""

    workspace: Path
    key: str
    grid: Grid
    whole: Window
    core: Window
    evidence: Placed
    territory: tuple[bool, ...]
    engine: EngineRules
    threads: int = 1
    """Threads that walk the rows of the window; for the only window of a run."""

    def __str__(self) -> str:
        return _place(self.grid, self.core)


@dataclass(frozen=True, slots=True)
class TwoDatesJob:
    """Merge the evidence of two dates in a window."""

    workspace: Path
    key: str
    grid: Grid
    whole: Window
    window: Window
    before: Placed
    """Evidence of the earlier state."""
    evidence: Placed
    by: Path
    """Runs of the whole run that say which date speaks: the earlier state, or where both states are the same."""

    def __str__(self) -> str:
        return _place(self.grid, self.window)


@dataclass(frozen=True, slots=True)
class StateJob:
    """Cut a known state of a window into pieces."""

    workspace: Path
    key: str
    grid: Grid
    whole: Window
    window: Window
    evidence: Placed
    state: Path

    def __str__(self) -> str:
        return _place(self.grid, self.window)


@dataclass(frozen=True, slots=True)
class PiecesResult:
    """Where the pieces of a window are, and whether the run's context was wide enough for them."""

    path: Path
    context_is_enough: bool


def read_classes(job: ClassesJob) -> Path:
    """Return the path of the class runs of a window."""

    def make() -> Runs:
        """Read the classes of the window."""
        if job.shapes is not None:
            runs = _burned_classes(_shapes(job.shapes), grid=job.grid, window=job.window)
        else:
            strips = class_strips(
                job.tiles,
                grid=job.grid,
                window=job.window,
                score_classes=job.numbers,
                strip_rows=job.strip_rows,
            )
            runs = runs_of_strips(strips, width=job.window.width)
        where = job.tiles[0].path if job.tiles else Path(str(job.shapes))
        check_class_numbers(runs.value, job.numbers, numbering=job.numbering, path=where)
        return runs

    return _kept(job.workspace, "classes", job.key, job.window, make)


def aggregate_built_ground(job: BuiltJob) -> Path:
    """Return the path of the built ground of a window, runs of 0 and 1."""
    window = job.core.grown(BUILT_HALO_M * job.grid.pixels_per_m, within=job.whole)

    def make() -> Runs:
        """Aggregate the built ground of the window."""
        return built_ground(
            _joined(job.classes, window, store=job.workspace),
            _shapes(job.shapes),
            grid=job.grid,
            window=window,
            core=job.core,
            engine=job.engine,
        )

    return _kept(job.workspace, "built", job.key, job.core, make)


def built_cells_of(
    placed: tuple[Window, Path], *, grid: Grid, store: Path
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return the built 1 m cells of a window, from its built ground."""
    window, path = placed
    return built_cells(take(Runs, path, store=store), window=window, pixels_per_m=grid.pixels_per_m)


def cross_evidence(job: EvidenceJob) -> Path:
    """Return the path of the evidence of a window."""

    def make() -> Runs:
        """Cross everything known of the window."""
        return evidence_of_window(
            _joined(job.classes, job.window, store=job.workspace, last=True),
            _covering(job.built, job.window, store=job.workspace, last=True),
            Runs.load(job.zone),
            _shapes(job.shapes),
            grid=job.grid,
            window=job.window,
            zone_window=job.zone_window,
            engine=job.engine,
        )

    return _kept(job.workspace, "evidence", job.key, job.window, make)


def merge_regions(job: PiecesJob) -> PiecesResult:
    """Return the path of the pieces of a window; its halo grows until it is wide enough."""

    def make() -> Pieces:
        """Merge the window, with as much halo as it takes."""
        halo = MERGE_HALO_M * job.grid.pixels_per_m
        while True:
            window = job.core.grown(halo, within=job.whole)
            evidence = _covering(job.evidence, window, store=job.workspace, last=True)
            regions = regions_of_window(
                evidence,
                window=window,
                core=job.core,
                whole=job.whole,
                territory=np.array(job.territory, dtype=np.bool_),
                engine=job.engine,
                threads=job.threads,
            )
            if regions.halo_is_enough:
                break
            halo *= 2
        # the verdict is published first: where there are pieces, it is known
        verdict(regions.context_is_enough)
        return pieces_of_regions(
            evidence, regions, window=window, core=job.core, engine=job.engine, threads=job.threads
        )

    def verdict(enough: bool) -> Path:
        """Keep whether the context is enough."""
        text = "enough" if enough else "short"
        of_window = _window_key(job.key, job.core)
        return Workspace(job.workspace).artefact("context", of_window, ".txt", lambda to: to.write_text(text))

    path = _kept(job.workspace, "pieces", job.key, job.core, make)
    # a verdict lost with the cache counts as short: the run then takes more context, which is never wrong
    return PiecesResult(path=path, context_is_enough=verdict(False).read_text() == "enough")


def anchor_evidence(job: TwoDatesJob) -> Path:
    """Return the path of the evidence of a window, with the keys of the earlier state where nothing changed."""
    return _two_dates(job, "anchored", anchored_evidence, last=False)


def keep_evidence(job: TwoDatesJob) -> Path:
    """Return the path of the evidence that a second state is made of, in a window."""
    return _two_dates(job, "effective", effective_evidence, last=True)


def _two_dates(job: TwoDatesJob, stage: str, merge: Callable[[Runs, Runs, Runs], Runs], *, last: bool) -> Path:
    def make() -> Runs:
        """Merge both dates."""
        return merge(
            _covering(job.before, job.window, store=job.workspace, last=last),
            _covering(job.evidence, job.window, store=job.workspace, last=last),
            _covering(((job.whole, job.by),), job.window, store=job.workspace),
        )

    return _kept(job.workspace, stage, job.key, job.window, make)


def cut_state(job: StateJob) -> Path:
    """Return the path of the pieces of a window whose state is known."""

    def make() -> Pieces:
        """Cut the state of the window into pieces."""
        return pieces_of_state(
            _covering(job.evidence, job.window, store=job.workspace, last=True),
            _covering(((job.whole, job.state),), job.window, store=job.workspace),
        )

    return _kept(job.workspace, "state_pieces", job.key, job.window, make)


def stitch(results: list[tuple[Window, Path]], *, window: Window, store: Path) -> Pieces:
    """Return the pieces of the whole from those of its windows."""
    parts = [(w, take(Pieces, path, store=store, last=True)) for w, path in results]
    return region_pieces.stitched(parts, window=window)


def _place(grid: Grid, window: Window) -> str:
    """Return how messages name a window: its corners, metres."""
    xmin, ymin, xmax, ymax = grid.bounds_of(window)
    return f"window {xmin:.0f},{ymin:.0f} – {xmax:.0f},{ymax:.0f}"


def _window_key(key: str, window: Window) -> str:
    return artefact_key(key=key, window=[window.row, window.col, window.height, window.width])


def _kept(workspace: Path, stage: str, key: str, window: Window, make: Callable[[], Kept]) -> Path:
    return keep(Workspace(workspace), stage, _window_key(key, window), make)


@lru_cache(maxsize=2)
def _shapes(path: Path) -> Shapes:
    return Shapes.load(path)


def _joined(placed: Placed, window: Window, *, store: Path, last: bool = False) -> Runs | None:
    if not placed:
        return None
    near = [
        (w, take(Runs, path, store=store, last=last))
        for w, path in placed
        if w.row < window.bottom and w.bottom > window.row and w.col < window.right and w.right > window.col
    ]
    if len(near) == 1 and near[0][0] == window:
        return near[0][1]
    return joined(near, window=window)


def _covering(placed: Placed, window: Window, *, store: Path, last: bool = False) -> Runs:
    runs = _joined(placed, window, store=store, last=last)
    if runs is None:
        raise OcsgeError("the runs of a window are missing; this is a bug, please report it")
    return runs


def _burned_classes(shapes: Shapes, *, grid: Grid, window: Window) -> Runs:
    return painted_runs(
        burn(shapes, grid=grid, window=window), channel=Channel.COVER, width=window.width, unpainted=255
    )

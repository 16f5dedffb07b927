"""Run the window stages of a domain: layers and class raster → pieces of the whole domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ocsge import window_stages as stages
from ocsge.class_numbers import numbered_classes
from ocsge.covers import corrected_cover_shapes, cover_shapes
from ocsge.engine import Engine, engine_of
from ocsge.grid import Grid, Window
from ocsge.handover import SUFFIX
from ocsge.inputs import ClassEvidence, Inputs, read_inputs
from ocsge.regions.anchor import settle
from ocsge.regions.burn import burn
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.sweep import painted_runs
from ocsge.regions.zone import metre_window, zone_construite
from ocsge.run import run
from ocsge.store import artefact_key
from ocsge.usage import corrected_usage_shapes, usage_shapes

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd
    from numpy.typing import NDArray

    from ocsge.catalog import Source
    from ocsge.domain import Domain
    from ocsge.geometry_repair import Invalid
    from ocsge.regions.pieces import Pieces
    from ocsge.rules import Rules
    from ocsge.store import Workspace

J = TypeVar("J")
Progress = Callable[[str, int, int], None]
"""Called with a stage's name, the items done and the items in all; from two threads at once while layers and class
raster are read side by side."""

_LARGEST_RUN_IN_THREADS_KM2 = 100
"""Above it, windows of ``_WINDOW_SIDE_M`` bound the memory."""
_WINDOW_SIDE_M = 5000
_SMALLEST_SHARE_KM2 = 4
"""A window below it would mostly be halo: fewer threads are then used."""


def shares_memory(domain: Domain, *, jobs: int, window_m: int | None) -> bool:
    """Return whether a domain is small enough to be derived whole in the memory of one process."""
    return window_m is None and jobs == 1 and _area_km2(domain) <= _LARGEST_RUN_IN_THREADS_KM2


def _area_km2(domain: Domain) -> float:
    return domain.window.height * domain.window.width / domain.grid.pixels_per_m**2 / 1e6


@dataclass(frozen=True, slots=True)
class Found:
    """Pieces of the domain, with what went into them."""

    pieces: Pieces
    engine: Engine
    inputs: Inputs
    official_zone: bool
    context_is_enough: bool
    evidence: stages.Placed
    """Evidence the pieces are made of, by window."""


@dataclass(frozen=True, slots=True)
class WindowedRun:
    """The window stages of one run over one domain."""

    store: Workspace
    domain: Domain
    rules: Rules
    key: str
    classes: ClassEvidence | None
    corrections: gpd.GeoDataFrame
    tell: Progress
    jobs: int
    threads: int
    window_m: int | None
    strip_rows: int

    def pieces(
        self,
        sources: Sequence[Source],
        *,
        millesime: int,
        invalid: Invalid,
        assume_crs: int | None,
        after: Found | None = None,
    ) -> Found:
        """Run the stages up to the stitched pieces; the state is anchored to the one it comes ``after``, if any."""
        domain, grid = self.domain, self.domain.grid
        cores = self._cores()
        engine = engine_of(self.rules, grid, numbering=self.classes.numbering if self.classes else None)

        def read() -> tuple[Inputs, Path]:
            """Read the layers; the raster does not wait for them."""
            return self._layers(sources, millesime=millesime, invalid=invalid, assume_crs=assume_crs)

        # of a large domain the raster takes minutes: a layer that is refused must not wait for it
        if self._shares_memory and self.threads > 1:
            with ThreadPoolExecutor(1) as beside:
                raster = beside.submit(self._classes, cores)
                inputs, shapes_path = read()
                classes = raster.result()
        else:
            inputs, shapes_path = read()
            classes = self._classes(cores)
        built = self._placed(
            "built ground",
            cores,
            stages.aggregate_built_ground,
            [
                stages.BuiltJob(
                    self.store.path, self.key, grid, domain.window, core, shapes_path, classes, engine.windows
                )
                for core in cores
            ],
        )
        official = inputs.zone_construite
        evidence = self._evidence(cores, shapes_path, classes, built, official, engine)
        if after is None:
            merged, enough = self._merged(cores, evidence, engine)
        else:
            merged, enough, evidence = self._merged_after(after, cores, evidence, engine)
        return Found(
            pieces=merged,
            engine=engine,
            inputs=inputs,
            official_zone=official is not None,
            context_is_enough=enough,
            evidence=evidence,
        )

    def _merged(self, cores: list[Window], evidence: stages.Placed, engine: Engine) -> tuple[Pieces, bool]:
        """Return the pieces of the whole domain after the minimum areas, and whether the context was enough."""
        cores = [self.domain.window] if self._shares_memory else cores
        results = self._regions(cores, evidence, engine)
        found = [(core, result.path) for core, result in zip(cores, results, strict=True)]
        enough = all(result.context_is_enough for result in results)
        return stages.stitch(found, window=self.domain.window, store=self.store.path), enough

    def _merged_after(
        self, before: Found, cores: list[Window], evidence: stages.Placed, engine: Engine
    ) -> tuple[Pieces, bool, stages.Placed]:
        """Return the pieces of a state anchored to an earlier one, and the evidence they are made of."""
        store, key, grid, whole = self.store, self.key, self.domain.grid, self.domain.window
        state = store.artefact("state", artefact_key(before=key), SUFFIX, before.pieces.runs.save)
        jobs = [
            stages.TwoDatesJob(store.path, key, grid, whole, core, before.evidence, evidence, state) for core in cores
        ]
        anchored = self._placed("anchoring", cores, stages.anchor_evidence, jobs)
        merged, enough = self._merged(cores, anchored, engine)
        self.tell("changes", 0, 1)
        settled = settle(before.pieces.runs, merged.runs, engine.change)
        state = store.artefact("state", artefact_key(after=key), SUFFIX, settled.state.save)
        same = store.artefact("same", key, SUFFIX, settled.same.save)
        self.tell("changes", 1, 1)
        kept = self._placed(
            "evidence kept",
            cores,
            stages.keep_evidence,
            [stages.TwoDatesJob(store.path, key, grid, whole, core, before.evidence, evidence, same) for core in cores],
        )
        jobs_of_state = [stages.StateJob(store.path, key, grid, whole, core, kept, state) for core in cores]
        pieces = self._placed("second state", cores, stages.cut_state, jobs_of_state)
        return stages.stitch(list(pieces), window=whole, store=store.path), enough, kept

    def _layers(
        self, sources: Sequence[Source], *, millesime: int, invalid: Invalid, assume_crs: int | None
    ) -> tuple[Inputs, Path]:
        """Read the layers; keep what they paint as a file of shapes."""
        self.tell("layers", 0, 1)
        inputs = read_inputs(
            sources,
            domain=self.domain,
            rules=self.rules,
            millesime=millesime,
            layers_decide=self.classes is None,
            invalid=invalid,
            assume_crs=assume_crs,
        )
        shapes = Shapes.concatenated(
            [
                self.domain.shapes(),
                cover_shapes(inputs.layers, self.rules),
                corrected_cover_shapes(self.corrections, self.rules),
                usage_shapes(inputs.layers, self.rules),
                corrected_usage_shapes(self.corrections, self.rules),
            ]
        )
        path = self.store.artefact("shapes", self.key, SUFFIX, shapes.save)
        self.tell("layers", 1, 1)
        return inputs, path

    def _evidence(
        self,
        cores: list[Window],
        shapes: Path,
        classes: stages.Placed,
        built: stages.Placed,
        official: gpd.GeoDataFrame | None,
        engine: Engine,
    ) -> stages.Placed:
        """Cross everything known of every window, once the zone construite of the whole domain is known."""
        domain = self.domain
        zone_window = metre_window(domain.window, domain.grid.pixels_per_m)
        zone = self._zone(official, built, zone_window, engine)
        jobs = [
            stages.EvidenceJob(
                self.store.path,
                self.key,
                domain.grid,
                core,
                shapes,
                classes,
                built,
                zone,
                zone_window,
                engine.windows,
            )
            for core in cores
        ]
        return self._placed("evidence", cores, stages.cross_evidence, jobs)

    def _regions(self, cores: list[Window], evidence: stages.Placed, engine: Engine) -> list[stages.PiecesResult]:
        """Merge the regions of every window."""
        domain = self.domain
        territory = (False, *(bool(inside) for inside in domain.in_territory))
        jobs = [
            stages.PiecesJob(
                self.store.path,
                self.key,
                domain.grid,
                domain.window,
                core,
                evidence,
                territory,
                engine.windows,
                self.threads if self._shares_memory else 1,
            )
            for core in cores
        ]
        return run(
            "regions",
            jobs,
            stages.merge_regions,
            jobs=self.jobs,
            threads=self.threads,
            on_done=lambda done, total: self.tell("regions", done, total),
        )

    @property
    def _shares_memory(self) -> bool:
        """Whether the whole domain is merged at once, in the threads of this process: no seam then, and no halo."""
        return shares_memory(self.domain, jobs=self.jobs, window_m=self.window_m)

    def _cores(self) -> list[Window]:
        window, n = self.domain.window, self.domain.grid.pixels_per_m
        if self.window_m is not None:
            return window.tiles(self.window_m * n)
        if self._shares_memory:
            return window.divided(
                max(min(self.threads, int(_area_km2(self.domain) / _SMALLEST_SHARE_KM2)), 1), step_px=n
            )
        return window.split(_WINDOW_SIDE_M * n, step_px=n)

    def _classes(self, cores: list[Window]) -> stages.Placed:
        if self.classes is None:
            return ()
        polygons = self.classes.polygons
        path = None
        if polygons is not None:
            burned = Shapes.from_geometries(
                np.asarray(polygons.geometry.values),
                channel=Channel.COVER,
                values=polygons["number"].to_numpy(np.uint16),
            )
            path = self.store.artefact("class_shapes", self.key, SUFFIX, burned.save)
        numbers = tuple(number for _, number in numbered_classes(self.rules, self.classes.numbering))
        jobs = [
            stages.ClassesJob(
                self.store.path,
                self.key,
                self.domain.grid,
                core,
                self.classes.tiles,
                path,
                numbers,
                self.classes.numbering,
                self.strip_rows,
            )
            for core in cores
        ]
        return self._placed("class raster", cores, stages.read_classes, jobs)

    def _placed(self, stage: str, cores: list[Window], fn: Callable[[J], Path], jobs: Sequence[J]) -> stages.Placed:
        paths = run(
            stage,
            jobs,
            fn,
            jobs=self.jobs,
            threads=self.threads,
            on_done=lambda done, total: self.tell(stage, done, total),
        )
        return tuple(zip(cores, paths, strict=True))

    def _zone(
        self, official: gpd.GeoDataFrame | None, built: stages.Placed, zone_window: Window, engine: Engine
    ) -> Path:
        """Return the path of the zone construite of the whole domain, on 1 m cells."""
        self.tell("zone construite", 0, 1)

        def produce(path: Path) -> None:
            """Burn the official zone, or derive it."""
            if official is not None:
                zone = Shapes.from_geometries(
                    np.asarray(official.geometry.values),
                    channel=Channel.ZONE,
                    values=np.ones(len(official), dtype=np.uint16),
                )
                metres = Grid(epsg=self.domain.grid.epsg, pixels_per_m=1)
                burned = burn(zone, grid=metres, window=zone_window)
                painted_runs(burned, channel=Channel.ZONE, width=zone_window.width, unpainted=0).save(path)
                return
            cells = self._built_cells(built, zone_window)
            zone_construite(cells, engine.zone, threads=self.threads if self.jobs == 1 else 1).save(path)

        path = self.store.artefact("zone", self.key, SUFFIX, produce)
        self.tell("zone construite", 1, 1)
        return path

    def _built_cells(self, built: stages.Placed, zone_window: Window) -> NDArray[np.bool_]:
        """Return the built 1 m cells of the whole domain."""
        grid = self.domain.grid
        if len(built) == 1:
            return stages.built_cells_of(built[0], grid=grid, store=self.store.path)
        cells = np.zeros((zone_window.height, zone_window.width), dtype=np.bool_)
        for placed in built:
            part = stages.built_cells_of(placed, grid=grid, store=self.store.path)
            at = metre_window(placed[0], grid.pixels_per_m)
            row, col = at.row - zone_window.row, at.col - zone_window.col
            cells[row : row + part.shape[0], col : col + part.shape[1]] = part
        return cells

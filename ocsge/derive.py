"""Derive the OCS GE of a territory at a millésime and measure its artificialised land: the order of the stages.

::

    sources → domain → layers → covers, usages (shapes to burn) ┐
                                class raster (windows of runs)  ┴→ built ground → zone construite → pieces
    → polygons → matrix, thresholds, exemptions → stock → a version of the workspace
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from ocsge import window_stages as stages
from ocsge.artificialise import artificialise
from ocsge.catalog import load_catalog
from ocsge.covers import cover_shapes, numbered_classes
from ocsge.domain import Domain, domain_of, run_epsg
from ocsge.engine import Engine, engine_of
from ocsge.errors import ParameterError
from ocsge.grid import Grid, Window
from ocsge.indicators import stock, stock_long
from ocsge.inputs import (
    ClassEvidence,
    Inputs,
    find_class_evidence,
    find_sources,
    read_inputs,
    read_zone_construite,
)
from ocsge.partition import partition
from ocsge.publication import Results, partition_of, publish_results, published_key
from ocsge.regions.burn import burn
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.sweep import painted_runs
from ocsge.regions.zone import metre_window, zone_construite
from ocsge.rules import Rules, load_rules
from ocsge.run import run
from ocsge.store import Workspace, artefact_key, code_version
from ocsge.usage import usage_shapes

if TYPE_CHECKING:
    from ocsge.catalog import Source
    from ocsge.layers import Invalid
    from ocsge.regions.pieces import Pieces

J = TypeVar("J")
Progress = Callable[[str, int, int], None]
"""Called with a stage's name, the items done and the items in all."""

NATIVE_RESOLUTION_M = 0.2
"""Pixel of CoSIA and of BD ORTHO; a coarser grid is a preview."""
_LARGEST_SINGLE_WINDOW_KM2 = 100
_WINDOW_SIDE_M = 5000


@dataclass(frozen=True, slots=True)
class Derivation:
    """What a derivation found, and where it is kept."""

    version: Path
    """Folder of the workspace's version that holds the results."""

    stock: pd.DataFrame
    """Table ``STOCK``: one row a commune, hectares."""

    stock_long: pd.DataFrame
    """Table ``STOCK_LONG``: areas by cover, usage, category, rule and reason, hectares."""

    reused: bool
    """Whether the workspace already held this very result."""

    commune_codes: tuple[str, ...]
    """Communes of the territory."""

    millesime: int
    """Year described."""

    perimetre: str | None
    """Name of the perimeter, null for whole communes."""

    def polygons(self) -> gpd.GeoDataFrame:
        """Read the polygons of the territory, table ``ARTIFICIALISED``, CRS of the run."""
        parts = [
            gpd.read_parquet(path)
            for code in self.commune_codes
            if (path := self.version / self._partition(code, "polygons") / "part.parquet").is_file()
        ]
        return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=parts[0].crs)

    def files(self) -> list[Path]:
        """Return the files that describe the territory: GeoPackages, maps, tables."""
        root = self.version if self.perimetre is None else self.version / f"perimetre={self.perimetre}"
        stems = tuple(f"{code}_{self.millesime}" for code in self.commune_codes)
        named = [path for path in sorted((root / "communes").glob("*")) if path.name.startswith(stems)]
        return [*named, root / "stock.csv", root / "stock_excel.csv", root / "stock_long.csv"]

    def _partition(self, code: str, kind: str) -> Path:
        return partition_of(code, self.millesime, perimetre=self.perimetre, kind=kind)


def derive(  # noqa: PLR0913
    *,
    communes: Sequence[str] = (),
    millesime: int,
    workspace: Path | str,
    perimetre: Path | str | None = None,
    cosia: Path | str | None = None,
    numbering: str | None = None,
    zone_construite: Path | str | None = None,
    rules: Rules | Path | str | None = None,
    resolution: float = NATIVE_RESOLUTION_M,
    resample: bool = False,
    invalid: Invalid = "repair",
    assume_crs: int | None = None,
    jobs: int = 1,
    window_m: int | None = None,
    strip_rows: int = 512,
    progress: Progress | None = None,
) -> Derivation:
    """Derive the polygons and the stock of a territory at a millésime, in hectares.

    Does not measure change, give legal advice or replace the official OCS GE.

    Parameters
    ----------
    communes
        INSEE codes of the territory; empty with a perimeter that limits every commune it meets.
    millesime
        Year: the state is that of the objects created by its end, and of the class raster given.
    workspace
        Folder of the registered data and of the results.
    perimetre
        File of polygons that limits the territory.
    cosia
        Class raster (file or folder of dalles) or class polygons; None takes the registered ones, and without any the
        covers come from the layers and a declared default.
    numbering
        Numbering system of the raster's class numbers.
    zone_construite
        Official zone construite; None takes a registered one, else derives it from the built ground.
    rules
        Rules, or a directory that overlays the shipped ones.
    resolution
        Side of a pixel, metres; coarser than 0.2 is a preview and is flagged.
    resample
        Accept a raster that does not lie on the grid.
    invalid
        ``repair`` corrects and counts invalid geometries, ``stop`` refuses them.
    assume_crs
        EPSG code of vector files that declare no CRS.
    jobs
        Worker processes.
    window_m
        Side of the windows, metres; None takes one window up to 100 km². The result does not depend on it.
    strip_rows
        Rows of raster read at a time. The result does not depend on it.
    progress
        Receives the advance of each stage.

    Returns
    -------
    Derivation
        Stock, polygons and the place of the files.

    Raises
    ------
    OcsgeError
        One of :mod:`ocsge.errors`, on one line: what, where, what to do. Nothing half-written is ever visible.
    """
    workspace = Path(workspace)
    tell = progress or (lambda *_: None)
    if millesime < 1900 or millesime > 2100:
        raise ParameterError(f"millésime {millesime}: give a year, 2022 for instance")
    law = rules if isinstance(rules, Rules) else load_rules(overlay=None if rules is None else Path(rules))
    perimetre_path = None if perimetre is None else Path(perimetre)
    cosia_path = None if cosia is None else Path(cosia)
    zone_path = None if zone_construite is None else Path(zone_construite)
    store = Workspace(workspace)
    with store.locked(), store.timed("derive", communes=list(communes), millesime=millesime):
        tell("sources", 0, 1)
        sources = find_sources(workspace, communes=communes, extra=(zone_path,))
        grid = Grid.at_resolution(epsg=run_epsg(communes, perimetre_path), resolution_m=resolution)
        context_m = law.interpretation_threshold["context_m"]
        while True:
            domain = domain_of(
                communes=communes, perimetre=perimetre_path, sources=sources, grid=grid, context_m=context_m
            )
            classes = find_class_evidence(
                cosia_path, sources, domain=domain, rules=law, numbering=numbering, resample=resample
            )
            key = _key(domain, sources, classes, law, millesime=millesime, invalid=invalid)
            tell("sources", 1, 1)
            if (done := _published(store, domain, millesime, key)) is not None:
                return done
            found = _Run(
                store, domain, law, key, classes, tell, jobs=jobs, window_m=window_m, strip_rows=strip_rows
            ).pieces(sources, millesime=millesime, invalid=invalid, assume_crs=assume_crs)
            if found.context_is_enough:
                break
            context_m += law.interpretation_threshold["context_m"]
        return _conclude(store, domain, law, key, found, sources, classes, millesime=millesime, tell=tell)


@dataclass(frozen=True, slots=True)
class _Found:
    """Pieces of the domain, with what went into them."""

    pieces: Pieces
    engine: Engine
    inputs: Inputs
    official_zone: bool
    context_is_enough: bool


@dataclass(frozen=True, slots=True)
class _Run:
    """The window stages of one run over one domain."""

    store: Workspace
    domain: Domain
    rules: Rules
    key: str
    classes: ClassEvidence | None
    tell: Progress
    jobs: int
    window_m: int | None
    strip_rows: int

    def pieces(
        self, sources: Sequence[Source], *, millesime: int, invalid: Invalid, assume_crs: int | None
    ) -> _Found:
        """Run the stages up to the stitched pieces."""
        domain, grid = self.domain, self.domain.grid
        self.tell("layers", 0, 1)
        inputs = read_inputs(
            sources, domain=domain, rules=self.rules, millesime=millesime, invalid=invalid, assume_crs=assume_crs
        )
        official = read_zone_construite(sources, domain=domain, invalid=invalid, assume_crs=assume_crs)
        shapes = Shapes.concatenated(
            [domain.shapes(), cover_shapes(inputs.layers, self.rules), usage_shapes(inputs.layers, self.rules)]
        )
        shapes_path = self.store.artefact("shapes", self.key, ".npz", shapes.save)
        engine = engine_of(self.rules, grid, numbering=self.classes.numbering if self.classes else None)
        self.tell("layers", 1, 1)

        cores = self._cores()
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
        zone_window = metre_window(domain.window, grid.pixels_per_m)
        zone_path = self._zone(official, built, zone_window, engine)
        territory = (False, *(bool(inside) for inside in domain.in_territory))
        results = run(
            "regions",
            [
                stages.PiecesJob(
                    self.store.path,
                    self.key,
                    grid,
                    domain.window,
                    core,
                    shapes_path,
                    classes,
                    built,
                    zone_path,
                    zone_window,
                    territory,
                    engine.windows,
                )
                for core in cores
            ],
            stages.merge_regions,
            jobs=self.jobs,
            on_done=lambda done, total: self.tell("regions", done, total),
        )
        whole = stages.stitch(
            [(core, result.path) for core, result in zip(cores, results, strict=True)], window=domain.window
        )
        return _Found(
            pieces=whole,
            engine=engine,
            inputs=inputs,
            official_zone=official is not None,
            context_is_enough=all(result.context_is_enough for result in results),
        )

    def _cores(self) -> list[Window]:
        window, n = self.domain.window, self.domain.grid.pixels_per_m
        area_km2 = window.height * window.width / n**2 / 1e6
        if self.window_m is None and self.jobs == 1 and area_km2 <= _LARGEST_SINGLE_WINDOW_KM2:
            return [window]
        return window.tiles((self.window_m or _WINDOW_SIDE_M) * n)

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
            path = self.store.artefact("class_shapes", self.key, ".npz", burned.save)
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

    def _placed(
        self, stage: str, cores: list[Window], fn: Callable[[J], Path], jobs: Sequence[J]
    ) -> stages.Placed:
        paths = run(
            stage, jobs, fn, jobs=self.jobs, on_done=lambda done, total: self.tell(stage, done, total)
        )
        return tuple(zip(cores, paths, strict=True))

    def _zone(
        self, official: gpd.GeoDataFrame | None, built: stages.Placed, zone_window: Window, engine: Engine
    ) -> Path:
        """Return the path of the zone construite of the whole domain, on 1 m cells."""
        self.tell("zone construite", 0, 1)

        def produce(path: Path) -> None:
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
            cells = np.zeros((zone_window.height, zone_window.width), dtype=np.bool_)
            for placed in built:
                part = stages.built_cells_of(placed, grid=self.domain.grid)
                at = metre_window(placed[0], self.domain.grid.pixels_per_m)
                row, col = at.row - zone_window.row, at.col - zone_window.col
                cells[row : row + part.shape[0], col : col + part.shape[1]] = part
            zone_construite(cells, engine.zone).save(path)

        path = self.store.artefact("zone", self.key, ".npz", produce)
        self.tell("zone construite", 1, 1)
        return path


def _key(
    domain: Domain,
    sources: Sequence[Source],
    classes: ClassEvidence | None,
    rules: Rules,
    *,
    millesime: int,
    invalid: str,
) -> str:
    """Return what the result depends on, as one key: data, rules, territory, grid; not tiling nor jobs."""
    extent = hashlib.sha256(b"".join(shapely.to_wkb([domain.context, *domain.unit_geometries]))).hexdigest()
    return artefact_key(
        rules=rules.fingerprint,
        sources=sorted([source.layer, source.sha256, source.layer_name or ""] for source in sources),
        classes=None if classes is None else [classes.numbering, list(classes.sha256)],
        resampled=classes is not None and any(tile.resampled for tile in classes.tiles),
        extent=extent,
        units=list(domain.unit_codes),
        territory=[bool(inside) for inside in domain.in_territory],
        grid=asdict(domain.grid),
        millesime=millesime,
        invalid=invalid,
    )


def _published(store: Workspace, domain: Domain, millesime: int, key: str) -> Derivation | None:
    """Return the result of an earlier run of the same key, when the current version holds it whole."""
    version = store.current()
    codes = _codes(domain)
    if version is None or not codes:
        return None
    if any(published_key(version, code, millesime, perimetre=domain.perimetre) != key for code in codes):
        return None
    if store.verify(version):
        return None
    return _derivation(version, domain, millesime, reused=True)


def _codes(domain: Domain) -> tuple[str, ...]:
    inside = {code for code, ours in zip(domain.unit_codes, domain.in_territory, strict=True) if ours and code}
    return tuple(sorted(inside | set(domain.communes["commune_code"])))


def _derivation(version: Path, domain: Domain, millesime: int, *, reused: bool) -> Derivation:
    codes = _codes(domain)
    tables = {
        name: pd.concat(
            [
                pd.read_parquet(
                    version
                    / partition_of(code, millesime, perimetre=domain.perimetre, kind="tables")
                    / f"{name}.parquet",
                    partitioning=None,
                )
                for code in codes
            ],
            ignore_index=True,
        )
        for name in ("stock", "stock_long")
    }
    return Derivation(
        version=version,
        stock=tables["stock"],
        stock_long=tables["stock_long"],
        reused=reused,
        commune_codes=codes,
        millesime=millesime,
        perimetre=domain.perimetre,
    )


def _conclude(
    store: Workspace,
    domain: Domain,
    rules: Rules,
    key: str,
    found: _Found,
    sources: Sequence[Source],
    classes: ClassEvidence | None,
    *,
    millesime: int,
    tell: Progress,
) -> Derivation:
    """Draw the polygons, decide their state, measure the stock and publish."""
    tell("polygons", 0, 1)
    polygons, adjacency = partition(
        found.pieces, domain=domain, rules=rules, composition=found.engine.composition
    )
    tell("polygons", 1, 1)
    tell("artificialisation", 0, 1)
    decided = artificialise(polygons, adjacency, rules)
    ours = gpd.GeoDataFrame(decided[decided["in_territory"]].reset_index(drop=True), crs=domain.grid.epsg)
    ours.insert(0, "id", _identifiers(ours["commune_code"], millesime))
    ours.insert(1, "millesime", np.full(len(ours), millesime, dtype=np.int64))
    flags = _flags(domain, classes, official_zone=found.official_zone)
    communes = domain.communes
    tables = {"millesime": millesime, "communes": None}
    if domain.perimetre is None:
        tables["communes"] = communes.rename(columns={"commune_code": "insee_com", "departement_code": "insee_dep", "region_code": "insee_reg"})
    table = stock(ours, rules, flags=flags, **tables)
    long = stock_long(ours, millesime=millesime)
    tell("artificialisation", 1, 1)
    tell("files", 0, 1)
    results = Results(
        polygons=ours,
        stock=table,
        stock_long=long,
        communes=communes,
        millesime=millesime,
        perimetre=domain.perimetre,
        provenance=_provenance(domain, rules, key, found, sources, classes, millesime=millesime, flags=flags),
        credit=_credit(sources),
    )
    version = publish_results(store, results, rules=rules, key=key)
    tell("files", 1, 1)
    return _derivation(version, domain, millesime, reused=False)


def _identifiers(commune_code: pd.Series, millesime: int) -> pd.Series:
    """Return an identifier for each polygon: commune, millésime, and rank in the row order of first pixels."""
    rank = commune_code.groupby(commune_code, sort=False).cumcount() + 1
    return commune_code + f"-{millesime}-" + rank.astype("str").str.zfill(6)


def _flags(domain: Domain, classes: ClassEvidence | None, *, official_zone: bool) -> list[str]:
    """Return what a reader of the stock must know of the whole run."""
    flags = []
    if domain.grid.resolution_m > NATIVE_RESOLUTION_M:
        flags.append("preview")
    if classes is None:
        flags.append("default_cover")
    if not official_zone:
        flags.append("derived_zone_construite")
    return flags


def _provenance(
    domain: Domain,
    rules: Rules,
    key: str,
    found: _Found,
    sources: Sequence[Source],
    classes: ClassEvidence | None,
    *,
    millesime: int,
    flags: Sequence[str],
) -> dict[str, object]:
    return {
        "key": key,
        "code_version": code_version(),
        "rules": {"fingerprint": rules.fingerprint, "at": rules.at.isoformat()},
        "millesime": millesime,
        "communes": list(domain.communes["commune_code"]),
        "perimetre": domain.perimetre,
        "grid": asdict(domain.grid),
        "zone_construite": "official" if found.official_zone else "derived",
        "classes": None
        if classes is None
        else {
            "numbering": classes.numbering,
            "files": [tile.path.name for tile in classes.tiles],
            "sha256": list(classes.sha256),
        },
        "default_cover": rules.default_cover_code if classes is None else None,
        "sources": [
            {"layer": source.layer, "file": source.path.name, "product": source.product, "sha256": source.sha256}
            for source in sources
        ],
        "layers": [_without_paths(report.as_dict()) for report in found.inputs.reports],
        "flags": list(flags),
    }


def _without_paths(report: dict[str, object]) -> dict[str, object]:
    """Return a reading report without the folders of the files: a result does not depend on where data lies."""
    files = [Path(str(row["path"])).name for row in report.pop("sources", [])]  # type: ignore[attr-defined]
    return {**report, "files": files}


def _credit(sources: Sequence[Source]) -> str:
    products = {product.product: product.credit for product in load_catalog().products}
    return " ; ".join(dict.fromkeys(products[source.product] for source in sources if source.product in products))

"""Derive the OCS GE of a territory at a millésime and measure its artificialised land: the order of the stages.

::

    sources → domain → layers → covers, usages (shapes to burn) ┐
                                class raster (windows of runs)  ┴→ built ground → zone construite → pieces
    → polygons → matrix, thresholds, exemptions → stock → a version of the workspace
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from ocsge.artificialise import artificialise
from ocsge.domain import Domain, domain_of, run_epsg
from ocsge.errors import DataError, OcsgeError, ParameterError
from ocsge.grid import Grid
from ocsge.indicators import stock, stock_long
from ocsge.inputs import ClassEvidence, find_class_evidence, find_sources
from ocsge.partition import partition
from ocsge.provenance import NATIVE_RESOLUTION_M, credit_of, provenance_of, run_flags, run_key
from ocsge.publication import Results, partition_of, publish_results, published_key, stem_of
from ocsge.rules import Rules, load_rules
from ocsge.run import workers_kept
from ocsge.store import Workspace
from ocsge.windowed_run import Found, Progress, WindowedRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsge.catalog import Source
    from ocsge.geometry_repair import Invalid

FIRST_MILLESIME, LAST_MILLESIME = 1900, 2100
MOST_CONTEXTS = 8
"""Times the context distance of the rules that a run may widen to before it gives up."""


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
    """Communes of the territory; "" for the part of a perimeter that lies in no known commune."""

    millesime: int
    """Year described."""

    perimetre: str | None
    """Name of the perimeter, null for whole communes."""

    def polygons(self) -> gpd.GeoDataFrame:
        """Read the polygons of the territory: ``id``, ``millesime`` and table ``ARTIFICIALISED``, CRS of the run."""
        parts = [
            gpd.read_parquet(path)
            for code in self.commune_codes
            if (path := self.version / self._partition(code, "polygons") / "part.parquet").is_file()
        ]
        if not parts:
            raise DataError(f"{self.version}: no polygon of {', '.join(self.commune_codes)} at {self.millesime}")
        return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=parts[0].crs)

    def files(self) -> list[Path]:
        """Return the files that describe the territory: GeoPackages, maps, tables."""
        root = self.version if self.perimetre is None else self.version / f"perimetre={self.perimetre}"
        stems = tuple(stem_of(code, self.millesime) for code in self.commune_codes)
        named = [path for path in sorted((root / "communes").glob("*")) if path.name.startswith(stems)]
        return [*named, root / "stock.csv", root / "stock_excel.csv", root / "stock_long.csv"]

    def _partition(self, code: str, kind: str) -> Path:
        return partition_of(code, self.millesime, perimetre=self.perimetre, kind=kind)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a derivation; the parameters of :func:`derive` that its result depends on."""

    communes: tuple[str, ...]
    millesime: int
    perimetre: Path | None = None
    cosia: Path | None = None
    numbering: str | None = None
    zone_construite: Path | None = None
    resolution: float = NATIVE_RESOLUTION_M
    resample: bool = False
    invalid: Invalid = "repair"
    assume_crs: int | None = None

    def __post_init__(self) -> None:
        if not FIRST_MILLESIME <= self.millesime <= LAST_MILLESIME:
            raise ParameterError(f"millésime {self.millesime}: give a year, 2022 for instance")


@dataclass(frozen=True, slots=True)
class Execution:
    """How a derivation runs; nothing of its result depends on it."""

    jobs: int = 1
    window_m: int | None = None
    strip_rows: int = 512
    progress: Progress = lambda *_: None


@dataclass(frozen=True, slots=True)
class Measured:
    """The stages' results before they are written."""

    domain: Domain
    key: str
    polygons: gpd.GeoDataFrame
    stock: pd.DataFrame
    stock_long: pd.DataFrame
    provenance: dict[str, object]
    credit: str


def derive(
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
        Worker processes; above 1, a script must call this under ``if __name__ == "__main__":``.
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
    request = Request(
        communes=tuple(communes),
        millesime=millesime,
        perimetre=_path(perimetre),
        cosia=_path(cosia),
        numbering=numbering,
        zone_construite=_path(zone_construite),
        resolution=resolution,
        resample=resample,
        invalid=invalid,
        assume_crs=assume_crs,
    )
    law = rules if isinstance(rules, Rules) else load_rules(overlay=_path(rules))
    execution = Execution(jobs, window_m, strip_rows, progress or (lambda *_: None))
    store = Workspace(Path(workspace))
    with store.locked(), store.timed("derive", communes=list(communes), millesime=millesime):
        found = measure(request, law, store, execution, reuse=True)
        if isinstance(found, Derivation):
            return found
        execution.progress("files", 0, 1)
        results = Results(
            polygons=found.polygons,
            stock=found.stock,
            stock_long=found.stock_long,
            communes=found.domain.communes,
            millesime=millesime,
            perimetre=found.domain.perimetre,
            provenance=found.provenance,
            credit=found.credit,
        )
        version = publish_results(store, results, rules=law, key=found.key)
        store.prune()
        store.clear_cache()
        execution.progress("files", 1, 1)
    return _derivation(version, found.domain, millesime, reused=False)


def measure(
    request: Request,
    rules: Rules,
    store: Workspace,
    execution: Execution,
    *,
    reuse: bool,
    scratch: Workspace | None = None,
) -> Measured | Derivation:
    """Run every stage up to the stock; nothing is published.

    Parameters
    ----------
    request, rules
        What the result depends on.
    store
        Workspace that holds the sources and keeps the intermediate artefacts.
    execution
        How to run.
    reuse
        Return the published result of the same key when the current version holds it.
    scratch
        Workspace that keeps the intermediate artefacts instead of ``store``.
    """
    tell = execution.progress
    tell("sources", 0, 1)
    sources = find_sources(store.path, communes=request.communes, zone_construite=request.zone_construite)
    epsg = run_epsg(request.communes, request.perimetre)
    grid = Grid.at_resolution(epsg=epsg, resolution_m=request.resolution)
    step_m = context_m = rules.interpretation_threshold["context_m"]
    while True:
        domain, classes = _prepared(request, rules, sources, grid, context_m=context_m)
        key = run_key(
            domain,
            sources,
            classes,
            rules,
            millesime=request.millesime,
            invalid=request.invalid,
            assume_crs=request.assume_crs,
        )
        tell("sources", 1, 1)
        if reuse and (done := _published(store, domain, request.millesime, key)) is not None:
            return done
        windowed = WindowedRun(
            scratch or store,
            domain,
            rules,
            key,
            classes,
            tell,
            jobs=execution.jobs,
            window_m=execution.window_m,
            strip_rows=execution.strip_rows,
        )
        with workers_kept():
            found = windowed.pieces(
                sources, millesime=request.millesime, invalid=request.invalid, assume_crs=request.assume_crs
            )
        if found.context_is_enough:
            break
        # a cluster of small regions joins the edge of the context to the territory: take more context
        context_m += step_m
        if context_m > MOST_CONTEXTS * step_m:
            raise OcsgeError(
                f"{context_m:.0f} m around the territory are not enough to decide its small regions; please report it "
                "with the data"
            )
    return _measured(domain, rules, key, found, sources, classes, request=request, tell=tell)


def _prepared(
    request: Request, rules: Rules, sources: Sequence[Source], grid: Grid, *, context_m: float
) -> tuple[Domain, ClassEvidence | None]:
    """Return where a run derives with a width of context, and the class raster or polygons it has there."""
    domain = domain_of(
        communes=request.communes,
        perimetre=request.perimetre,
        sources=sources,
        grid=grid,
        context_m=context_m,
        assume_crs=request.assume_crs,
    )
    classes = find_class_evidence(
        request.cosia,
        sources,
        domain=domain,
        rules=rules,
        numbering=request.numbering,
        resample=request.resample,
        invalid=request.invalid,
        assume_crs=request.assume_crs,
    )
    return domain, classes


def _measured(
    domain: Domain,
    rules: Rules,
    key: str,
    found: Found,
    sources: Sequence[Source],
    classes: ClassEvidence | None,
    *,
    request: Request,
    tell: Progress,
) -> Measured:
    """Draw the polygons, decide their state and measure the stock."""
    tell("polygons", 0, 1)
    polygons, adjacency = partition(found.pieces, domain=domain, rules=rules, composition=found.engine.composition)
    tell("polygons", 1, 1)
    tell("artificialisation", 0, 1)
    decided = artificialise(polygons, adjacency, rules)
    decided = decided.drop(columns="object_px")  # of an object over a border, not of the polygon
    ours = gpd.GeoDataFrame(decided[decided["in_territory"]].reset_index(drop=True), crs=domain.grid.epsg)
    ours.insert(0, "id", _identifiers(ours["commune_code"], request.millesime))
    ours.insert(1, "millesime", np.full(len(ours), request.millesime, dtype=np.int64))
    flags = run_flags(domain, classes, official_zone=found.official_zone)
    table = stock(
        ours,
        rules,
        millesime=request.millesime,
        model="" if classes is None else classes.model,
        communes=_named_communes(domain, ours),
        flags=flags,
    )
    long = stock_long(ours, millesime=request.millesime)
    tell("artificialisation", 1, 1)
    return Measured(
        domain=domain,
        key=key,
        polygons=ours,
        stock=table,
        stock_long=long,
        provenance=provenance_of(domain, rules, key, found, sources, classes, millesime=request.millesime, flags=flags),
        credit=credit_of(sources, classes),
    )


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)


def _identifiers(commune_code: pd.Series, millesime: int) -> pd.Series:
    """Return an identifier for each polygon: commune, millésime, and rank in the row order of first pixels."""
    rank = commune_code.groupby(commune_code, sort=False).cumcount() + 1
    return commune_code + f"-{millesime}-" + rank.astype("str").str.zfill(6)


def _published(store: Workspace, domain: Domain, millesime: int, key: str) -> Derivation | None:
    """Return the result of an earlier run of the same key, when the current version holds it whole."""
    version = store.current()
    if version is None:
        return None
    codes = _codes(domain, version, millesime)
    if not codes or any(published_key(version, code, millesime, perimetre=domain.perimetre) != key for code in codes):
        return None
    if store.verify(version):
        return None
    return _derivation(version, domain, millesime, reused=True)


def _named_communes(domain: Domain, polygons: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return what a stock tells of its communes; of a part of a commune, neither the outline nor the inhabitants."""
    named: pd.DataFrame = domain.communes
    if domain.perimetre is not None:
        met = named["commune_code"].isin(polygons["commune_code"])
        named = named[met].drop(columns=["geometry", "population"], errors="ignore")
    return named


def _codes(domain: Domain, version: Path, millesime: int) -> tuple[str, ...]:
    """Return the codes a version has partitions for: the communes, and "" for ground in no known commune."""
    inside = {code for code, ours in zip(domain.unit_codes, domain.in_territory, strict=True) if ours and code}
    inside.update(domain.communes["commune_code"])
    if published_key(version, "", millesime, perimetre=domain.perimetre) is not None:
        inside.add("")
    return tuple(sorted(inside))


def _derivation(version: Path, domain: Domain, millesime: int, *, reused: bool) -> Derivation:
    codes = _codes(domain, version, millesime)

    def table(name: str) -> pd.DataFrame:
        folders = [version / partition_of(code, millesime, perimetre=domain.perimetre, kind="tables") for code in codes]
        parts = [pd.read_parquet(folder / f"{name}.parquet", partitioning=None) for folder in folders]
        return pd.concat(parts, ignore_index=True)

    return Derivation(
        version=version,
        stock=table("stock"),
        stock_long=table("stock_long"),
        reused=reused,
        commune_codes=codes,
        millesime=millesime,
        perimetre=domain.perimetre,
    )

"""Derive the OCS GE of a territory at a millésime and measure its artificialised land: the order of the stages.

::

    sources → domain → layers → covers, usages (shapes to burn) ┐
                                class raster (windows of runs)  ┴→ built ground → zone construite → pieces
    → polygons → matrix, thresholds, exemptions → stock → a version of the workspace
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np

from ocsge.artificialise import artificialise
from ocsge.correction_trace import with_corrections_named
from ocsge.corrections import accepted_corrections, corrections_within
from ocsge.derivation import Derivation, find_published, read_derivation
from ocsge.domain import Domain, domain_of, run_epsg
from ocsge.editions import Remark, check_editions
from ocsge.errors import OcsgeError, ParameterError
from ocsge.grid import Grid
from ocsge.indicators import stock, stock_long
from ocsge.inputs import ClassEvidence, find_class_evidence, find_sources, layers_read
from ocsge.keep_going import derive_each
from ocsge.partition import partition
from ocsge.provenance import NATIVE_RESOLUTION_M, credit_of, provenance_of, run_flags, run_key
from ocsge.publication import Results, publish_results
from ocsge.rules import Rules, load_rules
from ocsge.run import usable_cores, workers_kept
from ocsge.store import Workspace
from ocsge.territory import check_commune_code
from ocsge.windowed_run import Found, Progress, WindowedRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ocsge.catalog import Source
    from ocsge.geometry_repair import Invalid

FIRST_MILLESIME, LAST_MILLESIME = 1900, 2100
MOST_CONTEXTS = 8
"""Times the context distance of the rules that a run may widen to before it gives up."""


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
    threads: int = field(default_factory=usable_cores)
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
    threads: int | None = None,
    window_m: int | None = None,
    strip_rows: int = 512,
    keep_going: bool = False,
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
    threads
        Threads of this process, with one job; None takes every core this process may use.
    window_m
        Side of the windows, metres; None takes one window a thread up to 100 km². The result does not depend on it.
    strip_rows
        Rows of raster read at a time. The result does not depend on it.
    keep_going
        When bad data refuses several communes together, derive each by itself and publish those that succeed.
    progress
        Receives the advance of each stage.

    Returns
    -------
    Derivation
        Stock, polygons and the place of the files.

    Raises
    ------
    CommunesFailedError
        With ``keep_going``, when some communes failed; its ``done`` is the derivation of the others.
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
    execution = Execution(
        jobs, usable_cores() if threads is None else threads, window_m, strip_rows, progress or (lambda *_: None)
    )
    if keep_going and request.perimetre is not None:
        raise ParameterError("--keep-going derives whole communes, each by itself; leave it out with a perimeter")
    store = Workspace(Path(workspace))

    def derive_together(codes: tuple[str, ...]) -> Derivation:
        return _derived(replace(request, communes=codes), law, store, execution)

    with store.locked(), store.timed("derive", communes=list(communes), millesime=millesime):
        if keep_going:
            return derive_each(tuple(dict.fromkeys(map(check_commune_code, communes))), derive_together)
        return derive_together(request.communes)


def _derived(request: Request, rules: Rules, store: Workspace, execution: Execution) -> Derivation:
    """Measure a territory and publish what was found, unless the workspace already holds it."""
    found = measure(request, rules, store, execution, reuse=True)
    if isinstance(found, Derivation):
        return found
    execution.progress("files", 0, 1)
    results = Results(
        polygons=found.polygons,
        stock=found.stock,
        stock_long=found.stock_long,
        communes=found.domain.communes,
        millesime=request.millesime,
        perimetre=found.domain.perimetre,
        provenance=found.provenance,
        credit=found.credit,
    )
    version = publish_results(store, results, rules=rules, key=found.key)
    store.prune()
    store.clear_cache()
    execution.progress("files", 1, 1)
    return read_derivation(version, found.domain, request.millesime, reused=False)


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
    accepted = accepted_corrections(store.path, rules, epsg=epsg, millesime=request.millesime)
    step_m = context_m = rules.interpretation_threshold["context_m"]
    while True:
        domain, classes = _prepared(request, rules, sources, grid, context_m=context_m)
        corrections = corrections_within(accepted, domain.context)
        key = run_key(
            domain,
            sources,
            classes,
            rules,
            millesime=request.millesime,
            invalid=request.invalid,
            assume_crs=request.assume_crs,
            corrections=corrections,
        )
        tell("sources", 1, 1)
        if reuse and (done := find_published(store, domain, request.millesime, key)) is not None:
            return done
        remarks = check_editions(
            sources,
            layers=layers_read(rules, classes),
            domain=domain,
            millesime=request.millesime,
            assume_crs=request.assume_crs,
        )
        windowed = WindowedRun(
            scratch or store,
            domain,
            rules,
            key,
            classes,
            corrections,
            tell,
            jobs=execution.jobs,
            threads=execution.threads,
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
    return _measured(domain, rules, key, found, sources, classes, remarks, corrections, request=request, tell=tell)


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
    remarks: Sequence[Remark],
    corrections: gpd.GeoDataFrame,
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
    ours, applied = with_corrections_named(ours, corrections)
    ours.insert(0, "id", _identifiers(ours["commune_code"], request.millesime))
    ours.insert(1, "millesime", np.full(len(ours), request.millesime, dtype=np.int64))
    flags = run_flags(domain, classes, remarks, official_zone=found.official_zone)
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
        provenance=provenance_of(
            domain,
            rules,
            key,
            found,
            sources,
            classes,
            remarks,
            millesime=request.millesime,
            flags=flags,
            corrections=applied,
        ),
        credit=credit_of(sources, classes),
    )


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)


def _identifiers(commune_code: pd.Series, millesime: int) -> pd.Series:
    """Return an identifier for each polygon: commune, millésime, and rank in the row order of first pixels."""
    rank = commune_code.groupby(commune_code, sort=False).cumcount() + 1
    return commune_code + f"-{millesime}-" + rank.astype("str").str.zfill(6)


def _named_communes(domain: Domain, polygons: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return what a stock tells of its communes; of a part of a commune, neither the outline nor the inhabitants."""
    named: pd.DataFrame = domain.communes
    if domain.perimetre is not None:
        met = named["commune_code"].isin(polygons["commune_code"])
        named = named[met].drop(columns=["geometry", "population"], errors="ignore")
    return named

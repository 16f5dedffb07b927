"""Find the states of a territory at one or several millésimes, each anchored to the one before: every stage but files.

::

    sources → domain → layers → covers, usages (shapes to burn) ┐
                                class raster (windows of runs)  ┴→ built ground → zone construite → evidence
    evidence → pieces (anchored to the state before) → polygons → matrix, thresholds, exemptions → stock
    two states → coverage of both → flow
"""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np

from ocsge.artificialise import artificialise
from ocsge.changes import State, change_coverage
from ocsge.correction_trace import with_corrections_named
from ocsge.corrections import accepted_corrections, corrections_within
from ocsge.domain import Domain, domain_of, run_epsg
from ocsge.editions import Remark, check_dates, check_editions
from ocsge.errors import OcsgeError, ParameterError
from ocsge.flow import change_matrix, flow
from ocsge.grid import Grid
from ocsge.handover import handed_over
from ocsge.indicators import stock, stock_long
from ocsge.inputs import ClassEvidence, find_class_evidence, find_sources, layers_read
from ocsge.partition import partition
from ocsge.provenance import NATIVE_RESOLUTION_M, credit_of, provenance_of, run_flags, run_key
from ocsge.run import usable_cores, workers_kept
from ocsge.stock_intervals import stock_intervals
from ocsge.store import artefact_key
from ocsge.windowed_run import Found, Progress, WindowedRun, shares_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    from ocsge.catalog import Source
    from ocsge.geometry_repair import Invalid
    from ocsge.regions.composition import Composed
    from ocsge.rules import Rules
    from ocsge.store import Workspace

FIRST_MILLESIME = 1900
MOST_CONTEXTS = 8
"""Times the context distance of the rules that a run may widen to before it gives up."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a derivation; the parameters of :func:`ocsge.derive.derive` that its result depends on."""

    communes: tuple[str, ...]
    millesimes: tuple[int, ...]
    perimetre: Path | None = None
    cosia: tuple[Path, ...] = ()
    """One class raster a millésime, or none."""
    numbering: str | None = None
    zone_construite: Path | None = None
    resolution: float = NATIVE_RESOLUTION_M
    resample: bool = False
    invalid: Invalid = "repair"
    assume_crs: int | None = None

    def __post_init__(self) -> None:
        if not self.millesimes:
            raise ParameterError("nothing to derive: give a --millesime, 2022 for instance")
        this_year = dt.datetime.now(tz=dt.UTC).year
        for millesime in self.millesimes:
            if not FIRST_MILLESIME <= millesime <= this_year:
                raise ParameterError(
                    f"millésime {millesime}: give a year from {FIRST_MILLESIME} to {this_year}, 2022 for instance"
                )
        if any(first >= second for first, second in pairwise(self.millesimes)):
            years = ", ".join(map(str, self.millesimes))
            raise ParameterError(f"millésimes {years}: give each once, the earliest first")
        if len(self.cosia) not in {0, len(self.millesimes)}:
            raise ParameterError(
                f"{len(self.cosia)} class rasters for {len(self.millesimes)} millésimes: give one --cosia a "
                "--millesime, in their order, or none"
            )


@dataclass(frozen=True, slots=True)
class Execution:
    """How a derivation runs; nothing of its result depends on it."""

    jobs: int = 1
    threads: int = field(default_factory=usable_cores)
    window_m: int | None = None
    strip_rows: int = 512
    progress: Progress = lambda *_: None


@dataclass(frozen=True, slots=True)
class MeasuredState:
    """A state of the territory at a millésime, before it is written."""

    millesime: int
    polygons: gpd.GeoDataFrame
    """Table ``ARTIFICIALISED`` of the territory, with ``id`` and ``millesime``."""
    stock: pd.DataFrame
    stock_long: pd.DataFrame
    provenance: dict[str, object]


@dataclass(frozen=True, slots=True)
class MeasuredPair:
    """What changed between two consecutive millésimes, before it is written."""

    millesimes: tuple[int, int]
    changes: gpd.GeoDataFrame
    """Table ``CHANGES`` of the territory."""
    flow: pd.DataFrame
    change_matrix: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Measured:
    """The stages' results before they are written."""

    domain: Domain
    key: str
    states: tuple[MeasuredState, ...]
    """By millésime, the earliest first."""
    pairs: tuple[MeasuredPair, ...]
    """Each pair of consecutive millésimes."""
    credit: str


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Where a run derives, and what it depends on."""

    domain: Domain
    classes: tuple[ClassEvidence | None, ...]
    """Class raster or polygons of each millésime."""
    corrections: tuple[gpd.GeoDataFrame, ...]
    """Local corrections that apply to each millésime there."""
    keys: tuple[str, ...]
    """Key of each state: of its own inputs and, anchored, of those of the states before."""


def measure(
    request: Request,
    rules: Rules,
    store: Workspace,
    execution: Execution,
    *,
    scratch: Workspace | None = None,
    known: Callable[[Domain, str], bool] | None = None,
) -> Measured | tuple[Domain, str]:
    """Run every stage up to the tables; nothing is published.

    Parameters
    ----------
    request, rules
        What the result depends on.
    store
        Workspace that holds the sources and keeps the intermediate artefacts.
    execution
        How to run.
    scratch
        Workspace that keeps the intermediate artefacts instead of ``store``.
    known
        Asked, before anything is derived, whether the result of a domain and key is already known: it is then returned
        as that domain and key.
    """
    tell = execution.progress
    tell("sources", 0, 1)
    # what was asked is checked before the data: a wrong perimeter is no lack of data
    epsg = run_epsg(request.communes, request.perimetre, assume_crs=request.assume_crs)
    sources = find_sources(store.path, communes=request.communes, zone_construite=request.zone_construite)
    grid = Grid.at_resolution(epsg=epsg, resolution_m=request.resolution)
    accepted = [
        accepted_corrections(store.path, rules, epsg=epsg, millesime=millesime) for millesime in request.millesimes
    ]
    step_m = context_m = rules.interpretation_threshold["context_m"]
    while True:
        prepared = _prepared(request, rules, sources, accepted, grid, context_m=context_m)
        tell("sources", 1, 1)
        if known is not None and known(prepared.domain, prepared.keys[-1]):
            return prepared.domain, prepared.keys[-1]
        remarks = _remarks(request, rules, sources, prepared)
        with _in_memory(prepared.domain, scratch or store, execution):
            with workers_kept():
                found = _found(request, rules, sources, prepared, scratch or store, execution)
            if all(state.context_is_enough for state in found):
                return _measured(request, rules, sources, prepared, found, remarks, execution)
        # a cluster of small regions joins the edge of the context to the territory: take more context
        context_m += step_m
        if context_m > MOST_CONTEXTS * step_m:
            raise OcsgeError(
                f"{context_m:.0f} m around the territory are not enough to decide its small regions; please report it "
                "with the data"
            )


def _in_memory(domain: Domain, store: Workspace, execution: Execution) -> AbstractContextManager[None]:
    """Return the block within which the stages of a small domain hand their arrays over in memory."""
    if not shares_memory(domain, jobs=execution.jobs, window_m=execution.window_m):
        return nullcontext()
    return handed_over(store.path, beside=execution.threads > 1)


def _prepared(
    request: Request,
    rules: Rules,
    sources: Sequence[Source],
    accepted: Sequence[gpd.GeoDataFrame],
    grid: Grid,
    *,
    context_m: float,
) -> _Prepared:
    """Return where a run derives with a width of context, and what each state depends on."""
    domain = domain_of(
        communes=request.communes,
        perimetre=request.perimetre,
        sources=sources,
        grid=grid,
        context_m=context_m,
        invalid=request.invalid,
        assume_crs=request.assume_crs,
    )
    corrections = tuple(corrections_within(of_one, domain.context) for of_one in accepted)
    classes: list[ClassEvidence | None] = []
    keys: list[str] = []
    for place, millesime in enumerate(request.millesimes):
        evidence = find_class_evidence(
            request.cosia[place] if request.cosia else None,
            sources,
            domain=domain,
            rules=rules,
            numbering=request.numbering,
            resample=request.resample,
            invalid=request.invalid,
            assume_crs=request.assume_crs,
        )
        own = run_key(
            domain,
            sources,
            evidence,
            rules,
            millesime=millesime,
            invalid=request.invalid,
            assume_crs=request.assume_crs,
            corrections=corrections[place],
        )
        classes.append(evidence)
        keys.append(artefact_key(own=own, after=keys[-1]) if keys else own)
    return _Prepared(domain=domain, classes=tuple(classes), corrections=corrections, keys=tuple(keys))


def _remarks(
    request: Request, rules: Rules, sources: Sequence[Source], prepared: _Prepared
) -> tuple[tuple[Remark, ...], ...]:
    """Return what a reader must know of the sources, by millésime."""
    return tuple(
        tuple(
            check_editions(
                sources,
                layers=layers_read(rules, classes),
                domain=prepared.domain,
                millesime=millesime,
                assume_crs=request.assume_crs,
            )
        )
        for millesime, classes in zip(request.millesimes, prepared.classes, strict=True)
    )


def _found(
    request: Request,
    rules: Rules,
    sources: Sequence[Source],
    prepared: _Prepared,
    store: Workspace,
    execution: Execution,
) -> list[Found]:
    """Run the window stages of each state, anchored to the one before."""
    found: list[Found] = []
    for millesime, classes, corrections, key in zip(
        request.millesimes, prepared.classes, prepared.corrections, prepared.keys, strict=True
    ):
        windowed = WindowedRun(
            store,
            prepared.domain,
            rules,
            key,
            classes,
            corrections,
            execution.progress,
            jobs=execution.jobs,
            threads=execution.threads,
            window_m=execution.window_m,
            strip_rows=execution.strip_rows,
        )
        found.append(
            windowed.pieces(
                sources,
                millesime=millesime,
                invalid=request.invalid,
                assume_crs=request.assume_crs,
                after=found[-1] if found else None,
            )
        )
    return found


def _measured(
    request: Request,
    rules: Rules,
    sources: Sequence[Source],
    prepared: _Prepared,
    found: Sequence[Found],
    remarks: Sequence[Sequence[Remark]],
    execution: Execution,
) -> Measured:
    """Draw the polygons of each state, decide them, and measure stocks and flows."""
    domain, tell = prepared.domain, execution.progress
    states, measured = [], []
    composed: Composed | None = None
    for place, millesime in enumerate(request.millesimes):
        tell("polygons", place, len(found))
        part = partition(
            found[place].pieces,
            domain=domain,
            rules=rules,
            composition=found[place].engine.composition,
            before=composed,
        )
        composed = part.composed
        tell("artificialisation", place, len(found))
        decided = artificialise(part.polygons, part.adjacency, rules)
        decided = decided.drop(columns="object_px")  # of an object over a border, not of the polygon
        states.append(State(millesime=millesime, pieces=part.pieces, polygons=decided))
        measured.append(
            _measured_state(
                states[-1], rules, sources, prepared, found[place], remarks[place], place, threads=execution.threads
            )
        )
    tell("artificialisation", len(found), len(found))
    pairs = []
    for place, (first, second) in enumerate(pairwise(states)):
        tell("flow", place, len(states) - 1)
        changes = change_coverage(first, second, domain=domain, rules=rules)
        years = f"{first.millesime}-{second.millesime}"
        changes.insert(0, "id", _identifiers(changes["commune_code"], years))
        pairs.append(
            MeasuredPair(
                millesimes=(first.millesime, second.millesime),
                changes=changes,
                flow=flow(measured[place].stock, measured[place + 1].stock, changes),
                change_matrix=change_matrix(changes),
            )
        )
    credits_ = dict.fromkeys(credit_of(sources, classes) for classes in prepared.classes)
    return Measured(
        domain=domain,
        key=prepared.keys[-1],
        states=tuple(measured),
        pairs=tuple(pairs),
        credit=" ; ".join(credits_),
    )


def _measured_state(
    state: State,
    rules: Rules,
    sources: Sequence[Source],
    prepared: _Prepared,
    found: Found,
    remarks: Sequence[Remark],
    place: int,
    *,
    threads: int,
) -> MeasuredState:
    """Measure the stock of a decided state, and say where it comes from."""
    domain, classes = prepared.domain, prepared.classes[place]
    decided = state.polygons
    ours = gpd.GeoDataFrame(decided[decided["in_territory"]].reset_index(drop=True), crs=domain.grid.epsg)
    ours, applied = with_corrections_named(ours, prepared.corrections[place])
    ours.insert(0, "id", _identifiers(ours["commune_code"], state.millesime))
    ours.insert(1, "millesime", np.full(len(ours), state.millesime, dtype=np.int64))
    remarks = [*remarks, *check_dates(found.inputs.reports, millesime=state.millesime)]
    flags = run_flags(domain, classes, remarks, official_zone=found.official_zone, anchored=place > 0)
    intervals = stock_intervals(
        ours,
        tiles=() if classes is None else classes.tiles,
        grid=domain.grid,
        rules=rules,
        numbering=None if classes is None else classes.numbering,
        confusion=None if classes is None else classes.confusion,
        levels=None if classes is None else classes.levels,
        threads=threads,
    )
    table = stock(
        ours,
        rules,
        millesime=state.millesime,
        model="" if classes is None else classes.model,
        communes=_named_communes(domain, ours),
        intervals=intervals,
        flags=flags,
    )
    provenance = provenance_of(
        domain,
        rules,
        prepared.keys[-1],
        found,
        sources,
        classes,
        remarks,
        corrections=applied,
        millesime=state.millesime,
        flags=flags,
        no_interval=dict(zip(intervals["commune_code"], intervals["no_interval"], strict=True)),
    )
    return MeasuredState(
        millesime=state.millesime,
        polygons=ours,
        stock=table,
        stock_long=stock_long(ours, millesime=state.millesime),
        provenance=provenance,
    )


def _identifiers(commune_code: pd.Series, when: int | str) -> pd.Series:
    """Return an identifier for each polygon: commune, millésime or pair, and rank in the row order of first pixels."""
    rank = commune_code.groupby(commune_code, sort=False).cumcount() + 1
    return commune_code + f"-{when}-" + rank.astype("str").str.zfill(6)


def _named_communes(domain: Domain, polygons: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return what a stock tells of its communes; of a part of a commune, neither the outline nor the inhabitants."""
    named: pd.DataFrame = domain.communes
    if domain.perimetre is not None:
        met = named["commune_code"].isin(polygons["commune_code"])
        named = named[met].drop(columns=["geometry", "population"], errors="ignore")
    return named

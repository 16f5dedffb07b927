"""Derive the OCS GE of a territory at one or several millésimes, measure its artificialised land, publish the result.

What happens, stage by stage, is :mod:`ocsge.states`; what is written, :mod:`ocsge.publication`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocsge.derivation import Derivation, is_published, read_derivation
from ocsge.errors import ParameterError
from ocsge.keep_going import derive_each
from ocsge.provenance import NATIVE_RESOLUTION_M
from ocsge.publication import publish_results
from ocsge.rules import Rules, load_rules
from ocsge.run import usable_cores
from ocsge.states import Execution, Measured, Request, measure
from ocsge.store import Workspace
from ocsge.territory import check_commune_code
from ocsge.version_layout import current_version

if TYPE_CHECKING:
    from ocsge.domain import Domain
    from ocsge.geometry_repair import Invalid
    from ocsge.windowed_run import Progress


def derive(
    *,
    communes: str | Sequence[str] = (),
    millesime: int | Sequence[int],
    workspace: Path | str,
    perimetre: Path | str | None = None,
    cosia: Path | str | Sequence[Path | str] | None = None,
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
    """Derive the polygons and the stock of a territory at each millésime, and the flow between them, in hectares.

    Does not give legal advice or replace the official OCS GE.

    Parameters
    ----------
    communes
        INSEE codes of the territory, or one; empty with a perimeter that limits every commune it meets.
    millesime
        Year: the state is that of the objects created by its end, and of the class raster given. Several years, the
        earliest first, give each state, anchored to the one before, and the flow between consecutive ones.
    workspace
        Folder of the registered data and of the results.
    perimetre
        File of polygons that limits the territory.
    cosia
        Class raster (file or folder of dalles) or class polygons, one a millésime; None takes the registered ones, and
        without any the covers come from the layers and a declared default.
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
        Side of the windows, metres; None takes one window a thread up to 100 km², merged as one. The result does not
        depend on it.
    strip_rows
        Rows of raster read at a time. The result does not depend on it.
    keep_going
        When bad data refuses several communes together, derive each by itself and publish those that succeed.
    progress
        Receives the advance of each stage; from two threads at once while layers and class raster are read.

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
        communes=_several(communes),
        millesimes=_several(millesime),
        perimetre=_path(perimetre),
        cosia=tuple(map(Path, _several(cosia))),
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

    with store.locked(), store.timed("derive", communes=list(request.communes), millesimes=list(request.millesimes)):
        if keep_going:
            return derive_each(tuple(dict.fromkeys(map(check_commune_code, request.communes))), derive_together)
        return derive_together(request.communes)


def _derived(request: Request, rules: Rules, store: Workspace, execution: Execution) -> Derivation:
    """Measure a territory and publish what was found, unless the workspace already holds it."""
    years = request.millesimes

    def known(domain: Domain, key: str) -> bool:
        """Return whether the current version holds this very result, whole."""
        return is_published(store, domain, years, key)

    found = measure(request, rules, store, execution, known=known)
    if not isinstance(found, Measured):
        return read_derivation(current_version(store.path), found[0], years, reused=True)
    execution.progress("files", 0, 1)
    version = publish_results(store, found, rules=rules)
    store.prune()
    store.clear_cache()
    execution.progress("files", 1, 1)
    return read_derivation(version, found.domain, years, reused=False)


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)


def _several(given: object) -> tuple[Any, ...]:
    """Return a value or a sequence of values as a tuple; None is none."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)

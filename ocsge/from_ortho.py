"""Derive from orthophotos: segment what is missing into the workspace, then derive with it as the class raster.

::

    RVB, IRC, elevation ─ model → workspace/cosia/<key>/classes/*.tif, classes.confusion.json → derive(cosia=…)
                                                        probability/*.tif, when the matrix has levels of it

The class raster of the same imagery, model and area is made once. Nothing here needs torch before something has to be
segmented.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd

from ocsge.derive import derive
from ocsge.domain import domain_of, run_epsg
from ocsge.errors import DataError, ParameterError, RasterError
from ocsge.grid import Grid
from ocsge.inputs import find_sources
from ocsge.provenance import NATIVE_RESOLUTION_M
from ocsge.publish import file_sha256, json_bytes, publish
from ocsge.resources import shipped_directory
from ocsge.rules import Rules, load_rules
from ocsge.segment.published import card_for
from ocsge.store import Workspace, artefact_key, code_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsge.derivation import Derivation
    from ocsge.geometry_repair import Invalid
    from ocsge.segment.model_card import ModelCard
    from ocsge.windowed_run import Progress

DEMONSTRATION = "demonstration"
"""Name by which the shipped model is asked for; it knows generated ground alone."""

FOLDER = "cosia"
"""Folder of a workspace that holds the class rasters segmented there."""

WARNING = "warning.txt"
"""File beside the class rasters of an imagery: what to know of how they were made; none when there is nothing."""

NO_TORCH = (
    "segmenting orthophotos needs torch, which is not installed: run `make segment`, or `pip install ocsge[segment]`"
)
NO_MODEL = (
    "--ortho needs a model, and none is taken silently: give its weights with --model FILE (`ocsge models list` names "
    "those IGN publishes, `ocsge models fetch` downloads one; `ocsge train` makes one), or `--model demonstration`, "
    "which knows generated ground alone"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ortho:
    """Imagery of one millésime; each is a file, or a folder of tiles."""

    rvb: Path
    """Red, green, blue: BD ORTHO."""

    irc: Path | None = None
    """Infrared, red, green: BD ORTHO IRC."""

    elevation: Path | None = None
    """Height above ground."""

    mns: Path | None = None
    """Surface model."""

    mnt: Path | None = None
    """Terrain model."""

    def given(self) -> dict[str, Path]:
        """Return what is given, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: path for name, path in named.items() if path is not None}


def shipped_model() -> Path:
    """Return the weights of the demonstration model."""
    return shipped_directory("data_catalog") / "embedded" / f"{DEMONSTRATION}.safetensors"


def weights_of(model: Path | str | None) -> Path:
    """Return the weights file that a model's name or path stands for.

    Raises
    ------
    ParameterError
        No model: the demonstration model is never taken silently.
    """
    if model is None:
        raise ParameterError(NO_MODEL)
    if str(model) == DEMONSTRATION:
        return shipped_model()
    path = Path(model)
    if not path.is_file():
        raise ParameterError(f"--model {model}: no such file; {NO_MODEL.partition(': ')[2]}")
    return path


def derive_from_ortho(
    orthos: Sequence[Ortho],
    *,
    communes: Sequence[str],
    millesimes: Sequence[int],
    workspace: Path,
    model: Path | str | None,
    perimetre: Path | None = None,
    rules: Rules | Path | None = None,
    jobs: int = 1,
    threads: int | None = None,
    progress: Progress = lambda *_: None,
    **how: object,
) -> Derivation:
    """Segment the imagery of each millésime unless the workspace holds its class raster, then derive with it.

    Parameters
    ----------
    orthos
        Imagery, one a millésime.
    communes, millesimes, workspace, perimetre, rules
        As for :func:`ocsge.derive.derive`.
    model
        Weights file, its card beside; or ``demonstration``.
    jobs, threads
        Processes, and threads of each; the result does not depend on them.
    progress
        Receives the advance of each stage.
    **how
        Other parameters of :func:`ocsge.derive.derive`.

    Raises
    ------
    ParameterError
        Without a model, without torch when something has to be segmented, or not one imagery a millésime.
    """
    if len(orthos) != len(millesimes):
        raise ParameterError(
            f"{len(orthos)} --ortho for {len(millesimes)} --millesime: give one each, in the same order"
        )
    weights_of(model)  # before the data: no model is no lack of data
    law = rules if isinstance(rules, Rules) else load_rules(overlay=rules)
    read = {name: how[name] for name in ("invalid", "assume_crs") if name in how}
    area = area_to_segment(communes, perimetre=perimetre, workspace=workspace, rules=law, **read)  # type: ignore[arg-type]
    execution: dict[str, Any] = {"jobs": jobs, "threads": threads, "progress": progress}
    rasters = class_rasters(orthos, model=model, workspace=workspace, area=area, **execution)
    derived = derive(
        communes=communes,
        millesime=millesimes,
        workspace=workspace,
        perimetre=perimetre,
        cosia=rasters,
        rules=law,
        **execution,
        **how,  # type: ignore[arg-type]
    )
    told = [path.read_text(encoding="utf-8") for path in (one.parent / WARNING for one in rasters) if path.is_file()]
    return replace(derived, warnings=(*derived.warnings, *told))


def area_to_segment(
    communes: Sequence[str],
    *,
    perimetre: Path | None,
    workspace: Path,
    rules: Rules,
    invalid: Invalid = "repair",
    assume_crs: int | None = None,
) -> gpd.GeoSeries:
    """Return the ground a derivation reads its classes on: the territory, and the context of the rules around it."""
    sources = find_sources(workspace, communes=communes)
    domain = domain_of(
        communes=communes,
        perimetre=perimetre,
        sources=sources,
        grid=Grid.at_resolution(
            epsg=run_epsg(communes, perimetre, assume_crs=assume_crs), resolution_m=NATIVE_RESOLUTION_M
        ),
        context_m=rules.interpretation_threshold["context_m"],
        invalid=invalid,
        assume_crs=assume_crs,
    )
    return gpd.GeoSeries([domain.context], crs=domain.grid.epsg)


def class_rasters(
    orthos: Sequence[Ortho],
    *,
    model: Path | str | None,
    workspace: Path,
    area: gpd.GeoSeries | None = None,
    jobs: int = 1,
    threads: int | None = None,
    progress: Progress = lambda *_: None,
) -> list[Path]:
    """Return the folder of class rasters of each imagery, segmented unless the workspace holds it.

    A folder's name depends on the imagery (places, sizes and times of its files: reading a département's to know
    them would take longer than segmenting a commune), on the model's weights and confusion matrix, and on the area.

    Parameters
    ----------
    orthos
        Imagery.
    model
        Weights file, its card beside; or ``demonstration``.
    workspace
        Where the class rasters are kept.
    area
        Ground to segment; None for all of the imagery.
    jobs, threads
        Processes, and threads of each; the classes do not depend on them.
    progress
        Receives the advance of each stage.

    Raises
    ------
    ParameterError
        Without a model, or without torch when something has to be segmented.
    """
    weights = weights_of(model)
    execution = {"jobs": jobs, "threads": threads, "progress": progress}
    return [_class_raster(one, execution, weights=weights, workspace=workspace, area=area) for one in orthos]


def _class_raster(
    ortho: Ortho, execution: dict[str, Any], *, weights: Path, workspace: Path, area: gpd.GeoSeries | None
) -> Path:
    card = card_for(weights)
    key = artefact_key(
        imagery={name: _stamps(path) for name, path in ortho.given().items()},
        model=[card.name, file_sha256(weights), card.confusion],
        area=None if area is None else area.to_wkb(hex=True).tolist(),
        code=code_version(),
    )[:16]
    folder = workspace / FOLDER / key
    whole = folder / "segmented.json"
    if whole.is_file():
        return folder / str(json.loads(whole.read_text(encoding="utf-8"))["classes"])
    if importlib.util.find_spec("torch") is None:
        raise ParameterError(NO_TORCH)
    with Workspace(workspace).timed("segment", model=card.name):
        rasters = _segment(ortho, execution, card=card, weights=weights, folder=folder, area=area)
    stated = {
        "model": card.name,
        "imagery": {name: str(path) for name, path in ortho.given().items()},
        "classes": rasters.relative_to(folder).as_posix(),
    }
    publish(whole, lambda path: path.write_bytes(json_bytes(stated)))
    return rasters


def _segment(
    ortho: Ortho,
    execution: dict[str, Any],
    *,
    card: ModelCard,
    weights: Path,
    folder: Path,
    area: gpd.GeoSeries | None,
) -> Path:
    """Segment some imagery into a folder; return the folder of its class rasters."""
    from ocsge.segment.imagery import open_imagery  # noqa: PLC0415  (torch is asked for by what segments alone)
    from ocsge.segment.predict import segment_imagery  # noqa: PLC0415

    outline = None if area is None else folder / "area.gpkg"
    if area is not None and outline is not None:
        publish(outline, lambda path: area.to_file(path, driver="GPKG", layer="area"))
    given: dict[str, Any] = {name: [path] for name, path in ortho.given().items()}
    imagery = open_imagery(given.pop("rvb"), **given, card=card)
    levels = bool((card.confusion or {}).get("levels"))  # their intervals look at the probability of each pixel
    done = segment_imagery(
        imagery, weights=weights, cards=[card], out=folder, area=outline, probability=levels, **execution
    )
    if not done.rasters:
        raise RasterError(
            f"{ortho.rvb}: the orthophotos meet none of the territory asked for; give the tiles of the territory"
        )
    if done.warning:
        publish(folder / WARNING, lambda path: path.write_text(done.warning, encoding="utf-8"))
    return done.folder


def _stamps(path: Path) -> list[list[object]]:
    """Return the place, the size and the time of a file, or of each file of a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    try:
        stats = [(one, one.stat()) for one in files]
    except OSError as error:
        raise DataError(
            f"{error.filename}: cannot be read ({error.strerror}); give a file or a folder of tiles"
        ) from error
    return [[str(one.resolve()), stat.st_size, stat.st_mtime_ns] for one, stat in stats]

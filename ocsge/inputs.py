"""What a run reads: sources found, layers in the CRS of the run, the class raster or polygons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio
import shapely

from ocsge.catalog import Source, check_source, embedded_sources, recognise, registered_sources
from ocsge.class_numbers import numbered_classes
from ocsge.covers import cover_layers
from ocsge.demonstration_models import demonstration_warnings
from ocsge.errors import CodeError, DataError, LayerError, ParameterError, RasterError
from ocsge.layers import LayerRead, ReadReport, read_layer
from ocsge.products.class_probability import ProbabilityLevels, probability_levels
from ocsge.products.confusion import Confusion, confusion_beside, read_confusion
from ocsge.products.cosia import (
    MODEL_TAG,
    NUMBERING_TAG,
    VECTOR_NUMBERING,
    RasterTile,
    meets,
    overlap_warning,
    place_tiles,
    raster_files,
)
from ocsge.publish import file_sha256
from ocsge.usage import usage_layers
from ocsge.vector_files import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import geopandas as gpd

    from ocsge.domain import Domain
    from ocsge.geometry_repair import Invalid
    from ocsge.rules import Rules

COMMUNES, RASTER, VECTOR, ZONE = (
    "admin_express:commune",
    "cosia:raster",
    "cosia:vector",
    "ocs_ge:zone_construite",
)


@dataclass(frozen=True, slots=True)
class ClassEvidence:
    """The class raster of a run, or the class polygons that stand for it."""

    numbering: str
    """Numbering system of the class numbers."""

    tiles: tuple[RasterTile, ...]
    """Raster tiles; empty for polygons."""

    polygons: gpd.GeoDataFrame | None
    """Class polygons with ``number`` (int), CRS of the run; None for a raster."""

    sha256: tuple[str, ...]
    """Digests of the files."""

    reports: tuple[ReadReport, ...] = ()
    """What reading the polygons met and did; none for a raster."""

    warnings: tuple[str, ...] = ()
    """What a reader of the result must know of the raster, one line each."""

    model: str = ""
    """Name of the model that made the raster, as its tag says; several are joined by ``+``; empty when unknown."""

    confusion: Confusion | None = None
    """Samples of that model, from the file beside the raster; None without such a file."""

    confusion_sha256: str = ""
    """Digest of the file of the samples; empty without one."""

    levels: ProbabilityLevels | None = None
    """Probability of the classes, where the samples tell levels of it and its rasters are there."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Layers of a run, with the reports of their reading."""

    layers: Mapping[str, gpd.GeoDataFrame]
    """Features by layer, canonical columns, CRS of the run."""

    zone_construite: gpd.GeoDataFrame | None
    """Official zone construite, or None when no source holds it."""

    reports: tuple[ReadReport, ...]
    """What reading each layer met and did; the zone construite included."""


def find_sources(
    workspace: Path, *, communes: Sequence[str], zone_construite: Path | None = None
) -> tuple[Source, ...]:
    """Return the sources of a run: those of the workspace, else those shipped for its communes.

    A zone construite given by hand takes the place of a registered one.

    Raises
    ------
    DataError
        When there is none, or a registered file has changed.
    """
    registered = registered_sources(workspace)
    for source in registered:
        check_source(source)
    sources = [*registered, *_shipped(registered, communes)]
    if zone_construite is not None:
        sources = [source for source in sources if source.layer != ZONE]
        sources.extend(recognise(zone_construite, layer=ZONE))
    if not sources:
        raise DataError(
            f"{workspace}: no data registered; add BD TOPO and ADMIN EXPRESS with "
            f"`ocsge catalog add PATH --workspace {workspace}`"
            + ("" if communes else ", or name the --commune if it is one that is shipped (ocsge demo)")
        )
    return tuple(sources)


def shipped_files(workspace: Path, *, communes: Sequence[str]) -> tuple[Path, ...]:
    """Return the shipped files that a run reads because the workspace has no outline of communes registered."""
    return tuple(dict.fromkeys(source.path for source in _shipped(registered_sources(workspace), communes)))


def _shipped(registered: Sequence[Source], communes: Sequence[str]) -> tuple[Source, ...]:
    return () if any(source.layer == COMMUNES for source in registered) else embedded_sources(communes)


def layers_read(rules: Rules, classes: ClassEvidence | None) -> tuple[str, ...]:
    """Return the layers whose features decide covers, usages or the zone construite; not the communes."""
    polygons = [] if classes is None or classes.polygons is None else [VECTOR]
    return tuple(dict.fromkeys([*cover_layers(rules), *usage_layers(rules), ZONE, *polygons]))


def read_inputs(
    sources: Sequence[Source],
    *,
    domain: Domain,
    rules: Rules,
    millesime: int,
    layers_decide: bool,
    invalid: Invalid = "repair",
    assume_crs: int | None = None,
) -> Inputs:
    """Return every layer that the cover and usage rules read, as it was at the end of the millésime.

    Parameters
    ----------
    sources
        Files by layer; a layer without source is empty, and its report says so.
    domain
        Gives the extent and the CRS.
    rules
        Say which layers are read.
    millesime
        Year whose end the objects must exist at.
    layers_decide
        Whether the covers come from the layers alone, without class raster or polygons.
    invalid
        ``repair`` corrects and counts invalid geometries; ``stop`` refuses them.
    assume_crs
        CRS of files that declare none.

    Raises
    ------
    LayerError
        When the layers alone decide, and no layer of buildings is registered or none meets the territory: the default
        cover would stand for everything.
    """
    layers: dict[str, gpd.GeoDataFrame] = {}
    reports = []
    for layer in dict.fromkeys([*cover_layers(rules), *usage_layers(rules)]):
        read = read_layer(
            sources,
            layer,
            bounds=domain.bounds,
            epsg=domain.grid.epsg,
            millesime=millesime,
            invalid=invalid,
            assume_crs=assume_crs,
        )
        layers[layer] = read.frame
        reports.append(read.report)
    if layers_decide:
        _check_layers_say_something(layers, reports, rules)
    zone = read_zone_construite(sources, domain=domain, invalid=invalid, assume_crs=assume_crs)
    if zone is not None:
        reports.append(zone.report)
    return Inputs(layers=layers, zone_construite=None if zone is None else zone.frame, reports=tuple(reports))


def _check_layers_say_something(
    layers: Mapping[str, gpd.GeoDataFrame], reports: Sequence[ReadReport], rules: Rules
) -> None:
    built = rules.couverture_by_role["built"]
    needed = tuple(dict.fromkeys(row.layer for row in rules.layer_covers if row.code_cs == built))
    if not any(report.sources for report in reports if report.layer in needed):
        raise LayerError(
            f"none of {', '.join(needed)} is registered and no class raster is given: every ground would take the "
            "default cover; register BD TOPO with `ocsge catalog add`"
        )
    if all(len(layers[layer]) == 0 for layer in cover_layers(rules)):
        files = sorted({str(source.path) for report in reports for source in report.sources})
        later = sum(report.after_millesime for report in reports)
        if later:
            raise LayerError(
                f"{', '.join(files)}: none of the objects there existed at the millésime ({later} are later); give a "
                "later --millesime"
            )
        raise LayerError(f"{', '.join(files)}: nothing there meets the territory; register the data of its département")


def read_zone_construite(
    sources: Sequence[Source], *, domain: Domain, invalid: Invalid = "repair", assume_crs: int | None = None
) -> LayerRead | None:
    """Return the official zone construite of the domain, or None when no source holds it.

    Raises
    ------
    LayerError
        When a source holds it and nothing of it meets the domain: the file is of another territory.
    """
    files = [source.path for source in sources if source.layer == ZONE]
    if not files:
        return None
    read = read_layer(
        sources,
        ZONE,
        bounds=domain.bounds,
        epsg=domain.grid.epsg,
        millesime=None,
        invalid=invalid,
        assume_crs=assume_crs,
    )
    if read.frame.empty:
        raise LayerError(f"{files[0]}: no zone construite meets the territory; give the file of its département")
    return read


def find_class_evidence(
    cosia: Path | None,
    sources: Sequence[Source],
    *,
    domain: Domain,
    rules: Rules,
    numbering: str | None,
    resample: bool = False,
    invalid: Invalid = "repair",
    assume_crs: int | None = None,
) -> ClassEvidence | None:
    """Return the class raster or polygons of a run, or None when there are none.

    Parameters
    ----------
    cosia
        Raster file, folder of dalles, or vector file; None looks in the sources.
    sources
        Registered files.
    domain, rules
        Extent, grid and classes.
    numbering
        Numbering system of a raster; None reads it from the raster's ``OCSGE_NUMBERING`` tag.
    resample
        Accept a raster that is not on the grid.

    Raises
    ------
    ParameterError
        When a raster's numbering system is not stated: neighbouring systems swap classes, so it is never guessed;
        or when one is stated and there is no raster.
    """
    if cosia is not None and cosia.suffix.lower() in EXTENSIONS:
        sources, cosia = recognise(cosia, layer=VECTOR), None
    rasters = raster_files(cosia) if cosia is not None else [s.path for s in sources if s.layer == RASTER]
    if rasters:
        places = [cosia] if cosia is not None else [*rasters, *dict.fromkeys(path.parent for path in rasters)]
        return _raster_evidence(rasters, places, domain=domain, rules=rules, numbering=numbering, resample=resample)
    if numbering is not None:
        raise ParameterError(
            f"--numbering {numbering}: there is no class raster to number; give one with --cosia, or leave it out"
        )
    if any(source.layer == VECTOR for source in sources):
        return _vector_evidence(sources, domain=domain, rules=rules, invalid=invalid, assume_crs=assume_crs)
    return None


def _raster_evidence(
    paths: list[Path],
    places: Sequence[Path],
    *,
    domain: Domain,
    rules: Rules,
    numbering: str | None,
    resample: bool,
) -> ClassEvidence:
    """Return the evidence of raster files; their confusion matrix stands beside one of the places."""
    tiles = place_tiles(paths, grid=domain.grid, resample=resample)
    _check_meets(tiles, domain)
    numbering, model = numbering_and_model(tiles, numbering, rules=rules)
    path = _confusion_file(places)
    confusion = None if path is None else read_confusion(path, rules=rules, numbering=numbering, model=model)
    levels, alone = probability_levels(tiles, confusion, grid=domain.grid, window=domain.window)
    return ClassEvidence(
        numbering=numbering,
        tiles=tuple(tiles),
        polygons=None,
        sha256=tuple(file_sha256(tile.path) for tile in tiles),
        warnings=(
            *overlap_warning(tiles, grid=domain.grid, window=domain.window),
            *filter(None, [alone]),
            *demonstration_warnings(model),
        ),
        model=model,
        confusion=confusion,
        confusion_sha256="" if path is None else file_sha256(path),
        levels=levels,
    )


def _confusion_file(places: Sequence[Path]) -> Path | None:
    """Return the one confusion matrix beside some rasters or folders of dalles, or None."""
    found = list(dict.fromkeys(path for place in places if (path := confusion_beside(place)) is not None))
    if len(found) > 1:
        raise DataError(
            f"{found[0]}, {found[1]}: several confusion matrices for one mosaic; keep one, beside the folder of the "
            "dalles"
        )
    return found[0] if found else None


def numbering_and_model(tiles: Sequence[RasterTile], numbering: str | None, *, rules: Rules) -> tuple[str, str]:
    """Return the numbering system of a class raster and the name of its model, "" when no tile says it.

    Raises
    ------
    ParameterError
        When the numbering system is neither given nor stated by a tag, is unknown, or the tiles differ.
    """
    models = set()
    for tile in tiles:
        with rasterio.open(tile.path) as dataset:
            tags = dataset.tags()
        stated = tags.get(NUMBERING_TAG)
        models.add(tags.get(MODEL_TAG, "unknown"))
        if stated is not None and numbering is not None and stated != numbering:
            raise ParameterError(
                f"{tile.path}: its classes are numbered by {stated!r}, not by {numbering!r}; use one numbering system"
            )
        numbering = numbering or stated
    if numbering is None:
        systems = sorted({system for c in rules.cosia_classes for system in c.numbers})
        raise ParameterError(
            f"{tiles[0].path}: state the numbering system of its classes with --numbering ({', '.join(systems)}); "
            "neighbouring systems swap sealed and permeable ground, so it is never guessed"
        )
    numbered_classes(rules, numbering)
    return numbering, "" if models == {"unknown"} else "+".join(sorted(models))


def _check_meets(tiles: Sequence[RasterTile], domain: Domain) -> None:
    """Refuse rasters that say nothing of the territory: its covers would all be guessed from its few neighbours."""
    xmin, ymin, xmax, ymax = shapely.bounds(domain.territory).tolist()
    if meets(tiles, np.array([shapely.box(xmin, ymin, xmax, ymax)], dtype=object), grid=domain.grid):
        return
    raise RasterError(
        f"{tiles[0].path}: the class raster ({len(tiles)} file(s)) meets none of the territory, which lies within "
        f"({xmin:.0f}, {ymin:.0f}, {xmax:.0f}, {ymax:.0f}); give the dalles of the territory"
    )


def _vector_evidence(
    sources: Sequence[Source], *, domain: Domain, rules: Rules, invalid: Invalid, assume_crs: int | None
) -> ClassEvidence:
    read = read_layer(
        sources,
        VECTOR,
        bounds=domain.bounds,
        epsg=domain.grid.epsg,
        millesime=None,
        invalid=invalid,
        assume_crs=assume_crs,
    )
    frame = read.frame
    shapely.prepare(domain.territory)
    if not shapely.intersects(frame.geometry.values, domain.territory).any():
        raise LayerError(f"{VECTOR}: no class polygon meets the territory; give the blocks of the territory")
    by_name = {c.name.casefold(): number for c, number in numbered_classes(rules, VECTOR_NUMBERING)}
    known = set(by_name.values())
    names = frame["classe"].astype("str").str.strip().str.casefold()
    # a number is no proof: it changes with the delivery, so it only stands in for a name that is not there
    unnamed = frame["classe"].isna() | (names == "")
    number = names.map(by_name).where(~unnamed, frame["numero"]).to_numpy(dtype="float64", na_value=-1)
    unknown = ~frame.index.isin(frame.index[[value in known for value in number]])
    if unknown.any():
        examples = ", ".join(sorted(set(frame.loc[unknown, "classe"].fillna("no name").astype("str")))[:5])
        raise CodeError(f"{VECTOR}: {int(unknown.sum())} polygons of unknown class ({examples}); correct their classe")
    frame = frame.assign(number=number.astype("int64"))
    digests = tuple(source.sha256 for source in sources if source.layer == VECTOR)
    return ClassEvidence(numbering=VECTOR_NUMBERING, tiles=(), polygons=frame, sha256=digests, reports=(read.report,))

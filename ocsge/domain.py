"""Where a run derives: the territory asked for, the context around it, and the units its areas are counted by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import shapely

from ocsge.catalog import Source, digest_of
from ocsge.commune_outlines import read_communes
from ocsge.errors import CrsError, LayerError, ParameterError
from ocsge.geometry_repair import Invalid, polygonal, repair
from ocsge.layers import ReadReport
from ocsge.regions.evidence import CONTEXT, MAX_COMMUNES, TERRITORY
from ocsge.regions.shapes import Channel, Shapes
from ocsge.territory import check_commune_code, territory_epsg
from ocsge.vector_files import RawFeatures, check_plausible, read_features
from ocsge.vector_placement import names_of, spatial_layers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import geopandas as gpd
    from numpy.typing import NDArray

    from ocsge.grid import Grid, Window

_DIGEST_CHARACTERS = 8
"""Of the digest that tells perimeters of one file name apart."""


class _How(TypedDict):
    """How the outlines are read, wherever they are."""

    epsg: int
    invalid: Invalid
    assume_crs: int | None


@dataclass(frozen=True, slots=True)
class Domain:
    """The ground a run works on.

    A *unit* is a commune, or its part inside a perimeter: polygons never straddle two units, and a unit is inside the
    territory or outside.
    """

    grid: Grid
    """The pixel lattice."""

    window: Window
    """Pixels of the context's bounding box, on whole metres."""

    territory: shapely.Geometry
    """Ground asked for, CRS of the grid."""

    context: shapely.Geometry
    """Territory widened by the context distance: everything derived, CRS of the grid."""

    unit_codes: tuple[str, ...]
    """Commune code of each unit, "" outside every known commune."""

    unit_geometries: NDArray[np.object_]
    """Ground of each unit; a later one is painted over an earlier one."""

    in_territory: NDArray[np.bool_]
    """Whether each unit belongs to the territory."""

    communes: gpd.GeoDataFrame
    """Communes of the territory: code, name, population, EPCI, département, région, outline."""

    perimetre: str | None
    """Name of the perimeter asked for, null for whole communes: its file's, then a digest of its ground."""

    reports: tuple[ReadReport, ...] = ()
    """What reading the perimeter and the communes around met and did."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Bounding box of the context, metres."""
        return self.grid.bounds_of(self.window)

    def shapes(self) -> Shapes:
        """Return the shapes of the ``DOMAIN`` and ``COMMUNE`` channels; the value of a unit is its position from 1."""
        ground = np.array([self.context, self.territory], dtype=object)
        return Shapes.concatenated(
            [
                Shapes.from_geometries(
                    ground, channel=Channel.DOMAIN, values=np.array([CONTEXT, TERRITORY], dtype=np.uint16)
                ),
                Shapes.from_geometries(
                    self.unit_geometries,
                    channel=Channel.COMMUNE,
                    values=np.arange(1, len(self.unit_codes) + 1, dtype=np.uint16),
                ),
            ]
        )


def run_epsg(communes: Sequence[str], perimetre: Path | None, *, assume_crs: int | None = None) -> int:
    """Return the EPSG code a run computes in: the official projected CRS of its communes, or the perimeter's own.

    The perimeter is read, so that a wrong one is refused before anything else.

    Raises
    ------
    ParameterError
        When neither communes nor a perimeter are given, or the communes belong to different territories.
    CrsError
        When the perimeter has no projected CRS in metres.
    """
    if not communes and perimetre is None:
        raise ParameterError("nothing to derive: give --commune CODE or --perimetre FILE")
    codes = {territory_epsg(code) for code in communes}
    limit = None if perimetre is None else _read_perimetre(perimetre, assume_crs)[0]
    if len(codes) > 1:
        raise ParameterError("communes of different territories have different CRS; derive them in separate runs")
    if codes or limit is None:
        return codes.pop()
    crs = limit.crs
    epsg = crs.to_epsg()
    if epsg is None or not crs.is_projected:
        raise CrsError(
            f"{perimetre}: a perimeter without --commune must be in the territory's projected CRS (EPSG:2154 in France "
            f"métropolitaine), not {crs.to_string()[:40]}"
        )
    return int(epsg)


def domain_of(
    *,
    communes: Sequence[str],
    perimetre: Path | None,
    sources: Sequence[Source],
    grid: Grid,
    context_m: float,
    invalid: Invalid = "repair",
    assume_crs: int | None = None,
) -> Domain:
    """Return the domain of a run.

    Parameters
    ----------
    communes
        INSEE codes asked for; with a perimeter they may be empty (every commune it meets).
    perimetre
        File of polygons; their union limits the territory.
    sources
        Registered data; ``admin_express:commune`` gives the outlines.
    grid
        The pixel lattice.
    context_m
        Distance derived around the territory, metres.
    invalid
        ``repair`` corrects and counts invalid outlines and perimeters; ``stop`` refuses them.
    assume_crs
        CRS of files that declare none.

    Raises
    ------
    LayerError
        When a commune is in no source, or the perimeter meets none of the territory.
    GeometryError
        When ``invalid`` is ``stop`` and an outline or the perimeter is invalid.
    """
    codes = sorted({check_commune_code(code) for code in communes})
    limit = None if perimetre is None else _read_limit(perimetre, grid.epsg, invalid, assume_crs)
    area = None if limit is None else limit.area
    how: _How = {"epsg": grid.epsg, "invalid": invalid, "assume_crs": assume_crs}
    if codes:
        asked = read_communes(sources, codes=codes, **how).frame
    else:
        limits = tuple(shapely.bounds(area).tolist())
        met = read_communes(sources, bounds=limits, **how).frame
        asked = met[met.intersects(area)].reset_index(drop=True)
    if asked.empty:
        raise LayerError(
            f"{perimetre}: the perimeter meets no commune of the sources; register the ADMIN EXPRESS that holds them "
            "with `ocsge catalog add`, or check its CRS and extent"
        )
    territory: shapely.Geometry = shapely.union_all(asked.geometry.values)
    if area is not None:
        territory = shapely.intersection(territory, area) if codes else area
    if shapely.area(territory) == 0:
        raise LayerError(f"{perimetre}: the perimeter meets none of the communes asked for; check its CRS and extent")
    context = shapely.buffer(territory, context_m, quad_segs=8)
    around = read_communes(sources, bounds=tuple(shapely.bounds(context).tolist()), **how)
    domain = Domain(
        grid=grid,
        window=_on_whole_metres(grid, tuple(shapely.bounds(context).tolist())),
        territory=territory,
        context=context,
        unit_codes=(),
        unit_geometries=np.empty(0, dtype=object),
        in_territory=np.empty(0, dtype=np.bool_),
        communes=asked,
        perimetre=None if limit is None else limit.name,
        reports=around.reports if limit is None else (limit.report, *around.reports),
    )
    return _with_units(domain, around.frame, area)


def _with_units(domain: Domain, around: gpd.GeoDataFrame, area: shapely.Geometry | None) -> Domain:
    asked = set(domain.communes["commune_code"])
    codes: list[str] = []
    geometries: list[shapely.Geometry] = []
    inside: list[bool] = []
    if area is not None:
        codes, geometries, inside = [""], [domain.territory], [True]
    for code, outline in zip(around["commune_code"], around.geometry, strict=True):
        codes.append(code)
        geometries.append(outline)
        inside.append(area is None and code in asked)
        if area is not None and code in asked:
            part = polygonal(np.array([shapely.intersection(outline, area)], dtype=object))[0]
            if not shapely.is_empty(part):
                codes.append(code)
                geometries.append(part)
                inside.append(True)
    if len(codes) > MAX_COMMUNES:
        raise ParameterError(f"{len(codes)} communes in one run; the engine counts by {MAX_COMMUNES} at most")
    array = np.empty(len(geometries), dtype=object)
    array[:] = geometries
    return replace(
        domain,
        unit_codes=tuple(codes),
        unit_geometries=array,
        in_territory=np.array(inside, dtype=np.bool_),
    )


def _on_whole_metres(grid: Grid, bounds: tuple[float, float, float, float]) -> Window:
    xmin, ymin, xmax, ymax = bounds
    return grid.window_of((np.floor(xmin), np.floor(ymin), np.ceil(xmax), np.ceil(ymax)))


def _read_perimetre(
    path: Path, assume_crs: int | None, *, invalid: Invalid = "repair"
) -> tuple[gpd.GeoDataFrame, RawFeatures]:
    """Return the polygons of a perimeter, and all of its features as they were read."""
    try:
        spatial = spatial_layers(path)
    except LayerError as error:
        raise LayerError(f"{error}; a perimeter is a layer of polygons (GPKG, Shapefile, GeoJSON)") from error
    if len(spatial) != 1:
        raise LayerError(f"{path}: a perimeter is one layer of polygons; layers found: {names_of(spatial)}")
    if spatial[0].crs is None and assume_crs is None:
        raise CrsError(f"{path}: the perimeter declares no CRS; give it with --assume-crs, for instance 2154")
    raw = read_features(path, spatial[0].name, columns=[], bbox=None, encoding=None, stop_on_invalid=invalid == "stop")
    frame = raw.frame
    if spatial[0].crs is None:
        frame = frame.set_crs(assume_crs, allow_override=True)
    polygons = frame[frame.geom_type.isin(["Polygon", "MultiPolygon"]) & ~frame.is_empty]
    if polygons.empty:
        raise LayerError(f"{path}: the perimeter holds no polygon")
    check_plausible(tuple(polygons.total_bounds.tolist()), crs=polygons.crs, where=f"{path} layer {spatial[0].name}")
    return polygons, raw


@dataclass(frozen=True, slots=True)
class _Limit:
    """A perimeter as it limits a run."""

    area: shapely.Geometry
    name: str
    report: ReadReport


def _read_limit(path: Path, epsg: int, invalid: Invalid, assume_crs: int | None) -> _Limit:
    polygons, raw = _read_perimetre(path, assume_crs, invalid=invalid)
    drawn = np.asarray(polygons.to_crs(epsg).geometry.values)
    names = polygons.index.to_numpy()
    mended = repair(drawn, kind="polygon", invalid=invalid, where=f"{path} perimeter", names=names)
    area = shapely.union_all(mended.geometries)
    without = int((raw.frame.geometry.isna() | raw.frame.is_empty).sum())
    # two files of one name are two perimeters: their results must not replace one another
    digest = hashlib.sha256(shapely.to_wkb(shapely.normalize(area))).hexdigest()
    report = ReadReport(
        layer="perimetre",
        sources=(Source("perimetre", path, None, "perimetre", None, digest_of(path)),),
        read=len(raw.frame),
        kept=len(drawn),
        null_or_empty=without - raw.unreadable,
        unreadable=raw.unreadable,
        other_kind=len(raw.frame) - without - len(drawn),
        repaired=mended.repaired + raw.closed,
        repaired_area_m2=mended.area_change_m2,
    )
    return _Limit(area=area, name=f"{path.stem}-{digest[:_DIGEST_CHARACTERS]}", report=report)

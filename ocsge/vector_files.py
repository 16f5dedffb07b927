"""Open vector files: list layers, refuse truncated files, decode text, read features as they are."""

from __future__ import annotations

import codecs
import struct
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyogrio
import shapely
from pyproj import CRS, Transformer

from ocsge import gdal_environment  # noqa: F401  drops inherited GDAL paths before rasters are opened
from ocsge.errors import CrsError, GeometryError, LayerError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import geopandas as gpd
    from numpy.typing import NDArray

EXTENSIONS = (".gpkg", ".shp", ".geojson", ".fgb")
"""Vector files that are opened, by extension."""

_ENCODINGS = ("UTF-8", "cp1252")
_SQLITE_HEADER = 100
_SHP_HEADER = 100
_DBF_HEADER = 32
_FARTHEST_M = 1e8
"""No projected coordinate of the Earth, 40,000 km around, comes near."""


@dataclass(frozen=True, slots=True)
class VectorLayer:
    """One layer of a vector file, before any feature is read."""

    path: Path
    name: str
    fields: tuple[str, ...]
    has_geometry: bool
    crs: str | None
    """CRS as declared by the file; null when it declares none."""

    features: int
    """Number of features, −1 when the driver does not know."""

    bounds: tuple[float, float, float, float] | None
    """xmin, ymin, xmax, ymax as written in the header of the file; null when it says none."""


@contextmanager
def _quiet_reader() -> Iterator[None]:
    """Silence the reader: what its warnings announce (M values, open rings) is mended and counted."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        warnings.filterwarnings("ignore", message="Measured")
        yield


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(size)


def _short_gpkg(path: Path) -> bool:
    head = _head(path, _SQLITE_HEADER)
    if len(head) < _SQLITE_HEADER or not head.startswith(b"SQLite format 3\x00"):
        return True
    (page,) = struct.unpack(">H", head[16:18])
    changes, pages = struct.unpack(">II", head[24:32])
    (valid_for,) = struct.unpack(">I", head[92:96])
    return bool(changes == valid_for and path.stat().st_size < pages * (65536 if page == 1 else page))


def _short_shapefile(path: Path) -> Path | None:
    for part in (
        path,
        *(p for p in path.parent.glob(f"{path.stem}.*") if p.suffix.lower() in {".shx", ".dbf"}),
    ):
        size = part.stat().st_size
        head = _head(part, _SHP_HEADER)
        if part.suffix.lower() == ".dbf":
            if len(head) < _DBF_HEADER:
                return part
            records, header, length = struct.unpack("<IHH", head[4:12])
            declared = header + records * length
        else:
            if len(head) < _SHP_HEADER:
                return part
            declared = 2 * struct.unpack(">I", head[24:28])[0]
        if size < declared:
            return part
    return None


def check_complete(path: Path) -> None:
    """Refuse a vector file shorter than its own header says.

    GDAL reads the missing features of a cut shapefile as null geometries, without a word.

    Raises
    ------
    LayerError
        When the file is missing or cut.
    """
    if not path.is_file():
        raise LayerError(f"{path}: no such file; register its new place with `ocsge catalog add`")
    suffix = path.suffix.lower()
    short = None
    try:
        if suffix == ".gpkg" and _short_gpkg(path):
            short = path
        elif suffix == ".shp":
            short = _short_shapefile(path)
    except OSError as error:
        raise LayerError(f"{path}: cannot be read: {error}") from error
    if short is not None:
        raise LayerError(f"{short}: truncated, shorter than its header says; download or copy it again")


def _open_error(path: Path, layer: str | None, error: Exception) -> LayerError:
    where = f"{path} layer {layer}" if layer else str(path)
    return LayerError(f"{where}: cannot be read: {' '.join(str(error).split())[:200]}; download or copy it again")


def list_vector_layers(path: Path) -> tuple[VectorLayer, ...]:
    """Return the layers of a vector file, without reading their features.

    Raises
    ------
    LayerError
        When the file is missing, cut or not a vector file.
    """
    check_complete(path)
    try:
        with _quiet_reader():
            names = [str(name) for name in pyogrio.list_layers(path)[:, 0]]
        return tuple(probe_vector_layer(path, name) for name in names)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise _open_error(path, None, error) from error


def probe_vector_layer(path: Path, layer: str | None) -> VectorLayer:
    """Return the description of one layer of a vector file: fields, CRS, number of features.

    Raises
    ------
    LayerError
        When the file or the layer cannot be opened.
    """
    try:
        with _quiet_reader():
            info: dict[str, Any] = pyogrio.read_info(path, layer=layer)
    except (pyogrio.errors.CRSError, UnboundLocalError) as error:  # the reader fails so on a damaged .prj
        raise CrsError(f"{path} layer {layer}: its CRS cannot be read; correct or replace its .prj") from error
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, UnicodeDecodeError) as error:
        raise _open_error(path, layer, error) from error
    return VectorLayer(
        path=path,
        name=str(info.get("layer_name") or layer or path.stem),
        fields=tuple(str(field) for field in info["fields"]),
        has_geometry=info["geometry_type"] is not None,
        crs=info["crs"],
        features=int(info["features"]),
        bounds=info.get("total_bounds"),
    )


def text_encodings(path: Path, encoding: str | None) -> tuple[str | None, ...]:
    """Return the encodings to try in order for a file's text; null leaves it to the driver.

    Only a shapefile leaves its encoding open: its ``.cpg`` decides, else the caller, else UTF-8 strictly,
    then cp1252 (where Œ, ’ and € stand at codes that Latin-1 lacks).

    Raises
    ------
    ParameterError
        When ``encoding`` is not the name of an encoding.
    """
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except LookupError as error:
            raise ParameterError(f"encoding {encoding!r} is not known; give for instance utf-8 or cp1252") from error
    if path.suffix.lower() != ".shp":
        return (None,)
    if any(part.suffix.lower() == ".cpg" for part in path.parent.glob(f"{path.stem}.*")):
        return (None,)
    return (encoding,) if encoding else _ENCODINGS


@dataclass(frozen=True, slots=True)
class RawFeatures:
    """Features of a layer as they stand in the file, with what the reader had to do to read them."""

    frame: gpd.GeoDataFrame
    """Features indexed by their identifier in the file, 2D, curves as chords, in the CRS of the file."""

    closed: int
    """Rings the file left open and that were closed."""

    unreadable: int
    """Geometries that no reader understands, now null."""


def _read(path: Path, layer: str | None, encodings: tuple[str | None, ...], **options: object) -> gpd.GeoDataFrame:

    for encoding in encodings:
        try:
            with _quiet_reader():
                return pyogrio.read_dataframe(
                    path, layer=layer, encoding=encoding, force_2d=True, fid_as_index=True, **options
                )
        except UnicodeDecodeError as error:
            problem: Exception = error
    raise LayerError(
        f"{path}: text is not {' or '.join(e or 'as declared' for e in encodings)} ({problem}); give its --encoding"
    ) from problem


def read_features(
    path: Path,
    layer: str | None,
    *,
    columns: list[str],
    bbox: tuple[float, float, float, float] | None,
    encoding: str | None,
    stop_on_invalid: bool,
    only: tuple[str, Sequence[str]] | None = None,
) -> RawFeatures:
    """Return the features of a layer that meet ``bbox``, with the given fields.

    Parameters
    ----------
    path, layer
        File and layer; a null layer is the file's only one.
    columns
        Fields to read, as spelt in the file.
    bbox
        xmin, ymin, xmax, ymax in the CRS of the file; null reads everything. With a box, features without
        geometry are not seen.
    encoding
        Encoding of a shapefile without ``.cpg``; null tries UTF-8 strictly, then cp1252.
    stop_on_invalid
        Refuse geometries that cannot be parsed rather than close their rings.
    only
        Field and the values to read, compared as texts; null reads every feature.

    Raises
    ------
    LayerError
        When the file cannot be read or decoded.
    GeometryError
        When ``stop_on_invalid`` and a ring is open or a geometry unreadable, naming the feature.
    """
    check_complete(path)
    options: dict[str, object] = {"columns": columns, "bbox": bbox}
    if only is not None:
        options["where"] = _is_one_of(*only)
    frame, lost = _parsed(path, layer, text_encodings(path, encoding), options)
    absurd = _absurd(frame)
    bad = lost | absurd
    if stop_on_invalid and bad.any():
        raise GeometryError(
            f"{path} layer {layer} feature {frame.index[bad][0]}: ring not closed or geometry unreadable; "
            "correct it or allow repairs"
        )
    if absurd.any():
        frame = frame.set_geometry(frame.geometry.where(~absurd))
    unreadable = bad & frame.geometry.isna().to_numpy()
    return RawFeatures(frame, closed=int((lost & ~unreadable).sum()), unreadable=int(unreadable.sum()))


def _is_one_of(field: str, values: Sequence[str]) -> str:
    """Return the condition, in the SQL of GDAL, that a field holds one of some values."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f'"{field}" IN ({quoted})'


def _parsed(
    path: Path, layer: str | None, encodings: tuple[str | None, ...], options: dict[str, object]
) -> tuple[gpd.GeoDataFrame, NDArray[np.bool_]]:
    """Return the features, and which of them have a geometry that could not be parsed as it stands."""
    try:
        try:
            frame = _read(path, layer, encodings, on_invalid="raise", **options)
            return frame, np.zeros(len(frame), dtype=np.bool_)
        except shapely.errors.ShapelyError:
            strict = _read(path, layer, encodings, on_invalid="ignore", **options)
            fixed = _read(path, layer, encodings, on_invalid="fix", **options)
            return fixed, strict.geometry.isna().to_numpy() & ~_null_geometries(path, layer, strict)
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        pyogrio.errors.FeatureError,
    ) as error:
        raise _open_error(path, layer, error) from error
    except pyogrio.errors.GeometryError as error:
        raise _open_error(path, layer, error) from error


def _absurd(frame: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    """Return which geometries have coordinates that are no place on Earth in any CRS: damaged bytes."""
    bounds = shapely.bounds(frame.geometry.array)
    empty = shapely.is_missing(frame.geometry.array) | shapely.is_empty(frame.geometry.array)
    within = np.abs(np.where(np.isfinite(bounds), bounds, np.inf)).max(axis=1, initial=0.0) < _FARTHEST_M
    return np.asarray(~within & ~empty, dtype=np.bool_)


def _null_geometries(path: Path, layer: str | None, frame: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    """Return which features of ``frame`` have no geometry in the file (others may be unreadable)."""
    with _quiet_reader():
        _, fids, wkb, _ = pyogrio.raw.read(path, layer=layer, columns=[], return_fids=True)
    null = {fid for fid, geometry in zip(fids.tolist(), wkb, strict=True) if geometry is None}
    return np.asarray(frame.index.isin(null), dtype=np.bool_)


_COUNTED_FEATURES = 200_000
"""Layers above this are not read whole only to count what has no geometry."""


def count_without_geometry(path: Path, layer: str | None, found: VectorLayer) -> int | None:
    """Return how many features of a layer have no geometry: a box never selects them, so they are counted apart.

    A national layer, above 200,000 features, is not read whole for that: the answer is then None, unknown.
    """
    if not 0 <= found.features <= _COUNTED_FEATURES:
        return None
    try:
        with _quiet_reader():
            _, bounds = pyogrio.read_bounds(path, layer=layer)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise _open_error(path, layer, error) from error
    return int(np.isnan(bounds).any(axis=0).sum())


@lru_cache(maxsize=64)
def _bounds_of_use(crs: str) -> tuple[float, float, float, float] | None:
    """Return the bounds of a CRS's area of use in its own unit; None when it has no such area.

    Kept from one layer to the next: making the transformation costs milliseconds.
    """
    known = CRS.from_user_input(crs)
    if known.is_geographic:
        return (-180.0, -90.0, 180.0, 90.0)
    if known.area_of_use is None:
        return None
    to_crs = Transformer.from_crs("EPSG:4326", known, always_xy=True)
    west, south, east, north = to_crs.transform_bounds(*known.area_of_use.bounds, densify_pts=21)
    return (west, south, east, north)


def check_plausible(bounds: tuple[float, float, float, float], *, crs: CRS, where: str) -> None:
    """Refuse coordinates that cannot belong to the CRS they are said to be in.

    Parameters
    ----------
    bounds
        xmin, ymin, xmax, ymax of the features.
    crs
        pyproj CRS, declared by the file or assumed by the caller.
    where
        File and layer, for the message.

    Raises
    ------
    CrsError
        When the bounds lie outside the area of use of the CRS.
    """
    use = _bounds_of_use(crs.srs)
    if use is None:
        return
    west, south, east, north = use
    xmin, ymin, xmax, ymax = bounds
    if xmin > east or xmax < west or ymin > north or ymax < south:
        raise CrsError(
            f"{where}: coordinates around ({(xmin + xmax) / 2:.0f}, {(ymin + ymax) / 2:.0f}) "
            f"are outside {crs.name}: "
            "correct the file, or give the true CRS with --assume-crs"
        )

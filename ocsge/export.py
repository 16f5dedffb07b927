"""Write results for other tools: GeoParquet, GeoPackage with styles, JSON; tables are :mod:`ocsge.table_files`.

The same table gives the same bytes, whenever it is written: no date of the day enters a file.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio

from ocsge.errors import CrsError, OcsgeError, OutputError
from ocsge.publish import json_bytes, publish
from ocsge.styles import change_states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ocsge.styles import LayerStyle

_FIXED_DATE = "2000-01-01T00:00:00.000Z"
_IGN_COLUMNS = ("id", "code_cs", "code_us", "millesime", "ossature", "area_m2", "artif", "crit_seuil")
_INTERNAL_COLUMNS = ("area_px", "in_territory")
_GDAL_ERRORS = (
    pyogrio.errors.DataSourceError,
    pyogrio.errors.DataLayerError,
    pyogrio.errors.FeatureError,
    pyogrio.errors.FieldError,
    pyogrio.errors.GeometryError,
)


def write_parquet(frame: gpd.GeoDataFrame, path: Path, *, provenance: Mapping[str, object] | None = None) -> None:
    """Write polygons as GeoParquet 1.1, with the bounding box of each row and zstd compression.

    The file holds every column, those of a hive path too (``commune_code=…/millesime=…``), so that it can be
    read alone. Read a folder of them with DuckDB and ``hive_partitioning = false``: guessing from the path
    would turn a commune code into a number.

    Parameters
    ----------
    frame
        Polygons in a projected CRS; rows outside the territory (``in_territory`` false) are left out.
    provenance
        JSON values kept under the key ``ocsge`` of the file's metadata: inputs, rules, versions.

    Raises
    ------
    CrsError
        When the CRS is missing.
    OutputError
        When the file cannot be written or read back.
    """
    polygons = _exported(frame).drop(columns=["in_territory"], errors="ignore")
    plain = io.BytesIO()
    polygons.to_parquet(plain, index=False, schema_version="1.1.0", write_covering_bbox=True, geometry_encoding="WKB")
    table = _without_arrow_extensions(pq.read_table(pa.BufferReader(plain.getvalue())))
    if provenance is not None:
        table = table.replace_schema_metadata({**table.schema.metadata, b"ocsge": json_bytes(dict(provenance))})

    def verify(temporary: Path) -> None:
        """Refuse a file that lacks rows."""
        if pq.read_metadata(temporary).num_rows != len(polygons):
            raise OutputError("rows are missing")

    publish(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"), verify=verify)


def write_gpkg(
    frame: gpd.GeoDataFrame,
    path: Path,
    *,
    layer: str,
    styles: Sequence[LayerStyle] = (),
    provenance: Mapping[str, object] | None = None,
    fields: Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame] | None = None,
) -> None:
    """Write polygons as a GeoPackage with the fields of IGN's product, ours after them, and styles for QGIS.

    The first style is the default one; it also stands beside the file, as ``.qml``.

    Parameters
    ----------
    frame
        The table of ``artificialise`` with ``id`` (text) and ``millesime`` (int), in a projected CRS; rows
        outside the territory (``in_territory`` false) are left out. ``area_m2`` becomes ``aire``, m².
    layer
        Name of the layer, such as ``artif_2022_012``.
    styles
        Kept in the table ``layer_styles``, where QGIS finds them.
    provenance
        Values kept in the metadata of the layer: text as it is, anything else as JSON.
    fields
        Gives the polygons the fields of another product, such as :func:`change_fields`; None: :func:`ign_fields`.

    Raises
    ------
    CrsError
        When the CRS is missing.
    OutputError
        When the file cannot be written or read back.
    """
    written = (fields or ign_fields)(_exported(frame))
    metadata = {
        key: value if isinstance(value, str) else json_bytes(value).decode().strip()
        for key, value in (provenance or {}).items()
    }

    def write(temporary: Path) -> None:
        """Write the layer and its styles with a date that does not change."""
        with _fixed_gdal_date():
            pyogrio.write_dataframe(
                written,
                temporary,
                layer=layer,
                driver="GPKG",
                geometry_type="MultiPolygon",
                promote_to_multi=True,
                layer_options={"GEOMETRY_NAME": "the_geom"},
                layer_metadata=metadata or None,
            )
            if styles:
                table = _style_table(layer, styles)
                pyogrio.write_dataframe(
                    table, temporary, layer="layer_styles", driver="GPKG", layer_options={"FID": "id"}
                )

    def verify(temporary: Path) -> None:
        """Refuse a file that lacks features."""
        if pyogrio.read_info(temporary, layer=layer, force_feature_count=True)["features"] != len(written):
            raise OutputError("rows are missing")

    publish(path, _gdal_refusals(write, path), verify=verify)
    if styles:
        publish(path.with_suffix(".qml"), lambda temporary: temporary.write_bytes(styles[0].qml.encode()))


def ign_fields(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return polygons under the field names of IGN's artificialisation product, followed by our own columns.

    ``artif`` is ``artif`` or ``non artif`` as IGN writes it; ``ossature`` is 0 or 1; ``source`` says that the
    polygon is derived; ``id_origine`` and ``code_or`` are null, for there is no earlier object nor code.

    Raises
    ------
    OcsgeError
        When a column is missing: the table is not the one of ``artificialise``.
    """
    missing = [column for column in _IGN_COLUMNS if column not in frame]
    if missing:
        raise OcsgeError(f"columns {', '.join(missing)} are missing from the polygons to export")
    unknown = pd.Series(None, index=frame.index, dtype="str")
    fields = pd.DataFrame(
        {
            "ID": frame["id"].astype("str"),
            "code_cs": frame["code_cs"],
            "code_us": frame["code_us"],
            "millesime": frame["millesime"].astype("int32"),
            "source": frame.get("source", pd.Series("ocsge", index=frame.index, dtype="str")),
            "ossature": frame["ossature"].astype("int32"),
            "id_origine": frame.get("id_origine", unknown),
            "code_or": frame.get("code_or", unknown),
            "aire": frame["area_m2"].astype("float64"),
            "artif": np.where(frame["artif"].to_numpy(bool), "artif", "non artif"),
            "crit_seuil": frame["crit_seuil"].astype("bool"),
        }
    )
    skipped = {*fields.columns, *_IGN_COLUMNS, *_INTERNAL_COLUMNS, frame.geometry.name}
    ours = frame[[column for column in frame.columns if column not in skipped]]
    return gpd.GeoDataFrame(
        pd.concat([fields, pd.DataFrame(ours)], axis="columns"), geometry=frame.geometry.rename("the_geom")
    )


def change_fields(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the coverage of two millésimes under the field names of IGN's products of difference.

    ``artif_1`` and ``artif_2`` are ``artif`` or ``non artif``; ``aire`` is m²; ``etat`` is ``gain``, ``loss``, or the
    state that did not change.
    """
    fields = pd.DataFrame(frame.drop(columns=["area_px", "area_m2", frame.geometry.name]))
    for name in ("artif_1", "artif_2"):
        fields[name] = np.where(frame[name].to_numpy(bool), "artif", "non artif")
    fields["etat"] = change_states(frame)
    fields["aire"] = frame["area_m2"].astype("float64")
    return gpd.GeoDataFrame(fields, geometry=frame.geometry.rename("the_geom"))


def write_json(value: object, path: Path) -> None:
    """Write a JSON value with sorted keys; no NaN: what is unknown is null.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    content = json_bytes(value)
    publish(path, lambda temporary: temporary.write_bytes(content))


def _is_spatial(frame: pd.DataFrame) -> bool:
    return isinstance(frame, gpd.GeoDataFrame) and frame.active_geometry_name is not None


def _exported(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the rows of the territory; refuse what no reader could place on a map."""
    if not _is_spatial(frame) or frame.crs is None:
        raise CrsError("the polygons to export have no coordinate reference system; give the frame one")
    if "in_territory" in frame:
        frame = frame[frame["in_territory"].to_numpy(bool)]
    return frame.reset_index(drop=True)


def _without_arrow_extensions(table: pa.Table) -> pa.Table:
    """Return a table whose columns name no Arrow type: the key ``geo`` of the file tells the geometry and its CRS.

    GDAL up to 3.12, built with Arrow 21 or later, meets the name ``geoarrow.wkb``, looks no further and finds no CRS
    (https://github.com/OSGeo/gdal/issues/14320, https://github.com/geopandas/geopandas/issues/3804).
    """
    return table.cast(pa.schema([field.remove_metadata() for field in table.schema], table.schema.metadata))


def _style_table(layer: str, styles: Sequence[LayerStyle]) -> pd.DataFrame:
    """Return the rows of ``layer_styles``, as QGIS defines this table."""
    return pd.DataFrame(
        {
            "f_table_catalog": "",
            "f_table_schema": "",
            "f_table_name": layer,
            "f_geometry_column": "the_geom",
            "styleName": [style.name for style in styles],
            "styleQML": [style.qml for style in styles],
            "styleSLD": "",
            "useAsDefault": [position == 0 for position in range(len(styles))],
            "description": [f"OCS GE : {style.name}" for style in styles],
            "owner": "",
            "ui": "",
            "update_time": pd.Timestamp(_FIXED_DATE),
        }
    )


@contextmanager
def _fixed_gdal_date() -> Iterator[None]:
    """Make GDAL date its files of a fixed day."""
    option = "OGR_CURRENT_DATE"
    before = pyogrio.get_gdal_config_option(option)
    pyogrio.set_gdal_config_options({option: _FIXED_DATE})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({option: before})


def _gdal_refusals(write: Callable[[Path], None], path: Path) -> Callable[[Path], None]:
    """Return ``write`` with the refusals of GDAL, which carry no error number, turned into an OutputError."""

    def guarded(temporary: Path) -> None:
        """Write, and raise an OutputError for what GDAL refuses."""
        try:
            write(temporary)
        except _GDAL_ERRORS as error:
            reason = str(error).replace(str(temporary), path.name)
            raise OutputError(f"{path}: GDAL cannot write it ({reason}); check the disk and its free space") from error

    return guarded

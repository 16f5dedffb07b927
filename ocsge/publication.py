"""Lay a run's results out in a version of the workspace.

::

    polygons/commune_code=12174/millesime=2022/part.parquet   GeoParquet, one partition a commune and millésime
    tables/commune_code=12174/millesime=2022/stock.parquet, stock_long.parquet
    runs/commune_code=12174/millesime=2022/run.json           provenance
    maps/commune_code=12174/millesime=2022/polygons.geojson.gz     the same polygons for the maps of the dashboard
    maps/commune_code=12174/millesime=2022/outline.parquet         outline of the commune
    communes.geojson.gz                                       outlines and figures of every commune of the version
    communes/12174_2022.gpkg, .qml                            the same polygons with IGN's field names and styles
    communes/12174_2022_couverture.png, _artificialisation.png
    stock.parquet, stock_long.parquet                         every partition of the version
    stock.csv, stock_long.csv, stock_excel.csv                the same, each beside its Table Schema, .schema.json

Of a pair of millésimes::

    changes/commune_code=12174/millesimes=2019-2022/part.parquet   the coverage that carries both states
    tables/commune_code=12174/millesimes=2019-2022/flow.parquet, change_matrix.parquet
    maps/commune_code=12174/millesimes=2019-2022/changes.geojson.gz
    communes/12174_2019-2022.gpkg, .qml, _changement.png
    flow.parquet, flow.csv, flow_excel.csv, change_matrix.…        every pair of the version

A pair stands as long as both of its states: deriving one of them anew, apart, removes it.

Results limited by a perimeter stand under ``perimetre=NAME/``, NAME being its file's and a digest of its ground: they
replace neither those of whole communes nor those of another perimeter. They have no map file: the dashboard shows whole
communes.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd

from ocsge.export import change_fields, write_gpkg, write_json, write_parquet
from ocsge.map_files import changes_geojson, communes_geojson, polygons_geojson
from ocsge.publish import publish
from ocsge.styles import artif_style, change_style, couverture_style
from ocsge.table_files import write_csv
from ocsge.tables import CHANGE_MATRIX, FLOW, M2_PER_HECTARE, STOCK, STOCK_LONG
from ocsge.version_layout import (
    PART,
    RUN,
    describes_commune,
    millesimes_of,
    pair_partition_of,
    partition_files,
    partition_of,
    perimetre_of,
    result_roots,
    results_root,
    stem_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ocsge.rules import Rules
    from ocsge.states import Measured, MeasuredPair, MeasuredState
    from ocsge.store import Workspace
    from ocsge.table_files import Profile
    from ocsge.tables import Schema

_TABLES: tuple[tuple[str, Schema, tuple[tuple[str, Profile], ...]], ...] = (
    ("stock", STOCK, (("stock.csv", "machine"), ("stock_excel.csv", "excel-fr"))),
    ("stock_long", STOCK_LONG, (("stock_long.csv", "machine"),)),
    ("flow", FLOW, (("flow.csv", "machine"), ("flow_excel.csv", "excel-fr"))),
    ("change_matrix", CHANGE_MATRIX, (("change_matrix.csv", "machine"),)),
)
"""Each table, and the files that hold its rows of every partition."""
_OUTLINE = "outline.parquet"
_COMMUNES = "communes.geojson.gz"
_COMBINED = frozenset({_COMMUNES}).union(
    name
    for _, _, outputs in _TABLES
    for output, _ in outputs
    for name in (output, *(f"{output.removesuffix('.csv')}{suffix}" for suffix in (".schema.json", ".parquet")))
)


def published_key(version: Path, commune_code: str, millesime: int, *, perimetre: str | None) -> str | None:
    """Return the key of the run that made a partition of a version, or None when it is not there."""
    path = version / partition_of(commune_code, millesime, perimetre=perimetre, kind="runs") / RUN
    if not path.is_file():
        return None
    return str(json.loads(path.read_text(encoding="utf-8"))["key"])


def published_warnings(
    version: Path, commune_codes: Sequence[str], millesime: int, *, perimetre: str | None
) -> tuple[str, ...]:
    """Return the warnings of the runs that made partitions of a version, each once."""
    runs = [version / partition_of(code, millesime, perimetre=perimetre, kind="runs") for code in commune_codes]
    texts = [json.loads((run / RUN).read_text(encoding="utf-8")).get("warnings", []) for run in runs]
    return tuple(dict.fromkeys(str(text) for part in texts for text in part))


def publish_results(workspace: Workspace, results: Measured, *, rules: Rules) -> Path:
    """Publish a new version that holds ``results`` beside the partitions of the current one; return its folder.

    Raises
    ------
    OutputError
        When a file cannot be written; the current version is then untouched.
    """
    perimetre = results.domain.perimetre
    known = set(results.domain.communes["commune_code"])
    codes = sorted(known.union(*(state.polygons["commune_code"] for state in results.states)))
    # "" too: ground in no known commune may have been part of an earlier run of this territory, not of this one
    replaced = {(code, state.millesime) for code in (*codes, "") for state in results.states}

    def carry(relative: Path) -> bool:
        """Return whether a file of the current version goes into the new one."""
        if relative.name in _COMBINED and "tables" not in relative.parts:  # a partition has the name of its whole
            return False
        if perimetre is not None and perimetre_of(relative) == perimetre:
            # nothing of an earlier run of this ground stays at these millésimes, whichever commune it was in
            years = millesimes_of(relative)
            return not years & {state.millesime for state in results.states}
        return not _belongs(relative, replaced, perimetre)

    def fill(folder: Path) -> None:
        """Write the files of these results, then the tables of every partition."""
        for code in codes:
            for state in results.states:
                _write_commune(folder, code, results, state, rules)
            for pair in results.pairs:
                _write_pair(folder, code, results, pair, rules)
        combine_tables(folder / results_root(perimetre))
        for other in result_roots(folder):
            if not (other / "stock.csv").exists() and (other / "tables").is_dir():
                combine_tables(other)
        _write_communes(folder)

    return workspace.publish_version(fill, key=results.key, carry=carry)


def _belongs(relative: Path, replaced: set[tuple[str, int]], perimetre: str | None) -> bool:
    """Return whether a file of the current version describes a commune and millésime that is being replaced."""
    if perimetre_of(relative) != perimetre:
        return False
    years = millesimes_of(relative)
    return any(millesime in years and describes_commune(relative, code) for code, millesime in replaced)


def _place(folder: Path, partition: Path) -> Path:
    path = folder / partition
    path.mkdir(parents=True, exist_ok=True)
    return path


def _write_commune(folder: Path, code: str, results: Measured, state: MeasuredState, rules: Rules) -> None:
    """Write the tables, polygons and maps of a commune at a millésime."""
    perimetre = results.domain.perimetre

    def place(kind: str) -> Path:
        """Return the folder of one kind of file."""
        return _place(folder, partition_of(code, state.millesime, perimetre=perimetre, kind=kind))

    polygons = state.polygons[state.polygons["commune_code"] == code].reset_index(drop=True)
    write_json(dict(state.provenance), place("runs") / RUN)
    for name, table in (("stock", state.stock), ("stock_long", state.stock_long)):
        rows = table[table["commune_code"] == code]
        publish(place("tables") / f"{name}.parquet", partial(rows.to_parquet, index=False))
    outline = results.domain.communes.loc[results.domain.communes["commune_code"] == code, ["commune_code", "geometry"]]
    if perimetre is None and len(outline):
        write_parquet(outline, place("maps") / _OUTLINE)
    if polygons.empty:
        return
    if perimetre is None:
        content = polygons_geojson(polygons, rules=rules)
        publish(place("maps") / "polygons.geojson.gz", lambda temporary: temporary.write_bytes(content))
    write_parquet(polygons, place("polygons") / PART, provenance={"key": results.key})
    leaves = [entry for entry in rules.couvertures if entry.is_leaf]
    colours = {entry.code: entry.colour for entry in leaves}
    labels = {entry.code: entry.label_fr for entry in leaves}
    files = folder / results_root(perimetre) / "communes"
    files.mkdir(exist_ok=True)
    stem = stem_of(code, state.millesime)
    usages = {entry.code: entry.label_fr for entry in rules.usages}
    write_gpkg(
        polygons.assign(libelle_cs=polygons["code_cs"].map(labels), libelle_us=polygons["code_us"].map(usages)),
        files / f"{stem}.gpkg",
        layer=f"artif_{state.millesime}_{code or 'hors_commune'}",
        styles=(artif_style(), couverture_style(colours, labels)),
        provenance={"key": results.key, "credit": results.credit},
    )
    for kind, what in (("couverture", "Couverture du sol"), ("artificialisation", "Artificialisation")):
        _draw(
            polygons,
            files / f"{stem}_{kind}.png",
            results,
            code,
            kind=kind,
            what=what,
            when=str(state.millesime),
            notes=_notes(polygons, str(state.stock["flags"].iloc[0]).split("+")),
            colours=colours,
            labels=labels,
        )


def _notes(polygons: gpd.GeoDataFrame, flags: Sequence[str]) -> list[str]:
    """Return what a map must say of the data behind it."""
    notes = []
    if "default_cover" in flags:
        area_m2 = float(polygons["default_cover_m2"].sum())
        share = f"{100 * area_m2 / float(polygons['area_m2'].sum()):.0f}"
        hectares = f"{area_m2 / M2_PER_HECTARE:,.1f}".replace(",", "\u00a0").replace(".", ",")
        notes.append(f"Sans CoSIA : {hectares} ha ({share}\u00a0%) de couverture par défaut")
    if "derived_zone_construite" in flags:
        notes.append("Zone construite estimée")
    return notes


def _write_pair(folder: Path, code: str, results: Measured, pair: MeasuredPair, rules: Rules) -> None:
    """Write the coverage, tables and map of a commune over a pair of millésimes."""
    perimetre, years = results.domain.perimetre, "-".join(map(str, pair.millesimes))

    def place(kind: str) -> Path:
        """Return the folder of one kind of file."""
        return _place(folder, pair_partition_of(code, pair.millesimes, perimetre=perimetre, kind=kind))

    for name, table in (("flow", pair.flow), ("change_matrix", pair.change_matrix)):
        rows = table[table["commune_code"] == code]
        publish(place("tables") / f"{name}.parquet", partial(rows.to_parquet, index=False))
    changes = pair.changes[pair.changes["commune_code"] == code].reset_index(drop=True)
    if changes.empty:
        return
    if perimetre is None:
        content = changes_geojson(changes, rules=rules)
        publish(place("maps") / "changes.geojson.gz", lambda temporary: temporary.write_bytes(content))
    write_parquet(changes, place("changes") / PART, provenance={"key": results.key})
    files = folder / results_root(perimetre) / "communes"
    files.mkdir(exist_ok=True)
    stem = stem_of(code, years)
    write_gpkg(
        changes,
        files / f"{stem}.gpkg",
        layer=f"changement_{years}_{code or 'hors_commune'}",
        styles=(change_style(),),
        provenance={"key": results.key, "credit": results.credit},
        fields=change_fields,
    )
    _draw(
        changes,
        files / f"{stem}_changement.png",
        results,
        code,
        kind="changement",
        what="Changement",
        when="–".join(map(str, pair.millesimes)),
    )


def _draw(
    frame: gpd.GeoDataFrame,
    path: Path,
    results: Measured,
    code: str,
    *,
    kind: str,
    what: str,
    when: str,
    notes: Sequence[str] = (),
    **legend: Mapping[str, str],
) -> None:
    """Draw the map of a commune."""
    from ocsge.maps import draw_map  # noqa: PLC0415  (matplotlib weighs on the engine's memory until it is needed)

    outline = results.domain.communes.loc[results.domain.communes["commune_code"] == code]
    name = outline["nom"].iloc[0] if len(outline) else "hors commune connue"
    whole = len(outline) > 0 and results.domain.perimetre is None
    draw_map(
        frame,
        path,
        kind=kind,  # type: ignore[arg-type]
        title=f"{what} – {name} ({code}), {when}",
        outline=outline.geometry.iloc[0] if whole else None,
        credit=results.credit,
        notes=notes,
        **legend,
    )


def combine_tables(folder: Path) -> None:
    """Write the tables of every partition of a folder as one Parquet file each, and as CSV files."""
    for name, schema, outputs in _TABLES:
        parts = partition_files(folder, "tables", f"{name}.parquet")
        if not parts:
            continue
        table = pd.concat([pd.read_parquet(part, partitioning=None) for part in parts], ignore_index=True)
        order = [column for column in ("commune_code", "millesime", "millesime_1", "millesime_2") if column in table]
        table = table.sort_values(order, kind="stable", ignore_index=True)
        publish(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
        for output, profile in outputs:
            write_csv(table, folder / output, profile=profile, schema=schema)


def _write_communes(folder: Path) -> None:
    """Write the outlines and figures of every commune of a version, for the map that compares them."""
    paths = partition_files(folder, "maps", _OUTLINE)
    if not paths:
        return
    latest = {path.parents[1]: path for path in paths}  # of each commune, the last millésime
    flow = folder / "flow.parquet"
    content = communes_geojson(
        [gpd.read_parquet(path) for path in latest.values()],
        pd.read_parquet(folder / "stock.parquet"),
        pd.read_parquet(flow) if flow.is_file() else pd.DataFrame(),
    )
    publish(folder / _COMMUNES, lambda temporary: temporary.write_bytes(content))

"""Lay a run's results out in a version of the workspace.

::

    polygons/commune_code=12174/millesime=2022/part.parquet   GeoParquet, one partition a commune and millésime
    tables/commune_code=12174/millesime=2022/stock.parquet, stock_long.parquet
    runs/commune_code=12174/millesime=2022/run.json           provenance
    communes/12174_2022.gpkg, .qml                            the same polygons with IGN's field names and styles
    communes/12174_2022_couverture.png, _artificialisation.png
    stock.csv, stock_long.csv, stock_excel.csv                every partition of the version, each beside its
                                                              Table Schema, .schema.json

Results limited by a perimeter stand under ``perimetre=NAME/``, NAME being its file's and a digest of its ground: they
replace neither those of whole communes nor those of another perimeter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ocsge.export import write_gpkg, write_json, write_parquet
from ocsge.publish import publish
from ocsge.styles import artif_style, couverture_style
from ocsge.table_files import write_csv
from ocsge.tables import STOCK, STOCK_LONG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import geopandas as gpd

    from ocsge.rules import Rules
    from ocsge.store import Workspace

_COMBINED = (
    "stock.csv",
    "stock.schema.json",
    "stock_long.csv",
    "stock_long.schema.json",
    "stock_excel.csv",
    "stock_excel.schema.json",
)


@dataclass(frozen=True, slots=True)
class Results:
    """What a run found, ready to be written."""

    polygons: gpd.GeoDataFrame
    """Table ``ARTIFICIALISED`` of the territory, with ``id`` and ``millesime``."""

    stock: pd.DataFrame
    """Table ``STOCK``."""

    stock_long: pd.DataFrame
    """Table ``STOCK_LONG``."""

    communes: gpd.GeoDataFrame
    """Outlines of the territory's communes."""

    millesime: int
    """Year described."""

    perimetre: str | None
    """Name of the perimeter, null for whole communes."""

    provenance: Mapping[str, object]
    """Inputs, rules, versions, parameters, counts; no time nor place."""

    credit: str
    """Credit line of the maps."""


def partition_of(commune_code: str, millesime: int, *, perimetre: str | None, kind: str) -> Path:
    """Return the folder, relative to a version, of one kind of table of a commune and millésime."""
    root = Path() if perimetre is None else Path(f"perimetre={perimetre}")
    return root / kind / f"commune_code={commune_code}" / f"millesime={millesime}"


def stem_of(commune_code: str, millesime: int) -> str:
    """Return how the names of a commune's files begin; ``hors_commune`` for ground in no known commune."""
    return f"{commune_code or 'hors_commune'}_{millesime}"


def published_key(version: Path, commune_code: str, millesime: int, *, perimetre: str | None) -> str | None:
    """Return the key of the run that made a partition of a version, or None when it is not there."""
    path = version / partition_of(commune_code, millesime, perimetre=perimetre, kind="runs") / "run.json"
    if not path.is_file():
        return None
    return str(json.loads(path.read_text(encoding="utf-8"))["key"])


def published_warnings(
    version: Path, commune_codes: Sequence[str], millesime: int, *, perimetre: str | None
) -> tuple[str, ...]:
    """Return the warnings of the runs that made partitions of a version, each once."""
    runs = [version / partition_of(code, millesime, perimetre=perimetre, kind="runs") for code in commune_codes]
    texts = [json.loads((run / "run.json").read_text(encoding="utf-8")).get("warnings", []) for run in runs]
    return tuple(dict.fromkeys(str(text) for part in texts for text in part))


def publish_results(workspace: Workspace, results: Results, *, rules: Rules, key: str) -> Path:
    """Publish a new version that holds ``results`` beside the partitions of the current one; return its folder.

    Raises
    ------
    OutputError
        When a file cannot be written; the current version is then untouched.
    """
    codes = sorted(set(results.communes["commune_code"]) | set(results.polygons["commune_code"]))
    # "" too: ground in no known commune may have been part of an earlier run of this territory, not of this one
    replaced = {(code, results.millesime) for code in (*codes, "")}

    def carry(relative: Path) -> bool:
        """Return whether a file of the current version stays in the next one."""
        if results.perimetre is not None and relative.parts[0] == f"perimetre={results.perimetre}":
            # a perimeter is derived at once: nothing of an earlier run of it stays at this millésime
            year = f"millesime={results.millesime}" in relative.parts or f"_{results.millesime}" in relative.name
            return not year and relative.name not in _COMBINED
        return relative.name not in _COMBINED and not _belongs(relative, replaced, results.perimetre)

    def fill(folder: Path) -> None:
        """Write the communes of the run, and the tables of all communes and perimeters anew."""
        for code in codes:
            _write_commune(folder, code, results, rules)
        _combine(folder if results.perimetre is None else folder / f"perimetre={results.perimetre}")
        for other in [folder, *sorted(folder.glob("perimetre=*"))]:
            if not (other / "stock.csv").exists() and (other / "tables").is_dir():
                _combine(other)

    return workspace.publish_version(fill, key=key, carry=carry)


def _belongs(relative: Path, replaced: set[tuple[str, int]], perimetre: str | None) -> bool:
    """Return whether a file of the current version describes a commune and millésime that is being replaced."""
    parts = relative.parts
    inside = parts[0].removeprefix("perimetre=") if parts[0].startswith("perimetre=") else None
    if inside != perimetre:
        return False
    for code, millesime in replaced:
        if f"commune_code={code}" in parts and f"millesime={millesime}" in parts:
            return True
        stem = stem_of(code, millesime)
        if relative.name.startswith((f"{stem}.", f"{stem}_")):
            return True
    return False


def _write_commune(folder: Path, code: str, results: Results, rules: Rules) -> None:
    def place(kind: str) -> Path:
        """Return the folder of one kind of file of the commune, made if needed."""
        path = folder / partition_of(code, results.millesime, perimetre=results.perimetre, kind=kind)
        path.mkdir(parents=True, exist_ok=True)
        return path

    polygons = results.polygons[results.polygons["commune_code"] == code].reset_index(drop=True)
    write_json(dict(results.provenance), place("runs") / "run.json")
    for name, table in (("stock", results.stock), ("stock_long", results.stock_long)):
        rows = table[table["commune_code"] == code]
        publish(place("tables") / f"{name}.parquet", partial(rows.to_parquet, index=False))
    if polygons.empty:
        return
    write_parquet(polygons, place("polygons") / "part.parquet", provenance={"key": results.provenance["key"]})
    from ocsge.maps import draw_map  # noqa: PLC0415  (matplotlib weighs on the engine's memory until it is needed)

    leaves = [entry for entry in rules.couvertures if entry.is_leaf]
    colours = {entry.code: entry.colour for entry in leaves}
    labels = {entry.code: entry.label_fr for entry in leaves}
    files = place("runs").parents[2] / "communes"
    files.mkdir(exist_ok=True)
    stem = stem_of(code, results.millesime)
    write_gpkg(
        polygons,
        files / f"{stem}.gpkg",
        layer=f"artif_{results.millesime}_{code or 'hors_commune'}",
        styles=(artif_style(), couverture_style(colours, labels)),
        provenance={"key": results.provenance["key"], "credit": results.credit},
    )
    outline = results.communes.loc[results.communes["commune_code"] == code]
    name = outline["nom"].iloc[0] if len(outline) else "hors commune connue"
    for kind, what in (("couverture", "Couverture du sol"), ("artificialisation", "Artificialisation")):
        draw_map(
            polygons,
            files / f"{stem}_{kind}.png",
            kind=kind,  # type: ignore[arg-type]
            title=f"{what} – {name} ({code}), {results.millesime}",
            colours=colours,
            labels=labels,
            outline=outline.geometry.iloc[0] if len(outline) and results.perimetre is None else None,
            credit=results.credit,
        )


def _combine(folder: Path) -> None:
    """Write the tables of every partition of a folder as CSV files."""
    for name, schema, outputs in (
        ("stock", STOCK, (("stock.csv", "machine"), ("stock_excel.csv", "excel-fr"))),
        ("stock_long", STOCK_LONG, (("stock_long.csv", "machine"),)),
    ):
        parts: Sequence[Path] = sorted(folder.glob(f"tables/*/*/{name}.parquet"))
        table = pd.concat([pd.read_parquet(part, partitioning=None) for part in parts], ignore_index=True)
        table = table.sort_values(["commune_code", "millesime"], kind="stable", ignore_index=True)
        for output, profile in outputs:
            write_csv(table, folder / output, profile=profile, schema=schema)  # type: ignore[arg-type]

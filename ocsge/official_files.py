"""Lay an official stock out in a workspace, beside what was derived.

::

    official/32001_32002_2022/stock.csv, stock_excel.csv, stock_long.csv   each beside its Table Schema, .schema.json
    official/32001_32002_2022/polygons.gpkg, .qml                          IGN's fields, styled, with the credit
    official/32001_32002_2022/run.json                                     provenance
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ocsge.export import write_gpkg, write_json
from ocsge.styles import artif_style
from ocsge.table_files import write_csv
from ocsge.tables import STOCK, STOCK_LONG

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.official import OfficialStock

LONGEST_NAME = 60
"""Characters of the codes of communes in the name of a folder; more codes are told by a digest."""


def folder_of(found: OfficialStock, workspace: Path) -> Path:
    """Return the folder of a territory and year: the communes asked for, then the perimeter, then the year."""
    codes = "_".join(found.communes)
    if len(codes) > LONGEST_NAME:
        codes = f"{codes[:5]}_and_others_{hashlib.sha256(codes.encode()).hexdigest()[:8]}"
    return workspace / "official" / "_".join([*filter(None, [codes, found.perimetre]), str(found.millesime)])


def write_official(found: OfficialStock, workspace: Path) -> tuple[Path, ...]:
    """Write an official stock in ``official/`` of a workspace, in the folder of its territory and year.

    The stock as CSV with Table Schemas, the polygons as a GeoPackage with IGN's fields, styled and credited,
    ``run.json``; the same territory and year replaces its files, another leaves them.

    Returns
    -------
    tuple of Path
        The files, ``run.json`` last: it is written once the others are.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    folder = folder_of(found, workspace)
    names = ("stock.csv", "stock_excel.csv", "stock_long.csv", "polygons.gpkg", "run.json")
    stock_csv, stock_excel, long_csv, drawn, run = (folder / name for name in names)
    write_csv(found.stock, stock_csv, schema=STOCK)
    write_csv(found.stock, stock_excel, profile="excel-fr", schema=STOCK)
    write_csv(found.stock_long, long_csv, schema=STOCK_LONG)
    write_gpkg(
        found.polygons.assign(source="official"),
        drawn,
        layer=f"artif_{found.millesime}",
        styles=[artif_style()],
        provenance={"key": found.provenance["key"], "credit": found.credit},
    )
    write_json(dict(found.provenance), run)
    return stock_csv, stock_excel, long_csv, drawn, run

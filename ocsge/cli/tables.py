"""``ocsge export`` and ``ocsge sql``: the tables of a workspace, in files and by query."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ocsge.cli.options import NEW_FOLDER, RESULTS, workspace_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb
    import pandas as pd

    from ocsge.table_exports import Profile

_WORKSPACE = workspace_option(RESULTS)
_SHOWN_ROWS = 100
_SHOWN_CHARACTERS = 60


@click.command()
@click.argument("folder", type=NEW_FOLDER)
@_WORKSPACE
@click.option(
    "--profile",
    type=click.Choice(["machine", "excel-fr", "portal", "xlsx"]),
    default="machine",
    show_default=True,
    help="CSV for programs, CSV for a French spreadsheet, columns of the national export, or a workbook.",
)
@click.option("--commune", "communes", multiple=True, metavar="INSEE", help="Commune code; repeat for several; all.")
def export(folder: Path, workspace: Path, profile: Profile, communes: tuple[str, ...]) -> None:
    """Write the tables of a workspace: CSV, portal, XLSX.

    They go in FOLDER, each CSV with its Table Schema beside it.
    """
    from ocsge.table_exports import export_tables

    for path in export_tables(workspace, folder, profile=profile, communes=communes or None):
        click.echo(path)


@click.command()
@click.argument("statement", required=False)
@_WORKSPACE
@click.option("--csv", "as_csv", is_flag=True, help="Print every row as CSV.")
def sql(statement: str | None, workspace: Path, as_csv: bool) -> None:
    """Query the tables of a workspace in DuckDB.

    With one SQL STATEMENT, or at a prompt; read only.
    """
    from ocsge.errors import ParameterError
    from ocsge.sql import open_views, query

    if statement is None and not sys.stdin.isatty():
        raise ParameterError('give a statement, such as "select commune_code, stock_ha from stock"')
    with open_views(workspace) as connection:
        if statement is None:
            _prompt(connection, as_csv=as_csv)
        else:
            _print(query(connection, statement), as_csv=as_csv)


def _prompt(connection: duckdb.DuckDBPyConnection, *, as_csv: bool) -> None:
    """Read statements, each ended by a semicolon, until the end of the input."""
    from ocsge.errors import ParameterError
    from ocsge.sql import query

    click.echo("SQL of DuckDB; `show tables;` lists the tables, Ctrl-D ends.", err=True)
    lines: list[str] = []
    while True:
        try:
            lines.append(input("ocsge> " if not lines else "   ... "))
        except EOFError:
            return
        text = "\n".join(lines).strip()
        if not text.endswith(";"):
            continue
        lines = []
        try:
            _print(query(connection, text), as_csv=as_csv)
        except ParameterError as error:
            click.echo(str(error), err=True)


def _print(rows: pd.DataFrame, *, as_csv: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ocsge.table_files import csv_text, is_null

    if as_csv:
        click.echo(csv_text(rows), nl=False)
        return
    shown = rows.head(_SHOWN_ROWS)
    texts = [["" if is_null(value) else _short(str(value)) for value in row] for row in shown.itertuples(index=False)]
    table = Table()
    for column in rows.columns:
        table.add_column(str(column), overflow="fold")
    for row in texts:
        table.add_row(*map(Text, row))
    console = Console()
    if console.measure(table, options=console.options.update(max_width=10_000)).maximum <= console.width:
        console.print(table)
    else:  # columns squeezed to a letter tell nothing: a line a column, as databases do
        _print_rows(list(map(str, rows.columns)), texts)
    if len(rows) > len(shown):
        click.echo(f"{len(shown)} of {len(rows)} rows; --csv prints them all", err=True)


def _print_rows(columns: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
    """Print each row as a block, a line a column."""
    widest = max(map(len, columns), default=0)
    for place, row in enumerate(texts, start=1):
        click.echo(f"-- row {place} --")
        for column, text in zip(columns, row, strict=True):
            click.echo(f"{column:>{widest}}  {text}".rstrip())


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"

"""``ocsge rules``: show, check and compare the rule tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocsge.cli.options import AT, FILE, FOLDER, NUMBERING, RULES, workspace_option
from ocsge.cli.printing import number, progress

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    import pandas as pd
    from rich.console import Console

    from ocsge.rules import Rules

_OVERLAY = click.option("--overlay", type=FOLDER, help="Folder of tables that replace rows of the rules.")


@click.group()
def rules() -> None:
    """Show, check, compare the rules, and measure their effect.

    Law and specification are tables.
    """


@rules.command()
@click.argument("table", required=False)
@click.option("--csv", "as_csv", is_flag=True, help="Print the rows as CSV, every column.")
@AT
@_OVERLAY
def show(table: str | None, as_csv: bool, at: dt.datetime | None, overlay: Path | None) -> None:
    """List the rule tables, or show the rows of TABLE that apply."""
    from ocsge.errors import ParameterError
    from ocsge.rule_tables import DOCUMENTATION
    from ocsge.rules import load_rules

    loaded = load_rules(at.date() if at else None, overlay=overlay)
    if table is None:
        _list_tables(loaded)
        return
    name = table.removesuffix(".csv")
    if name not in loaded.tables:
        known = ", ".join(loaded.tables)
        raise ParameterError(f"{table}: is not a rule table; the tables are {known}")
    rows = loaded.tables[name]
    fields = list(type(rows[0].facts).model_fields) if rows else []
    columns = [*(field for field in fields if field not in DOCUMENTATION), *DOCUMENTATION]
    cells = [row.facts.model_dump(mode="json") for row in rows]
    lines = [[row.row, *(_cell(line[column]) for column in columns)] for row, line in zip(rows, cells, strict=True)]
    if as_csv:
        _print_csv(["row", *columns], lines)
        return
    names = [" × ".join(row.key) for row in rows]
    _print_rows(["row", *columns], lines, names=names, title=f"{name}, at {loaded.at}")
    if name == "cosia_classes":
        click.echo("\n--numbering takes one of:")
        for system in sorted({system for found in loaded.cosia_classes for system in found.numbers}):
            click.echo(f"  {system}")


@rules.command()
@click.argument("directory", type=FOLDER, required=False)
@AT
@_OVERLAY
@click.pass_context
def check(context: click.Context, directory: Path | None, at: dt.datetime | None, overlay: Path | None) -> None:
    """Check every row of the rule tables (of DIRECTORY, or those of the distribution)."""
    from ocsge.errors import RulesError
    from ocsge.rules import check_rules, load_rules

    date = at.date() if at else None
    problems = check_rules(directory, overlay=overlay, at=date)
    for problem in problems:
        ours = overlay is not None and problem.startswith("overlay/")
        click.echo(f"{overlay}/{problem.removeprefix('overlay/')}" if ours else problem, err=True)
    if problems:
        if directory is not None and not _is_complete(directory):
            click.echo(f"is {directory} an overlay? check it with `ocsge rules check --overlay {directory}`", err=True)
        click.echo(f"{len(problems)} fault(s): nothing can be derived with these rules", err=True)
        context.exit(RulesError.exit_code)
    loaded = load_rules(date, overlay=overlay, directory=directory)
    count = sum(len(rows) for rows in loaded.tables.values())
    click.echo(f"{count} rows of {len(loaded.tables)} tables apply at {loaded.at}; no fault")
    click.echo(f"fingerprint {loaded.fingerprint}")


@rules.command()
@click.argument("a", type=FOLDER)
@click.argument("b", type=FOLDER, required=False)
@AT
def diff(a: Path, b: Path | None, at: dt.datetime | None) -> None:
    """Compare the rules of folder A with those of B, or those of the distribution with A alone.

    A folder that lacks some tables is an overlay: it is laid over the distribution.
    """
    from rich.markup import escape
    from rich.table import Table

    from ocsge.rules import diff_rules, load_rules

    date = at.date() if at else None
    first = _rules_of(a, date) if b else load_rules(date)
    second = _rules_of(b or a, date)
    differences = diff_rules(first, second)
    if not differences:
        click.echo("the same rules")
        return
    view = Table("table", "row", "column", "before", "after")
    for found in differences:
        cells = (found.column, found.before or "", found.after or "")
        view.add_row(found.table, " × ".join(found.key), *(escape(cell) for cell in cells))
    _console().print(view)
    click.echo(f"{len(differences)} difference(s)")


@rules.command()
@click.option("--commune", "communes", multiple=True, required=True, metavar="INSEE", help="Commune; repeat.")
@click.option("--millesime", type=int, required=True, help="Year of the state to derive.")
@workspace_option("Folder of the registered data.")
@RULES
@click.option("--cosia", type=FILE, help="CoSIA raster, folder or vector file.")
@NUMBERING
@click.option("--resolution", type=float, default=0.2, show_default=True, help="Pixel, metres; 1 is quick.")
@click.option("--csv", "as_csv", is_flag=True, help="Print every column as CSV.")
def sensitivity(
    communes: tuple[str, ...],
    millesime: int,
    workspace: Path,
    rules: Path | None,
    cosia: Path | None,
    numbering: str | None,
    resolution: float,
    as_csv: bool,
) -> None:
    """Measure how far each low-confidence value of the rules moves the stock, in hectares.

    One derivation for each end of each value; nothing is published.
    """
    from ocsge.sensitivity import sensitivity as measure_sensitivity
    from ocsge.states import Request

    request = Request(
        communes=communes,
        millesimes=(millesime,),
        cosia=() if cosia is None else (cosia,),
        numbering=numbering,
        resolution=resolution,
    )
    with progress("derivations") as advance:
        table = measure_sensitivity(
            communes=communes,
            millesime=millesime,
            workspace=workspace,
            rules=rules,
            request=request,
            progress=advance,
        )
    if as_csv:
        click.echo(table.to_csv(index=False, lineterminator="\n"), nl=False)
        return
    _print_sensitivity(table, title=f"Stock of {', '.join(communes)} at {millesime}")


def _print_sensitivity(table: pd.DataFrame, *, title: str) -> None:
    """Print what fits in 80 columns: each value with its range, and the stock at both ends, hectares."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    stock = number(table["stock_ha"].iloc[0], 1, unknown="")
    view = Table(title=f"{title}: {stock} ha", box=SIMPLE_HEAD, padding=0)
    view.add_column("rule", no_wrap=True)
    for name in ("low", "value", "high", "low ha", "high ha", "effect %"):
        view.add_column(name, justify="right", no_wrap=True)
    for line in table.to_dict("records"):
        bounds = [number(line[name], None, unknown="") for name in ("low", "value", "high")]
        stocks = [number(line[f"stock_{name}_ha"], 1, unknown="") for name in ("low", "high")]
        view.add_row(str(line["rule"]), *bounds, *stocks, number(line["effect_pct"], 1, unknown=""))
    _console().print(view)


def _console() -> Console:
    from rich.console import Console

    return Console()


def _print_csv(columns: list[str], lines: list[list[str]]) -> None:
    import csv
    import sys

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerows([columns, *lines])


def _print_rows(columns: list[str], lines: list[list[str]], *, names: list[str], title: str) -> None:
    """Print rows without the columns that are empty everywhere: a table, or a paragraph a row on a narrow terminal."""
    from rich.markup import escape
    from rich.table import Table

    console = _console()
    shown = [place for place in range(len(columns)) if any(line[place] for line in lines)]
    longest = [max(len(word) for line in [columns, *lines] for word in ["", *line[place].split()]) for place in shown]
    # a table narrower than its longest words and the borders between them cuts words
    if sum(len(f"│ {'x' * length} ") for length in longest) + len("│") > console.width:
        _print_paragraphs(columns, lines, names=names, title=title, width=console.width)
        return
    view = Table(*(columns[place] for place in shown), title=title)
    for line in lines:
        view.add_row(*(escape(line[place]) for place in shown))
    console.print(view)


def _print_paragraphs(columns: list[str], lines: list[list[str]], *, names: list[str], title: str, width: int) -> None:
    """Print each row as its name, then its columns and values over the width."""
    import textwrap

    click.echo(title)
    for name, line in zip(names, lines, strict=True):
        click.echo(f"\n{name}")
        cells = "; ".join(f"{column}: {cell}" for column, cell in zip(columns, line, strict=True) if cell)
        click.echo(
            textwrap.fill(
                cells,
                width,
                initial_indent="  ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ";".join(str(item) for item in value)
    return "" if value is None else str(value)


def _rules_of(folder: Path, at: dt.date | None) -> Rules:
    """Return the rules of a complete folder, or of the distribution under an overlay."""
    from ocsge.rules import load_rules

    return load_rules(at, directory=folder) if _is_complete(folder) else load_rules(at, overlay=folder)


def _is_complete(folder: Path) -> bool:
    """Return whether a folder holds every rule table; an overlay does not."""
    from ocsge.rule_tables import TABLES

    return all((folder / f"{table}.csv").exists() for table in TABLES)


def _list_tables(loaded: Rules) -> None:
    from rich.table import Table

    view = Table("table", "rows", "low confidence", title=f"Rules at {loaded.at}")
    for name, rows in loaded.tables.items():
        low = sum(row.facts.confidence == "low" for row in rows)
        view.add_row(name, str(len(rows)), str(low) if low else "")
    _console().print(view)
    click.echo(f"fingerprint {loaded.fingerprint}")

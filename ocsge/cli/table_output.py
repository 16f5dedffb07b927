"""Show a table on the terminal, or write it whole as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from ocsge.cli.options import NEW_FILE
from ocsge.cli.printing import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from ocsge.table_files import Profile

_Command = TypeVar("_Command", bound="Callable[..., Any]")


def written(command: _Command) -> _Command:
    """Give a command the options ``--output`` and ``--profile``."""
    output = click.option("--output", type=NEW_FILE, help="CSV with every column.")
    profile = click.option(
        "--profile",
        type=click.Choice(["machine", "excel-fr"]),
        default="machine",
        show_default=True,
        help="Separators of the CSV: comma and point, or semicolon and decimal comma.",
    )
    return output(profile(command))


def warn(texts: Iterable[str]) -> None:
    """Print what to know of the data on stderr, one line each."""
    for text in texts:
        click.echo(f"warning: {text}", err=True)


def show_table(
    table: pd.DataFrame, columns: Sequence[str], *, title: str, output: Path | None, profile: Profile
) -> None:
    """Print some columns of a table; write all of them when there is a file to write."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ocsge.table_files import write_csv

    if output is not None:
        write_csv(table, output, profile=profile)
    view = Table(title=title)
    for name in columns:
        numeric = table[name].dtype.kind in "fiu"
        view.add_column(name.replace("_", " "), justify="right" if numeric else "left")
    for row in table[list(columns)].itertuples(index=False):
        view.add_row(*(escape(_cell(value)) for value in row))
    Console().print(view)
    if output is not None:
        click.echo(f"{len(table)} rows, in {output}")


def _cell(value: object) -> str:
    import pandas as pd

    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    if isinstance(value, float):
        return number(value, 2)
    return str(value)

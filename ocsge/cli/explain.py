"""``ocsge explain``: why a place counts or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocsge.cli.options import RESULTS, RULES, workspace_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option("--commune", required=True, metavar="INSEE", help="Commune code.")
@click.option("--point", required=True, metavar="X,Y", help="Coordinates in the commune's projected CRS, or lon,lat.")
@click.option("--millesime", type=int, help="Year; the last one derived if absent.")
@workspace_option(RESULTS)
@RULES
def explain(commune: str, point: str, millesime: int | None, workspace: Path, rules: Path | None) -> None:
    """Say why a place counts as artificialised or not.

    From the result kept in the workspace; with the overlay that it was derived with.
    """
    from ocsge.errors import ParameterError
    from ocsge.explain import explain as explain_point

    try:
        x, y = (float(part) for part in point.replace(";", ",").split(","))
    except ValueError:
        raise ParameterError(f"--point {point!r}: give two numbers separated by a comma, X,Y") from None
    found = explain_point(workspace, commune=commune, point=(x, y), millesime=millesime, rules=rules)
    for label, text in found.lines():
        click.echo(f"{label:<12} {text}")

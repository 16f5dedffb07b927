"""``ocsge report``: the printable report of a commune."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocsge.cli.options import NEW_FILE, RESULTS, workspace_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option("--commune", required=True, metavar="INSEE", help="Commune code.")
@workspace_option(RESULTS)
@click.option("--millesime", "millesimes", type=int, multiple=True, help="Year; twice for a pair; the last pair.")
@click.option("--rate", type=click.FloatRange(0, 100), help="Reduction, %, of the territory's documents.")
@click.option("--guarantee/--no-guarantee", default=None, help="Whether the communal guarantee applies; unknown.")
@click.option("--out", type=NEW_FILE, required=True, help="HTML file to write; replaced.")
def report(
    commune: str,
    workspace: Path,
    millesimes: tuple[int, ...],
    rate: float | None,
    guarantee: bool | None,
    out: Path,
) -> None:
    """Write the printable report of a commune, in French.

    It lays out what the rapport triennal local asks for, ready to print.
    """
    from ocsge.publish import publish
    from ocsge.report import local_report

    text = local_report(
        workspace,
        commune=commune,
        millesimes=tuple(sorted(millesimes)) or None,
        reduction_pct=rate,
        guaranteed=guarantee,
    )
    publish(out, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    click.echo(out)

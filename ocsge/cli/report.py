"""``ocsge report``: the printable report of a commune."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--commune", required=True, metavar="INSEE", help="Commune code.")
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("ocsge-workspace"),
    show_default=True,
    help="Folder that holds the results.",
)
@click.option("--millesime", "millesimes", type=int, multiple=True, help="Year; twice for a pair; the last pair.")
@click.option("--rate", type=click.FloatRange(0, 100), help="Reduction, %, of the territory's documents.")
@click.option("--guarantee/--no-guarantee", default=None, help="Whether the communal guarantee applies; unknown.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="HTML file to write; replaced."
)
def report(
    commune: str,
    workspace: Path,
    millesimes: tuple[int, ...],
    rate: float | None,
    guarantee: bool | None,
    out: Path,
) -> None:
    """Write the printable report of a commune, in French, for the rapport triennal local."""
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

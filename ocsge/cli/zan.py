"""``ocsge zan``: consumption of ENAF against what the tranche allows, and the local report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ocsge.cli.options import AT, FILE, RULES
from ocsge.cli.table_output import show_table, warn, written

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path

    from ocsge.rules import Rules
    from ocsge.table_files import Profile

NOTICE = "ENAF and net artificialisation are two regimes: no rate of one applies to the other. No legal opinion."


def _law(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the objective."""
    for option in (
        click.option("--rate", type=click.FloatRange(0, 100), help="Reduction, %, of the territory's documents."),
        click.option("--guaranteed", multiple=True, metavar="INSEE", help="Commune under the guarantee; all; none."),
        RULES,
        AT,
    ):
        command = option(command)
    return command


@click.group()
def zan() -> None:
    """Follow the consumption of ENAF against what the ZAN allows.

    The files of ENAF are in m².
    """


@zan.command()
@click.argument("enaf", type=FILE)
@click.option("--flow", type=FILE, help="CSV of flow: net artificialisation, in columns of its own.")
@_law
@written
def trajectory(
    enaf: Path,
    flow: Path | None,
    rate: float | None,
    guaranteed: tuple[str, ...],
    rules: Path | None,
    at: dt.datetime | None,
    output: Path | None,
    profile: Profile,
) -> None:
    """Compare the consumption of ENAF, Cerema's table by commune, with what the tranche allows."""
    from ocsge.zan_files import zan_trajectory

    table = zan_trajectory(enaf, _rules(rules, at), reduction_pct=rate, guaranteed=guaranteed, flow=flow)
    figures = ["reference", "allowed", "consumed", "projection"]
    columns = ["commune_code", "nom", *(f"enaf_{name}_ha" for name in figures), "compliance"]
    columns += ["net_artificialisation_ha"] if flow else []
    show_table(table, [*columns, "flags"], title="ZAN, hectares", output=output, profile=profile)
    click.echo(NOTICE)


@zan.command()
@click.argument("enaf", type=FILE)
@click.argument("changes", type=FILE)
@_law
@written
def report(
    enaf: Path,
    changes: Path,
    rate: float | None,
    guaranteed: tuple[str, ...],
    rules: Path | None,
    at: dt.datetime | None,
    output: Path | None,
    profile: Profile,
) -> None:
    """Lay out the figures of the rapport triennal local, from ENAF and the CHANGES of a pair of millésimes."""
    from ocsge.zan_files import zan_report

    told: list[str] = []
    table = zan_report(enaf, changes, _rules(rules, at), reduction_pct=rate, guaranteed=guaranteed, tell=told.append)
    columns = ["commune_code", "part", "label_fr", "from_year", "to_year", "value", "unit"]
    show_table(table, columns, title="Rapport triennal local (art. R.2231-1 CGCT)", output=output, profile=profile)
    warn(told)
    click.echo(NOTICE)


def _rules(overlay: Path | None, at: dt.datetime | None) -> Rules:
    from ocsge.rules import load_rules

    return load_rules(at.date() if at else None, overlay=overlay)

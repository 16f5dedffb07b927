"""``ocsge corrections``: the local corrections of a workspace, which the next derivation applies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocsge.cli.options import workspace_option
from ocsge.cli.printing import number
from ocsge.correction_faults import STATUSES, Status

if TYPE_CHECKING:
    import geopandas as gpd

_WORKSPACE = workspace_option()
_YEARS = ("millesime_from", "millesime_to")
_IDS = click.argument("ids", nargs=-1, required=True)


@click.group()
def corrections() -> None:
    """Correct the cover or usage of ground, reversibly.

    Accepted corrections come before all other evidence.
    """


@corrections.command("list")
@_WORKSPACE
@click.option("--status", type=click.Choice(STATUSES), help="Only those of this status.")
def list_(workspace: Path, status: str | None) -> None:
    """List the corrections of a workspace."""
    from rich.console import Console
    from rich.table import Table

    from ocsge.corrections import read_corrections

    every = read_corrections(workspace)
    shown = every if status is None else every[every["status"] == status]
    columns = ("id", "status", "code_cs", "code_us", "years", "m²", "author", "date", "reason")
    table = Table(*columns, title=f"Local corrections of {workspace}")
    for row in shown.to_dict("records"):
        first, last = (number(row[name], None, unknown="") for name in _YEARS)
        ground = "" if row["geometry"] is None else number(row["geometry"].area, 0)
        texts = {name: row.get(name) or "" for name in columns}
        cells = {**texts, "years": f"{first}–{last}" if first or last else "every", "m²": ground}
        table.add_row(*(cells[name] for name in columns))
    Console().print(table)


@corrections.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--code-cs", help="Cover of the ground, a leaf (ocsge rules show couverture).")
@click.option("--code-us", help="Usage of the ground, a leaf (ocsge rules show usage).")
@click.option("--author", required=True, help="Who says so.")
@click.option("--reason", required=True, help="From what: a visit, a permit, an image.")
@click.option("--from", "millesime_from", type=int, metavar="YEAR", help="First year it holds for.")
@click.option("--to", "millesime_to", type=int, metavar="YEAR", help="Last year it holds for.")
@_WORKSPACE
def add(
    file: Path,
    code_cs: str | None,
    code_us: str | None,
    author: str,
    reason: str,
    millesime_from: int | None,
    millesime_to: int | None,
    workspace: Path,
) -> None:
    """Propose one correction: the polygons of FILE, of one layer in the projected CRS of the territory."""
    from ocsge.corrections import add_correction, read_ground
    from ocsge.rules import load_rules

    ground, epsg = read_ground(file)
    name = add_correction(
        workspace,
        ground,
        load_rules(),
        epsg=epsg,
        author=author,
        reason=reason,
        code_cs=code_cs,
        code_us=code_us,
        millesime_from=millesime_from,
        millesime_to=millesime_to,
    )
    click.echo(f"{name}: proposed; `ocsge corrections apply {name} --workspace {workspace}` accepts it")


@corrections.command()
@_IDS
@_WORKSPACE
def apply(ids: tuple[str, ...], workspace: Path) -> None:
    """Accept corrections, and say what to derive again for them to count."""
    _decide(workspace, ids, "accepted")


@corrections.command()
@_IDS
@_WORKSPACE
def reject(ids: tuple[str, ...], workspace: Path) -> None:
    """Reject proposed corrections; they stay in the layer."""
    _decide(workspace, ids, "rejected")


@corrections.command()
@_IDS
@_WORKSPACE
def withdraw(ids: tuple[str, ...], workspace: Path) -> None:
    """Take accepted corrections back; the next derivation gives what was there without them."""
    _decide(workspace, ids, "withdrawn")


@corrections.command()
@_WORKSPACE
def check(workspace: Path) -> None:
    """Check every correction: codes, years, author, reason, ground, status."""
    from ocsge.correction_faults import faults
    from ocsge.corrections import LAYER, corrections_path, read_corrections
    from ocsge.errors import LayerError
    from ocsge.rules import load_rules

    every = read_corrections(workspace)
    found = faults(every, load_rules(), where=f"{corrections_path(workspace)} layer {LAYER}")
    for text in found:
        click.echo(text)
    if found:
        raise LayerError(f"{corrections_path(workspace)}: {len(found)} faults in {len(every)} corrections; see above")
    counts = ", ".join(f"{int((every['status'] == status).sum())} {status}" for status in STATUSES)
    click.echo(f"{workspace}: {len(every)} corrections without fault ({counts})")


def _decide(workspace: Path, ids: tuple[str, ...], status: Status) -> None:
    from ocsge.corrections import read_corrections, set_status
    from ocsge.rules import load_rules

    rules = load_rules()
    before = read_corrections(workspace)
    changed = set_status(workspace, ids, status, rules)
    click.echo(f"{', '.join(changed['id'])}: {status}")
    was_accepted = (before["id"].isin(ids) & (before["status"] == "accepted")).any()
    if status == "accepted" or was_accepted:
        _say_what_to_derive(workspace, changed, reach_m=rules.interpretation_threshold["context_m"])


def _say_what_to_derive(workspace: Path, changed: gpd.GeoDataFrame, *, reach_m: float) -> None:
    from ocsge.correction_trace import results_concerned

    concerned = results_concerned(workspace, changed, reach_m=reach_m)
    if not concerned:
        click.echo(f"no result of {workspace} lies within {reach_m:.0f} m: nothing to derive again")
        return
    click.echo(f"derive again, as you did (results within {reach_m:.0f} m):")
    for code, millesime, perimetre in concerned:
        place = f"commune {code}" if perimetre is None else f"perimeter {perimetre}, commune {code or '(none)'}"
        click.echo(f"  {place}, millésime {millesime}")

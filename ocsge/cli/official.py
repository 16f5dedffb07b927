"""``ocsge derive --source official``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocsge.cli.printing import number
from ocsge.cli.table_output import warn
from ocsge.legal_notice import NO_BUILDING_RULE

if TYPE_CHECKING:
    from ocsge.official import OfficialStock


def derive_official_and_print(**request: object) -> None:
    """Measure the stock on IGN's polygons, print it, and write its files under ``official/`` of the workspace.

    Parameters
    ----------
    request
        Parameters of :func:`ocsge.official.derive_official`; ``rules`` is the folder of an overlay.
    """
    from ocsge.official import derive_official
    from ocsge.official_files import write_official
    from ocsge.rules import load_rules
    from ocsge.store import Workspace

    law = load_rules(overlay=request.pop("rules"))  # type: ignore[arg-type]
    store = Workspace(request["workspace"])  # type: ignore[arg-type]
    found = derive_official(**request, rules=law)  # type: ignore[arg-type]
    _print(found)
    with store.locked():
        written = write_official(found, store.path)
    for path in written:
        click.echo(f"  {path}")
    warn(found.warnings)


def _print(found: OfficialStock) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = ("commune", "nom", "surface ha", "stock ha", "part %", "matrix alone ha", "coverage %", "flags")
    table = Table(*columns, title=f"Artificialised land (stock) at {found.millesime}, on the polygons of IGN")
    for row in found.stock.to_dict("records"):
        figures = (row["surface_ha"], row["stock_ha"], row["part_pct"], row["matrix_ha"], row["coverage_pct"])
        shown = [number(value, 2) for value in figures]
        table.add_row(row["commune_code"], str(row["nom"] or ""), *shown, str(row["flags"]).replace("+", ", "))
    console = Console()
    console.print(table)
    left_out = sum(found.states.unclassified.values())
    if left_out:
        console.print(f"{left_out} objects were left out: their codes tell no state.")
    console.print(NO_BUILDING_RULE)

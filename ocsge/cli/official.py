"""``ocsge derive --source official``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import click

from ocsge.cli.printing import number
from ocsge.legal_notice import NO_BUILDING_RULE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ocsge.official import OfficialStock


LONGEST_NAME = 60
"""Characters of the codes of communes in the name of a folder; more codes are told by a digest."""


def derive_official_and_print(not_for_official: Mapping[str, object], **request: object) -> None:
    """Measure the stock on IGN's polygons, print it, and write its files under ``official/`` of the workspace.

    Parameters
    ----------
    not_for_official
        Options that say how to derive polygons, with their values: none may be given.
    request
        Parameters of :func:`ocsge.official.derive_official`; ``rules`` is the folder of an overlay.
    """
    from ocsge.official import derive_official, write_official
    from ocsge.rules import load_rules
    from ocsge.store import Workspace

    if given := [name for name, value in not_for_official.items() if value]:
        raise click.UsageError(f"{', '.join(given)}: the polygons of an official layer are not derived; leave it out")
    law = load_rules(overlay=request.pop("rules"))  # type: ignore[arg-type]
    store = Workspace(request["workspace"])  # type: ignore[arg-type]
    found = derive_official(**request, rules=law)  # type: ignore[arg-type]
    _print(found)
    with store.locked():
        written = write_official(found, _folder(store.path, found, request["perimetre"]))
    for path in written:
        click.echo(f"  {path}")


def _folder(workspace: Path, found: OfficialStock, perimetre: object) -> Path:
    codes = "_".join(code for code in found.stock["commune_code"] if code)
    if len(codes) > LONGEST_NAME:
        codes = f"{codes[:5]}_and_others_{hashlib.sha256(codes.encode()).hexdigest()[:8]}"
    name = codes if perimetre is None else getattr(perimetre, "stem", "perimetre")
    return workspace / "official" / f"{name}_{found.millesime}"


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

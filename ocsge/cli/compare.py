"""``ocsge compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocsge.cli.given import refuse_given
from ocsge.cli.options import FILE, NEW_FOLDER, RULES, assume_crs_option, workspace_option
from ocsge.cli.printing import number
from ocsge.cli.table_output import warn

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.compare import Comparison


@click.command()
@click.option("--reference", type=FILE, required=True, help="IGN's artificialisation: file, folder or archive.")
@click.option("--result", type=FILE, help="A result to overlay instead of computing on the reference's polygons.")
@click.option("--commune", "communes", multiple=True, metavar="INSEE", help="Commune to compare; the whole if absent.")
@click.option("--millesime", type=int, help="Year, when the reference holds several.")
@workspace_option("Folder of the registered outlines of the communes.")
@RULES
@click.option("--keep-unclassified", is_flag=True, help="Leave out objects whose codes tell no state; else refused.")
@assume_crs_option("files that declare")
@click.option("--out", type=NEW_FOLDER, help="Folder of the tables and the map.")
def compare(
    reference: Path,
    result: Path | None,
    communes: tuple[str, ...],
    millesime: int | None,
    workspace: Path,
    rules: Path | None,
    keep_unclassified: bool,
    assume_crs: int | None,
    out: Path | None,
) -> None:
    """Publish the agreement with IGN's artificialisation layer.

    That of its artif and crit_seuil with ours, or of two results.
    """
    from ocsge.compare import compare_files, compare_with_reference, write_comparison
    from ocsge.rules import load_rules

    if result is None:
        found = compare_with_reference(
            reference,
            communes=communes,
            workspace=workspace,
            millesime=millesime,
            rules=load_rules(overlay=rules),
            unclassified="keep" if keep_unclassified else "error",
            assume_crs=assume_crs,
        )
    else:
        refuse_given(
            "communes",
            "rules",
            "keep_unclassified",
            "workspace",
            why="does not go with --result: two results are compared as they are",
        )
        found = compare_files(reference, result, millesime=millesime, assume_crs=assume_crs)
    _print(found)
    warn(found.warnings)
    for path in write_comparison(found, out) if out is not None else ():
        click.echo(str(path))


def _print(found: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table

    from ocsge.tables import M2_PER_HECTARE

    table = Table("measure", "reference", "ours", "objects", "ha", title="Agreement with the reference")
    hectares = found.confusion["area_m2"] / M2_PER_HECTARE
    for row, area_ha in zip(found.confusion.itertuples(), hectares.tolist(), strict=True):
        table.add_row(str(row.measure), str(row.reference), str(row.ours), str(row.objects), number(area_ha, 4))
    console = Console()
    console.print(table)
    for measure in dict.fromkeys(found.confusion["measure"]):
        by_area, by_count = (found.agreement_pct(measure, by=by) for by in ("area_m2", "objects"))
        console.print(f"{measure}: same on {by_area:.2f} % of the area, {by_count:.2f} % of the objects")
    edge = int(found.disagreements["edge"].sum())
    console.print(f"{len(found.disagreements)} disagreements, {edge} of them at the edge of the data")
    if found.unclassified_m2:
        console.print(f"left out, codes without a state: {number(found.unclassified_m2 / M2_PER_HECTARE, 4)} ha")

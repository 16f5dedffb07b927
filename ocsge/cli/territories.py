"""``ocsge territories``: sums by territory, by PLU zone, and official figures beside derived ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocsge.cli.options import FILE, FOLDER, RESULTS, assume_crs_option, workspace_option
from ocsge.cli.table_output import show_table, warn, written

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.table_files import Profile


@click.group()
def territories() -> None:
    """Sum by territory and PLU zone; compare with the portal."""


@territories.command("sum")
@click.argument("table", type=FILE)
@click.option(
    "--level",
    type=click.Choice(["epci", "scot", "canton", "arrondissement", "departement", "region", "commune"]),
    required=True,
    help="Territories to sum by.",
)
@click.option("--membership", type=FILE, help="CSV: commune_code, cog_year, and the territories of each commune.")
@click.option("--workspace", type=FOLDER, help="Folder whose registered ADMIN EXPRESS completes the membership.")
@click.option("--movements", type=FILE, help="CSV of merges and splits of communes, followed first.")
@click.option("--cog-year", type=int, help="COG of the membership, when it does not say.")
@written
def sum_by(
    table: Path,
    level: str,
    membership: Path | None,
    workspace: Path | None,
    movements: Path | None,
    cog_year: int | None,
    output: Path | None,
    profile: Profile,
) -> None:
    """Sum TABLE, a stock.csv or a flow, over the territories of a level.

    Only communes of the same millésimes are added; a commune without data lowers the coverage.
    """
    from ocsge.territory_files import territory_sums

    told: list[str] = []
    sums = territory_sums(
        table,
        level=level,
        membership=membership,
        workspace=workspace,
        movements=movements,
        cog_year=cog_year,
        tell=told.append,
    )
    figures = ["net_ha", "net_ha_an"] if "net_ha" in sums.columns else ["stock_ha", "part_pct"]
    columns = ["territory_code", "territory_nom", "millesimes", "source", *figures, "coverage_pct", "flags"]
    show_table(sums, columns, title=f"Artificialised land by {level}", output=output, profile=profile)
    warn(told)


@territories.command()
@click.argument("zones", type=FILE)
@click.option("--commune", required=True, metavar="INSEE", help="Commune code.")
@click.option("--millesime", type=int, help="Year; the last one derived if absent.")
@workspace_option(RESULTS)
@assume_crs_option("a file that declares")
@written
def plu(
    zones: Path,
    commune: str,
    millesime: int | None,
    workspace: Path,
    assume_crs: int | None,
    output: Path | None,
    profile: Profile,
) -> None:
    """Measure artificialised land by type of zone of ZONES, a ZONE_URBA file of the CNIG standard."""
    from ocsge.territory_files import plu_zone_areas

    told: list[str] = []
    areas = plu_zone_areas(
        zones, commune=commune, workspace=workspace, millesime=millesime, assume_crs=assume_crs, tell=told.append
    )
    columns = ["in_plu", "typezone", "zone_ha", "artif_ha", "impermeable_ha", "part_pct", "flags"]
    title = f"Zones of {commune} at {areas['millesime'].iloc[0]}"
    show_table(areas, columns, title=title, output=output, profile=profile)
    warn(told)


@territories.command()
@click.argument("export", type=FILE)
@click.option("--table", type=FILE, help="CSV of stock or flow to set beside; official stocks alone if absent.")
@written
def official(export: Path, table: Path | None, output: Path | None, profile: Profile) -> None:
    """Check EXPORT, the national export of the portal, and set its figures beside derived ones."""
    from ocsge.territory_files import compare_with_portal

    found = compare_with_portal(export, table)
    years = [name for name in found.beside.columns if name.startswith("millesime")]
    figures = ["derived_ha", "official_ha", "gap_ha", "gap_pct"] if table else ["surface_ha", "stock_ha", "part_pct"]
    columns = ["commune_code", "nom", *years, *figures]
    show_table(found.beside, columns, title="Official figures", output=output, profile=profile)
    for row in found.broken.itertuples():
        click.echo(f"{row.commune_code}: {row.column} is {row.given:g}, {row.expected:g} by {row.identity}", err=True)
    click.echo(f"{len(found.broken)} identities of the export do not hold")

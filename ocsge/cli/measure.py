"""``ocsge measure``: cover areas in any polygons, straight from a class raster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ocsge.measure_raster import MeasuredRaster

_FILE = click.Path(exists=True, path_type=Path)
_SHOWN_ROWS = 60


@click.command()
@click.option("--raster", type=_FILE, required=True, help="Class raster, or folder of dalles.")
@click.option("--zones", type=_FILE, required=True, help="Vector file of polygons, in any CRS.")
@click.option("--numbering", help="Numbering system of the raster's classes (ocsge rules show cosia_classes).")
@click.option("--confusion", type=_FILE, help="Confusion matrix of the raster's model; the one beside it if absent.")
@click.option("--layer", help="Layer of the zones, when the file has several.")
@click.option("--name", "name_field", metavar="FIELD", help="Field that names the zones; one name is one zone.")
@click.option("--resolution", "resolution_m", type=float, help="Pixel, metres; the raster's own if absent.")
@click.option("--resample", is_flag=True, help="Accept a raster that does not lie on the grid (nearest pixel).")
@click.option(
    "--invalid",
    type=click.Choice(["repair", "stop"]),
    default="repair",
    show_default=True,
    help="What to do with invalid geometries.",
)
@click.option("--assume-crs", type=int, metavar="EPSG", help="CRS of zones that declare none.")
@click.option(
    "--method",
    type=click.Choice(["auto", "rasterstats", "runs"]),
    default="auto",
    show_default=True,
    help="How pixels are counted; the result is the same.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads; every core this process may use if absent.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="CSV file to write.")
def measure(raster: Path, zones: Path, out: Path | None, **options: object) -> None:
    """Measure the area of each class of a raster in each zone, in m², with ± when a confusion matrix is there."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from ocsge.measure_raster import measure_raster
    from ocsge.table_files import write_csv

    messages = Console(stderr=True)
    columns = (TextColumn("{task.description:<18}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(
        *columns, TimeElapsedColumn(), console=messages, transient=True, disable=not messages.is_terminal
    ) as bar:
        task = bar.add_task("measuring", total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        found = measure_raster(raster, zones, progress=advance, **options)  # type: ignore[arg-type]
    if out is not None:
        write_csv(found.table, out)
    _print_areas(Console(), found, out)
    for text in found.warnings:
        click.echo(f"warning: {text}", err=True)


def _print_areas(console: Console, found: MeasuredRaster, out: Path | None) -> None:
    from rich.table import Column, Table
    from rich.text import Text

    numbers = [Column(header, justify="right") for header in ("area m²", "share %", "adjusted m²", "± m²")]
    table = Table("zone", "class", *numbers, title="Cover areas")
    for row in found.table.head(_SHOWN_ROWS).itertuples():
        table.add_row(
            Text(str(row.zone)),
            str(row.cosia_class),
            *(_number(value, decimals) for value, decimals in ((row.area_m2, 1), (row.share_pct, 2))),
            *(_number(value, 0) for value in (row.adjusted_m2, row.ci95_m2)),
        )
    console.print(table)
    if len(found.table) > _SHOWN_ROWS:
        console.print(f"{len(found.table) - _SHOWN_ROWS} more rows; --out FILE writes them all.")
    reasons = {reason for reason in found.table["no_interval"] if reason}
    for reason in sorted(reasons):
        console.print(f"No interval: {reason}.", highlight=False)
    if found.confusion is not None and found.table["ci95_m2"].notna().any():
        console.print(f"± is 95 %, of the classifier alone, from {found.confusion}", highlight=False, soft_wrap=True)
    if out is not None:
        console.print(f"File: {out}", highlight=False, soft_wrap=True)


def _number(value: object, decimals: int) -> str:
    number = float(str(value))
    return "–" if number != number else f"{number:,.{decimals}f}".replace(",", " ")  # noqa: PLR0124  (NaN)

"""``ocsge measure``: cover areas in any polygons, straight from a class raster."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from ocsge.cli.options import FILE, INVALID, NEW_FILE, NUMBERING, RESAMPLE, THREADS, assume_crs_option
from ocsge.cli.printing import number, progress
from ocsge.cli.table_output import warn

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from ocsge.measure_raster import MeasuredRaster

_SHOWN_ROWS = 60


@click.command()
@click.option("--raster", type=FILE, required=True, help="Class raster, or folder of dalles.")
@click.option("--zones", type=FILE, required=True, help="Vector file of polygons, in any CRS.")
@NUMBERING
@click.option("--confusion", type=FILE, help="Confusion matrix of the raster's model; the one beside it if absent.")
@click.option("--layer", help="Layer of the zones, when the file has several.")
@click.option("--name", "name_field", metavar="FIELD", help="Field that names the zones; one name is one zone.")
@click.option("--resolution", "resolution_m", type=float, help="Pixel, metres; the raster's own if absent.")
@RESAMPLE
@INVALID
@assume_crs_option("zones that declare")
@click.option(
    "--method",
    type=click.Choice(["auto", "rasterstats", "runs"]),
    default="auto",
    show_default=True,
    help="How pixels are counted; the result is the same.",
)
@THREADS
@click.option("--out", type=NEW_FILE, help="CSV file to write.")
def measure(raster: Path, zones: Path, out: Path | None, **options: object) -> None:
    """Measure cover areas in any polygons, straight from a class raster.

    In m², by class and zone, with ± when a confusion matrix is there.
    """
    from rich.console import Console

    from ocsge.measure_raster import measure_raster
    from ocsge.table_files import write_csv

    with progress("measuring") as advance:
        found = measure_raster(raster, zones, progress=partial(advance, "measuring"), **options)  # type: ignore[arg-type]
    if out is not None:
        write_csv(found.table, out)
    _print_areas(Console(), found, out)
    warn(found.warnings)


def _print_areas(console: Console, found: MeasuredRaster, out: Path | None) -> None:
    from rich.table import Column, Table
    from rich.text import Text

    numbers = [Column(header, justify="right") for header in ("area m²", "share %", "adjusted m²", "± m²")]
    table = Table("zone", "class", *numbers, title="Cover areas")
    for row in found.table.head(_SHOWN_ROWS).itertuples():
        table.add_row(
            Text(str(row.zone)),
            str(row.cosia_class),
            *(number(value, decimals) for value, decimals in ((row.area_m2, 1), (row.share_pct, 2))),
            *(number(value, 0) for value in (row.adjusted_m2, row.ci95_m2)),
        )
    console.print(table)
    if len(found.table) > _SHOWN_ROWS:
        console.print(f"{len(found.table) - _SHOWN_ROWS} more rows; --out FILE writes them all.")
    reasons = {reason for reason in found.table["no_interval"] if reason}
    for reason in sorted(reasons):
        console.print(f"No interval: {reason}.", highlight=False)
    if found.confusion is not None and found.table["ci95_m2"].notna().any():
        by = ", by level of the model's probability" if found.by_probability else ""
        console.print(
            f"± is 95 % and holds the sampling error of {found.confusion} alone{by}. It supposes that the model errs "
            f"in these zones as where the matrix was sampled ({found.samples or 'where is not stated'}): on other "
            "ground the true areas may well lie outside.",
            highlight=False,
            soft_wrap=True,
        )
    if out is not None:
        console.print(f"File: {out}", highlight=False, soft_wrap=True)

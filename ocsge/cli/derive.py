"""``ocsge derive`` and ``ocsge demo``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocsge.cli.given import refuse_given
from ocsge.cli.table_output import warn

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from ocsge.derivation import Derivation

DEMO_COMMUNE, DEMO_MILLESIMES = "12174", (2019, 2022)
_FILE = click.Path(exists=True, path_type=Path)
_WORKSPACE = click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("ocsge-workspace"),
    show_default=True,
    help="Folder of the registered data and of the results.",
)
_JOBS = click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Worker processes.")
_THREADS = click.option(
    "--threads", type=click.IntRange(min=1), help="Threads, with one job; every core this process may use when absent."
)
_HOW_TO_DERIVE = (
    "cosia",
    "numbering",
    "zone_construite",
    "keep_going",
    "resolution",
    "resample",
    "window_m",
    "jobs",
    "threads",
)
"""Options that say how to derive polygons."""


@click.command()
@click.option("--commune", "communes", multiple=True, metavar="INSEE", help="Commune code; repeat for several.")
@click.option("--perimetre", type=_FILE, help="File of polygons that limits the territory.")
@click.option(
    "--millesime",
    "millesimes",
    type=int,
    multiple=True,
    required=True,
    help="Year of the state to derive; repeat for the flow between years, the earliest first.",
)
@_WORKSPACE
@click.option(
    "--cosia", type=_FILE, multiple=True, help="CoSIA raster, folder of dalles, or vector file; one a millésime."
)
@click.option("--numbering", help="Numbering system of the raster's classes (ocsge rules show cosia_classes).")
@click.option(
    "--zone-construite", type=_FILE, help="Official zone construite; derived from the built ground if absent."
)
@click.option("--rules", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Overlay of rule tables.")
@click.option("--resolution", type=float, default=0.2, show_default=True, help="Pixel, metres; 1 is a preview.")
@click.option("--resample", is_flag=True, help="Accept a raster that does not lie on the grid (nearest pixel).")
@click.option(
    "--invalid",
    type=click.Choice(["repair", "stop"]),
    default="repair",
    show_default=True,
    help="What to do with invalid geometries.",
)
@click.option("--assume-crs", type=int, metavar="EPSG", help="CRS of vector files that declare none.")
@click.option("--window", "window_m", type=click.IntRange(min=500), metavar="METRES", help="Side of the windows.")
@click.option("--keep-going", is_flag=True, help="Derive each commune by itself when bad data refuses all together.")
@click.option(
    "--source",
    type=click.Choice(["derived", "official"]),
    default="derived",
    show_default=True,
    help="Whose polygons: derived from the layers, or those of IGN's OCS GE.",
)
@click.option("--ocs-ge", type=_FILE, help="With --source official: IGN's layer; the registered one if absent.")
@click.option("--keep-unclassified", is_flag=True, help="With --source official: leave out codes without a state.")
@_JOBS
@_THREADS
def derive(  # noqa: PLR0917  (click passes by name)
    communes: tuple[str, ...],
    perimetre: Path | None,
    millesimes: tuple[int, ...],
    workspace: Path,
    cosia: tuple[Path, ...],
    numbering: str | None,
    zone_construite: Path | None,
    rules: Path | None,
    resolution: float,
    resample: bool,
    invalid: str,
    assume_crs: int | None,
    window_m: int | None,
    keep_going: bool,
    source: str,
    ocs_ge: Path | None,
    keep_unclassified: bool,
    jobs: int,
    threads: int | None,
) -> None:
    """Derive OCS GE polygons, their artificialised state with its reason, and the stock of a territory."""
    if source == "official":
        from ocsge.cli.official import derive_official_and_print

        refuse_given(*_HOW_TO_DERIVE, why="the polygons of an official layer are not derived; leave it out")
        derive_official_and_print(
            communes=communes,
            perimetre=perimetre,
            millesime=_only(millesimes),
            workspace=workspace,
            layer=ocs_ge,
            rules=rules,
            unclassified="keep" if keep_unclassified else "error",
            invalid=invalid,
            assume_crs=assume_crs,
        )
        return
    refuse_given("ocs_ge", "keep_unclassified", why="goes with --source official")
    _derive_and_print(
        communes=communes,
        perimetre=perimetre,
        millesime=millesimes,
        workspace=workspace,
        cosia=cosia,
        numbering=numbering,
        zone_construite=zone_construite,
        rules=rules,
        resolution=resolution,
        resample=resample,
        invalid=invalid,
        assume_crs=assume_crs,
        window_m=window_m,
        keep_going=keep_going,
        jobs=jobs,
        threads=threads,
    )


@click.command()
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder of the results.",
)
@_JOBS
@_THREADS
@click.option("--open", "open_browser", is_flag=True, help="Then open the dashboard in the browser.")
def demo(workspace: Path, jobs: int, threads: int | None, open_browser: bool) -> None:
    """Derive the embedded commune, Olemps (12174, Aveyron), from its real BD TOPO layers: 2019, 2022 and the flow."""
    _derive_and_print(
        communes=(DEMO_COMMUNE,), millesime=DEMO_MILLESIMES, workspace=workspace, jobs=jobs, threads=threads
    )
    if open_browser:
        from ocsge.cli.app import DEFAULT_PORT, serve

        sys.exit(serve(workspace, port=DEFAULT_PORT, open_browser=True))
    click.echo(f"Dashboard: ocsge app --workspace {workspace}")


def _derive_and_print(**request: object) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console()
    messages = Console(stderr=True)
    columns = (TextColumn("{task.description:<18}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(
        *columns, TimeElapsedColumn(), console=messages, transient=True, disable=not messages.is_terminal
    ) as bar:
        task = bar.add_task("loading engine", total=1)

        def advance(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        if _first_run():
            messages.print("First run: the engine is compiled once, about a minute on a slow machine.")
        from ocsge.derive import derive as derive_territory
        from ocsge.keep_going import CommunesFailedError

        failed = None
        try:
            result = derive_territory(**request, progress=advance)  # type: ignore[arg-type]
        except CommunesFailedError as error:
            result, failed = error.done, error
    _print_results(console, result)
    warn(result.warnings)
    if failed is not None:
        raise failed


def _only(millesimes: tuple[int, ...]) -> int:
    """Return the one millésime of an official layer."""
    if len(millesimes) != 1:
        raise click.UsageError("--source official takes one --millesime, that of the layer")
    return millesimes[0]


def _first_run() -> bool:
    """Return whether no compiled kernel is cached yet beside the package (or in numba's own folder)."""
    import ocsge.regions

    if os.environ.get("NUMBA_CACHE_DIR"):
        return not any(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbi"))
    return not any(Path(ocsge.regions.__path__[0]).glob("__pycache__/*.nbi"))


def _print_results(console: Console, result: Derivation) -> None:
    for millesime in result.millesimes:
        _print_stock(console, result, millesime)
    if result.flow is not None:
        _print_flow(console, result.flow)
    console.print("min and max: default usages only; see `ocsge rules sensitivity`.", highlight=False)
    if result.reused:
        console.print("Nothing had changed: the result of an earlier run was reused.")
    console.print("L'évaluation de l'artificialisation n'est pas une règle de constructibilité.")
    console.print(f"Files, in {_shown(result.version)}:")
    for path in result.files():
        console.print(f"  {path.relative_to(result.version)}", highlight=False)


def _print_stock(console: Console, result: Derivation, millesime: int) -> None:
    from rich.table import Table

    stock = result.stock[result.stock["millesime"] == millesime]
    title = f"Artificialised land (stock) at {millesime}"
    if result.perimetre is not None:
        title += f", within {result.perimetre}"
    # the flag says that an exemption was chosen, even where it takes nothing out
    exempted = any("exempted_" in flags for flags in stock["flags"])
    columns = ["commune", "nom", "surface ha", "stock ha", "part %", "min ha", "max ha"]
    table = Table(*columns, *(["after exemptions ha"] if exempted else []), title=title)
    for row in stock.itertuples():
        table.add_row(
            str(row.commune_code),
            _text(row.nom),
            _number(row.surface_ha, 1),
            _number(row.stock_ha, 1),
            _number(row.part_pct, 2),
            _number(row.artif_min_ha, 1),
            _number(row.artif_max_ha, 1),
            *([_number(row.stock_after_exemptions_ha, 1)] if exempted else []),
        )
    console.print(table)
    for row in stock.itertuples():
        console.print(
            f"{row.commune_code}: {_number(row.stock_impermeable_ha, 1)} ha impermeable; matrix alone "
            f"{_number(row.matrix_ha, 1)} ha; default usage {_number(row.usage_default_pct, 1)} % of the surface; "
            f"coverage {_number(row.coverage_pct, 1)} %; {_interval(row)}"
            f"flags: {str(row.flags).replace('+', ', ') or 'none'}",
            highlight=False,
        )


def _interval(stock: Any) -> str:
    """Return what the errors of the class raster's model make of a stock; nothing without a confusion matrix."""
    if not _text(stock.ci95_ha):
        return ""
    adjusted, half = _number(stock.stock_adjusted_ha, 1), _number(stock.ci95_ha, 1)
    return f"adjusted for the errors of the class raster {adjusted} ± {half} ha (95 %); "


def _print_flow(console: Console, flow: pd.DataFrame) -> None:
    from rich.table import Table

    table = Table(title="Flow of artificialised land, hectares")
    for name in ("commune", "years", "stock 1", "stock 2", "gain", "loss", "net", "net a year"):
        table.add_column(name, no_wrap=True)
    for row in flow.itertuples():
        table.add_row(
            str(row.commune_code),
            f"{row.millesime_1}–{row.millesime_2}",
            _number(row.stock_1_ha, 1),
            _number(row.stock_2_ha, 1),
            _number(row.gain_ha, 2),
            _number(row.loss_ha, 2),
            _number(row.net_ha, 2),
            _number(row.net_ha_an, 2),
        )
    console.print(table)
    for row in flow.itertuples():
        console.print(
            f"{row.commune_code}, {row.millesime_1}–{row.millesime_2}: net between {_number(row.net_min_ha, 2)} and "
            f"{_number(row.net_max_ha, 2)} ha over the readings of default usages",
            highlight=False,
        )


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)  # noqa: PLR0124  (NaN differs from itself)


def _number(value: object, decimals: int) -> str:
    return "–" if _text(value) in ("", "<NA>") else f"{float(str(value)):,.{decimals}f}".replace(",", " ")


def _shown(path: Path) -> str:
    absolute = path.resolve()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)

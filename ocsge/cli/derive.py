"""``ocsge derive`` and ``ocsge demo``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocsge.cli.from_ortho import IMAGERY, derive_ortho, ortho_options, orthos_of
from ocsge.cli.given import refuse_given, was_given
from ocsge.cli.options import (
    FILE,
    INVALID,
    JOBS,
    NUMBERING,
    RESAMPLE,
    RULES,
    THREADS,
    assume_crs_option,
    workspace_option,
)
from ocsge.cli.printing import command_line, number, progress
from ocsge.cli.table_output import warn
from ocsge.legal_notice import NO_BUILDING_RULE

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from rich.console import Console

    from ocsge.derivation import Derivation

DEMO_COMMUNE, DEMO_MILLESIMES = "12174", (2019, 2022)
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
    "ortho",
    *IMAGERY,
    "model",
)
"""Options that say how to derive polygons."""


@click.command()
@click.option("--commune", "communes", multiple=True, metavar="INSEE", help="Commune code; repeat for several.")
@click.option("--perimetre", type=FILE, help="File of polygons that limits the territory.")
@click.option(
    "--millesime",
    "millesimes",
    type=int,
    multiple=True,
    required=True,
    help="Year of the state to derive; repeat for the flow between years, the earliest first.",
)
@workspace_option()
@click.option(
    "--cosia", type=FILE, multiple=True, help="CoSIA raster, folder of dalles, or vector file; one a millésime."
)
@NUMBERING
@click.option("--zone-construite", type=FILE, help="Official zone construite; derived from the built ground if absent.")
@RULES
@click.option("--resolution", type=float, default=0.2, show_default=True, help="Pixel, metres; 1 is a preview.")
@RESAMPLE
@INVALID
@assume_crs_option("vector files that declare")
@click.option("--window", "window_m", type=click.IntRange(min=500), metavar="METRES", help="Side of the windows.")
@click.option("--keep-going", is_flag=True, help="Derive each commune by itself when bad data refuses all together.")
@click.option(
    "--source",
    type=click.Choice(["derived", "official"]),
    default="derived",
    show_default=True,
    help="Whose polygons: derived from the layers, or those of IGN's OCS GE.",
)
@click.option("--ocs-ge", type=FILE, help="With --source official: IGN's layer; the registered one if absent.")
@click.option("--keep-unclassified", is_flag=True, help="With --source official: leave out codes without a state.")
@ortho_options
@JOBS
@THREADS
def derive(
    *,
    communes: tuple[str, ...],
    millesimes: tuple[int, ...],
    ortho: tuple[Path, ...],
    irc: tuple[Path, ...],
    elevation: tuple[Path, ...],
    mns: tuple[Path, ...],
    mnt: tuple[Path, ...],
    model: str | None,
    source: str,
    ocs_ge: Path | None,
    keep_unclassified: bool,
    **how: Any,
) -> None:
    """Derive OCS GE polygons and the stock of artificialised land.

    Each polygon has its artificialised state, with the reason.
    """
    if source == "official":
        from ocsge.cli.official import derive_official_and_print

        refuse_given(*_HOW_TO_DERIVE, why="the polygons of an official layer are not derived; leave it out")
        common = ("perimetre", "workspace", "rules", "invalid", "assume_crs")
        derive_official_and_print(
            communes=communes,
            millesime=_only(millesimes),
            layer=ocs_ge,
            unclassified="keep" if keep_unclassified else "error",
            **{name: how[name] for name in common},
        )
        return
    refuse_given("ocs_ge", "keep_unclassified", why="goes with --source official")
    _tell_shipped(how["workspace"], communes)
    request = {"communes": communes, "millesime": millesimes, **how}
    if not ortho:
        refuse_given(*IMAGERY, "model", why="goes with --ortho")
        _derive_and_print(**request)
        return
    refuse_given("cosia", "numbering", why="the class raster comes from --ortho; leave it out")
    without = {name: value for name, value in request.items() if name not in {"cosia", "numbering"}}
    orthos = orthos_of(ortho, irc=irc, elevation=elevation, mns=mns, mnt=mnt)
    _derive_and_print(derive_ortho, orthos=orthos, model=model, **without)


@click.command()
@workspace_option("Folder of the results.", default=Path("demo"))
@JOBS
@THREADS
@click.option("--from-ortho", is_flag=True, help="A generated commune instead, from its photographs; needs torch.")
@click.option("--open", "open_browser", is_flag=True, help="Then open the dashboard in the browser.")
def demo(*, workspace: Path, jobs: int, threads: int | None, from_ortho: bool, open_browser: bool) -> None:
    """Derive the embedded commune (Olemps): 2019, 2022, flow.

    From its real BD TOPO layers (12174, Aveyron), which are shipped.
    """
    if from_ortho:
        from ocsge.cli.from_ortho import demonstrate_and_print

        # of its own, unless one is named: a commune that does not exist has no place beside one that does
        workspace = workspace if was_given("workspace") else workspace.with_name(f"{workspace.name}-ortho")
        _tell_first_run()
        demonstrate_and_print(workspace, jobs=jobs, threads=threads, print_results=_print_results)
    else:
        _derive_and_print(
            communes=(DEMO_COMMUNE,), millesime=DEMO_MILLESIMES, workspace=workspace, jobs=jobs, threads=threads
        )
    if open_browser:
        from ocsge.cli.app import DEFAULT_PORT, serve

        sys.exit(serve(workspace, port=DEFAULT_PORT, open_browser=True))
    click.echo(f"Dashboard: {command_line('app', '--workspace', workspace)}")


def _derive_and_print(derive_it: Callable[..., Derivation] | None = None, **request: Any) -> None:
    _tell_first_run()
    with progress("loading engine", total=1) as advance:
        from ocsge.derive import derive as derive_territory
        from ocsge.keep_going import CommunesFailedError

        failed = None
        try:
            result = (derive_it or derive_territory)(**request, progress=advance)
        except CommunesFailedError as error:
            result, failed = error.done, error
    _print_results(result)
    warn(result.warnings)
    if failed is not None:
        raise failed


def _tell_shipped(workspace: Path, communes: tuple[str, ...]) -> None:
    """Say that the layers of the demonstrations are read, when the workspace holds none for its communes."""
    from ocsge.inputs import shipped_files

    if files := shipped_files(workspace, communes=communes):
        names = ", ".join(path.parent.name + "/" + path.name for path in files)
        click.echo(
            f"Layers shipped with ocsge are read ({names}): {workspace} has no commune registered; `ocsge catalog add` "
            "registers yours.",
            err=True,
        )


def _only(millesimes: tuple[int, ...]) -> int:
    """Return the one millésime of an official layer."""
    if len(millesimes) != 1:
        raise click.UsageError("--source official takes one --millesime, that of the layer")
    return millesimes[0]


def _tell_first_run() -> None:
    if _first_run():
        click.echo("First run: the engine is compiled once, about a minute on a slow machine.", err=True)


def _first_run() -> bool:
    """Return whether no compiled kernel is cached yet beside the package (or in numba's own folder)."""
    import ocsge.regions

    if os.environ.get("NUMBA_CACHE_DIR"):
        return not any(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbi"))
    return not any(Path(ocsge.regions.__path__[0]).glob("__pycache__/*.nbi"))


def _print_results(result: Derivation) -> None:
    from rich.console import Console

    console = Console()
    for millesime in result.millesimes:
        _print_stock(console, result, millesime)
    if result.flow is not None:
        _print_flow(console, result.flow)
    console.print("min and max: default usages only; see `ocsge rules sensitivity`.", highlight=False)
    if result.reused:
        console.print("Nothing had changed: the result of an earlier run was reused.")
    console.print(NO_BUILDING_RULE)
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
            number(row.surface_ha, 1),
            number(row.stock_ha, 1),
            number(row.part_pct, 2),
            number(row.artif_min_ha, 1),
            number(row.artif_max_ha, 1),
            *([number(row.stock_after_exemptions_ha, 1)] if exempted else []),
        )
    console.print(table)
    for row in stock.itertuples():
        console.print(
            f"{row.commune_code}: {number(row.stock_impermeable_ha, 1)} ha impermeable; matrix alone "
            f"{number(row.matrix_ha, 1)} ha; default usage {number(row.usage_default_pct, 1)} % of the surface; "
            f"coverage {number(row.coverage_pct, 1)} %; {_interval(row)}"
            f"flags: {str(row.flags).replace('+', ', ') or 'none'}",
            highlight=False,
        )


def _interval(stock: Any) -> str:
    """Return what the errors of the class raster's model make of a stock; nothing without a confusion matrix."""
    if not _text(stock.ci95_ha):
        return ""
    adjusted, half = number(stock.stock_adjusted_ha, 1), number(stock.ci95_ha, 1)
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
            number(row.stock_1_ha, 1),
            number(row.stock_2_ha, 1),
            number(row.gain_ha, 2),
            number(row.loss_ha, 2),
            number(row.net_ha, 2),
            number(row.net_ha_an, 2),
        )
    console.print(table)
    for row in flow.itertuples():
        console.print(
            f"{row.commune_code}, {row.millesime_1}–{row.millesime_2}: net between {number(row.net_min_ha, 2)} and "
            f"{number(row.net_max_ha, 2)} ha over the readings of default usages",
            highlight=False,
        )


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)  # noqa: PLR0124  (NaN differs from itself)


def _shown(path: Path) -> str:
    absolute = path.resolve()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)

"""``ocsge derive --ortho`` and ``ocsge demo --from-ortho``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from ocsge.cli.options import FILE
from ocsge.cli.printing import number, progress
from ocsge.cli.table_output import warn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocsge.demonstration import Demonstration
    from ocsge.derivation import Derivation
    from ocsge.from_ortho import Ortho

_Command = TypeVar("_Command", bound="Callable[..., Any]")

IMAGERY = ("irc", "elevation", "mns", "mnt")
"""Options that go with ``--ortho``; each is repeated as it is, or absent."""

_HELP = {
    "ortho": "RVB orthophoto to segment: file or folder of tiles; one a millésime.",
    "irc": "With --ortho: infrared (IRC); one a millésime.",
    "elevation": "With --ortho: height above ground; one a millésime.",
    "mns": "With --ortho: surface model; one a millésime.",
    "mnt": "With --ortho: terrain model; one a millésime.",
}


def ortho_options(command: _Command) -> _Command:
    """Give a command the options of the imagery to segment."""
    command = click.option("--model", metavar="FILE", help="With --ortho: weights of the model, or `demonstration`.")(
        command
    )
    for name, text in reversed(_HELP.items()):
        command = click.option(f"--{name}", type=FILE, multiple=True, help=text)(command)
    return command


def orthos_of(ortho: tuple[Path, ...], **imagery: tuple[Path, ...]) -> list[Ortho]:
    """Return the imagery of each millésime.

    Raises
    ------
    click.UsageError
        When a kind of imagery is not given once for each ``--ortho``.
    """
    from ocsge.from_ortho import Ortho

    for name, paths in imagery.items():
        if len(paths) not in {0, len(ortho)}:
            raise click.UsageError(f"{len(paths)} --{name} for {len(ortho)} --ortho: give one each, in the same order")
    return [
        Ortho(rvb=rvb, **{name: paths[place] for name, paths in imagery.items() if paths})
        for place, rvb in enumerate(ortho)
    ]


def derive_ortho(*, orthos: list[Ortho], **request: Any) -> Derivation:
    """Segment what is missing and derive; the parameters of :func:`ocsge.from_ortho.derive_from_ortho`."""
    from dataclasses import replace

    from ocsge.demonstration_models import demonstration_warning
    from ocsge.from_ortho import derive_from_ortho, weights_of
    from ocsge.segment.published import card_for

    card = card_for(weights_of(request["model"]))
    told = [demonstration_warning(card.name)] if card.demonstration else []
    warn(told)  # before an hour of segmentation, not after
    request["millesimes"] = request.pop("millesime")
    derived = derive_from_ortho(orthos, **request)
    return replace(derived, warnings=tuple(text for text in derived.warnings if text not in told))


def demonstrate_and_print(
    workspace: Path, *, jobs: int, threads: int | None, print_results: Callable[[Derivation], None]
) -> None:
    """Go from the photographs of the generated commune to its stock, and print how far each stage is from the truth."""
    from ocsge.demonstration import COMPARISON, demonstrate

    with progress("segmentation", total=1) as advance:
        found = demonstrate(workspace, jobs=jobs, threads=threads, progress=advance)
    print_results(found.derivation)
    _print_accuracy(found)
    click.echo(f"The comparison, as a table: {workspace / COMPARISON}")


def _print_accuracy(found: Demonstration) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("stage", "agreement %", "mean IoU %", title="Against the known truth of the generated ground")
    for row in found.table().itertuples():
        table.add_row(str(row.stage), number(row.agreement_pct, 1), number(row.mean_iou_pct, 1))
    console.print(table)
    low, high = found.interval_ha
    console.print(
        f"Stock: {number(found.stock_ha, 2)} ha from the photographs, {number(low, 2)} to {number(high, 2)} ha (95 %) "
        f"once adjusted for the errors of the model; {number(found.true_stock_ha, 2)} ha from the true classes, "
        f"{'inside' if found.covered else 'OUTSIDE'} the interval.",
        highlight=False,
    )
    if found.layers is not None:
        console.print(
            f"The layers alone give {number(found.layers.stock_ha, 2)} ha: they agree with the generated ground but "
            "for a few buildings, as no real layers do.",
            highlight=False,
        )
    console.print(
        "This is a demonstration: a generated commune, photographed by a program, and a model that knows nothing else. "
        "It says nothing of real imagery.",
        highlight=False,
    )

"""``ocsge segment``: from orthophotos to CoSIA rasters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocsge.cli.models import require_torch
from ocsge.cli.options import FILE, JOBS, NEW_FOLDER, THREADS, assume_crs_option
from ocsge.cli.printing import number, progress, surface
from ocsge.cli.table_output import warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from ocsge.segment.predict import Segmented


class _Shard(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The k-th of n parts, written ``k/n``."""

    name = "K/N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        found = re.fullmatch(r"(\d+)/(\d+)", str(value))
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            self.fail(f"{value!r} is no part such as 1/3", param, ctx)
        return int(found[1]), int(found[2])


def _tiles(option: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(option, type=FILE, multiple=True, help=f"{text}; file or folder of tiles, repeat for several.")


@click.command()
@_tiles("--rvb", "True colours: red, green, blue, 8 bits")
@_tiles("--irc", "False colours: infrared, red, green, 8 bits")
@_tiles("--elevation", "Height above ground, metres (8 bits: FLAIR's steps of 20 cm)")
@_tiles("--mns", "Altitude of the surface, metres")
@_tiles("--mnt", "Altitude of the terrain, metres")
@click.option(
    "--model",
    "models",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    required=True,
    help="Weights, with their card (.json) beside, or demonstration; repeat to average several models.",
)
@click.option("--name", "catalogue_name", help="Name in the catalogue of weights without a card (ocsge models list).")
@click.option("--out", type=NEW_FOLDER, required=True, help="Folder of the results, a raster a dalle of 10 km.")
@click.option("--area", type=FILE, help="Vector file: only its polygons are answered.")
@click.option("--probability", is_flag=True, help="Write the probability of the class, of 255.")
@click.option("--scores", is_flag=True, help="Write the probability of every class, a band each, of 255.")
@click.option("--vector", is_flag=True, help="Write the polygons of the classes too.")
@click.option("--patch", "patch_px", type=click.IntRange(min=32), metavar="PIXELS", help="Side of a patch; 1024.")
@click.option("--halo", "halo_px", type=click.IntRange(min=0), metavar="PIXELS", help="Context thrown away; 128.")
@click.option("--batch", type=click.IntRange(min=1), help="Patches at once; 1 on a CPU, 8 on a GPU.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1; auto takes the GPU if any.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="auto takes bf16 where the hardware multiplies it.",
)
@click.option(
    "--tta",
    "augmentation",
    type=click.Choice(["none", "flips", "rotations"]),
    default="none",
    show_default=True,
    help="Average 4 flips, or 8 flips and turns: as many times slower.",
)
@click.option("--shard", type=_Shard(), default="1/1", show_default=True, help="Answer the k-th of n parts.")
@assume_crs_option("rasters whose CRS bears")
@JOBS
@THREADS
def segment(
    rvb: tuple[Path, ...],
    irc: tuple[Path, ...],
    elevation: tuple[Path, ...],
    mns: tuple[Path, ...],
    mnt: tuple[Path, ...],
    models: tuple[Path, ...],
    catalogue_name: str | None,
    out: Path,
    assume_crs: int | None,
    **options: Any,
) -> None:
    """Turn orthophotos into CoSIA rasters, by dalles of 10 km.

    A dalle already made from the same files, models and options is kept: run the same command to take it up again.
    """
    require_torch()
    from rich.console import Console

    from ocsge.demonstration_models import demonstration_warning
    from ocsge.from_ortho import DEMONSTRATION, shipped_model
    from ocsge.segment.imagery import open_imagery
    from ocsge.segment.predict import segment_imagery
    from ocsge.segment.published import card_for

    if catalogue_name is not None and len(models) > 1:
        raise click.UsageError("--name: goes with one --model; give the others their card beside")
    models = tuple(shipped_model() if str(path) == DEMONSTRATION else path for path in models)
    cards = [card_for(path, model=catalogue_name) for path in models]
    warn(demonstration_warning(card.name) for card in cards if card.demonstration)
    imagery = open_imagery(rvb, irc=irc, elevation=elevation, mns=mns, mnt=mnt, card=cards[0], assume_crs=assume_crs)
    given = {name: value for name, value in options.items() if value is not None}
    with progress("segmenting") as advance:
        done = segment_imagery(imagery, weights=models, cards=cards, out=out, progress=advance, **given)
    warn([done.warning] if done.warning else [])
    _print_segmented(Console(), done)


def _print_segmented(console: Console, done: Segmented) -> None:
    from ocsge.products.confusion import confusion_beside

    names = ", ".join(card.name for card in done.models)
    console.print(
        f"{len(done.rasters)} dalle(s), {surface(1e6 * done.area_km2)} answered by {names} on {done.device} in "
        f"{done.precision}, {number(done.seconds, 1)} s"
        + (f"; {done.kept} kept from an earlier run" if done.kept else ""),
        highlight=False,
    )
    if done.skipped:
        why = "" if done.rasters else ": the imagery holds no data there"
        console.print(f"Nothing to answer in {', '.join(done.skipped)}{why}.", highlight=False)
    numbering = done.numbering or "its own classes, by position in the head"
    console.print(f"Classes numbered by {numbering}: {done.folder}", highlight=False, soft_wrap=True)
    for what, paths in (("Probabilities", done.probabilities), ("Scores", done.scores), ("Polygons", done.vectors)):
        if paths:
            console.print(f"{what}: {paths[0].parent}", highlight=False, soft_wrap=True)
    confusion = confusion_beside(done.folder)
    if confusion is not None:
        console.print(f"Confusion matrix of the model: {confusion}", highlight=False, soft_wrap=True)
    if done.numbering and done.rasters:
        console.print(f"Derive from it: ocsge derive --cosia {done.folder} …", highlight=False, soft_wrap=True)

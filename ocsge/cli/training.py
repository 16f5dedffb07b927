"""``ocsge train`` and ``ocsge evaluate``: make a model from patches and masks, and judge one."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ocsge.cli.given import refuse_given
from ocsge.cli.options import FILE, FOLDER, NEW_FOLDER, THREADS
from ocsge.cli.printing import number, progress
from ocsge.cli.table_output import warn
from ocsge.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ocsge.segment.evaluation import Evaluation
    from ocsge.segment.labelled_folder import LabelledFolder

_BANDS = ("rouge", "vert", "bleu", "infrarouge", "elevation", "mns", "mnt")
_WEAK_MEAN_IOU = 0.5
"""Mean IoU below which the matrix of a model is not to be trusted with a stock."""
_FEWEST = click.IntRange(min=1)


def _bands(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return the names of bands of a text with commas between."""
    if value is None:
        return None
    names = tuple(part.strip() for part in value.split(","))
    if unknown := [name for name in names if name not in _BANDS]:
        raise click.BadParameter(
            f"unknown bands {', '.join(unknown)}; known are {', '.join(_BANDS)}", context, parameter
        )
    return names


def _decorated(*options: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_DATA = _decorated(
    click.option(
        "--layout",
        type=click.Choice(["flair", "flair_hub", "plain"]),
        help="How the data set is laid out; read from the names of its folders if absent.",
    ),
    click.option("--classes", type=FILE, help="CSV of the masks: number,class; an empty class is ignored."),
    click.option("--ignore", "ignored", multiple=True, metavar="CLASS", help="Class left out; repeat for several."),
    click.option(
        "--file-bands",
        callback=_bands,
        metavar="BAND,…",
        help="Bands of the imagery files, in order: rouge,vert,bleu,…",
    ),
)
_MACHINE = _decorated(
    click.option("--batch", type=_FEWEST, default=8, show_default=True, help="Patches at once."),
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16"]),
        default="auto",
        show_default=True,
        help="Numbers of the products; auto is bf16 where the hardware multiplies it.",
    ),
    click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
    THREADS,
)
_MODEL = _decorated(
    click.option("--name", help="Name of the model; that of the output folder if absent."),
    click.option("--encoder", default="resnet34", show_default=True, help="Encoder (ocsge models list)."),
    click.option("--architecture", default="unet", show_default=True, help="Architecture (ocsge models list)."),
    click.option("--width", type=_FEWEST, default=64, show_default=True, help="Channels of its first stage."),
    click.option(
        "--bands", callback=_bands, metavar="BAND,…", help="Bands to learn from; all that the files hold if absent."
    ),
    click.option("--from", "start", type=FILE, help="Weights to start from: their classes and bands may differ."),
    click.option("--licence", default="not stated", show_default=True, help="Licence of the weights."),
    click.option("--credit", default="not stated", show_default=True, help="Who to credit."),
)
_SIDES = _decorated(
    click.option("--validation", type=FOLDER, help="Patches that stop the training; the data set is then not split."),
    click.option("--folds", type=click.IntRange(min=3), default=5, show_default=True, help="Parts of the split."),
    click.option("--fold", type=click.IntRange(min=0), default=0, show_default=True, help="Part that judges, from 0."),
    click.option("--cross-validation", is_flag=True, help="Train once a fold; each patch is judged unseen."),
    click.option(
        "--gap", "gap_m", type=float, metavar="METRES", help="Distance below which patches are neighbours.  [300]"
    ),
    click.option("--block", "block_m", type=float, metavar="METRES", help="Cut locations into squares of this side."),
)
_RECIPE = _decorated(
    click.option("--epochs", type=_FEWEST, default=50, show_default=True, help="Times the patches are seen."),
    click.option("--crop", "crop_px", type=_FEWEST, help="Side of the squares seen, pixels; whole patches if absent."),
    click.option("--repeat", type=_FEWEST, default=1, show_default=True, help="Squares of each patch in an epoch."),
    click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Highest learning rate."),
    click.option("--weight-decay", type=float, default=1e-2, show_default=True, help="Decay of the weights."),
    click.option(
        "--schedule",
        type=click.Choice(["cosine", "one_cycle"]),
        default="cosine",
        show_default=True,
        help="How the learning rate goes.",
    ),
    click.option(
        "--class-weights",
        type=click.Choice(["none", "balanced"]),
        default="none",
        show_default=True,
        help="balanced: by the square root of the rarity of each class.",
    ),
    click.option("--dice", type=float, default=0.0, show_default=True, help="Weight of the dice loss."),
    click.option("--smoothing", type=float, default=0.0, show_default=True, help="Share of labels given to all."),
    click.option("--average", type=float, default=0.0, show_default=True, help="Decay of the averaged weights."),
    click.option("--zoom", type=float, default=0.0, show_default=True, help="Largest change of scale."),
    click.option("--no-turns", is_flag=True, help="Do not mirror and turn patches."),
    click.option("--radiometry", type=float, default=0.2, show_default=True, help="Largest change of light."),
    click.option("--patience", type=_FEWEST, help="Judgements without progress that stop the training."),
    click.option("--judge-every", type=_FEWEST, default=1, show_default=True, help="Epochs between judgements."),
    click.option("--seed", type=int, default=0, show_default=True, help="What chance starts from."),
    click.option("--cpu-seconds", type=float, help="Seconds of processor after which it ends."),
    click.option("--minutes", type=float, help="Minutes after which it ends."),
)


@click.command()
@click.argument("data", type=FOLDER)
@click.option("--out", type=NEW_FOLDER, required=True, help="Folder of the model; an interrupted training goes on.")
@_DATA
@_MODEL
@_SIDES
@_RECIPE
@_MACHINE
def train(data: Path, out: Path, **given: Any) -> None:
    """Train a model on patches and masks, and judge it on ground apart.

    DATA is in the layout of FLAIR #1, of FLAIR-HUB, or holds img/ and mask/. It is split by location: domain, else
    neighbourhood on the ground. The same command takes an interrupted training up again.
    """
    _need_torch()
    from ocsge.rules import load_rules
    from ocsge.segment.folder_training import ModelWanted, Splitting, train_folder
    from ocsge.segment.folds import GAP_M

    _refuse_unused(given)
    _use_threads(given["threads"])
    validation = given["validation"]
    wanted = ModelWanted(
        name=given["name"] or out.name,
        **{key: given[key] for key in ("architecture", "encoder", "width", "bands", "start", "licence", "credit")},
    )
    splitting = Splitting(
        folds=given["folds"],
        fold=given["fold"],
        every=given["cross_validation"],
        gap_m=GAP_M if given["gap_m"] is None else given["gap_m"],
        block_m=given["block_m"],
    )
    with progress("training") as advance:
        found = train_folder(
            _labelled(data, given),
            out=out,
            rules=load_rules(),
            wanted=wanted,
            recipe=_recipe(given),
            balanced=given["class_weights"] == "balanced",
            validation=None if validation is None else _labelled(validation, given),
            splitting=splitting,
            device=given["device"],
            progress=advance,
            warn=_warn_one,
        )
    for evaluation in found.evaluations:
        _print(evaluation)
    _print_spread(found.evaluations)
    _print_files([*found.weights, *found.files])


def _refuse_unused(given: dict[str, Any]) -> None:
    """Refuse options that change nothing beside others."""
    if given["validation"] is not None:
        refuse_given(
            "folds", "fold", "cross_validation", "gap_m", "block_m", why="does not go with --validation: no split then"
        )
    if given["cross_validation"]:
        refuse_given("fold", why="does not go with --cross-validation: every fold is judged")
    if given["start"] is not None:
        refuse_given("encoder", "architecture", "width", why="does not go with --from: they are those of its weights")


def _print_spread(folds: Sequence[Evaluation]) -> None:
    """Say how far the folds of a cross-validation are from one another."""
    means = [100 * evaluation.scores.mean_iou for evaluation in folds]
    if len(means) > 1:
        click.echo(
            f"mean IoU by fold: {number(sum(means) / len(means), 1)} % on average, "
            f"from {number(min(means), 1)} to {number(max(means), 1)} %"
        )


@click.command()
@click.argument("weights", type=FILE)
@click.argument("data", type=FOLDER)
@click.option("--out", type=NEW_FOLDER, required=True, help="Folder of the report.")
@_DATA
@click.option("--ignore-others", is_flag=True, help="Leave out the classes that the model cannot answer.")
@click.option("--source", default="", help="Who labelled what, where and when; the data set's folder if absent.")
@click.option("--into-card", is_flag=True, help="Write the confusion matrix into the card beside the weights.")
@click.option("--turned", is_flag=True, help="Answer eight turns and mirrors of each patch, and take their mean.")
@_MACHINE
def evaluate(weights: Path, data: Path, out: Path, **given: Any) -> None:
    """Judge a model on patches and masks that it has not learnt from.

    Writes a report to read, the scores by class, the confusion matrix and its design effect: the pixels of a patch are
    neighbours, not independent samples.
    """
    _need_torch()
    from ocsge.rules import load_rules
    from ocsge.segment.folder_evaluation import evaluate_folder

    _use_threads(given.pop("threads"))
    labelled = _labelled(data, given)
    options = {key: value for key, value in given.items() if key not in {"layout", "classes", "ignored", "file_bands"}}
    with progress("judging") as advance:
        evaluation, files = evaluate_folder(
            weights,
            labelled,
            out=out,
            rules=load_rules(),
            progress=partial(advance, "judging"),
            warn=_warn_one,
            **options,
        )
    _print(evaluation)
    _print_files(files)


def _warn_one(text: str) -> None:
    warn([text])


def _labels(given: dict[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key in ("layout", "classes", "ignored", "file_bands")}


def _labelled(data: Path, given: dict[str, Any]) -> LabelledFolder:
    from ocsge.segment.labelled_folder import LabelledFolder

    return LabelledFolder(folder=data, **_labels(given))


def _need_torch() -> None:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("safetensors") is None:
        raise ParameterError("training needs torch: install it with `make segment`, or `pip install ocsge[segment]`")


def _use_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _recipe(given: dict[str, Any]) -> Any:
    from dataclasses import fields

    from ocsge.segment.augmentation import Augmentation
    from ocsge.segment.recipe import Recipe

    light = given["radiometry"]
    changes = Augmentation(
        turns=not given["no_turns"],
        zoom=given["zoom"],
        brightness=light / 2,
        contrast=light,
        gamma=light,
        channel=light / 4,
    )
    known = {field.name for field in fields(Recipe)} - {"augmentation", "class_weights"}
    return Recipe(augmentation=changes, **{key: value for key, value in given.items() if key in known})


def _print(evaluation: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    scores = evaluation.scores
    numbers = [
        Column(header, justify="right") for header in ("reference px", "precision %", "recall %", "F1 %", "IoU %")
    ]
    table = Table("class", *numbers, title=f"{evaluation.model}: {len(evaluation.names)} patches")
    for i, name in enumerate(evaluation.classes):
        if scores.mapped[i] or scores.reference[i]:
            shares = (scores.precision[i], scores.recall[i], scores.f1[i], scores.iou[i])
            table.add_row(name, number(scores.reference[i], 0), *(number(100 * share, 1) for share in shares))
    console = Console()
    console.print(table)
    console.print(
        f"mean IoU {number(100 * scores.mean_iou, 1)} %, "
        f"overall accuracy {number(100 * scores.overall_accuracy, 1)} %, "
        f"design effect {number(evaluation.design_effect, 0)}",
        highlight=False,
    )
    if evaluation.scores.mean_iou < _WEAK_MEAN_IOU:
        weak = (
            "this model is weak: an interval made of its matrix tells the errors of the classes, not what a derivation "
            "makes of them, and may be far from the true stock; see docs/uncertainty.md"
        )
        warn([weak])


def _print_files(files: Sequence[Path]) -> None:
    for path in files:
        click.echo(str(path))

"""Train models on a data set in a folder, split by location, and judge them: what ``ocsge train`` does."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ocsge.errors import ParameterError
from ocsge.segment.checkpoint import load_model
from ocsge.segment.datasets import ALTITUDES
from ocsge.segment.evaluation import confusion_of, evaluate, together
from ocsge.segment.evaluation_report import write_report
from ocsge.segment.fine_tuning import adapted_card, adapted_network
from ocsge.segment.folder_evaluation import matrix_numbers
from ocsge.segment.folds import GAP_M, locations, split
from ocsge.segment.labelled_folder import onto_head, opened, refuse_other_resolution
from ocsge.segment.learnt_patches import TRAINING, VALIDATION, met_before, write_learnt
from ocsge.segment.model_card import ModelCard, card_beside, write_card
from ocsge.segment.published import card_for
from ocsge.segment.recipe import Recipe, balanced_weights
from ocsge.segment.samples import Chosen, class_pixels, normalisation
from ocsge.segment.training import WEIGHTS, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocsge.rules import Rules
    from ocsge.segment.datasets import PatchSamples
    from ocsge.segment.evaluation import Evaluation
    from ocsge.segment.folds import Fold
    from ocsge.segment.labelled_folder import LabelledFolder
    from ocsge.segment.mask_classes import MaskClasses
    from ocsge.segment.model_card import Band, ElevationEncoding
    from ocsge.segment.samples import Samples

SPLIT = "split.csv"
"""File that says on which side each patch was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitting:
    """How a data set is split by location, when no validation set is given."""

    folds: int = 5
    """Number of parts; one stops the training, one judges it, the others teach."""

    fold: int = 0
    """Which part judges, from 0."""

    every: bool = False
    """Whether each part judges in turn (cross-validation)."""

    gap_m: float = GAP_M
    """Distance below which two patches are neighbours, metres."""

    block_m: float | None = None
    """Side of the squares that locations are cut into, metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWanted:
    """What a model shall be; the rest of its card is read from the data."""

    name: str
    architecture: str = "unet"
    encoder: str = "resnet34"
    width: int = 64
    bands: tuple[Band, ...] | None = None
    """Bands to learn from; None for all that the files hold."""
    start: Path | None = None
    """Weights to start from; None for random ones. Architecture, encoder and width are then theirs."""
    licence: str = "not stated"
    credit: str = "not stated"
    trained_on: str = ""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training made."""

    weights: tuple[Path, ...]
    """Weights: one file, or one a fold."""

    evaluations: tuple[Evaluation, ...]
    """One a fold that was judged; none when the validation set was given apart."""

    files: tuple[Path, ...] = field(default=())
    """Reports and tables."""


def train_folder(
    data: LabelledFolder,
    *,
    out: Path,
    rules: Rules,
    wanted: ModelWanted,
    recipe: Recipe,
    balanced: bool = False,
    validation: LabelledFolder | None = None,
    splitting: Splitting | None = None,
    device: str = "auto",
    progress: Callable[[str, int, int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Trained:
    """Train a model on a data set; judge it on the part held out by location; write all of it in a folder.

    Parameters
    ----------
    data
        Patches to learn from.
    out
        Folder of weights, card, history, split and report; a training that was interrupted goes on from it.
    rules
        Give the classes of the published data sets.
    wanted
        What the model shall be.
    recipe
        Every choice of the training.
    balanced
        Weigh the classes by the square root of their rarity.
    validation
        Patches that choose the weights kept; the data set is then not split, and nothing is judged.
    splitting
        How the data set is split otherwise.
    device
        ``auto``, ``cpu`` or ``cuda``.
    progress
        Told the stage, the steps done and of how many.
    warn
        Told, before anything is learnt, what the model will not be fit for.

    Raises
    ------
    RasterError
        Patches of several resolutions.
    """
    classes = data.mask_classes(rules)
    samples = opened(data, classes, wanted.bands)
    if warn is not None and not (1 / samples.resolution_m).is_integer():
        warn(
            f"{data.folder}: pixels of {samples.resolution_m:g} m, which do not divide a metre: ocsge segment will "
            "refuse the model; resample the patches first (gdalwarp -tr 0.5 0.5, near for masks) to map with it"
        )
    work = _Work(data, samples, classes, wanted, recipe, balanced, rules, device, progress)
    out.mkdir(parents=True, exist_ok=True)
    if validation is not None:
        choosing = opened(validation, onto_head(validation.mask_classes(rules), classes.head_classes), samples.bands)
        refuse_other_resolution(choosing, samples.resolution_m, whose="those to learn from")
        work.train(samples, choosing, out)
        sides = {TRAINING: samples.patches, VALIDATION: choosing.patches}
        return Trained((out / WEIGHTS,), (), (write_learnt(out / WEIGHTS, sides, start=wanted.start),))
    splitting = Splitting() if splitting is None else splitting
    if not 0 <= splitting.fold < splitting.folds:
        raise ParameterError(f"fold {splitting.fold} of {splitting.folds}: they are numbered from 0")
    places = samples.places
    pixels = class_pixels(samples, classes=len(classes.head_classes))
    gap_m, block_m = splitting.gap_m, splitting.block_m
    folds = split(places, pixels, folds=splitting.folds, seed=recipe.seed, gap_m=gap_m, block_m=block_m)
    location = locations(places, gap_m=gap_m, block_m=block_m).tolist()
    chosen = range(splitting.folds) if splitting.every else [splitting.fold]
    weights, evaluations, files = [], [], []
    for which in chosen:
        folder = out / f"fold_{which}" if splitting.every else out
        folder.mkdir(exist_ok=True)
        evaluation, reports = work.fold(folds[which], folder)
        files.append(_write_split(samples, folds[which], location, folder / SPLIT))
        weights.append(folder / WEIGHTS)
        evaluations.append(evaluation)
        files += reports
    if splitting.every:
        files += write_report(together(evaluations, model=wanted.name), out)
    return Trained(tuple(weights), tuple(evaluations), tuple(files))


@dataclass(frozen=True, slots=True)
class _Work:
    """What the folds of a training have in common."""

    data: LabelledFolder
    samples: PatchSamples
    classes: MaskClasses
    wanted: ModelWanted
    recipe: Recipe
    balanced: bool
    rules: Rules
    device: str
    progress: Callable[[str, int, int], None] | None

    def train(self, learning: Samples, choosing: Samples, out: Path) -> ModelCard:
        """Train on some patches, keep the weights that others choose; return the card."""
        card, network = self._card(learning), None
        if self.wanted.start is not None:
            start = self.wanted.start
            learnt_network, learnt = load_model(start, card=card_for(start))
            card = replace(card, architecture=learnt.architecture, encoder=learnt.encoder, width=learnt.width)
            card = adapted_card(card, learnt)
            network = adapted_network(card, learnt_network, learnt, seed=self.recipe.seed)
        recipe = self.recipe
        if self.balanced:
            pixels = class_pixels(learning, classes=len(card.head_classes)).sum(axis=0)
            recipe = replace(recipe, class_weights=balanced_weights(pixels))
        return train(
            learning,
            card,
            out=out,
            validation=choosing,
            recipe=recipe,
            network=network,
            device=self.device,
            progress=self.progress,
        )

    def fold(self, fold: Fold, out: Path) -> tuple[Evaluation, list[Path]]:
        """Train on a fold and judge on its test; the card holds the matrix."""
        learning, choosing, judging = (
            Chosen(self.samples, side) for side in (fold.training, fold.validation, fold.test)
        )
        self.train(learning, choosing, out)
        patches = self.samples.patches
        sides = {TRAINING: [patches[i] for i in fold.training], VALIDATION: [patches[i] for i in fold.validation]}
        learnt = write_learnt(out / WEIGHTS, sides, start=self.wanted.start)
        source = f"{len(judging)} patches of {self.data.folder.name}, held out by location"
        if self.wanted.start is not None:  # the weights it started from may have met what was held out here
            source += f"; {met_before(out / WEIGHTS, [patches[i] for i in fold.test])}"
        network, card = load_model(out / WEIGHTS)
        evaluation = evaluate(
            network,
            card,
            judging,
            source=source,
            batch=self.recipe.batch,
            device=self.device,
            precision=self.recipe.precision,
        )
        numbering, numbers = matrix_numbers(card, self.rules)
        matrix = confusion_of(evaluation, numbering=numbering, numbers=numbers)
        write_card(replace(card, confusion=matrix), card_beside(out / WEIGHTS))
        return evaluation, [learnt, *write_report(evaluation, out)]

    def _card(self, learning: Samples) -> ModelCard:
        mean, std = normalisation(learning)
        bands = self.samples.bands
        head, winning = self.classes.head_classes, self.classes.winning
        return ModelCard(
            name=self.wanted.name,
            family="ocsge",
            architecture=self.wanted.architecture,
            encoder=self.wanted.encoder,
            width=self.wanted.width,
            bands=bands,
            mean=mean,
            std=std,
            elevation=_elevation_of(bands),
            head_classes=head,
            winning_classes=() if winning == head else winning,
            resolution_m=self.samples.resolution_m,
            patch_px=self.recipe.crop_px or int(min(self.samples.read(0)[1].shape)),
            licence=self.wanted.licence,
            credit=self.wanted.credit,
            trained_on=self.wanted.trained_on or f"{len(learning)} patches of {self.data.folder.name}",
        )


def _elevation_of(bands: tuple[Band, ...]) -> ElevationEncoding | None:
    if set(ALTITUDES) & set(bands):
        return "surface_and_height_m"
    return "height_uint8_20cm" if "elevation" in bands else None


def _write_split(samples: PatchSamples, fold: Fold, location: list[int], path: Path) -> Path:
    sides = {index: side for side in ("training", "validation", "test", "left_out") for index in getattr(fold, side)}
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["patch", "location", "side"])
        rows.writerows([samples.name(i), location[i], sides[i]] for i in range(len(samples)))
    return path

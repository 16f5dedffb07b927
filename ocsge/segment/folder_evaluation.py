"""Judge a model on a data set in a folder: what ``ocsge evaluate`` does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from ocsge.demonstration_models import demonstration_warning
from ocsge.errors import CodeError
from ocsge.products.confusion import SUFFIX
from ocsge.publish import publish
from ocsge.segment.checkpoint import load_model
from ocsge.segment.class_rasters import class_table
from ocsge.segment.evaluation import OWN_NUMBERING, Evaluation, confusion_of, evaluate
from ocsge.segment.evaluation_report import write_report
from ocsge.segment.labelled_folder import onto_head, opened, refuse_other_resolution
from ocsge.segment.learnt_patches import START_UNKNOWN, met_before
from ocsge.segment.model_card import ModelCard, card_beside, write_card
from ocsge.segment.published import card_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ocsge.rules import Rules
    from ocsge.segment.inference import Precision
    from ocsge.segment.labelled_folder import LabelledFolder
    from ocsge.segment.learnt_patches import Met


def matrix_numbers(card: ModelCard, rules: Rules) -> tuple[str, Mapping[str, int]]:
    """Return the numbering system of a model's confusion matrix, and the number of each class that it may answer.

    The system is that of the rasters the model makes: a published one when it holds every class by its name, else the
    place in the head, from 1.
    """
    table = class_table(card, rules)
    return table.numbering or OWN_NUMBERING, {known.name: known.number for known in table.classes}


def evaluate_folder(
    weights: Path,
    data: LabelledFolder,
    *,
    out: Path,
    rules: Rules,
    source: str = "",
    ignore_others: bool = False,
    into_card: bool = False,
    batch: int = 8,
    device: str = "auto",
    precision: Precision = "auto",
    turned: bool = False,
    progress: Callable[[int, int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> tuple[Evaluation, list[Path]]:
    """Judge a model on a data set; write the report, the tables and the confusion matrix in a folder.

    Parameters
    ----------
    weights
        File of weights, its card beside, or a published one with the name it has in the catalogue.
    data
        Patches that the model has neither learnt from nor been chosen by.
    out
        Folder of the report.
    rules
        Give the classes of the published data sets.
    source
        Who labelled what, where and when; empty names the folder.
    ignore_others
        Leave out the classes that the model cannot answer, instead of refusing them.
    into_card
        Write the confusion matrix into the model's card.
    batch, device, precision
        How patches are answered.
    turned
        Answer each patch in its eight turns and mirrors, and take the mean probability.
    progress
        Told the patches done, and of how many.
    warn
        Told, before anything is judged, what the scores are not worth: patches that the model has learnt from, a
        demonstration. The report says the first too.

    Returns
    -------
    evaluation, files
        The scores, and the files written.
    """
    network, card = load_model(weights, card=card_for(weights))
    stated = data.mask_classes(rules)
    others = set(stated.winning) - set(card.classes_won) if ignore_others else set()
    samples = opened(data, onto_head(stated, card.head_classes, left_out=others), card.bands)
    refuse_other_resolution(samples, card.resolution_m, whose=f"those of {card.name}")
    if silent := sorted(set(samples.classes.winning) - set(card.classes_won)):
        raise CodeError(
            f"classes {', '.join(silent)} of the masks are never answered by {card.name}: ignore them (--ignore, or "
            "--ignore-others for all)"
        )
    met = met_before(weights, samples.patches)
    for text in _warnings(card, met):
        if warn is not None:
            warn(text)
    evaluation = evaluate(
        network,
        card,
        samples,
        source=f"{source or f'{len(samples)} patches of {data.folder.name}'}; {_learnt_from(card, met)}",
        batch=batch,
        device=device,
        precision=precision,
        turned=turned,
        progress=progress,
    )
    files = write_report(evaluation, out)
    numbering, numbers = matrix_numbers(card, rules)
    matrix = confusion_of(evaluation, numbering=numbering, numbers=numbers)
    path = out / f"{card.name}{SUFFIX}"
    text = json.dumps(matrix, ensure_ascii=False, indent=1) + "\n"
    publish(path, lambda part: part.write_text(text, encoding="utf-8"))
    if into_card:
        write_card(replace(card, confusion=matrix), card_beside(weights))
    return evaluation, [*files, path]


def _warnings(card: ModelCard, met: Met | None) -> list[str]:
    found = [demonstration_warning(card.name)] if card.demonstration else []
    if met is not None and met.taught + met.chose:
        found.append(
            f"{met}: these scores tell what {card.name} remembers, not how it answers other ground; judge it by "
            "patches apart (split.csv of its training says which)"
        )
    elif met is not None and not met.complete:
        found.append(
            f"{START_UNKNOWN}: these scores may tell what {card.name} remembers, not how it answers other ground; "
            "judge it by patches that those weights cannot have met"
        )
    return found


def _learnt_from(card: ModelCard, met: Met | None) -> str:
    """Return what is known of the patches that a model learnt from, for its report."""
    if met is not None:
        return str(met)
    return f"nothing tells which patches the model learnt from, its card says: {card.trained_on or 'nothing of it'}"

"""Judge a model on patches it has not learnt from: scores by class, and the confusion matrix of its card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ocsge.errors import ParameterError
from ocsge.segment.confidence import PROBABILITIES, levels_of
from ocsge.segment.inference import choose_device
from ocsge.segment.metrics import Scores, design_effect
from ocsge.segment.scoring import patch_matrices, uses_bf16

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import nn

    from ocsge.segment.inference import Precision
    from ocsge.segment.model_card import ModelCard
    from ocsge.segment.samples import Samples

OWN_NUMBERING = "head"
"""Numbering of classes that are not CoSIA's: place in the head, from 1."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a model answered patches."""

    model: str
    """Name of the model."""

    classes: tuple[str, ...]
    """Class of each row and column of the matrices."""

    names: tuple[str, ...]
    """Name of each patch."""

    matrices: NDArray[np.int64]
    """(patches, n, n) pixels: rows as mapped, columns as the reference says."""

    source: str
    """Who labelled what, where and when."""

    by_probability: NDArray[np.int64] | None = None
    """(n, 256, n) the same pixels by mapped class, probability of 255 and reference class; None when unknown."""

    @property
    def scores(self) -> Scores:
        """Scores over every pixel."""
        return Scores(self.matrices.sum(axis=0))

    @property
    def design_effect(self) -> float:
        """By how much taking whole patches multiplies the variance of the shares of the matrix."""
        return design_effect(self.matrices)


def evaluate(
    network: nn.Module,
    card: ModelCard,
    samples: Samples,
    *,
    source: str,
    batch: int = 8,
    device: str = "auto",
    precision: Precision = "auto",
    turned: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Return how a model answers patches that were neither learnt from nor chosen by.

    Parameters
    ----------
    network, card
        The model.
    samples
        The patches and their labels, in the order of the card's head.
    source
        Who labelled what, where and when.
    batch
        Patches answered at once.
    device, precision
        Where and in which numbers.
    turned
        Answer each patch in its eight turns and mirrors, and take the mean probability.
    progress
        Told the patches done, and of how many.

    Raises
    ------
    ParameterError
        No pixel with a class.
    """
    where = torch.device(choose_device(device))
    network = network.to(where)
    classes = len(card.head_classes)
    by_probability = np.zeros((classes, PROBABILITIES, classes), dtype=np.int64)
    matrices = patch_matrices(
        network,
        card,
        samples,
        batch=batch,
        device=where,
        bf16=uses_bf16(precision, where),
        turned=turned,
        by_probability=by_probability,
        progress=progress,
    )
    if not matrices.any():
        raise ParameterError(
            "no pixel has a class: nothing to judge by; give patches whose classes are not all ignored"
        )
    names = tuple(samples.name(index) for index in range(len(samples)))
    return Evaluation(card.name, card.head_classes, names, matrices, source, by_probability)


def together(evaluations: list[Evaluation], *, model: str) -> Evaluation:
    """Return the evaluations of a cross-validation as one: each patch answered by the model that did not see it."""
    told = [one.by_probability for one in evaluations if one.by_probability is not None]
    return Evaluation(
        model,
        evaluations[0].classes,
        tuple(name for one in evaluations for name in one.names),
        np.concatenate([one.matrices for one in evaluations]),
        evaluations[0].source,
        np.sum(told, axis=0) if len(told) == len(evaluations) else None,
    )


def confusion_of(evaluation: Evaluation, *, numbering: str, numbers: Mapping[str, int]) -> dict[str, Any]:
    """Return the confusion matrix in the form of :mod:`ocsge.products.confusion`, with its design effect.

    The pixels are told by levels of the model's probability too, where a class has enough of them for several. Classes
    without any pixel, mapped or in the reference, are left out: nothing is known of them.

    Parameters
    ----------
    evaluation
        How the model answered.
    numbering
        Numbering system of the class numbers; :data:`OWN_NUMBERING` for classes that are not CoSIA's.
    numbers
        Number of each class.
    """
    counts = evaluation.scores.counts
    held = [i for i in range(len(evaluation.classes)) if (counts[i] + counts[:, i]).any()]
    classes = [numbers[evaluation.classes[i]] for i in held]
    told = evaluation.by_probability
    levels = [] if told is None else levels_of(told[held][..., held], classes)
    return {
        "numbering": numbering,
        "classes": classes,
        "counts": counts[np.ix_(held, held)].tolist(),
        "source": evaluation.source,
        "model": evaluation.model,
        "design_effect": round(evaluation.design_effect, 1),
        **({"levels": levels} if levels else {}),
    }

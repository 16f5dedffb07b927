"""What a training makes small: cross-entropy, and the dice loss beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from ocsge.segment.metrics import IGNORED

if TYPE_CHECKING:
    from torch import Tensor


def segmentation_loss(
    scores: Tensor, labels: Tensor, *, weights: Tensor | None = None, dice: float = 0.0, smoothing: float = 0.0
) -> Tensor:
    """Return the loss of a batch: cross-entropy, plus ``dice`` times the dice loss.

    Parameters
    ----------
    scores
        (n, classes, h, w) scores of the network.
    labels
        (n, h, w) int64 class indices; 255 neither teaches nor counts.
    weights
        Weight of each class in the cross-entropy; None for one each.
    dice
        Weight of the dice loss.
    smoothing
        Share of each label given to all classes.

    Returns
    -------
    Tensor
        One number; 0 when every pixel is ignored.
    """
    scores = scores.float()
    if not bool((labels != IGNORED).any()):
        return (scores * 0).sum()
    loss = functional.cross_entropy(scores, labels, weight=weights, ignore_index=IGNORED, label_smoothing=smoothing)
    return loss + dice * dice_loss(scores, labels) if dice else loss


def dice_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Return 1 − the mean dice of the classes that the labels of a batch hold (Milletari and others, 2016).

    The dice of a class is ``2 Σ p·y / (Σ p + Σ y)`` over the pixels with a label, ``p`` its probability and ``y`` 1
    where the label says it.
    """
    counted = (labels != IGNORED).unsqueeze(1)
    probability = torch.softmax(scores, dim=1) * counted
    known = torch.where(labels == IGNORED, 0, labels).unsqueeze(1)
    truth = torch.zeros_like(probability).scatter_(1, known, 1.0) * counted
    over = (0, 2, 3)
    size = truth.sum(dim=over)
    dice = 2 * (probability * truth).sum(dim=over) / (probability.sum(dim=over) + size).clamp(min=1e-6)
    return 1 - dice[size > 0].mean()

"""The losses of a training, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ocsge.segment.losses import dice_loss, segmentation_loss
from ocsge.segment.metrics import IGNORED

THREE_TO_ONE = torch.tensor([[[[math.log(3)] * 2], [[0.0] * 2]]])
"""Two pixels, each with a probability of three quarters for the first of two classes."""
BOTH = torch.tensor([[[0, 1]]])
"""The first pixel is of the first class, the second of the other."""
RIGHT, WRONG = -math.log(3 / 4), -math.log(1 / 4)
"""Cross-entropy of either pixel."""


def test_the_cross_entropy_is_the_mean_of_minus_the_log_of_the_probability_of_each_label() -> None:
    assert segmentation_loss(THREE_TO_ONE, BOTH).item() == pytest.approx((RIGHT + WRONG) / 2)


def test_an_ignored_pixel_is_not_in_the_mean() -> None:
    labels = torch.tensor([[[0, IGNORED]]])
    assert segmentation_loss(THREE_TO_ONE, labels).item() == pytest.approx(RIGHT)


def test_class_weights_make_a_weighted_mean_of_the_pixels() -> None:
    found = segmentation_loss(THREE_TO_ONE, BOTH, weights=torch.tensor([1.0, 3.0]))
    assert found.item() == pytest.approx((RIGHT + 3 * WRONG) / 4)


def test_smoothing_gives_its_share_of_each_label_to_all_classes() -> None:
    # of each label 0.8 stays, and 0.1 goes to either class
    first, second = 0.9 * RIGHT + 0.1 * WRONG, 0.9 * WRONG + 0.1 * RIGHT
    found = segmentation_loss(THREE_TO_ONE, BOTH, smoothing=0.2)
    assert found.item() == pytest.approx((first + second) / 2)


def test_the_dice_loss_of_a_worked_example() -> None:
    # class 0: 2 × 3/4 over 6/4 of probability and one pixel; class 1: 2 × 1/4 over 2/4 and one pixel
    dice = (2 * 0.75 / (1.5 + 1), 2 * 0.25 / (0.5 + 1))
    assert dice_loss(THREE_TO_ONE, BOTH).item() == pytest.approx(1 - sum(dice) / 2)


def test_the_dice_loss_means_the_classes_that_the_labels_hold() -> None:
    only = torch.tensor([[[0, 0]]])
    assert dice_loss(THREE_TO_ONE, only).item() == pytest.approx(1 - 2 * 1.5 / (1.5 + 2))


def test_the_dice_loss_is_added_with_its_weight() -> None:
    whole = segmentation_loss(THREE_TO_ONE, BOTH, dice=0.3).item()
    assert whole == pytest.approx((RIGHT + WRONG) / 2 + 0.3 * dice_loss(THREE_TO_ONE, BOTH).item())


def test_a_batch_that_is_wholly_ignored_moves_nothing() -> None:
    scores = torch.randn(1, 2, 4, 4, requires_grad=True)
    loss = segmentation_loss(scores, torch.full((1, 4, 4), IGNORED), dice=1.0)
    loss.backward()
    assert loss.item() == 0
    assert scores.grad is not None
    assert not scores.grad.any()


def test_the_loss_ignores_what_stands_under_ignored_pixels() -> None:
    labels = torch.tensor([[[0, 1, IGNORED]]])
    scores = torch.randn(1, 2, 1, 3)
    changed = scores.clone()
    changed[..., 2] += 100
    for dice in (0.0, 1.0):
        assert segmentation_loss(scores, labels, dice=dice) == segmentation_loss(changed, labels, dice=dice)


def test_the_dice_loss_is_nothing_when_all_is_right_and_one_when_all_is_wrong() -> None:
    labels = torch.tensor([[[0, 1]]])
    right = torch.tensor([[[[50.0, -50.0]], [[-50.0, 50.0]]]])
    assert dice_loss(right, labels).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(-right, labels).item() == pytest.approx(1, abs=1e-6)


def test_the_dice_loss_counts_a_small_class_as_much_as_a_large_one() -> None:
    # class 1 is one pixel of ten and is missed: half of the loss, though nine pixels of ten are right
    labels = torch.zeros(1, 1, 10, dtype=torch.long)
    labels[..., 0] = 1
    scores = torch.zeros(1, 2, 1, 10)
    scores[:, 0] = 50
    assert dice_loss(scores, labels).item() == pytest.approx(1 - (18 / 19 + 0) / 2, abs=1e-5)


def test_class_weights_move_the_loss_towards_their_class() -> None:
    scores, labels = torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])
    scores[:, 0] = 2.0
    even = segmentation_loss(scores, labels)
    rare = segmentation_loss(scores, labels, weights=torch.tensor([0.1, 1.9]))
    assert rare > even

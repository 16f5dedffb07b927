"""Patches answered by a network and counted, whatever their size, batch, turn or classes that may win."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ocsge.errors import DataError
from ocsge.segment.metrics import IGNORED
from ocsge.segment.networks import build_network
from ocsge.segment.samples import ArraySamples, Chosen, class_pixels
from ocsge.segment.scoring import patch_matrices, uses_bf16
from tests.generated_patches import red_squares, small_card

CPU = torch.device("cpu")


class Threshold(nn.Module):
    """Answers class 1 where the first band is above its mean."""

    stride = 32

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert not any(side % 32 for side in x.shape[2:])
        return torch.cat([-x[:, :1], x[:, :1]], dim=1)


class Westward(nn.Module):
    """Answers class 1 on the western half, whatever it sees: it knows its left."""

    stride = 32

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        west = torch.linspace(1, -1, x.shape[3]).expand(len(x), 1, *x.shape[2:])
        return torch.cat([-west, west], dim=1)


CARD = small_card(mean=(150.0, 60.0, 60.0))


def test_a_rule_that_is_right_fills_the_diagonal() -> None:
    samples = red_squares(5)
    matrices = patch_matrices(Threshold(), CARD, samples, batch=2, device=CPU)
    assert matrices.shape == (5, 2, 2)
    assert (matrices[:, 0, 1] + matrices[:, 1, 0] == 0).all()
    np.testing.assert_array_equal(matrices[:, [0, 1], [0, 1]], class_pixels(samples, classes=2))


def test_the_batch_changes_nothing() -> None:
    network = build_network(small_card()).eval()
    one, three = (patch_matrices(network, small_card(), red_squares(5), batch=batch, device=CPU) for batch in (1, 3))
    assert abs(one - three).sum() <= 4


def test_patches_of_several_sizes_and_of_any_side_are_answered() -> None:
    parts = [red_squares(1, side=side, seed=side) for side in (64, 40, 40, 33)]
    samples = ArraySamples([p.pixels[0] for p in parts], [p.labels[0] for p in parts])
    matrices = patch_matrices(Threshold(), CARD, samples, device=CPU)
    assert matrices.sum(axis=(1, 2)).tolist() == [64 * 64, 40 * 40, 40 * 40, 33 * 33]
    assert np.trace(matrices.sum(axis=0)) == matrices.sum()


def test_turned_answers_are_put_back_in_place() -> None:
    turned = patch_matrices(Threshold(), CARD, red_squares(3), device=CPU, turned=True)
    np.testing.assert_array_equal(turned, patch_matrices(Threshold(), CARD, red_squares(3), device=CPU))


def test_turning_takes_away_a_preference_for_one_side() -> None:
    # the western half is class 1 in the labels; a network that says so for any image loses it once turned
    pixels, labels = np.full((3, 64, 64), 100, dtype=np.uint8), np.zeros((64, 64), dtype=np.uint8)
    labels[:, :32] = 1
    samples = ArraySamples([pixels], [labels])
    plain, turned = (patch_matrices(Westward(), CARD, samples, device=CPU, turned=turned) for turned in (False, True))
    assert np.trace(plain[0]) == 64 * 64
    assert np.trace(turned[0]) < 64 * 64


def test_a_class_that_may_not_win_is_never_mapped() -> None:
    card = small_card(mean=(150.0, 60.0, 60.0), winning_classes=("sombre",))
    assert patch_matrices(Threshold(), card, red_squares(2), device=CPU)[:, 1].sum() == 0


class Unsure(nn.Module):
    """Says class 1 by 0.6 to 0.4 of what lies west; of what lies east the third class, else class 0 by 0.07 to 0.03."""

    stride = 32

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        west = torch.linspace(0, 1, x.shape[3]).lt(0.5).expand(len(x), 1, *x.shape[2:])
        here, there = (torch.tensor(p).log().reshape(1, 3, 1, 1) for p in ((0.4, 0.6, 1e-6), (0.07, 0.03, 0.9)))
        return torch.where(west, here, there)


def test_a_class_that_may_not_win_gives_its_probability_to_the_others_in_each_turn() -> None:
    # each pixel lies west in half of the turns: 0.4 and 0.6; in the others 0.7 and 0.3 once the third is barred, so
    # class 0 has 0.55 of the mean; barred after the softmax it would have 0.235 against 0.315
    card = small_card(head_classes=("a", "b", "c"), winning_classes=("a", "b"))
    samples = ArraySamples([np.zeros((3, 32, 32), np.uint8)], [np.zeros((32, 32), np.uint8)])
    (matrix,) = patch_matrices(Unsure(), card, samples, device=CPU, turned=True)
    assert matrix[:, 0].tolist() == [32 * 32, 0, 0]


def test_a_network_in_training_stays_in_training() -> None:
    network = build_network(small_card())
    patch_matrices(network, small_card(), red_squares(1), device=CPU)
    assert network.training


def test_progress_tells_the_patches_done() -> None:
    told: list[tuple[int, int]] = []
    patch_matrices(
        Threshold(), CARD, red_squares(5), batch=2, device=CPU, progress=lambda done, of: told.append((done, of))
    )
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_patches_of_other_bands_are_refused() -> None:
    with pytest.raises(DataError, match="patches of 3 bands for a model of 1"):
        patch_matrices(Threshold(), small_card(bands=("rouge",), mean=(1.0,), std=(1.0,)), red_squares(1), device=CPU)


def test_the_precision_asked_for_is_used() -> None:
    assert uses_bf16("bf16", CPU)
    assert not uses_bf16("fp32", CPU)


def test_samples_held_in_memory_go_together() -> None:
    with pytest.raises(DataError, match="give one mask a patch"):
        ArraySamples([np.zeros((1, 2, 2), dtype=np.uint8)], [])
    with pytest.raises(DataError, match="patch 0: pixels"):
        ArraySamples([np.zeros((1, 2, 2), dtype=np.uint8)], [np.zeros((3, 3), dtype=np.uint8)])


def test_chosen_patches_keep_their_names_and_the_order_of_their_indices() -> None:
    samples = red_squares(4)
    chosen = Chosen(samples, (3, 1))
    assert [chosen.name(i) for i in range(len(chosen))] == ["patch 3", "patch 1"]
    np.testing.assert_array_equal(chosen.read(1)[0], samples.pixels[1])


@pytest.mark.parametrize("turned", [False, True])
def test_pixels_are_told_by_the_probability_of_their_class(turned: bool) -> None:
    # west 0.6 for class b against 0.4; turned, each pixel lies west in half of its turns: a has 0.55
    card = small_card(head_classes=("a", "b", "c"), winning_classes=("a", "b"))
    labels = np.zeros((32, 32), np.uint8)
    labels[0] = IGNORED
    samples = ArraySamples([np.zeros((3, 32, 32), np.uint8)], [labels])
    told = np.zeros((3, 256, 3), dtype=np.int64)
    (matrix,) = patch_matrices(Unsure(), card, samples, device=CPU, turned=turned, by_probability=told)
    assert (told.sum(axis=1) == matrix).all()
    expected = {(0, 140)} if turned else {(1, 153), (0, 178)}  # 0.55, 0.6 and 0.7 of 255
    assert {(int(c), int(p)) for c, p, _ in zip(*np.nonzero(told), strict=True)} == expected
    assert told.sum() == 31 * 32

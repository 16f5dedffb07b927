"""The scores of a confusion matrix, each counted by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ocsge.errors import ParameterError
from ocsge.products.confusion import Confusion
from ocsge.segment.metrics import IGNORED, Scores, confusion_matrix, design_effect
from ocsge.uncertainty import class_estimates

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def scores() -> Scores:
    """Of 10 pixels of class 0, 8 are found; of 4 of class 1, 3; class 2 is nowhere."""
    return Scores(np.array([[8, 1, 0], [2, 3, 0], [0, 0, 0]]))


def test_a_row_is_a_mapped_class_and_a_column_a_reference_class() -> None:
    mapped, reference = np.array([[0, 0], [0, 1]]), np.array([[0, 1], [1, 1]])
    assert confusion_matrix(mapped, reference, classes=2).tolist() == [[1, 2], [0, 1]]


def test_an_ignored_pixel_is_in_no_cell() -> None:
    reference = np.array([0, IGNORED, IGNORED], dtype=np.uint8)
    assert confusion_matrix(np.zeros(3, dtype=np.uint8), reference, classes=2).sum() == 1


def test_another_label_may_be_ignored() -> None:
    assert confusion_matrix(np.array([0, 1]), np.array([0, 0]), classes=2, ignore=0).sum() == 0


def test_pixels_of_other_shapes_are_refused() -> None:
    with pytest.raises(ParameterError, match="give the same pixels"):
        confusion_matrix(np.zeros(3, dtype=np.uint8), np.zeros(4, dtype=np.uint8), classes=2)


@pytest.mark.parametrize(("mapped", "reference"), [([2], [0]), ([0], [2])])
def test_an_index_that_is_no_class_is_refused(mapped: list[int], reference: list[int]) -> None:
    with pytest.raises(ParameterError, match="class index 2 of 2 classes"):
        confusion_matrix(np.array(mapped), np.array(reference), classes=2)


def test_overall_accuracy_is_the_share_of_the_diagonal(scores: Scores) -> None:
    assert scores.overall_accuracy == pytest.approx(11 / 14)


def test_precision_is_the_share_of_the_row_and_recall_that_of_the_column(scores: Scores) -> None:
    assert scores.precision[:2].tolist() == pytest.approx([8 / 9, 3 / 5])
    assert scores.recall[:2].tolist() == pytest.approx([8 / 10, 3 / 4])


def test_iou_and_f1_count_both_kinds_of_mistakes(scores: Scores) -> None:
    assert scores.iou[:2].tolist() == pytest.approx([8 / 11, 3 / 6])
    assert scores.f1[:2].tolist() == pytest.approx([16 / 19, 6 / 9])


def test_f1_is_the_harmonic_mean_of_precision_and_recall(scores: Scores) -> None:
    p, r = scores.precision[0], scores.recall[0]
    assert scores.f1[0] == pytest.approx(2 * p * r / (p + r))


def test_a_class_that_is_absent_has_no_score_and_is_not_averaged(scores: Scores) -> None:
    for found in (scores.precision, scores.recall, scores.iou, scores.f1):
        assert np.isnan(found[2])
    assert scores.mean_iou == pytest.approx((8 / 11 + 3 / 6) / 2)


def test_a_class_mapped_by_mistake_only_lowers_the_others_and_has_none_to_average() -> None:
    found = Scores(np.array([[6, 0], [2, 0]]))
    assert found.iou.tolist() == [0.75, 0.0]
    assert found.mean_iou == 0.75


def test_without_a_pixel_nothing_is_known() -> None:
    empty = Scores(np.zeros((2, 2), dtype=np.int64))
    assert np.isnan(empty.overall_accuracy)
    assert np.isnan(empty.mean_iou)


def tiles(*matrices: list[list[int]]) -> NDArray[np.int64]:
    return np.array(matrices)


def test_tiles_that_are_each_all_right_or_all_wrong_are_one_sample_each() -> None:
    # a variance of 0.25 / (10 − 1) between ten tiles, of 0.25 / (1000 − 1) between a thousand pixels
    matrices = tiles(*[[[100, 0], [0, 0]], [[0, 100], [0, 0]]] * 5)
    assert design_effect(matrices) == pytest.approx(999 / 9)


def test_tiles_that_all_say_the_same_multiply_nothing() -> None:
    assert design_effect(tiles(*[[[90, 10], [5, 95]]] * 4)) == 1.0


def test_independent_pixels_have_a_design_effect_near_one() -> None:
    rng = np.random.default_rng(0)
    matrices = rng.multinomial(400, [0.4, 0.1, 0.05, 0.45], size=500).reshape(500, 2, 2)
    assert design_effect(matrices) == pytest.approx(1.0, abs=0.15)


def test_one_tile_is_one_sample() -> None:
    assert design_effect(tiles([[60, 10], [10, 20]])) == 100.0


def test_intervals_from_whole_tiles_hold_the_truth_about_nineteen_times_in_twenty() -> None:
    # each tile has its own rate of mistakes; of class 0 on the map, 80 % is, of class 1, 90 % is
    rng = np.random.default_rng(0)
    held = naive = 0
    for _ in range(200):
        share = rng.uniform(0.2, 0.8, 60)
        right = rng.beta(8, 2, 60), rng.beta(9, 1, 60)
        sizes = (10_000 * share).round(), 10_000 - (10_000 * share).round()
        found = [rng.binomial(size.astype(int), p) for size, p in zip(sizes, right, strict=True)]
        matrices = np.zeros((60, 2, 2), dtype=np.int64)
        for row, (size, good) in enumerate(zip(sizes, found, strict=True)):
            matrices[:, row, row], matrices[:, row, 1 - row] = good, size - good
        counts = matrices.sum(axis=0)
        for effect in (design_effect(matrices), 1.0):
            estimate = class_estimates({0: 50.0, 1: 50.0}, Confusion("x", (0, 1), counts, "", design_effect=effect))[0]
            assert estimate.bounds is not None
            inside = estimate.bounds[0] <= 50 * 0.8 + 50 * 0.1 <= estimate.bounds[1]
            held, naive = held + (inside and effect > 1), naive + (inside and effect == 1)
    assert 0.9 <= held / 200 <= 0.99
    assert naive / 200 < 0.2


def test_tiles_without_a_mistake_have_no_variance_to_multiply() -> None:
    assert design_effect(tiles([[5, 0], [0, 5]], [[9, 0], [0, 1]])) == 1.0


def test_the_design_effect_is_what_a_confusion_file_takes(tmp_path: Path) -> None:
    effect = design_effect(tiles([[100, 0], [0, 0]], [[0, 100], [0, 0]]))
    (tmp_path / "x.json").write_text(json.dumps({"design_effect": effect}))
    assert json.loads((tmp_path / "x.json").read_text())["design_effect"] >= 1

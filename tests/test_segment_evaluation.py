"""A model judged: scores, the matrix that goes into its card, and a report a person can read."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ocsge.errors import ParameterError
from ocsge.products.confusion import read_confusion
from ocsge.rules import load_rules
from ocsge.segment.checkpoint import save_model
from ocsge.segment.evaluation import Evaluation, confusion_of, evaluate, together
from ocsge.segment.evaluation_report import write_report
from ocsge.segment.folder_evaluation import matrix_numbers
from ocsge.segment.metrics import IGNORED
from ocsge.segment.model_card import read_card
from ocsge.segment.networks import build_network
from ocsge.segment.samples import ArraySamples
from ocsge.uncertainty import class_estimates
from tests.generated_patches import red_squares, small_card

if TYPE_CHECKING:
    from pathlib import Path


COSIA = small_card(head_classes=("Bâtiment", "Pelouse", "Neige"))


@pytest.fixture
def evaluation() -> Evaluation:
    """Of two patches of 100 pixels, one has 10 of 60 lawns mapped as buildings, the other none wrong; no snow."""
    matrices = np.zeros((2, 3, 3), dtype=np.int64)
    matrices[0, :2, :2] = [[40, 10], [0, 50]]
    matrices[1, :2, :2] = [[20, 0], [0, 80]]
    return Evaluation("essai", COSIA.head_classes, ("a", "b"), matrices, "two patches read by hand")


def test_the_scores_are_those_of_all_pixels_together(evaluation: Evaluation) -> None:
    assert evaluation.scores.iou[:2].tolist() == pytest.approx([60 / 70, 130 / 140])
    assert evaluation.scores.overall_accuracy == pytest.approx(190 / 200)


def test_the_matrix_of_the_card_is_read_by_the_uncertainty(evaluation: Evaluation, tmp_path: Path) -> None:
    rules = load_rules()
    numbering, numbers = matrix_numbers(COSIA, rules)
    assert numbering == "cosia_argmax_2023"
    stated = confusion_of(evaluation, numbering=numbering, numbers=numbers)
    path = tmp_path / "x.confusion.json"
    path.write_text(json.dumps(stated), encoding="utf-8")
    found = read_confusion(path, rules=rules, numbering=numbering, model="essai")
    building, lawn = found.classes
    assert found.counts.tolist() == [[60, 10], [0, 130]]
    assert found.design_effect > 1
    areas = class_estimates({building: 70.0, lawn: 130.0}, found)
    assert areas[building].adjusted == pytest.approx(60)


def test_a_class_without_any_pixel_is_left_out_of_the_matrix(evaluation: Evaluation) -> None:
    _, numbers = matrix_numbers(COSIA, load_rules())
    assert len(confusion_of(evaluation, numbering="x", numbers=numbers)["classes"]) == 2


def test_a_model_that_answers_more_than_the_rasters_of_ign_is_numbered_by_its_masks() -> None:
    numbering, numbers = matrix_numbers(small_card(head_classes=("Bâtiment", "Ligneux")), load_rules())
    assert numbering == "flair_inc_mask"
    assert numbers["Ligneux"] == 17


def test_classes_of_ones_own_are_numbered_from_1_in_the_head() -> None:
    assert matrix_numbers(small_card(), load_rules()) == ("head", {"sombre": 1, "rouge vif": 2})


def test_the_pixels_of_a_patch_count_as_neighbours(evaluation: Evaluation) -> None:
    alike = Evaluation("x", evaluation.classes, ("a", "b"), np.stack([evaluation.matrices.sum(axis=0)] * 2), "")
    assert alike.design_effect == 1
    assert evaluation.design_effect > 2


def test_a_cross_validation_is_one_matrix_of_patches_judged_once(evaluation: Evaluation) -> None:
    whole = together([evaluation, evaluation], model="croisé")
    assert whole.names == ("a", "b", "a", "b")
    assert whole.scores.counts.sum() == 400
    assert whole.model == "croisé"


def test_the_report_says_scores_mistakes_and_what_they_are_worth(evaluation: Evaluation, tmp_path: Path) -> None:
    files = write_report(evaluation, tmp_path / "report")
    text = files[0].read_text(encoding="utf-8")
    assert "200 pixels of 2 patches: two patches read by hand" in text
    assert "mean IoU **89.3 %**, over the 2 classes" in text
    assert "overall accuracy **95.0 %**" in text
    assert "| Bâtiment | 30.0 | 85.7 | 100.0 | 92.3 | 85.7 |" in text
    assert "| Bâtiment | 100.0 | 7.1 |" in text
    assert "Neige" not in text
    assert "independent samples" in text


def test_the_tables_of_the_report_hold_every_class_and_patch(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path)
    with (tmp_path / "scores.csv").open(encoding="utf-8") as file:
        scores = {row["class"]: row for row in csv.DictReader(file)}
    assert scores["Pelouse"]["recall"] == "0.9286"
    assert scores["Neige"]["iou"] == ""
    confusion = (tmp_path / "confusion.csv").read_text(encoding="utf-8").splitlines()
    assert confusion[1] == "Bâtiment,60,10,0"
    patches = (tmp_path / "patches.csv").read_text(encoding="utf-8").splitlines()
    assert patches[2].startswith("b,100,1.0000")


def test_a_network_is_judged_on_the_patches_given() -> None:
    network = build_network(small_card())
    told: list[tuple[int, int]] = []
    found = evaluate(
        network,
        small_card(),
        red_squares(3),
        source="generated",
        batch=2,
        device="cpu",
        precision="fp32",
        progress=lambda done, of: told.append((done, of)),
    )
    assert found.matrices.sum(axis=(1, 2)).tolist() == [64 * 64] * 3
    assert found.names[2] == "patch 2"
    assert told[-1] == (3, 3)


def test_patches_that_are_wholly_ignored_judge_nothing() -> None:
    blank = ArraySamples([np.zeros((3, 32, 32), dtype=np.uint8)], [np.full((32, 32), IGNORED, dtype=np.uint8)])
    with pytest.raises(ParameterError, match="nothing to judge by"):
        evaluate(build_network(small_card()), small_card(), blank, source="", device="cpu")


def test_a_matrix_in_a_card_comes_back_from_its_file(evaluation: Evaluation, tmp_path: Path) -> None:
    stated = confusion_of(evaluation, numbering="head", numbers={"Bâtiment": 1, "Pelouse": 2, "Neige": 3})
    card = small_card(confusion=stated)
    save_model(build_network(card), card, tmp_path / "m.safetensors")
    assert read_card(tmp_path / "m.json").confusion == stated


def told(*pixels: tuple[int, int, int, int]) -> np.ndarray:
    """Return the table of (mapped, probability, reference, pixels)."""
    found = np.zeros((3, 256, 3), dtype=np.int64)
    for mapped, probability, reference, count in pixels:
        found[mapped, probability, reference] = count
    return found


TOLD = told((0, 120, 0, 25), (0, 120, 1, 10), (0, 250, 0, 35), (1, 200, 1, 130))
"""The pixels of the two patches by probability: every mistake was made with 120 of 255."""


def test_the_matrix_tells_its_pixels_by_levels_of_probability(evaluation: Evaluation, tmp_path: Path) -> None:
    rules = load_rules()
    numbering, numbers = matrix_numbers(COSIA, rules)
    stated = confusion_of(replace(evaluation, by_probability=TOLD), numbering=numbering, numbers=numbers)
    path = tmp_path / "x.confusion.json"
    path.write_text(json.dumps(stated), encoding="utf-8")
    found = read_confusion(path, rules=rules, numbering=numbering, model="essai")
    building, lawn = found.classes
    unsure, sure = found.of_class(building)
    assert (unsure.counts.tolist(), sure.counts.tolist()) == ([25, 10], [35, 0])
    assert 120 < sure.at_least <= 250
    assert len(found.of_class(lawn)) == 1  # all of one probability: there is nothing to tell apart


def test_folds_are_told_by_probability_together(evaluation: Evaluation) -> None:
    one = replace(evaluation, by_probability=TOLD)
    assert (together([one, one], model="x").by_probability == 2 * TOLD).all()
    assert together([one, evaluation], model="x").by_probability is None


def test_a_network_that_is_judged_is_told_by_probability() -> None:
    found = evaluate(build_network(small_card()), small_card(), red_squares(2), source="", device="cpu")
    assert (found.by_probability.sum(axis=1) == found.scores.counts).all()

"""The demonstration model: what it learns from, how it is judged, and a card that says what it is."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import pytest

pytest.importorskip("torch")

from ocsge.from_ortho import shipped_model
from ocsge.products.confusion import read_confusion
from ocsge.rules import load_rules
from ocsge.segment.checkpoint import load_model
from ocsge.segment.model_card import card_beside, read_card
from tools.generated_commune import NUMBERING, SEED
from tools.ground_colours import COSIA_NAMES
from tools.train_demonstration import (
    COMMUNE_SEED,
    COMMUNES,
    HEAD,
    NAME,
    PATCH_PX,
    POINTS_A_CLASS,
    SCENES,
    TRAINING_SEED,
    VALIDATION_SCENES,
    VALIDATION_SEED,
    card_of,
    confusion_of,
    design_effect_of,
    points,
    samples_of,
)

MOST_BYTES = 5_000_000
CLASSES = len(HEAD)


@pytest.fixture(scope="module")
def samples() -> object:
    return samples_of(TRAINING_SEED, scenes=1, scene_px=2 * PATCH_PX)


def test_no_scene_is_both_learnt_and_judged() -> None:
    learnt = range(TRAINING_SEED, TRAINING_SEED + SCENES)
    validated = range(VALIDATION_SEED, VALIDATION_SEED + VALIDATION_SCENES)
    held_out = range(COMMUNE_SEED, COMMUNE_SEED + COMMUNES)
    every = [*learnt, *validated, *held_out, SEED]
    assert len(set(every)) == len(every)


def test_a_scene_is_cut_into_patches_labelled_by_the_channels_of_the_head(samples) -> None:
    assert len(samples) == 4
    pixels, labels = samples.read(0)
    assert (pixels.shape, labels.shape) == ((5, PATCH_PX, PATCH_PX), (PATCH_PX, PATCH_PX))
    assert labels.max() < CLASSES


def test_the_card_says_that_the_model_is_a_demonstration(samples) -> None:
    card = card_of(samples)
    assert card.demonstration
    assert card.bands == ("rouge", "vert", "bleu", "infrarouge", "elevation")
    assert card.head_classes == tuple(COSIA_NAMES.values())
    assert "no real imagery" in card.trained_on
    assert card.mean == pytest.approx(
        np.mean([samples.read(k)[0].mean(axis=(1, 2)) for k in range(4)], axis=0), abs=1e-3
    )


def test_points_are_drawn_among_what_is_mapped_as_each_class() -> None:
    counts = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    counts[0, 0], counts[0, 1], counts[1, 1] = 900_000, 100_000, 7
    drawn = points(counts, np.random.default_rng(0))
    assert drawn[0].sum() == POINTS_A_CLASS
    assert drawn[1].tolist() == counts[1].tolist()  # fewer pixels than points: all of them
    assert drawn[0, 1] == pytest.approx(POINTS_A_CLASS / 10, abs=12)
    assert drawn[2:].sum() == 0


def test_the_matrix_holds_the_classes_that_were_met_by_their_number() -> None:
    counts = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    first, second = 2, 0
    counts[first, first], counts[first, second], counts[second, second] = 8, 1, 9
    matrix = confusion_of(counts)
    names = list(COSIA_NAMES.values())
    numbers = {one.name: one.numbers[NUMBERING] for one in load_rules().cosia_classes}
    assert matrix.classes == tuple(sorted(numbers[names[place]] for place in (first, second)))
    assert matrix.counts.sum() == 18
    assert matrix.counts[matrix.classes.index(numbers[names[first]])].sum() == 9
    assert matrix.model == NAME


def test_errors_no_larger_than_those_of_independent_points_are_no_design_effect() -> None:
    assert design_effect_of(np.full(16, 0.1)) == 1.0


def test_errors_of_two_standard_errors_quadruple_the_variance_and_few_communes_widen_it() -> None:
    assert design_effect_of(np.full(1000, 2.0)) == pytest.approx(4.0, rel=0.01)
    assert design_effect_of(np.full(16, 2.0)) == pytest.approx(4.0 * (2.12 / 1.96) ** 2, rel=0.01)


def test_a_bias_counts_as_an_error() -> None:
    assert design_effect_of(np.full(16, 3.0)) > design_effect_of(np.tile([3.0, 0.0], 8))


def test_the_shipped_weights_are_those_of_their_card_and_small() -> None:
    weights = shipped_model()
    assert weights.stat().st_size < MOST_BYTES
    card = read_card(card_beside(weights))
    assert card.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert card.demonstration
    assert card.licence == "Apache-2.0"
    network, _ = load_model(weights)
    assert sum(p.numel() for p in network.parameters()) < 2.5e6


def test_the_shipped_confusion_matrix_is_of_points_and_has_a_design_effect(tmp_path) -> None:
    card = read_card(card_beside(shipped_model()))
    path = tmp_path / "x.confusion.json"
    path.write_text(json.dumps(card.confusion))
    matrix = read_confusion(path, rules=load_rules(), numbering=NUMBERING, model=NAME)
    assert matrix.counts.sum() <= POINTS_A_CLASS * len(matrix.classes)
    assert matrix.design_effect >= 1
    assert math.isfinite(matrix.design_effect)
    assert "nor the shipped one" in matrix.source

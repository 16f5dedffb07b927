"""The choices of a training, its learning rate and the weights of its classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ocsge.errors import ParameterError
from ocsge.segment.recipe import Recipe, balanced_weights


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch", 0),
        ("crop_px", -32),
        ("repeat", 0),
        ("patience", 0),
        ("judge_every", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("cpu_seconds", -1.0),
        ("minutes", 0.0),
        ("dice", -0.5),
        ("weight_decay", -1.0),
        ("smoothing", 1.0),
        ("average", 1.0),
        ("seed", -1),
        ("class_weights", (1.0, -1.0)),
    ],
)
def test_a_choice_that_cannot_be_used_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=name.replace("_", "[_ ]")):
        Recipe(**{name: value})


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_the_learning_rate_rises_to_its_highest_then_falls(schedule: Any) -> None:
    recipe = Recipe(learning_rate=0.01, schedule=schedule)
    rates = [recipe.learning_rate_at(done) for done in np.linspace(0, 1, 201)]
    top = int(np.argmax(rates))
    assert rates[0] == pytest.approx(0.01 / 25)
    assert max(rates) == pytest.approx(0.01, rel=1e-3)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < rates[0]


def test_cosine_warms_up_in_a_twentieth_and_one_cycle_in_three_tenths() -> None:
    assert Recipe(schedule="cosine").learning_rate_at(0.05) == pytest.approx(1e-3)
    assert Recipe(schedule="one_cycle").learning_rate_at(0.3) == pytest.approx(1e-3)


def test_equal_classes_have_equal_weights() -> None:
    assert balanced_weights(np.array([500, 500])) == (1.0, 1.0)


def test_at_power_one_every_class_has_the_same_say() -> None:
    pixels = np.array([900, 100])
    assert (np.array(balanced_weights(pixels, power=1)) * pixels).tolist() == pytest.approx([500, 500])


def test_at_power_zero_every_pixel_has_the_same_say() -> None:
    assert balanced_weights(np.array([900, 100]), power=0) == pytest.approx((1, 1))


def test_the_mean_weight_of_a_pixel_is_one_and_an_absent_class_has_none() -> None:
    pixels = np.array([700, 200, 100, 0])
    weights = np.array(balanced_weights(pixels))
    assert (weights * pixels).sum() == pytest.approx(pixels.sum())
    assert weights[3] == 0


def test_without_any_labelled_pixel_there_are_no_weights() -> None:
    with pytest.raises(ParameterError, match="whole training set is ignored"):
        balanced_weights(np.zeros(3, dtype=np.int64))

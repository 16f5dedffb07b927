"""Levels of probability: how many a class gets, where they start, and that they hold every sample once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsge.segment.confidence import FEWEST_SAMPLES, LEVELS, add_by_probability, level_starts, levels_of


def samples(**by_probability: int) -> np.ndarray:
    """Return the samples of a class: ``p200=7`` is seven with 200 of 255."""
    found = np.zeros(256, dtype=np.int64)
    for name, count in by_probability.items():
        found[int(name[1:])] = count
    return found


@pytest.mark.parametrize(
    ("given_", "starts"),
    [
        (samples(p100=50, p180=50, p250=50), [0, 101, 181]),
        (samples(p100=50, p255=100), [0, 101]),  # what is certain is not cut
        (samples(p100=29, p255=100), [0]),  # 29 samples are too few for a level
        (samples(p255=900), [0]),
        (samples(p0=50, p255=100), [0, 1]),
        (samples(), [0]),
    ],
)
def test_levels_hold_about_as_many_samples_each(given_: np.ndarray, starts: list[int]) -> None:
    assert level_starts(given_) == starts


@given(st.lists(st.integers(0, 40), min_size=256, max_size=256))
def test_no_level_is_short_of_samples(counts: list[int]) -> None:
    found = np.array(counts)
    starts = level_starts(found)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert len(starts) <= LEVELS
    if len(starts) > 1:
        ends = [*starts[1:], 256]
        assert all(found[a:b].sum() >= FEWEST_SAMPLES for a, b in zip(starts, ends, strict=True))


def test_pixels_are_added_by_class_and_probability_without_the_ignored_ones() -> None:
    told = np.zeros((2, 256, 2), dtype=np.int64)
    mapped, probability, reference = (
        np.array(row, dtype=np.uint8) for row in ([0, 0, 1, 1], [9, 9, 255, 200], [0, 1, 1, 255])
    )
    for _ in range(2):
        add_by_probability(told, mapped, probability, reference, ignore=255)
    assert (told[0, 9].tolist(), told[1, 255].tolist(), int(told.sum())) == ([2, 2], [0, 2], 6)


def test_the_samples_of_the_levels_of_a_class_are_its_own() -> None:
    told = np.random.default_rng(0).integers(0, 3, (3, 256, 3))
    told[2] = 0
    found = levels_of(told, [5, 7, 9])
    assert [row["mapped"] for row in found] == [5, 5, 5, 7, 7, 7]  # nothing was mapped 9
    for number, row in ((5, 0), (7, 1)):
        own = [one["counts"] for one in found if one["mapped"] == number]
        assert np.sum(own, axis=0).tolist() == told[row].sum(axis=0).tolist()

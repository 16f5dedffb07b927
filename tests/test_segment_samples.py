"""Patches and their labels: what is read, chosen, counted and normalised."""

from __future__ import annotations

import numpy as np
import pytest

from ocsge.errors import DataError
from ocsge.segment.samples import ArraySamples, Chosen, class_pixels, normalisation


def flat(*values: int) -> ArraySamples:
    """Return patches of one band of 2 × 2 pixels, each of one value, without any class."""
    return ArraySamples(
        [np.full((1, 2, 2), value, dtype=np.uint8) for value in values],
        [np.zeros((2, 2), dtype=np.uint8) for _ in values],
    )


def test_chosen_patches_come_in_the_order_of_their_indices() -> None:
    chosen = Chosen(flat(10, 20, 30), (2, 0))
    assert len(chosen) == 2
    assert [int(chosen.read(k)[0][0, 0, 0]) for k in (0, 1)] == [30, 10]
    assert [chosen.name(k) for k in (0, 1)] == ["patch 2", "patch 0"]
    assert chosen.content(0) == flat(30).content(0)
    assert chosen.labels_of(1).shape == (2, 2)


def test_what_a_patch_is_changes_with_its_pixels_its_labels_or_their_type() -> None:
    labels = np.zeros((2, 2), dtype=np.uint8)
    pixels = np.full((1, 2, 2), 10, dtype=np.uint8)
    others = [(pixels, labels), (pixels + 1, labels), (pixels, labels + 1), (pixels.astype(np.float32), labels)]
    assert len({ArraySamples([one], [two]).content(0) for one, two in others}) == 4
    assert flat(10).content(0) == ArraySamples([pixels], [labels]).content(0)


def test_each_patch_has_one_mask_of_its_size() -> None:
    pixels, labels = np.zeros((3, 4, 4), dtype=np.uint8), np.zeros((4, 4), dtype=np.uint8)
    with pytest.raises(DataError, match="2 patches, 1 masks"):
        ArraySamples([pixels, pixels], [labels])
    with pytest.raises(DataError, match=r"patch 1: pixels \(4, 4\), mask \(2, 4\)"):
        ArraySamples([pixels, pixels], [labels, labels[:2]])


def test_unknown_heights_are_not_in_the_normalisation() -> None:
    heights = np.array([[[10.0, 30.0], [np.nan, np.nan]]], dtype=np.float32)
    assert normalisation(ArraySamples([heights], [np.zeros((2, 2), dtype=np.uint8)])) == ((20.0,), (10.0,))


def test_the_normalisation_is_that_of_all_pixels() -> None:
    pixels = [np.full((1, 2, 2), value, dtype=np.uint8) for value in (10, 30)]
    samples = ArraySamples(pixels, [np.zeros((2, 2), dtype=np.uint8)] * 2)
    assert normalisation(samples) == ((20.0,), (10.0,))


def test_of_very_many_patches_the_normalisation_takes_some_at_even_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocsge.segment.samples.MOST_READ", 3)
    pixels = [np.full((1, 2, 2), value, dtype=np.uint8) for value in (10, 99, 20, 99, 30)]
    samples = ArraySamples(pixels, [np.zeros((2, 2), dtype=np.uint8)] * 5)
    assert normalisation(samples)[0] == (20.0,)


def test_a_band_that_says_nothing_has_no_normalisation() -> None:
    samples = ArraySamples([np.zeros((2, 4, 4), dtype=np.uint8)], [np.zeros((4, 4), dtype=np.uint8)])
    with pytest.raises(DataError, match=r"bands \[1, 2\] hold one value"):
        normalisation(samples)
    with pytest.raises(DataError, match="no patch"):
        normalisation(ArraySamples([], []))


def test_class_pixels_are_counted_by_patch_without_those_ignored() -> None:
    labels = np.array([[0, 1], [1, 255]], dtype=np.uint8)
    samples = ArraySamples([np.zeros((1, 2, 2), dtype=np.uint8)] * 2, [labels, labels * 0])
    assert class_pixels(samples, classes=2).tolist() == [[1, 2], [4, 0]]


def test_a_label_that_is_no_class_is_refused_with_its_patch() -> None:
    samples = ArraySamples([np.zeros((1, 2, 2), dtype=np.uint8)], [np.full((2, 2), 7, dtype=np.uint8)])
    with pytest.raises(DataError, match="patch 0: label 7 of 2 classes"):
        class_pixels(samples, classes=2)

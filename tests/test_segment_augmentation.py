"""Patches changed as they could have been seen: labels follow pixels, and chance is the generator's alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ocsge.errors import ParameterError
from ocsge.segment.augmentation import NONE, Augmentation, augment

if TYPE_CHECKING:
    from numpy.typing import NDArray

TURNS = Augmentation(brightness=0, contrast=0, gamma=0, channel=0)


def numbered(side: int = 8, bands: int = 2) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a patch in which every pixel has another value, and labels equal to its first band."""
    values = np.arange(side * side, dtype=np.uint8).reshape(side, side)
    return np.stack([values] * bands), values.copy()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_any_change_a_patch_stays_as_it_is() -> None:
    pixels, labels = numbered()
    shown, truth = augment(pixels, labels, settings=NONE, rng=rng())
    assert shown.dtype == np.float32
    np.testing.assert_array_equal(shown, pixels)
    np.testing.assert_array_equal(truth, labels)


def test_the_patch_given_is_never_changed_in_place() -> None:
    pixels, labels = np.full((1, 8, 8), 100, dtype=np.float32), np.zeros((8, 8), dtype=np.uint8)
    shown, _ = augment(pixels, labels, settings=Augmentation(turns=False), rng=rng())
    assert (pixels == 100).all()
    assert not (shown == 100).all()


@pytest.mark.parametrize("seed", range(12))
def test_labels_are_turned_with_their_pixels(seed: int) -> None:
    shown, truth = augment(*numbered(), settings=TURNS, rng=rng(seed))
    np.testing.assert_array_equal(shown[0], truth)
    assert sorted(truth.ravel()) == list(range(64))


def test_all_eight_turns_and_mirrors_come() -> None:
    pixels, labels = numbered()
    found = {augment(pixels, labels, settings=TURNS, rng=rng(seed))[1].tobytes() for seed in range(100)}
    assert len(found) == 8


def test_the_same_generator_gives_the_same_patch_and_another_another() -> None:
    pixels, labels = numbered()
    settings = Augmentation(zoom=0.3, noise=2)
    first, again, other = (augment(pixels, labels, settings=settings, rng=rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_crop_is_a_square_of_the_patch() -> None:
    pixels, labels = numbered(16)
    shown, truth = augment(pixels, labels, settings=NONE, rng=rng(3), crop_px=4)
    assert truth.shape == (4, 4)
    np.testing.assert_array_equal(shown[1], truth)
    assert (np.diff(truth.astype(int), axis=1) == 1).all()
    assert (np.diff(truth.astype(int), axis=0) == 16).all()


def test_a_patch_that_is_no_square_is_cut_to_one_before_it_is_turned() -> None:
    pixels, labels = np.zeros((1, 8, 12), dtype=np.uint8), np.zeros((8, 12), dtype=np.uint8)
    assert augment(pixels, labels, settings=TURNS, rng=rng())[1].shape == (8, 8)


def test_a_crop_larger_than_the_patch_is_refused() -> None:
    with pytest.raises(ParameterError, match="crop of 16 pixels in a patch of 8 × 8"):
        augment(*numbered(), settings=NONE, rng=rng(), crop_px=16)


def test_a_zoom_shows_pixels_of_the_patch_and_keeps_labels_under_them() -> None:
    settings = Augmentation(turns=False, zoom=0.5, brightness=0, contrast=0, gamma=0, channel=0)
    sizes = set()
    for seed in range(20):
        shown, truth = augment(*numbered(16), settings=settings, rng=rng(seed), crop_px=8)
        np.testing.assert_array_equal(shown[0], truth)
        sizes.add(int(truth[0, -1]) - int(truth[0, 0]))
    assert min(sizes) < 7 < max(sizes)


def test_radiometry_changes_values_not_labels_and_stays_within_a_byte() -> None:
    pixels, labels = numbered(16)
    settings = Augmentation(turns=False, brightness=0.5, contrast=0.5, gamma=0.5, channel=0.2)
    for seed in range(20):
        shown, truth = augment(pixels, labels, settings=settings, rng=rng(seed))
        np.testing.assert_array_equal(truth, labels)
        assert shown.min() >= 0
        assert shown.max() <= 255


def test_radiometry_keeps_the_order_of_values() -> None:
    pixels, labels = numbered(16, bands=1)
    shown, _ = augment(pixels, labels, settings=Augmentation(turns=False), rng=rng(5))
    assert (np.diff(shown.ravel()) >= 0).all()


def test_elevation_keeps_its_values() -> None:
    pixels = np.stack([np.full((8, 8), 100.0), np.full((8, 8), 812.5)]).astype(np.float32)
    shown, _ = augment(
        pixels,
        np.zeros((8, 8), dtype=np.uint8),
        settings=Augmentation(noise=5),
        rng=rng(),
        imagery=(True, False),
    )
    assert (shown[1] == 812.5).all()
    assert not (shown[0] == 100).all()


def test_a_negative_change_is_refused_by_name() -> None:
    with pytest.raises(ParameterError, match="contrast is -1"):
        Augmentation(contrast=-1)

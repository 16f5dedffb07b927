"""A second state that starts from the first: small pictures, and a plain implementation beside the kernels."""

from __future__ import annotations

import numpy as np
import pytest
from engine_scenes import dense
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from ocsge.regions.anchor import ChangeMinima, anchored_evidence, crossed, effective_evidence, settle
from ocsge.regions.evidence import COMMUNE_SHIFT, KEY_MASK, OUTSIDE, UNSEEN
from ocsge.regions.pieces import pieces_of_state
from ocsge.regions.runs import Runs, without_repeats

Image = NDArray[np.uint32]
GRASS, SEALED, WOOD = 3, 5, 7
ONE = ChangeMinima(area_px=1, width_px=1)


def runs_of(image: Image) -> Runs:
    """Return an image as runs."""
    image = np.ascontiguousarray(image, dtype=np.uint32)
    height, width = image.shape
    every = Runs(
        row_ptr=np.arange(height + 1, dtype=np.int64) * width,
        start=np.tile(np.arange(width, dtype=np.int32), height),
        value=image.ravel(),
        width=width,
    )
    return without_repeats(every)


def picture(text: str) -> Image:
    """Return an image from rows of letters: g grass, s sealed, w wood, . outside."""
    legend = {"g": GRASS, "s": SEALED, "w": WOOD, ".": OUTSIDE}
    return np.array([[legend[letter] for letter in row] for row in text.split()], dtype=np.uint32)


def test_the_same_evidence_takes_the_first_states_key():
    evidence = picture("ggsgg ggggg")
    state = picture("ggggg ggggg")
    found = dense(anchored_evidence(runs_of(evidence), runs_of(evidence), runs_of(state)))
    assert found.tolist() == state.tolist()


def test_other_evidence_speaks_for_itself_and_keeps_its_other_bits():
    commune = np.uint32(2 << COMMUNE_SHIFT)
    first, second, state = picture("gggg"), picture("ggss") | commune, picture("wwww")
    found = dense(anchored_evidence(runs_of(first | commune), runs_of(second), runs_of(state)))
    assert (found & KEY_MASK).tolist() == [[WOOD, WOOD, SEALED, SEALED]]
    assert (found >> COMMUNE_SHIFT).tolist() == [[2, 2, 2, 2]]


def test_ground_left_out_stays_out():
    second = np.array([[OUTSIDE, UNSEEN, GRASS]], dtype=np.uint32)
    found = dense(anchored_evidence(runs_of(second), runs_of(second), runs_of(picture("www"))))
    assert found.tolist() == [[OUTSIDE, UNSEEN, WOOD]]


def test_unchanged_ground_is_made_of_the_first_evidence():
    found = dense(effective_evidence(runs_of(picture("gggg")), runs_of(picture("wwww")), runs_of(picture("gggg") * 0)))
    assert found.tolist() == picture("wwww").tolist()
    same = np.array([[1, 1, 0, 0]], dtype=np.uint32)
    found = dense(effective_evidence(runs_of(picture("gggg")), runs_of(picture("wwww")), runs_of(same)))
    assert found.tolist() == picture("ggww").tolist()


@pytest.mark.parametrize(("area_px", "kept"), [(6, True), (7, False)])
def test_a_change_of_exactly_the_minimum_area_is_kept(area_px: int, kept: bool):
    first, second = picture("ggggg ggggg ggggg"), picture("ggggg gsssg gsssg")
    found = settle(runs_of(first), runs_of(second), ChangeMinima(area_px=area_px, width_px=1))
    assert dense(found.state).tolist() == (second if kept else first).tolist()
    assert dense(found.same).sum() == (9 if kept else 15)


def test_a_narrow_change_is_undone_however_long():
    first = np.full((40, 200), GRASS, dtype=np.uint32)
    second = first.copy()
    second[10:14] = SEALED
    second[20:32, 50:62] = SEALED
    found = dense(settle(runs_of(first), runs_of(second), ChangeMinima(area_px=10, width_px=6)).state)
    assert (found[10:14] == GRASS).all()
    assert (found[20:32, 50:62] == SEALED).all()


def test_a_change_is_one_whatever_the_keys_it_is_made_of():
    first, second = picture("gggggg gggggg"), picture("ggssww ggssww")
    found = settle(runs_of(first), runs_of(second), ChangeMinima(area_px=8, width_px=1))
    assert dense(found.state).tolist() == second.tolist()


def settled_slowly(first: Image, second: Image, minima: ChangeMinima) -> Image:
    """Return what ``settle`` must give: scipy's components, and a distance to what is not of the change."""
    labels, count = ndimage.label(first != second)
    result = second.copy()
    for change in range(1, count + 1):
        mask = labels == change
        inscribed = ndimage.distance_transform_edt(np.pad(mask, 1)).max()
        if mask.sum() < minima.area_px or inscribed <= minima.width_px / 2:
            result[mask] = first[mask]
    return result


images = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))


@settings(deadline=None, max_examples=80)
@given(images, st.integers(1, 12), st.sampled_from([1.0, 2.0, 3.0, 4.5, 6.0]))
def test_changes_are_those_of_a_plain_implementation(shape, area_px, width_px):
    height, width, seed = shape
    random = np.random.default_rng(seed)
    first = random.choice([GRASS, SEALED], (height, width)).astype(np.uint32)
    second = np.where(random.random((height, width)) < 0.6, random.choice([GRASS, WOOD], (height, width)), first)
    minima = ChangeMinima(area_px=area_px, width_px=width_px)
    found = settle(runs_of(first), runs_of(second.astype(np.uint32)), minima)
    expected = settled_slowly(first, second.astype(np.uint32), minima)
    assert dense(found.state).tolist() == expected.tolist()
    assert dense(found.same).tolist() == (first == expected).astype(int).tolist()


@settings(deadline=None, max_examples=80)
@given(images)
def test_crossing_and_merging_are_those_of_arrays(shape):
    height, width, seed = shape
    random = np.random.default_rng(seed)
    first, second, state = (random.integers(0, 4, (height, width)).astype(np.uint32) for _ in range(3))
    row_ptr, start, one, other = crossed(runs_of(first), runs_of(second))
    for values, image in ((one, first), (other, second)):
        assert dense(Runs(row_ptr=row_ptr, start=start, value=values, width=width)).tolist() == image.tolist()
    anchored = dense(anchored_evidence(runs_of(first), runs_of(second), runs_of(state)))
    assert anchored.tolist() == np.where(first == second, state, second).tolist()
    effective = dense(effective_evidence(runs_of(first), runs_of(second), runs_of((state == 1).astype(np.uint32))))
    assert effective.tolist() == np.where(state == 1, first, second).tolist()


def test_a_state_given_is_filled_pixel_by_pixel():
    """A piece may end where the evidence goes on."""
    evidence, state = picture("gggg ssss"), picture("ggww ggww")
    found = pieces_of_state(runs_of(evidence), runs_of(state))
    assert found.area_px.tolist() == [4, 4]
    assert found.cover_px[:, [GRASS, SEALED]].tolist() == [[2, 2], [2, 2]]

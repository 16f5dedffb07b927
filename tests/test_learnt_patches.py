"""Patches that a model has met are known by their imagery, whatever they are called."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ocsge.errors import DataError
from ocsge.segment.datasets import find_patches
from ocsge.segment.learnt_patches import TRAINING, VALIDATION, Met, learnt_beside, met_before, write_learnt
from tests.generated_patches import red_squares, write_plain

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.segment.datasets import Patch


@pytest.fixture
def patches(tmp_path: Path) -> list[Patch]:
    return find_patches(write_plain(tmp_path / "data", red_squares(5, side=32)))


def test_patches_that_taught_or_chose_are_told_apart_from_others(tmp_path: Path, patches: list[Patch]) -> None:
    weights = tmp_path / "m.safetensors"
    write_learnt(weights, {TRAINING: patches[:2], VALIDATION: patches[2:3]})
    assert met_before(weights, patches) == Met(patches=5, taught=2, chose=1)
    assert met_before(weights, patches[3:]) == Met(patches=2, taught=0, chose=0)


def test_a_patch_is_known_under_another_name_and_in_another_folder(tmp_path: Path, patches: list[Patch]) -> None:
    weights = tmp_path / "m.safetensors"
    write_learnt(weights, {TRAINING: patches[:1]})
    for kind, path in (("img", patches[0].imagery), ("mask", patches[0].mask)):
        (tmp_path / "copy" / kind).mkdir(parents=True)
        shutil.copy(path, tmp_path / "copy" / kind / "other.tif")
    assert met_before(weights, find_patches(tmp_path / "copy")) == Met(patches=1, taught=1, chose=0)


def test_a_patch_that_taught_and_chose_has_taught(tmp_path: Path, patches: list[Patch]) -> None:
    weights = tmp_path / "m.safetensors"
    for sides in ({TRAINING: patches[:1], VALIDATION: patches[:1]}, {VALIDATION: patches[:1], TRAINING: patches[:1]}):
        write_learnt(weights, sides)
        assert met_before(weights, patches) == Met(patches=5, taught=1, chose=0)


def test_a_model_has_met_what_the_weights_it_started_from_had_met(tmp_path: Path, patches: list[Patch]) -> None:
    start, weights = tmp_path / "start.safetensors", tmp_path / "m.safetensors"
    write_learnt(start, {TRAINING: patches[:2]})
    write_learnt(weights, {TRAINING: patches[2:3]}, start=start)
    assert met_before(weights, patches) == Met(patches=5, taught=3, chose=0)


def test_what_the_weights_it_started_from_had_met_stays_unknown_from_model_to_model(
    tmp_path: Path, patches: list[Patch]
) -> None:
    published, first, second = (tmp_path / f"{name}.safetensors" for name in ("published", "first", "second"))
    write_learnt(first, {TRAINING: patches[:2]}, start=published)
    assert learnt_beside(first).read_text(encoding="utf-8").splitlines()[1] == "published.safetensors,unknown,"
    assert met_before(first, patches) == Met(patches=5, taught=2, chose=0, complete=False)
    write_learnt(second, {VALIDATION: patches[2:3]}, start=first)
    assert met_before(second, patches) == Met(patches=5, taught=2, chose=1, complete=False)
    assert met_before(second, patches[3:]) == Met(patches=2, taught=0, chose=0, complete=False)


def test_without_a_list_nothing_is_known_and_a_broken_one_is_refused(tmp_path: Path, patches: list[Patch]) -> None:
    weights = tmp_path / "m.safetensors"
    assert met_before(weights, patches) is None
    learnt_beside(weights).write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"m\.learnt\.csv: expected the columns patch, side, imagery_sha256"):
        met_before(weights, patches)


def test_it_is_said_in_words() -> None:
    assert str(Met(4, 0, 0)) == "none of them taught the model or chose its weights"
    assert str(Met(4, 3, 1)) == "3 of the 4 taught the model, and 1 chose its weights"
    gap = "; what the weights it started from had met is not known"
    assert str(Met(4, 0, 0, complete=False)) == "none of them is known to have taught it or chosen its weights" + gap
    assert str(Met(4, 3, 1, complete=False)) == str(Met(4, 3, 1)) + gap

"""A model trained from a folder: which patches teach, choose and judge, and what its card says of itself."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from ocsge.errors import ParameterError
from ocsge.publish import file_sha256
from ocsge.rules import load_rules
from ocsge.segment.augmentation import NONE
from ocsge.segment.folder_training import ModelWanted, Splitting, Trained, train_folder
from ocsge.segment.labelled_folder import LabelledFolder
from ocsge.segment.learnt_patches import learnt_beside
from ocsge.segment.model_card import read_card
from ocsge.segment.recipe import Recipe
from tests.generated_patches import red_squares, write_plain, write_raster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsge.segment.model_card import ModelCard

RECIPE = Recipe(epochs=1, batch=2, precision="fp32", augmentation=NONE)
SMALL = ModelWanted(name="essai", encoder="resnet18", width=8)
PATCHES, SIDE = 6, 32


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path: Path) -> LabelledFolder:
    """Six patches a kilometre apart, hence six locations."""
    folder = write_plain(tmp_path / "data", red_squares(PATCHES, side=SIDE))
    return labelled(folder, tmp_path / "classes.csv")


def labelled(folder: Path, classes: Path) -> LabelledFolder:
    classes.write_text("number,class\n0,sombre\n1,rouge vif\n", encoding="utf-8")
    return LabelledFolder(folder=folder, classes=classes)


def trained(data: LabelledFolder, out: Path, *, wanted: ModelWanted = SMALL, **how: object) -> Trained:
    options: dict[str, object] = {"recipe": RECIPE, "splitting": Splitting(folds=3), "device": "cpu", **how}
    return train_folder(data, out=out, rules=load_rules(), wanted=wanted, **options)  # type: ignore[arg-type]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def card_of(found: Trained) -> ModelCard:
    return read_card(found.weights[0].with_suffix(".json"))


def test_each_third_of_six_locations_teaches_chooses_or_judges(data: LabelledFolder, tmp_path: Path) -> None:
    found = trained(data, tmp_path / "m")
    sides = [row["side"] for row in rows_of(tmp_path / "m" / "split.csv")]
    assert sorted(sides) == sorted(["training", "validation", "test"] * 2)
    (evaluation,) = found.evaluations
    judged = [row["patch"] for row in rows_of(tmp_path / "m" / "split.csv") if row["side"] == "test"]
    assert sorted(evaluation.names) == sorted(judged)
    assert evaluation.matrices.sum() == 2 * SIDE * SIDE


def test_what_judges_is_not_among_what_the_model_is_said_to_have_met(data: LabelledFolder, tmp_path: Path) -> None:
    found = trained(data, tmp_path / "m")
    learnt = {row["patch"]: row["side"] for row in rows_of(learnt_beside(found.weights[0]))}
    split = {row["patch"]: row["side"] for row in rows_of(tmp_path / "m" / "split.csv")}
    assert learnt == {patch: side for patch, side in split.items() if side != "test"}
    for row in rows_of(learnt_beside(found.weights[0])):
        (file,) = (data.folder / "img").rglob(f"{row['patch'].rsplit('/', 1)[-1]}.tif")
        assert row["imagery_sha256"] == file_sha256(file)


def test_a_cross_validation_judges_each_patch_once(data: LabelledFolder, tmp_path: Path) -> None:
    found = trained(data, tmp_path / "m", splitting=Splitting(folds=3, every=True))
    assert [path.parent.name for path in found.weights] == ["fold_0", "fold_1", "fold_2"]
    judged = [name for evaluation in found.evaluations for name in evaluation.names]
    assert len(judged) == len(set(judged)) == PATCHES
    assert tmp_path / "m" / "report.md" in found.files


def test_a_validation_set_apart_leaves_the_data_whole(data: LabelledFolder, tmp_path: Path) -> None:
    other = labelled(write_plain(tmp_path / "other", red_squares(2, side=SIDE, seed=9)), tmp_path / "classes.csv")
    found = trained(data, tmp_path / "m", splitting=None, validation=other)
    assert found.evaluations == ()
    assert not (tmp_path / "m" / "split.csv").exists()
    sides = [row["side"] for row in rows_of(learnt_beside(found.weights[0]))]
    assert (sides.count("training"), sides.count("validation")) == (PATCHES, 2)
    assert card_of(found).confusion is None


def test_the_card_is_normalised_by_the_patches_that_teach_alone(tmp_path: Path) -> None:
    for index in range(3):
        image = np.full((3, SIDE, SIDE), 50 * index, dtype=np.uint8)
        image[:, : SIDE // 2] += 20  # the mean is 10 above, half of the pixels 10 from it
        place = {"x": 664_000.0 + 1000 * index}
        write_raster(tmp_path / "data" / "img" / f"{index}.tif", image, **place)
        mask = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 2).astype(np.uint8)
        write_raster(tmp_path / "data" / "mask" / f"{index}.tif", mask, **place)
    data = labelled(tmp_path / "data", tmp_path / "classes.csv")
    found = trained(data, tmp_path / "m", recipe=replace(RECIPE, repeat=2))
    (teacher,) = (row["patch"] for row in rows_of(tmp_path / "m" / "split.csv") if row["side"] == "training")
    card = card_of(found)
    assert card.mean == (50.0 * int(teacher.rsplit("/", 1)[-1]) + 10,) * 3
    assert card.std == (10.0,) * 3


def test_the_card_says_what_the_model_is_and_keeps_the_matrix_of_its_judgement(
    data: LabelledFolder, tmp_path: Path
) -> None:
    card = card_of(trained(data, tmp_path / "m", wanted=replace(SMALL, licence="CC0", credit="moi")))
    assert (card.name, card.licence, card.credit) == ("essai", "CC0", "moi")
    assert (card.bands, card.elevation) == (("rouge", "vert", "bleu"), None)
    assert (card.head_classes, card.patch_px, card.resolution_m) == (("sombre", "rouge vif"), SIDE, 0.2)
    assert card.trained_on == "2 patches of data"
    assert card.confusion is not None
    assert card.confusion["source"] == "2 patches of data, held out by location"
    assert sum(map(sum, card.confusion["counts"])) == 2 * SIDE * SIDE


def test_bands_are_those_asked_for_in_their_order(data: LabelledFolder, tmp_path: Path) -> None:
    card = card_of(trained(data, tmp_path / "m", wanted=replace(SMALL, bands=("bleu", "rouge"))))
    assert card.bands == ("bleu", "rouge")


def test_a_model_taken_up_keeps_its_network_and_remembers_what_it_had_met(data: LabelledFolder, tmp_path: Path) -> None:
    first = trained(data, tmp_path / "a")
    second = trained(
        data,
        tmp_path / "b",
        wanted=replace(SMALL, start=first.weights[0], width=64, encoder="resnet34"),
        splitting=Splitting(folds=3, fold=1),
    )
    card = card_of(second)
    assert (card.encoder, card.width) == ("resnet18", 8)
    assert card.mean == card_of(first).mean
    # four patches of either training; with three folds turned by one, every patch was met once at least
    learnt = rows_of(learnt_beside(second.weights[0]))
    assert len(learnt) == 8
    assert len({row["imagery_sha256"] for row in learnt}) == PATCHES
    # the two held out of the second had chosen the weights of the first: its matrix says so
    held_out = "2 patches of data, held out by location"
    assert card.confusion["source"] == f"{held_out}; 0 of the 2 taught the model, and 2 chose its weights"


def test_a_fold_that_is_not_there_is_refused_before_any_training(data: LabelledFolder, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="fold 3 of 3: they are numbered from 0"):
        trained(data, tmp_path / "m", splitting=Splitting(folds=3, fold=3))
    assert not (tmp_path / "m" / "model.safetensors").exists()


def test_a_resolution_that_no_raster_can_have_is_told_before_the_training(tmp_path: Path) -> None:
    for index in range(3):
        samples = red_squares(1, side=SIDE, seed=index)
        pixels, labels = samples.read(0)
        for kind, values in (("img", pixels), ("mask", labels)):
            place = {"x": 664_000.0 + 1000 * index, "pixel_m": 0.6}
            write_raster(tmp_path / "data" / kind / f"{index}.tif", values, **place)
    told: list[str] = []
    data = labelled(tmp_path / "data", tmp_path / "classes.csv")
    trained(data, tmp_path / "m", recipe=replace(RECIPE, repeat=2), warn=told.append)
    assert len(told) == 1
    assert "pixels of 0.6 m, which do not divide a metre" in told[0]

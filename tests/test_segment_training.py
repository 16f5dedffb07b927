"""The loop of a training: it learns, it goes on where it stopped, it ends when it should."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from ocsge.errors import DataError, ParameterError
from ocsge.segment.augmentation import NONE, Augmentation
from ocsge.segment.checkpoint import load_model, save_model
from ocsge.segment.metrics import IGNORED, Scores
from ocsge.segment.model_card import write_card
from ocsge.segment.networks import build_network
from ocsge.segment.recipe import Recipe
from ocsge.segment.samples import ArraySamples
from ocsge.segment.scoring import patch_matrices
from ocsge.segment.training import train
from ocsge.segment.training_state import HISTORY, STATE
from tests.generated_patches import red_squares, small_card

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CPU = torch.device("cpu")
QUICK = Recipe(epochs=3, batch=4, learning_rate=3e-3, precision="fp32", average=0.9)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder / "model.safetensors")[0].state_dict()


def assert_same_weights(one: Path, other: Path) -> None:
    ours, theirs = weights_of(one), weights_of(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / HISTORY).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Interrupted(Exception):  # noqa: N818
    """What stops a training in a test."""


def interrupt_at(step: int) -> Any:
    def progress(stage: str, done: int, total: int) -> None:
        if done == step:
            raise Interrupted

    return progress


def test_a_network_learns_a_trivial_rule(tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=12, augmentation=NONE)
    train(red_squares(12, side=32), small_card(), out=tmp_path, recipe=recipe)
    network, card = load_model(tmp_path / "model.safetensors")
    unseen = red_squares(8, side=32, seed=99)
    scores = Scores(patch_matrices(network, card, unseen, device=CPU).sum(axis=0))
    assert scores.mean_iou > 0.9


def test_the_card_written_is_the_card_given_with_the_hash_of_the_weights(tmp_path: Path) -> None:
    card = train(red_squares(4), small_card(), out=tmp_path, recipe=replace(QUICK, epochs=1))
    assert len(card.sha256) == 64
    assert replace(card, sha256="") == small_card()
    assert load_model(tmp_path / "model.safetensors")[1] == card


def test_the_same_seed_gives_the_same_weights_and_another_others(tmp_path: Path) -> None:
    samples, quick = red_squares(8), replace(QUICK, epochs=1)
    for name, recipe in (("a", quick), ("b", quick), ("c", replace(quick, seed=1))):
        train(samples, small_card(), out=tmp_path / name, recipe=recipe)
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    assert not torch.equal(
        weights_of(tmp_path / "a")["encoder.conv1.weight"], weights_of(tmp_path / "c")["encoder.conv1.weight"]
    )


def test_the_seed_governs_what_the_network_leaves_out_and_so_an_interruption_changes_nothing(tmp_path: Path) -> None:
    # an FPN leaves features out by chance while it trains
    samples, card, recipe = red_squares(4), small_card(architecture="fpn"), replace(QUICK, epochs=2, batch=2)
    for chance, name in enumerate(("one", "other")):
        torch.manual_seed(chance)
        train(samples, card, out=tmp_path / name, recipe=recipe)
    assert_same_weights(tmp_path / "one", tmp_path / "other")
    torch.manual_seed(5)
    with pytest.raises(Interrupted):
        train(samples, card, out=tmp_path / "cut", recipe=recipe, progress=interrupt_at(3))
    torch.manual_seed(6)
    train(samples, card, out=tmp_path / "cut", recipe=recipe)
    assert_same_weights(tmp_path / "one", tmp_path / "cut")


def test_a_training_leaves_the_chance_of_others_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    train(red_squares(4), small_card(), out=tmp_path, recipe=replace(QUICK, epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_a_training_killed_before_its_last_row_was_written_has_it_when_taken_up(tmp_path: Path) -> None:
    train(red_squares(4), small_card(), out=tmp_path, recipe=QUICK)
    whole = (tmp_path / HISTORY).read_bytes()
    (tmp_path / HISTORY).write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    (tmp_path / "model.safetensors").unlink()
    train(red_squares(4), small_card(), out=tmp_path, recipe=QUICK)
    assert (tmp_path / HISTORY).read_bytes() == whole


def test_weights_and_card_are_whole_or_those_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = train(red_squares(4), small_card(), out=tmp_path, recipe=replace(QUICK, epochs=1))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def cut(path: Path, content: bytes) -> int:
        path.write_text("half of the weights")
        raise Interrupted

    monkeypatch.setattr("pathlib.Path.write_bytes", cut)
    with pytest.raises(Interrupted):
        save_model(build_network(card), card, tmp_path / "model.safetensors")
    monkeypatch.setattr("ocsge.segment.model_card.json.dumps", lambda *_, **__: "\ud800")  # no UTF-8 has it
    with pytest.raises(UnicodeEncodeError):
        write_card(card, tmp_path / "model.json")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("step", [2, 3, 5])
def test_a_training_interrupted_and_taken_up_gives_the_weights_of_one_that_was_not(tmp_path: Path, step: int) -> None:
    samples, validation = red_squares(8), red_squares(2, seed=7)
    given: dict[str, Any] = {"validation": validation, "recipe": QUICK}
    train(samples, small_card(), out=tmp_path / "whole", **given)
    with pytest.raises(Interrupted):
        train(samples, small_card(), out=tmp_path / "cut", progress=interrupt_at(step), **given)
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    train(samples, small_card(), out=tmp_path / "cut", **given)
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    columns = ("epoch", "learning_rate", "loss", "mean_iou")
    whole, cut = ([[row[c] for c in columns] for row in history(tmp_path / name)] for name in ("whole", "cut"))
    assert whole == cut


def test_a_training_that_ended_is_not_done_again(tmp_path: Path) -> None:
    train(red_squares(4), small_card(), out=tmp_path, recipe=QUICK)
    steps: list[int] = []
    train(red_squares(4), small_card(), out=tmp_path, recipe=QUICK, progress=lambda *_: steps.append(1))
    assert steps == []


def test_a_folder_of_another_training_is_refused(tmp_path: Path) -> None:
    train(red_squares(4), small_card(), out=tmp_path, recipe=QUICK)
    others: list[dict[str, Any]] = [
        {"recipe": replace(QUICK, batch=2)},
        {"recipe": QUICK, "validation": red_squares(2, seed=3)},
        {"recipe": QUICK, "network": build_network(small_card())},
    ]
    said = ["other recipe", "other patches, masks", "other weights to start from"]
    for other, what in zip(others, said, strict=True):
        with pytest.raises(ParameterError, match=rf"holds another training \({what}"):
            train(red_squares(4), small_card(), out=tmp_path, **other)


def test_patches_whose_pixels_or_labels_changed_are_another_training(tmp_path: Path) -> None:
    samples = red_squares(4)
    train(samples, small_card(), out=tmp_path, recipe=replace(QUICK, epochs=1))
    for pixels, labels in (
        (samples.pixels, [1 - labels for labels in samples.labels]),
        ([255 - pixels for pixels in samples.pixels], samples.labels),
    ):
        with pytest.raises(ParameterError, match=r"another training \(other patches, masks or meaning"):
            train(ArraySamples(pixels, labels), small_card(), out=tmp_path, recipe=replace(QUICK, epochs=1))


def test_a_checkpoint_that_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / STATE).write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match=rf"{STATE}: not readable"):
        train(red_squares(4), small_card(), out=tmp_path, recipe=QUICK)


def test_the_weights_kept_are_the_best_on_the_validation_set(tmp_path: Path) -> None:
    validation = red_squares(4, seed=5)
    train(red_squares(12), small_card(), out=tmp_path, validation=validation, recipe=replace(QUICK, epochs=6))
    network, card = load_model(tmp_path / "model.safetensors")
    kept = Scores(patch_matrices(network, card, validation, batch=4, device=CPU).sum(axis=0)).mean_iou
    assert kept == pytest.approx(max(float(row["mean_iou"]) for row in history(tmp_path)))


def test_a_training_without_progress_stops_early(tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=50, learning_rate=1e-12, patience=2, average=0.0)
    train(red_squares(4), small_card(), out=tmp_path, validation=red_squares(2, seed=3), recipe=recipe)
    assert len(history(tmp_path)) < 50


def test_validation_is_judged_as_often_as_asked_and_at_the_end(tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=5, judge_every=2)
    train(red_squares(4), small_card(), out=tmp_path, validation=red_squares(2, seed=3), recipe=recipe)
    assert [bool(row["mean_iou"]) for row in history(tmp_path)] == [False, True, False, True, True]


@pytest.mark.parametrize("limit", [{"cpu_seconds": 1.0}, {"minutes": 1 / 60}])
def test_a_time_limit_ends_the_training_on_small_steps(tmp_path: Path, limit: dict[str, float]) -> None:
    recipe = replace(QUICK, epochs=100_000, learning_rate=1e-3, **limit)
    train(red_squares(4), small_card(), out=tmp_path, recipe=recipe)
    rows = history(tmp_path)
    assert 1 < len(rows) < 1000
    assert float(rows[-2]["learning_rate"]) < 2e-4
    assert (tmp_path / "model.safetensors").exists()


def test_patches_that_are_ignored_in_part_train(tmp_path: Path) -> None:
    samples = red_squares(4)
    halves = [np.where(np.arange(64) < 32, labels, IGNORED).astype(np.uint8) for labels in samples.labels]
    train(ArraySamples(samples.pixels, halves), small_card(), out=tmp_path, recipe=replace(QUICK, epochs=1))
    assert np.isfinite(float(history(tmp_path)[0]["loss"]))


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    card = small_card()
    network = build_network(card)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(ParameterError, match="lower the learning rate"):
        train(red_squares(4), card, out=tmp_path, recipe=QUICK, network=network)


def test_bf16_trains_too(tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=1, precision="bf16")
    train(red_squares(4), small_card(), out=tmp_path, recipe=recipe)
    assert np.isfinite(float(history(tmp_path)[0]["loss"]))
    assert all(t.dtype != torch.bfloat16 for t in weights_of(tmp_path).values())


def test_a_crop_is_seen_as_often_as_asked(tmp_path: Path) -> None:
    steps: list[int] = []
    recipe = replace(QUICK, epochs=1, crop_px=32, repeat=3, augmentation=Augmentation(zoom=0.2))
    train(red_squares(4), small_card(), out=tmp_path, recipe=recipe, progress=lambda _, done, __: steps.append(done))
    assert steps == [1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_px": 40}, "multiple of 32"),
        ({"class_weights": (1.0, 1.0, 1.0)}, "3 class weights for 2 classes"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        train(red_squares(4), small_card(), out=tmp_path, recipe=replace(QUICK, **changes))


def test_a_step_of_one_small_patch_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"steps of 1 patches of 32 pixels .* give a larger batch"):
        train(red_squares(1, side=32), small_card(), out=tmp_path, recipe=QUICK)


def test_patches_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no patch to train on"):
        train(ArraySamples([], []), small_card(), out=tmp_path)


def test_patches_of_other_bands_than_the_card_are_refused(tmp_path: Path) -> None:
    samples = red_squares(4)
    four = ArraySamples([np.concatenate([p, p[:1]]) for p in samples.pixels], samples.labels)
    with pytest.raises(DataError, match="patches of 4 bands for a model of 3"):
        train(four, small_card(), out=tmp_path, recipe=QUICK)


def test_a_validation_set_without_classes_is_refused(tmp_path: Path) -> None:
    blank = ArraySamples([np.zeros((3, 64, 64), dtype=np.uint8)], [np.full((64, 64), IGNORED, dtype=np.uint8)])
    with pytest.raises(ParameterError, match="validation set holds no pixel"):
        train(red_squares(4), small_card(), out=tmp_path, validation=blank, recipe=QUICK)


def test_an_unknown_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="device abacus: unknown"):
        train(red_squares(4), small_card(), out=tmp_path, recipe=QUICK, device="abacus")

"""``ocsge train`` and ``ocsge evaluate`` from files to files, with their exit codes."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from ocsge.cli import main, training
from ocsge.products.confusion import read_confusion
from ocsge.rules import load_rules
from ocsge.segment.checkpoint import load_model
from ocsge.segment.evaluation import Evaluation
from ocsge.segment.learnt_patches import learnt_beside
from ocsge.segment.model_card import read_card
from ocsge.segment.published import published_models
from tests.generated_patches import red_squares, write_plain, write_raster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsge.segment.model_card import ModelCard

SMALL = [
    *("--encoder", "resnet18", "--width", "8", "--epochs", "2", "--batch", "2", "--precision", "fp32"),
    *("--device", "cpu", "--threads", "1"),
]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six patches, a kilometre apart, and what their numbers mean."""
    folder = write_plain(tmp_path / "data", red_squares(6, side=32))
    (tmp_path / "classes.csv").write_text("number,class\n0,sombre\n1,rouge vif\n", encoding="utf-8")
    return folder


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def train(data: Path, out: Path, *more: object) -> int:
    return run("train", data, "--out", out, "--classes", data.parent / "classes.csv", *SMALL, *more)


def test_a_model_is_trained_and_judged_on_ground_apart(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "modele"
    assert train(data, out, "--folds", 3, "--licence", "LO 2.0", "--credit", "IGN") == 0
    printed = capsys.readouterr().out
    assert "modele: 2 patches" in printed
    assert "mean IoU" in printed
    _, card = load_model(out / "model.safetensors")
    assert card.head_classes == ("sombre", "rouge vif")
    assert (card.name, card.licence, card.credit, card.resolution_m) == ("modele", "LO 2.0", "IGN", 0.2)
    assert card.confusion is not None
    assert sum(map(sum, card.confusion["counts"])) == 2 * 32 * 32
    assert card.confusion["design_effect"] >= 1
    with (out / "split.csv").open(encoding="utf-8") as file:
        sides = [row["side"] for row in csv.DictReader(file)]
    assert sorted(sides) == ["test", "test", "training", "training", "validation", "validation"]
    assert {"report.md", "scores.csv", "history.csv"} <= {path.name for path in out.iterdir()}


def test_the_same_command_takes_a_training_up(data: Path, tmp_path: Path) -> None:
    assert train(data, tmp_path / "m", "--folds", 3) == 0
    before = (tmp_path / "m" / "model.safetensors").read_bytes()
    assert train(data, tmp_path / "m", "--folds", 3) == 0
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == before


def test_other_meanings_of_the_class_numbers_or_other_masks_are_another_training(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "m", "--folds", 3) == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    (tmp_path / "classes.csv").write_text("number,class\n1,sombre\n0,rouge vif\n", encoding="utf-8")
    assert train(data, tmp_path / "m", "--folds", 3) == 2
    assert "holds another training (other patches, masks or meaning of their classes)" in capsys.readouterr().err
    (tmp_path / "classes.csv").write_text("number,class\n0,sombre\n1,rouge vif\n", encoding="utf-8")
    assert train(data, tmp_path / "m", "--folds", 3) == 0
    write_raster(data / "mask" / "05.tif", np.eye(32, dtype=np.uint8), x=669000.0)
    assert train(data, tmp_path / "m", "--folds", 3) == 2
    assert {path: path.read_bytes() for path in (tmp_path / "m").iterdir()} == kept


def test_published_weights_need_no_card_beside_when_they_have_the_name_of_the_catalogue(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "m", "--validation", data) == 0
    weights = (tmp_path / "m" / "model.safetensors").rename(tmp_path / "IGN.safetensors")
    published = next(iter(published_models().values()))
    small = replace(published, card=read_card(tmp_path / "m" / "model.json"), url="https://ign.fr/IGN.safetensors")
    monkeypatch.setattr("ocsge.segment.published.published_models", lambda: {"IGN": small})
    classes = ["--classes", data.parent / "classes.csv", "--device", "cpu"]
    assert run("evaluate", weights, data, "--out", tmp_path / "r", *classes) == 0
    onwards = ["--from", weights, "--validation", data, "--epochs", 1, "--batch", 2]
    assert run("train", data, "--out", tmp_path / "n", *classes, *onwards) == 0
    # what they had learnt from is written nowhere: other ground may have been among it
    other = write_plain(tmp_path / "other", red_squares(2, side=32, seed=8))
    capsys.readouterr()
    assert run("evaluate", tmp_path / "n" / "model.safetensors", other, "--out", tmp_path / "r", *classes) == 0
    assert "warning: what the weights it started from had met is not known" in capsys.readouterr().err
    stated = json.loads((tmp_path / "r" / "n.confusion.json").read_text(encoding="utf-8"))
    assert stated["source"].endswith("its weights; what the weights it started from had met is not known")


def test_a_cross_validation_judges_every_patch_once(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "croise"
    assert train(data, out, "--folds", 3, "--cross-validation", "--epochs", 1) == 0
    assert "mean IoU by fold" in capsys.readouterr().out
    assert {path.name for path in out.glob("fold_*")} == {"fold_0", "fold_1", "fold_2"}
    with (out / "patches.csv").open(encoding="utf-8") as file:
        assert sorted(row["patch"] for row in csv.DictReader(file)) == [f"0{i}" for i in range(6)]


def test_a_validation_set_given_apart_leaves_the_data_whole_and_unjudged(data: Path, tmp_path: Path) -> None:
    apart = write_plain(tmp_path / "apart", red_squares(2, side=32, seed=8))
    out = tmp_path / "m"
    assert train(data, out, "--validation", apart) == 0
    assert read_card(out / "model.json").confusion is None
    assert not (out / "report.md").exists()


def test_options_that_change_nothing_are_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "m", "--validation", data, "--folds", 3) == 2
    assert "--folds: does not go with --validation" in capsys.readouterr().err
    assert train(data, tmp_path / "m", "--cross-validation", "--fold", 1) == 2
    assert train(data, tmp_path / "m", "--from", data.parent / "classes.csv") == 2


def test_a_model_is_taken_up_with_other_classes_and_bands(data: Path, tmp_path: Path) -> None:
    assert train(data, tmp_path / "first", "--validation", data) == 0
    (data.parent / "classes.csv").write_text("number,class\n0,sol\n1,toit\n", encoding="utf-8")
    arguments = ["train", data, "--out", tmp_path / "second", "--classes", data.parent / "classes.csv"]
    arguments += ["--from", tmp_path / "first" / "model.safetensors", "--bands", "rouge,bleu", "--validation", data]
    assert run(*arguments, "--epochs", 1, "--device", "cpu", "--class-weights", "balanced") == 0
    first, second = (read_card(tmp_path / name / "model.json") for name in ("first", "second"))
    assert second.head_classes == ("sol", "toit")
    assert (second.encoder, second.width) == ("resnet18", 8)
    assert second.mean == (first.mean[0], first.mean[2])


def test_a_data_set_that_cannot_be_split_is_refused_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_plain(tmp_path / "data", red_squares(4, side=32), apart_m=10)
    (tmp_path / "classes.csv").write_text("number,class\n0,a\n1,b\n", encoding="utf-8")
    assert train(folder, tmp_path / "m") == 2
    assert "1 locations for 5 folds" in capsys.readouterr().err


def test_a_resolution_that_is_not_the_models_is_refused_and_one_that_segment_refuses_is_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "m", "--validation", data) == 0
    assert "warning" not in capsys.readouterr().err
    coarse = tmp_path / "coarse"
    samples = red_squares(6, side=32)
    for index in range(6):
        for kind, values in zip(("img", "mask"), samples.read(index), strict=True):
            write_raster(coarse / kind / f"{index}.tif", values, pixel_m=0.6, x=1000.0 * index)
    assert train(data, tmp_path / "n", "--validation", coarse) == 65
    assert "pixels of 0.6 m, those to learn from of 0.2 m" in capsys.readouterr().err
    judge = ["evaluate", tmp_path / "m" / "model.safetensors", coarse, "--out", tmp_path / "r"]
    assert run(*judge, "--classes", tmp_path / "classes.csv") == 65
    assert "pixels of 0.6 m, those of m of 0.2 m" in capsys.readouterr().err
    assert train(coarse, tmp_path / "c", "--folds", 3, "--epochs", 1) == 0
    assert "pixels of 0.6 m, which do not divide a metre: ocsge segment will refuse" in capsys.readouterr().err
    assert read_card(tmp_path / "c" / "model.json").resolution_m == 0.6


def test_a_fold_that_is_not_there_is_refused(data: Path, tmp_path: Path) -> None:
    assert train(data, tmp_path / "m", "--folds", 3, "--fold", 3) == 2


def test_unknown_class_numbers_end_with_the_code_of_bad_data(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_raster(data / "mask" / "03.tif", np.full((32, 32), 9, dtype=np.uint8))
    assert train(data, tmp_path / "m", "--folds", 3) == 65
    assert "mask/03.tif: class numbers [9]" in capsys.readouterr().err


def test_an_unknown_band_is_refused_with_those_there_are(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "m", "--bands", "rouge,violet") == 2
    assert "unknown bands violet; known are rouge" in capsys.readouterr().err


def test_a_model_is_judged_and_its_card_keeps_the_matrix_when_asked(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "m", "--validation", data) == 0
    weights, out = tmp_path / "m" / "model.safetensors", tmp_path / "report"
    judge = ["evaluate", weights, data, "--out", out, "--classes", data.parent / "classes.csv", "--device", "cpu"]
    assert run(*judge, "--source", "six patches", "--turned") == 0
    assert read_card(weights.with_suffix(".json")).confusion is None
    stated = json.loads((out / "m.confusion.json").read_text(encoding="utf-8"))
    assert stated["source"] == "six patches; 6 of the 6 taught the model, and 0 chose its weights"
    assert stated["model"] == "m"
    assert sum(map(sum, stated["counts"])) == 6 * 32 * 32
    told = capsys.readouterr()
    assert "design effect" in told.out
    assert "warning: 6 of the 6 taught the model" in told.err
    assert "6 of the 6 taught the model" in (out / "report.md").read_text(encoding="utf-8")
    learnt_beside(weights).unlink()
    assert run(*judge, "--source", "six patches") == 0
    stated = json.loads((out / "m.confusion.json").read_text(encoding="utf-8"))
    assert stated["source"].startswith("six patches; nothing tells which patches the model learnt from")
    assert stated["source"].endswith("its card says: 6 patches of data")
    assert capsys.readouterr().err == ""
    assert run(*judge, "--into-card") == 0
    assert read_card(weights.with_suffix(".json")).confusion is not None
    load_model(weights)


def test_masks_with_classes_that_a_model_cannot_answer_are_refused_unless_left_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "m", "--validation", data) == 0
    (tmp_path / "classes.csv").write_text("number,class\n0,sombre\n1,toit\n", encoding="utf-8")
    judge = ["evaluate", tmp_path / "m" / "model.safetensors", data, "--out", tmp_path / "r", "--device", "cpu"]
    judge += ["--classes", tmp_path / "classes.csv"]
    assert run(*judge) == 65
    assert "classes toit of the masks are none of the model's" in capsys.readouterr().err
    assert run(*judge, "--ignore-others") == 0
    assert run(*judge, "--ignore", "toit") == 0


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_without_torch_what_to_install_is_said(
    command: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    places = [data] if command == "train" else [data.parent / "classes.csv", data]
    assert run(command, *places, "--out", tmp_path / "m") == 2
    assert "needs torch: install it with `make segment`" in capsys.readouterr().err


def test_flair_is_split_by_domain_and_its_card_takes_the_classes_of_cosia(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for x, domain in enumerate(("D012_2019", "D022_2021", "D064_2021")):
        for number in (1, 2):
            zone = tmp_path / "flair" / domain / "Z1_UU"
            five = rng.integers(0, 255, (5, 32, 32), dtype=np.uint8)
            write_raster(zone / "img" / f"IMG_{number}.tif", five, x=1e5 * x)
            mask = rng.choice(np.array([1, 3, 19], dtype=np.uint8), (32, 32))
            write_raster(zone / "msk" / f"MSK_{number}.tif", mask)
    out = tmp_path / "m"
    assert run("train", tmp_path / "flair", "--out", out, *SMALL, "--folds", 3, "--ignore", "Autre") == 0
    with (out / "split.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["patch"].split("/")[0], row["side"]) for row in rows}) == 3
    card = read_card(out / "model.json")
    assert card.bands == ("rouge", "vert", "bleu", "infrarouge", "elevation")
    assert card.elevation == "height_uint8_20cm"
    assert len(card.head_classes) == 19
    assert "Autre" not in card.classes_won
    assert card.confusion is not None
    assert card.confusion["numbering"] == "flair_inc_mask"
    read_confusion(matrix_file(card, tmp_path), rules=load_rules(), numbering="flair_inc_mask", model=card.name)


def matrix_file(card: ModelCard, folder: Path) -> Path:
    path = folder / "raster.tif.confusion.json"
    path.write_text(json.dumps(card.confusion), encoding="utf-8")
    return path


def test_flair_hub_elevation_enters_as_surface_and_height(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for x, domain in enumerate(("D004-2021", "D012-2019", "D015-2020")):
        for what, values in (
            ("AERIAL_RGBI", rng.integers(0, 255, (4, 32, 32), dtype=np.uint8)),
            ("DEM_ELEV", rng.normal(100, 5, (2, 32, 32)).astype(np.float32)),
            ("AERIAL_LABEL-COSIA", rng.integers(0, 2, (32, 32), dtype=np.uint8)),
        ):
            for patch in ("0-0", "0-1"):
                folder = tmp_path / "hub" / f"{domain}_{what}" / "AA-1"
                write_raster(folder / f"{domain}_{what}_AA-1_{patch}.tif", values, x=1e5 * x)
    out = tmp_path / "m"
    assert run("train", tmp_path / "hub", "--out", out, *SMALL, "--folds", 3, "--epochs", 1) == 0
    card = read_card(out / "model.json")
    assert card.bands[-2:] == ("mns", "mnt")
    assert card.elevation == "surface_and_height_m"
    assert card.mean[4] == pytest.approx(100, abs=2)
    assert card.mean[5] == pytest.approx(0, abs=2)
    assert run("evaluate", out / "model.safetensors", tmp_path / "hub", "--out", tmp_path / "r", "--device", "cpu") == 0


@pytest.mark.parametrize(("right", "weak"), [(90, False), (40, True)])
def test_a_weak_model_is_called_weak(right: int, weak: bool, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = 100 - right
    counts = np.array([[right, wrong], [wrong, right]])
    judged = Evaluation("m", ("sombre", "clair"), ("a", "b"), np.stack([counts, counts]), "by hand")
    training._print(judged)
    # 90 right of 110 in either class; 40 of 160
    assert ("this model is weak" in capsys.readouterr().err) is weak

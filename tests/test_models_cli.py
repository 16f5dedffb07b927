"""``ocsge models`` lists, shows, downloads and checks."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from click.testing import CliRunner, Result
from segment_models import saved, small_card, small_network

from ocsge.cli import main
from ocsge.cli.models import models
from ocsge.errors import DataError, ParameterError
from ocsge.publish import file_sha256
from ocsge.segment import download as downloads
from ocsge.segment.checkpoint import save_model
from ocsge.segment.model_card import read_card
from ocsge.segment.published import published_model, published_models

if TYPE_CHECKING:
    from pathlib import Path

RGB = "FLAIR-INC_rgb_15cl_resnet34-unet"
TINY = "FLAIR-HUB_LC-A_RGB_swintiny-upernet"
UNKNOWN = "FLAIR-INC_rgbi_12cl_resnet34-unet"


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(models, [str(argument) for argument in arguments], catch_exceptions=False)


def test_list_names_every_model_with_bands_classes_and_figures() -> None:
    shown = run("list").output
    for name in published_models():
        assert name in shown
    (line,) = [line for line in shown.splitlines() if RGB.replace("rgb", "rgbie") in line]
    for fact in ("RVBIE", "15", "76.37", "58.63", "yes"):
        assert fact in line
    (line,) = [line for line in shown.splitlines() if "convnextv2tiny" in line]
    assert "no" in line.split()


@pytest.mark.parametrize("columns", ["80", "40"])
def test_list_cuts_no_name_and_no_figure_on_a_narrow_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = run("list").output
    for name, published in published_models().items():
        (line,) = [line for line in shown.splitlines() if name in line.split() or f"│ {name} " in line]
        assert ("no" if published.unsupported else "yes") in line
        assert str(len(published.card.classes_won)) in line
    assert "…" not in shown


def test_show_gives_what_a_reader_checks() -> None:
    shown = run("show", RGB).output
    for fact in (
        "rouge (105.08 ± 52.17)",
        "Licence Ouverte Etalab 2.0",
        "97.9 MB",
        "0.2 m",
        "19 channels",
        "d00338711163",
    ):
        assert fact in shown
    assert "15 classes: Bâtiment, Zone perméable, Zone imperméable" in shown
    assert published_model(RGB).url in shown


def test_show_says_what_is_unknown() -> None:
    shown = run("show", TINY).output
    assert "sha256: unknown" in shown
    assert "size: unknown" in shown
    assert "accuracy: not read" in shown


def test_a_model_without_a_known_address_is_listed_shown_and_not_fetched_as_such(tmp_path: Path) -> None:
    (line,) = [line for line in run("list").output.splitlines() if UNKNOWN in line]
    assert "yes; no address" in line
    shown = run("show", UNKNOWN).output
    assert "file: no address is known" in shown
    assert "sha256: unknown: computed and recorded by ocsge models check" in shown
    with pytest.raises(ParameterError, match=f"no address is known; .* check FILE --model {UNKNOWN} --write-card"):
        run("fetch", UNKNOWN, "--into", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_card_that_show_prints_is_the_card_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(run("show", RGB, "--card").output, encoding="utf-8")
    assert read_card(tmp_path / "w.json") == published_model(RGB).card


def test_show_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(ParameterError, match="is unknown; one of"):
        run("show", "FLAIR-3")


def test_the_shipped_model_is_shown_and_checked_by_its_name() -> None:
    shown, checked = run("show", "demonstration"), run("check", "demonstration")
    for found in (shown, checked):
        assert found.exit_code == 0
        assert "warning: the model ocsge-demonstration is a demonstration" in found.stderr
    assert shown.stdout.startswith("ocsge-demonstration (ocsge)")
    assert "confusion matrix: 1800 points drawn at random" in shown.stdout
    assert "fits ocsge-demonstration, every weight" in checked.stdout


def test_weights_of_ones_own_are_shown_by_their_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_model(small_network(small_card()), small_card(), path)
    shown = run("show", path)
    assert "small-unet (ocsge)" in shown.stdout
    assert f"file: {path}" in shown.stdout
    assert "confusion matrix: none" in shown.stdout
    assert shown.stderr == ""


def test_a_name_of_the_catalogue_is_no_file_to_check_and_what_to_type_is_said() -> None:
    with pytest.raises(ParameterError, match=f"ocsge models fetch {RGB}, then ocsge models check models/"):
        run("check", RGB)
    with pytest.raises(ParameterError, match="no such file; give a weights file, or `demonstration`"):
        run("check", "nowhere.pth")


def test_list_and_show_need_no_torch(capfd: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom ocsge.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    print('code', end.code)"
    )
    for arguments, said in ((["show", RGB], "code 0"), (["check", __file__], "make segment")):
        done = subprocess.run(
            [sys.executable, "-c", code, "models", *arguments], capture_output=True, text=True, check=False
        )
        assert said in done.stdout + done.stderr


def test_check_says_that_a_model_fits_and_what_it_answers(tmp_path: Path) -> None:
    card = small_card(demonstration=True)
    save_model(small_network(card), card, tmp_path / "m.safetensors")
    shown = run("check", tmp_path / "m.safetensors").output
    assert "fits small-unet, every weight" in shown
    assert "unet on resnet18" in shown
    assert file_sha256(tmp_path / "m.safetensors") in shown
    assert "2 classes: dedans, dehors" in shown
    assert "the model small-unet is a demonstration" in shown


def test_check_refuses_weights_that_do_not_fit_the_named_model(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", small_network(small_card()).state_dict())
    with pytest.raises(DataError, match=f"encoder resnet18, but resnet34 in the card {RGB}"):
        run("check", path, "--model", RGB)


def test_a_refusal_of_check_is_one_line_and_exit_code_65(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(SystemExit) as end:
        main(["models", "check", str(path), "--model", RGB])
    assert end.value.code == 65
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"ocsge: {path}: truncated or damaged")


def test_a_file_of_the_published_form_without_a_card_gets_one_from_the_catalogue(tmp_path: Path) -> None:
    network = small_network(published_model(RGB).card)
    state = {f"model.seg_model.{name}": tensor for name, tensor in network.state_dict().items()}
    path = saved(tmp_path / "mine.ckpt", {"state_dict": {**state, "criterion.weight": torch.ones(19)}})
    shown = run("check", path, "--model", RGB).output
    assert f"fits {RGB}, every weight" in shown
    assert "another file than the published one" in shown
    path.rename(tmp_path / published_model(RGB).file_name)
    with pytest.raises(DataError, match=r"SHA-256 .* says d00338711163…; download it again"):
        run("check", tmp_path / published_model(RGB).file_name)


def test_the_card_is_written_with_the_hash_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a catalogue of a model that is small: the published files are not shipped
    card = small_card(name="tiny")
    entry = type(published_model(TINY))(
        card=card, url="https://example.org/tiny.pth", size_bytes=None, overall_accuracy=None, mean_iou=None,
        tested_on="", unsupported="", source="here",
    )  # fmt: skip
    monkeypatch.setattr("ocsge.segment.published.published_models", lambda: {"tiny": entry})
    path = saved(tmp_path / "w.pth", small_network(card).state_dict())
    shown = run("check", path, "--model", "tiny", "--write-card").output
    assert f"card written: {tmp_path / 'w.json'}" in shown
    assert read_card(tmp_path / "w.json").sha256 == file_sha256(path)
    assert "fits tiny, every weight" in run("check", path).output


def test_fetch_writes_the_file_its_card_and_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the network cannot be had in a test
    def received(url: str, path: Path, *, sha256: str, progress: object) -> str:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"weights")
        return "ab" * 32

    monkeypatch.setattr(downloads, "download", received)
    shown = run("fetch", TINY, "--into", tmp_path / "models").output
    path = tmp_path / "models" / f"{TINY}.safetensors"
    assert path.exists()
    assert read_card(path.with_suffix(".json")).sha256 == "ab" * 32
    assert f"sha256 {'ab' * 32} (recorded in the card, the catalogue knows none)" in shown
    assert "Licence Ouverte Etalab 2.0" in shown


def test_a_model_that_cannot_be_run_is_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="ConvNeXt V2 encoders"):
        run("fetch", "FLAIR-HUB_LC-A_IR_convnextv2tiny-upernet", "--into", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_card_shown_is_json_in_french_letters() -> None:
    text = run("show", RGB, "--card").output
    assert json.loads(text)["head_classes"][0] == "Bâtiment"
    assert "Bâtiment" in text

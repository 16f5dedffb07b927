"""The experiment on real imagery, run on generated chips of its layout: the real ones are not in the project."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from benchmarks import naip_experiment
from ocsge.segment.datasets import PatchSamples, find_patches
from ocsge.segment.mask_classes import MaskClasses
from ocsge.segment.samples import Chosen
from tests.generated_patches import X, Y, write_raster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIDE = 64


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def chips(tmp_path: Path) -> Path:
    """Ten chips in its two parts, each a kilometre from the others, of six classes in stripes."""
    rng = np.random.default_rng(0)
    for index in range(10):
        folder = tmp_path / "chips" / ("train" if index < 7 else "val")
        mask = np.repeat(np.arange(SIDE) * 6 // SIDE, SIDE).reshape(SIDE, SIDE).astype(np.uint8)
        image = (mask * 40 + rng.integers(0, 30, (4, SIDE, SIDE))).astype(np.uint8)
        place = {"x": X + 1000 * index, "y": Y, "pixel_m": 0.6, "crs": "EPSG:26917"}
        write_raster(folder / "img" / f"tile_{index}.tif", image, **place)
        write_raster(folder / "mask" / f"mask_{index}.tif", mask, **place)
    return tmp_path / "chips"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["naip_experiment", *map(str, arguments)])
    naip_experiment.main()


def test_the_experiment_runs_and_its_folds_make_a_table(
    chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--data", chips, "--width", 8, "--epochs", 1, "--batch", 4, "--threads", 1, "--test"]
    run(monkeypatch, *small, "--out", tmp_path / "0")
    run(monkeypatch, *small, "--out", tmp_path / "1", "--fold", 1, "--both")
    printed = capsys.readouterr().out
    assert "10 chips in 10 locations; fold 0 of 5, seed 0" in printed
    assert "learns from 6 chips" in printed
    assert "learns from 8 chips" in printed
    found = json.loads((tmp_path / "1" / "experiment.json").read_text(encoding="utf-8"))
    assert found["parameters"] < 1_000_000
    assert found["chips"] == {"test": 2}
    assert sum(map(sum, found["test"]["counts"])) == 2 * SIDE * SIDE
    run(monkeypatch, "--table", tmp_path / "0", tmp_path / "1")
    rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[:2] for row in rows if row.startswith(("| 0", "| 1"))] == [["| 0", "2"], ["| 1", "2"]]
    assert any(row.startswith("test: mean over 2 folds") for row in rows)


def test_a_model_of_more_than_a_million_parameters_is_refused(
    chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="more than 1,000,000"):
        run(monkeypatch, "--data", chips, "--width", 64, "--out", tmp_path / "x")


def test_finer_chips_are_judged_at_their_own_pixels(chips: Path) -> None:
    classes = MaskClasses(naip_experiment.CLASSES, {number: number for number in range(6)})
    samples = PatchSamples(find_patches(chips), classes, bands=naip_experiment.BANDS)
    chosen = Chosen(samples, (0, 1))
    twice = naip_experiment.finer(chosen, times=2)
    pixels, labels = twice.read(1)
    assert pixels.shape == (4, 2 * SIDE, 2 * SIDE)
    np.testing.assert_array_equal(labels[::2, 1::2], chosen.labels_of(1))
    assert naip_experiment.finer(chosen, times=1) is chosen
    network = naip_experiment.Native(torch.nn.Identity(), times=2)
    assert network(torch.zeros(1, 4, SIDE, SIDE)).shape == (1, 4, SIDE, SIDE)


def test_without_data_what_to_give_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="give --data FOLDER"):
        run(monkeypatch)

"""A dalle is kept only when it would be made again as it is: every file in its role, place, classes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
import torch
from ortho_scenes import card_of, textured, varied_model, varied_network, write_image

from ocsge.rules import load_rules
from ocsge.segment.checkpoint import save_model
from ocsge.segment.dalle_run import AnsweringThreads
from ocsge.segment.imagery import open_imagery
from ocsge.segment.predict import Segmented, segment_imagery

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ocsge.segment.imagery import Imagery

SMALL = {"patch_px": 128, "halo_px": 32, "precision": "fp32", "threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return varied_model(tmp_path_factory.mktemp("model"))


def segmented(imagery: Imagery, model: Path, out: Path, **options: object) -> Segmented:
    return segment_imagery(imagery, weights=model, out=out, **{**SMALL, **options})


def rasters_of(done: Segmented) -> list[bytes]:
    return [path.read_bytes() for path in done.rasters]


# ---- files, in their roles -----------------------------------------------------------------------------------------


def test_a_surface_given_as_terrain_then_as_it_is_makes_the_dalle_again(tmp_path: Path) -> None:
    card = card_of(("rouge", "elevation"))
    model = varied_model(tmp_path, card)
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 60, 70))
    ground = np.full((1, 60, 70), 100, np.float32)
    low = write_image(tmp_path / "low.tif", ground)
    high = write_image(tmp_path / "high.tif", ground + textured(1, 60, 70, seed=3) / np.float32(5))
    wrong = open_imagery([rvb], mns=[low], mnt=[high], card=card)
    right = open_imagery([rvb], mns=[high], mnt=[low], card=card)
    first = rasters_of(segmented(wrong, model, tmp_path / "out"))
    second = segmented(right, model, tmp_path / "out")
    assert second.kept == 0
    assert rasters_of(second) == rasters_of(segmented(right, model, tmp_path / "fresh")) != first


def test_a_file_of_the_same_name_size_and_time_in_another_folder_is_another_file(model: Path, tmp_path: Path) -> None:
    files = [write_image(tmp_path / year / "a.tif", textured(3, 40, 40, seed=int(year))) for year in ("2019", "2022")]
    for path in files:
        os.utime(path, (1e9, 1e9))
    assert files[0].stat().st_size == files[1].stat().st_size
    done = [segmented(open_imagery([path], card=card_of()), model, tmp_path / "out") for path in files]
    assert [one.kept for one in done] == [0, 0]


def test_a_file_that_only_a_core_over_the_edge_of_the_dalle_reads_is_one_of_its_files(
    model: Path, tmp_path: Path
) -> None:
    # 770 km is 3,850,000 px: the core of 192 px over that edge begins 16 px before it and ends 176 px beyond, so a tile
    # from 34 px on is read, though the halo is of 32
    assert 770_000 * 5 % (256 - 2 * 32) == 16
    image = textured(3, 60, 300, seed=1)
    west, middle = image[..., :100], image[..., 100:134]
    write_image(tmp_path / "rvb" / "a.tif", west, xmin=770_000 - 20)
    write_image(tmp_path / "rvb" / "b.tif", middle, xmin=770_000)
    far = write_image(tmp_path / "rvb" / "c.tif", image[..., 134:], xmin=770_000 + 6.8)
    options = {"patch_px": 256, "probability": True}
    segmented(open_imagery([tmp_path / "rvb"], card=card_of()), model, tmp_path / "out", **options)
    write_image(far, 255 - image[..., 134:], xmin=770_000 + 6.8)
    imagery = open_imagery([tmp_path / "rvb"], card=card_of())
    again = segmented(imagery, model, tmp_path / "out", **options)
    assert again.kept == 0
    record = json.loads(again.rasters[0].with_suffix(".json").read_text(encoding="utf-8"))
    assert [one["file"] for one in record["inputs"]] == ["a.tif", "b.tif", "c.tif"]
    assert {one["read_as"] for one in record["inputs"]} == {"rvb"}


# ---- place and classes ---------------------------------------------------------------------------------------------


def test_another_crs_assumed_makes_the_dalle_again(model: Path, tmp_path: Path) -> None:
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 40, 40), epsg=None)
    for epsg in (2154, 32631):
        done = segmented(open_imagery([rvb], card=card_of(), assume_crs=epsg), model, tmp_path / "out")
        assert done.kept == 0
        with rasterio.open(done.rasters[0]) as dataset:
            assert dataset.crs.to_epsg() == epsg


def test_a_tile_more_that_widens_the_imagery_widens_the_dalle(model: Path, tmp_path: Path) -> None:
    tiles = [write_image(tmp_path / "rvb" / "a.tif", textured(3, 40, 40), xmin=779_980, ymax=6_279_980)]
    segmented(open_imagery(tiles, card=card_of()), model, tmp_path / "out")
    tiles.append(write_image(tmp_path / "rvb" / "b.tif", textured(3, 40, 40), xmin=780_300, ymax=6_279_972))
    done = segmented(open_imagery(tiles, card=card_of()), model, tmp_path / "out")
    assert done.kept == 0
    with rasterio.open(done.rasters[0]) as dataset:
        assert dataset.bounds == (779_980.0, 6_279_964.0, 780_000.0, 6_279_980.0)


def test_other_colours_of_the_classes_make_the_dalle_again(model: Path, tmp_path: Path) -> None:
    imagery = open_imagery([write_image(tmp_path / "rvb.tif", textured(3, 40, 40))], card=card_of())
    rules = load_rules()
    grey = replace(rules, cosia_classes=tuple(replace(c, colour="#123456") for c in rules.cosia_classes))
    segmented(imagery, model, tmp_path / "out", rules=rules)
    done = segmented(imagery, model, tmp_path / "out", rules=grey)
    assert done.kept == 0
    with rasterio.open(done.rasters[0]) as dataset:
        assert dataset.colormap(1)[0] == (0x12, 0x34, 0x56, 255)


# ---- what an earlier run left --------------------------------------------------------------------------------------


def test_polygons_of_rasters_that_are_made_again_do_not_stay_beside_them(model: Path, tmp_path: Path) -> None:
    imagery = open_imagery([write_image(tmp_path / "rvb.tif", textured(3, 40, 40))], card=card_of())
    first = segmented(imagery, model, tmp_path / "out", vector=True)
    segmented(imagery, model, tmp_path / "out")
    assert first.vectors[0].is_file()  # the rasters were kept, so are their polygons
    segmented(imagery, model, tmp_path / "out", halo_px=0)
    assert list((tmp_path / "out" / "vector").iterdir()) == []


def test_a_dalle_that_has_become_empty_leaves_its_record_alone(model: Path, tmp_path: Path) -> None:
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 40, 40))
    segmented(open_imagery([rvb], card=card_of()), model, tmp_path / "out", vector=True, probability=True, scores=True)
    write_image(rvb, np.zeros((3, 40, 40), np.uint8))
    done = segmented(open_imagery([rvb], card=card_of()), model, tmp_path / "out", vector=True)
    assert done.skipped == ("0770_6280",)
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["0770_6280.json"]


def test_an_answered_pixel_has_no_score_that_reads_as_no_data(tmp_path: Path) -> None:
    card = card_of()
    network = varied_network(card)
    with torch.no_grad():  # a model that is sure of itself
        network.segmentation_head[0].weight.mul_(8)
        network.segmentation_head[0].bias.mul_(8)
    save_model(network, card, tmp_path / "sure.safetensors")
    image = textured(3, 600, 600)
    image[:, :, :50] = 0
    imagery = open_imagery([write_image(tmp_path / "rvb.tif", image)], card=card)
    done = segmented(imagery, tmp_path / "sure.safetensors", tmp_path / "out", patch_px=512, scores=True)
    with rasterio.open(done.scores[0]) as dataset, rasterio.open(done.rasters[0]) as classes:
        scores, number = dataset.read(), classes.read(1)
        half = dataset.read(out_shape=(6, 300, 300))
        numbers = np.array([int(n) for n in dataset.tags()["OCSGE_SCORE_CLASSES"].split(",")])
        stated = float(dataset.tags(1)["STATISTICS_MEAN"])
    assert (scores == 1).mean() > 0.3
    assert ((scores == 0) == (number == 255)).all()
    assert stated == pytest.approx(scores[0][:, 50:].mean(), abs=0.01)
    mean = scores.reshape(6, 300, 2, 300, 2).mean(axis=(2, 4))
    assert np.abs(half - mean)[..., 26:].max() <= 0.51
    certain = np.sort(scores, axis=0)[-1] > np.sort(scores, axis=0)[-2]
    assert (numbers[scores.argmax(axis=0)] == number)[certain & (number != 255)].all()


# ---- threads -------------------------------------------------------------------------------------------------------


def threads_of_torch(threads: AnsweringThreads, count: int) -> Sequence[int]:
    return [wait() for wait in [threads.start(torch.get_num_threads) for _ in range(count)]]


def test_each_patch_is_answered_by_one_thread_and_the_caller_keeps_its_own() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with AnsweringThreads(3) as threads:
            assert threads_of_torch(threads, 6) == [1] * 6
            torch.set_num_threads(2)
            assert threads_of_torch(threads, 6) == [1] * 6
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_in_bf16_the_bytes_do_not_depend_on_the_threads(tmp_path: Path) -> None:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor multiplies no bf16: its order of sums is that of fp32")
    card = card_of(width=64, encoder="resnet34")
    model = varied_model(tmp_path, card)
    imagery = open_imagery([write_image(tmp_path / "rvb.tif", textured(3, 60, 60))], card=card)
    options = {"patch_px": 512, "precision": "bf16", "probability": True}
    one, three = (segmented(imagery, model, tmp_path / str(count), threads=count, **options) for count in (1, 3))
    for a, b in zip((*one.rasters, *one.probabilities), (*three.rasters, *three.probabilities), strict=True):
        assert a.read_bytes() == b.read_bytes()
    assert segmented(imagery, model, tmp_path / "1", threads=3, **options).kept == 1

"""A real place through the whole stage: 50 m of Montpellier, five channels, from files to classes that derive reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from ortho_scenes import FLAIR_CLASSES, card_of, varied_model

from ocsge.inputs import numbering_and_model
from ocsge.products.cosia import check_class_numbers, class_strips, place_tiles, raster_files
from ocsge.rules import load_rules
from ocsge.segment.imagery import Imagery, ImageryReader, open_imagery
from ocsge.segment.predict import Segmented, segment_imagery

CHIP = Path(__file__).parent / "data" / "montpellier"
CARD = card_of(
    ("rouge", "vert", "bleu", "infrarouge", "elevation"),
    head_classes=FLAIR_CLASSES,
    winning_classes=FLAIR_CLASSES[:15],
    name="FLAIR 15 classes, random weights",
    family="flair_inc",
)


@pytest.fixture(scope="module")
def imagery() -> Imagery:
    return open_imagery(
        [CHIP / "rvb.tif"], irc=[CHIP / "irc.tif"], mns=[CHIP / "mns.tif"], mnt=[CHIP / "mnt.tif"], card=CARD
    )


@pytest.fixture(scope="module")
def done(imagery: Imagery, tmp_path_factory: pytest.TempPathFactory) -> Segmented:
    folder = tmp_path_factory.mktemp("montpellier")
    return segment_imagery(
        imagery,
        weights=varied_model(folder, CARD),
        out=folder / "out",
        patch_px=256,
        halo_px=64,
        probability=True,
        scores=True,
        threads=1,
        device="cpu",
    )


def test_the_five_channels_are_those_of_the_files(imagery: Imagery) -> None:
    with ImageryReader(imagery) as reader:
        pixels, valid = reader.read(imagery.window)
    assert pixels.shape == (5, 252, 252)
    assert valid.all()
    for path, channels in (("rvb", slice(0, 3)), ("irc", slice(3, 4))):
        with rasterio.open(CHIP / f"{path}.tif") as dataset:
            assert (pixels[channels] == dataset.read()[: channels.stop - channels.start]).all()


def test_the_elevation_is_the_height_above_ground_in_steps_of_20_cm(imagery: Imagery) -> None:
    with ImageryReader(imagery) as reader:
        steps = reader.read(imagery.window)[0][4]
    with rasterio.open(CHIP / "mns.tif") as mns, rasterio.open(CHIP / "mnt.tif") as mnt:
        surface, terrain = mns.read(1, masked=True), mnt.read(1, masked=True)
    height = (surface - terrain).filled(np.nan)
    # pixels of 0.5 m from (770549.75, 6277600.25); those of 0.2 m from (770549.8, 6277600.2)
    for row, col in ((100, 100), (30, 200), (200, 37), (150, 222)):
        y, x = 6277600.25 - (6277600.2 - 0.2 * (row + 0.5)), 770549.8 + 0.2 * (col + 0.5) - 770549.75
        around = height[int(y / 0.5 - 0.5) :, int(x / 0.5 - 0.5) :][:2, :2]
        assert around.min() - 0.11 <= steps[row, col] / 5 <= max(around.max(), 0) + 0.11
    # a town: ground, trees and roofs up to 18 m
    assert steps.min() == 0
    assert 60 <= steps.max() <= 95
    assert (steps > 12).mean() > 0.1


def test_the_raster_lies_on_the_ground_of_the_images(done: Segmented) -> None:
    (raster,) = done.rasters
    assert raster.stem == "0770_6280"
    with rasterio.open(raster) as dataset, rasterio.open(CHIP / "rvb.tif") as image:
        assert dataset.bounds == image.bounds
        assert dataset.transform.almost_equals(image.transform, 1e-9)
        assert (dataset.read(1) != 255).all()


def test_the_scores_hold_one_band_for_each_of_the_15_classes_that_may_win(done: Segmented) -> None:
    with rasterio.open(done.scores[0]) as dataset:
        assert dataset.count == 15
        assert dataset.descriptions == FLAIR_CLASSES[:15]
        assert dataset.dtypes == ("uint8",) * 15
        assert np.abs(dataset.read().sum(axis=0, dtype=int) - 255).max() <= 8


def test_derive_reads_the_classes_and_the_scores_without_being_told_their_numbering(
    done: Segmented, imagery: Imagery
) -> None:
    rules = load_rules()
    tiles = place_tiles(raster_files(done.folder), grid=imagery.grid)
    assert numbering_and_model(tiles, None, rules=rules) == ("cosia_argmax_2023", CARD.name)
    known = sorted(n for c in rules.cosia_classes if (n := c.numbers["cosia_argmax_2023"]) is not None)
    found = []
    for rasters in (done.rasters, done.scores):
        placed = place_tiles(list(rasters), grid=imagery.grid)
        strips = class_strips(placed, grid=imagery.grid, window=imagery.window, score_classes=known)
        found.append(np.concatenate(list(strips)))
        check_class_numbers(found[-1], known, numbering="cosia_argmax_2023", path=rasters[0])
    classes, best_scores = found
    assert len(np.unique(classes)) >= 8
    assert (classes == best_scores).mean() > 0.9


def test_the_chip_says_whose_it_is() -> None:
    credit = " ".join((CHIP / "README.md").read_text(encoding="utf-8").split())
    for word in ("IGN", "BD ORTHO", "Licence Ouverte", "ign-pdal-tools", "las-digital-models", "embed_montpellier.py"):
        assert word in credit

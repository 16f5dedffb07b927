"""RVB and IRC both hold red and green: products that were exchanged, or turned, are refused before they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from ortho_scenes import card_of, textured, write_image

from ocsge.errors import RasterError
from ocsge.segment.imagery import Imagery, open_imagery

CARD = card_of(("rouge", "vert", "bleu", "infrarouge"))
CHIP = Path(__file__).parent / "data" / "montpellier"
DIFFER = "the red of RVB and of IRC differ; are the products exchanged"


@pytest.fixture
def scene() -> np.ndarray:
    """Red, green, blue and infrared; the colours alike, as in a photograph."""
    common, own = textured(1, 90, 130).astype(float), textured(4, 90, 130, seed=1).astype(float)
    share = np.array([0.75, 0.75, 0.75, 0.4])[:, None, None]
    seen: np.ndarray = np.clip(share * common + (1 - share) * own, 1, 255).astype(np.uint8)
    return seen


def opened(folder: Path, rvb: np.ndarray, irc: np.ndarray, *, xmin: float = 770_000.0) -> Imagery:
    """Open two products whose files declare nothing."""
    one = write_image(folder / "rvb.tif", rvb, photometric="minisblack")
    other = write_image(folder / "irc.tif", irc, xmin=xmin, photometric="minisblack")
    return open_imagery([one], irc=[other], card=CARD)


def test_products_given_for_what_they_are_are_read(tmp_path: Path, scene: np.ndarray) -> None:
    imagery = opened(tmp_path, scene[[0, 1, 2]], scene[[3, 0, 1]])
    assert [mosaic.bands for mosaic in imagery.mosaics] == [("rouge", "vert", "bleu"), ("infrarouge",)]


def test_another_brightness_and_contrast_are_the_same_bands(tmp_path: Path, scene: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(size=(3, 90, 130)) * 4
    opened(tmp_path, scene[:3], np.clip(scene[[3, 0, 1]] * 0.7 + 30 + noise, 1, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("rvb", "irc"),
    [
        ([3, 0, 1], [0, 1, 2]),  # exchanged
        ([2, 1, 0], [3, 0, 1]),  # blue, green, red
        ([0, 1, 2], [0, 1, 3]),  # red, green, infrared
    ],
)
def test_products_exchanged_or_in_another_order_are_refused_with_both_names(
    tmp_path: Path, scene: np.ndarray, rvb: list[int], irc: list[int]
) -> None:
    with pytest.raises(RasterError, match=DIFFER) as refused:
        opened(tmp_path, scene[rvb], scene[irc])
    assert str(tmp_path / "rvb.tif") in str(refused.value)
    assert str(tmp_path / "irc.tif") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_imagery_without_contrast_data_or_colour_says_nothing(tmp_path: Path, scene: np.ndarray) -> None:
    flat, empty = np.full((3, 90, 130), 90, np.uint8), np.zeros((3, 90, 130), np.uint8)
    grey = scene[[0, 0, 0]]
    for name, rvb, irc in (("flat", flat, flat), ("empty", empty, empty), ("half", scene[:3], empty)):
        opened(tmp_path / name, rvb, irc)
    opened(tmp_path / "grey", grey, grey)


def test_a_tile_that_says_nothing_leaves_the_word_to_the_next(tmp_path: Path, scene: np.ndarray) -> None:
    for product, bands in (("rvb", [3, 0, 1]), ("irc", [0, 1, 2])):
        write_image(tmp_path / product / "a.tif", np.zeros((3, 90, 130), np.uint8), photometric="minisblack")
        write_image(tmp_path / product / "b.tif", scene[bands], xmin=770_026, photometric="minisblack")
    with pytest.raises(RasterError, match=r"rvb/b\.tif, .*irc/b\.tif: .*exchanged"):
        open_imagery([tmp_path / "rvb"], irc=[tmp_path / "irc"], card=CARD)


def test_large_tiles_are_compared_on_the_squares_of_their_overlap(tmp_path: Path) -> None:
    image = textured(4, 700, 600)
    opened(tmp_path / "right", image[:3, :, :500], image[[3, 0, 1]][:, :, 50:], xmin=770_010.0)
    with pytest.raises(RasterError, match=DIFFER):
        opened(tmp_path / "exchanged", image[[3, 0, 1]][:, :, :500], image[:3, :, 50:], xmin=770_010.0)


def test_products_of_two_grounds_are_refused(tmp_path: Path, scene: np.ndarray) -> None:
    with pytest.raises(RasterError, match=r"rvb\.tif, .*irc\.tif: no tile of --rvb meets a tile of --irc"):
        opened(tmp_path, scene[:3], scene[[3, 0, 1]], xmin=790_000.0)


def test_a_real_place_is_read_and_its_products_exchanged_are_refused(tmp_path: Path) -> None:
    silent = []
    for name in ("rvb", "irc"):
        with rasterio.open(CHIP / f"{name}.tif") as dataset:
            x, y = dataset.transform.c, dataset.transform.f
            image = dataset.read([1, 2, 3])
        silent.append(write_image(tmp_path / f"{name}.tif", image, xmin=x, ymax=y, photometric="minisblack"))
    open_imagery([silent[0]], irc=[silent[1]], card=CARD)
    with pytest.raises(RasterError, match=DIFFER):
        open_imagery([silent[1]], irc=[silent[0]], card=CARD)

"""Imagery is read as it lies on the ground: tiles without seam, bands in the card's order, holes as no data."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from ortho_scenes import card_of, textured, write_image
from rasterio.enums import ColorInterp

from ocsge.errors import CrsError, DataError, ParameterError, RasterError
from ocsge.grid import Window
from ocsge.segment.imagery import Imagery, ImageryReader, open_imagery

if TYPE_CHECKING:
    from pathlib import Path

RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
CORNER = (770000.0, 6280000.0)
ROW, COL = -31_400_000, 3_850_000
"""Global row and column of the corner at 0.2 m."""


def read(imagery: Imagery, window: Window | None = None) -> tuple[np.ndarray, np.ndarray]:
    with ImageryReader(imagery) as reader:
        return reader.read(window or imagery.window)


def window(row: int, col: int, height: int, width: int) -> Window:
    return Window(row=ROW + row, col=COL + col, height=height, width=width)


@pytest.fixture
def image() -> np.ndarray:
    return textured(3, 90, 130)


def test_one_file_is_read_as_it_is(tmp_path: Path, image: np.ndarray) -> None:
    imagery = open_imagery([write_image(tmp_path / "a.tif", image)], card=card_of())
    assert imagery.window == window(0, 0, 90, 130)
    pixels, valid = read(imagery)
    assert (pixels == image).all()
    assert valid.all()


def test_tiles_are_read_without_seam_whatever_their_driver(tmp_path: Path, image: np.ndarray) -> None:
    folder = tmp_path / "tiles"
    for name, rows, cols in (
        ("a.tif", np.s_[:50], np.s_[:64]),
        ("b.jp2", np.s_[:50], np.s_[64:]),
        ("c.tif", np.s_[50:], np.s_[:]),
    ):
        lossless = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"} if name.endswith("jp2") else {}
        write_image(
            folder / name,
            image[:, rows, cols],
            xmin=CORNER[0] + 0.2 * (cols.start or 0),
            ymax=CORNER[1] - 0.2 * (rows.start or 0),
            **lossless,
        )
    pixels, valid = read(open_imagery([folder], card=card_of()), window(40, 50, 30, 40))
    assert (pixels == image[:, 40:70, 50:90]).all()
    assert valid.all()


VRT = """<VRTDataset rasterXSize="130" rasterYSize="90">
<SRS>EPSG:2154</SRS><GeoTransform>770000, 0.2, 0, 6280000, 0, -0.2</GeoTransform>
{bands}</VRTDataset>
"""
BAND = """<VRTRasterBand dataType="Byte" band="{n}">
<SimpleSource><SourceFilename relativeToVRT="1">{file}</SourceFilename><SourceBand>{n}</SourceBand>
<SrcRect xOff="0" yOff="0" xSize="130" ySize="90"/><DstRect xOff="0" yOff="0" xSize="130" ySize="90"/>
</SimpleSource></VRTRasterBand>
"""


def test_a_virtual_mosaic_is_read_like_its_tiles(tmp_path: Path, image: np.ndarray) -> None:
    write_image(tmp_path / "a.tif", image)
    bands = "".join(BAND.format(n=n, file="a.tif") for n in (1, 2, 3))
    (tmp_path / "mosaic.vrt").write_text(VRT.format(bands=bands))
    pixels, valid = read(open_imagery([tmp_path / "mosaic.vrt"], card=card_of()))
    assert (pixels == image).all()
    assert valid.all()


def test_what_lies_under_no_tile_is_the_mean_and_no_data(tmp_path: Path, image: np.ndarray) -> None:
    pixels, valid = read(open_imagery([write_image(tmp_path / "a.tif", image)], card=card_of()), window(-5, -3, 20, 20))
    assert valid.sum() == 15 * 17
    assert not valid[:5].any()
    assert pixels[:, 0, 0].tolist() == [105, 111, 102]
    assert (pixels[:, 5:, 3:] == image[:, :15, :17]).all()


def test_where_tiles_overlap_the_first_by_name_wins_where_it_holds_something(tmp_path: Path) -> None:
    first, second = np.full((3, 40, 40), 50, np.uint8), np.full((3, 40, 40), 90, np.uint8)
    first[:, :, 30:] = 7
    write_image(tmp_path / "a.tif", first, nodata=7)
    write_image(tmp_path / "b.tif", second, xmin=CORNER[0] + 4)  # 20 pixels to the east
    pixels, valid = read(open_imagery([tmp_path], card=card_of()))
    assert pixels[0, 0].tolist() == [50] * 30 + [90] * 30
    assert valid.all()


def test_infrared_stands_where_the_card_wants_it(tmp_path: Path, image: np.ndarray) -> None:
    irc = textured(3, 90, 130, seed=1)
    rvb = write_image(tmp_path / "rvb" / "a.tif", image, colours=RGB)
    false_colours = write_image(tmp_path / "irc" / "a.tif", irc, colours=RGB)
    card = card_of(("infrarouge", "bleu", "rouge"))
    pixels, _ = read(open_imagery([rvb], irc=[false_colours], card=card))
    assert (pixels == np.stack([irc[0], image[2], image[0]])).all()


def test_false_colours_alone_feed_a_model_that_reads_no_blue(tmp_path: Path, image: np.ndarray) -> None:
    irc = write_image(tmp_path / "irc.tif", image)
    pixels, _ = read(open_imagery([], irc=[irc], card=card_of(("rouge", "vert", "infrarouge"))))
    assert (pixels == image[[1, 2, 0]]).all()


def test_a_fourth_band_is_infrared_when_it_says_so(tmp_path: Path) -> None:
    image = textured(4, 40, 40)
    card = card_of(("rouge", "vert", "bleu", "infrarouge"))
    for name, said in (
        ("nir", {"colours": (*RGB, ColorInterp.nir)}),
        ("described", {"descriptions": ("Rouge", "Vert", "Bleu", "Infrarouge")}),
    ):
        path = write_image(tmp_path / f"{name}.tif", image, photometric="minisblack", **said)
        assert (read(open_imagery([path], card=card))[0] == image).all()
    silent = write_image(tmp_path / "silent.tif", image, photometric="minisblack")
    with pytest.raises(RasterError, match="band 4 declares nothing"):
        open_imagery([silent], card=card)


def test_a_transparent_pixel_is_no_data(tmp_path: Path, image: np.ndarray) -> None:
    alpha = np.full((1, 90, 130), 255, np.uint8)
    alpha[:, :10] = 0
    path = write_image(tmp_path / "a.tif", np.concatenate([image, alpha]), colours=(*RGB, ColorInterp.alpha))
    _, valid = read(open_imagery([path], card=card_of()))
    assert (valid == (alpha[0] > 0)).all()


def test_a_declared_value_is_no_data_where_every_band_holds_it(tmp_path: Path, image: np.ndarray) -> None:
    image[:, 4, 5] = 255
    image[0, 6, 7] = 255
    image[1, 6, 7] = 200
    _, valid = read(open_imagery([write_image(tmp_path / "a.tif", image, nodata=255)], card=card_of()))
    assert not valid[4, 5]
    assert valid[6, 7]


def test_black_that_reaches_the_edge_is_no_data_and_a_black_roof_inside_stays(
    tmp_path: Path, image: np.ndarray
) -> None:
    image[:, :12, :40] = 0  # a corner that the flight did not see
    image[:, 50:60, 50:60] = 0  # a roof
    _, valid = read(open_imagery([write_image(tmp_path / "a.tif", image)], card=card_of()))
    assert not valid[:12, :40].any()
    assert valid.sum() == 90 * 130 - 12 * 40


def test_the_mask_of_a_file_says_where_it_holds_nothing(tmp_path: Path, image: np.ndarray) -> None:
    path = write_image(tmp_path / "a.tif", image)
    mask = np.full((90, 130), 255, np.uint8)
    mask[20:30, 40:60] = 0
    with rasterio.open(path, "r+") as dataset:
        dataset.write_mask(mask)
    _, valid = read(open_imagery([path], card=card_of()))
    assert (valid == (mask > 0)).all()


def test_what_is_no_data_does_not_depend_on_the_window(tmp_path: Path, image: np.ndarray) -> None:
    image[:, 10:80, 60:62] = 0
    image[:, 78:, 61:64] = 0  # the black line reaches the edge far from most of its pixels
    imagery = open_imagery([write_image(tmp_path / "a.tif", image)], card=card_of())
    whole = read(imagery)[1]
    assert np.count_nonzero(~whole) == 70 * 2 + 12 * 3 - 2
    part = read(imagery, window(5, 50, 20, 30))[1]
    assert (part == whole[5:25, 50:80]).all()


def test_imagery_goes_to_another_process_as_it_is(tmp_path: Path, image: np.ndarray) -> None:
    imagery = open_imagery([write_image(tmp_path / "a.tif", image)], card=card_of())
    assert pickle.loads(pickle.dumps(imagery)) == imagery  # noqa: S301 (our own)


def test_no_data_of_one_product_is_no_data(tmp_path: Path, image: np.ndarray) -> None:
    irc = textured(3, 60, 130, seed=1)
    imagery = open_imagery(
        [write_image(tmp_path / "rvb.tif", image)],
        irc=[write_image(tmp_path / "irc.tif", irc)],
        card=card_of(("rouge", "infrarouge")),
    )
    assert imagery.window.height == 90
    _, valid = read(imagery)
    assert valid[:60].all()
    assert not valid[60:].any()


def test_heights_enter_as_flair_encodes_them_from_either_source(tmp_path: Path, image: np.ndarray) -> None:
    card = card_of(("rouge", "elevation"))
    rvb = write_image(tmp_path / "rvb.tif", image)
    mnt = np.full((1, 18, 26), 30.0, np.float32)  # pixels of 1 m
    mns = mnt + 6
    mns[0, :, :4] = 300
    mns[0, 10:] = -9999
    height = np.where(mns == -9999, -9999, mns - mnt).astype(np.float32)
    surface, terrain, above = (
        write_image(tmp_path / f"{name}.tif", values, resolution_m=1, nodata=-9999)
        for name, values in (("mns", mns), ("mnt", mnt), ("above", height))
    )
    from_both, valid = read(open_imagery([rvb], mns=[surface], mnt=[terrain], card=card))
    assert set(np.unique(from_both[1, :40, 40:])) == {30}  # 6 m
    assert set(np.unique(from_both[1, :40, :15])) == {255}  # 270 m
    assert from_both[1, 60, 60] == 53  # unknown: the mean
    assert valid.all()
    assert (read(open_imagery([rvb], elevation=[above], card=card))[0] == from_both).all()
    steps = write_image(tmp_path / "steps.tif", from_both[1:])
    assert (read(open_imagery([rvb], elevation=[steps], card=card))[0] == from_both).all()


def test_flair_hub_is_given_surface_and_height_in_metres(tmp_path: Path, image: np.ndarray) -> None:
    card = card_of(
        ("rouge", "vert"),
        bands=("rouge", "mns", "mnt"),
        mean=(105.0, 311.06, 311.06),
        std=(52.0, 537.55, 537.55),
        elevation="surface_and_height_m",
    )
    rvb = write_image(tmp_path / "rvb.tif", image)
    mnt = write_image(tmp_path / "mnt.tif", np.full((1, 18, 26), 30.25, np.float32), resolution_m=1)
    mns = write_image(tmp_path / "mns.tif", np.full((1, 18, 26), 36.5, np.float32), resolution_m=1)
    pixels, _ = read(open_imagery([rvb], mns=[mns], mnt=[mnt], card=card))
    assert pixels.dtype == np.float32
    assert pixels[1:, 40, 40].tolist() == [36.5, 6.25]
    assert (pixels[0] == image[0]).all()


def test_an_unknown_terrain_is_no_tower_as_high_as_the_mean_of_altitudes(tmp_path: Path, image: np.ndarray) -> None:
    card = card_of(
        ("rouge",),
        bands=("rouge", "mns", "mnt"),
        mean=(105.0, 311.0, 311.0),
        std=(52.0, 537.0, 537.0),
        elevation="surface_and_height_m",
    )
    rvb = write_image(tmp_path / "rvb.tif", image)
    mnt, mns = np.full((1, 18, 26), 30.0, np.float32), np.full((1, 18, 26), 36.5, np.float32)
    mnt[0, :6], mns[0, 12:] = -9999, -9999
    files = {
        name: [write_image(tmp_path / f"{name}.tif", values, resolution_m=1, nodata=-9999)]
        for name, values in (("mns", mns), ("mnt", mnt))
    }
    imagery = open_imagery([rvb], card=card, **files)
    pixels, _ = read(imagery)
    assert pixels[1:, 5, 5].tolist() == [36.5, 0.0]  # a surface that is known, a height that is not
    assert pixels[1:, 45, 5].tolist() == [36.5, 6.5]
    assert pixels[1:, 85, 5].tolist() == [311.0, 0.0]
    outside, valid = read(imagery, window(-5, 0, 10, 20))
    assert not valid[0, 0]
    assert outside[:, 0, 0].tolist() == [105.0, 311.0, 0.0]


@pytest.mark.parametrize(
    ("profile", "error", "said"),
    [
        ({"epsg": None}, CrsError, "declares no CRS"),
        ({"epsg": 4326, "resolution_m": 1e-6, "xmin": 3.9, "ymax": 43.6}, CrsError, "not projected in metres"),
        ({"resolution_m": 0.5}, RasterError, "pixels of 0.5 × 0.5 m, the model reads 0.2 m"),
        ({"xmin": 770000.07}, RasterError, "do not lie on multiples of 0.2 m"),
        ({"colours": RGB[::-1]}, RasterError, "declared bleu, vert, rouge.*-b 3 -b 2 -b 1"),
        ({"descriptions": ("vert", "rouge", "bleu")}, RasterError, "declared vert, rouge, bleu"),
        ({"descriptions": ("nir", "red", "green")}, RasterError, "declared infrarouge, rouge, vert"),
    ],
)
def test_an_image_that_the_model_cannot_take_is_refused_in_one_line(
    tmp_path: Path, image: np.ndarray, profile: dict[str, object], error: type[DataError], said: str
) -> None:
    path = write_image(tmp_path / "a.tif", image, photometric="minisblack", **profile)
    with pytest.raises(error, match=said) as caught:
        open_imagery([path], card=card_of())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_16_bit_or_missing_bands_are_refused(tmp_path: Path, image: np.ndarray) -> None:
    with pytest.raises(RasterError, match="bands of uint16; models read 8 bits"):
        open_imagery([write_image(tmp_path / "a.tif", image.astype(np.uint16))], card=card_of())
    with pytest.raises(RasterError, match=r"2 colour band\(s\); an RVB file holds rouge, vert, bleu"):
        open_imagery([write_image(tmp_path / "b.tif", image[:2])], card=card_of())


def test_false_colours_that_declare_another_order_are_refused(tmp_path: Path, image: np.ndarray) -> None:
    card = card_of(("infrarouge",))
    path = write_image(tmp_path / "a.tif", image, descriptions=("rouge", "vert", "infrarouge"))
    with pytest.raises(RasterError, match="IRC files hold infrarouge, rouge, vert"):
        open_imagery([], irc=[path], card=card)


def test_tiles_of_two_crs_are_refused(tmp_path: Path, image: np.ndarray) -> None:
    write_image(tmp_path / "a.tif", image)
    write_image(tmp_path / "b.tif", image, epsg=2975)
    with pytest.raises(CrsError, match=r"EPSG:2975, the others are in EPSG:2154"):
        open_imagery([tmp_path], card=card_of())


def test_products_of_two_crs_are_refused(tmp_path: Path, image: np.ndarray) -> None:
    rvb, irc = write_image(tmp_path / "rvb.tif", image), write_image(tmp_path / "irc.tif", image, epsg=2975)
    with pytest.raises(CrsError, match="not in one CRS"):
        open_imagery([rvb], irc=[irc], card=card_of(("rouge", "infrarouge")))


def test_a_crs_that_bears_no_code_is_assumed_on_request(tmp_path: Path, image: np.ndarray) -> None:
    path = write_image(tmp_path / "a.tif", image, epsg=None)
    assert open_imagery([path], card=card_of(), assume_crs=2154).grid.epsg == 2154


def test_what_the_model_needs_is_asked_for_and_what_it_does_not_read_refused(tmp_path: Path, image: np.ndarray) -> None:
    rvb, irc = write_image(tmp_path / "rvb.tif", image), write_image(tmp_path / "irc.tif", image)
    height = write_image(tmp_path / "h.tif", np.zeros((1, 9, 13), np.float32), resolution_m=2)
    with pytest.raises(ParameterError, match="nothing given holds infrarouge; give --irc"):
        open_imagery([rvb], card=card_of(("rouge", "infrarouge")))
    with pytest.raises(ParameterError, match="give --elevation or --mns and --mnt"):
        open_imagery([rvb], card=card_of(("rouge", "elevation")))
    with pytest.raises(ParameterError, match="not --mns"):
        open_imagery([rvb], mns=[height], card=card_of(("rouge", "elevation")))
    with pytest.raises(ParameterError, match="--irc: the model petit takes nothing from it"):
        open_imagery([rvb], irc=[irc], card=card_of())
    with pytest.raises(ParameterError, match="no elevation; leave it out"):
        open_imagery([rvb], elevation=[height], card=card_of())
    with pytest.raises(ParameterError, match="given as --rvb and as --irc"):
        open_imagery([rvb], irc=[rvb], card=card_of(("rouge", "infrarouge")))
    with pytest.raises(ParameterError, match="no imagery is given"):
        open_imagery([], card=card_of())


def test_a_truncated_file_is_named(tmp_path: Path, image: np.ndarray) -> None:
    path = write_image(tmp_path / "a.tif", textured(3, 900, 900), tiled=True, blockxsize=256, blockysize=256)
    imagery = open_imagery([path], card=card_of())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(RasterError, match=r"a\.tif"):
        read(imagery)
    (tmp_path / "b.tif").write_bytes(b"II*\0 nothing")
    with pytest.raises(RasterError, match=r"b\.tif: cannot be opened"):
        open_imagery([tmp_path / "b.tif"], card=card_of())


def test_many_tiles_are_read_with_few_files_open_at_once(tmp_path: Path) -> None:
    for position in range(40):
        write_image(
            tmp_path / f"{position:02d}.tif",
            np.full((3, 4, 4), position + 1, np.uint8),
            xmin=CORNER[0] + 0.8 * position,
        )
    imagery = open_imagery([tmp_path], card=card_of())
    with ImageryReader(imagery) as reader:
        pixels, _ = reader.read(imagery.window)
        assert len(reader._local.opened) == 24
    assert pixels[0, 0].tolist() == np.repeat(np.arange(1, 41), 4).tolist()


def test_the_files_of_a_window_are_those_that_it_meets(tmp_path: Path, image: np.ndarray) -> None:
    near, far = write_image(tmp_path / "a.tif", image), write_image(tmp_path / "b.tif", image, xmin=CORNER[0] + 400)
    imagery = open_imagery([near, far], card=card_of())
    assert imagery.files(window(0, 0, 5, 5)) == [("rvb", near)]
    assert imagery.files(imagery.window) == [("rvb", near), ("rvb", far)]
    assert imagery.covers(window(0, 100, 5, 500))
    assert not imagery.covers(window(0, 200, 5, 500))

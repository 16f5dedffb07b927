"""Data sets read as their producers lay them out, and refused by file when something is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from ocsge.errors import CodeError, DataError, ParameterError, RasterError
from ocsge.rules import load_rules
from ocsge.segment.datasets import PatchSamples, bands_of, find_patches, layout_of, place_of
from ocsge.segment.folds import locations
from ocsge.segment.labelled_folder import LabelledFolder, onto_head
from ocsge.segment.mask_classes import MaskClasses
from ocsge.segment.metrics import IGNORED
from ocsge.segment.samples import ArraySamples, Chosen, normalisation
from tests.generated_patches import X, Y, red_squares, small_card, write_plain, write_raster

if TYPE_CHECKING:
    from pathlib import Path

RVBI = ("rouge", "vert", "bleu", "infrarouge")
TWO = MaskClasses(("sombre", "rouge vif"), {0: 0, 1: 1})


def byte(value: int, bands: int = 1, side: int = 32) -> np.ndarray:
    return np.full((bands, side, side), value, dtype=np.uint8)


@pytest.fixture
def flair(tmp_path: Path) -> Path:
    """Two domains of FLAIR #1, imagery and masks in two trees, as the toy data set is."""
    patches = (("D012_2019", "Z13_AA", "062871", X), ("D064_2021", "Z2_UN", "066772", X - 200_000))
    for domain, zone, number, x in patches:
        five = np.concatenate([byte(10 * band) for band in range(1, 6)])
        write_raster(tmp_path / "aerial" / domain / zone / "img" / f"IMG_{number}.tif", five, x=x)
        write_raster(tmp_path / "labels" / domain / zone / "msk" / f"MSK_{number}.tif", byte(19))
    return tmp_path


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """One domain of FLAIR-HUB: aerial imagery, surface and terrain, masks, and a modality that is left alone."""
    for what, values in (
        ("AERIAL_RGBI", byte(50, bands=4)),
        ("DEM_ELEV", np.stack([np.full((32, 32), 112.0), np.full((32, 32), 100.0)]).astype(np.float32)),
        ("AERIAL_LABEL-COSIA", byte(18)),
        ("SPOT_RGBI", np.zeros((4, 4, 4), dtype=np.uint16)),
    ):
        for patch in ("0-1", "0-2"):
            folder = tmp_path / f"D004-2021_{what}" / "AA-S1-32"
            write_raster(folder / f"D004-2021_{what}_AA-S1-32_{patch}.tif", values)
    return tmp_path


def samples_of(folder: Path, classes: MaskClasses = TWO, **given: Any) -> PatchSamples:
    given.setdefault("bands", ("rouge", "vert", "bleu"))
    return PatchSamples(find_patches(folder), classes, **given)


def test_flair_patches_are_paired_by_domain_zone_and_number(flair: Path) -> None:
    patches = find_patches(flair)
    assert layout_of(flair) == "flair"
    assert [patch.name for patch in patches] == ["D012_2019/Z13_AA/062871", "D064_2021/Z2_UN/066772"]
    assert [patch.domain for patch in patches] == ["D012_2019", "D064_2021"]
    assert patches[0].mask.name == "MSK_062871.tif"


def test_flair_has_five_bands_and_masks_from_1_to_19(flair: Path) -> None:
    classes = LabelledFolder(folder=flair).mask_classes(load_rules())
    assert len(classes.head_classes) == 19
    samples = samples_of(flair, classes, bands=("elevation", "rouge"))
    pixels, labels = samples.read(0)
    assert pixels[:, 0, 0].tolist() == [50, 10]
    assert (labels == 18).all()
    assert classes.head_classes[0] == "Bâtiment"


def test_flair_locations_are_its_domains(flair: Path) -> None:
    assert locations([place_of(patch) for patch in find_patches(flair)]).tolist() == [0, 1]


def test_hub_patches_have_aerial_imagery_elevation_and_masks_of_one_name(hub: Path) -> None:
    patches = find_patches(hub)
    assert layout_of(hub) == "flair_hub"
    assert [patch.domain for patch in patches] == ["D004-2021", "D004-2021"]
    assert patches[1].elevation is not None
    assert patches[1].elevation.name.endswith("DEM_ELEV_AA-S1-32_0-2.tif")
    assert patches[1].mask.name.endswith("LABEL-COSIA_AA-S1-32_0-2.tif")


def test_hub_elevation_is_surface_and_height_above_ground_as_its_models_learnt(hub: Path) -> None:
    classes = LabelledFolder(folder=hub).mask_classes(load_rules())
    samples = samples_of(hub, classes, bands=("infrarouge", "mns", "mnt"))
    pixels, labels = samples.read(0)
    assert pixels.dtype == np.float32
    assert pixels[:, 0, 0].tolist() == [50.0, 112.0, 12.0]
    assert (labels == classes.head_classes.index("Autre")).all()


def test_hub_elevation_can_be_the_height_in_steps_of_20_cm_of_the_other_models(hub: Path) -> None:
    samples = samples_of(hub, LabelledFolder(folder=hub).mask_classes(load_rules()), bands=(*RVBI, "elevation"))
    assert samples.read(0)[0][4, 0, 0] == 60
    assert samples.read(0)[0].dtype == np.uint8


HUB = MaskClasses(("autre",), {18: 0})


def hole(hub: Path, *, nodata: float | None, value: float) -> Path:
    """Leave out MNS and MNT of the first pixel, and MNT of the second, in the first patch."""
    path = next((hub / "D004-2021_DEM_ELEV").rglob("*0-1.tif"))
    with rasterio.open(path, "r+") as file:
        metres = file.read()
        metres[:, 0, 0] = metres[1, 0, 1] = value
        file.nodata = nodata
        file.write(metres)
    return hub


@pytest.mark.parametrize(("nodata", "value"), [(-9999.0, -9999.0), (np.nan, np.nan), (None, np.nan)])
def test_elevation_without_data_is_what_inference_gives_there(hub: Path, nodata: float | None, value: float) -> None:
    bands = ("rouge", "mns", "mnt")
    samples = samples_of(hole(hub, nodata=nodata, value=value), HUB, bands=bands)
    np.testing.assert_array_equal(samples.read(0)[0][1:, 0, :3], [[np.nan, 112, 112], [np.nan, np.nan, 12]])
    card = small_card(
        bands=bands, mean=(50.0, 311.0, 21.0), std=(1.0,) * 3, elevation="surface_and_height_m", head_classes=("autre",)
    )
    pixels = samples.filled(card).read(0)[0]
    assert pixels[1:, 0, :3].tolist() == [[311, 112, 112], [0, 0, 12]]
    np.testing.assert_array_equal(Chosen(samples, (1, 0)).filled(card).read(1)[0], pixels)
    other = samples.filled(replace(card, mean=(50.0, 9.0, 21.0)))
    assert other.read(0)[0][1, 0, :2].tolist() == [9, 112]
    assert other.read(1)[0] is samples.read(1)[0]


def test_an_unknown_height_in_steps_is_the_mean_of_the_model(hub: Path) -> None:
    bands = ("rouge", "elevation")
    samples = samples_of(hole(hub, nodata=-9999, value=-9999), HUB, bands=bands)
    assert np.isnan(samples.read(0)[0][1, 0, :2]).all()
    card = small_card(bands=bands, mean=(50.0, 53.36), std=(1.0,) * 2, elevation="height_uint8_20cm")
    pixels = samples.filled(card).read(0)[0]
    assert pixels.dtype == np.uint8
    assert pixels[1, 0, :3].tolist() == [53, 53, 60]


def test_the_normalisation_leaves_out_what_is_unknown(hub: Path) -> None:
    samples = samples_of(hole(hub, nodata=-9999, value=-9999), HUB, bands=("rouge", "mns", "mnt"))
    pixels = [np.where(np.arange(32) < 16, values, values + np.float32(2)) for values in samples.read(0)[0]]
    mean, std = normalisation(ArraySamples([np.stack(pixels)], [samples.labels_of(0)]))
    assert mean == pytest.approx((51, 113, 13), abs=0.01)
    assert std == pytest.approx((1, 1, 1), abs=0.01)


def test_patches_are_not_filled_for_a_model_of_other_bands(hub: Path) -> None:
    with pytest.raises(DataError, match="patches of rouge, mns, mnt for a model of rouge, vert, bleu"):
        samples_of(hub, HUB, bands=("rouge", "mns", "mnt")).filled(small_card())


def test_a_plain_folder_pairs_same_names_at_any_depth(tmp_path: Path) -> None:
    write_plain(tmp_path / "a", red_squares(2, side=32))
    write_plain(tmp_path / "b", red_squares(1, side=32))
    assert layout_of(tmp_path) == "plain"
    assert [patch.name for patch in find_patches(tmp_path)] == ["a/00", "a/01", "b/00"]


def test_a_plain_folder_pairs_tile_12_with_mask_12(tmp_path: Path) -> None:
    write_raster(tmp_path / "img" / "tile_12.tif", byte(1, bands=3))
    write_raster(tmp_path / "mask" / "mask_12.tif", byte(1))
    assert [patch.name for patch in find_patches(tmp_path)] == ["12"]


def test_a_patch_without_mask_is_named(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(2, side=32))
    (folder / "mask" / "01.tif").unlink()
    with pytest.raises(DataError, match=r"patches without mask: .*img/01.tif"):
        find_patches(folder)


def test_a_mask_without_patch_is_named(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(2, side=32))
    (folder / "img" / "01.tif").unlink()
    with pytest.raises(DataError, match=r"masks without patch: .*mask/01.tif"):
        find_patches(folder)


def test_many_lacking_masks_are_counted_after_the_third(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(6, side=32))
    for path in sorted((folder / "mask").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match="and 2 more"):
        find_patches(folder)


def test_two_masks_of_one_patch_are_refused(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(1, side=32))
    write_raster(folder / "msk" / "00.tif", byte(0))
    with pytest.raises(DataError, match="second mask of the patch 00"):
        find_patches(folder)


def test_elevation_that_some_patches_lack_is_refused(hub: Path) -> None:
    next((hub / "D004-2021_DEM_ELEV").rglob("*0-2.tif")).unlink()
    with pytest.raises(DataError, match="patches without elevation, which others have"):
        find_patches(hub)


def test_a_folder_that_is_no_data_set_is_refused_with_what_one_looks_like(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither FLAIR .* nor img/ and mask/"):
        find_patches(tmp_path)
    with pytest.raises(DataError, match="no patch in the layout flair"):
        find_patches(tmp_path, layout="flair")


def test_a_mask_of_another_size_is_refused_by_file(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(2, side=32))
    write_raster(folder / "mask" / "01.tif", byte(0, side=16))
    with pytest.raises(RasterError, match=r"mask/01.tif: 16 × 16 pixels for a patch of 32 × 32"):
        samples_of(folder).read(1)


def test_a_class_number_without_class_is_refused_by_file_and_counted(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(2, side=32))
    mask = byte(0)
    mask[0, 0, :3] = 7
    write_raster(folder / "mask" / "01.tif", mask)
    with pytest.raises(CodeError, match=r"mask/01.tif: class numbers \[7\] \(3 pixels\) have no class"):
        samples_of(folder).read(1)


def test_a_mask_of_several_bands_is_refused_by_file(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(2, side=32))
    write_raster(folder / "mask" / "01.tif", byte(0, bands=3))
    with pytest.raises(RasterError, match=r"mask/01.tif: 3 bands; a mask has one"):
        samples_of(folder).labels_of(1)


def test_patches_of_several_resolutions_are_refused_by_file(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(2, side=32))
    write_raster(folder / "img" / "01.tif", byte(1, bands=3), pixel_m=0.6)
    with pytest.raises(RasterError, match=r"img/01.tif: pixels of 0.6 m, those before it of 0.2 m"):
        _ = samples_of(folder).resolution_m


def test_pixels_that_are_no_squares_are_refused_by_file(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(1, side=32))
    with rasterio.open(folder / "img" / "00.tif", "r+") as file:
        file.transform = Affine(0.2, 0, X, 0, -0.25, Y)
    with pytest.raises(RasterError, match=r"img/00.tif: pixels of 0.2 × 0.25 m"):
        place_of(find_patches(folder)[0])


def test_imagery_of_16_bits_is_refused_by_file(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(1, side=32))
    write_raster(folder / "img" / "00.tif", byte(1, bands=3).astype(np.uint16))
    with pytest.raises(RasterError, match=r"img/00.tif: imagery is uint16; convert it to 8 bits"):
        samples_of(folder).read(0)


def test_a_mask_of_16_bits_is_refused_by_file(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(1, side=32))
    write_raster(folder / "mask" / "00.tif", byte(1).astype(np.uint16))
    with pytest.raises(RasterError, match=r"mask/00.tif: a mask of uint16"):
        samples_of(folder).read(0)


def test_patches_with_another_number_of_bands_are_refused_by_file(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(2, side=32))
    write_raster(folder / "img" / "01.tif", byte(1, bands=4))
    with pytest.raises(RasterError, match=r"img/01.tif: has 4 bands, the others 3"):
        samples_of(folder).read(1)


def test_a_file_that_is_no_raster_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(2, side=32))
    (folder / "img" / "01.tif").write_bytes(b"no raster")
    with pytest.raises(RasterError, match=r"img/01.tif: not a readable raster"):
        samples_of(folder).read(1)


def test_elevation_of_another_size_is_refused_by_file(hub: Path) -> None:
    path = next((hub / "D004-2021_DEM_ELEV").rglob("*0-1.tif"))
    write_raster(path, np.zeros((2, 16, 16), dtype=np.float32))
    samples = samples_of(hub, LabelledFolder(folder=hub).mask_classes(load_rules()), bands=("mns", "mnt"))
    with pytest.raises(RasterError, match="expected MNS and MNT of the imagery's 32 × 32"):
        samples.read(0)


def test_bands_are_given_in_the_order_of_the_card(tmp_path: Path) -> None:
    write_raster(tmp_path / "img" / "a.tif", np.concatenate([byte(value) for value in (1, 2, 3, 4)]))
    write_raster(tmp_path / "mask" / "a.tif", byte(0))
    plain, stated = (
        samples_of(tmp_path, bands=("infrarouge", "rouge"), file_bands=file_bands).read(0)[0][:, 0, 0].tolist()
        for file_bands in (None, ("infrarouge", "rouge", "vert", "bleu"))
    )
    assert plain == [4, 1]
    assert stated == [1, 2]


def test_a_band_that_files_do_not_hold_is_refused(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(1, side=32))
    with pytest.raises(ParameterError, match="no band infrarouge; there are bleu, rouge, vert"):
        samples_of(folder, bands=RVBI)


def test_bands_whose_number_means_nothing_must_be_named(tmp_path: Path) -> None:
    write_raster(tmp_path / "img" / "a.tif", byte(1, bands=2))
    write_raster(tmp_path / "mask" / "a.tif", byte(0))
    (patch,) = find_patches(tmp_path)
    with pytest.raises(ParameterError, match="has 2 bands; state the name of each"):
        bands_of(patch)
    assert bands_of(patch, stated=("rouge", "infrarouge")) == ("rouge", "infrarouge")


def test_patches_are_the_same_whether_memory_holds_them_or_not(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(3, side=32))
    kept, read_again = samples_of(folder), samples_of(folder, kept_bytes=5000)
    for index in (0, 1, 2, 0):
        for one, other in zip(kept.read(index), read_again.read(index), strict=True):
            np.testing.assert_array_equal(one, other)
    assert kept.read(0)[0] is kept.read(0)[0]
    assert read_again.read(2)[0] is not read_again.read(2)[0]


def test_the_place_of_a_plain_patch_is_its_georeference(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(1, side=50))
    (patch,) = find_patches(folder)
    place = place_of(patch)
    assert place.bounds == pytest.approx((X, Y - 10, X + 10, Y))
    assert place.crs == "EPSG:2154"
    assert samples_of(folder).resolution_m == 0.2


@pytest.mark.parametrize("crs", [None, "EPSG:4326"])
def test_a_patch_without_georeference_in_metres_has_no_place(tmp_path: Path, crs: str | None) -> None:
    write_raster(tmp_path / "img" / "a.tif", byte(1, bands=3), crs=crs, x=2, y=44, pixel_m=1e-6)
    write_raster(tmp_path / "mask" / "a.tif", byte(0), crs=crs, x=2, y=44, pixel_m=1e-6)
    (patch,) = find_patches(tmp_path)
    assert place_of(patch).bounds is None
    assert samples_of(tmp_path).resolution_m == 0.2


def test_a_plain_folder_must_say_what_its_numbers_mean(tmp_path: Path) -> None:
    folder = write_plain(tmp_path, red_squares(1, side=32))
    with pytest.raises(ParameterError, match="say what its class numbers mean"):
        LabelledFolder(folder=folder).mask_classes(load_rules())


def test_masks_are_mapped_to_another_head_by_the_names_of_their_classes() -> None:
    classes = MaskClasses(("eau", "bati", "autre"), {1: 0, 2: 1, 9: 2, 0: IGNORED})
    found = onto_head(classes, ("bati", "route", "eau"), left_out={"autre"})
    assert found.channels == {1: 2, 2: 0, 9: IGNORED, 0: IGNORED}
    assert found.head_classes == ("bati", "route", "eau")


def test_a_class_that_the_head_does_not_have_is_refused_unless_left_out() -> None:
    with pytest.raises(CodeError, match="classes eau of the masks are none of the model's"):
        onto_head(MaskClasses(("eau",), {1: 0}), ("bati",))

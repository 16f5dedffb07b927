"""The whole stage: imagery in, class rasters out, the same whatever way the work is cut or interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from ortho_scenes import FLAIR_CLASSES, card_of, renamed, textured, varied_model, write_image

from benchmarks.measure import measured
from ocsge.errors import DataError, OutputError, ParameterError, RasterError
from ocsge.products.confusion import confusion_beside, read_confusion
from ocsge.products.cosia import class_strips, place_tiles, raster_files
from ocsge.rules import load_rules
from ocsge.segment.imagery import Imagery, open_imagery
from ocsge.segment.inference import Segmenter
from ocsge.segment.predict import Segmented, segment_imagery

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL = {"patch_px": 128, "halo_px": 32, "precision": "fp32", "threads": 1, "device": "cpu"}
FULL_HALO_PX = 352
"""Half of what a pixel's answer depends on, 311 px for this network (see below), rounded up to the stride."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return varied_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def four_dalles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two tiles over the corner of four dalles: 250 × 300 pixels."""
    folder = tmp_path_factory.mktemp("ortho") / "rvb"
    image = textured(3, 250, 300)
    corner = {"xmin": 770000 - 30, "ymax": 6280000 + 20}
    write_image(folder / "a.tif", image[..., :170], **corner)
    write_image(folder / "b.tif", image[..., 170:], xmin=corner["xmin"] + 34, ymax=corner["ymax"])
    return folder


def opened(rvb: Path) -> Imagery:
    return open_imagery([rvb], card=card_of())


def segmented(rvb: Path, model: Path | Sequence[Path], out: Path, **options: object) -> Segmented:
    return segment_imagery(opened(rvb), weights=model, out=out, **{**SMALL, **options})


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file but the records, which hold times."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def classes_at(done: Segmented, imagery: Imagery) -> np.ndarray:
    """Return the class numbers over the whole imagery, read as ``ocsge derive`` reads them."""
    tiles = place_tiles(list(done.rasters), grid=imagery.grid)
    return np.concatenate(list(class_strips(tiles, grid=imagery.grid, window=imagery.window, score_classes=range(19))))


@pytest.fixture(scope="module")
def whole(four_dalles: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Segmented:
    return segmented(four_dalles, model, tmp_path_factory.mktemp("whole"), probability=True, scores=True)


def test_each_dalle_is_a_raster_of_its_own(whole: Segmented) -> None:
    assert [path.stem for path in whole.rasters] == ["0760_6290", "0770_6290", "0760_6280", "0770_6280"]
    assert whole.folder == whole.rasters[0].parent
    with rasterio.open(whole.rasters[0]) as dataset:
        assert dataset.bounds == (769970.0, 6280000.0, 770000.0, 6280020.0)
        assert dataset.crs.to_epsg() == 2154
        assert dataset.nodata == 255
        assert dataset.tags()["OCSGE_NUMBERING"] == "cosia_argmax_2023"
        assert dataset.tags()["OCSGE_MODEL"] == "petit"
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.compression.name == "zstd"


def test_every_pixel_of_the_imagery_has_the_class_of_the_head_by_its_name(whole: Segmented, four_dalles: Path) -> None:
    found = classes_at(whole, opened(four_dalles))
    assert found.shape == (250, 300)
    # the first six classes of FLAIR as cosia_argmax_2023 numbers them
    assert set(np.unique(found)) == {0, 1, 2, 4, 5, 7}
    assert whole.area_km2 == pytest.approx(250 * 300 * 0.04 / 1e6)


def test_the_probability_is_that_of_the_class_and_of_the_best_score(whole: Segmented) -> None:
    for raster, probability, scores in zip(whole.rasters, whole.probabilities, whole.scores, strict=True):
        with rasterio.open(raster) as a, rasterio.open(probability) as b, rasterio.open(scores) as c:
            number, top, every = a.read(1), b.read(1), c.read()
            numbers = np.array([int(n) for n in c.tags()["OCSGE_SCORE_CLASSES"].split(",")])
            assert c.descriptions == FLAIR_CLASSES[:6]
        assert np.abs(every.max(axis=0).astype(int) - top).max() <= 1
        close = np.sort(every, axis=0)[-2] >= every.max(axis=0) - 1
        assert (numbers[every.argmax(axis=0)] == number)[~close].all()


def test_scores_are_read_as_the_classes_they_are_of(whole: Segmented, four_dalles: Path) -> None:
    imagery = opened(four_dalles)
    tiles = place_tiles(list(whole.scores), grid=imagery.grid)
    strips = class_strips(tiles, grid=imagery.grid, window=imagery.window, score_classes=range(17))
    agree = np.concatenate(list(strips)) == classes_at(whole, imagery)
    assert agree.mean() > 0.97  # but where two classes are equal once rounded to bytes


def test_asking_for_probabilities_does_not_change_the_classes(
    whole: Segmented, four_dalles: Path, model: Path, tmp_path: Path
) -> None:
    plain = segmented(four_dalles, model, tmp_path)
    assert not plain.probabilities
    assert not plain.scores
    for a, b in zip(plain.rasters, whole.rasters, strict=True):
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize(
    "options",
    [{"jobs": 2}, {"threads": 2}],
    ids=["two processes", "two threads"],
)
def test_the_bytes_do_not_depend_on_how_the_work_is_done(
    whole: Segmented, four_dalles: Path, model: Path, tmp_path: Path, options: dict[str, object]
) -> None:
    done = segmented(four_dalles, model, tmp_path / "out", probability=True, scores=True, **options)
    assert contents(tmp_path / "out") == contents(whole.folder.parent)
    assert done.rasters


def test_shards_make_the_same_bytes_together(whole: Segmented, four_dalles: Path, model: Path, tmp_path: Path) -> None:
    counts = []
    for k in (1, 2, 3):
        done = segmented(four_dalles, model, tmp_path, probability=True, scores=True, shard=(k, 3))
        counts.append(len(done.rasters))
    assert counts == [2, 1, 1]
    assert contents(tmp_path) == contents(whole.folder.parent)


def test_another_extent_gives_the_pixels_that_both_hold_the_same_class(
    whole: Segmented, four_dalles: Path, model: Path, tmp_path: Path
) -> None:
    imagery = opened(four_dalles)
    part = open_imagery([four_dalles / "b.tif"], card=card_of())
    less = classes_at(segment_imagery(part, weights=model, out=tmp_path, **SMALL), part)
    # a patch of 128 px reaches 96 px beyond the pixels it decides: farther from the edge, both saw the same ground
    assert (less[:, 96:] == classes_at(whole, imagery)[:, 170 + 96 :]).all()


def test_within_an_area_pixels_are_those_of_the_whole_and_no_data_outside(
    whole: Segmented, four_dalles: Path, model: Path, tmp_path: Path
) -> None:
    imagery = opened(four_dalles)
    shape = shapely.Point(769995, 6280005).buffer(14)
    area = tmp_path / "area.gpkg"
    gpd.GeoDataFrame(geometry=[shape], crs=2154).to_crs(4326).to_file(area)
    done = segmented(four_dalles, model, tmp_path / "out", area=area)
    inside = np.zeros((250, 300), dtype=bool)
    x, y = 769970 + 0.2 * (np.arange(300) + 0.5), 6280020 - 0.2 * (np.arange(250) + 0.5)
    inside[:] = shapely.contains_xy(shape, *np.meshgrid(x, y))
    found, everything = classes_at(done, imagery), classes_at(whole, imagery)
    differ = (found != 255) != inside
    assert differ.sum() <= 4  # centres on the outline itself, moved by the way through degrees
    assert (found == everything)[found != 255].all()
    assert done.area_km2 == pytest.approx((found != 255).sum() * 0.04 / 1e6)


def test_only_patches_that_meet_the_area_are_answered(
    four_dalles: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, launch = [], Segmenter.launch

    def counting(self, pixels, **options):
        answered.append(len(pixels))
        return launch(self, pixels, **options)

    monkeypatch.setattr(Segmenter, "launch", counting)
    area = tmp_path / "area.gpkg"
    # 20 cm around the middle of a core: cores lie on multiples of 64 pixels of 20 cm
    x, y = 0.2 * (64 * 60156 + 32), -0.2 * (64 * -490625 + 32)
    gpd.GeoDataFrame(geometry=[shapely.Point(x, y).buffer(0.2)], crs=2154).to_file(area)
    done = segmented(four_dalles, model, tmp_path / "out", area=area)
    assert sum(answered) == 1
    assert len(done.rasters) == 1


def test_an_area_far_away_is_refused(four_dalles: Path, model: Path, tmp_path: Path) -> None:
    area = tmp_path / "area.gpkg"
    gpd.GeoDataFrame(geometry=[shapely.box(0, 6e6, 10, 6e6 + 10)], crs=2154).to_file(area)
    with pytest.raises(RasterError, match=r"area\.gpkg: the area meets none of the imagery"):
        segmented(four_dalles, model, tmp_path / "out", area=area)


def test_a_second_run_keeps_what_is_there_and_a_changed_input_or_option_makes_it_again(
    four_dalles: Path, model: Path, tmp_path: Path
) -> None:
    first = segmented(four_dalles, model, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in first.rasters}
    again = segmented(four_dalles, model, tmp_path)
    assert (first.kept, again.kept) == (0, 4)
    assert {path: path.stat().st_mtime_ns for path in again.rasters} == before
    assert again.area_km2 == first.area_km2
    first.rasters[0].write_bytes(b"something else")
    assert segmented(four_dalles, model, tmp_path).kept == 3
    few = {"patch_px": 32, "halo_px": 0}
    assert segmented(four_dalles, model, tmp_path, **few).kept == 0
    os.utime(four_dalles / "b.tif")
    # the two eastern dalles read it; the western ones do not: cores of 32 px end 16 px beyond, it begins at 20
    assert segmented(four_dalles, model, tmp_path, **few).kept == 2


def test_the_record_says_what_the_dalle_was_made_of(whole: Segmented) -> None:
    record = json.loads(whole.rasters[0].with_suffix(".json").read_text(encoding="utf-8"))
    assert [one["name"] for one in record["models"]] == ["petit"]
    assert [one["file"] for one in record["inputs"]] == ["a.tif", "b.tif"] or record["inputs"][0]["file"] == "a.tif"
    assert record["options"]["patch_px"] == 128
    assert sum(one["pixels"] for one in record["classes"]) == record["pixels"] == 150 * 100
    assert {"ocsge", "torch", "gdal"} <= set(record["versions"])
    assert record["seconds"] > 0


def test_gdal_and_qgis_find_the_names_and_colours_of_the_classes(whole: Segmented) -> None:
    raster = whole.rasters[0]
    with rasterio.open(raster) as dataset:
        assert dataset.colormap(1)[0] == (206, 112, 121, 255)
        assert dataset.tags(1)["STATISTICS_MAXIMUM"] == "7"
    names = Path(f"{raster}.aux.xml").read_text(encoding="utf-8")
    assert "<Category>Bâtiment</Category>" in names
    style = raster.with_suffix(".qml").read_text(encoding="utf-8")
    assert 'value="0" label="Bâtiment" color="#CE7079"' in style


def test_overviews_take_the_most_frequent_class(model: Path, tmp_path: Path) -> None:
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 600, 700))
    done = segmented(rvb, model, tmp_path / "out")
    with rasterio.open(done.rasters[0]) as dataset:
        assert dataset.overviews(1) == [2]
        full, half = dataset.read(1), dataset.read(1, out_shape=(300, 350))
    corners = np.stack([full[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    assert ((half[None] == corners).sum(axis=0) >= 1).all()
    unanimous = (corners == corners[0]).all(axis=0)
    assert (half == corners[0])[unanimous].all()


# ---- odd shapes and no data ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (33, 250), (129, 31)])
def test_an_image_of_any_shape_is_answered_whole(model: Path, tmp_path: Path, shape: tuple[int, int]) -> None:
    rvb = write_image(tmp_path / "rvb.tif", textured(3, *shape))
    done = segmented(rvb, model, tmp_path / "out")
    with rasterio.open(done.rasters[0]) as dataset:
        assert dataset.shape == shape
        assert (dataset.read(1) != 255).all()


def test_no_data_stays_no_data_in_every_raster(model: Path, tmp_path: Path) -> None:
    image = textured(3, 200, 220)
    image[:, :, :80] = 0
    image[:, 100:110, 150:160] = 0
    rvb = write_image(tmp_path / "rvb.tif", image)
    done = segmented(rvb, model, tmp_path / "out", probability=True, scores=True)
    empty = np.zeros((200, 220), dtype=bool)
    empty[:, :80] = True
    for path, nodata in ((done.rasters[0], 255), (done.probabilities[0], 0), (done.scores[0], 0)):
        with rasterio.open(path) as dataset:
            assert ((dataset.read() == nodata).all(axis=0) == empty).all()


def test_a_dalle_without_any_image_is_skipped(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rvb"
    write_image(folder / "a.tif", textured(3, 40, 40))
    write_image(folder / "b.tif", np.zeros((3, 40, 40), np.uint8), xmin=790000)
    done = segmented(folder, model, tmp_path / "out")
    assert [path.stem for path in done.rasters] == ["0770_6280"]
    assert done.skipped == ("0780_6280", "0790_6280")


# ---- tiling invariance -----------------------------------------------------------------------------------


def test_half_of_what_an_answer_depends_on_is_less_than_the_full_halo() -> None:
    """Add up the reach of every kernel of the small U-Net, in pixels of the image."""
    stem = 3 + 2 * 1
    stages = 4 * 4 + (4 + 3 * 8) + (8 + 3 * 16) + (16 + 3 * 32)
    decoder = 2 * (16 + 8 + 4 + 2 + 1) + 1
    rounding = 31  # the nearest pixel of the coarsest map lies that far at most
    assert stem + stages + decoder + rounding <= 311 < FULL_HALO_PX


def test_at_a_full_halo_classes_do_not_depend_on_the_patch_or_the_batch(model: Path, tmp_path: Path) -> None:
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 150, 170))
    imagery, found = opened(rvb), []
    for core, batch in ((96, 1), (128, 3), (192, 2)):
        options = {"patch_px": core + 2 * FULL_HALO_PX, "halo_px": FULL_HALO_PX, "batch": batch}
        found.append(classes_at(segmented(rvb, model, tmp_path / str(core), **options), imagery))
    for other in found[1:]:
        assert (found[0] == other).mean() >= 0.9999


def test_a_smaller_halo_changes_few_pixels(model: Path, tmp_path: Path) -> None:
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 150, 170))
    imagery = opened(rvb)
    full = {"patch_px": 192 + 2 * FULL_HALO_PX, "halo_px": FULL_HALO_PX}
    exact = classes_at(segmented(rvb, model, tmp_path / "exact", **full), imagery)
    near = classes_at(segmented(rvb, model, tmp_path / "near", patch_px=384, halo_px=128), imagery)
    assert (exact == near).mean() > 0.98


# ---- interruptions and errors ----------------------------------------------------------------------------

KILLED = """
import sys
from pathlib import Path
import ocsge.segment.class_rasters as writer
from ocsge.segment import predict
from ocsge.segment.imagery import open_imagery
from ocsge.segment.model_card import card_beside, read_card

rvb, model, out, slow = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] == "slow"
optimise = writer.RasterSink._optimise

def told(self, temporary):
    optimise(self, temporary)
    if slow and self.path.stem == "0770_6290":
        print("in the middle", flush=True)
        sys.stdin.readline()

writer.RasterSink._optimise = told
imagery = open_imagery([rvb], card=read_card(card_beside(model)))
done = predict.segment_imagery(imagery, weights=model, out=out, patch_px=128, halo_px=32, precision="fp32", threads=1,
                               device="cpu")
print(done.kept)
"""


def test_killed_in_the_middle_of_a_dalle_then_run_again_gives_the_same_bytes(
    four_dalles: Path, model: Path, tmp_path: Path
) -> None:
    script = tmp_path / "run.py"
    script.write_text(KILLED)
    arguments = [sys.executable, str(script), str(four_dalles), str(model), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [*arguments, "slow"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "in the middle\n"
        run.send_signal(signal.SIGKILL)
    left = sorted(path.name for path in (tmp_path / "out" / "classes").iterdir() if path.name.startswith("."))
    assert len(left) == 2  # what the run was writing
    assert [path.stem for path in raster_files(tmp_path / "out" / "classes")] == ["0760_6290"]
    done = subprocess.run([*arguments, "whole"], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "1\n"  # the first dalle was whole
    expected = segmented(four_dalles, model, tmp_path / "calm")
    assert contents(tmp_path / "out") == contents(expected.folder.parent)


def test_options_that_cannot_be_are_refused(four_dalles: Path, model: Path, tmp_path: Path) -> None:
    for options, said in (
        ({"patch_px": 100}, "multiples of 32"),
        ({"halo_px": 64}, "has no core"),
        ({"shard": (2, 1)}, "shard 2/1"),
        ({"augmentation": "twice"}, "'twice' is unknown"),
    ):
        with pytest.raises(ParameterError, match=said):
            segmented(four_dalles, model, tmp_path / "out", **options)
    with pytest.raises(ParameterError, match="no model is given"):
        segmented(four_dalles, [], tmp_path / "out")


def test_models_of_other_bands_are_refused(four_dalles: Path, model: Path, tmp_path: Path) -> None:
    card = card_of(("rouge", "vert", "infrarouge"), name="autre")
    with pytest.raises(DataError, match="model autre reads rouge, vert, infrarouge"):
        segmented(four_dalles, [model, varied_model(tmp_path, card)], tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_named(four_dalles: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "classes").write_text("a file, not a folder")
    with pytest.raises(OutputError, match="classes: cannot be written"):
        segmented(four_dalles, model, tmp_path / "out")


def test_several_models_are_averaged_and_named_together(four_dalles: Path, model: Path, tmp_path: Path) -> None:
    other = varied_model(tmp_path, renamed(card_of(), "autre"), seed=1)
    done = segmented(four_dalles, [model, other], tmp_path / "out")
    with rasterio.open(done.rasters[0]) as dataset:
        assert dataset.tags()["OCSGE_MODEL"] == "petit+autre"


# ---- numbering and confusion matrix ----------------------------------------------------------------------


def test_classes_of_ones_own_are_numbered_by_their_place_in_the_head(four_dalles: Path, tmp_path: Path) -> None:
    card = card_of(head_classes=("bois", "toit", "eau"))
    done = segmented(four_dalles, varied_model(tmp_path, card), tmp_path / "out")
    assert done.numbering is None
    with rasterio.open(done.rasters[0]) as dataset:
        assert set(np.unique(dataset.read(1))) == {1, 2, 3}
        assert "OCSGE_NUMBERING" not in dataset.tags()
    assert "<Category>bois</Category>" in Path(f"{done.rasters[0]}.aux.xml").read_text(encoding="utf-8")


def test_a_class_that_cosia_lacks_is_numbered_as_flair_does(four_dalles: Path, tmp_path: Path) -> None:
    card = card_of(head_classes=FLAIR_CLASSES)
    done = segmented(four_dalles, varied_model(tmp_path, card), tmp_path / "out")
    assert done.numbering == "flair_inc_mask"


def test_the_confusion_matrix_is_written_where_derive_finds_it_in_the_numbers_of_the_raster(
    four_dalles: Path, tmp_path: Path
) -> None:
    counts = [[8, 1, 0], [2, 9, 0], [0, 0, 0]]
    stated = {"numbering": "flair_inc_mask", "classes": [1, 2, 6], "counts": counts, "source": "test", "model": "petit"}
    card = card_of(confusion=stated)
    done = segmented(four_dalles, varied_model(tmp_path, card), tmp_path / "out")
    path = confusion_beside(done.folder)
    assert path == tmp_path / "out" / "classes.confusion.json"
    read = read_confusion(path, rules=load_rules(), numbering="cosia_argmax_2023", model="petit")
    # Bâtiment and Zone perméable; Conifère has no sample
    assert read.classes == (0, 1)
    assert read.counts.tolist() == [[8, 1], [2, 9]]


def test_a_model_of_altitudes_in_metres_goes_through_the_whole_stage(tmp_path: Path) -> None:
    card = card_of(
        ("rouge",),
        bands=("rouge", "mns", "mnt"),
        mean=(105.0, 311.06, 311.06),
        std=(52.0, 537.55, 537.55),
        elevation="surface_and_height_m",
    )
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 100, 120))
    mnt = textured(1, 50, 60, seed=4).astype(np.float32)
    files = {
        name: [write_image(tmp_path / f"{name}.tif", values, resolution_m=0.5)]
        for name, values in (("mns", mnt + 7), ("mnt", mnt))
    }
    imagery = open_imagery([rvb], card=card, **files)
    done = segment_imagery(imagery, weights=varied_model(tmp_path, card), out=tmp_path / "out", **SMALL)
    assert len(np.unique(classes_at(done, imagery))) >= 2
    # another surface is another answer, and another record
    write_image(files["mns"][0], mnt + np.arange(60, dtype=np.float32) * 20, resolution_m=0.5)
    again = segment_imagery(imagery, weights=tmp_path / "petit.safetensors", out=tmp_path / "out", **SMALL)
    assert again.kept == 0
    record = json.loads(again.rasters[0].with_suffix(".json").read_text(encoding="utf-8"))
    assert [one["file"] for one in record["inputs"]] == ["rvb.tif", "mns.tif", "mnt.tif"]


@pytest.mark.parametrize(
    "changed",
    [{"precision": "bf16"}, {"augmentation": "flips"}, {"probability": True}, {"patch_px": 192}, {"batch": 2}],
    ids=["precision", "views", "a band more", "patches", "batch"],
)
def test_every_option_that_changes_what_is_written_makes_the_dalle_again(
    model: Path, tmp_path: Path, changed: dict[str, object]
) -> None:
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 40, 40))
    segmented(rvb, model, tmp_path / "out")
    assert segmented(rvb, model, tmp_path / "out", threads=2).kept == 1
    assert segmented(rvb, model, tmp_path / "out", **changed).kept == 0
    assert segmented(rvb, model, tmp_path / "out", **changed).kept == 1


def test_other_weights_under_the_same_name_make_the_dalle_again(tmp_path: Path) -> None:
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 40, 40))
    first = segmented(rvb, varied_model(tmp_path), tmp_path / "out")
    before = first.rasters[0].read_bytes()
    second = segmented(rvb, varied_model(tmp_path, seed=5), tmp_path / "out")
    assert second.kept == 0
    assert second.rasters[0].read_bytes() != before


def test_rasters_that_are_no_longer_asked_for_do_not_stay_beside_newer_ones(model: Path, tmp_path: Path) -> None:
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 40, 40))
    first = segmented(rvb, model, tmp_path / "out", probability=True)
    assert first.probabilities[0].is_file()
    segmented(rvb, model, tmp_path / "out", halo_px=0)
    assert not first.probabilities[0].exists()


# ---- polygons -------------------------------------------------------------------------------------------------------


def test_polygons_cover_the_pixels_answered_and_are_kept_like_the_raster(
    four_dalles: Path, model: Path, tmp_path: Path
) -> None:
    done = segmented(four_dalles, model, tmp_path, vector=True)
    assert [path.stem for path in done.vectors] == [path.stem for path in done.rasters]
    frames = [gpd.read_file(path, layer=f"cosia_{path.stem}") for path in done.vectors]
    assert sum(frame.geometry.area.sum() for frame in frames) == pytest.approx(0.04 * 250 * 300, rel=0.01)
    # numbers of IGN's polygons, not those of the raster
    named = {(row.classe, row.numero) for frame in frames for row in frame.itertuples()}
    assert named == {
        ("Bâtiment", 1),
        ("Zone perméable", 2),
        ("Zone imperméable", 3),
        ("Sol nu", 5),
        ("Surface eau", 6),
        ("Conifère", 8),
    }
    before = {path: path.stat().st_mtime_ns for path in done.vectors}
    again = segmented(four_dalles, model, tmp_path, vector=True)
    assert {path: path.stat().st_mtime_ns for path in again.vectors} == before
    assert segmented(four_dalles, model, tmp_path).vectors == ()


# ---- memory ---------------------------------------------------------------------------------------------------------


def segment_generated(side: int, folder: Path) -> None:
    """Answer an image of 1,000 × ``side`` pixels, in a process of its own."""
    card = card_of()
    path = write_image(folder / "rvb.tif", np.tile(textured(3, 1000, 500), (1, 1, side // 500)), tiled=True)
    options = {**SMALL, "patch_px": 512}
    segment_imagery(open_imagery([path], card=card), weights=varied_model(folder, card), out=folder / "out", **options)


def test_memory_does_not_grow_with_the_raster(tmp_path: Path) -> None:
    peaks = []
    for side in (2000, 6000):
        (tmp_path / str(side)).mkdir()
        peaks.append(measured(segment_generated, side, tmp_path / str(side)).peak_rss_mb)
    # three times the raster: 12 MB more of pixels in three bands, which the test itself holds to write them
    assert peaks[1] - peaks[0] < 40

"""``ocsge measure``: class areas in zones, their interval, what is printed, written and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from small_commune import BUILT, GRASS, SIDE, Bench, box, cut, write, write_raster

import ocsge
from ocsge.errors import CrsError, DataError, ParameterError, RasterError
from ocsge.measure_raster import MEASURED, NO_DATA_CLASS, SAMPLING_ALONE, MeasuredRaster, measure_raster
from ocsge.tables import require

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMBERING = "cosia_vector_numero"
WEST, EAST = box(0, 0, 100, 200), box(100, 0, 200, 200)


def half_and_half() -> NDArray[np.uint8]:
    """Return grass in the west and built ground in the east of the commune, at 1 m."""
    values = np.full((int(SIDE), int(SIDE)), GRASS, np.uint8)
    values[:, 100:] = BUILT
    return values


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "classes.tif", half_and_half())


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    """The west, and 30 m on both sides of the middle."""
    frame = gpd.GeoDataFrame({"nom": ["ouest", "milieu"]}, geometry=[WEST, box(70, 0, 130, 200)], crs=2154)
    return write(tmp_path / "zones.gpkg", zones=frame)


def measured(raster: Path, zones: Path, **options: Any) -> MeasuredRaster:
    return measure_raster(raster, zones, **{"numbering": NUMBERING, "name_field": "nom", "threads": 1, **options})


def row(found: MeasuredRaster, zone: str, name: str) -> pd.Series:
    (result,) = [r for _, r in found.table.iterrows() if r["zone"] == zone and r["cosia_class"] == name]
    return result


def matrix(path: Path, **changes: object) -> Path:
    """Write a matrix of 100 samples of grass, 10 of them built, and 50 of built ground, all right."""
    stated = {"numbering": NUMBERING, "classes": [GRASS, BUILT], "counts": [[90, 10], [0, 50]], "source": "a test"}
    path.write_text(json.dumps({**stated, **changes}), encoding="utf-8")
    return path


def test_areas_are_those_of_the_pixels_and_sum_to_the_zone(raster: Path, zones: Path) -> None:
    found = measured(raster, zones)
    assert row(found, "ouest", "Pelouse")["area_m2"] == 100 * 200
    assert row(found, "ouest", "Pelouse")["share_pct"] == 100
    assert row(found, "milieu", "Bâtiment")["area_m2"] == 30 * 200
    assert found.table.groupby("zone", sort=False)["area_m2"].sum().to_dict() == {"ouest": 20_000, "milieu": 12_000}
    assert list(found.table["class_number"]) == [GRASS, BUILT, GRASS]
    require(found.table, MEASURED, where="test")


def test_every_column_is_described_with_its_unit() -> None:
    page = (Path(__file__).parents[1] / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, column in MEASURED.columns.items():
        assert f"| `{name}` | {column.unit} |".replace("|  |", "| |") in page


def test_the_public_name_is_this_function() -> None:
    assert ocsge.measure_raster is measure_raster


def test_without_a_confusion_matrix_there_is_no_interval_and_the_reason(raster: Path, zones: Path) -> None:
    table = measured(raster, zones).table
    assert table["ci95_m2"].isna().all()
    assert table["adjusted_m2"].isna().all()
    assert set(table["no_interval"]) == {"no confusion matrix"}
    assert set(table["interval_holds"]) == {""}


def test_a_matrix_beside_the_raster_gives_the_interval(raster: Path, zones: Path) -> None:
    beside = matrix(raster.with_name("classes.tif.confusion.json"))
    found = measured(raster, zones)
    assert found.confusion == beside
    grass, built = row(found, "ouest", "Pelouse"), row(found, "ouest", "Bâtiment")
    half = 1.96 * 20_000 * (0.9 * 0.1 / 99) ** 0.5
    assert (grass["area_m2"], grass["adjusted_m2"]) == (20_000, pytest.approx(18_000))
    assert grass["ci95_m2"] == built["ci95_m2"] == pytest.approx(half)
    # not mapped there, but a tenth of what is mapped grass is built
    assert (built["area_m2"], built["share_pct"]) == (0, 0)
    assert built["adjusted_m2"] == pytest.approx(2_000)


def test_a_matrix_given_by_path_is_used(raster: Path, zones: Path, tmp_path: Path) -> None:
    given = matrix(tmp_path / "mine.json")
    assert measured(raster, zones, confusion=given).confusion == given


def test_a_class_the_matrix_lacks_gives_no_interval_where_it_is_mapped(
    raster: Path, zones: Path, tmp_path: Path
) -> None:
    given = matrix(tmp_path / "mine.json", classes=[GRASS], counts=[[90]])
    found = measured(raster, zones, confusion=given)
    assert row(found, "ouest", "Pelouse")["ci95_m2"] == 0
    assert row(found, "milieu", "Pelouse")["no_interval"] == "mapped classes 1 are not in the confusion matrix"


def test_the_matrix_of_another_model_or_numbering_is_refused(raster: Path, zones: Path, tmp_path: Path) -> None:
    with rasterio.open(raster, "r+") as file:
        file.update_tags(OCSGE_MODEL="ours", OCSGE_NUMBERING=NUMBERING)
    with pytest.raises(DataError, match="is of the model 'theirs', the raster was made by 'ours'"):
        measured(raster, zones, confusion=matrix(tmp_path / "m.json", model="theirs"))
    with pytest.raises(DataError, match="numbered by 'flair_hub', those of the raster by"):
        measured(raster, zones, confusion=matrix(tmp_path / "m.json", numbering="flair_hub"))
    found = measured(raster, zones, numbering=None, confusion=matrix(tmp_path / "m.json", model="ours"))
    assert (found.model, found.numbering) == ("ours", NUMBERING)


def test_ground_outside_the_raster_or_without_class_is_no_data(tmp_path: Path, raster: Path) -> None:
    values = half_and_half()
    values[:50] = 0
    holed = write_raster(tmp_path / "holed.tif", values, nodata=0)
    frame = gpd.GeoDataFrame({"nom": ["a"]}, geometry=[box(-100, 0, 100, 200)], crs=2154)
    path = write(tmp_path / "z.gpkg", z=frame)
    found = measured(holed, path, confusion=matrix(tmp_path / "m.json"))
    unknown = row(found, "a", NO_DATA_CLASS)
    assert unknown["area_m2"] == 100 * 200 + 100 * 50
    assert unknown["share_pct"] == 62.5
    assert pd.isna(unknown["class_number"])
    assert row(found, "a", "Pelouse")["adjusted_m2"] == pytest.approx(0.9 * 15_000)


def test_zones_in_another_crs_are_reprojected(raster: Path, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"nom": ["a"]}, geometry=[WEST.buffer(-0.4)], crs=2154).to_crs(4326)
    found = measured(raster, write(tmp_path / "z.gpkg", z=frame))
    assert row(found, "a", "Pelouse")["area_m2"] == 100 * 200


def test_a_mosaic_is_measured_as_one_raster_and_overlaps_are_told(tmp_path: Path, zones: Path) -> None:
    folder = tmp_path / "dalles"
    folder.mkdir()
    values = half_and_half()
    write_raster(folder / "b.tif", values[:, 90:], offset=90)
    write_raster(folder / "a.tif", values[:, :100])
    found = measured(folder, zones)
    whole = measured(write_raster(tmp_path / "one.tif", values), zones)
    pd.testing.assert_frame_equal(found.table, whole.table)
    assert "2 dalles overlap on 0.20 ha" in found.warnings[0]


def test_both_methods_give_the_same_table(raster: Path, zones: Path) -> None:
    tables = [measured(raster, zones, method=method).table for method in ("rasterstats", "runs", "auto")]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0])


def test_a_number_of_two_classes_has_both_names(tmp_path: Path, zones: Path) -> None:
    path = write_raster(tmp_path / "g.tif", np.full((200, 200), 13, np.uint8))
    found = measured(path, zones, numbering="gers_2022")
    assert set(found.table["cosia_class"]) == {"Pelouse / Culture"}


def test_a_zone_narrower_than_a_pixel_has_a_row_and_is_told(raster: Path, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"nom": ["a", "b"]}, geometry=[box(0.6, 0, 0.9, 200), WEST], crs=2154)
    found = measured(raster, write(tmp_path / "z.gpkg", z=frame))
    assert row(found, "a", NO_DATA_CLASS)["area_m2"] == 0
    assert pd.isna(row(found, "a", NO_DATA_CLASS)["share_pct"])
    assert "1 zones hold no pixel centre" in found.warnings[0]


def test_the_numbering_system_is_never_guessed(raster: Path, zones: Path) -> None:
    with pytest.raises(ParameterError, match="state the numbering system of its classes with --numbering"):
        measured(raster, zones, numbering=None)
    with pytest.raises(ParameterError, match="numbering system 'x' is unknown"):
        measured(raster, zones, numbering="x")


def test_a_raster_where_areas_cannot_be_measured_is_refused(tmp_path: Path, zones: Path) -> None:
    for name, crs, message in (
        ("a.tif", None, "declares no CRS"),
        ("b.tif", "EPSG:3857", "areas cannot be measured in it"),
        ("c.tif", "EPSG:4326", "areas cannot be measured in it"),
    ):
        with pytest.raises(CrsError, match=message):
            measured(write_raster(tmp_path / name, half_and_half(), crs=crs), zones)


def test_a_raster_off_the_grid_needs_resampling(tmp_path: Path, zones: Path) -> None:
    path = write_raster(tmp_path / "a.tif", half_and_half(), offset=0.4)
    with pytest.raises(RasterError, match="do not lie on the grid"):
        measured(path, zones)
    found = measured(path, zones, resample=True)
    assert row(found, "ouest", "Pelouse")["area_m2"] == 100 * 200
    finer = measured(path, zones, resample=True, resolution_m=0.5)
    assert row(finer, "milieu", "Bâtiment")["area_m2"] == pytest.approx(29.5 * 200)


def test_a_raster_that_meets_no_zone_or_is_no_raster_is_refused(raster: Path, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"nom": ["a"]}, geometry=[box(5000, 0, 5010, 10)], crs=2154)
    with pytest.raises(RasterError, match="meets none of the zones"):
        measured(raster, write(tmp_path / "z.gpkg", z=frame))
    (tmp_path / "no.tif").write_text("no raster")
    with pytest.raises(RasterError, match="cannot be opened as a raster"):
        measured(tmp_path / "no.tif", tmp_path / "z.gpkg")


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("COLUMNS", "150")
    return Bench(tmp_path, capfd)


def test_the_command_prints_and_writes_the_areas(bench: Bench, raster: Path, zones: Path, tmp_path: Path) -> None:
    given = matrix(tmp_path / "m.json")
    asked = ("measure", "--raster", raster, "--zones", zones, "--numbering", NUMBERING, "--name", "nom")
    outcome = bench.ocsge(*asked, "--confusion", given, "--out", tmp_path / "areas.csv")
    assert (outcome.code, outcome.errors) == (0, [])
    assert "│ ouest │ Pelouse │ 20 000.0 │ 100.00 │ 18 000 │ 1 182 │" in " ".join(outcome.output.split())
    said = " ".join(outcome.output.split())
    assert "± is 95 % and holds the sampling error of" in said
    assert "supposes that the model errs in these zones as where the matrix was sampled (a test)" in said
    assert "may well lie outside" in said
    written = pd.read_csv(tmp_path / "areas.csv")
    assert list(written.columns) == list(MEASURED.columns)
    assert written["area_m2"].sum() == 32_000
    assert set(written["interval_holds"]) == {SAMPLING_ALONE}
    assert written.loc[0, "share_pct"] == 0


def test_the_command_says_why_there_is_no_interval(bench: Bench, raster: Path, zones: Path) -> None:
    outcome = bench.ocsge("measure", "--raster", raster, "--zones", zones, "--numbering", NUMBERING)
    assert outcome.code == 0
    assert "No interval: no confusion matrix." in outcome.output


def test_the_command_refuses_bad_data_in_one_line(bench: Bench, raster: Path, zones: Path, tmp_path: Path) -> None:
    asked = ("measure", "--zones", zones, "--numbering", NUMBERING)
    bench.refuses(bench.ocsge(*asked, "--raster", cut(raster)), 65, "classes.tif")
    whole = write_raster(tmp_path / "whole.tif", half_and_half())
    bad = matrix(tmp_path / "m.json", counts=[[1, -2], [0, 1]])
    bench.refuses(bench.ocsge(*asked, "--raster", whole, "--confusion", bad), 65, "m.json", "count -2")
    bench.refuses(bench.ocsge("measure", "--raster", whole, "--zones", zones), 2, "--numbering")


def test_levels_of_probability_beside_the_classes_adjust_each_zone_by_its_own(zones: Path, tmp_path: Path) -> None:
    folder = tmp_path / "classes"
    folder.mkdir()
    (tmp_path / "probability").mkdir()
    write_raster(folder / "a.tif", half_and_half())
    probability = np.full((200, 200), 250, np.uint8)
    probability[:, :50] = 100  # the west of the grass
    write_raster(tmp_path / "probability" / "a.tif", probability, nodata=0)
    levels = [{"mapped": GRASS, "from": p, "counts": counts} for p, counts in ((0, [30, 10]), (200, [50, 0]))]
    told = matrix(tmp_path / "m.json", classes=[GRASS, BUILT], counts=[[80, 10], [0, 90]], levels=levels)
    found = measured(folder, zones, confusion=told)
    assert found.by_probability
    # a quarter of the unsure half of the grass is built; the sure half is all grass
    assert row(found, "ouest", "Pelouse")["adjusted_m2"] == pytest.approx(0.75 * 10_000 + 10_000)
    assert row(found, "ouest", "Bâtiment")["adjusted_m2"] == pytest.approx(0.25 * 10_000)
    assert not measured(folder, zones, confusion=matrix(tmp_path / "n.json")).by_probability

"""The layer of local corrections: written whole, read as it stands, refused with a line that says what to do."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely
from filelock import FileLock
from small_commune import BOW_TIE, X, Y, box, write

from ocsge import corrections as layer
from ocsge.correction_faults import faults
from ocsge.corrections import (
    COLUMNS,
    LAYER,
    accepted_corrections,
    add_correction,
    corrections_path,
    corrections_within,
    read_corrections,
    read_ground,
    set_status,
)
from ocsge.errors import CrsError, DataError, GeometryError, LayerError, ParameterError, WorkspaceBusyError
from ocsge.rules import load_rules

if TYPE_CHECKING:
    from pathlib import Path

RULES = load_rules()
MEADOW, HOUSE, SEALED = "CS2.2.1", "CS1.1.1.1", "CS1.1.1.2"
WORDS: dict[str, Any] = {"epsg": 2154, "author": "Mairie", "reason": "visit", "on": date(2024, 5, 2)}
GROUND = box(10, 10, 50, 50)


def add(workspace: Path, geometry: shapely.Geometry = GROUND, **given: Any) -> str:
    return add_correction(workspace, geometry, RULES, **{**WORDS, **({} if given else {"code_cs": MEADOW}), **given})


def overwrite(workspace: Path, **columns: object) -> None:
    """Change columns of the layer as another program would, without any check."""
    path = corrections_path(workspace)
    frame = gpd.read_file(path, layer=LAYER).assign(**columns)
    path.unlink()
    pyogrio.write_dataframe(frame, path, layer=LAYER)


def accepted(workspace: Path, *, epsg: int = 2154, millesime: int = 2022) -> gpd.GeoDataFrame:
    return accepted_corrections(workspace, RULES, epsg=epsg, millesime=millesime)


def test_a_workspace_without_layer_has_no_correction(tmp_path: Path) -> None:
    assert read_corrections(tmp_path).empty
    assert accepted(tmp_path).empty
    assert not corrections_path(tmp_path).exists()


def test_a_correction_is_read_as_it_was_added(tmp_path: Path) -> None:
    assert (
        add(tmp_path, code_us="US5", code_cs=SEALED, millesime_from=2019, reason="  a visit,\n then a permit ")
        == "c0001"
    )
    (row,) = read_corrections(tmp_path).to_dict("records")
    assert row.pop("geometry").equals(GROUND)
    assert pd.isna(row.pop("millesime_to"))
    assert row == {
        "id": "c0001",
        "code_cs": SEALED,
        "code_us": "US5",
        "millesime_from": 2019,
        "author": "Mairie",
        "date": "2024-05-02",
        "reason": "a visit, then a permit",
        "status": "proposed",
    }
    assert read_corrections(tmp_path).crs.to_epsg() == 2154


def test_the_layer_is_a_geopackage_of_declared_columns(tmp_path: Path) -> None:
    add(tmp_path)
    info = pyogrio.read_info(tmp_path / "corrections.gpkg", layer="corrections")
    assert list(info["fields"]) == list(COLUMNS)
    assert info["geometry_type"] == "MultiPolygon"
    types = dict(zip(info["fields"], info["ogr_types"], strict=True))
    assert types["millesime_from"] == "OFTInteger64"
    assert types["date"] == "OFTString"


def test_ids_grow_and_are_never_given_twice(tmp_path: Path) -> None:
    assert [add(tmp_path), add(tmp_path)] == ["c0001", "c0002"]
    overwrite(tmp_path, id=["from-qgis", "c0041"])
    assert add(tmp_path) == "c0042"


def test_without_a_day_a_correction_is_of_today(tmp_path: Path) -> None:
    add(tmp_path, code_cs=MEADOW, on=None)
    assert date.fromisoformat(read_corrections(tmp_path)["date"].iloc[0]) <= date.today()  # noqa: DTZ011


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"code_cs": "CS1.1"}, ["code_cs 'CS1.1' is no leaf", "CS1.1.1.1"]),
        ({"code_cs": "grass"}, ["code_cs 'grass' is no leaf", "CS2.2.1"]),
        ({"code_us": "US4.1"}, ["code_us 'US4.1' is no leaf", "US4.1.1"]),
        ({"author": " "}, ["neither code_cs nor code_us"]),
        ({"code_cs": MEADOW, "author": ""}, ["has no author"]),
        ({"code_cs": MEADOW, "reason": "\n"}, ["has no reason"]),
        ({"code_cs": MEADOW, "status": "done"}, ["status 'done'", "proposed, accepted, rejected, withdrawn"]),
        ({"code_cs": MEADOW, "millesime_from": 2022, "millesime_to": 2019}, ["from 2022 to 2019"]),
        ({"code_cs": MEADOW, "geometry": BOW_TIE}, ["not valid", "Self-intersection"]),
        ({"code_cs": MEADOW, "geometry": shapely.Point(X, Y)}, ["is a Point", "draw a polygon"]),
        ({"code_cs": MEADOW, "geometry": shapely.Polygon()}, ["has no ground"]),
    ],
)
def test_a_fault_is_refused_and_nothing_is_written(tmp_path: Path, given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ParameterError) as refused:
        add(tmp_path, **given)
    assert all(word in str(refused.value) for word in words), refused.value
    assert "\n" not in str(refused.value)
    assert not corrections_path(tmp_path).exists()


def test_degrees_and_another_crs_than_the_layer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CrsError, match="EPSG:4326"):
        add(tmp_path, code_cs=MEADOW, epsg=4326)
    add(tmp_path)
    with pytest.raises(CrsError, match="in EPSG:2154, the correction in EPSG:2975"):
        add(tmp_path, code_cs=MEADOW, epsg=2975)


def test_only_accepted_corrections_are_applied(tmp_path: Path) -> None:
    for status in ("proposed", "accepted", "rejected", "withdrawn"):
        add(tmp_path, code_cs=MEADOW, status=status)
    assert accepted(tmp_path)["id"].tolist() == ["c0002"]


def test_a_status_changes_for_all_or_for_none(tmp_path: Path) -> None:
    for _ in range(3):
        add(tmp_path)
    assert set_status(tmp_path, ["c0003", "c0001"], "accepted", RULES)["id"].tolist() == ["c0001", "c0003"]
    with pytest.raises(ParameterError, match="no correction c0009"):
        set_status(tmp_path, ["c0002", "c0009"], "accepted", RULES)
    assert read_corrections(tmp_path)["status"].tolist() == ["accepted", "proposed", "accepted"]
    set_status(tmp_path, ["c0001"], "withdrawn", RULES)
    assert accepted(tmp_path)["id"].tolist() == ["c0003"]


def test_a_correction_with_a_fault_cannot_be_accepted_but_can_be_rejected(tmp_path: Path) -> None:
    add(tmp_path)
    overwrite(tmp_path, code_cs="CS9")
    with pytest.raises(LayerError, match=r"corrections.gpkg layer corrections correction c0001: code_cs 'CS9'"):
        set_status(tmp_path, ["c0001"], "accepted", RULES)
    assert set_status(tmp_path, ["c0001"], "rejected", RULES)["status"].tolist() == ["rejected"]


def test_a_correction_holds_for_its_years(tmp_path: Path) -> None:
    add(tmp_path, code_cs=MEADOW, status="accepted", millesime_to=2019)
    add(tmp_path, code_cs=SEALED, status="accepted", millesime_from=2022, millesime_to=2022)
    add(tmp_path, code_us="US5", status="accepted")
    found = {year: accepted(tmp_path, millesime=year)["id"].tolist() for year in (2019, 2020, 2022, 2023)}
    assert found == {2019: ["c0001", "c0003"], 2020: ["c0003"], 2022: ["c0002", "c0003"], 2023: ["c0003"]}


def test_the_later_day_is_painted_last_then_the_later_row(tmp_path: Path) -> None:
    for day in (date(2024, 5, 2), date(2023, 1, 1), date(2024, 5, 2)):
        add(tmp_path, code_cs=MEADOW, status="accepted", on=day)
    assert accepted(tmp_path)["id"].tolist() == ["c0002", "c0001", "c0003"]


def test_a_run_in_another_crs_gets_the_same_ground(tmp_path: Path) -> None:
    add(tmp_path, code_cs=MEADOW, status="accepted")
    (ground,) = accepted(tmp_path, epsg=3945).geometry
    back = gpd.GeoSeries([ground], crs=3945).to_crs(2154).iloc[0]
    assert shapely.hausdorff_distance(back, GROUND) < 1e-3


def test_a_correction_that_the_crs_of_the_run_cannot_express_is_named_and_not_forgotten(tmp_path: Path) -> None:
    nowhere = shapely.box(5e7, 5e7, 5e7 + 10, 5e7 + 10)
    for ground in (shapely.box(340_000, 7_650_000, 340_010, 7_650_010), nowhere, nowhere):
        add(tmp_path, ground, code_cs=MEADOW, status="accepted", epsg=2975)
    assert len(accepted(tmp_path, epsg=2975)) == 3
    with pytest.raises(CrsError, match=r"correction c0002, c0003: .*EPSG:2154.*withdraw"):
        accepted(tmp_path)


def test_only_corrections_that_meet_the_ground_of_a_run_are_kept(tmp_path: Path) -> None:
    for place in (GROUND, box(5000, 5000, 5010, 5010)):
        add(tmp_path, place, code_cs=MEADOW, status="accepted")
    assert corrections_within(accepted(tmp_path), box(0, 0, 200, 200))["id"].tolist() == ["c0001"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"status": "acepted"}, "status 'acepted' is not known"),
        ({"code_cs": "CS1"}, "code_cs 'CS1' is no leaf"),
        ({"author": None}, "has no author"),
        ({"id": None}, "feature 1: has no id"),
        ({"id": "a"}, r"correction a: shares its id .* \(1 more: `ocsge corrections check`\)"),
        ({"date": "May 2024"}, "date 'May 2024' is no day; write it YYYY-MM-DD"),
        ({"millesime_to": 2019.5}, "whole numbers"),
        ({"geometry": BOW_TIE}, "not valid"),
    ],
)
def test_a_derivation_refuses_an_accepted_correction_with_a_fault(
    tmp_path: Path, columns: dict[str, object], words: str
) -> None:
    for _ in range(2 if columns.get("id") else 1):
        add(tmp_path, code_cs=MEADOW, status="accepted")
    overwrite(tmp_path, **columns)
    with pytest.raises(LayerError, match=words):
        accepted(tmp_path)


def test_a_proposed_correction_with_a_fault_stops_no_derivation(tmp_path: Path) -> None:
    add(tmp_path)
    overwrite(tmp_path, code_cs="CS1")
    assert accepted(tmp_path).empty
    every = read_corrections(tmp_path)
    assert len(faults(every, RULES, where="here")) == 1


def test_a_day_typed_in_a_date_field_is_read(tmp_path: Path) -> None:
    add(tmp_path, code_cs=MEADOW, status="accepted")
    overwrite(tmp_path, date=pd.Timestamp("2024-05-03"))
    assert accepted(tmp_path)["date"].tolist() == ["2024-05-03"]


def test_a_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = corrections_path(tmp_path)
    write(path, other=gpd.GeoDataFrame(geometry=[GROUND], crs=2154))
    with pytest.raises(LayerError, match="no layer 'corrections'"):
        read_corrections(tmp_path)
    path.unlink()
    write(path, corrections=gpd.GeoDataFrame({"id": ["a"]}, geometry=[GROUND], crs=2154))
    with pytest.raises(LayerError, match="no column code_cs, code_us"):
        read_corrections(tmp_path)
    path.write_bytes(b"not a geopackage")
    with pytest.raises(LayerError):
        read_corrections(tmp_path)


def test_texts_in_a_column_of_years_are_refused(tmp_path: Path) -> None:
    add(tmp_path)
    overwrite(tmp_path, millesime_from="2019?")
    with pytest.raises(LayerError, match="millesime_from holds texts"):
        read_corrections(tmp_path)


@pytest.mark.parametrize(("crs", "words"), [(None, "declares no CRS"), (4326, "areas cannot be measured")])
@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_a_layer_without_usable_crs_is_refused(tmp_path: Path, crs: int | None, words: str) -> None:
    add(tmp_path)
    path = corrections_path(tmp_path)
    frame = gpd.read_file(path).set_crs(crs, allow_override=True)
    path.unlink()
    pyogrio.write_dataframe(frame, path, layer=LAYER)
    with pytest.raises(CrsError, match=words):
        read_corrections(tmp_path)


def test_a_write_that_fails_leaves_the_layer_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(tmp_path)
    before = corrections_path(tmp_path).read_bytes()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pyogrio, "write_dataframe", killed)
    with pytest.raises(KeyboardInterrupt):
        add(tmp_path)
    assert corrections_path(tmp_path).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corrections.gpkg", "corrections.lock"]


def test_a_second_writer_waits_then_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "_LOCK_S", 0.05)
    with FileLock(tmp_path / "corrections.lock"), pytest.raises(WorkspaceBusyError, match="another program"):
        add(tmp_path)


def test_a_layer_being_edited_elsewhere_is_not_replaced(tmp_path: Path) -> None:
    add(tmp_path)
    (tmp_path / "corrections.gpkg-wal").write_bytes(b"pages of an edit that goes on")
    with pytest.raises(WorkspaceBusyError, match="close its editing"):
        set_status(tmp_path, ["c0001"], "accepted", RULES)


def test_the_ground_of_a_file_is_all_its_polygons(tmp_path: Path) -> None:
    path = tmp_path / "ground.gpkg"
    write(path, ground=gpd.GeoDataFrame(geometry=[box(0, 0, 10, 10), box(10, 0, 20, 10)], crs=2154))
    ground, epsg = read_ground(path)
    assert (ground.area, ground.geom_type, epsg) == (200, "Polygon", 2154)


@pytest.mark.parametrize(
    ("geometry", "words"), [(BOW_TIE, "feature 1: .*not valid"), (shapely.Point(X, Y), "feature 1: is a Point")]
)
def test_ground_that_is_no_valid_polygon_is_refused(tmp_path: Path, geometry: shapely.Geometry, words: str) -> None:
    path = write(tmp_path / "ground.gpkg", ground=gpd.GeoDataFrame(geometry=[geometry], crs=2154))
    with pytest.raises((LayerError, GeometryError), match=words):
        read_ground(path)


def test_ground_of_several_layers_or_of_none_is_refused(tmp_path: Path) -> None:
    one = gpd.GeoDataFrame(geometry=[GROUND], crs=2154)
    with pytest.raises(DataError, match="layers found: a, b"):
        read_ground(write(tmp_path / "two.gpkg", a=one, b=one))
    path = tmp_path / "none.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": []}), encoding="utf-8")
    with pytest.raises(DataError):
        read_ground(path)

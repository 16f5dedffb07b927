"""What the pages read of a version: the village's own figures, nothing where nothing is, and a version that is gone."""

from __future__ import annotations

import gzip
import json
import shutil
from typing import TYPE_CHECKING

import pytest
from village import CAR_PARK_M2, CODE, FIRST, LAST, NOM, SIDE

from app.results import (
    NAME_VARIABLE,
    WORKSPACE_VARIABLE,
    Results,
    current_results,
    workspace_name,
    workspace_path,
)
from ocsge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation

PAIR = (FIRST, LAST)
GROUND_M2 = SIDE * SIDE
ELSEWHERE = "99999"
"""A commune of which the version holds nothing."""


@pytest.fixture
def results(village_pair: Derivation) -> Results:
    return Results(village_pair.version)


def test_the_classes_of_a_year_cover_the_ground_once(results: Results) -> None:
    for year in PAIR:
        assert results.classes(CODE, year)["area_m2"].sum() == GROUND_M2


def test_the_classes_stand_largest_first_and_count_every_polygon(results: Results) -> None:
    classes = results.classes(CODE, LAST)
    assert classes["area_m2"].is_monotonic_decreasing
    assert classes["polygons"].sum() == results.shape_count(CODE, str(LAST))
    assert len(classes) == len(classes[["code_cs", "code_us", "artif", "crit_seuil"]].drop_duplicates())


def test_the_largest_polygons_are_the_first_of_the_whole_list(results: Results) -> None:
    every = results.largest_polygons(CODE, LAST)
    assert every["area_m2"].is_monotonic_decreasing
    assert every["area_m2"].sum() == GROUND_M2
    assert results.largest_polygons(CODE, LAST, most=2)["id"].tolist() == every["id"].tolist()[:2]


def test_the_car_park_is_the_only_change_and_a_gain(results: Results) -> None:
    moved = results.change_classes(CODE, PAIR)
    assert moved.to_dict("list") == {"change": ["gain"], "polygons": [1], "area_m2": [CAR_PARK_M2]}
    pieces = results.changes(CODE, PAIR, most=10)
    assert pieces["area_m2"].tolist() == [CAR_PARK_M2]
    assert not {"geometry", "bbox"} & set(pieces)
    assert results.shape_count(CODE, f"{FIRST}-{LAST}") == 1


def test_a_polygon_and_a_change_are_found_by_their_id_without_their_shape(results: Results) -> None:
    named = results.largest_polygons(CODE, LAST).iloc[0]
    polygon = results.polygon(CODE, LAST, named["id"])
    assert polygon is not None
    assert (polygon["code_cs"], polygon["area_m2"]) == (named["code_cs"], named["area_m2"])
    piece = results.change(CODE, PAIR, str(results.changes(CODE, PAIR, most=1)["id"].iloc[0]))
    assert piece is not None
    assert (piece["change"], piece["area_m2"]) == ("gain", CAR_PARK_M2)
    assert not {"geometry", "bbox"} & {*polygon, *piece}


@pytest.mark.parametrize("unknown", ["", "12001-2022-999999", "' OR 1=1 --"])
def test_an_id_that_names_nothing_finds_nothing(results: Results, unknown: str) -> None:
    assert results.polygon(CODE, LAST, unknown) is None
    assert results.change(CODE, PAIR, unknown) is None


def test_a_table_is_read_whole_or_of_some_communes(results: Results) -> None:
    assert results.has("stock")
    whole = results.table("stock")
    assert whole["millesime"].tolist() == [FIRST, LAST]
    assert set(whole["nom"]) == {NOM}
    assert len(results.table("stock", communes=[ELSEWHERE, CODE])) == len(whole)
    assert results.table("stock", communes=[ELSEWHERE]).empty
    assert results.table("stock", communes=[]).empty


def test_one_millesime_has_no_table_of_flow_and_no_change(village_alone: Derivation) -> None:
    alone = Results(village_alone.version)
    assert not alone.has("flow")
    assert alone.table("flow").empty
    assert alone.changes(CODE, PAIR, most=5).empty
    assert alone.change_classes(CODE, PAIR).empty
    assert alone.change(CODE, PAIR, "x") is None
    assert alone.map_file(CODE, f"{FIRST}-{LAST}") is None


def test_a_commune_of_which_nothing_is_held_has_nothing(results: Results) -> None:
    assert results.classes(ELSEWHERE, LAST).empty
    assert results.largest_polygons(ELSEWHERE, LAST).empty
    assert results.shape_count(ELSEWHERE, str(LAST)) == 0
    assert results.provenance(ELSEWHERE, LAST) == {}
    assert results.map_file(ELSEWHERE, str(LAST)) is None


def test_the_map_files_hold_the_shapes_that_are_counted(results: Results) -> None:
    for when in (str(LAST), f"{FIRST}-{LAST}"):
        path = results.map_file(CODE, when)
        assert path is not None
        features = json.loads(gzip.decompress(path.read_bytes()))["features"]
        assert len(features) == results.shape_count(CODE, when)
    communes = results.communes_file()
    assert communes is not None
    assert [one["properties"]["code"] for one in json.loads(gzip.decompress(communes.read_bytes()))["features"]] == [
        CODE
    ]


def test_the_provenance_names_its_year_and_a_cut_one_is_told(results: Results, tmp_path: Path) -> None:
    assert results.provenance(CODE, FIRST)["millesime"] == FIRST
    copy = Results(shutil.copytree(results.version, tmp_path / "versions" / results.id))
    told = next(copy.version.glob(f"runs/**/millesime={LAST}/run.json"))
    told.write_bytes(told.read_bytes()[:50])
    with pytest.raises(DataError, match=r"run\.json: cannot be read"):
        copy.provenance(CODE, LAST)


def test_a_version_that_was_removed_is_told_whatever_is_asked(tmp_path: Path) -> None:
    gone = Results(tmp_path / "versions" / "0123456789abcdef")
    for read in (
        lambda: gone.table("stock"),
        lambda: gone.classes(CODE, LAST),
        lambda: gone.largest_polygons(CODE, LAST),
        lambda: gone.changes(CODE, PAIR, most=1),
        lambda: gone.polygon(CODE, LAST, "x"),
        lambda: gone.provenance(CODE, LAST),
        lambda: gone.shape_count(CODE, str(LAST)),
    ):
        with pytest.raises(DataError, match="was removed meanwhile"):
            read()
    assert gone.communes_file() is None


def test_the_results_shown_are_those_of_the_workspace_now(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(village_pair.version.parents[1]))
    assert current_results().id == village_pair.version.name


def test_without_a_workspace_it_is_told_how_to_open_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(DataError, match="holds no result; run `ocsge derive"):
        current_results()
    monkeypatch.setenv(WORKSPACE_VARIABLE, "")
    with pytest.raises(DataError, match="ocsge app --workspace"):
        workspace_path()


def test_readers_are_told_the_name_of_the_workspace_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE_VARIABLE, "/srv/secret/gers")
    monkeypatch.delenv(NAME_VARIABLE, raising=False)
    assert workspace_name() == "gers"
    monkeypatch.setenv(NAME_VARIABLE, "../gers")
    assert workspace_name() == "../gers"

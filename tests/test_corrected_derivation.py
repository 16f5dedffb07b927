"""A derivation with local corrections: they decide their ground, say so, and leave nothing behind when withdrawn.

One commune of 200 m × 200 m at 1 m: grass, with a house of 400 m² in its middle.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from small_commune import CODE, HOUSE, Bench, X, Y, box, buildings, classes, write_raster

from ocsge.corrections import add_correction, set_status
from ocsge.explain import explain
from ocsge.publish import file_sha256
from ocsge.rules import load_rules
from ocsge.store import Workspace

if TYPE_CHECKING:
    from pathlib import Path

RULES = load_rules()
BUILT, SEALED, GRASS_COVER, WATER = "CS1.1.1.1", "CS1.1.1.2", "CS2.2.1", "CS1.2.2"
WIDE = box(60, 60, 140, 140)
"""6,400 m² around the house."""
TOLD = "; local correction c0001 (Mairie, 2024-05-02): visit"


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("ocsge.cli.derive._first_run", lambda: False)
    bench = Bench(tmp_path, capfd)
    bench.deliver(batiment=buildings())
    write_raster(tmp_path / "cosia.tif", classes())
    return bench


def correct(bench: Bench, ground: shapely.Geometry, **given: Any) -> str:
    words: dict[str, Any] = {"author": "Mairie", "reason": "visit", "on": date(2024, 5, 2), "status": "accepted"}
    return add_correction(bench.workspace, ground, RULES, epsg=2154, **{**words, **given})


def derive(bench: Bench, **asked: Any) -> Path:
    outcome = bench.derive_with(bench.folder / "cosia.tif", **asked)
    assert outcome.code == 0, outcome.errors
    version = bench.published()
    assert version is not None
    return version


def polygons(version: Path) -> gpd.GeoDataFrame:
    return gpd.read_parquet(version / f"polygons/commune_code={CODE}/millesime=2022/part.parquet")


def at(version: Path, x: float, y: float) -> pd.Series:
    """Return the polygon of a place, metres from the corner of the commune."""
    frame = polygons(version)
    (place,) = frame.index[frame.contains(shapely.Point(X + x, Y + y))]
    return frame.loc[place]


def run_of(version: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((version / f"runs/commune_code={CODE}/millesime=2022/run.json").read_text())
    return found


def digests(version: Path) -> dict[str, str]:
    files = [path for path in version.rglob("*") if path.is_file()]
    return {path.relative_to(version).as_posix(): file_sha256(path) for path in files}


def test_corrected_cover_comes_before_building_and_raster(bench: Bench) -> None:
    before = at(derive(bench), 100, 100)
    assert before["code_cs"] == BUILT
    correct(bench, WIDE, code_cs=WATER)
    after = at(derive(bench), 100, 100)
    assert (after["code_cs"], after["area_m2"]) == (WATER, 6400)
    assert after["reason"].endswith(TOLD)
    assert not after["artif"]


def test_corrected_usage_comes_before_every_rule_and_leaves_the_cover(bench: Bench) -> None:
    correct(bench, HOUSE, code_us="US3")
    house = at(derive(bench), 100, 100)
    assert (house["code_cs"], house["code_us"], house["usage_rule"]) == (BUILT, "US3", 0)
    assert house["reason"].endswith(TOLD)
    assert house["usage_default_m2"] == 0


def test_cover_and_usage_of_one_correction_are_named_once(bench: Bench) -> None:
    correct(bench, WIDE, code_cs=SEALED, code_us="US3")
    ground = at(derive(bench), 100, 100)
    assert (ground["code_cs"], ground["code_us"]) == (SEALED, "US3")
    assert ground["reason"].count("local correction") == 1


def test_corrected_built_ground_is_built_where_nothing_was(bench: Bench) -> None:
    correct(bench, box(20, 20, 40, 40), code_cs=BUILT)
    house = at(derive(bench), 30, 30)
    assert (house["code_cs"], house["area_m2"]) == (BUILT, 400)
    assert house["reason"].endswith(TOLD)


def test_corrected_built_ground_still_grows_to_the_built_minimum(bench: Bench) -> None:
    correct(bench, box(20, 20, 30, 28), code_cs=BUILT)
    house = at(derive(bench), 25, 24)
    assert (house["code_cs"], house["area_m2"]) == (BUILT, RULES.minimum_area_m2["built"])


def test_correction_below_the_minimum_area_goes_to_its_neighbour_and_decides_nothing(bench: Bench) -> None:
    correct(bench, box(20, 20, 25, 25), code_cs=WATER)
    version = derive(bench)
    assert at(version, 22, 22)["code_cs"] == GRASS_COVER
    assert not polygons(version)["reason"].str.contains("correction").any()
    (applied,) = run_of(version)["corrections"]
    assert (applied["area_m2"], applied["polygons"]) == (25, 0)
    assert "local_corrections" not in str(pd.read_csv(version / "stock.csv")["flags"].iloc[0])


def test_run_says_which_corrections_it_applied_and_the_stock_that_some_decided(bench: Bench) -> None:
    correct(bench, WIDE, code_cs=WATER)
    version = derive(bench)
    assert run_of(version)["corrections"] == [
        {
            "id": "c0001",
            "code_cs": WATER,
            "code_us": None,
            "author": "Mairie",
            "date": "2024-05-02",
            "reason": "visit",
            "area_m2": 6400,
            "polygons": 1,
        }
    ]
    assert "local_corrections" in pd.read_csv(version / "stock.csv")["flags"].iloc[0].split("+")


def test_withdrawing_a_correction_gives_back_the_former_bytes(bench: Bench) -> None:
    before = derive(bench)
    expected = digests(before)
    name = correct(bench, WIDE, code_cs=WATER, code_us="US3")
    corrected = derive(bench)
    assert corrected != before
    set_status(bench.workspace, [name], "withdrawn", RULES)
    again = derive(bench)
    assert again.name == before.name
    assert digests(again) == expected
    assert run_of(again)["corrections"] == []


def test_same_corrections_give_the_same_version(bench: Bench) -> None:
    correct(bench, WIDE, code_cs=WATER)
    first = derive(bench)
    correct(bench, WIDE, code_cs=SEALED, status="proposed")
    correct(bench, WIDE, code_cs=SEALED, millesime_from=2023)
    correct(bench, box(5000, 5000, 5050, 5050), code_cs=SEALED)
    assert derive(bench) == first, "a correction that is proposed, of another year or far away changes nothing"


def test_words_of_a_correction_are_part_of_the_result(bench: Bench) -> None:
    correct(bench, WIDE, code_cs=WATER)
    first = run_of(derive(bench))["key"]
    set_status(bench.workspace, ["c0001"], "withdrawn", RULES)
    correct(bench, WIDE, code_cs=WATER, reason="permit")
    version = derive(bench)
    assert run_of(version)["key"] != first
    assert at(version, 100, 100)["reason"].endswith("(Mairie, 2024-05-02): permit")


def test_later_correction_covers_the_earlier_one(bench: Bench) -> None:
    correct(bench, box(60, 60, 140, 140), code_cs=SEALED, on=date(2024, 6, 1), reason="second")
    correct(bench, box(20, 60, 140, 140), code_cs=WATER, on=date(2024, 5, 1), reason="first")
    version = derive(bench)
    later, earlier = at(version, 100, 100), at(version, 50, 100)
    assert (later["code_cs"], later["area_m2"]) == (SEALED, 6400)
    assert (earlier["code_cs"], earlier["area_m2"]) == (WATER, 3200)
    assert later["reason"].endswith("): second")
    assert earlier["reason"].endswith("): first")
    assert "first" not in later["reason"]


def test_words_of_a_planner_do_not_change_the_kind_of_a_reason(bench: Bench) -> None:
    correct(bench, WIDE, code_cs=WATER, reason="as if (threshold case 1)")
    long = pd.read_csv(derive(bench) / "stock_long.csv")
    assert set(long[long["dimension"] == "reason_kind"]["code"]) == {"matrix"}


def test_explain_says_that_a_correction_gave_the_usage(bench: Bench) -> None:
    correct(bench, HOUSE, code_us="US3")
    derive(bench)
    found = explain(bench.workspace, commune=CODE, point=(X + 100, Y + 100))
    assert found.usage_rule == "a local correction (ocsge corrections list)"
    assert found.reason.endswith(TOLD)


def test_corrections_are_applied_without_raster_too(bench: Bench) -> None:
    correct(bench, WIDE, code_cs=WATER)
    correct(bench, box(20, 20, 40, 40), code_cs=BUILT, code_us="US5")
    assert bench.derive().code == 0
    version = bench.published()
    assert version is not None
    assert at(version, 100, 100)["code_cs"] == WATER
    assert at(version, 100, 100)["default_cover_m2"] == 0
    assert (at(version, 30, 30)["code_cs"], at(version, 30, 30)["code_us"]) == (BUILT, "US5")


def test_accepted_correction_with_a_fault_stops_the_derivation_and_publishes_nothing(bench: Bench) -> None:
    correct(bench, WIDE, code_cs=WATER)
    path = bench.workspace / "corrections.gpkg"
    frame = gpd.read_file(path).assign(code_cs="CS1")
    path.unlink()
    frame.to_file(path, layer="corrections")
    bench.refuses(bench.derive(), 65, "corrections.gpkg", "c0001", "CS1", "give one of")


def test_workspace_verifies_after_a_correction(bench: Bench) -> None:
    correct(bench, WIDE, code_cs=WATER)
    version = derive(bench)
    assert Workspace(bench.workspace).verify(version) == []

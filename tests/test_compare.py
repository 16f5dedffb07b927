"""Our thresholds reproduce a layer that brute force decided, and disagreements are reported to the object."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from ign_scene import RULES, ign_scene, write_artificialisation
from layer_fixtures import write_gpkg

from ocsge.catalog import register
from ocsge.cli.compare import compare
from ocsge.compare import (
    Comparison,
    compare_files,
    compare_objects,
    compare_results,
    compare_with_reference,
    write_comparison,
)
from ocsge.errors import CodeError, CrsError, DataError, LayerError, ParameterError
from ocsge.products.ocs_ge import read_ocs_ge

if TYPE_CHECKING:
    from pathlib import Path


def objects(found: Comparison) -> int:
    """Return the number of objects compared: each counts once in each measure."""
    return int(found.confusion.query("measure == 'artif'")["objects"].sum())


def area_m2(found: Comparison) -> float:
    """Return the area compared, m²."""
    return float(found.confusion.query("measure == 'artif'")["area_m2"].sum())


@pytest.mark.parametrize("seed", range(25))
def test_the_thresholds_reproduce_a_layer_decided_by_brute_force(seed: int, tmp_path: Path) -> None:
    scene = ign_scene(seed)
    found = compare_with_reference(write_artificialisation(tmp_path / "a.gpkg", scene.frame), rules=RULES)
    assert found.disagreements.empty
    assert found.agreement_pct("artif") == found.agreement_pct("crit_seuil", by="objects") == 100
    assert objects(found) == len(scene.frame)
    assert area_m2(found) == pytest.approx(scene.frame.area.sum(), abs=1e-3)
    assert scene.frame["crit_seuil"].any()


def test_planted_disagreements_are_reported_exactly(tmp_path: Path) -> None:
    frame = ign_scene(3).frame
    other = {"artif": "non artif", "non artif": "artif"}
    frame.loc[[4, 11], "artif"] = frame.loc[[4, 11], "artif"].map(other)
    frame.loc[[11, 20], "crit_seuil"] = ~frame.loc[[11, 20], "crit_seuil"]
    found = compare_with_reference(write_artificialisation(tmp_path / "a.gpkg", frame), rules=RULES)
    planted = frame.loc[[4, 11, 20]].sort_values("aire", ascending=False)
    assert found.disagreements["id"].tolist() == planted["id"].tolist()
    assert found.disagreements["area_m2"].tolist() == planted["aire"].tolist()
    assert found.disagreements.geometry.geom_equals(planted.geometry.reset_index(drop=True)).all()
    differ = {
        measure: found.confusion[
            (found.confusion["measure"] == measure) & (found.confusion["reference"] != found.confusion["ours"])
        ]
        for measure in ("artif", "crit_seuil")
    }
    assert differ["artif"]["objects"].sum() == 2
    assert differ["artif"]["area_m2"].sum() == pytest.approx(frame.loc[[4, 11], "aire"].sum())
    assert differ["crit_seuil"]["area_m2"].sum() == pytest.approx(frame.loc[[11, 20], "aire"].sum())
    share = 100 * (1 - frame.loc[[4, 11], "aire"].sum() / frame["aire"].sum())
    assert found.agreement_pct("artif") == pytest.approx(share)
    assert found.agreement_pct("artif", by="objects") == pytest.approx(100 * (1 - 2 / len(frame)))


def test_a_value_the_reference_does_not_tell_is_unknown_and_no_agreement(tmp_path: Path) -> None:
    frame = ign_scene(3).frame
    frame.loc[[7], "artif"] = None
    found = compare_with_reference(write_artificialisation(tmp_path / "a.gpkg", frame), rules=RULES)
    assert found.disagreements["id"].tolist() == ["OCSGE000007"]
    assert found.agreement_pct("artif") < 100


def test_codes_without_a_state_are_refused_or_left_out_and_counted(tmp_path: Path) -> None:
    frame = ign_scene(3).frame
    frame.loc[[7], "code_cs"] = "INDETERMINE"
    path = write_artificialisation(tmp_path / "a.gpkg", frame)
    with pytest.raises(CodeError, match=r"1 of \d+ rows .* INDETERMINE"):
        compare_with_reference(path, rules=RULES)
    found = compare_with_reference(path, rules=RULES, unclassified="keep")
    assert objects(found) == len(frame) - 1
    assert found.unclassified_m2 == frame.loc[7, "aire"]


def test_the_parts_of_an_object_are_decided_each_by_its_own_neighbours() -> None:
    lawn = shapely.multipolygons([shapely.box(10, 10, 20, 20), shapely.box(200, 0, 300, 100)])
    field = shapely.box(0, 0, 200, 100).difference(shapely.box(10, 10, 20, 20))
    layer = gpd.GeoDataFrame(
        {
            "id": ["lawn", "field"],
            "code_cs": ["CS2.2.1", "CS2.2.1"],
            "code_us": ["US5", "US1.1"],
            "artif": [True, False],
            "crit_seuil": [False, False],
        },
        geometry=[lawn, field],
        crs=2154,
    )
    found = compare_objects(layer, RULES, where="a.gpkg")
    assert objects(found) == 3
    assert found.disagreements["area_m2"].tolist() == [100.0]
    assert "threshold case 2" in found.disagreements["reason"][0]


def test_only_the_objects_of_the_communes_asked_for_count_and_their_surroundings_decide(tmp_path: Path) -> None:
    frame = ign_scene(3).frame
    xmin, ymin, xmax, ymax = frame.total_bounds
    west = shapely.box(xmin, ymin, (xmin + xmax) / 2, ymax)
    columns = {"INSEE_COM": ["32001"], "NOM": ["Ouest"]}
    outline = gpd.GeoDataFrame(columns, geometry=[west], crs=2154)
    register(tmp_path / "w", write_gpkg(tmp_path / "communes.gpkg", COMMUNE=outline))
    path = write_artificialisation(tmp_path / "a.gpkg", frame)
    found = compare_with_reference(path, communes=["32001"], workspace=tmp_path / "w", rules=RULES)
    assert found.disagreements.empty
    assert 0 < objects(found) < len(frame)
    assert objects(found) == int((frame.intersection(west).area > 0).sum())
    with pytest.raises(ParameterError, match="give their workspace"):
        compare_with_reference(path, communes=["32001"], rules=RULES)
    far = write_artificialisation(tmp_path / "far.gpkg", frame.assign(geometry=frame.translate(50_000)))
    with pytest.raises(LayerError, match="holds nothing of 32001"):
        compare_with_reference(far, communes=["32001"], workspace=tmp_path / "w", rules=RULES)


def result(*rows: tuple[bool, bool, shapely.Geometry]) -> gpd.GeoDataFrame:
    artif, crit_seuil, shapes = zip(*rows, strict=True)
    columns = pd.DataFrame({"artif": artif, "crit_seuil": crit_seuil})
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=2154)


def test_two_results_are_compared_by_the_area_they_agree_on() -> None:
    first = result((True, False, shapely.box(0, 0, 60, 100)), (False, False, shapely.box(60, 0, 100, 100)))
    second = result((True, False, shapely.box(0, 0, 50, 100)), (False, True, shapely.box(50, 0, 100, 100)))
    found = compare_results(first, second)
    artif = found.confusion[found.confusion["measure"] == "artif"].set_index(["reference", "ours"])["area_m2"]
    assert artif.to_dict() == {("yes", "yes"): 5000, ("yes", "no"): 1000, ("no", "no"): 4000}
    assert (found.agreement_pct("artif"), found.agreement_pct("crit_seuil")) == (90, 50)
    assert found.disagreements["area_m2"].tolist() == [4000, 1000]


def test_a_result_agrees_with_itself() -> None:
    frame = ign_scene(5).frame
    states = frame.assign(artif=frame["artif"] == "artif")
    found = compare_results(states, states)
    assert (objects(found), found.disagreements.empty) == (len(frame), True)
    assert area_m2(found) == pytest.approx(frame.area.sum())


def test_results_that_do_not_meet_are_refused() -> None:
    here = result((True, False, shapely.box(0, 0, 10, 10)))
    with pytest.raises(DataError, match="no ground in common"):
        compare_results(here, result((True, False, shapely.box(10, 0, 20, 10))))
    with pytest.raises(CrsError, match="different CRS"):
        compare_results(here, here.to_crs(3857))


def test_files_are_written_and_an_empty_map_is_not(tmp_path: Path) -> None:
    same = result((True, False, shapely.box(0, 0, 10, 10)))
    other = result((False, False, shapely.box(0, 0, 10, 10)))
    written = write_comparison(compare_results(same, other), tmp_path)
    assert [path.name for path in written] == ["confusion.csv", "disagreements.csv", "disagreements.gpkg"]
    drawn = gpd.read_file(tmp_path / "disagreements.gpkg")
    assert (drawn.area.tolist(), drawn["area_m2"].tolist()) == ([100.0], [100.0])
    assert [path.name for path in write_comparison(compare_results(same, same), tmp_path)] == [
        "confusion.csv",
        "disagreements.csv",
    ]
    assert not (tmp_path / "disagreements.gpkg").exists()


def run(*arguments: object) -> str:
    done = CliRunner().invoke(compare, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_the_map_of_what_differs_credits_the_reference(tmp_path: Path) -> None:
    frame = ign_scene(3).frame
    frame.loc[4, "crit_seuil"] = ~frame.loc[4, "crit_seuil"]
    found = compare_with_reference(write_artificialisation(tmp_path / "a.gpkg", frame), rules=RULES)
    *_, drawn = write_comparison(found, tmp_path)
    with sqlite3.connect(drawn) as connection:
        told = " ".join(text for (text,) in connection.execute("SELECT metadata FROM gpkg_metadata"))
    assert "IGN – OCS GE" in told
    same = compare_files(tmp_path / "a.gpkg", tmp_path / "a.gpkg")
    assert (same.disagreements.empty, same.credit) == (True, found.credit)


def test_what_reading_the_reference_lost_is_told(tmp_path: Path) -> None:
    frame = ign_scene(3).frame
    frame = pd.concat([frame, frame.iloc[:1].assign(geometry=None)], ignore_index=True)
    path = write_artificialisation(tmp_path / "a.gpkg", frame)
    lost = "ocs_ge:artificialisation (a.gpkg): 1 features without geometry left out"
    assert compare_with_reference(path, rules=RULES).warnings == (lost,)
    done = CliRunner().invoke(compare, ["--reference", str(path), "--result", str(path)])
    assert (done.exit_code, done.stderr) == (0, f"warning: {lost}\n")


def test_the_command_prints_the_agreement_and_writes_the_disagreements(tmp_path: Path) -> None:
    frame = ign_scene(3).frame
    whole = write_artificialisation(tmp_path / "whole.gpkg", frame)
    frame.loc[[4], "artif"] = "artif" if frame.loc[4, "artif"] == "non artif" else "non artif"
    planted = write_artificialisation(tmp_path / "planted.gpkg", frame)
    said = run("--reference", planted, "--out", tmp_path / "out")
    assert f"{100 * (1 - 1 / len(frame)):.2f} % of the objects" in said
    assert "1 disagreements" in said
    assert (tmp_path / "out" / "disagreements.gpkg").is_file()
    overlaid = run("--reference", whole, "--result", planted)
    assert "1 disagreements" in overlaid
    assert "0 disagreements" in run("--reference", whole)
    for ignored in (["--commune", "12174"], ["--workspace", "ocsge-workspace"], ["--keep-unclassified"]):
        refused = CliRunner().invoke(compare, ["--reference", str(whole), "--result", str(planted), *ignored])
        assert (refused.exit_code, f"{ignored[0]}: does not go with --result" in refused.output) == (2, True)


def test_a_result_of_ours_is_read_back_as_a_reference(tmp_path: Path) -> None:
    path = write_artificialisation(tmp_path / "a.gpkg", ign_scene(1).frame)
    read = read_ocs_ge(path, "artificialisation")
    assert read.frame["artif"].dtype == "boolean"

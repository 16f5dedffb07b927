"""The decree applied to an official layer: whole objects decide, communes cut them for the stock only."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from ign_scene import RULES, SOUTH, WEST, ign_scene, write_artificialisation
from layer_fixtures import write_gpkg

from ocsge.catalog import register
from ocsge.cli.derive import derive
from ocsge.compare import compare_with_reference
from ocsge.errors import CodeError, CrsError, DataError, LayerError, ParameterError
from ocsge.official import OfficialStock, derive_official
from ocsge.official_files import folder_of, write_official
from ocsge.tables import ARTIFICIALISED, STOCK, STOCK_LONG, require

if TYPE_CHECKING:
    from pathlib import Path

FIELD, LAWN, HOUSE = ("CS2.2.1", "US1.1"), ("CS2.2.1", "US5"), ("CS1.1.1.1", "US5")


def box(x1: float, y1: float, x2: float, y2: float) -> shapely.Polygon:
    return shapely.box(WEST + x1, SOUTH + y1, WEST + x2, SOUTH + y2)


def occupation(*objects: tuple[tuple[str | None, str | None], shapely.Geometry]) -> gpd.GeoDataFrame:
    """Return objects in the order given; the rest of 400 m × 200 m is a field, the last object."""
    taken = shapely.union_all([shape for _, shape in objects])
    rows = [*objects, (FIELD, shapely.difference(box(0, 0, 400, 200), taken))]
    codes = pd.DataFrame([pair for pair, _ in rows], columns=["code_cs", "code_us"])
    codes.insert(0, "ID", [f"O{n}" for n in range(len(rows))])
    return gpd.GeoDataFrame(codes.assign(millesime=2022), geometry=[shape for _, shape in rows], crs=2154)


def workspace_of(folder: Path, *, split: float = 200, width: float = 400, height: float = 200) -> Path:
    """Register two communes, west and east of a line."""
    halves = [box(0, 0, split, height), box(split, 0, width, height)]
    columns = {"INSEE_COM": ["32001", "32002"], "NOM": ["Ouest", "Est"], "INSEE_DEP": ["32", "32"]}
    communes = gpd.GeoDataFrame(columns, geometry=halves, crs=2154)
    register(folder / "w", write_gpkg(folder / "communes.gpkg", COMMUNE=communes))
    return folder / "w"


def official(folder: Path, layer: gpd.GeoDataFrame, *codes: str, **options: object) -> OfficialStock:
    path = write_gpkg(folder / "o.gpkg", OCCUPATION_SOL=layer)
    return derive_official(communes=codes, workspace=workspace_of(folder), layer=path, rules=RULES, **options)  # type: ignore[arg-type]


def stock_m2(found: OfficialStock) -> dict[str, float]:
    return dict(zip(found.stock["commune_code"], (found.stock["stock_ha"] * 10_000).round(2), strict=True))


def test_an_object_over_a_border_is_decided_whole_and_counted_in_each_commune(tmp_path: Path) -> None:
    # 4 000 m² of lawn, 2 000 m² on each side: cut first, both halves would be enclaves
    found = official(tmp_path, occupation((LAWN, box(180, 50, 220, 150))), "32001", "32002")
    assert stock_m2(found) == {"32001": 2000, "32002": 2000}
    assert found.polygons["commune_cut"].tolist() == [True, True, True, True]
    assert len(found.objects) == 2


def test_a_neighbour_outside_the_communes_asked_for_decides_with_them(tmp_path: Path) -> None:
    lawns = occupation((LAWN, box(180, 50, 200, 150)), (LAWN, box(200, 50, 220, 150)))
    assert stock_m2(official(tmp_path, lawns, "32001")) == {"32001": 2000}


def test_a_small_enclave_passes_to_what_surrounds_it_and_a_built_surface_does_not(tmp_path: Path) -> None:
    enclaves = occupation((LAWN, box(50, 50, 90, 90)), (HOUSE, box(300, 50, 310, 60)), (HOUSE, box(350, 50, 357, 57)))
    found = official(tmp_path, enclaves, "32001", "32002")
    assert stock_m2(found) == {"32001": 0, "32002": 100}
    assert found.stock["threshold_loss_ha"].tolist() == [0.16, 0.0049]
    assert found.objects["crit_seuil"].tolist() == [True, False, True, False]


def test_the_tables_are_those_of_a_derivation_and_say_official(tmp_path: Path) -> None:
    found = official(tmp_path, occupation((LAWN, box(50, 50, 150, 150))), "32001", "32002")
    for table, schema in ((found.stock, STOCK), (found.stock_long, STOCK_LONG), (found.polygons, ARTIFICIALISED)):
        require(table, schema, where="test")
    row = found.stock.set_index("commune_code").loc["32001"]
    assert (row["source"], row["millesime"], row["nom"]) == ("official", 2022, "Ouest")
    assert (row["surface_ha"], row["outline_ha"], row["coverage_pct"]) == (4, 4, 100)
    assert (row["stock_ha"], row["part_pct"]) == (1, 25)
    assert pd.isna(row["exempt_parks_ha"])
    assert row["stock_after_exemptions_ha"] == 1
    assert row["flags"] == ""
    assert found.polygons["id"].tolist() == ["O0", "O1", "O1"]
    usages = found.stock_long[found.stock_long["dimension"] == "usage"]
    assert usages["area_ha"].sum() == found.stock["surface_ha"].sum() == 8


def test_a_partial_code_keeps_its_name_and_takes_the_state_its_leaves_share(tmp_path: Path) -> None:
    layer = occupation((("CS1.1.1", "US4"), box(50, 50, 150, 150)))
    found = official(tmp_path, layer, "32001", "32002")
    assert stock_m2(found)["32001"] == 10_000
    assert found.polygons["code_cs"][0] == "CS1.1.1"
    assert "[delivered as CS1.1.1 × US4]" in found.polygons["reason"][0]
    assert found.stock["stock_impermeable_ha"].tolist() == [1, 0]
    assert found.stock["flags"].tolist() == ["partial_codes", "partial_codes"]
    assert found.states.partial == {("CS1.1.1", "US4"): 1}


def test_an_object_without_a_state_is_refused_or_left_out_and_told(tmp_path: Path) -> None:
    layer = occupation((("INDETERMINE", None), box(50, 50, 150, 150)))
    with pytest.raises(CodeError, match=r"1 of 2 rows .* INDETERMINE × null"):
        official(tmp_path, layer, "32001", "32002")
    (tmp_path / "again").mkdir()
    found = official(tmp_path / "again", layer, "32001", "32002", unclassified="keep")
    west = found.stock.set_index("commune_code").loc["32001"]
    assert (west["surface_ha"], west["coverage_pct"], west["flags"]) == (3, 75, "coverage<99.5+unclassified")


def test_a_group_at_the_edge_of_the_data_is_fragile(tmp_path: Path) -> None:
    found = official(tmp_path, occupation((LAWN, box(0, 50, 20, 70)), (LAWN, box(150, 50, 170, 70))), "32001")
    assert found.objects["fragile"].tolist() == ["edge", "", ""]


def test_the_registered_layer_is_taken_when_none_is_given(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path)
    with pytest.raises(LayerError, match="no source of ocs_ge:occupation"):
        derive_official(communes=["32001"], workspace=workspace, rules=RULES)
    register(workspace, write_gpkg(tmp_path / "o.gpkg", OCCUPATION_SOL=occupation((LAWN, box(50, 50, 150, 150)))))
    found = derive_official(communes=["32001"], workspace=workspace, rules=RULES)
    assert (stock_m2(found), found.millesime) == ({"32001": 10_000}, 2022)
    with pytest.raises(DataError, match="holds 2022, and not 2019"):
        derive_official(communes=["32001"], workspace=workspace, millesime=2019, rules=RULES)


def test_a_layer_of_elsewhere_or_without_year_is_refused(tmp_path: Path) -> None:
    layer = occupation((LAWN, box(50, 50, 150, 150)))
    far = layer.assign(geometry=layer.translate(50_000))
    with pytest.raises(LayerError, match="holds nothing of the territory"):
        official(tmp_path, far, "32001")
    (tmp_path / "again").mkdir()
    with pytest.raises(ParameterError, match="--millesime"):
        official(tmp_path / "again", layer.drop(columns="millesime"), "32001")


def test_a_perimeter_limits_what_is_counted_and_not_what_decides(tmp_path: Path) -> None:
    zone = gpd.GeoDataFrame(geometry=[box(190, 0, 210, 200)], crs=2154)
    path = write_gpkg(tmp_path / "zone.gpkg", zone=zone)
    found = official(tmp_path, occupation((LAWN, box(180, 50, 220, 150))), perimetre=path)
    assert stock_m2(found) == {"32001": 1000, "32002": 1000}
    assert found.stock["surface_ha"].tolist() == [0.2, 0.2]


@pytest.mark.parametrize("seed", range(6))
def test_communes_sum_to_the_objects_that_brute_force_decided(seed: int, tmp_path: Path) -> None:
    frame = ign_scene(seed).frame
    xmin, ymin, xmax, ymax = frame.total_bounds
    path = write_artificialisation(tmp_path / "a.gpkg", frame)
    line = xmin + 0.4 * (xmax - xmin)
    workspace = workspace_of(tmp_path, split=line - WEST, width=xmax - WEST, height=ymax - SOUTH)
    assert (xmin, ymin) == (WEST, SOUTH)
    found = derive_official(communes=["32001", "32002"], workspace=workspace, layer=path, rules=RULES)
    west = shapely.intersection(frame.geometry.to_numpy(), shapely.box(xmin, ymin, line, ymax))
    artif = (frame["artif"] == "artif").to_numpy()
    expected = [shapely.area(west)[artif].sum(), frame.area[artif].sum() - shapely.area(west)[artif].sum()]
    np.testing.assert_allclose(found.stock["stock_ha"] * 10_000, expected, atol=0.01)
    assert found.stock["surface_ha"].sum() * 10_000 == pytest.approx(frame.area.sum(), abs=0.01)


def command(folder: Path, *arguments: object) -> tuple[int, str]:
    words = ["--source", "official", "--millesime", 2022, "--workspace", folder / "w", *arguments]
    done = CliRunner().invoke(derive, [str(word) for word in words], env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_the_command_prints_and_writes_the_official_stock(tmp_path: Path) -> None:
    workspace_of(tmp_path)
    layer = write_gpkg(tmp_path / "o.gpkg", OCCUPATION_SOL=occupation((LAWN, box(50, 50, 150, 150))))
    code, said = command(tmp_path, "--commune", "32001", "--commune", "32002", "--ocs-ge", layer)
    assert code == 0
    assert "25.00" in said
    assert "constructibilité" in said
    folder = tmp_path / "w" / "official" / "32001_32002_2022"
    assert sorted(path.name for path in folder.iterdir()) == [
        "polygons.gpkg",
        "polygons.qml",
        "run.json",
        "stock.csv",
        "stock.schema.json",
        "stock_excel.csv",
        "stock_excel.schema.json",
        "stock_long.csv",
        "stock_long.schema.json",
    ]
    written = pd.read_csv(folder / "stock.csv", dtype={"commune_code": str})
    assert written["stock_ha"].tolist() == [1, 0]
    # what was written is a layer of IGN's schema, on which the thresholds find themselves again
    assert compare_with_reference(folder / "polygons.gpkg", rules=RULES).disagreements.empty


def test_what_reading_an_official_layer_lost_is_told_and_in_run_json(tmp_path: Path) -> None:
    workspace_of(tmp_path)
    lost = occupation((LAWN, box(50, 50, 150, 150)))
    lost = pd.concat([lost, lost.iloc[:1].assign(geometry=None)], ignore_index=True)
    layer = write_gpkg(tmp_path / "o.gpkg", OCCUPATION_SOL=lost)
    code, said = command(tmp_path, "--commune", "32001", "--ocs-ge", layer)
    told = "ocs_ge:occupation (o.gpkg): 1 features without geometry left out"
    assert (code, f"warning: {told}" in said) == (0, True)
    assert json.loads((tmp_path / "w" / "official" / "32001_2022" / "run.json").read_text())["warnings"] == [told]


def test_codes_without_a_state_are_left_out_only_on_request(tmp_path: Path) -> None:
    workspace_of(tmp_path)
    layer = write_gpkg(tmp_path / "o.gpkg", OCCUPATION_SOL=occupation((("INDETERMINE", None), box(50, 50, 150, 150))))
    with pytest.raises(CodeError):
        command(tmp_path, "--commune", "32001", "--ocs-ge", layer)
    code, said = command(tmp_path, "--commune", "32001", "--ocs-ge", layer, "--keep-unclassified")
    assert code == 0
    assert "1 objects were left out" in said


def test_options_that_say_how_to_derive_are_refused_with_an_official_layer(tmp_path: Path) -> None:
    code, said = command(tmp_path, "--commune", "32001", "--cosia", tmp_path, "--keep-going")
    assert code == 2
    assert "--cosia, --keep-going: the polygons of an official layer" in said
    # even at their default: what was asked for would change nothing
    for ignored in (["--resolution", 0.2], ["--resample"], ["--window", 1000], ["--jobs", 1], ["--threads", 2]):
        code, said = command(tmp_path, "--commune", "32001", *ignored)
        assert (code, f"{ignored[0]}: the polygons of an official layer" in said) == (2, True)
    derived = CliRunner().invoke(derive, ["--commune", "32001", "--millesime", "2022", "--keep-unclassified"])
    assert derived.exit_code == 2
    assert "--source official" in derived.output


def test_a_folder_of_many_communes_has_a_short_name(tmp_path: Path) -> None:
    found = official(tmp_path, occupation((LAWN, box(50, 50, 150, 150))), "32001")
    assert folder_of(found, tmp_path) == tmp_path / "official" / "32001_2022"
    many = replace(found, communes=tuple(f"32{n:03d}" for n in range(200)))
    assert len(folder_of(many, tmp_path).name) < 40


def test_each_perimeter_and_each_choice_of_communes_in_it_has_a_folder_of_its_own(tmp_path: Path) -> None:
    workspace_of(tmp_path)
    layer = write_gpkg(tmp_path / "o.gpkg", OCCUPATION_SOL=occupation((LAWN, box(180, 50, 220, 150))))
    for place, width in (("north", 20), ("south", 40)):
        (tmp_path / place).mkdir()
        zone = gpd.GeoDataFrame(geometry=[box(190, 0, 190 + width, 200)], crs=2154)
        path = write_gpkg(tmp_path / place / "zac.gpkg", zone=zone)
        for chosen in ([], ["--commune", "32001"], ["--commune", "32002"]):
            assert command(tmp_path, "--perimetre", path, "--ocs-ge", layer, *chosen)[0] == 0
    folders = sorted((tmp_path / "w" / "official").iterdir())
    areas = [pd.read_csv(folder / "stock.csv")["surface_ha"].sum() for folder in folders]
    # 20 m or 40 m by 200 m of both communes, then the 10 m of the west, the 10 m or 30 m of the east
    assert sorted(areas) == [0.2, 0.2, 0.2, 0.4, 0.6, 0.8]


def test_a_perimeter_that_declares_no_crs_takes_the_one_given(tmp_path: Path) -> None:
    zone = gpd.GeoDataFrame(geometry=[box(190, 0, 210, 200)], crs=2154)
    path = tmp_path / "zone.shp"
    zone.to_file(path)
    path.with_suffix(".prj").unlink()
    layer = occupation((LAWN, box(180, 50, 220, 150)))
    with pytest.raises(CrsError, match="--assume-crs"):
        official(tmp_path, layer, perimetre=path)
    (tmp_path / "again").mkdir()
    assert stock_m2(official(tmp_path / "again", layer, perimetre=path, assume_crs=2154)) == {
        "32001": 1000,
        "32002": 1000,
    }


def test_what_is_written_says_that_it_is_official_from_what_and_by_whom(tmp_path: Path) -> None:
    layer = occupation((("CS1.1.1", "US4"), box(50, 50, 150, 150)))
    found = official(tmp_path, layer, "32001")
    *_, drawn, run = write_official(found, tmp_path / "w")
    assert set(gpd.read_file(drawn, layer="artif_2022")["source"]) == {"official"}
    with sqlite3.connect(drawn) as connection:
        told = " ".join(text for (text,) in connection.execute("SELECT metadata FROM gpkg_metadata"))
    assert "IGN – OCS GE" in told
    assert "ADMIN EXPRESS" in told
    written = json.loads(run.read_text())
    assert (written["source"], written["product"], written["millesime"]) == ("official", "occupation", 2022)
    assert written["rules"]["fingerprint"] == RULES.fingerprint
    assert {source["file"]: source["sha256"] for source in written["sources"]} == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("o.gpkg", "communes.gpkg")
    }
    assert (written["partial_codes"], written["flags"]) == ({"CS1.1.1 × US4": 1}, ["partial_codes"])
    schema = json.loads((run.parent / "stock.schema.json").read_text())
    assert [field["name"] for field in schema["fields"]] == list(found.stock.columns)

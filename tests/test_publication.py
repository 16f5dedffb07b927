"""What a workspace holds after several derivations: what is reused, what is replaced, what stays."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely

from ocsge.catalog import register
from ocsge.derive import derive
from ocsge.errors import DataError, ParameterError
from ocsge.publication import _notes, published_key
from ocsge.publish import file_sha256
from ocsge.rules import load_rules
from ocsge.store import Workspace
from ocsge.version_layout import partition_of, stem_of

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.scene import Scene
    from ocsge.derivation import Derivation
    from tests.conftest import Registered

CODE, OTHER = "32001", "32002"


@pytest.fixture
def two_communes(hamlet: Scene, tmp_path: Path) -> Path:
    """The scene cut into a western and an eastern half."""
    xmin, ymin, xmax, ymax = hamlet.bounds
    middle = (xmin + xmax) / 2
    halves = [shapely.box(xmin, ymin, middle, ymax), shapely.box(middle, ymin, xmax, ymax)]
    path = tmp_path / "communes" / "admin_express.gpkg"
    path.parent.mkdir()
    frame = gpd.GeoDataFrame({"insee_com": [CODE, OTHER], "nom": ["Ouest", "Est"]}, geometry=halves, crs=hamlet.epsg)
    frame.to_file(path, layer="commune")
    return path


@pytest.fixture
def workspace(hamlet: Scene, registered: Registered, tmp_path: Path) -> Path:
    return registered(hamlet, tmp_path / "workspace")


def preview(workspace: Path, *codes: str, millesime: int = 2022, **options: object) -> Derivation:
    return derive(communes=codes, millesime=millesime, workspace=workspace, resolution=1, **options)


def part(derivation: Derivation, code: str = CODE, millesime: int = 2022, perimetre: str | None = None) -> Path:
    return derivation.version / partition_of(code, millesime, perimetre=perimetre, kind="polygons") / "part.parquet"


def perimetre(folder: Path, hamlet: Scene, *, over: float = 0) -> Path:
    """Write a square of 100 m of the scene, which goes on ``over`` metres beyond its southern side."""
    xmin, ymin, *_ = hamlet.bounds
    path = folder / "zac.gpkg"
    path.unlink(missing_ok=True)
    box = shapely.box(xmin + 20, ymin - over, xmin + 120, ymin + 100)
    gpd.GeoDataFrame(geometry=[box], crs=hamlet.epsg).to_file(path)
    return path


def test_a_second_run_reuses_the_result_at_once(workspace: Path) -> None:
    first = preview(workspace, CODE)
    began = time.monotonic()
    second = preview(workspace, CODE, jobs=2, window_m=500, strip_rows=64)
    assert time.monotonic() - began < 2
    assert (first.reused, second.reused) == (False, True)
    assert second.version == first.version
    pd.testing.assert_frame_equal(second.stock, first.stock)
    pd.testing.assert_frame_equal(second.stock_long, first.stock_long)
    assert second.files() == first.files()


def test_a_changed_input_is_derived_again(workspace: Path, hamlet: Scene, tmp_path: Path) -> None:
    first = preview(workspace, CODE)
    copy = tmp_path / "delivery" / "bd_topo.gpkg"
    copy.parent.mkdir()
    shutil.copy(hamlet.vectors, copy)
    buildings = pyogrio.read_dataframe(copy, layer="batiment")
    pyogrio.write_dataframe(buildings.iloc[:0], copy, layer="batiment", geometry_type="MultiPolygon")
    (workspace / "sources.json").unlink()
    for path in (copy, hamlet.rpg, hamlet.communes):
        register(workspace, path)
    second = preview(workspace, CODE)
    assert not second.reused
    assert second.stock["stock_ha"].iloc[0] < first.stock["stock_ha"].iloc[0]


def test_a_file_changed_behind_the_register_is_refused(workspace: Path, hamlet: Scene, tmp_path: Path) -> None:
    copy = tmp_path / "rpg.gpkg"
    shutil.copy(hamlet.rpg, copy)
    register(workspace, copy)
    preview(workspace, CODE)
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match=r"rpg\.gpkg"):
        preview(workspace, CODE)


def test_changed_rules_are_derived_again(workspace: Path, tmp_path: Path) -> None:
    first = preview(workspace, CODE)
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "zone_construite.csv").write_text(
        "name,value,unit,low,high,source,confidence\nerosion_m,0,m,0,25,délibération,medium\n", encoding="utf-8"
    )
    second = preview(workspace, CODE, rules=overlay)
    assert not second.reused
    assert second.stock["rules_version"].iloc[0] != first.stock["rules_version"].iloc[0]
    assert second.stock["stock_ha"].iloc[0] > first.stock["stock_ha"].iloc[0]
    same = preview(workspace, CODE, rules=load_rules(overlay=overlay))
    assert same.reused
    assert not preview(workspace, CODE).reused


def test_a_damaged_result_is_derived_again(workspace: Path) -> None:
    first = preview(workspace, CODE)
    digest = file_sha256(part(first))
    part(first).chmod(0o644)
    part(first).write_bytes(b"damaged")
    second = preview(workspace, CODE)
    assert not second.reused
    assert file_sha256(part(second)) == digest
    assert Workspace(workspace).verify(second.version) == []


def test_another_millesime_stands_beside_the_first(workspace: Path) -> None:
    first = preview(workspace, CODE)
    second = preview(workspace, CODE, millesime=2018)
    assert file_sha256(part(second)) == file_sha256(part(first))
    assert part(second, millesime=2018).is_file()
    table = pd.read_csv(second.version / "stock.csv", dtype={"commune_code": "str"})
    assert table[["commune_code", "millesime"]].to_numpy().tolist() == [[CODE, 2018], [CODE, 2022]]
    assert list(second.stock["millesime"]) == [2018]
    assert all("2018" in path.name or path.name.startswith("stock") for path in second.files())
    assert preview(workspace, CODE).reused


def test_another_commune_stands_beside_the_first(
    hamlet: Scene, registered: Registered, two_communes: Path, tmp_path: Path
) -> None:
    workspace = registered(hamlet, tmp_path / "workspace", communes=two_communes)
    first = preview(workspace, CODE)
    second = preview(workspace, OTHER)
    assert file_sha256(part(second)) == file_sha256(part(first))
    assert second.commune_codes == (OTHER,)
    assert set(second.polygons()["commune_code"]) == {OTHER}
    both = pd.read_csv(second.version / "stock.csv", dtype={"commune_code": "str"})
    assert list(both["commune_code"]) == [CODE, OTHER]
    assert list(both["nom"]) == ["Ouest", "Est"]
    outlines = json.loads(gzip.decompress((second.version / "communes.geojson.gz").read_bytes()))["features"]
    assert [(one["properties"]["code"], one["properties"]["nom"]) for one in outlines] == [
        (CODE, "Ouest"),
        (OTHER, "Est"),
    ]
    assert both["surface_ha"].sum() == pytest.approx(4)


def test_a_perimeter_never_replaces_whole_communes(workspace: Path, hamlet: Scene, tmp_path: Path) -> None:
    whole = preview(workspace, CODE)
    limited = preview(workspace, CODE, perimetre=perimetre(tmp_path, hamlet))
    assert str(limited.perimetre).startswith("zac-")
    assert limited.stock["surface_ha"].iloc[0] == 1
    assert limited.stock["nom"].iloc[0] == whole.stock["nom"].iloc[0]
    assert limited.stock[["outline_ha", "population"]].isna().all(axis=None)
    assert file_sha256(part(limited)) == file_sha256(part(whole))
    maps = {path.relative_to(limited.version).as_posix() for path in limited.version.rglob("*.geojson.gz")}
    assert maps == {"communes.geojson.gz", f"maps/commune_code={CODE}/millesime=2022/polygons.geojson.gz"}
    assert part(limited, perimetre=limited.perimetre).is_file()
    stock = pd.read_csv(limited.version / "stock.csv")
    assert list(stock["surface_ha"]) == [4]
    assert list(pd.read_csv(limited.version / f"perimetre={limited.perimetre}/stock.csv")["surface_ha"]) == [1]
    assert {path.parent.name for path in limited.files()} == {"communes", f"perimetre={limited.perimetre}"}
    assert preview(workspace, CODE).reused
    again = preview(workspace, CODE, perimetre=tmp_path / "zac.gpkg")
    assert again.reused
    assert again.files() == limited.files()


def test_ground_of_a_perimeter_in_no_known_commune_is_counted_apart(
    workspace: Path, hamlet: Scene, tmp_path: Path
) -> None:
    found = preview(workspace, perimetre=perimetre(tmp_path, hamlet, over=50))
    assert found.commune_codes == ("", CODE)
    assert list(found.stock["commune_code"]) == ["", CODE]
    assert list(found.stock["surface_ha"]) == [0.5, 1]
    assert found.polygons()["area_m2"].sum() == 15_000
    assert any(path.name.startswith("hors_commune_2022") for path in found.files())
    again = preview(workspace, perimetre=tmp_path / "zac.gpkg")
    assert again.reused
    assert list(again.stock["surface_ha"]) == [0.5, 1]


def test_another_perimeter_of_the_same_file_name_replaces_nothing(
    workspace: Path, hamlet: Scene, tmp_path: Path
) -> None:
    first = preview(workspace, perimetre=perimetre(tmp_path, hamlet, over=50))
    second = preview(workspace, perimetre=perimetre(tmp_path, hamlet))
    assert second.perimetre != first.perimetre
    surfaces = {
        found.perimetre: list(pd.read_csv(second.version / f"perimetre={found.perimetre}/stock.csv")["surface_ha"])
        for found in (first, second)
    }
    assert surfaces == {first.perimetre: [0.5, 1], second.perimetre: [1]}
    assert not any(path.name.startswith("hors_commune") for path in second.files())


def test_run_json_says_what_the_result_was_made_from_without_time_nor_place(workspace: Path, tmp_path: Path) -> None:
    found = preview(workspace, CODE)
    path = found.version / partition_of(CODE, 2022, perimetre=None, kind="runs") / "run.json"
    said = json.loads(path.read_text())
    assert said["key"] == published_key(found.version, CODE, 2022, perimetre=None)
    assert said["rules"]["fingerprint"] == load_rules().fingerprint
    assert "preview" in said["flags"]
    assert str(tmp_path) not in path.read_text()
    assert published_key(found.version, CODE, 1999, perimetre=None) is None


def test_a_map_says_how_much_ground_took_the_default_cover_and_that_the_zone_is_estimated() -> None:
    polygons = gpd.GeoDataFrame({"area_m2": [1.5e7, 5e6], "default_cover_m2": [1.234e7, 0.0]}, geometry=[None, None])
    assert _notes(polygons, ["preview", "default_cover", "derived_zone_construite"]) == [
        "Sans CoSIA : 1\u00a0234,0 ha (62\u00a0%) de couverture par défaut",
        "Zone construite estimée",
    ]
    assert _notes(polygons, ["anchored"]) == []


def test_the_geopackage_has_the_french_labels_of_its_codes(workspace: Path) -> None:
    found = preview(workspace, CODE)
    path = found.version / "communes" / f"{CODE}_2022.gpkg"
    read = pyogrio.read_dataframe(path, layer=f"artif_2022_{CODE}", read_geometry=False)
    law = load_rules()
    covers = {entry.code: entry.label_fr for entry in law.couvertures}
    usages = {entry.code: entry.label_fr for entry in law.usages}
    assert read["libelle_cs"].tolist() == [covers[code] for code in read["code_cs"]]
    assert read["libelle_us"].tolist() == [usages[code] for code in read["code_us"]]


def test_the_journal_tells_each_run_with_its_outcome(workspace: Path) -> None:
    preview(workspace, CODE)
    with pytest.raises(ParameterError, match="resolution"):
        derive(communes=[CODE], millesime=2022, workspace=workspace, resolution=0.3)
    lines = [json.loads(line) for line in (workspace / "journal.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["ok", "ParameterError"]


def test_files_of_ground_in_no_commune_have_a_name() -> None:
    assert stem_of(CODE, 2022) == "32001_2022"
    assert stem_of("", 2022) == "hors_commune_2022"

"""Outlines of communes: only the codes asked for are read, and ADMIN EXPRESS comes before BD TOPO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import pytest
from layer_fixtures import communes, write_gpkg, write_shapefile
from pandas.testing import assert_frame_equal

from ocsge.catalog import recognise
from ocsge.commune_outlines import CommunesRead, read_communes
from ocsge.errors import LayerError

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.catalog import Source

NATIONAL = ["01004", "12174", "12202", "2A004", "75101", "75102", "97411"]
"""Codes of a file as ADMIN EXPRESS delivers it: a leading zero, Corsica, arrondissements, overseas."""


def read(*paths: Path, **options: object) -> CommunesRead:
    sources: list[Source] = [source for path in paths for source in recognise(path)]
    return read_communes(sources, epsg=2154, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".geojson", ".fgb"])
def test_a_commune_of_a_national_file_is_found_without_reading_the_others(suffix: str, tmp_path: Path) -> None:
    frame = communes(NATIONAL, POPULATION=range(len(NATIONAL)))
    path = tmp_path / f"COMMUNE{suffix}"
    frame.to_file(path)
    whole = read(path).frame
    for code, features in (("12174", 1), ("01004", 1), ("2A004", 1), ("75056", 2), ("97411", 1)):
        found = read(path, codes=[code])
        same = whole[whole["commune_code"] == code].reset_index(drop=True)
        assert_frame_equal(gpd.GeoDataFrame(found.frame), gpd.GeoDataFrame(same))
        assert [report.read for report in found.reports] == [features]


def test_a_code_that_a_file_writes_otherwise_is_found_all_the_same(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "a.gpkg", COMMUNE=communes([" 2a 004 ", "12174"]))
    assert read(path, codes=["2A004"]).frame["commune_code"].tolist() == ["2A004"]
    assert read(path, codes=["2A004", "12174"]).frame["commune_code"].tolist() == ["12174", "2A004"]


def test_a_commune_that_no_file_holds_is_named(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "a.gpkg", COMMUNE=communes(["12174"]))
    with pytest.raises(LayerError, match="commune 12202: in no source"):
        read(path, codes=["12174", "12202"])


def test_what_is_wrong_with_another_commune_of_the_file_does_not_refuse_the_one_asked_for(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "a.gpkg", COMMUNE=communes(["12174", "none"]))
    assert read(path, codes=["12174"]).frame["commune_code"].tolist() == ["12174"]


@pytest.mark.parametrize(
    ("admin", "topo"),
    [
        ("ADMIN-EXPRESS-COG_3-2__SHP_LAMB93_FXX_2021-05-03/ADECOG", "BDTOPO_3-3_TOUSTHEMES_SHP_LAMB93_D012_2024-03-15"),
        ("ADMIN_EXPRESS/1_DONNEES", "BDTOPO/ADMINISTRATIF"),
        ("ADMIN_EXPRESS", "data"),
    ],
)
def test_a_delivered_commune_shp_of_admin_express_comes_before_that_of_bd_topo(
    admin: str, topo: str, tmp_path: Path
) -> None:
    paths = []
    for folder, name in ((topo, "of BD TOPO"), (admin, "of ADMIN EXPRESS")):
        (tmp_path / folder).mkdir(parents=True)
        paths.append(write_shapefile(tmp_path / folder / "COMMUNE.shp", communes(["12174"], NOM=[name])))
    for order in (paths, paths[::-1]):
        assert read(*order).frame["nom"].tolist() == ["of ADMIN EXPRESS"]


def test_a_folder_of_an_admin_that_holds_bd_topo_is_no_admin_express(tmp_path: Path) -> None:
    folder = tmp_path / "ADMIN_EXPRESS et voisins" / "BDTOPO"
    folder.mkdir(parents=True)
    topo = write_shapefile(folder / "COMMUNE.shp", communes(["12174"], NOM=["of BD TOPO"]))
    admin = write_gpkg(tmp_path / "ADMIN-EXPRESS.gpkg", COMMUNE=communes(["12174"], NOM=["of ADMIN EXPRESS"]))
    assert read(topo, admin).frame["nom"].tolist() == ["of ADMIN EXPRESS"]

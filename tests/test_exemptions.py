"""Exemptions of a collectivity: what a park and a plant take out of the stock, from the layers to every output.

The commune is 4 ha of ground that nothing describes, with a house. A park of 6 000 m² and a plant of 4 000 m² overlap
on 2 000 m²: they would take out 6 000, 4 000, and together 8 000.
"""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
from small_commune import CODE, X, Y, box, buildings, communes, write

from ocsge.catalog import register
from ocsge.cli import main
from ocsge.derive import Derivation, derive
from ocsge.errors import DataError
from ocsge.exemptions import FlaggedGround, exempt
from ocsge.explain import explain
from ocsge.rules import load_rules
from ocsge.thresholds import Neighbours

if TYPE_CHECKING:
    import pandas as pd

IN_PARK, IN_BOTH, IN_PLANT = (50, 20), (50, 50), (50, 70)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parks")
    edition = folder / "ADMIN-EXPRESS-COG_3-2__GPKG_LAMB93_FXX_2023-05-03"
    edition.mkdir()
    park = gpd.GeoDataFrame({"nom": ["Parc"]}, geometry=[box(0, 0, 100, 60)], crs=2154)
    plant = gpd.GeoDataFrame({"nom": ["Centrale"]}, geometry=[box(0, 40, 100, 80)], crs=2154)
    for path in (
        write(edition / "commune.gpkg", commune=communes()),
        write(folder / "batiment.gpkg", batiment=buildings([box(150, 150, 170, 170)])),
        write(folder / "parcs_et_jardins.gpkg", parcs_et_jardins=park),
        write(folder / "photovoltaique.gpkg", photovoltaique=plant),
    ):
        register(folder / "w", path)
    return folder / "w"


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rules in which the collectivity exempts its parks, as the README of the rules writes them."""
    folder = tmp_path_factory.mktemp("rules")
    readme = (Path(__file__).parents[1] / "rules" / "README.md").read_text(encoding="utf-8")
    written = next(block for block in readme.split("```csv\n") if "exempt_parks,yes" in block.split("```")[0])
    (folder / "options.csv").write_text(written.split("```")[0], encoding="utf-8")
    return folder


def preview(workspace: Path, rules: Path | None = None, *, millesime: int = 2022) -> Derivation:
    return derive(communes=[CODE], millesime=millesime, workspace=workspace, resolution=1, rules=rules)


def state_at(polygons: gpd.GeoDataFrame, place: tuple[int, int]) -> pd.Series:
    point = gpd.GeoSeries.from_xy([X + place[0]], [Y + place[1]], crs=2154).iloc[0]
    return polygons[polygons.intersects(point)].iloc[0]


def test_layers_of_parks_and_plants_become_exempt_areas_that_nothing_takes_out_by_default(workspace: Path) -> None:
    row = preview(workspace).stock.iloc[0]
    assert (row["exempt_parks_ha"], row["exempt_pv_ha"], row["exempt_either_ha"]) == (0.6, 0.4, 0.8)
    assert row["stock_after_exemptions_ha"] == row["stock_ha"] > 0.8
    assert "exempted" not in row["flags"]


def test_chosen_exemption_moves_one_column_and_leaves_the_state_of_the_decree(workspace: Path, overlay: Path) -> None:
    without, chosen = preview(workspace), preview(workspace, overlay, millesime=2021)
    before, after = without.stock.iloc[0], chosen.stock.iloc[0]
    assert after["stock_after_exemptions_ha"] == pytest.approx(before["stock_ha"] - 0.6)
    assert after["flags"].endswith("+exempted_parks")
    same = ["stock_ha", "part_pct", "artif_min_ha", "artif_max_ha", "matrix_ha", "exempt_parks_ha", "exempt_either_ha"]
    assert after[same].tolist() == before[same].tolist()
    assert chosen.polygons()["artif"].tolist() == without.polygons()["artif"].tolist()


def test_ground_that_no_layer_describes_is_counted_as_default_cover(workspace: Path) -> None:
    found = preview(workspace)
    row = found.stock.iloc[0]
    assert row["default_cover_ha"] == pytest.approx(4 - 0.04), "all but the house"
    house = state_at(found.polygons(), (160, 160))
    assert (house["area_m2"], house["default_cover_m2"]) == (400.0, 0.0)


def test_edition_of_the_communes_is_that_of_their_file(workspace: Path) -> None:
    assert preview(workspace).stock["cog_year"].tolist() == [2023]


def test_every_output_shows_the_exemption(
    workspace: Path, overlay: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = preview(workspace, overlay)
    row = found.stock.iloc[0]
    with (found.version / "stock_excel.csv").open(encoding="utf-8-sig", newline="") as stream:
        cells = next(line for line in csv.DictReader(stream, delimiter=";") if line["millesime"] == "2022")
    assert cells["exempt_either_ha"] == "0,8000"
    assert cells["stock_after_exemptions_ha"] == f"{row['stock_after_exemptions_ha']:.4f}".replace(".", ",")
    layer = pyogrio.read_dataframe(found.version / "communes" / f"{CODE}_2022.gpkg", layer=f"artif_2022_{CODE}")
    assert layer["exempt_either_m2"].sum() == 8000.0
    assert layer["exempted_m2"].sum() == 6000.0
    assert set(layer.loc[layer["exempted_m2"] > 0, "artif"]) == {"artif"}
    monkeypatch.setenv("COLUMNS", "200")
    asked = ["--commune", CODE, "--millesime", "2022", "--workspace", str(workspace), "--resolution", "1"]
    with pytest.raises(SystemExit):
        main(["derive", *asked, "--rules", str(overlay)])
    printed = capsys.readouterr().out
    assert "after exemptions ha" in printed
    assert f"│ {row['stock_after_exemptions_ha']:.1f} " in printed
    with pytest.raises(SystemExit):
        main(["derive", *asked])
    assert "after exemptions" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "remarks"),
    [
        (IN_PARK, ["taken out of the stock after exemptions: park, 4 000 m² of it"]),
        (
            IN_PLANT,
            [
                "taken out of the stock after exemptions: park, 2 000 m² of it",
                "could be exempted by the collectivity: photovoltaic, 4 000 m² of it",
            ],
        ),
        ((160, 160), []),
    ],
)
def test_an_explanation_says_which_exemptions_cover_the_polygon_and_which_is_chosen(
    workspace: Path, overlay: Path, place: tuple[int, int], remarks: list[str]
) -> None:
    preview(workspace, overlay)
    found = explain(workspace, commune=CODE, point=(X + place[0], Y + place[1]), millesime=2022, rules=overlay)
    assert found.artif
    said = [remark.split(";")[0] for remark in found.remarks if "exempt" in remark]
    assert said == remarks
    assert ("exempted by choice: park" in found.reason) == bool(remarks)


def test_a_result_is_not_explained_by_other_rules_than_its_own(
    workspace: Path, overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"commune": CODE, "point": (X + IN_PARK[0], Y + IN_PARK[1])}
    preview(workspace, overlay)
    theirs, shipped = load_rules(overlay=overlay), load_rules()
    with pytest.raises(DataError, match=rf"by the rules {theirs.fingerprint[:12]}.*today, {shipped.fingerprint[:12]}"):
        explain(workspace, **asked)
    assert explain(workspace, **asked, rules=theirs) == explain(workspace, **asked, rules=str(overlay))
    words = ["--commune", CODE, "--point", f"{X + IN_PARK[0]},{Y + IN_PARK[1]}", "--workspace", str(workspace)]
    for given, code in ((["--rules", str(overlay)], 0), ([], 65)):
        with pytest.raises(SystemExit) as stop:
            main(["explain", *words, *given])
        assert stop.value.code == code
    assert "--rules" in capsys.readouterr().err
    preview(workspace)
    with pytest.raises(DataError, match="not by the rules given"):
        explain(workspace, **asked, rules=overlay)


def test_rules_of_a_chosen_date_explain_their_result(workspace: Path) -> None:
    day = dt.date(2024, 1, 1)
    derive(communes=[CODE], millesime=2022, workspace=workspace, resolution=1, rules=load_rules(day))
    assert explain(workspace, commune=CODE, point=(X + IN_PARK[0], Y + IN_PARK[1])).millesime == 2022


def test_a_plant_inside_a_park_has_both_exemptions_named(workspace: Path) -> None:
    both = state_at(preview(workspace).polygons(), IN_BOTH)
    assert both["exemption"] == "park+photovoltaic"
    assert both["reason"].endswith("; exemption possible: park; exemption possible: photovoltaic")


def test_nothing_is_exempt_where_the_state_is_not_artificialised() -> None:
    pixels = np.array([10, 10], dtype=np.int64)
    everywhere = np.ones(2, dtype=np.bool_)
    found = exempt(
        FlaggedGround(park_px=pixels, photovoltaic_px=pixels, both_px=pixels),
        Neighbours.of(np.empty((0, 3), dtype=np.int64), count=2),
        artif=np.array([True, False]),
        vegetated=everywhere,
        open_land=everywhere,
        parks_minimum_px=9,
    )
    assert found.either_px.tolist() == [10, 0]
    assert found.which.tolist() == [3, 0]


def test_a_ring_of_many_polygons_is_one_park() -> None:
    count = 1000
    around = np.array([(i, (i + 1) % count, 1) for i in range(count)], dtype=np.int64)
    pixels, everywhere = np.ones(count, dtype=np.int64), np.ones(count, dtype=np.bool_)
    ground = FlaggedGround(park_px=pixels, photovoltaic_px=0 * pixels, both_px=0 * pixels)
    for minimum, exempted in ((count - 1, count), (count, 0)):
        found = exempt(
            ground,
            Neighbours.of(around, count=count),
            artif=everywhere,
            vegetated=everywhere,
            open_land=everywhere,
            parks_minimum_px=minimum,
        )
        assert found.park_px.sum() == exempted

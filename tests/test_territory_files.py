"""The questions about territories and the ZAN, asked from files and on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from territory_tables_by_hand import flow_row, flows, stock_row, stocks
from test_triennial_report import CHANGES
from test_zan import cerema, constant

from ocsge.catalog import register
from ocsge.cli import cli
from ocsge.errors import DataError, ParameterError
from ocsge.plu_zones import PLU_ZONES
from ocsge.rules import load_rules
from ocsge.store import Workspace
from ocsge.table_files import write_csv
from ocsge.territory_files import compare_with_portal, plu_zone_areas, read_commune_table, territory_sums
from ocsge.territory_tables import MEMBERSHIP, MOVEMENTS
from ocsge.triennial_report import TRIENNIAL_REPORT
from ocsge.zan import TRAJECTORY
from ocsge.zan_files import read_changes, zan_report, zan_trajectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsge.tables import Schema

EXPORT = Path(__file__).parent / "data" / "national_export" / "official_figures_communes.csv"
X, Y = 664_000.0, 6_360_000.0


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a stock, a flow, a membership, movements and the ENAF of a commune."""
    stock = stocks(
        stock_row("12090", 2022, 10.0, cog_year=2013, departement_code="12"),
        stock_row("12021", 2022, 5.0, cog_year=2013),
        stock_row("12174", 2022, 1.0, cog_year=2013),
    )
    write_csv(stock, tmp_path / "stock.csv")
    write_csv(flows(flow_row("12174", (2019, 2022), (100.0, 103.0))), tmp_path / "flow.csv", profile="excel-fr")
    (tmp_path / "members.csv").write_text(
        "commune_code;cog_year;epci_siren;epci_nom;surface_ha\n"
        "12090;2024;241200187;Rodez agglomération;200\n"
        "12174;2024;241200187;Rodez agglomération;100\n",
        encoding="utf-8",
    )
    (tmp_path / "moves.csv").write_text(
        "cog_year,commune_before,commune_after\n2016,12090,12090\n2016,12021,12090\n", encoding="utf-8"
    )
    cerema(c12174=constant(20_000, 5_000)).to_csv(tmp_path / "enaf.csv", sep=";", index=False)
    CHANGES.to_parquet(tmp_path / "changes.parquet")
    return tmp_path


def run(*words: str | Path, code: int = 0) -> str:
    found = CliRunner().invoke(cli, [str(word) for word in words])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == code, found.output
    return found.output


def test_former_communes_follow_then_sum_to_their_epci(folder: Path) -> None:
    sums = territory_sums(
        folder / "stock.csv", level="epci", membership=folder / "members.csv", movements=folder / "moves.csv"
    )
    row = sums.iloc[0]
    assert (row["territory_nom"], row["stock_ha"], row["coverage_status"]) == ("Rodez agglomération", 16.0, "complete")
    assert (row["communes"], row["flags"]) == (2, "merged")


@pytest.mark.parametrize(
    "schema", [MEMBERSHIP, MOVEMENTS, PLU_ZONES, TRAJECTORY, TRIENNIAL_REPORT], ids=lambda s: s.name
)
def test_every_column_of_a_table_stands_in_its_page(schema: Schema) -> None:
    page = (Path(__file__).parents[1] / "docs" / "territories.md").read_text(encoding="utf-8")
    keys = {"commune_code", "millesime", "nom"}
    assert [
        name for name in schema.columns if f"`{name}`" not in page and name not in keys and "_nom" not in name
    ] == []


def test_without_the_movements_a_former_commune_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="commune 12021 is not in the membership"):
        territory_sums(folder / "stock.csv", level="epci", membership=folder / "members.csv")


def test_a_membership_is_asked_for(folder: Path) -> None:
    with pytest.raises(ParameterError, match="no membership"):
        territory_sums(folder / "stock.csv", level="epci")


def test_movements_need_a_cog_to_come_to(folder: Path) -> None:
    (folder / "members.csv").write_text("commune_code,epci_siren\n12090,1\n12174,1\n", encoding="utf-8")
    files = {"membership": folder / "members.csv", "movements": folder / "moves.csv"}
    with pytest.raises(ParameterError, match="give it with --cog-year"):
        territory_sums(folder / "stock.csv", level="epci", **files)
    assert territory_sums(folder / "stock.csv", level="epci", cog_year=2024, **files)["stock_ha"].tolist() == [16.0]


def test_a_cog_without_movements_or_other_than_that_of_the_membership_is_refused(folder: Path) -> None:
    asked = {"level": "epci", "membership": folder / "members.csv"}
    with pytest.raises(ParameterError, match="--movements are followed; give both"):
        territory_sums(folder / "stock.csv", cog_year=2024, **asked)
    with pytest.raises(ParameterError, match="--cog-year 2020: the membership is of COG 2024; leave it out"):
        territory_sums(folder / "stock.csv", cog_year=2020, movements=folder / "moves.csv", **asked)
    same = territory_sums(folder / "stock.csv", cog_year=2024, movements=folder / "moves.csv", **asked)
    assert same["stock_ha"].tolist() == [16.0]


def register_communes(workspace: Path, codes: Sequence[str]) -> None:
    boxes = [shapely.box(X + 1000 * n, Y, X + 1000 * (n + 1), Y + 1000) for n in range(len(codes))]
    frame = gpd.GeoDataFrame(
        {
            "INSEE_COM": codes,
            "NOM": codes,
            "INSEE_DEP": ["12"] * len(codes),
            "INSEE_REG": ["76"] * len(codes),
            "SIREN_EPCI": ["241200187"] * len(codes),
            "POPULATION": [100] * len(codes),
        },
        geometry=boxes,
        crs=2154,
    )
    source = workspace.parent / "ADMIN-EXPRESS"
    source.mkdir()
    frame.to_file(source / "COMMUNE.shp")
    workspace.mkdir(exist_ok=True)
    register(workspace, source)


def test_admin_express_of_a_workspace_gives_levels_and_extents(folder: Path) -> None:
    register_communes(folder / "aveyron", ["12021", "12090", "12174", "12202"])
    row = territory_sums(folder / "stock.csv", level="departement", workspace=folder / "aveyron").iloc[0]
    assert (row["territory_code"], row["stock_ha"]) == ("12", 16.0)
    assert (row["communes"], row["communes_with_data"], row["surface_ha"]) == (4, 3, 400.0)
    assert row["coverage_pct"] == pytest.approx(75.0)


def test_a_table_is_a_flow_when_it_has_two_millesimes(folder: Path) -> None:
    assert "net_ha" in read_commune_table(folder / "flow.csv")
    assert "net_ha" not in read_commune_table(folder / "stock.csv")


def test_the_sum_command_prints_and_writes_every_column(folder: Path) -> None:
    shown = run(
        "territories", "sum", folder / "flow.csv", "--level", "epci", "--membership", folder / "members.csv",
        "--output", folder / "sums.csv",
    )  # fmt: skip
    assert "2019–2022" in shown
    assert "Rodez agglomération" in shown
    assert "3.00" in shown
    written = pd.read_csv(folder / "sums.csv")
    assert written["communes"].tolist() == [2]
    assert written["coverage_pct"].tolist() == [33.33]


def test_an_unknown_level_is_refused_by_the_parser(folder: Path) -> None:
    assert "'pays' is not one of" in run("territories", "sum", folder / "flow.csv", "--level", "pays", code=2)


def publish_polygons(workspace: Path) -> None:
    """Keep in a workspace the polygons of a commune of 2 ha, one of them artificialised."""
    polygons = gpd.GeoDataFrame(
        {
            "commune_code": ["12174"] * 2,
            "millesime": [2022] * 2,
            "artif": [True, False],
            "impermeable": [False, False],
        },
        geometry=[shapely.box(X, Y, X + 100, Y + 100), shapely.box(X + 100, Y, X + 200, Y + 100)],
        crs=2154,
    )

    def fill(version: Path) -> None:
        partition = version / "polygons" / "commune_code=12174" / "millesime=2022"
        partition.mkdir(parents=True)
        polygons.to_parquet(partition / "part.parquet")

    Workspace(workspace).publish_version(fill)


def write_zones(path: Path) -> Path:
    zones = gpd.GeoDataFrame(
        {"TYPEZONE": ["U", "N"], "LIBELLE": ["U", "N"]},
        geometry=[shapely.box(X, Y, X + 150, Y + 100), shapely.box(X + 150, Y, X + 900, Y + 100)],
        crs=2154,
    )
    zones.to_crs(4326).to_file(path)
    return path


def test_zones_of_a_plan_are_measured_in_a_workspace(folder: Path) -> None:
    publish_polygons(folder / "demo")
    zones = write_zones(folder / "12174_ZONE_URBA_20220101.shp")
    table = plu_zone_areas(zones, commune="12174", workspace=folder / "demo").set_index("typezone")
    assert table.loc["U", "zone_ha"] == pytest.approx(1.5, abs=1e-4)
    assert table.loc["U", "artif_ha"] == pytest.approx(1.0, abs=1e-4)
    shown = run("territories", "plu", zones, "--commune", "12174", "--workspace", folder / "demo")
    assert "Zones of 12174 at 2022" in shown
    with pytest.raises(DataError, match="no result of commune 12202"):
        plu_zone_areas(zones, commune="12202", workspace=folder / "demo")


def test_what_reading_the_zones_of_a_plan_lost_is_told(folder: Path) -> None:
    publish_polygons(folder / "demo")
    zones = write_zones(folder / "12174_ZONE_URBA_20220101.shp")
    frame = gpd.read_file(zones)
    pd.concat([frame, frame.iloc[:1].assign(geometry=None)], ignore_index=True).to_file(zones)
    lost = r"plu:zone_urba \(12174_ZONE_URBA_20220101.shp\): 1 features without geometry left out"
    with pytest.warns(UserWarning, match=lost):
        plu_zone_areas(zones, commune="12174", workspace=folder / "demo")
    shown = run("territories", "plu", zones, "--commune", "12174", "--workspace", folder / "demo")
    assert "warning: plu:zone_urba (12174_ZONE_URBA_20220101.shp): 1 features without geometry left out" in shown


def test_the_national_export_stands_beside_a_table(folder: Path) -> None:
    write_csv(stocks(stock_row("12202", 2022, 700.0)), folder / "rodez.csv")
    found = compare_with_portal(EXPORT, folder / "rodez.csv")
    rodez = found.beside.set_index(["commune_code", "millesime"]).loc[("12202", 2022)]
    assert rodez["gap_ha"] == pytest.approx(700 - 671.27860594)
    assert found.broken.empty
    shown = run("territories", "official", EXPORT, "--table", folder / "rodez.csv")
    assert "28.72" in shown
    assert "0 identities of the export do not hold" in shown


def test_the_official_stocks_are_shown_alone_without_a_table() -> None:
    assert "Bourg-en-Bresse" in run("territories", "official", EXPORT)


def test_a_broken_identity_of_the_export_is_printed(folder: Path) -> None:
    text = EXPORT.read_text(encoding="utf-8").replace("56666.9947", "66666.9947")
    (folder / "export.csv").write_text(text, encoding="utf-8")
    shown = run("territories", "official", folder / "export.csv")
    assert "34022: flux_surface_1_2 is 66667, 56667 by flow = second − first" in shown
    assert "1 identities of the export do not hold" in shown


def test_the_trajectory_is_computed_from_files(folder: Path) -> None:
    row = zan_trajectory(folder / "enaf.csv", load_rules(), guaranteed=["all"], flow=folder / "flow.csv").iloc[0]
    assert (row["enaf_allowed_ha"], row["net_artificialisation_ha"], row["guarantee_ha"]) == (10.0, 3.0, 1.0)
    assert zan_trajectory(folder / "enaf.csv", load_rules(), guaranteed=["none"]).iloc[0]["flags"] == ""
    assert zan_trajectory(folder / "enaf.csv", load_rules()).iloc[0]["flags"] == "guarantee_unknown"


def test_the_trajectory_command_keeps_the_two_regimes_apart(folder: Path) -> None:
    shown = run("zan", "trajectory", folder / "enaf.csv", "--rate", "60", "--flow", folder / "flow.csv")
    assert "8.00" in shown
    assert "net artificialisation" in shown
    assert "two regimes" in shown


def test_the_report_is_laid_out_from_parquet_a_folder_or_csv(folder: Path) -> None:
    rules = load_rules()
    found = zan_report(folder / "enaf.csv", folder / "changes.parquet", rules)
    part = folder / "changes" / "commune_code=12174" / "millesime_1=2019"
    part.mkdir(parents=True)
    CHANGES.to_parquet(part / "part.parquet")
    pd.testing.assert_frame_equal(zan_report(folder / "enaf.csv", folder / "changes", rules), found)
    CHANGES.to_csv(folder / "changes.csv", index=False)
    pd.testing.assert_frame_equal(zan_report(folder / "enaf.csv", folder / "changes.csv", rules), found)
    shown = run("zan", "report", folder / "enaf.csv", folder / "changes.parquet", "--output", folder / "report.csv")
    assert "Surfaces artificialisées" in shown
    assert len(pd.read_csv(folder / "report.csv")) == len(found)


def test_communes_that_the_enaf_file_lacks_are_named_and_with_none_left_there_is_no_report(folder: Path) -> None:
    other = CHANGES.assign(commune_code="12202")
    pd.concat([CHANGES, other]).to_parquet(folder / "two.parquet")
    words = ["zan", "report", folder / "enaf.csv", folder / "two.parquet", "--output", folder / "report.csv"]
    assert "warning: triennial report: 1 communes are not in the ENAF file and left out: 12202" in run(*words)
    assert set(pd.read_csv(folder / "report.csv", dtype="str")["commune_code"]) == {"12174"}
    with pytest.warns(UserWarning, match="12202"):
        zan_report(folder / "enaf.csv", folder / "two.parquet", load_rules())
    other.to_parquet(folder / "other.parquet")
    with pytest.raises(DataError, match=r"no commune of the changes \(12202\) is in the ENAF file"):
        zan_report(folder / "enaf.csv", folder / "other.parquet", load_rules())


def test_changes_that_cannot_be_read_are_refused(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no \.parquet file"):
        read_changes(folder / "empty")
    (folder / "bad.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_changes(folder / "bad.parquet")

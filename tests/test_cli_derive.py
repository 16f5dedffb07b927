"""``ocsge derive`` and ``ocsge demo``: what is printed, where, and the exit codes."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from small_commune import CODE, Bench, buildings

import ocsge
from ocsge.cli import main
from ocsge.store import Workspace

if TYPE_CHECKING:
    from benchmarks.scene import Scene
    from ocsge.derivation import Derivation
    from tests.conftest import Registered

CODES = WEST, EAST = ("32001", "32002")
SCRIPT = Path(sys.executable).with_name("ocsge")


@pytest.fixture(scope="module")
def halves(hamlet: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scene as two communes of 2 ha."""
    xmin, ymin, xmax, ymax = hamlet.bounds
    middle = (xmin + xmax) / 2
    outlines = [shapely.box(xmin, ymin, middle, ymax), shapely.box(middle, ymin, xmax, ymax)]
    path = tmp_path_factory.mktemp("halves") / "admin_express.gpkg"
    frame = gpd.GeoDataFrame({"insee_com": CODES, "nom": ["Ouest", "Est"]}, geometry=outlines, crs=hamlet.epsg)
    frame.to_file(path, layer="commune")
    return path


@pytest.fixture(scope="module")
def workspace(hamlet: Scene, halves: Path, registered: Registered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace without result; tests that derive into it use rules or perimeters of their own."""
    return registered(hamlet, tmp_path_factory.mktemp("cli") / "workspace", communes=halves)


class Printed:
    """Runs the command in this process."""

    def __init__(self, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.workspace, self.capsys = workspace, capsys
        self.code, self.out, self.err = 0, "", ""

    def run(self, *arguments: object) -> Printed:
        with pytest.raises(SystemExit) as stop:
            main([*map(str, arguments)])
        printed = self.capsys.readouterr()
        self.code, self.out, self.err = int(stop.value.code or 0), printed.out, printed.err
        return self

    def derive(self, *arguments: object, millesime: object = 2022) -> Printed:
        where = ("--workspace", self.workspace, "--resolution", 1)
        return self.run("derive", "--millesime", millesime, *where, *arguments)

    def rows(self) -> dict[str, list[str]]:
        """Return the cells of the printed table by commune."""
        lines = [line for line in self.out.splitlines() if line.startswith("│")]
        cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]
        return {row[0]: row[1:] for row in cells}


@pytest.fixture
def ocsge_command(workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Printed:
    monkeypatch.setenv("COLUMNS", "200")
    return Printed(workspace, capsys)


def test_several_communes_have_a_row_each_and_files_that_exist(ocsge_command: Printed) -> None:
    printed = ocsge_command.derive("--commune", WEST, "--commune", EAST)
    assert printed.code == 0
    rows = printed.rows()
    assert list(rows) == [WEST, EAST]
    assert [row[0] for row in rows.values()] == ["Ouest", "Est"]
    assert [row[1] for row in rows.values()] == ["2.0", "2.0"]
    assert "Artificialised land (stock) at 2022" in printed.out
    assert "pas une règle de constructibilité" in printed.out
    assert "min and max: default usages only; see `ocsge rules sensitivity`." in printed.out
    version = Workspace(ocsge_command.workspace).current()
    files = re.findall(r"^  (\S+\.\w+)$", printed.out, re.MULTILINE)
    assert {f"communes/{WEST}_2022.gpkg", f"communes/{EAST}_2022_couverture.png", "stock.csv"} <= set(files)
    assert all((version / file).is_file() for file in files)


def test_a_coarse_resolution_is_flagged_preview(ocsge_command: Printed) -> None:
    printed = ocsge_command.derive("--commune", WEST)
    assert re.search(
        rf"^{WEST}: .*flags: preview, default_cover, derived_zone_construite, outside_data$", printed.out, re.MULTILINE
    )


def test_the_python_call_gives_what_the_command_gives(ocsge_command: Printed, workspace: Path) -> None:
    row = ocsge_command.derive("--commune", WEST).rows()[WEST]
    result: Derivation = ocsge.derive(communes=[WEST], millesime=2022, workspace=workspace, resolution=1)
    assert result.reused
    assert row[2:4] == [f"{result.stock['stock_ha'].iloc[0]:.1f}", f"{result.stock['part_pct'].iloc[0]:.2f}"]
    point = result.polygons().geometry.iloc[0].representative_point()
    assert ocsge.explain(workspace, commune=WEST, point=(point.x, point.y)).artif == result.polygons()["artif"].iloc[0]


def test_one_code_as_text_is_one_commune(ocsge_command: Printed, workspace: Path) -> None:
    assert ocsge_command.derive("--commune", WEST).code == 0
    result: Derivation = ocsge.derive(communes=WEST, millesime=2022, workspace=workspace, resolution=1)
    assert result.stock["commune_code"].tolist() == [WEST]


def test_the_public_functions_stay_functions_once_their_modules_are_loaded() -> None:
    # a module and its function have the same name, and Python binds a loaded module to its package
    code = (
        "import ocsge, ocsge.sensitivity, ocsge.derive\n"
        "from ocsge.derive import derive\n"
        "from ocsge import explain\n"
        "assert ocsge.derive is derive and ocsge.derive is derive\n"
        "assert callable(ocsge.sensitivity) and callable(explain) and ocsge.explain is explain\n"
        "assert ocsge.rules.load_rules is ocsge.load_rules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_repeated_command_says_that_it_reused_the_result(ocsge_command: Printed) -> None:
    first = ocsge_command.derive("--commune", EAST).rows()
    second = ocsge_command.derive("--commune", EAST)
    assert "an earlier run was reused" in second.out
    assert second.rows() == first


def test_two_jobs_print_the_same_table(ocsge_command: Printed, hamlet: Scene, halves: Path, tmp_path: Path) -> None:
    first = ocsge_command.derive("--commune", WEST).rows()
    ocsge_command.workspace = tmp_path / "jobs"
    for path in (hamlet.vectors, hamlet.rpg, halves):
        assert ocsge_command.run("catalog", "add", path, "--workspace", ocsge_command.workspace).code == 0
    spread = ocsge_command.derive("--commune", WEST, "--jobs", 2)
    assert spread.code == 0
    assert "reused" not in spread.out
    assert spread.rows() == first


def test_an_overlay_of_rules_changes_the_stock(ocsge_command: Printed, tmp_path: Path) -> None:
    usual = ocsge_command.derive("--commune", WEST).rows()[WEST]
    (tmp_path / "zone_construite.csv").write_text(
        "name,value,unit,low,high,source,confidence\nerosion_m,0,m,0,25,délibération,medium\n", encoding="utf-8"
    )
    changed = ocsge_command.derive("--commune", WEST, "--rules", tmp_path)
    assert changed.code == 0
    assert float(changed.rows()[WEST][2]) > float(usual[2])


def test_a_perimeter_limits_the_communes_it_meets(ocsge_command: Printed, hamlet: Scene, tmp_path: Path) -> None:
    xmin, ymin, *_ = hamlet.bounds
    path = tmp_path / "zac.geojson"
    # 50 m of the west, 40 m of the east, 100 m high
    box = gpd.GeoDataFrame(geometry=[shapely.box(xmin + 50, ymin, xmin + 140, ymin + 100)], crs=hamlet.epsg)
    box.to_crs(4326).to_file(path)
    printed = ocsge_command.derive("--commune", WEST, "--commune", EAST, "--perimetre", path)
    assert printed.code == 0
    assert "within zac" in printed.out
    assert {code: row[1] for code, row in printed.rows().items()} == {WEST: "0.5", EAST: "0.4"}
    assert re.search(r"perimetre=zac-[0-9a-f]{8}/stock.csv", printed.out)
    in_degrees = ocsge_command.derive("--perimetre", path)
    assert in_degrees.code == 65
    assert "must be in the territory's projected CRS" in in_degrees.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--commune", "Olemps"), 2, "INSEE code"),
        ((), 2, "--commune CODE or --perimetre FILE"),
        (("--commune", WEST, "--jobs", 0), 2, "--jobs"),
        (("--commune", WEST, "--window", 100), 2, "--window"),
        (("--commune", WEST, "--resolution", "0.3"), 2, "whole number of pixels"),
        (("--commune", WEST, "--rules", "nowhere"), 2, "nowhere"),
        (("--commune", WEST, "--cosia", "nowhere.tif"), 2, "nowhere.tif"),
        (("--commune", WEST, "--commune", "97411"), 2, "different CRS"),
        (("--commune", "32999"), 65, "32999"),
    ],
)
def test_what_cannot_be_derived_is_one_line_and_a_code(
    ocsge_command: Printed, arguments: tuple[object, ...], code: int, words: str
) -> None:
    before = Workspace(ocsge_command.workspace).current()
    printed = ocsge_command.derive(*arguments)
    assert printed.code == code
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert "internal error" not in printed.err
    assert Workspace(ocsge_command.workspace).current() == before


def test_a_wrong_year_is_refused(ocsge_command: Printed) -> None:
    assert ocsge_command.derive("--commune", WEST, millesime=22).code == 2
    assert ocsge_command.derive("--commune", WEST, millesime="soon").code == 2
    this_year = dt.datetime.now(tz=dt.UTC).year
    for year in (9999, this_year + 1):
        printed = ocsge_command.derive("--commune", WEST, millesime=year)
        assert printed.code == 2
        assert f"millésime {year}: give a year from 1900 to {this_year}" in printed.err
    assert ocsge_command.run("derive", "--commune", WEST).code == 2
    assert "--millesime" in ocsge_command.err


def test_a_raster_without_numbering_is_refused_with_the_choices(ocsge_command: Printed, hamlet: Scene) -> None:
    printed = ocsge_command.derive("--commune", WEST, "--resolution", 0.2, "--cosia", hamlet.rasters[0])
    assert printed.code == 2
    assert "cosia_vector_numero" in printed.err


def test_no_data_is_a_data_error_that_tells_how_to_add_some(ocsge_command: Printed, tmp_path: Path) -> None:
    ocsge_command.workspace = tmp_path / "empty"
    printed = ocsge_command.derive("--commune", WEST)
    assert printed.code == 65
    assert "ocsge catalog add" in printed.err


def test_the_demo_of_the_installed_command_derives_the_shipped_commune(olemps_pair: Derivation, tmp_path: Path) -> None:
    workspace = olemps_pair.version.parents[1]
    done = subprocess.run(
        [SCRIPT, "demo", "--workspace", workspace],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert "an earlier run was reused" in done.stdout
    table = pd.read_csv(Workspace(workspace).current() / "stock.csv").set_index("millesime")
    for row in olemps_pair.stock.itertuples():
        assert f"│ {row.nom} │" in done.stdout
        assert f"│ {row.stock_ha:.1f} " in done.stdout
        assert f"communes/12174_{row.millesime}.gpkg" in done.stdout
        assert row.stock_ha == pytest.approx(table["stock_ha"][row.millesime], abs=5e-5)
    (flow,) = olemps_pair.flow.itertuples()
    assert f"│ 2019–2022 │ {flow.stock_1_ha:.1f}   │ {flow.stock_2_ha:.1f}   │ {flow.gain_ha:.2f} │" in done.stdout
    assert "communes/12174_2019-2022.gpkg" in done.stdout


@pytest.mark.parametrize("registered", [False, True])
def test_shipped_layers_are_not_read_silently(
    registered: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(tmp_path, capfd)
    if registered:
        bench.deliver(batiment=buildings())
    code = CODE if registered else "12174"
    outcome = bench.derive(commune=code, millesime=2999)  # refused once the sources are known
    assert outcome.code == 2
    told = [line for line in outcome.errors if "shipped with ocsge are read (embedded/olemps.gpkg)" in line]
    assert len(told) == (0 if registered else 1)

"""The files of the page Exports are, byte for byte, those of the command line and of the version."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from several_communes import ALONE, several
from test_app_pages import opened
from village import CODE, FIRST, LAST

from app.export_files import PROFILES, geo_files, report_bytes, table_files, table_names, zipped
from app.results import Results
from ocsge.cli.report import report as report_command
from ocsge.cli.tables import export as export_command
from ocsge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation


@pytest.mark.parametrize("profile", list(PROFILES))
def test_tables_are_those_of_ocsge_export(profile: str, village_pair: Derivation, tmp_path: Path) -> None:
    workspace = village_pair.version.parents[1]
    arguments = [str(tmp_path), "--workspace", str(workspace), "--profile", profile, "--commune", CODE]
    assert CliRunner().invoke(export_command, arguments, catch_exceptions=False).exit_code == 0
    files = table_files(workspace, version=village_pair.version, profile=profile, communes=[CODE])  # type: ignore[arg-type]
    assert files == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(table_names(Results(village_pair.version), profile, communes=[CODE])) <= set(files)  # type: ignore[arg-type]


def test_the_first_profile_opens_in_a_french_spreadsheet(village_pair: Derivation) -> None:
    name = next(iter(PROFILES))
    version = village_pair.version
    content = table_files(version.parents[1], version=version, profile=name, communes=None)["stock.csv"]
    assert content.startswith(b"\xef\xbb\xbfcommune_code;nom;")


def test_the_report_is_that_of_ocsge_report(village_pair: Derivation, tmp_path: Path) -> None:
    workspace, out = village_pair.version.parents[1], tmp_path / "r.html"
    arguments = ["--commune", CODE, "--workspace", str(workspace), "--out", str(out)]
    assert CliRunner().invoke(report_command, arguments, catch_exceptions=False).exit_code == 0
    made = report_bytes(workspace, version=village_pair.version, commune=CODE, millesimes=(FIRST, LAST))
    assert made == out.read_bytes()


def test_files_are_of_the_version_that_the_page_shows(
    village_pair: Derivation, village_alone: Derivation, tmp_path: Path
) -> None:
    shown = village_pair.version
    workspace = village_alone.version.parents[1]  # what another derivation published in the meantime
    stock = table_files(workspace, version=shown, profile="machine", communes=[CODE])
    assert (
        stock["stock.csv"]
        == table_files(shown.parents[1], version=shown, profile="machine", communes=[CODE])["stock.csv"]
    )
    assert "flow.csv" in stock
    report = report_bytes(workspace, version=shown, commune=CODE, millesimes=(FIRST, LAST))
    assert f"{FIRST}–{LAST}" in report.decode()
    with pytest.raises(DataError, match="holds no stock"):
        table_files(workspace, version=tmp_path / "versions" / "gone", profile="machine", communes=[CODE])


def test_a_table_is_offered_only_where_the_commune_has_rows_of_it(tmp_path: Path) -> None:
    results = Results(several(tmp_path))
    assert "flow.csv" in table_names(results, "machine", communes=None)
    assert "flow.csv" in table_names(results, "machine", communes=["12001"])
    assert "flow.csv" not in table_names(results, "machine", communes=[ALONE])


def test_layers_and_maps_are_the_files_of_the_version(village_pair: Derivation, village_alone: Derivation) -> None:
    files = geo_files(Results(village_pair.version), CODE, millesimes=(FIRST, LAST), pair=(FIRST, LAST))
    names = [file.name for file in files]
    assert names[:2] == [f"{CODE}_{FIRST}-{LAST}.gpkg", f"{CODE}_{FIRST}-{LAST}.parquet"]
    assert {f"{CODE}_{LAST}.gpkg", f"{CODE}_{FIRST}.parquet", f"{CODE}_{LAST}_couverture.png"} <= set(names)
    assert len(names) == len(set(names)) == 11
    alone = geo_files(Results(village_alone.version), CODE, millesimes=(LAST,), pair=None)
    assert len(alone) == 4
    assert geo_files(Results(village_alone.version), "99999", millesimes=(LAST,), pair=None) == []


def test_equal_files_make_equal_archives() -> None:
    first, second = zipped({"b.csv": b"1", "a.csv": b"2"}), zipped({"a.csv": b"2", "b.csv": b"1"})
    assert first == second
    assert zipfile.ZipFile(io.BytesIO(first)).read("a.csv") == b"2"


def test_the_page_gives_a_link_with_the_commune_and_the_years(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(village_pair, monkeypatch, "exports")
    assert app.code[0].value.endswith(f"?insee={CODE}&m={FIRST}-{LAST}")


def test_the_page_offers_a_button_a_file(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(village_pair, monkeypatch, "exports")
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels[0] == "Télécharger le rapport (HTML)"
    assert {"Stock (stock.csv)", "Flux (flow.csv)", "Sources (sources.csv)"} <= set(labels)
    app.main.selectbox[0].select("xlsx").run()
    assert "Classeur (ocsge.xlsx)" in [button.proto.label for button in app.get("download_button")]

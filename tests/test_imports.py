"""``ocsge import``: files that others publish are kept whole or not at all, and read back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from several_communes import enaf_csv, portal_csv

from ocsge.cli import cli
from ocsge.csv_tables import read_text_table
from ocsge.errors import DataError, ParameterError
from ocsge.imports import FOLDER, import_file, read_import
from ocsge.portal import official_figures
from ocsge.publish import file_sha256

NATIONAL = Path(__file__).parent / "data" / "national_export" / "official_figures_communes.csv"


def membership_csv(path: Path) -> Path:
    path.write_text("commune_code;cog_year;epci_siren;epci_nom\n12001;2024;200000001;Pays d'Olt\n", encoding="utf-8")
    return path


def test_enaf_is_kept_with_the_name_and_digest_of_its_file(tmp_path: Path) -> None:
    source = enaf_csv(tmp_path / "conso.csv")
    import_file(source, tmp_path / "w", kind="enaf")
    kept = read_import(tmp_path / "w", "enaf")
    assert kept is not None
    assert (kept.file, kept.sha256) == ("conso.csv", file_sha256(source))
    assert kept.table["consumed_m2"].sum() == 10 * 20_000 + 3 * 5_000


def test_the_national_export_is_read_back_as_it_was_read(tmp_path: Path) -> None:
    import_file(NATIONAL, tmp_path, kind="portal")
    kept = read_import(tmp_path, "portal")
    assert kept is not None
    before, after = official_figures(read_text_table(NATIONAL)), official_figures(kept.table)
    pd.testing.assert_frame_equal(before.stock, after.stock)
    pd.testing.assert_frame_equal(before.flow, after.flow)


def test_a_membership_keeps_its_codes_as_text(tmp_path: Path) -> None:
    import_file(membership_csv(tmp_path / "m.csv"), tmp_path, kind="membership")
    kept = read_import(tmp_path, "membership")
    assert kept is not None
    assert kept.table.iloc[0][["commune_code", "epci_siren"]].tolist() == ["12001", "200000001"]


def test_nothing_was_imported(tmp_path: Path) -> None:
    assert read_import(tmp_path, "enaf") is None


def test_a_bad_file_is_refused_and_the_former_import_stays(tmp_path: Path) -> None:
    import_file(enaf_csv(tmp_path / "good.csv"), tmp_path, kind="enaf")
    bad = tmp_path / "bad.csv"
    bad.write_text("idcom;naf21art22\n12001;beaucoup\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"bad\.csv line 2.*is not a number"):
        import_file(bad, tmp_path, kind="enaf")
    kept = read_import(tmp_path, "enaf")
    assert kept is not None
    assert kept.file == "good.csv"


def test_a_file_without_a_commune_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("idcom;naf21art22\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no commune"):
        import_file(empty, tmp_path, kind="enaf")
    assert not (tmp_path / FOLDER).exists()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="millesimes_1"):
        import_file(enaf_csv(tmp_path / "conso.csv"), tmp_path, kind="portal")


def test_importing_anew_replaces(tmp_path: Path) -> None:
    import_file(portal_csv(tmp_path / "first.csv", "12001"), tmp_path, kind="portal")
    import_file(portal_csv(tmp_path / "second.csv", "12002"), tmp_path, kind="portal")
    kept = read_import(tmp_path, "portal")
    assert kept is not None
    assert (kept.file, kept.table["commune_code"].tolist()) == ("second.csv", ["12002"])
    assert sorted(file.name for file in (tmp_path / FOLDER).iterdir()) == ["portal.json", "portal.parquet"]


@pytest.mark.parametrize("damage", ["cut", "other", "undescribed", "nonsense"])
def test_a_table_that_is_not_what_was_imported_is_refused(tmp_path: Path, damage: str) -> None:
    import_file(enaf_csv(tmp_path / "conso.csv"), tmp_path, kind="enaf")
    table, said = tmp_path / FOLDER / "enaf.parquet", tmp_path / FOLDER / "enaf.json"
    if damage == "cut":
        table.write_bytes(table.read_bytes()[:-10])
    elif damage == "other":
        pd.DataFrame({"x": [1]}).to_parquet(table)
    elif damage == "undescribed":
        said.unlink()
    else:
        said.write_text("[1]", encoding="utf-8")
    with pytest.raises(DataError, match=r"ocsge import enaf FILE"):
        read_import(tmp_path, "enaf")


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="portal, enaf, membership"):
        read_import(tmp_path, "scot")  # type: ignore[arg-type]


def test_the_sidecar_names_no_folder(tmp_path: Path) -> None:
    import_file(enaf_csv(tmp_path / "conso.csv"), tmp_path, kind="enaf")
    said = json.loads((tmp_path / FOLDER / "enaf.json").read_text(encoding="utf-8"))
    assert said["file"] == "conso.csv"
    assert said["rows"] == 13
    assert str(tmp_path) not in json.dumps(said)


def test_the_command_keeps_each_kind_and_says_how_many_communes(tmp_path: Path) -> None:
    files = {"enaf": enaf_csv(tmp_path / "e.csv"), "portal": portal_csv(tmp_path / "p.csv")}
    files["membership"] = membership_csv(tmp_path / "m.csv")
    for kind, file in files.items():
        done = CliRunner().invoke(cli, ["import", kind, str(file), "--workspace", str(tmp_path / "w")])
        assert done.exit_code == 0, done.output
        assert done.output.startswith(f"1 commune of {file.name} kept")


def test_the_command_tells_the_identities_that_do_not_hold(tmp_path: Path) -> None:
    file = portal_csv(tmp_path / "p.csv")
    file.write_text(file.read_text(encoding="utf-8").replace(",30000,", ",40000,"), encoding="utf-8")
    done = CliRunner().invoke(cli, ["import", "portal", str(file), "--workspace", str(tmp_path / "w")])
    assert "warning: 12001: flux_surface_1_2 is 40000, 30000" in done.stderr

"""``ocsge corrections`` adds, lists, accepts, rejects, withdraws and checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import pytest
from click.testing import CliRunner, Result
from small_commune import CODE, Bench, box, buildings, write

from ocsge.cli.corrections import corrections
from ocsge.corrections import read_corrections
from ocsge.errors import CrsError, LayerError, ParameterError

if TYPE_CHECKING:
    from pathlib import Path

GROUND = box(60, 60, 140, 140)
WORDS = ("--author", "Mairie", "--reason", "visite du 2 mai")


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("ocsge.cli.derive._first_run", lambda: False)


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Bench:
    write(tmp_path / "pond.gpkg", pond=gpd.GeoDataFrame(geometry=[GROUND], crs=2154))
    return Bench(tmp_path, capfd)


def run(bench: Bench, *arguments: object) -> Result:
    command = [*map(str, arguments), "--workspace", str(bench.workspace)]
    return CliRunner().invoke(corrections, command, catch_exceptions=False)


def propose(bench: Bench, *options: str) -> Result:
    return run(bench, "add", bench.folder / "pond.gpkg", "--code-cs", "CS1.2.2", *WORDS, *options)


def test_add_proposes_and_says_how_to_accept(bench: Bench) -> None:
    shown = propose(bench, "--code-us", "US6.3", "--from", "2019", "--to", "2022").output
    assert shown == f"c0001: proposed; `ocsge corrections apply c0001 --workspace {bench.workspace}` accepts it\n"
    row = read_corrections(bench.workspace).iloc[0]
    assert (row["code_cs"], row["code_us"], row["status"]) == ("CS1.2.2", "US6.3", "proposed")
    assert (row["millesime_from"], row["millesime_to"], row.geometry.area) == (2019, 2022, 6400)


def test_list_shows_each_correction_and_filters_by_status(bench: Bench) -> None:
    propose(bench)
    propose(bench, "--from", "2019")
    run(bench, "reject", "c0002")
    every, rejected = run(bench, "list").output, run(bench, "list", "--status", "rejected").output
    for words in ("c0001", "c0002", "CS1.2.2", "every", "2019–", "6 400", "Mairie", "visite du 2 mai"):
        assert words in every
    assert "c0001" not in rejected
    assert "c0002" in rejected


def test_list_of_a_workspace_without_corrections_is_empty(bench: Bench) -> None:
    assert "Local corrections" in run(bench, "list").output


def test_check_counts_by_status_or_tells_every_fault(bench: Bench) -> None:
    propose(bench)
    propose(bench)
    run(bench, "apply", "c0002")
    shown = run(bench, "check").output
    assert "2 corrections without fault (1 proposed, 1 accepted, 0 rejected, 0 withdrawn)" in shown
    path = bench.workspace / "corrections.gpkg"
    frame = gpd.read_file(path).assign(code_cs=["CS1", "CS1.2.2"], author=["Mairie", None])
    path.unlink()
    frame.to_file(path, layer="corrections")
    with pytest.raises(LayerError, match="2 faults in 2 corrections"):
        run(bench, "check")
    outcome = bench.ocsge("corrections", "check", "--workspace", bench.workspace)
    assert outcome.code == 65
    first, second = (line.partition(" correction ")[2] for line in outcome.output.splitlines())
    assert first.startswith("c0001: code_cs 'CS1' is no leaf of the nomenclature; give one of CS1.1.1.1, CS1.1.1.2, ")
    assert second == "c0002: has no author; a correction says who and why"


def test_apply_says_what_to_derive_again_and_withdraw_too(bench: Bench) -> None:
    bench.deliver(batiment=buildings())
    assert bench.derive().code == 0
    propose(bench)
    again = f"derive again, as you did (results within 1000 m):\n  commune {CODE}, millésime 2022\n"
    assert run(bench, "apply", "c0001").output == f"c0001: accepted\n{again}"
    assert run(bench, "withdraw", "c0001").output == f"c0001: withdrawn\n{again}"


def test_apply_where_nothing_was_derived_says_so(bench: Bench) -> None:
    propose(bench)
    assert "nothing to derive again" in run(bench, "apply", "c0001").output
    propose(bench)
    assert run(bench, "reject", "c0002").output == "c0002: rejected\n"


def test_unknown_id_and_ground_in_degrees_are_refused(bench: Bench) -> None:
    with pytest.raises(ParameterError, match="no correction c0001; see `ocsge corrections list`"):
        run(bench, "apply", "c0001")
    path = bench.folder / "pond.gpkg"
    gpd.read_file(path).to_crs(4326).to_file(path, layer="pond")
    with pytest.raises(CrsError, match="areas cannot be measured"):
        propose(bench)

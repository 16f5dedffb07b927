"""What the pages keep between two runs: imports by their stamp, tables by their version, rules that decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from several_communes import enaf_csv
from streamlit.testing.v1 import AppTest
from village import CODE, FIRST, LAST

from app import readings
from app.imports import Imports
from app.results import Results
from app.ui.law import rules_at, rules_of
from ocsge.errors import DataError
from ocsge.imports import import_file
from ocsge.rules import load_rules

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[tuple[object, ...]]:
    """Return the list in which every reading of a kind is written down from now on."""
    asked: list[tuple[object, ...]] = []
    reading = getattr(Results, name)

    def noted(self: Results, *given: object, **named: object) -> object:
        """Write down what is asked, and read it."""
        asked.append((self.id, *given))
        return reading(self, *given, **named)

    monkeypatch.setattr(Results, name, noted)
    return asked


def test_a_table_is_read_once_a_version(
    village_pair: Derivation, village_still: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings._change_classes.clear()
    asked = counted(monkeypatch, "change_classes")
    moved, still = Results(village_pair.version), Results(village_still.version)
    for _ in range(3):
        assert readings.change_classes(moved, CODE, (FIRST, LAST))["change"].tolist() == ["gain"]
        assert readings.change_classes(still, CODE, (FIRST, LAST)).empty
    assert asked == [(one.id, CODE, (FIRST, LAST)) for one in (moved, still)]


def test_another_year_is_read_anew(village_pair: Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    readings._classes.clear()
    asked = counted(monkeypatch, "classes")
    results = Results(village_pair.version)
    first, last = (readings.classes(results, CODE, year) for year in (FIRST, LAST))
    assert asked == [(results.id, CODE, FIRST), (results.id, CODE, LAST)]
    assert first["polygons"].sum() < last["polygons"].sum()


def test_what_a_page_does_to_a_table_that_it_read_is_its_own(village_pair: Derivation) -> None:
    results = Results(village_pair.version)
    mine = readings.table(results, "stock", CODE)
    mine["stock_ha"] = -1.0
    assert (readings.table(results, "stock", CODE)["stock_ha"] > 0).all()


def test_the_limit_of_a_commune_is_a_square_and_that_of_another_is_not_known(village_pair: Derivation) -> None:
    results = Results(village_pair.version)
    outline = readings.outline(results, CODE)
    assert outline is not None
    corners = {tuple(point) for point in outline["coordinates"][0]}
    assert (outline["type"], len(corners)) == ("Polygon", 4)
    assert readings.outline(results, "99999") is None


def test_nothing_was_imported_into_a_new_workspace(tmp_path: Path) -> None:
    kept = Imports(tmp_path)
    assert (kept.stamp(), kept.enaf(), kept.membership(), kept.official()) == ("", None, None, None)
    assert readings.enaf(tmp_path) is None
    assert readings.official(tmp_path) is None


def test_an_import_is_read_once_and_again_when_it_is_replaced_or_damaged(tmp_path: Path) -> None:
    import_file(enaf_csv(tmp_path / "a.csv"), tmp_path, kind="enaf")
    stamp, first = Imports(tmp_path).stamp(), readings.enaf(tmp_path)
    assert first is not None
    assert first.file == "a.csv"
    assert readings.enaf(tmp_path) is first
    import_file(enaf_csv(tmp_path / "other.csv"), tmp_path, kind="enaf")
    assert Imports(tmp_path).stamp() != stamp
    second = readings.enaf(tmp_path)
    assert second is not None
    assert second.file == "other.csv"
    (tmp_path / "imports" / "enaf.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError):
        readings.enaf(tmp_path)


def test_the_rules_of_a_result_are_those_that_decided_it_or_none() -> None:
    fingerprint = load_rules().fingerprint
    assert rules_of({"rules": {"fingerprint": fingerprint}}) is rules_at()
    assert rules_of({"rules": {"fingerprint": "0" * 64}}) is None
    assert rules_of({"rules": {}}) is None
    assert rules_of({}) is None


def test_the_rules_of_a_date_are_those_that_applied_then() -> None:
    dated = rules_at("2025-01-31")
    assert dated.at.isoformat() == "2025-01-31"
    assert rules_of({"rules": {"fingerprint": dated.fingerprint, "at": "2025-01-31"}}) is dated


def test_a_command_to_copy_is_shown_as_a_text_that_the_keyboard_reaches() -> None:
    app = AppTest.from_string("from app.ui import commands; commands.show('ocsge app --workspace \"<b>&\"')").run()
    shown = app.get("html")[0].proto.body
    assert "<code>ocsge app --workspace &quot;&lt;b&gt;&amp;&quot;</code>" in shown
    assert 'tabindex="0"' in shown

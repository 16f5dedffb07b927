"""The local report every three years: ENAF, balance by decree category, sealed ground, objectives."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from ocsge.errors import DataError
from ocsge.legal_notice import COMPLIANCE
from ocsge.rules import load_rules
from ocsge.triennial_report import left_out, triennial_report
from ocsge.zan import enaf_consumption

RULES = load_rules(dt.date(2025, 6, 1))
HA = 10_000
"""Pixels of 1 m² in a hectare."""


def piece(change: str, before: str, after: str, area_ha: float, sealed: str = "") -> dict[str, object]:
    """Return a piece of the coverage: its change, decree categories, hectares, and when it is sealed (1, 2, 12)."""
    return {
        "commune_code": "12174",
        "millesime_1": 2019,
        "millesime_2": 2022,
        **{f"{name}_{state}": "" for name in ("code_cs", "code_us", "reason") for state in (1, 2)},
        "artif_1": change == "loss",
        "artif_2": change == "gain",
        "impermeable_1": "1" in sealed,
        "impermeable_2": "2" in sealed,
        "decree_category_1": before,
        "decree_category_2": after,
        "change": change,
        "area_px": int(area_ha * HA),
        "area_m2": area_ha * HA,
    }


CHANGES = pd.DataFrame(
    [
        piece("gain", "7", "1", 2.0, sealed="2"),
        piece("gain", "9-10", "4", 1.5),
        piece("loss", "3", "9-10", 0.5),
        piece("loss", "1", "7", 0.25, sealed="1"),
        piece("none", "2", "2", 10.0, sealed="12"),
        piece("none", "7", "7", 85.75),
    ]
)
"""A commune of 100 ha."""

YEARS = {f"naf{y % 100:02d}art{(y + 1) % 100:02d}": "20000" if y < 2021 else "15000" for y in range(2011, 2024)}
ENAF = enaf_consumption(pd.DataFrame([{"idcom": "12174", **YEARS}], dtype="str"))


@pytest.fixture(scope="module")
def report() -> pd.DataFrame:
    return triennial_report(ENAF, CHANGES, RULES, guaranteed=[])


def values(report: pd.DataFrame, part: str) -> dict[str, float]:
    rows = report[report["part"] == part]
    return dict(zip(rows["item"], rows["value"].round(9), strict=True))


def test_the_consumption_of_enaf_is_given_year_by_year_with_its_share(report: pd.DataFrame) -> None:
    rows = report[(report["part"] == "1_enaf") & (report["from_year"] == 2021)].set_index("item")
    assert rows["value"].to_dict() == {"consumed": 1.5, "consumed_pct": 1.5}
    assert rows["unit"].to_dict() == {"consumed": "ha", "consumed_pct": "%"}


def test_gains_count_in_their_new_category_and_losses_in_their_former_one(report: pd.DataFrame) -> None:
    found = values(report, "2_artificialisation")
    assert found["artificialised_category_1"] == 2.0
    assert found["artificialised_category_4"] == 1.5
    assert found["desartificialised_category_3"] == 0.5
    assert found["desartificialised_category_1"] == 0.25
    assert found["net_category_1"] == 1.75
    assert found["net_category_3"] == -0.5


def test_an_artificialised_category_without_change_is_zero(report: pd.DataFrame) -> None:
    found = values(report, "2_artificialisation")
    assert found["artificialised_category_2"] == found["net_category_5"] == 0.0
    assert "net_category_7" not in found


def test_the_balance_is_gain_less_loss_and_the_sum_of_its_categories(report: pd.DataFrame) -> None:
    found = values(report, "2_artificialisation")
    assert (found["artificialised"], found["desartificialised"], found["net"]) == (3.5, 0.75, 2.75)
    assert sum(value for name, value in found.items() if name.startswith("net_category")) == found["net"]


def test_the_categories_are_in_the_words_of_the_decree(report: pd.DataFrame) -> None:
    row = report[report["item"] == "artificialised_category_1"].iloc[0]
    assert row["label_fr"] == "Surfaces artificialisées, catégorie 1"
    assert "imperméabilisés en raison du bâti" in row["note"]


def test_sealed_ground_is_given_at_both_millesimes_with_what_was_gained_and_lost(report: pd.DataFrame) -> None:
    assert values(report, "3_impermeable") == {"stock_1": 10.25, "stock_2": 12.0, "gain": 2.0, "loss": 0.25}
    rows = report[report["part"] == "3_impermeable"]
    assert set(rows["to_year"]) == {2022}
    # sealed ground (1, 2), and what of it is a building site or abandoned (5): the matrix says so, not the code
    assert set(rows["note"]) == {"couvertures imperméables : catégories 1, 2, 5 du décret"}


def test_the_objectives_are_those_of_the_trajectory(report: pd.DataFrame) -> None:
    found = values(report, "4_objectifs")
    assert found["enaf_reference"] == 20.0
    assert found["enaf_allowed"] == 10.0
    assert found["enaf_consumed"] == 4.5
    assert found["enaf_projection"] == 15.0
    assert found["gap"] == 5.0
    note = report.loc[report["item"] == "gap", "note"].iloc[0]
    assert note == f"{COMPLIANCE['pace_over']} ; taux de réduction 50 %"


def test_objectives_without_data_are_null_and_say_so() -> None:
    short = ENAF[ENAF["year"] != 2015]
    row = triennial_report(short, CHANGES, RULES, guaranteed=[]).set_index("item").loc["gap"]
    assert pd.isna(row["value"])
    assert row["note"].startswith("données insuffisantes")


def test_a_commune_that_one_of_the_tables_lacks_has_no_report_and_is_named() -> None:
    other = CHANGES.assign(commune_code="12202")
    both = pd.concat([CHANGES, other])
    pd.testing.assert_frame_equal(triennial_report(ENAF, both, RULES), triennial_report(ENAF, CHANGES, RULES))
    assert left_out(ENAF, both) == ("triennial report: 1 communes are not in the ENAF file and left out: 12202",)
    assert left_out(ENAF, CHANGES) == left_out(ENAF, CHANGES.assign(commune_code="")) == ()
    many = pd.concat([CHANGES.iloc[:1].assign(commune_code=f"{12202 + n}") for n in range(12)])
    assert left_out(ENAF, many)[0].endswith("12210, 12211 and 2 more")
    for nothing in (other, CHANGES.iloc[:0]):
        with pytest.raises(DataError, match=r"no commune of the changes \((12202|none)\) is in the ENAF file"):
            triennial_report(ENAF, nothing, RULES)


def test_changes_of_two_pairs_are_refused() -> None:
    two = pd.concat([CHANGES, CHANGES.assign(millesime_1=2016, millesime_2=2019)])
    with pytest.raises(DataError, match="commune 12174 has changes of 2 pairs"):
        triennial_report(ENAF, two, RULES)

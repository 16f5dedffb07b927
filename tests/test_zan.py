"""The ZAN trajectory: consumption of ENAF in m², ten years of reference, pace × 10, net artificialisation apart."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from territory_tables_by_hand import flow_row, flows

from ocsge.errors import DataError, ParameterError
from ocsge.rules import load_rules
from ocsge.zan import enaf_consumption, trajectory

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.rules import Rules

REFERENCE = range(2011, 2021)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules(dt.date(2025, 6, 1))


def span(year: int) -> str:
    """Return Cerema's column of a calendar year: 1 January to 1 January."""
    return f"naf{year % 100:02d}art{(year + 1) % 100:02d}"


def cerema(**communes: dict[int, float | None]) -> pd.DataFrame:
    """Return a table as Cerema's, m² by year; keyword names begin with ``c``."""
    years = sorted({year for row in communes.values() for year in row})
    rows = []
    for name, areas in communes.items():
        row: dict[str, str | None] = {"idcom": name.removeprefix("c"), "idcomtxt": f"Nom {name}"}
        row |= {span(year): None if areas.get(year) is None else f"{areas[year]}" for year in years}
        rows.append(row)
    return pd.DataFrame(rows, dtype="str", index=pd.RangeIndex(2, 2 + len(rows), name="line"))


def constant(reference_m2: float, tranche_m2: float, until: int = 2023) -> dict[int, float | None]:
    """Return the same consumption each year of the reference, another each year of the tranche."""
    return {**dict.fromkeys(REFERENCE, reference_m2), **dict.fromkeys(range(2021, until + 1), tranche_m2)}


def one(cells: pd.DataFrame, rules: Rules, **options: object) -> pd.Series:
    found = trajectory(enaf_consumption(cells), rules, **options)  # type: ignore[arg-type]
    assert len(found) == 1
    return found.iloc[0]


def test_square_metres_become_hectares_and_half_of_the_reference_is_allowed(rules: Rules) -> None:
    row = one(cerema(c01004=constant(20_000, 5_000)), rules)
    assert row["commune_code"] == "01004"
    assert row["enaf_reference_ha"] == 20.0  # 10 years × 2 ha
    assert (row["reduction_pct"], row["enaf_allowed_ha"]) == (50.0, 10.0)
    assert (row["enaf_first_year"], row["enaf_last_year"]) == (2021, 2023)
    assert row["enaf_consumed_ha"] == 1.5
    assert row["enaf_remaining_ha"] == 8.5


def test_the_projection_is_the_mean_annual_pace_times_ten(rules: Rules) -> None:
    row = one(cerema(c12174=constant(20_000, 5_000)), rules)
    assert row["enaf_pace_ha_an"] == 0.5
    assert row["enaf_projection_ha"] == 5.0
    assert row["compliance"] == "within"


def test_years_outside_the_reference_do_not_count_in_it(rules: Rules) -> None:
    early = {2009: 9e9, 2010: 9e9, **constant(10_000, 0)}
    assert one(cerema(c12174=early), rules)["enaf_reference_ha"] == 10.0


def test_the_tranche_ends_with_its_last_year(rules: Rules) -> None:
    row = one(cerema(c12174=constant(20_000, 10_000, until=2032)), rules)
    assert row["enaf_last_year"] == 2030
    assert row["enaf_consumed_ha"] == row["enaf_projection_ha"] == row["enaf_allowed_ha"] == 10.0
    assert row["compliance"] == "within"  # what is allowed may be used up


@pytest.mark.parametrize(
    ("tranche_m2", "state"), [(10_000, "within"), (10_001, "pace_over"), (40_000, "over"), (0, "within")]
)
def test_compliance_compares_consumption_and_projection_with_what_is_allowed(
    rules: Rules, tranche_m2: float, state: str
) -> None:
    # 10 ha allowed; three years seen
    assert one(cerema(c12174=constant(20_000, tranche_m2)), rules)["compliance"] == state


def test_the_guarantee_of_one_hectare_holds_where_it_applies(rules: Rules) -> None:
    small = cerema(c12174=constant(1_000, 2_000))  # 1 ha consumed in ten years: 0.5 ha allowed
    assert one(small, rules, guaranteed=[])["enaf_allowed_ha"] == 0.5
    row = one(small, rules, guaranteed=["12174"])
    assert (row["guarantee_ha"], row["enaf_allowed_ha"], row["flags"]) == (1.0, 1.0, "")
    large = one(cerema(c12174=constant(20_000, 0)), rules, guaranteed=["12174"])
    assert large["enaf_allowed_ha"] == 10.0


def test_an_unknown_guarantee_is_said_and_not_assumed(rules: Rules) -> None:
    row = one(cerema(c12174=constant(1_000, 2_000)), rules)
    assert pd.isna(row["guarantee_ha"])
    assert (row["enaf_allowed_ha"], row["flags"]) == (0.5, "guarantee_unknown")


def test_no_consumption_is_zero_and_allowed_is_zero_without_guarantee(rules: Rules) -> None:
    row = one(cerema(c12174=constant(0, 0)), rules, guaranteed=[])
    assert (row["enaf_reference_ha"], row["enaf_allowed_ha"], row["enaf_consumed_ha"]) == (0.0, 0.0, 0.0)
    assert row["compliance"] == "within"


def test_a_missing_year_of_the_reference_makes_it_unknown_not_smaller(rules: Rules) -> None:
    row = one(cerema(c12174={**constant(20_000, 5_000), 2015: None}), rules, guaranteed=[])
    assert row[["enaf_reference_ha", "enaf_allowed_ha", "enaf_remaining_ha"]].isna().all()
    assert row["enaf_consumed_ha"] == 1.5
    assert pd.isna(row["compliance"])
    assert row["flags"] == "reference_incomplete"


def test_a_reference_the_file_does_not_hold_is_unknown(rules: Rules) -> None:
    short = {year: area for year, area in constant(20_000, 5_000).items() if year >= 2015}
    assert one(cerema(c12174=short), rules, guaranteed=[])["flags"] == "reference_incomplete"


def test_a_file_that_ends_before_the_tranche_has_no_consumption(rules: Rules) -> None:
    row = one(cerema(c12174=dict.fromkeys(REFERENCE, 20_000)), rules, guaranteed=[])
    assert row[["enaf_consumed_ha", "enaf_pace_ha_an", "enaf_projection_ha"]].isna().all()
    assert row["enaf_last_year"] is pd.NA
    assert (row["enaf_allowed_ha"], row["flags"]) == (10.0, "no_tranche_year")


def test_an_empty_cell_of_the_tranche_makes_that_commune_unknown_only(rules: Rules) -> None:
    cells = cerema(c12174={**constant(20_000, 5_000), 2022: None}, c12202=constant(20_000, 5_000))
    found = trajectory(enaf_consumption(cells), rules, guaranteed=[]).set_index("commune_code")
    assert found["flags"].to_dict() == {"12174": "tranche_incomplete", "12202": ""}
    assert found["enaf_consumed_ha"].isna().tolist() == [True, False]


def test_a_last_year_that_is_empty_everywhere_is_not_observed(rules: Rules) -> None:
    row = one(cerema(c12174={**constant(20_000, 5_000), 2024: None}), rules, guaranteed=[])
    assert (row["enaf_last_year"], row["enaf_consumed_ha"], row["flags"]) == (2023, 1.5, "")


def test_the_rate_of_the_territory_replaces_the_national_one(rules: Rules, tmp_path: Path) -> None:
    cells = cerema(c12174=constant(20_000, 5_000))
    assert one(cells, rules, reduction_pct=60)["enaf_allowed_ha"] == pytest.approx(8.0)
    overlay = "name,value,unit,source,confidence\nreduction_pct,54.5,%,SRADDET,high\n"
    (tmp_path / "zan.csv").write_text(overlay, encoding="utf-8")
    assert one(cells, load_rules(overlay=tmp_path))["enaf_allowed_ha"] == pytest.approx(9.1)
    with pytest.raises(ParameterError, match="rate of reduction 120"):
        one(cells, rules, reduction_pct=120)


def test_net_artificialisation_stands_apart_and_changes_nothing_of_the_enaf_regime(rules: Rules) -> None:
    cells = cerema(c12174=constant(20_000, 5_000))
    flow = flows(
        flow_row("12174", (2016, 2019), (100.0, 190.0)),
        flow_row("12174", (2019, 2022), (190.0, 196.0)),
        flow_row("12202", (2019, 2022), (1.0, 2.0)),
    )
    with_flow, without = one(cells, rules, flow=flow), one(cells, rules)
    assert (with_flow["net_millesime_1"], with_flow["net_millesime_2"]) == (2019, 2022)
    assert (with_flow["net_artificialisation_ha"], with_flow["net_artificialisation_ha_an"]) == (6.0, 2.0)
    assert (with_flow["net_source"], with_flow["net_regime_first_year"]) == ("derived", 2031)
    for name in ("enaf_reference_ha", "enaf_allowed_ha", "enaf_consumed_ha", "enaf_projection_ha", "compliance"):
        assert with_flow[name] == without[name]
    assert without[["net_artificialisation_ha", "net_source"]].isna().all()


def test_derived_and_official_flows_are_not_taken_together(rules: Rules) -> None:
    flow = flows(
        flow_row("12174", (2019, 2022), (1.0, 2.0)), flow_row("12174", (2018, 2021), (1.0, 2.0), source="official")
    )
    with pytest.raises(DataError, match="the flow is of several sources"):
        one(cerema(c12174=constant(1, 1)), rules, flow=flow)


def test_totals_and_destinations_of_the_file_are_left_out() -> None:
    cells = cerema(c12174={2011: 100}).assign(naf11art23="999", art11hab12="50", art11act12="50", EPCI24="x")
    found = enaf_consumption(cells)
    assert found[["year", "consumed_m2"]].to_numpy().tolist() == [[2011, 100]]


def test_arrondissements_are_added_into_their_commune() -> None:
    found = enaf_consumption(cerema(c69381={2011: 100}, c69382={2011: 20}, c69123={2011: 3}))
    assert found["commune_code"].tolist() == ["69123"]
    assert found["consumed_m2"].tolist() == [123.0]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (cerema(c12174={2011: 1}).drop(columns="idcom"), "no column 'idcom'"),
        (cerema(c12174={2011: 1}).drop(columns="naf11art12"), "no yearly column such as naf11art12"),
        (cerema(c12174={2011: -5}), "line 2, column 'naf11art12': -5 m² is negative"),
        (pd.concat([cerema(c12174={2011: 1})] * 2), "commune 12174 stands on several lines"),
        (cerema(c1004={2011: 1}), "leading zero is lost"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(cells: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        enaf_consumption(cells)


def test_a_guaranteed_commune_that_is_not_in_the_file_is_refused(rules: Rules) -> None:
    with pytest.raises(DataError, match="guaranteed commune 12202 is not in the table"):
        one(cerema(c12174={2011: 1}), rules, guaranteed=["12202"])


def test_the_zan_rows_say_their_article_and_from_when_they_apply(rules: Rules) -> None:
    for row in rules.tables["zan"]:
        assert row.facts.article
        assert row.facts.applies_from is not None

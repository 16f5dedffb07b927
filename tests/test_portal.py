"""Official figures of the national export: read, identities checked, set beside derived ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from territory_tables_by_hand import flow_row, flows, stock_row, stocks

from ocsge.csv_tables import read_text_table
from ocsge.errors import DataError
from ocsge.portal import OfficialFigures, beside, official_figures

EXPORT = Path(__file__).parent / "data" / "national_export" / "official_figures_communes.csv"


@pytest.fixture(scope="module")
def official() -> OfficialFigures:
    return official_figures(read_text_table(EXPORT))


def export(**changes: str | None) -> pd.DataFrame:
    """Return one commune of 1 000 ha in the columns of the national export, 100 ha then 103 ha artificialised."""
    row: dict[str, str | None] = {
        "commune_code": "01004",
        "nom": "Ambérieu-en-Bugey",
        "millesimes_1": "2018",
        "pourcent_artif_1": "10.0",
        "surface_artif_1": "1000000.0",
        "millesimes_2": "2021",
        "pourcent_artif_2": "10.3",
        "surface_artif_2": "1030000.0",
        "flux_surface_1_2": "30000.0",
        "flux_percent_1_2": "0.3",
        "commune_surface": "10000000.0",
        **changes,
    }
    return pd.DataFrame([row], dtype="str", index=pd.Index([2], name="line"))


def test_the_sixty_two_official_communes_are_read_and_keep_their_identities(official: OfficialFigures) -> None:
    assert len(official.stock) == 2 * 62
    assert len(official.flow) == 62
    assert official.broken.empty
    assert official.stock["stock_ha"].notna().all()


def test_each_official_identity_holds_on_each_of_the_sixty_two_rows() -> None:
    rows = pd.read_csv(EXPORT, dtype={"commune_code": str})
    for rank in (1, 2):
        share = 100 * rows[f"surface_artif_{rank}_m2"] / rows["commune_surface_m2"]
        assert (rows[f"pourcent_artif_{rank}"] - share).abs().max() < 1e-9
    net = rows["surface_artif_2_m2"] - rows["surface_artif_1_m2"]
    assert (rows["flux_surface_1_2_m2"] - net).abs().max() < 1e-6


def test_figures_are_in_hectares_and_codes_keep_their_zero(official: OfficialFigures) -> None:
    bourg = official.stock.set_index(["commune_code", "millesime"]).loc[("01053", 2021)]
    assert bourg["nom"] == "Bourg-en-Bresse"
    assert bourg["stock_ha"] == pytest.approx(1490.99283638)
    assert bourg["surface_ha"] == pytest.approx(2399.3998115)
    flow = official.flow.set_index("commune_code").loc["01053"]
    assert (flow["millesime_1"], flow["millesime_2"], flow["source"]) == (2018, 2021, "official")
    assert flow["net_ha"] == pytest.approx(5.97873316)
    assert flow["net_ha_an"] == pytest.approx(5.97873316 / 3)


def test_the_columns_of_the_export_are_accepted_without_units() -> None:
    figures = official_figures(export())
    assert figures.stock["stock_ha"].tolist() == [100.0, 103.0]
    assert figures.flow["net_ha"].tolist() == [3.0]
    assert figures.broken.empty


def test_three_millesimes_give_two_consecutive_pairs() -> None:
    cells = export().assign(
        millesimes_3="2024",
        pourcent_artif_3="10.2",
        surface_artif_3="1020000.0",
        flux_surface_2_3="-10000.0",
        flux_percent_2_3="-0.1",
    )
    figures = official_figures(cells)
    assert figures.flow[["millesime_1", "millesime_2", "net_ha"]].to_numpy().tolist() == [
        [2018, 2021, 3.0],
        [2021, 2024, -1.0],
    ]


def test_a_commune_without_its_second_millesime_has_a_stock_and_no_flow() -> None:
    names = ("millesimes_2", "pourcent_artif_2", "surface_artif_2", "flux_surface_1_2", "flux_percent_1_2")
    figures = official_figures(export(**dict.fromkeys(names)))
    assert figures.stock["millesime"].tolist() == [2018]
    assert figures.flow.empty
    assert figures.broken.empty


@pytest.mark.parametrize(
    ("column", "value", "identity"),
    [
        ("pourcent_artif_1", "10.5", "percent = 100 × area / commune"),
        ("flux_surface_1_2", "31000.0", "flow = second − first"),
        ("flux_percent_1_2", "-0.3", "flow = second − first"),
    ],
)
def test_a_figure_that_breaks_an_identity_is_kept_and_reported(column: str, value: str, identity: str) -> None:
    figures = official_figures(export(**{column: value}))
    assert figures.broken["column"].tolist()[-1] == column
    row = figures.broken.iloc[-1]
    assert (row["commune_code"], row["identity"], row["given"]) == ("01004", identity, float(value))
    assert len(figures.stock) == 2


def test_figures_rounded_to_few_decimals_break_no_identity() -> None:
    rounded = export(
        surface_artif_1="3791927",
        surface_artif_2="3848594",
        flux_surface_1_2="56667",
        pourcent_artif_1="48.49",
        pourcent_artif_2="49.22",
        flux_percent_1_2="0.72",
        commune_surface="7819866",
    )
    assert official_figures(rounded).broken.empty


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (export().drop(columns="commune_surface"), "no column 'commune_surface'"),
        (export().drop(columns=["millesimes_1"]), "no columns millesimes_1"),
        (export(surface_artif_1="beaucoup"), "line 2, column 'surface_artif_1': 'beaucoup' is not a number"),
        (export(millesimes_2="2018"), "commune 01004: millésime 2 is not after millésime 1"),
        (export(commune_code="1004"), "leading zero is lost"),
        (pd.concat([export(), export()]), "commune 01004 stands on several lines"),
    ],
)
def test_an_export_that_cannot_be_used_is_refused(cells: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        official_figures(cells)


def test_a_derived_stock_stands_beside_the_official_one_with_the_gap() -> None:
    figures = official_figures(export())
    derived = stocks(stock_row("01004", 2021, 110.0), stock_row("12174", 2021, 5.0))
    found = beside(derived, figures).set_index(["commune_code", "millesime"])
    both = found.loc[("01004", 2021)]
    assert (both["derived_ha"], both["official_ha"], both["gap_ha"]) == (110.0, 103.0, 7.0)
    assert both["gap_pct"] == pytest.approx(100 * 7 / 103)
    assert both["nom"] == "Ambérieu-en-Bugey"
    assert found.loc[("01004", 2018), ["derived_ha", "gap_ha"]].isna().all()
    assert found.loc[("12174", 2021), ["official_ha", "gap_ha", "gap_pct"]].isna().all()


def test_a_derived_flow_is_compared_pair_by_pair() -> None:
    figures = official_figures(export())
    derived = flows(flow_row("01004", (2018, 2021), (100.0, 101.0)), flow_row("01004", (2019, 2021), (100.0, 101.0)))
    found = beside(derived, figures)
    assert found[["millesime_1", "derived_ha"]].to_numpy().tolist() == [[2018, 1.0], [2019, 1.0]]
    assert found["gap_ha"].tolist()[0] == -2.0
    assert found["gap_ha"].isna().tolist() == [False, True]


def test_an_official_flow_of_zero_has_no_relative_gap() -> None:
    still = export(surface_artif_2="1000000.0", pourcent_artif_2="10.0", flux_surface_1_2="0", flux_percent_1_2="0")
    found = beside(flows(flow_row("01004", (2018, 2021), (100.0, 101.0))), official_figures(still)).iloc[0]
    assert found["gap_ha"] == 1.0
    assert pd.isna(found["gap_pct"])

"""Areas and dates as French readers say them."""

from __future__ import annotations

import pytest

from ocsge.french import NO_VALUE, area, day, typographic


@pytest.mark.parametrize(
    ("area_m2", "text"),
    [
        (412, "412\u202fm²"),
        (0.4, "0\u202fm²"),
        (9_999.6, "1,0\u202fha"),
        (12_345, "1,2\u202fha"),
        (1.5e7, "1\u202f500,0\u202fha"),
    ],
)
def test_an_area_is_in_square_metres_below_a_hectare(area_m2: float, text: str) -> None:
    assert area(area_m2) == text


def test_what_stands_before_a_colon_does_not_leave_it() -> None:
    assert typographic(f"Solde : {NO_VALUE}") == f"Solde\u202f: {NO_VALUE}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2023-11-28", "28/11/2023"),
        ("2026-03-01T08:30:00+00:00", "01/03/2026"),
        ("2022", "2022"),
        ("2019-2022", "2019-2022"),
        ("2022-06-15_bati.gpkg", "2022-06-15_bati.gpkg"),
        ("jour du calcul", "jour du calcul"),
        (NO_VALUE, NO_VALUE),
    ],
)
def test_a_date_is_day_month_and_year_and_nothing_else_is_touched(text: str, shown: str) -> None:
    assert day(text) == shown

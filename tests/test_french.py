"""Areas as French readers say them."""

from __future__ import annotations

import pytest

from ocsge.french import NO_VALUE, area, typographic


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

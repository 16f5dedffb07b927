"""Codes of communes and official CRS."""

from __future__ import annotations

import pytest

from ocsge.errors import CrsError, ParameterError
from ocsge.territory import (
    check_commune_code,
    check_run_epsg,
    departement_of,
    load_millesimes,
    territory_epsg,
)


@pytest.mark.parametrize("code", ["12174", "2A004", "2B033", "97411", "01004"])
def test_an_insee_code_is_returned_as_it_is(code: str) -> None:
    assert check_commune_code(code) == code


def test_a_code_is_put_in_capitals_and_loses_the_spaces_around_it() -> None:
    assert check_commune_code(" 2a004 ") == "2A004"


@pytest.mark.parametrize("code", ["1004", "123456", "2C004", "", "12174; DROP TABLE", "../12", "A2174", "１２１７４x"])
def test_a_text_that_is_no_insee_code_is_refused(code: str) -> None:
    with pytest.raises(ParameterError, match="INSEE code"):
        check_commune_code(code)


@pytest.mark.parametrize(
    ("arrondissement", "commune"),
    [
        ("75101", "75056"),
        ("75120", "75056"),
        ("69381", "69123"),
        ("69389", "69123"),
        ("13201", "13055"),
        ("13216", "13055"),
    ],
)
def test_an_arrondissement_of_paris_lyon_or_marseille_is_its_commune(arrondissement: str, commune: str) -> None:
    assert check_commune_code(arrondissement) == commune


@pytest.mark.parametrize("code", ["69380", "69390", "13200", "13217", "75121"])
def test_a_code_beside_the_arrondissements_stays(code: str) -> None:
    assert check_commune_code(code) == code


@pytest.mark.parametrize(("code", "departement"), [("12174", "12"), ("2A004", "2A"), ("97411", "974"), ("75112", "75")])
def test_the_departement_is_two_characters_and_three_overseas(code: str, departement: str) -> None:
    assert departement_of(code) == departement


@pytest.mark.parametrize(
    ("code", "epsg"),
    [
        ("12174", 2154),
        ("2A004", 2154),
        ("97101", 5490),
        ("97209", 5490),
        ("97302", 2972),
        ("97411", 2975),
        ("97611", 4471),
    ],
)
def test_each_territory_has_its_official_crs(code: str, epsg: int) -> None:
    assert territory_epsg(code) == epsg


def test_a_territory_without_ocs_ge_is_refused() -> None:
    with pytest.raises(ParameterError, match="975"):
        territory_epsg("97502")


def test_every_departement_has_two_millesimes_and_gers_and_rhone_three() -> None:
    table = load_millesimes()
    assert len(table) == 101
    assert {code for code, row in table.items() if len(row.millesimes) == 3} == {"32", "69"}
    assert all(len(row.millesimes) == 2 for code, row in table.items() if code not in {"32", "69"})


def test_the_millesimes_of_a_departement_grow() -> None:
    for row in load_millesimes().values():
        assert list(row.millesimes) == sorted(set(row.millesimes))


def test_aveyron_was_flown_in_2019_and_2022() -> None:
    assert load_millesimes()["12"].millesimes == (2019, 2022)


@pytest.mark.parametrize("epsg", [2154, 5490, 2972, 2975, 4471, 32620])
def test_a_projected_crs_in_metres_carries_areas(epsg: int) -> None:
    assert check_run_epsg(epsg) == epsg


@pytest.mark.parametrize("epsg", [4326, 4171, 3857, 3395, 2249])
def test_degrees_world_mercator_and_feet_carry_no_area(epsg: int) -> None:
    with pytest.raises(CrsError, match=str(epsg)):
        check_run_epsg(epsg)


def test_an_unknown_crs_is_refused() -> None:
    with pytest.raises(CrsError, match="not a known CRS"):
        check_run_epsg(999999)

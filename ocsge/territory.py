"""Codes of communes, and the projected CRS in which their areas are official."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pyproj import CRS
from pyproj.exceptions import CRSError as ProjError

from ocsge.errors import CatalogError, CrsError, ParameterError
from ocsge.resources import shipped_directory

if TYPE_CHECKING:
    from pathlib import Path

_COMMUNE_CODE = re.compile(r"^(\d{2}|2[AB])\d{3}$")


@dataclass(frozen=True, slots=True)
class DepartementMillesimes:
    """Millésimes of the OCS GE of a département: one row of ``data_catalog/millesimes.csv``."""

    departement: str
    """Code of the département, "12", "2A" or "971"."""

    crs_token: str
    """CRS as spelt in archive names."""

    epsg: int
    """Official projected CRS."""

    millesimes: tuple[int, ...]
    """Years of the imagery, growing."""


def _rows(name: str) -> list[dict[str, str]]:
    path: Path = shipped_directory("data_catalog") / name
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@lru_cache(maxsize=1)
def load_millesimes() -> dict[str, DepartementMillesimes]:
    """Return the millésimes of the OCS GE by département code.

    Raises
    ------
    CatalogError
        When a row of ``millesimes.csv`` cannot be read, naming its line.
    """
    table = {}
    for line, row in enumerate(_rows("millesimes.csv"), start=2):
        try:
            table[row["departement"]] = DepartementMillesimes(
                departement=row["departement"],
                crs_token=row["crs_token"],
                epsg=int(row["epsg"]),
                millesimes=tuple(int(year) for year in row["millesimes"].split()),
            )
        except (KeyError, ValueError) as error:
            raise CatalogError(f"millesimes.csv line {line}: {error}; correct the row") from error
    return table


@lru_cache(maxsize=1)
def _arrondissements() -> tuple[tuple[str, str, str], ...]:
    return tuple((row["first_code"], row["last_code"], row["commune_code"]) for row in _rows("arrondissements.csv"))


def check_commune_code(code: str) -> str:
    """Return an INSEE code of commune in capitals, without spaces; arrondissements give their commune.

    The code is not looked up in the list of communes, which changes every year and comes from ADMIN EXPRESS.

    Parameters
    ----------
    code
        Five characters: "12174", "2A004"; "75112" gives "75056".

    Raises
    ------
    ParameterError
        When the text is not an INSEE code.

    Examples
    --------
    >>> check_commune_code("12174"), check_commune_code("69385")
    ('12174', '69123')
    """
    text = str(code).strip().upper()
    if not _COMMUNE_CODE.match(text):
        raise ParameterError(f"commune code {code!r}: an INSEE code has five characters, such as 12174 or 2A004")
    for first, last, commune_code in _arrondissements():
        if first <= text <= last:
            return commune_code
    return text


def codes_in_files(commune_code: str) -> tuple[str, ...]:
    """Return the codes under which files hold a commune: its own, then those of its arrondissements.

    Examples
    --------
    >>> codes_in_files("12174"), codes_in_files("69123")[:3]
    (('12174',), ('69123', '69381', '69382'))
    """
    code = check_commune_code(commune_code)
    parts = [
        str(number).zfill(5)
        for first, last, whole in _arrondissements()
        if whole == code
        for number in range(int(first), int(last) + 1)
    ]
    return (code, *parts)


def departement_of(commune_code: str) -> str:
    """Return the département code of a commune: "12" for "12174", "974" for "97411".

    Raises
    ------
    ParameterError
        When the text is not an INSEE code.
    """
    code = check_commune_code(commune_code)
    return code[:3] if code.startswith("97") else code[:2]


def territory_epsg(commune_code: str) -> int:
    """Return the EPSG code of the projected CRS in which a commune's areas are official.

    Raises
    ------
    ParameterError
        When the text is not an INSEE code, or no OCS GE exists for its territory.

    Examples
    --------
    >>> territory_epsg("12174"), territory_epsg("97411")
    (2154, 2975)
    """
    departement = departement_of(commune_code)
    row = load_millesimes().get(departement)
    if row is None:
        raise ParameterError(
            f"commune {commune_code}: unknown INSEE code, there is no département {departement} with an OCS GE; "
            "data_catalog/millesimes.csv lists them"
        )
    return row.epsg


@lru_cache(maxsize=32)
def check_run_epsg(epsg: int) -> int:
    """Return ``epsg`` when areas may be measured in it.

    Degrees give no area, and EPSG:3857 doubles them at the latitude of France: both are refused. Layers in
    another CRS are reprojected into the run's before anything is measured.

    Raises
    ------
    CrsError
        When the CRS is unknown, geographic, not in metres, or a Mercator of the whole world.
    """
    try:
        crs = CRS.from_epsg(epsg)
    except ProjError as error:
        raise CrsError(f"EPSG:{epsg} is not a known CRS; give a projected one such as 2154") from error
    operation = crs.coordinate_operation.method_name if crs.coordinate_operation else ""
    world_mercator = "Mercator" in operation and "Transverse" not in operation
    if not crs.is_projected or world_mercator or any(axis.unit_name != "metre" for axis in crs.axis_info):
        raise CrsError(f"EPSG:{epsg} ({crs.name}): areas cannot be measured in it; use the official CRS, such as 2154")
    return epsg

"""Read what the name of a delivery says: product, format, CRS, département, millésimes, edition.

The patterns are those of the catalogue (``archive_names`` of a product); nothing of them is in the code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ocsge.catalog_schema import Catalog, load_catalog
from ocsge.territory import load_millesimes

if TYPE_CHECKING:
    from pathlib import Path

_PLACEHOLDERS = {
    "format": r"(?P<format>[A-Z]+)",
    "crs_token": r"(?P<crs_token>[A-Z0-9]+)",
    # 01, 001, 02A, 971 and 0971 are all met, whatever the pattern announces
    "dep": r"(?P<departement>\d{2,4}|0{0,2}2[AB])",
    "dep3": r"(?P<departement>\d{2,4}|0{0,2}2[AB])",
    "yyyy": r"(?P<year>(?:19|20)\d{2})",
    "y1": r"(?P<y1>(?:19|20)\d{2})",
    "y2": r"(?P<y2>(?:19|20)\d{2})",
    "edition": r"(?P<edition>(?:19|20)\d{2}(?:-\d{2}){0,2})",
}
_ANYTHING = r"[A-Z0-9-]+?"
"""A placeholder that tells nothing of what is read: a revision, a territory, a month."""

_FORMAT_IN_NAME = re.compile(r"_(GPKG|SHP)_")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the name of an archive or of its folder says."""

    products: tuple[str, ...]
    """Products of the catalogue delivered under such names; occupation and zone construite share theirs."""

    departement: str | None
    """Code of the département: "32", "2A", "971"; null for a product delivered by other territories."""

    millesimes: tuple[int, ...]
    """Year described, or the two years compared, in the order of the name."""

    format: str | None
    """``GPKG`` or ``SHP``; null when the name does not say it."""

    crs_token: str | None
    """CRS as the name spells it, ``LAMB93`` for instance; null when it does not."""

    epsg: int | None
    """EPSG code of that CRS; null when the token is not known."""

    edition: str | None
    """Date of the edition (ISO); null when the name has none."""


def delivery_of(name: str, *, catalog: Catalog | None = None) -> Delivery | None:
    """Return what the name of a delivery says, or null when it is no name of the catalogue.

    Parameters
    ----------
    name
        Name of an archive or of a folder, with or without its extension; compared without case.
    catalog
        Catalogue; the shipped one when null.

    Examples
    --------
    >>> found = delivery_of("OCS-GE_2-0__GPKG_RGAF09UTM20_D0971_2022-01-01.7z")
    >>> found.departement, found.millesimes, found.epsg
    ('971', (2022,), 5490)
    """
    stem = re.sub(r"\.(?:7z|zip)(?:\.\d{3})?$", "", name.strip(), flags=re.IGNORECASE).upper()
    found = [
        (product, match)
        for product, patterns in _patterns(catalog or load_catalog())
        for pattern in patterns
        if (match := pattern.fullmatch(stem))
    ]
    if not found:
        return None
    parts = found[0][1].groupdict()
    years = (parts["year"],) if parts.get("year") else (parts.get("y1"), parts.get("y2"))
    token = parts.get("crs_token")
    written_in = parts.get("format") or next(iter(_FORMAT_IN_NAME.findall(stem)), None)
    return Delivery(
        products=tuple(dict.fromkeys(product for product, _ in found)),
        departement=_departement(parts["departement"]) if parts.get("departement") else None,
        millesimes=tuple(int(year) for year in years if year),
        format=written_in,
        crs_token=token,
        epsg=None if token is None else _epsg_by_token().get(token),
        edition=parts.get("edition"),
    )


def delivery_of_path(path: Path, *, catalog: Catalog | None = None) -> Delivery | None:
    """Return what the name of a file, or the nearest of its folders that is one of a delivery, says."""
    for name in (path.name, path.stem, *(parent.name for parent in path.parents)):
        if found := delivery_of(name, catalog=catalog):
            return found
    return None


def _departement(text: str) -> str:
    """Return the code of a département: two characters, or three overseas."""
    return text.lstrip("0").rjust(2, "0")


@lru_cache(maxsize=4)
def _patterns_of(names: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]:
    return tuple((product, tuple(map(_compiled, templates))) for product, templates in names)


def _patterns(catalog: Catalog) -> tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]:
    named = tuple((product.product, product.archive_names) for product in catalog.products)
    return _patterns_of(tuple(entry for entry in named if entry[1]))


def _compiled(template: str) -> re.Pattern[str]:
    """Return the regular expression of a template such as ``OCS-GE_2-0__{format}_{crs_token}_D{dep3}_{yyyy}-01-01``."""
    parts = re.split(r"\{(\w+)\}", template)
    fixed, holes = parts[::2], parts[1::2]
    pattern = "".join(
        re.escape(text.upper()) + (_PLACEHOLDERS.get(hole, _ANYTHING) if hole else "")
        for text, hole in zip(fixed, [*holes, ""], strict=True)
    )
    return re.compile(pattern)


@lru_cache(maxsize=1)
def _epsg_by_token() -> dict[str, int]:
    return {row.crs_token: row.epsg for row in load_millesimes().values()}

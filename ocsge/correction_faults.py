"""What is wrong with local corrections: codes, terms, ground, one line each that says where and what to do."""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import shapely

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import geopandas as gpd

    from ocsge.rules import Rules

Status = Literal["proposed", "accepted", "rejected", "withdrawn"]
STATUSES: tuple[Status, ...] = ("proposed", "accepted", "rejected", "withdrawn")
"""What became of a correction; only ``accepted`` ones are applied."""


def faults(corrections: gpd.GeoDataFrame, rules: Rules, *, where: str) -> tuple[str, ...]:
    """Return what is wrong with corrections, one line each: file, correction, what to do.

    Parameters
    ----------
    corrections
        As ``corrections.read_corrections`` returns them.
    rules
        Give the leaves of the nomenclature.
    where
        File and layer, for the messages.
    """
    repeated = set(corrections["id"][corrections["id"].duplicated() & corrections["id"].notna()])
    found = []
    for number, row in zip(corrections.index + 1, corrections.to_dict("records"), strict=True):
        name = f"correction {row['id']}" if row["id"] else f"feature {number}"
        told = [*_of_codes(row, rules), *_of_terms(row), *faults_of_ground(row["geometry"])]
        if row["id"] is None:
            told.append("has no id; give it one")
        elif row["id"] in repeated:
            told.append("shares its id with another; give each its own")
        found += [f"{where} {name}: {text}" for text in told]
    return tuple(found)


def _of_codes(row: Mapping[str, Any], rules: Rules) -> Iterator[str]:
    given = {"code_cs": rules.couverture_codes, "code_us": rules.usage_codes}
    if all(row[column] is None for column in given):
        yield "gives neither code_cs nor code_us; give one"
    for column, leaves in given.items():
        code = row[column]
        if code is not None and code not in leaves:
            below = [leaf for leaf in leaves if leaf.startswith(f"{code}.")]
            yield f"{column} {code!r} is no leaf of the nomenclature; give one of {', '.join(below or leaves)}"


def _of_terms(row: Mapping[str, Any]) -> Iterator[str]:
    for column in ("author", "reason"):
        if row[column] is None:
            yield f"has no {column}; a correction says who and why"
    if row["status"] not in STATUSES:
        yield f"status {row['status']!r} is not known; give one of {', '.join(STATUSES)}"
    try:
        date.fromisoformat(row["date"] or "")
    except ValueError:
        yield f"date {row['date']!r} is no day; write it YYYY-MM-DD"
    first, last = row["millesime_from"], row["millesime_to"]
    if any(not math.isnan(year) and year != int(year) for year in (first, last)):
        yield f"millesime_from {first} or millesime_to {last} is no year; give whole numbers"
    elif first > last:
        yield f"holds from {first:.0f} to {last:.0f}; give the years in order"


def faults_of_ground(geometry: Any) -> Iterator[str]:
    """Yield why a geometry is no ground of a correction: none, no polygon, not valid."""
    if geometry is None or shapely.is_empty(geometry):
        yield "has no ground; draw its polygon"
    elif geometry.geom_type not in {"Polygon", "MultiPolygon"}:
        yield f"is a {geometry.geom_type}; draw a polygon"
    elif not shapely.is_valid(geometry):
        yield f"its polygon is not valid ({shapely.is_valid_reason(geometry)}); draw it again"

"""Tables of territories: which commune belongs to what, how communes moved, and what sums look like."""

from __future__ import annotations

from types import MappingProxyType

from ocsge.tables import FLOW, STOCK, Column, Schema

LEVELS = MappingProxyType(
    {
        "commune": "commune_code",
        "epci": "epci_siren",
        "scot": "scot_code",
        "canton": "canton_code",
        "arrondissement": "arrondissement_code",
        "departement": "departement_code",
        "region": "region_code",
    }
)
"""Column of the membership that holds the territory of each level."""

_CODE = Column("text")
_TEXT = Column("text", nullable=True, optional=True)
_NAME = Column("text", nullable=True)
_COUNT = Column("int64", "communes")
_HECTARES = Column("float64", "ha", nullable=True)
_PACE = Column("float64", "ha a year", nullable=True)
_PERCENT = Column("float64", "%", nullable=True)
_YEAR = Column("int64", "year", nullable=True)

MEMBERSHIP = Schema(
    "MEMBERSHIP",
    MappingProxyType(
        {
            "commune_code": _CODE,
            "cog_year": _YEAR,
            "surface_ha": Column("float64", "ha", nullable=True, optional=True),
            "nom": _TEXT,
            **{column: _TEXT for level, column in LEVELS.items() if level != "commune"},
            **{f"{level}_nom": _TEXT for level in LEVELS if level != "commune"},
        }
    ),
)
"""One row a commune of one COG: the territory of each level it belongs to; null when it belongs to none.
``surface_ha`` is the extent of the commune, which says what a commune without data leaves uncovered."""

MOVEMENTS = Schema(
    "MOVEMENTS",
    MappingProxyType(
        {
            "cog_year": Column("int64", "year"),
            "commune_before": _CODE,
            "commune_after": _CODE,
            "share": Column("float64", "share of the former commune, 0–1", nullable=True, optional=True),
            "nom_after": _TEXT,
        }
    ),
)
"""One row a former commune and a commune it went to: ``cog_year`` is the first COG with the new code. Several rows of
one ``commune_after`` are a merge; several of one ``commune_before`` a split, whose figures follow ``share`` and are
null without it."""

_SUMMARY = {
    "level": _CODE,
    "territory_code": _CODE,
    "territory_nom": _NAME,
    "cog_year": _YEAR,
    "source": _CODE,
    "millesimes": _CODE,
    "communes": _COUNT,
    "communes_with_data": _COUNT,
    "population": Column("int64", "inhabitants", nullable=True),
    "surface_ha": _HECTARES,
    "measured_ha": _HECTARES,
}
_QUALITY = {
    "coverage_pct": _PERCENT,
    "coverage_status": _CODE,
    "model": _CODE,
    "rules_version": _CODE,
    "flags": _CODE,
}
_NOT_SUMMED = frozenset({"surface_ha", "outline_ha", "stock_adjusted_ha", "ci95_ha", "ci95_2_ha"})
"""Extents, and intervals: the errors of communes under one model are not independent, so intervals do not add."""


def summed_columns(schema: Schema) -> tuple[str, ...]:
    """Return the columns of ``STOCK`` or ``FLOW`` that add over communes: areas in hectares."""
    return tuple(name for name in schema.columns if name.endswith("_ha") and name not in _NOT_SUMMED)


TERRITORY_STOCK = Schema(
    "TERRITORY_STOCK",
    MappingProxyType(
        {
            **_SUMMARY,
            "millesime": Column("int64", "year"),
            **dict.fromkeys(summed_columns(STOCK), _HECTARES),
            "part_pct": _PERCENT,
            "usage_default_pct": _PERCENT,
            **_QUALITY,
        }
    ),
)
"""One row a territory, source and millésime."""

TERRITORY_FLOW = Schema(
    "TERRITORY_FLOW",
    MappingProxyType(
        {
            **_SUMMARY,
            "millesime_1": _YEAR,
            "millesime_2": _YEAR,
            **dict.fromkeys(summed_columns(FLOW), _HECTARES),
            "part_1_pct": _PERCENT,
            "part_2_pct": _PERCENT,
            "usage_default_pct": _PERCENT,
            "gain_ha_an": _PACE,
            "loss_ha_an": _PACE,
            "net_ha_an": _PACE,
            **_QUALITY,
        }
    ),
)
"""One row a territory, source and pair of millésimes; where the communes' last pairs differ, one row more, without
millésimes, that holds paces only (flag ``mixed_millesimes``)."""

"""Derive OCS GE and measure artificialisation, commune by commune, offline.

>>> import ocsge
>>> result = ocsge.derive(communes=["12174"], millesime=2022, workspace="demo")  # doctest: +SKIP
>>> result.stock[["commune_code", "stock_ha", "part_pct"]]  # doctest: +SKIP
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocsge.derivation import Derivation
    from ocsge.derive import derive
    from ocsge.explain import Explanation, explain
    from ocsge.measure_raster import MeasuredRaster, measure_raster
    from ocsge.rules import Rules, load_rules
    from ocsge.sensitivity import sensitivity
    from ocsge.sql import open_views
    from ocsge.table_exports import export_tables
    from ocsge.workspace_tables import read_table

__version__ = "0.1.0"
__all__ = [
    "Derivation",
    "Explanation",
    "MeasuredRaster",
    "Rules",
    "derive",
    "explain",
    "export_tables",
    "load_rules",
    "measure_raster",
    "open_views",
    "read_table",
    "sensitivity",
]

_HOMES = {
    "Derivation": "ocsge.derivation",
    "derive": "ocsge.derive",
    "Explanation": "ocsge.explain",
    "explain": "ocsge.explain",
    "MeasuredRaster": "ocsge.measure_raster",
    "measure_raster": "ocsge.measure_raster",
    "export_tables": "ocsge.table_exports",
    "open_views": "ocsge.sql",
    "read_table": "ocsge.workspace_tables",
    "Rules": "ocsge.rules",
    "load_rules": "ocsge.rules",
    "sensitivity": "ocsge.sensitivity",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that ``import ocsge`` stays instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ocsge' has no attribute {name!r}")
    import importlib  # noqa: PLC0415

    return getattr(importlib.import_module(_HOMES[name]), name)


class _Package(ModuleType):
    """The package: ``ocsge.derive`` stays the function once the module of the same name is loaded."""

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and _HOMES.get(name) == value.__name__:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

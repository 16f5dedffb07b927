"""Derive OCS GE and measure artificialisation, commune by commune, offline.

>>> import ocsge  # doctest: +SKIP
>>> result = ocsge.derive(communes=["12174"], millesime=2022, workspace="olemps")  # doctest: +SKIP
>>> result.stock[["commune_code", "stock_ha", "part_pct"]]  # doctest: +SKIP
"""

__version__ = "0.1.0"

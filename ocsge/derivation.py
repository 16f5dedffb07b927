"""What a derivation found, read from the version of the workspace that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd

from ocsge.errors import DataError
from ocsge.publication import published_key, published_warnings
from ocsge.version_layout import PART, pair_partition_of, partition_of, results_root, stem_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ocsge.domain import Domain
    from ocsge.store import Workspace


@dataclass(frozen=True, slots=True)
class Derivation:
    """What a derivation found, and where it is kept."""

    version: Path
    """Folder of the workspace's version that holds the results."""

    stock: pd.DataFrame
    """Table ``STOCK``: one row a commune, hectares."""

    stock_long: pd.DataFrame
    """Table ``STOCK_LONG``: areas by cover, usage, category, rule and reason, hectares."""

    reused: bool
    """Whether the workspace already held this very result."""

    commune_codes: tuple[str, ...]
    """Communes of the territory; "" for the part of a perimeter that lies in no known commune."""

    millesimes: tuple[int, ...]
    """Years described, the earliest first."""

    perimetre: str | None
    """Name of the perimeter (file and digest of its ground), null for whole communes."""

    flow: pd.DataFrame | None = None
    """Table ``FLOW``: one row a commune and pair of consecutive millésimes, hectares; None with one millésime."""

    change_matrix: pd.DataFrame | None = None
    """Table ``CHANGE_MATRIX``: transitions by cover, usage and category, hectares; None with one millésime."""

    warnings: tuple[str, ...] = ()
    """What a reader of the result must know of its data, one line each."""

    @property
    def millesime(self) -> int:
        """Last year described."""
        return self.millesimes[-1]

    def polygons(self, millesime: int | None = None) -> gpd.GeoDataFrame:
        """Read the polygons of the territory at a millésime, the last one when null.

        Columns ``id``, ``millesime`` and those of table ``ARTIFICIALISED``; CRS of the run.

        Raises
        ------
        DataError
            When the result has no polygon of that year.
        """
        year = self.millesime if millesime is None else millesime
        folders = [partition_of(code, year, perimetre=self.perimetre, kind="polygons") for code in self.commune_codes]
        return self._read(folders, f"polygon at {year}")

    def changes(self, millesimes: tuple[int, int] | None = None) -> gpd.GeoDataFrame:
        """Read the coverage of a pair of consecutive millésimes, table ``CHANGES``; the last pair when null.

        Raises
        ------
        DataError
            When the result has no such pair.
        """
        pairs = list(pairwise(self.millesimes))
        pair = (pairs[-1] if pairs else None) if millesimes is None else millesimes
        if pair not in pairs:
            raise DataError(f"{self.version}: no change of {pair or 'one millésime'}; derive two millésimes together")
        folders = [
            pair_partition_of(code, pair, perimetre=self.perimetre, kind="changes") for code in self.commune_codes
        ]
        return self._read(folders, f"change of {pair[0]}–{pair[1]}")

    def _read(self, folders: Sequence[Path], what: str) -> gpd.GeoDataFrame:
        paths = [self.version / folder / PART for folder in folders]
        parts = [gpd.read_parquet(path) for path in paths if path.is_file()]
        if not parts:
            raise DataError(f"{self.version}: no {what} of {', '.join(self.commune_codes)}")
        return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=parts[0].crs)

    def files(self) -> list[Path]:
        """Return the files that describe the territory: GeoPackages, maps, tables."""
        root = self.version / results_root(self.perimetre)
        whens = [*map(str, self.millesimes), *(f"{first}-{second}" for first, second in pairwise(self.millesimes))]
        stems = [f"{stem_of(code, when)}{end}" for code in self.commune_codes for when in whens for end in "._"]
        named = [path for path in sorted((root / "communes").glob("*")) if path.name.startswith(tuple(stems))]
        tables = ["stock.csv", "stock_excel.csv", "stock_long.csv"]
        if self.flow is not None:
            tables += ["flow.csv", "flow_excel.csv", "change_matrix.csv"]
        return [*named, *(root / name for name in tables)]


def is_published(store: Workspace, domain: Domain, millesimes: Sequence[int], key: str) -> bool:
    """Return whether the current version holds the result of a key, whole, at every millésime."""
    version = store.current()
    if version is None:
        return False
    codes = _published_codes(domain, version, millesimes)
    keys = {
        published_key(version, code, millesime, perimetre=domain.perimetre)
        for code in codes
        for millesime in millesimes
    }
    return keys == {key} and not store.verify(version)


def read_derivation(version: Path, domain: Domain, millesimes: Sequence[int], *, reused: bool) -> Derivation:
    """Return the published result of a domain at its millésimes."""
    codes = _published_codes(domain, version, millesimes)
    pairs = list(pairwise(millesimes))
    states = [
        partition_of(code, millesime, perimetre=domain.perimetre, kind="tables")
        for millesime in millesimes
        for code in codes
    ]
    crossings = [
        pair_partition_of(code, pair, perimetre=domain.perimetre, kind="tables") for pair in pairs for code in codes
    ]

    def table(name: str, folders: Sequence[Path]) -> pd.DataFrame:
        """Read a table of every partition."""
        paths = [version / folder / f"{name}.parquet" for folder in folders]
        return pd.concat([pd.read_parquet(path, partitioning=None) for path in paths], ignore_index=True)

    warnings = [
        text
        for millesime in millesimes
        for text in published_warnings(version, codes, millesime, perimetre=domain.perimetre)
    ]
    return Derivation(
        version=version,
        stock=table("stock", states),
        stock_long=table("stock_long", states),
        reused=reused,
        commune_codes=codes,
        millesimes=tuple(millesimes),
        perimetre=domain.perimetre,
        flow=table("flow", crossings) if pairs else None,
        change_matrix=table("change_matrix", crossings) if pairs else None,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _published_codes(domain: Domain, version: Path, millesimes: Sequence[int]) -> tuple[str, ...]:
    """Return the codes a version has partitions for: the communes, and "" for ground in no known commune."""
    inside = {code for code, ours in zip(domain.unit_codes, domain.in_territory, strict=True) if ours and code}
    inside.update(domain.communes["commune_code"])
    if published_key(version, "", millesimes[-1], perimetre=domain.perimetre) is not None:
        inside.add("")
    return tuple(sorted(inside))

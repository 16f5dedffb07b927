"""What a derivation found, read from the version of the workspace that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd

from ocsge.errors import DataError
from ocsge.publication import partition_of, published_key, published_warnings, stem_of

if TYPE_CHECKING:
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

    millesime: int
    """Year described."""

    perimetre: str | None
    """Name of the perimeter (file and digest of its ground), null for whole communes."""

    warnings: tuple[str, ...] = ()
    """What a reader of the result must know of its data, one line each."""

    def polygons(self) -> gpd.GeoDataFrame:
        """Read the polygons of the territory: ``id``, ``millesime`` and table ``ARTIFICIALISED``, CRS of the run."""
        parts = [
            gpd.read_parquet(path)
            for code in self.commune_codes
            if (path := self.version / self._partition(code, "polygons") / "part.parquet").is_file()
        ]
        if not parts:
            raise DataError(f"{self.version}: no polygon of {', '.join(self.commune_codes)} at {self.millesime}")
        return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=parts[0].crs)

    def files(self) -> list[Path]:
        """Return the files that describe the territory: GeoPackages, maps, tables."""
        root = self.version if self.perimetre is None else self.version / f"perimetre={self.perimetre}"
        stems = tuple(stem_of(code, self.millesime) for code in self.commune_codes)
        named = [path for path in sorted((root / "communes").glob("*")) if path.name.startswith(stems)]
        return [*named, root / "stock.csv", root / "stock_excel.csv", root / "stock_long.csv"]

    def _partition(self, code: str, kind: str) -> Path:
        return partition_of(code, self.millesime, perimetre=self.perimetre, kind=kind)


def find_published(store: Workspace, domain: Domain, millesime: int, key: str) -> Derivation | None:
    """Return the result of an earlier run of the same key, when the current version holds it whole."""
    version = store.current()
    if version is None:
        return None
    codes = _published_codes(domain, version, millesime)
    if not codes or any(published_key(version, code, millesime, perimetre=domain.perimetre) != key for code in codes):
        return None
    if store.verify(version):
        return None
    return read_derivation(version, domain, millesime, reused=True)


def read_derivation(version: Path, domain: Domain, millesime: int, *, reused: bool) -> Derivation:
    """Return the published result of a domain at a millésime."""
    codes = _published_codes(domain, version, millesime)

    def table(name: str) -> pd.DataFrame:
        folders = [version / partition_of(code, millesime, perimetre=domain.perimetre, kind="tables") for code in codes]
        parts = [pd.read_parquet(folder / f"{name}.parquet", partitioning=None) for folder in folders]
        return pd.concat(parts, ignore_index=True)

    return Derivation(
        version=version,
        stock=table("stock"),
        stock_long=table("stock_long"),
        reused=reused,
        commune_codes=codes,
        millesime=millesime,
        perimetre=domain.perimetre,
        warnings=published_warnings(version, codes, millesime, perimetre=domain.perimetre),
    )


def _published_codes(domain: Domain, version: Path, millesime: int) -> tuple[str, ...]:
    """Return the codes a version has partitions for: the communes, and "" for ground in no known commune."""
    inside = {code for code, ours in zip(domain.unit_codes, domain.in_territory, strict=True) if ours and code}
    inside.update(domain.communes["commune_code"])
    if published_key(version, "", millesime, perimetre=domain.perimetre) is not None:
        inside.add("")
    return tuple(sorted(inside))

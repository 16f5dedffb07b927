"""Make the files of the page Exports: the very bytes of ``ocsge export``, ``ocsge report`` and the version.

Nothing is made before it is asked for, and what is heavy (geopandas, XlsxWriter) is imported then.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ocsge.version_layout import PART, pair_partition_of, partition_of, stem_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from app.results import Results
    from ocsge.table_exports import Profile

PROFILES: Mapping[Profile, str] = {
    "excel-fr": "CSV pour tableur français",
    "machine": "CSV pour programmes",
    "portal": "CSV du portail national",
    "xlsx": "Classeur Excel (XLSX)",
}
"""Formats of the tables, the usual one first."""
_LABELS = {
    "stock": "Stock",
    "flow": "Flux",
    "stock_long": "Stock par code",
    "change_matrix": "Transitions",
    "sources": "Sources",
    "portal": "Portail",
    "ocsge": "Classeur",
}
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""Equal files give equal archives."""


@dataclass(frozen=True, slots=True)
class GeoFile:
    """A file of the version about a commune."""

    label: str
    """What it holds, in French."""

    path: Path
    """Where it lies."""

    name: str
    """Name it is downloaded under."""

    mime: str
    """Its media type."""


def table_files(
    workspace: Path, *, version: Path, profile: Profile, communes: Sequence[str] | None
) -> dict[str, bytes]:
    """Return the files of ``ocsge export`` by name, of one version: of some communes, or of every commune.

    Raises
    ------
    DataError
        When the version holds no stock of these communes, or is no longer there.
    """
    from ocsge.table_exports import export_tables  # noqa: PLC0415  (geopandas: only when a file is asked for)

    with TemporaryDirectory() as folder:
        paths = export_tables(workspace, folder, profile=profile, communes=communes, version=version)
        return {path.name: path.read_bytes() for path in paths}


def table_names(results: Results, profile: Profile, *, communes: Sequence[str] | None) -> list[str]:
    """Return the names of the tables that a profile writes of these communes, schemas left out."""
    if profile == "xlsx":
        return ["ocsge.xlsx"]
    known = [name for name in ("stock", "flow", "stock_long", "change_matrix") if results.has(name)]
    held = known if communes is None else [name for name in known if len(results.table(name, communes=communes))]
    return ["portal.csv", "sources.csv"] if profile == "portal" else [*(f"{name}.csv" for name in held), "sources.csv"]


def table_label(name: str) -> str:
    """Return what a file of tables is called for who does not know its name."""
    known = _LABELS.get(name.rpartition(".")[0])
    return f"{known} ({name})" if known else name


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return files as one archive; equal files give equal bytes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(files):
            target.writestr(zipfile.ZipInfo(name, _ZIP_DATE), files[name], zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def report_bytes(workspace: Path, *, version: Path, commune: str, millesimes: tuple[int, ...]) -> bytes:
    """Return the printable report of a commune as ``ocsge report`` writes it, of one version."""
    from ocsge.report import local_report  # noqa: PLC0415  (only when it is asked for)

    return local_report(workspace, commune=commune, millesimes=millesimes, version=version).encode("utf-8")


def geo_files(
    results: Results, commune: str, *, millesimes: Sequence[int], pair: tuple[int, int] | None
) -> list[GeoFile]:
    """Return the maps and layers of a commune that the version holds, the latest year first."""
    folder, found = results.version / "communes", []
    gpkg, parquet = "application/geopackage+sqlite3", "application/vnd.apache.parquet"
    if pair is not None:
        when = f"{pair[0]}-{pair[1]}"
        part = results.version / pair_partition_of(commune, pair, perimetre=None, kind="changes") / PART
        stem = stem_of(commune, when)
        found += [
            GeoFile(f"Changements {when}, GeoPackage", folder / f"{stem}.gpkg", f"{stem}.gpkg", gpkg),
            GeoFile(f"Changements {when}, GeoParquet", part, f"{stem}.parquet", parquet),
            GeoFile(f"Carte des changements {when}, PNG", *_twice(folder / f"{stem}_changement.png"), "image/png"),
        ]
    for year in sorted(millesimes, reverse=True):
        part = results.version / partition_of(commune, year, perimetre=None, kind="polygons") / PART
        stem = stem_of(commune, year)
        found += [
            GeoFile(f"Polygones {year}, GeoPackage", folder / f"{stem}.gpkg", f"{stem}.gpkg", gpkg),
            GeoFile(f"Polygones {year}, GeoParquet", part, f"{stem}.parquet", parquet),
            GeoFile(
                f"Carte de l'artificialisation {year}, PNG",
                *_twice(folder / f"{stem}_artificialisation.png"),
                "image/png",
            ),
            GeoFile(f"Carte de la couverture {year}, PNG", *_twice(folder / f"{stem}_couverture.png"), "image/png"),
        ]
    return [file for file in found if file.path.is_file()]


def _twice(path: Path) -> tuple[Path, str]:
    return path, path.name

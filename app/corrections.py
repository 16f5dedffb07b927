"""Read and write the local corrections of a workspace for the page Signaler.

The list is read as a table of SQLite, which a GeoPackage is; geometries, and geopandas with them, wait until a
correction is proposed or decided.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pandas as pd

from ocsge.correction_faults import STATUSES, Status
from ocsge.errors import CrsError, DataError, LayerError, OcsgeError, OutputError, ParameterError, WorkspaceBusyError
from ocsge.french import typographic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.results import Results
    from ocsge.rules import Rules

FILE, LAYER = "corrections.gpkg", "corrections"
COLUMNS = ("id", "status", "code_cs", "code_us", "millesime_from", "millesime_to", "author", "date", "reason")

STATUSES_FR: dict[Status, str] = dict(zip(STATUSES, ("proposée", "acceptée", "refusée", "retirée"), strict=True))
"""What became of a correction, in French."""

_WHY = {
    WorkspaceBusyError: "Un autre programme écrit les corrections de cet espace de travail. Rien n'est perdu : vos "
    "réponses restent sur cette page. Réessayez dans un instant ; dans QGIS, enregistrez puis fermez la couche.",
    OutputError: "Cet espace de travail ne peut pas être écrit : il est en lecture seule, ou le disque est plein. Vos "
    "réponses restent sur cette page.",
    CrsError: "Les corrections de cet espace de travail sont dans un autre système de coordonnées que ce polygone.",
    LayerError: "Le fichier des corrections a un défaut ; `ocsge corrections check` le décrit.",
    ParameterError: "Cette correction n'est pas valable : vérifiez les codes, les années, l'auteur et le motif.",
    DataError: "Le polygone ou le fichier des corrections ne peut pas être lu ; rechargez la page.",
}


def why_refused(error: OcsgeError) -> str:
    """Return in French why a correction could not be written; names no file of the machine."""
    kind = next((kind for kind in _WHY if isinstance(error, kind)), None)
    return typographic(_WHY[kind] if kind else "La correction n'a pas pu être écrite.")


def listed(workspace: Path) -> pd.DataFrame:
    """Return the corrections of a workspace without their ground, in file order: columns ``COLUMNS``.

    Raises
    ------
    LayerError
        When the file cannot be read as a layer of corrections.
    """
    path = workspace / FILE
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as base:
            rows = base.execute(f"SELECT {', '.join(COLUMNS)} FROM {LAYER} ORDER BY rowid").fetchall()  # noqa: S608
    except sqlite3.Error as error:
        raise LayerError(f"{path}: cannot be read as the layer {LAYER} ({error})") from error
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"millesime_from": "Int64", "millesime_to": "Int64"})


def propose(
    workspace: Path,
    results: Results,
    rules: Rules,
    *,
    commune: str,
    millesime: int,
    polygon_id: str,
    author: str,
    reason: str,
    code_cs: str | None,
    code_us: str | None,
    years: tuple[int | None, int | None],
) -> str:
    """Propose a correction on the ground of a polygon and return its id.

    Raises
    ------
    OcsgeError
        As ``ocsge.corrections.add_correction``; DataError when the polygon is no longer there.
    """
    import geopandas as gpd  # noqa: PLC0415  (only when a correction is sent)

    from ocsge.corrections import add_correction  # noqa: PLC0415

    path = results.polygons_path(commune, millesime)
    try:
        found = gpd.read_parquet(path, columns=["id", "geometry"], filters=[("id", "==", polygon_id)])
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); reload the page") from error
    if len(found) != 1:
        raise DataError(f"{path}: holds no polygon {polygon_id}; reload the page")
    return add_correction(
        workspace,
        found.geometry.iloc[0],
        rules,
        epsg=int(found.crs.to_epsg()),
        author=author,
        reason=reason,
        code_cs=code_cs,
        code_us=code_us,
        millesime_from=years[0],
        millesime_to=years[1],
    )


def decide(
    workspace: Path, ids: Sequence[str], status: Status, rules: Rules
) -> tuple[tuple[str, int, str | None], ...]:
    """Give corrections a status; return the results to derive again: commune, millésime, perimeter or None.

    Raises
    ------
    OcsgeError
        As ``ocsge.corrections.set_status``.
    """
    from ocsge.correction_trace import results_concerned  # noqa: PLC0415  (geopandas)
    from ocsge.corrections import set_status  # noqa: PLC0415

    before = listed(workspace)
    applied = (before["id"].isin(ids) & (before["status"] == "accepted")).any()
    changed = set_status(workspace, ids, status, rules)
    if status != "accepted" and not applied:
        return ()
    return results_concerned(workspace, changed, reach_m=rules.interpretation_threshold["context_m"])

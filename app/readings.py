"""Tables that the pages need at every run, read once: by the id of a version, or by the stamp of the imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from app.imports import Imports
from app.places import commune_outline

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from app.results import Results
    from ocsge.imports import Import
    from ocsge.portal import OfficialFigures

# an argument whose name begins with "_" is no part of the key


def classes(results: Results, commune: str, millesime: int) -> pd.DataFrame:
    """Return :meth:`Results.classes`, read once."""
    return _classes(results.id, commune, millesime, results)


def change_classes(results: Results, commune: str, pair: tuple[int, int]) -> pd.DataFrame:
    """Return :meth:`Results.change_classes`, read once."""
    return _change_classes(results.id, commune, pair, results)


def changes(results: Results, commune: str, pair: tuple[int, int], *, most: int) -> pd.DataFrame:
    """Return :meth:`Results.changes`, read once."""
    return _changes(results.id, commune, pair, most, results)


def table(results: Results, name: str, commune: str) -> pd.DataFrame:
    """Return the rows of a commune of :meth:`Results.table`, read once."""
    return _table(results.id, name, commune, results)


def outline(results: Results, commune: str) -> dict[str, Any] | None:
    """Return the limit of a commune for its map, read once; None when the version draws none."""
    return _outline(results.id, commune, results)


def enaf(workspace: Path) -> Import | None:
    """Return :meth:`Imports.enaf`, read once an import."""
    kept = Imports(workspace)
    return _enaf(str(workspace), kept.stamp(), kept)


def official(workspace: Path) -> tuple[OfficialFigures, Import] | None:
    """Return :meth:`Imports.official`, read once an import."""
    kept = Imports(workspace)
    return _official(str(workspace), kept.stamp(), kept)


@st.cache_data(max_entries=64, show_spinner=False)
def _classes(version: str, commune: str, millesime: int, _results: Results) -> pd.DataFrame:  # noqa: ARG001
    return _results.classes(commune, millesime)


@st.cache_data(max_entries=64, show_spinner=False)
def _change_classes(version: str, commune: str, pair: tuple[int, int], _results: Results) -> pd.DataFrame:  # noqa: ARG001
    return _results.change_classes(commune, pair)


@st.cache_data(max_entries=64, show_spinner=False)
def _changes(
    version: str,  # noqa: ARG001
    commune: str,
    pair: tuple[int, int],
    most: int,
    _results: Results,
) -> pd.DataFrame:
    return _results.changes(commune, pair, most=most)


@st.cache_data(max_entries=64, show_spinner=False)
def _table(version: str, name: str, commune: str, _results: Results) -> pd.DataFrame:  # noqa: ARG001
    return _results.table(name, communes=[commune])


@st.cache_resource(max_entries=2, show_spinner=False)
def _enaf(workspace: str, stamp: str, _imports: Imports) -> Import | None:  # noqa: ARG001
    return _imports.enaf()


@st.cache_resource(max_entries=2, show_spinner=False)
def _official(workspace: str, stamp: str, _imports: Imports) -> tuple[OfficialFigures, Import] | None:  # noqa: ARG001
    return _imports.official()


@st.cache_data(max_entries=64, show_spinner=False)
def _outline(version: str, commune: str, _results: Results) -> dict[str, Any] | None:  # noqa: ARG001
    path = _results.communes_file()
    return None if path is None else commune_outline(path, commune)

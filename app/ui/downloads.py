"""Show tables in French, each with the CSV that a French spreadsheet opens as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from app.ui import french
from ocsge.table_files import csv_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

_FORMATS: tuple[tuple[str, Callable[[object], str]], ...] = (
    ("_ha", lambda value: french.number(value, 2)),
    ("_ha_an", lambda value: french.number(value, 2)),
    ("_m2", french.number),
    ("_pct", lambda value: french.number(value, 1)),
    ("_pour_mille", lambda value: french.number(value, 2)),
    ("population", french.number),
)
"""How a column is written, by the end of its name; the unit stands in its heading."""


def csv_bytes(table: pd.DataFrame) -> bytes:
    """Return a table as the CSV of a French spreadsheet: semicolon, decimal comma, no cell that runs as a formula."""
    return csv_text(table, profile="excel-fr").encode("utf-8-sig")


def offer(table: pd.DataFrame, name: str) -> None:
    """Draw the button that downloads a table.

    Parameters
    ----------
    table
        What the file holds, columns named as in ``docs/results.md``.
    name
        Name of the file without its ending; one button a name and page.
    """
    st.download_button(
        "Télécharger (CSV)",
        data=csv_bytes(table),
        file_name=f"{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        key=f"csv_{name}",
        on_click="ignore",
        help="Pour tableur\u202f: séparateur point-virgule, virgule décimale.",
    )


def written(table: pd.DataFrame, headings: Mapping[str, str]) -> Any:
    """Return the columns of a table under French headings, numbers written in French; sorting stays that of numbers.

    Parameters
    ----------
    table
        Any table.
    headings
        Heading by column, in the order to show.
    """
    formats = {
        heading: write for column, heading in headings.items() for ending, write in _FORMATS if column.endswith(ending)
    }
    shown = table[list(headings)].rename(columns=dict(headings))
    return shown.style.format(formats, na_rep=french.NO_VALUE)  # type: ignore[arg-type]


def show(table: pd.DataFrame, headings: Mapping[str, str], name: str, **options: Any) -> Any:
    """Draw a table with the button that downloads it; return what ``st.dataframe`` does.

    Parameters
    ----------
    table
        What the file holds, more columns than are shown included.
    headings
        As for :func:`written`.
    name
        As for :func:`offer`.
    options
        Of ``st.dataframe``.
    """
    drawn = st.dataframe(written(table, headings), hide_index=True, placeholder=french.NO_VALUE, **options)
    offer(table, name)
    return drawn

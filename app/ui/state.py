"""What the pages look at: a commune and a pair of millésimes, kept in the address so that a link restores them.

``?insee=12174&m=2019-2022`` stands on every page; pages may add parameters of their own (``vue``, ``objet``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from app.results import Results, current_results, workspace_name
from ocsge.errors import OcsgeError

if TYPE_CHECKING:
    import pandas as pd

_KEY = "territory"
_COMMUNE, _YEARS = "insee", "m"


@dataclass(frozen=True, slots=True)
class Territory:
    """The commune and the years that the pages describe."""

    results: Results
    """The version they are read from."""

    code: str
    """INSEE code."""

    nom: str
    """Name, or the code where the results do not know it."""

    millesimes: tuple[int, ...]
    """Every year derived, the earliest first."""

    pair: tuple[int, int] | None
    """The two years compared; None where one year is looked at."""

    millesime: int
    """Year whose stock is shown: the second of the pair, or the only one looked at."""

    stock: pd.DataFrame
    """Rows of table ``STOCK`` of the commune, by millésime."""

    flow: pd.DataFrame
    """Rows of table ``FLOW`` of the commune, by pair; empty with one millésime."""

    def stock_at(self, millesime: int) -> pd.Series:
        """Return the row of the stock at a millésime."""
        rows: pd.DataFrame = self.stock[self.stock["millesime"] == millesime]
        return rows.iloc[0]

    def flow_of_pair(self) -> pd.Series | None:
        """Return the row of the flow over the pair, None without one."""
        if self.pair is None or self.flow.empty:
            return None
        rows = self.flow[(self.flow["millesime_1"] == self.pair[0]) & (self.flow["millesime_2"] == self.pair[1])]
        return None if rows.empty else rows.iloc[0]


def choose_territory() -> None:
    """Draw the choice of commune and years in the sidebar, and keep it; a page stops where there is nothing to show."""
    try:
        results = current_results()
        everyone = _communes(results.id, results)
    except OcsgeError:
        st.error("Aucun résultat à montrer.", icon=":material/folder_off:")
        st.markdown(
            "Cet espace de travail est absent, ou ne contient pas encore de résultat entier. Lancez `ocsge demo` ou "
            "`ocsge derive --commune CODE --millesime ANNÉE`, puis rechargez cette page."
        )
        st.text(f"Espace de travail\u202f: {workspace_name()}")
        st.stop()
    names = dict(zip(everyone["commune_code"], everyone["nom"], strict=True))
    asked = st.query_params.get(_COMMUNE)
    if asked is not None and asked not in names:
        st.error(f"La commune « {_plain(asked)} » n'est pas dans cet espace de travail.", icon=":material/search_off:")
        st.markdown("Choisissez une commune dans la liste de gauche ; elle contient toutes celles qui ont un résultat.")
    if asked in names and st.session_state.get("_asked") != asked:
        st.session_state[_COMMUNE] = asked
    elif asked is None and _COMMUNE not in st.session_state:
        st.session_state[_COMMUNE] = next(iter(names))
    if st.session_state.get(_COMMUNE) not in names:
        st.session_state[_COMMUNE] = None
    code = st.sidebar.selectbox(
        "Commune (nom ou code INSEE)",
        options=list(names),
        format_func=lambda key: f"{names[key]} ({key})",
        key=_COMMUNE,
        index=None,
        placeholder="Chercher une commune",
        on_change=_forget_years,
    )
    if code is None:
        st.stop()
    st.session_state["_asked"] = code
    st.session_state[_KEY] = _territory(results, code, names[code])
    _keep_in_address()


def territory() -> Territory:
    """Return what the page describes; :func:`choose_territory` has run before."""
    chosen: Territory = st.session_state[_KEY]
    return chosen


def _forget_years() -> None:
    st.query_params.pop(_COMMUNE, None)
    st.query_params.pop(_YEARS, None)
    st.session_state.pop(_YEARS, None)


@st.cache_data(max_entries=4, show_spinner=False)
def _communes(version_id: str, _results: Results) -> pd.DataFrame:  # noqa: ARG001  (the key of the cache)
    """Return code and name of every commune of a version, by name; the version's id is the key of the cache."""
    stock = _results.table("stock")
    known = stock[stock["commune_code"] != ""].assign(nom=stock["nom"].fillna(stock["commune_code"]))
    return known.drop_duplicates("commune_code")[["commune_code", "nom"]].sort_values(["nom", "commune_code"])


@st.cache_data(max_entries=64, show_spinner=False)
def _rows(
    version_id: str,  # noqa: ARG001  (the key of the cache)
    code: str,
    _results: Results,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    stock, flow = (_results.table(name, communes=[code]) for name in ("stock", "flow"))
    return stock.sort_values("millesime", ignore_index=True), flow


def _territory(results: Results, code: str, nom: str) -> Territory:
    stock, flow = _rows(results.id, code, results)
    millesimes = tuple(int(year) for year in stock["millesime"])
    ends = () if flow.empty else zip(flow["millesime_1"], flow["millesime_2"], strict=True)
    pairs = sorted((int(first), int(second)) for first, second in ends)
    labels = {"-".join(map(str, years)): years for years in (*pairs, *((year,) for year in millesimes))}
    usual = "-".join(map(str, pairs[-1] if pairs else millesimes[-1:]))
    if len(labels) == 1:
        chosen = usual
        st.sidebar.caption(f"Un seul millésime : {chosen}. Le flux demande deux millésimes dérivés ensemble.")
    else:
        asked = st.query_params.get(_YEARS, "")
        if st.session_state.get(_YEARS) not in labels:
            st.session_state[_YEARS] = asked if asked in labels else usual
        chosen = st.sidebar.selectbox(
            "Millésimes", options=list(labels), format_func=lambda key: key.replace("-", "–"), key=_YEARS
        )
        if not pairs:
            st.sidebar.caption("Le flux demande deux millésimes dérivés ensemble.")
    years = labels[chosen]
    pair = (years[0], years[1]) if len(years) > 1 else None
    return Territory(results, code, nom, millesimes, pair, years[-1], stock, flow)


def _keep_in_address() -> None:
    chosen = territory()
    st.query_params[_COMMUNE] = chosen.code
    st.query_params[_YEARS] = str(chosen.millesime) if chosen.pair is None else "-".join(map(str, chosen.pair))


def _plain(text: str) -> str:
    """Return a text of the address as harmless Markdown."""
    return "".join(letter for letter in text[:20] if letter.isalnum() or letter in "-_ ")

"""The list of the largest polygons of a commune: for those who cannot click on a map, or would rather not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.ui.french import area

if TYPE_CHECKING:
    import pandas as pd

    from app.ui.state import Territory
    from ocsge.rules import Rules

LABEL, PLACEHOLDER = "Ou choisir parmi les plus grands polygones", "Couverture, usage, surface"
_TIMES, _SEEN = "polygones_choisis", "polygone_choisi"


def polygon_names(polygons: pd.DataFrame, rules: Rules) -> dict[str, str]:
    """Return how each polygon of a list is named, by id: cover, usage, area, state."""
    labels = {entry.code: entry.label_fr.split(" (")[0] for entry in (*rules.couvertures, *rules.usages)}
    return {
        str(row["id"]): f"{labels.get(row['code_cs'], row['code_cs'])} – {labels.get(row['code_us'], row['code_us'])}, "
        f"{area(row['area_m2'])}, {state_name(row['artif'])}"
        for _, row in polygons.iterrows()
    }


def state_name(artif: object) -> str:
    """Return the state of a polygon in words."""
    return "artificialisé" if artif else "non artificialisé"


def choose(here: Territory, millesime: int, rules: Rules) -> None:
    """Draw the list; a new choice goes to the address, as ``objet``, and runs the page again."""
    listing = here.results.largest_polygons(here.code, millesime)
    if listing.empty:
        return
    names = polygon_names(listing, rules)
    key = f"liste_{here.results.id}_{here.code}_{millesime}"
    chosen = st.selectbox(
        LABEL, options=list(names), format_func=names.__getitem__, index=None, placeholder=PLACEHOLDER, key=key
    )
    if chosen is not None and chosen != st.session_state.get(_SEEN):
        st.session_state[_TIMES] = times_chosen() + 1
        st.query_params["objet"] = chosen
        st.session_state[_SEEN] = chosen
        st.rerun()
    st.session_state[_SEEN] = chosen


def times_chosen() -> int:
    """Return how many times a polygon was chosen in the list since the session began."""
    return int(st.session_state.get(_TIMES, 0))

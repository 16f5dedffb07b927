"""Navigation: the pages in the order a planner asks, and the territory that all of them look at.

The folder of the pages is not called ``pages``: Streamlit would take it for its older way to make pages, and open the
first link asked of a new server without this file.
"""

from __future__ import annotations

import logging
from pathlib import Path

import streamlit as st

from app.ui import state
from ocsge.errors import OcsgeError

_VIEWS = Path(__file__).with_name("views")

st.set_page_config(
    page_title="Artificialisation",
    page_icon=str(Path(__file__).with_name("static") / "icon.svg"),
    layout="wide",
    menu_items={"About": "ocsge : artificialisation des sols, commune par commune."},
)
page = st.navigation(
    [
        st.Page(_VIEWS / "synthese.py", title="Synthèse", url_path="synthese", default=True),
        st.Page(_VIEWS / "carte.py", title="Carte", url_path="carte"),
        st.Page(_VIEWS / "transitions.py", title="Transitions", url_path="transitions"),
        st.Page(_VIEWS / "comparer.py", title="Comparer", url_path="comparer"),
        st.Page(_VIEWS / "trajectoire.py", title="Trajectoire", url_path="trajectoire"),
        st.Page(_VIEWS / "exports.py", title="Exports", url_path="exports"),
        st.Page(_VIEWS / "methode.py", title="Méthode", url_path="methode"),
        st.Page(_VIEWS / "signaler.py", title="Signaler", url_path="signaler"),
    ]
)
try:
    state.choose_territory()
    page.run()
except OcsgeError:
    logging.getLogger(__name__).exception("the page could not read the results")
    st.error("Les résultats ont changé\u202f; rechargez la page.", icon=":material/refresh:")

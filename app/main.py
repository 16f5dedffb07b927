"""Navigation: the pages in the order a planner asks, and the territory that all of them look at."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.ui import state

_PAGES = Path(__file__).with_name("pages")

st.set_page_config(
    page_title="Artificialisation",
    page_icon=str(Path(__file__).with_name("static") / "icon.svg"),
    layout="wide",
    menu_items={"About": "ocsge : artificialisation des sols, commune par commune."},
)
page = st.navigation(
    [
        st.Page(_PAGES / "synthese.py", title="Synthèse", url_path="synthese", default=True),
        st.Page(_PAGES / "carte.py", title="Carte", url_path="carte"),
        st.Page(_PAGES / "transitions.py", title="Transitions", url_path="transitions"),
        st.Page(_PAGES / "comparer.py", title="Comparer", url_path="comparer"),
        st.Page(_PAGES / "trajectoire.py", title="Trajectoire", url_path="trajectoire"),
        st.Page(_PAGES / "exports.py", title="Exports", url_path="exports"),
        st.Page(_PAGES / "methode.py", title="Méthode", url_path="methode"),
        st.Page(_PAGES / "signaler.py", title="Signaler", url_path="signaler"),
    ]
)
state.choose_territory()
page.run()

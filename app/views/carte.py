"""Carte: where land is artificialised and where it changed; a click on a polygon says why."""

from __future__ import annotations

import streamlit as st

from app import map_page
from app.ui import state, texts
from app.ui.legend import legend
from app.ui.pourquoi import panel

here = state.territory()
st.title(f"Carte – {texts.markdown(here.nom)} ({here.code})", anchor=False)

view = map_page.choose_view(here)
if view is None:
    st.stop()
drawn, why = st.columns([7, 3], gap="medium")
with drawn:
    st.html(legend(view.title, view.legend, view.areas))
    chosen = map_page.draw(view)
with why:
    explained = map_page.explain(view, chosen)
    if explained is None:
        st.markdown(f"**Pourquoi\u202f?**\n\n{map_page.hint(view)}")
    else:
        st.html(panel(*explained))
        st.caption("L'adresse de cette page mène à ce polygone\u202f: elle peut être partagée.")
        if chosen and view.kind != map_page.FLOW:
            address = {"insee": here.code, "m": str(view.millesime), "objet": chosen}
            st.page_link("views/signaler.py", label="Signaler une erreur", icon=":material/flag:", query_params=address)
    map_page.offer_list(view)
st.subheader(f"Surfaces par classe, {view.title.lower()}", anchor=False)
map_page.show_table(view)

"""Synthèse: how much land is artificialised, how it changed, and how sure that is, at first glance."""

from __future__ import annotations

import streamlit as st

from app.ui import french, state

here = state.territory()
stock, flow = here.stock_at(here.millesime), here.flow_of_pair()

st.title(f"{here.nom} ({here.code})")
columns = st.columns(4)
columns[0].metric(
    f"Artificialisé en {here.millesime}",
    french.hectares(stock["stock_ha"]),
    help=f"{french.percent(stock['part_pct'])} du territoire",
)
if flow is not None and here.pair is not None:
    columns[1].metric("Devenu artificialisé", french.hectares(flow["gain_ha"]))
    columns[2].metric("Désartificialisé", french.hectares(flow["loss_ha"]))
    columns[3].metric("Artificialisation nette", french.hectares(flow["net_ha"]))

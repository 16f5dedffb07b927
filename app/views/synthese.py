"""Synthèse: how much land is artificialised, how it changed, and how sure that is, at first glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import readings
from app.ui import charts, codes, composition, downloads, french, method, state, texts
from app.ui.law import rules_at
from ocsge.legal_notice import DEMONSTRATION, NO_BUILDING_RULE
from ocsge.styles import CHANGE_LABELS

if TYPE_CHECKING:
    import pandas as pd

here = state.territory()
stock, flow = here.stock_at(here.millesime), here.flow_of_pair()
run = here.results.provenance(here.code, here.millesime)
name = f"{here.code}_{here.millesime}"


def key_figures() -> None:
    """Draw stock, gain, loss and net, each with its bounds."""
    columns = st.columns(4 if flow is not None else 2)
    with columns[0]:
        st.metric(f"Artificialisé en {here.millesime}", french.hectares(stock["stock_ha"]), border=True)
        st.caption(f"**{french.percent(stock['part_pct'])} du territoire.**")
        st.caption(texts.bounds(stock["artif_min_ha"], stock["artif_max_ha"]))
        reason = str(run.get("no_interval", {}).get(here.code, ""))
        st.caption(texts.interval(stock["stock_adjusted_ha"], stock["ci95_ha"], reason=reason))
    if flow is None or here.pair is None:
        return
    years = french.years(here.pair)
    with columns[1]:
        st.metric(CHANGE_LABELS["gain"], french.hectares(flow["gain_ha"], 2), border=True)
        st.caption(f"Gain {years}")
    with columns[2]:
        st.metric(CHANGE_LABELS["loss"], french.hectares(flow["loss_ha"], 2), border=True)
        st.caption(f"Perte {years}")
    with columns[3]:
        net = french.with_unit(french.signed(flow["net_ha"], 2), "ha")
        st.metric("Artificialisation nette", net, border=True)
        st.caption(f"**{french.with_unit(french.signed(flow['net_ha_an'], 2), 'ha')} par an**, {years}.")
        st.caption(texts.bounds(flow["net_min_ha"], flow["net_max_ha"], decimals=2, signed=True))


def reservations() -> None:
    """Say what to know of the figures: flags and coverage."""
    sentences = texts.flag_sentences(stock["flags"])
    if (default := stock["usage_default_pct"]) > 0:
        sentences.append(
            f"L'usage de {french.percent(default, 0)} du territoire est donné par défaut, faute de source."
        )
    if (unknown := stock["default_cover_ha"]) > 0:
        have = french.agreed(unknown, "a", "ont")
        sentences.append(f"{french.hectares(unknown, 0)} {have} la couverture par défaut, faute d'image classée.")
    several = "s" if len(sentences) > 1 else ""
    title = f"{len(sentences)} réserve{several} sur ces chiffres" if sentences else "Aucune réserve sur ces chiffres"
    with st.expander(title, icon=":material/info:"):
        st.markdown("\n".join(f"- {sentence}" for sentence in sentences))
        st.caption(texts.coverage(stock["coverage_pct"]))


def drawn_composition() -> None:
    """Draw what the artificialised land is made of, by cover, usage and category of the decree."""
    st.subheader(f"De quoi se compose le sol artificialisé en {here.millesime}", anchor="composition")
    long = readings.table(here.results, "stock_long", here.code)
    for tab, (dimension, title) in zip(st.tabs(list(codes.DIMENSIONS.values())), codes.DIMENSIONS.items(), strict=True):
        with tab:
            table = composition.composition(long, here.millesime, dimension, rules_at())
            artificialised = table[table["artif_area_ha"] > 0]
            if artificialised.empty:
                st.info("Aucun sol artificialisé n'est connu à ce millésime.", icon=":material/info:")
            else:
                st.altair_chart(charts.bars(artificialised), alt=f"Surface artificialisée par {title.lower()}, en ha")
            with st.expander("Le tableau", icon=":material/table:"):
                headings = {
                    "code": "Code",
                    "libelle": title,
                    "area_ha": "Surface (ha)",
                    "artif_area_ha": "Artificialisée (ha)",
                    "part_pct": "Part du stock (%)",
                }
                downloads.show(table.drop(columns=["label", "colour"]), headings, f"{name}_{dimension}")


def drawn_table(title: str, table: pd.DataFrame, file: str) -> None:
    """Draw a small table of figures in words."""
    st.subheader(title, anchor=file)
    downloads.show(table, {"libelle": "Mesure", "area_ha": "Surface (ha)"}, f"{name}_{file}")


demonstration = method.of_demonstration(run)
st.title(f"{texts.markdown(here.nom)} ({here.code})")
if demonstration:
    st.warning(DEMONSTRATION, icon=":material/science:")
st.markdown(texts.summary(here.nom, stock, flow, here.pair))
key_figures()
reservations()
drawn_composition()
drawn_table("Sols imperméabilisés", composition.sealed(stock, flow, here.pair), "impermeable")
drawn_table("Exemptions possibles", composition.exemptions(stock), "exemptions")
st.caption(
    "La collectivité peut choisir d'exempter les parcs et jardins publics et les centrales photovoltaïques au sol. "
    "Le stock affiché en haut de page n'en tient pas compte."
)
st.divider()
st.caption(texts.source_notice(stock, here.millesimes))
st.caption(DEMONSTRATION if demonstration else texts.NOT_OFFICIAL)
st.markdown(f"**{NO_BUILDING_RULE}**")

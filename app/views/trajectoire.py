"""Trajectoire: consumption of ENAF against what is allowed, and net artificialisation, apart."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import streamlit as st

from app import readings
from app.results import workspace_name, workspace_path
from app.ui import charts, commands, downloads, enaf, french, state, texts
from app.ui.law import rules_at
from ocsge.errors import DataError
from ocsge.zan import trajectory

if TYPE_CHECKING:
    from ocsge.imports import Import

_GUARANTEE = {"inconnue": None, "oui": True, "non": False}

here = state.territory()
rules = rules_at()


def imported() -> Import | None:
    """Return the consumption of ENAF that the workspace keeps; say how to import it when there is none."""
    try:
        kept = readings.enaf(workspace_path())
    except DataError:
        st.error("La consommation d'ENAF importée ne peut pas être lue. Importez-la à nouveau.")
        return None
    if kept is None:
        st.info("Aucune consommation d'ENAF importée.", icon=":material/upload_file:")
        st.markdown(
            "Téléchargez la table par commune du Cerema (consommation d'espaces naturels, agricoles et forestiers), "
            "puis lancez :"
        )
        commands.show(f"ocsge import enaf conso.csv --workspace {shlex.quote(workspace_name())}")
    return kept


def enaf_regime(kept: Import) -> None:
    """Draw what was consumed against what is allowed."""
    rows = kept.table[kept.table["commune_code"] == here.code]
    if rows.empty:
        st.info(
            french.typographic(f"Le fichier importé ({texts.markdown(kept.file)}) ne contient pas cette commune."),
            icon=":material/info:",
        )
        return
    left, right = st.columns(2)
    rate = left.number_input(
        "Taux de réduction du territoire (%)",
        min_value=0.0,
        max_value=100.0,
        value=float(rules.zan["reduction_pct"]),
        format="%g",
        help="Celui des documents du territoire\u202f; par défaut, le taux national.",
    )
    said = right.radio("Garantie communale", list(_GUARANTEE), format_func=str.capitalize, horizontal=True)
    guarantee = _GUARANTEE[said or "inconnue"]
    covered = None if guarantee is None else [here.code] if guarantee else []
    row = trajectory(rows, rules, reduction_pct=rate, guaranteed=covered).iloc[0]
    columns = st.columns(3)
    columns[0].metric("Permis", french.hectares(row["enaf_allowed_ha"], 2), border=True)
    columns[1].metric("Déjà consommé", french.hectares(row["enaf_consumed_ha"], 2), border=True)
    columns[2].metric("Reste", french.hectares(row["enaf_remaining_ha"], 2), border=True)
    st.markdown(f"**{texts.COMPLIANCE.get(str(row['compliance']), 'La trajectoire n’est pas connue.')}**")
    for sentence in texts.flag_sentences(row["flags"]):
        st.caption(sentence)
    years = enaf.yearly(kept.table, here.code, rules)
    st.altair_chart(
        charts.yearly_consumption(years, means=enaf.paces(row, rules)),
        alt="Consommation d'ENAF par an, en hectares, et rythmes de référence et permis",
    )
    st.caption(
        french.typographic(
            f"En pointillé : rythme de référence et rythme permis. Fichier : {texts.markdown(kept.file)}."
        )
    )
    with st.expander("Les tableaux", icon=":material/table:"):
        downloads.show(enaf.measures(row), {"libelle": "Mesure", "area_ha": "Surface (ha)"}, f"{here.code}_enaf")
        headings = {"year": "Année", "periode": "Période", "consumed_ha": "Consommé (ha)"}
        downloads.show(years, headings, f"{here.code}_enaf_par_an")


def net_regime() -> None:
    """Draw the net artificialisation of every pair of millésimes."""
    first = int(rules.zan["net_regime_first_year"])
    st.caption(f"Ce régime commence en {first}. Il est mesuré sur l'occupation du sol (OCS GE).")
    if here.flow.empty:
        st.info("Un seul millésime\u202f: l'artificialisation nette n'est pas mesurée.", icon=":material/info:")
        return
    table = here.flow.sort_values(["millesime_1", "millesime_2"], ignore_index=True)
    last = table.iloc[-1]
    pair = (int(last["millesime_1"]), int(last["millesime_2"]))
    columns = st.columns(2)
    columns[0].metric(
        f"Artificialisation nette {french.years(pair)}",
        french.with_unit(french.signed(last["net_ha"], 2), "ha"),
        border=True,
    )
    columns[1].metric("Par an", french.with_unit(french.signed(last["net_ha_an"], 2), "ha"), border=True)
    headings = {
        "millesime_1": "De",
        "millesime_2": "À",
        "gain_ha": "Gain (ha)",
        "loss_ha": "Perte (ha)",
        "net_ha": "Net (ha)",
        "net_ha_an": "Net par an (ha)",
    }
    downloads.show(table, headings, f"{here.code}_net")


st.title(f"Trajectoire – {texts.markdown(here.nom)} ({here.code})")
st.warning(texts.TWO_MEASURES, icon=":material/balance:")
with st.container(border=True):
    st.subheader("Consommation d'espaces naturels, agricoles et forestiers (ENAF)", anchor="enaf")
    if (given := imported()) is not None:
        enaf_regime(given)
with st.container(border=True):
    st.subheader("Artificialisation nette", anchor="nette")
    net_regime()
st.caption(texts.NOT_OFFICIAL)

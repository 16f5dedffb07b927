"""Transitions: what turned into what between two millésimes, and where the largest changes are."""

from __future__ import annotations

import streamlit as st

from app import readings
from app.ui import charts, codes, downloads, french, state, texts
from app.ui.law import rules_at
from app.ui.transitions import largest_changes, transitions

_LARGEST = 100
_HEADINGS = {
    "label_1": "Avant",
    "label_2": "Après",
    "area_ha": "Surface (ha)",
    "gain_ha": "dont artificialisée (ha)",
    "loss_ha": "dont désartificialisée (ha)",
}

here = state.territory()


def matrix_of_changes(pair: tuple[int, int], name: str) -> None:
    """Draw the matrix of a chosen dimension, its table and its file."""
    dimension = st.segmented_control(
        "Ce qui a changé",
        options=list(codes.DIMENSIONS),
        format_func=codes.DIMENSIONS.__getitem__,
        default=next(iter(codes.DIMENSIONS)),
        required=True,
        key="dimension",
    )
    matrix = readings.table(here.results, "change_matrix", here.code)
    table = transitions(matrix, pair, str(dimension), rules_at())
    changed = table[table["code_1"] != table["code_2"]]
    if changed.empty:
        st.info(f"Aucune transition entre {pair[0]} et {pair[1]}\u202f: rien n'a changé.", icon=":material/info:")
    else:
        whole = changed["area_ha"].sum()
        moved = f"**{french.hectares(whole, 2)}** {french.agreed(whole, 'a changé', 'ont changé')}"
        largest = changed.iloc[0]
        st.markdown(
            french.typographic(
                f"{moved}. La plus grande transition : **{texts.markdown(largest['label_1'])}** → "
                f"**{texts.markdown(largest['label_2'])}**, {french.hectares(largest['area_ha'], 2)}."
            )
        )
        st.altair_chart(charts.matrix(table, years=pair), alt=f"Transitions entre {pair[0]} et {pair[1]}, en hectares")
        st.caption("En gris, ce qui n'a pas changé. Le tableau porte les intitulés complets.")
    with st.expander("Le tableau", icon=":material/table:", expanded=not changed.empty):
        downloads.show(table, _HEADINGS, f"{name}_transitions_{dimension}")


def list_of_changes(pair: tuple[int, int], name: str) -> None:
    """Draw the largest pieces that gained or lost; a chosen one leads to the map."""
    st.subheader("Les plus grands changements", anchor="changements")
    if not here.results.holds(here.results.changes_path(here.code, pair)):
        st.info("Aucune donnée ne décrit le sol de cette commune.", icon=":material/info:")
        return
    changes = readings.changes(here.results, here.code, pair, most=_LARGEST)
    if changes.empty:
        st.info("Aucun sol n'est devenu artificialisé ni n'a cessé de l'être.", icon=":material/info:")
        return
    table = largest_changes(changes, rules_at())
    every = int(readings.change_classes(here.results, here.code, pair)["polygons"].sum())
    if every > len(table):
        st.caption(f"Les {len(table)} plus grands, sur {french.number(every)}.")
    st.caption("Choisissez une ligne pour la voir sur la carte.")
    headings = {"nature": "Nature", "area_m2": "Surface (m²)", "couverture": "Couverture", "usage": "Usage"}
    chosen = downloads.show(
        table, headings, f"{name}_changements", on_select="rerun", selection_mode="single-row", key=f"changes_{name}"
    )
    rows = chosen["selection"]["rows"] if chosen else []
    if rows and rows[0] < len(table):
        link_to_map(table.iloc[rows[0]]["id"], pair)


def link_to_map(changed: str, pair: tuple[int, int]) -> None:
    """Draw the link that opens the map on a change."""
    st.page_link(
        "views/carte.py",
        label="Voir ce changement sur la carte",
        icon=":material/map:",
        query_params={"insee": here.code, "m": "-".join(map(str, pair)), "vue": "flux", "objet": str(changed)},
    )


st.title(f"Transitions – {texts.markdown(here.nom)} ({here.code})")
if here.pair is None:
    st.info(
        f"Un seul millésime, {here.millesime}\u202f: il n'y a pas de transition à montrer. Choisissez-en deux à "
        "gauche, ou dérivez-en deux ensemble.",
        icon=":material/info:",
    )
else:
    st.caption(f"Millésimes comparés\u202f: {french.years(here.pair)}.")
    file_name = f"{here.code}_{here.pair[0]}-{here.pair[1]}"
    matrix_of_changes(here.pair, file_name)
    list_of_changes(here.pair, file_name)

"""Signaler: say that a polygon is wrong; the next derivation applies what is accepted."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from app import corrections, polygon_list
from app.results import workspace_name, workspace_path
from app.ui import commands, downloads, french, signal, state, texts
from app.ui.law import rules_at
from ocsge.errors import OcsgeError

if TYPE_CHECKING:
    from ocsge.correction_faults import Status

here = state.territory()
workspace, rules = workspace_path(), rules_at()
_OBJECT, _SEEN = "objet", "_objet"

st.title("Signaler une erreur")
st.text(f"{here.nom} ({here.code}), {here.millesime}")
st.markdown(
    french.typographic(
        "Vous connaissez le terrain mieux que les données ? Proposez la bonne couverture ou le bon usage d'un "
        "polygone. Une fois **acceptée**, la correction est appliquée par la **prochaine dérivation** ; elle "
        "peut être retirée. Elle vaut pour le polygone entier ; pour une partie, dessinez-la dans un SIG et lancez "
        "`ocsge corrections add`."
    )
)

asked = st.query_params.get(_OBJECT, "")
if asked and st.session_state.get(_SEEN) != asked:
    st.session_state[_OBJECT] = asked[:60]
    st.session_state[_SEEN] = asked
left, right = st.columns(2)
listing = here.results.largest_polygons(here.code, here.millesime)
picked = right.selectbox(
    polygon_list.LABEL,
    options=listing["id"].tolist() if not listing.empty else [],
    format_func=polygon_list.polygon_names(listing, rules).__getitem__,
    index=None,
    placeholder=polygon_list.PLACEHOLDER,
    key="pick",
)
if picked is not None and picked != st.session_state.get("_pick"):
    st.session_state[_OBJECT] = picked
st.session_state["_pick"] = picked
polygon_id = left.text_input(
    "Identifiant du polygone",
    key=_OBJECT,
    max_chars=60,
    placeholder=f"{here.code}-{here.millesime}-000001",
    help="Le panneau de la page Carte le donne.",
).strip()

found = next(
    (
        (year, row)
        for year in sorted(here.millesimes, reverse=True)
        if polygon_id and (row := here.results.polygon(here.code, year, polygon_id)) is not None
    ),
    None,
)
if found is not None:
    st.query_params[_OBJECT] = st.session_state[_SEEN] = polygon_id
elif polygon_id:
    st.error("Aucun polygone de cette commune n'a cet identifiant.", icon=":material/search_off:")
else:
    st.query_params.pop(_OBJECT, None)

if found is not None:
    millesime, polygon = found
    st.html(signal.description(polygon, rules))
    with st.form("correction", enter_to_submit=False):
        first, second = st.columns(2)
        labels = {entry.code: f"{entry.code} {entry.label_fr}" for entry in (*rules.couvertures, *rules.usages)}
        cover = first.selectbox(
            "Bonne couverture",
            options=rules.couverture_codes,
            format_func=labels.__getitem__,
            index=None,
            placeholder="Celle des données",
        )
        usage = second.selectbox(
            "Bon usage",
            options=rules.usage_codes,
            format_func=labels.__getitem__,
            index=None,
            placeholder="Celui des données",
        )
        reason = st.text_area(
            "Motif", max_chars=500, placeholder=french.typographic("D'où le savez-vous ? Visite, permis, image…")
        )
        author = first.text_input("Auteur", max_chars=80, placeholder="Service ou personne")
        span = second.selectbox("Vaut pour", options=signal.SPANS, format_func=signal.span_name(millesime))
        sent = st.form_submit_button("Proposer la correction", type="primary", icon=":material/send:")
    if sent:
        missing = signal.missing(cover, usage, author, reason)
        if missing:
            st.error(missing)
        else:
            try:
                number = corrections.propose(
                    workspace,
                    here.results,
                    rules,
                    commune=here.code,
                    millesime=millesime,
                    polygon_id=polygon_id,
                    author=author,
                    reason=reason,
                    code_cs=cover,
                    code_us=usage,
                    years=signal.span_years(span, millesime),
                )
                st.success(
                    french.typographic(
                        f"Correction {texts.markdown(number)} proposée : elle attend une décision, ci-dessous."
                    )
                )
            except OcsgeError as error:
                st.error(corrections.why_refused(error), icon=":material/error:")

st.subheader("Corrections de cet espace de travail")
table = st.container()
try:
    known = corrections.listed(workspace)
except OcsgeError as error:
    st.error(corrections.why_refused(error))
    st.stop()
if known.empty:
    table.info("Aucune correction n'a encore été proposée.")
    st.stop()

ids = st.multiselect("Décider de", options=known["id"].dropna().tolist(), placeholder="Numéros de corrections")
decided: Status | None = None
with st.container(horizontal=True):
    if st.button("Accepter", disabled=not ids, icon=":material/check:"):
        decided = "accepted"
    if st.button("Refuser", disabled=not ids, icon=":material/close:"):
        decided = "rejected"
    if st.button("Retirer", disabled=not ids, icon=":material/undo:"):
        decided = "withdrawn"
if decided is not None:
    try:
        concerned = corrections.decide(workspace, ids, decided, rules)
        st.success(french.typographic(f"{', '.join(map(texts.markdown, ids))} : {corrections.STATUSES_FR[decided]}."))
        if concerned:
            lines = "".join(f"<li>{escape(text)}</li>" for text in signal.to_derive(concerned))
            st.html(f"<p>À dériver de nouveau pour que les chiffres en tiennent compte\u202f:</p><ul>{lines}</ul>")
            if again := signal.commands(concerned, workspace_name()):
                commands.show("\n".join(again))
                st.caption("Ajoutez-y les options de la première dérivation (CoSIA, règles), s'il y en avait.")
    except OcsgeError as error:
        st.error(corrections.why_refused(error), icon=":material/error:")
    known = corrections.listed(workspace)
table.dataframe(signal.shown(known), hide_index=True)
with table:
    st.download_button(
        "Télécharger (CSV)",
        data=downloads.csv_bytes(known),
        file_name="corrections.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="csv_corrections",
    )
st.caption(
    french.typographic(
        "Seules les corrections acceptées comptent, et seulement à la prochaine dérivation (`ocsge derive`). Rien "
        "n'est effacé : une correction retirée reste dans la liste."
    )
)

"""Méthode: how a figure is made, from which rules and which data, and how far to trust it."""

from __future__ import annotations

from html import escape

import streamlit as st

from app.ui import downloads, french, method, state
from app.ui.law import rules_at, rules_of
from ocsge.flag_texts import flag_sentences
from ocsge.legal_notice import DEMONSTRATION, NO_BUILDING_RULE

here = state.territory()
run = here.results.provenance(here.code, here.millesime)
of_result = rules_of(run)
rules = of_result or rules_at()
stock = here.stock_at(here.millesime)

st.title("Méthode")
if method.of_demonstration(run):
    st.warning(DEMONSTRATION, icon=":material/science:")
st.markdown(
    french.typographic(
        "Le sol est découpé en polygones ; chacun a une **couverture** et un **usage** de la nomenclature OCS GE. "
        "La **matrice** du décret dit si ce couple est artificialisé. Les **seuils d'interprétation** rattachent "
        "ensuite les petites surfaces à ce qui les entoure. Le **flux** compare deux millésimes dérivés ensemble."
    )
)
st.info(NO_BUILDING_RULE, icon=":material/gavel:")

st.subheader("Le décret")
st.html("<ul>" + "".join(f"<li>{escape(text)}</li>" for text in method.decree_sources(rules)) + "</ul>")
st.html(method.html_table(("Catégorie", "État", "Libellé"), method.category_rows(rules), label="Catégories du décret"))

st.subheader("La matrice")
st.html(method.matrix_legend())
st.html(method.matrix_html(rules))
st.caption(
    french.typographic(
        "Chaque case donne la catégorie du décret ; « 9-10 » quand le couple ne départage pas les deux. Passez sur un "
        "code pour lire son libellé."
    )
)
with st.container(horizontal=True):
    st.download_button(
        "Télécharger la matrice (CSV)",
        data=downloads.csv_bytes(method.matrix_table(rules)),
        file_name="matrice.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="matrix",
    )
with st.expander("Libellés des usages et des couvertures"):
    labels = [(entry.code, entry.label_fr) for entry in (*rules.usages, *rules.couvertures) if entry.is_leaf]
    st.html(method.html_table(("Code", "Libellé"), labels, label="Nomenclature"))

st.subheader("Les seuils d'interprétation")
st.html(method.thresholds_html(rules))
headings = ("Règle", "Valeur", "Confiance", "Source")
st.html(method.html_table(headings, method.value_rows(rules, "interpretation_threshold"), label="Seuils"))

st.subheader("Les surfaces minimales")
tables = ("minimum_area_m2", "minimum_width_m", "zone_construite", "usage_spread", "exemption")
st.html(method.html_table(headings, method.value_rows(rules, *tables), label="Surfaces minimales"))
st.caption(
    french.typographic(
        "Les routes, voies ferrées et eaux permanentes (« ossature ») ne sont jamais fusionnées ; un polygone coupé "
        "par une limite de commune compte de chaque côté."
    )
)

st.subheader("Les données de ce résultat")
st.text(f"{here.nom} ({here.code}), {here.millesime}")
sources = method.source_rows(run)
if sources:
    columns = ("Produit", "Édition", "Fichier", "Crédit", "Licence")
    st.html(method.html_table(columns, sources, label="Sources"))
else:
    st.info("Les sources de ce résultat ne sont pas connues.")
told = run.get("rules", {})
fingerprint = str(told.get("fingerprint", stock["rules_version"]))
st.html(
    method.html_table(
        ("Ce résultat", ""),
        [
            (
                "Version des règles",
                fingerprint[:12] + ("" if of_result else " (autres que celles montrées sur cette page)"),
            ),
            ("Règles à la date du", french.day(str(told.get("at", "jour du calcul")))),
            ("Version du programme", str(run.get("code_version", french.NO_VALUE))),
            ("Version du résultat", here.results.id),
            ("Part du territoire décrite", french.percent(stock["coverage_pct"])),
            ("Usage venant d'une règle par défaut", french.percent(stock["usage_default_pct"])),
            ("Couverture par défaut", french.hectares(stock["default_cover_ha"])),
        ],
        label="Ce résultat",
    )
)
if not of_result:
    st.warning(
        "Ce résultat a été dérivé avec d'autres règles que celles livrées avec ce tableau de bord.",
        icon=":material/rule:",
    )

st.subheader("Ce qu'il faut savoir de ces chiffres")
flags = flag_sentences("" if french.number(stock["stock_ha"]) == french.NO_VALUE else stock["flags"])
for sentence in flags or ["Aucun signalement."]:
    st.text(f"• {sentence}")

st.subheader("Incertitude et limites")
st.markdown(
    french.typographic(
        "- Les **bornes** ne disent que ce que donneraient d'autres lectures des usages par défaut.\n"
        "- L'**intervalle à 95 %** n'existe que si les erreurs de l'image classée ont été mesurées.\n"
        "- Ce n'est **ni l'OCS GE officielle** de l'IGN, **ni un avis juridique**.\n"
        "- La **consommation d'ENAF** est une autre mesure légale : elle est importée, jamais calculée ici.\n"
        "- Un changement des données y compte comme un changement du sol.\n"
        "- « Inconnu » se note par un tiret ; ce n'est jamais zéro."
    )
)

st.subheader("Licence")
st.markdown(
    french.typographic(
        "Le programme est libre (Apache-2.0). Les données gardent leurs propres conditions, dans le tableau "
        "ci-dessus : citez leurs crédits avec tout chiffre ou toute carte que vous publiez."
    )
)

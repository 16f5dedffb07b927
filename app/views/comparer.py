"""Comparer: the commune among the others of the version, its EPCI, and the official figures when imported."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import streamlit as st

from app import readings
from app.imports import Imports
from app.results import Results, workspace_name, workspace_path
from app.routes import communes_url
from app.ui import commands, downloads, french, state, texts
from app.ui.choropleth import MEASURES, MOST_WITH_BORDERS, bands, choropleth, legend_html, measured, outlines_bounds
from app.ui.comparison import epci_sums, ranked, side_by_side, similar, with_official
from ocsge.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from app.places import Bounds

_SIMILAR = 8
_FIGURES = {
    "part_pct": "Part (%)",
    "stock_ha": "Stock (ha)",
    "net_ha": "Net (ha)",
    "net_ha_an": "Net par an (ha)",
    "net_pour_mille": "Net par an pour 1\u202f000 ha",
    "pair": "Millésimes du flux",
}
_GAPS = {"derived_ha": "Dérivé (ha)", "official_ha": "Officiel (ha)", "gap_ha": "Écart (ha)", "gap_pct": "Écart (%)"}

here = state.territory()


@st.cache_data(max_entries=4, show_spinner=False)
def every_commune(version: str, _results: Results) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:  # noqa: ARG001
    """Return stock, flow, and one row a commune, of a version; its id is the key."""
    stock, flow = _results.table("stock"), _results.table("flow")
    return stock, flow, side_by_side(stock, flow)


@st.cache_data(max_entries=4, show_spinner=False)
def extent(version: str, _results: Results) -> Bounds | None:  # noqa: ARG001
    """Return the bounds of the communes of a version, None when it has no map."""
    path = _results.communes_file()
    return None if path is None else outlines_bounds(path)


@st.cache_data(max_entries=4, show_spinner=False)
def sums_by_epci(version: str, stamp: str, _results: Results) -> tuple[pd.DataFrame, bool]:  # noqa: ARG001
    """Return the sums by EPCI of a version and whether an imported membership says what each holds."""
    stock, flow, _ = every_commune(_results.id, _results)
    kept = imports.membership()
    return epci_sums(stock, flow, None if kept is None else kept.table), kept is not None


@st.cache_data(max_entries=64, show_spinner=False)
def official_beside(
    version: str,  # noqa: ARG001  (keys of the cache)
    stamp: str,  # noqa: ARG001
    code: str,
    _results: Results,
) -> tuple[pd.DataFrame, pd.DataFrame, str] | None:
    """Return the stocks and flows of a commune beside the official ones, and the name of their file."""
    stock, flow, _ = every_commune(_results.id, _results)
    found = readings.official(imports.workspace)
    return None if found is None else (*with_official(stock, flow, found[0], code), found[1].file)


def drawn_map(table: pd.DataFrame) -> str:
    """Draw the communes coloured by a chosen figure; return the column of the figure."""
    has_flow = bool(table["net_ha"].notna().any())
    choices = [measure for measure in MEASURES if has_flow or measure.column == "part_pct"]
    measure = st.selectbox("Colorer les communes par", choices, format_func=lambda choice: choice.label)
    if not has_flow:
        st.caption("Aucune commune n'a deux millésimes\u202f: seule la part artificialisée peut être comparée.")
    bounds = extent(here.results.id, here.results)
    if bounds is None:
        st.info("Cette version n'a pas de carte des communes.", icon=":material/map:")
        return measure.column
    classes = bands(measured(measure, table[measure.column]))
    deck = choropleth(
        communes_url(here.results),
        measure,
        classes,
        outline=readings.outline(here.results, here.code),
        bounds=bounds,
        borders=len(table) <= MOST_WITH_BORDERS,
    )
    st.pydeck_chart(
        deck, height=460, key=f"choropleth_{measure.property}", alt=f"Carte des communes selon\u202f: {measure.label}"
    )
    st.html(f'<p style="font-size:.9rem">{legend_html(classes)}</p>')
    st.caption(f"Contour orange\u202f: {texts.markdown(here.nom)}. Le tableau qui suit donne les mêmes chiffres.")
    return measure.column


def drawn_rank(table: pd.DataFrame, column: str) -> None:
    """Draw the rank of the commune and the table of all of them."""
    order = ranked(table, column)
    known = int(order["rang"].notna().sum())
    own = order.loc[order["commune_code"] == here.code, "rang"]
    st.subheader("Rang", anchor="rang")
    if len(own) and own.notna().all():
        st.markdown(
            f"{texts.markdown(here.nom)} est au rang **{int(own.iloc[0])}** sur {known}, du plus fort au moins fort."
        )
    headings = {"rang": "Rang", "nom": "Commune", "commune_code": "Code", **_FIGURES}
    downloads.show(order, headings, f"communes_{column}")


def drawn_similar(table: pd.DataFrame) -> None:
    """Draw the communes of similar size."""
    by, rows = similar(table, here.code, count=_SIMILAR)
    st.subheader("Communes de taille semblable", anchor="semblables")
    if len(rows) == 1:
        st.info("Aucune autre commune à comparer dans cet espace de travail.", icon=":material/info:")
        return
    size = {"population": "Population"} if by == "population" else {"extent_ha": "Superficie (ha)"}
    words = "la population" if by == "population" else "la superficie (la population n'est pas connue)"
    st.caption(f"Les plus proches par {words}.")
    downloads.show(rows, {"nom": "Commune", **size, **_FIGURES}, f"{here.code}_semblables")


def drawn_epci() -> None:
    """Draw the sums by EPCI."""
    st.subheader("Intercommunalités", anchor="epci")
    try:
        sums, imported = sums_by_epci(here.results.id, imports.stamp(), here.results)
    except DataError:
        st.warning(
            "Les rattachements importés ne peuvent pas être lus, ou sont d'une autre édition du code officiel "
            "géographique que les résultats. Importez-les à nouveau.",
            icon=":material/warning:",
        )
        return
    if sums.empty:
        st.info("Aucune commune n'est rattachée à une intercommunalité.", icon=":material/info:")
        return
    if not imported:
        st.caption(
            french.typographic(
                "Sommes des seules communes de cet espace de travail, à millésimes égaux. Pour savoir ce qui manque à "
                "chaque intercommunalité : `ocsge import membership FICHIER`."
            )
        )
    shown = sums.assign(reserves=[" ".join(texts.flag_sentences(flags)) for flags in sums["flags"]])
    headings = {
        "territory_code": "SIREN",
        "territory_nom": "Nom",
        "millesimes": "Millésimes",
        "communes_with_data": "Communes mesurées",
        "communes": "Communes",
        "stock_ha": "Stock (ha)",
        "part_pct": "Part (%)",
        "net_ha": "Net (ha)",
        "net_ha_an": "Net par an (ha)",
        "coverage_pct": "Couvert (%)",
        "reserves": "À savoir",
    }
    downloads.show(shown, headings, "epci")


def drawn_official() -> None:
    """Draw the official figures of the commune beside the derived ones."""
    st.subheader("Chiffres officiels", anchor="officiel")
    try:
        found = official_beside(here.results.id, imports.stamp(), here.code, here.results)
    except DataError:
        st.error("Les chiffres officiels importés ne peuvent pas être lus. Importez-les à nouveau.")
        return
    if found is None:
        st.info("Aucun chiffre officiel importé.", icon=":material/upload_file:")
        st.markdown("Téléchargez l'export national du portail de l'artificialisation, par commune, puis lancez :")
        commands.show(f"ocsge import portal export.csv --workspace {shlex.quote(workspace_name())}")
        return
    stocks, flows, file = found
    if stocks.empty:
        st.info("Les chiffres officiels importés ne contiennent pas cette commune.", icon=":material/info:")
        return
    st.caption(french.typographic(f"Fichier : {texts.markdown(file)}. Écart = dérivé − officiel."))
    downloads.show(stocks, {"millesime": "Millésime", **_GAPS}, f"{here.code}_stock_officiel")
    if len(flows):
        st.markdown("**Artificialisation nette**")
        years = {"millesime_1": "De", "millesime_2": "À"}
        downloads.show(flows, {**years, **_GAPS}, f"{here.code}_flux_officiel")


st.title(f"Comparer {texts.markdown(here.nom)} ({here.code})")
imports = Imports(workspace_path())
communes = every_commune(here.results.id, here.results)[2]
number = french.number(len(communes))
if len(communes) > 1:
    st.caption(f"{number} communes dans cet espace de travail, chacune à son dernier millésime.")
    chosen = drawn_map(communes)
    drawn_rank(communes, chosen)
    drawn_similar(communes)
    drawn_epci()
else:
    st.info(
        "Une seule commune dans cet espace de travail. Dérivez-en d'autres pour comparer leurs cartes et leurs rangs.",
        icon=":material/info:",
    )
drawn_official()

"""Draw what the page Méthode shows of the rules and of the provenance: tables and drawings as HTML, all escaped."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from app.ui.french import NO_VALUE, day, number, typographic, with_unit
from app.ui.texts import CONFIDENCE
from ocsge.catalog import credit_and_licence, is_demonstration
from ocsge.catalog_schema import load_catalog
from ocsge.styles import ARTIF_STATES
from ocsge.threshold_drawing import threshold_sentence, threshold_svg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ocsge.rules import Rules

_INK, _PAPER = "#161616", "#ffffff"
_YES, _NO = ARTIF_STATES[0].colour, ARTIF_STATES[3].colour
_CELL = "border:1px solid #ccc;padding:3px 6px"
_ROW = "text-align:left;font-weight:normal;white-space:nowrap"

VALUES_FR: Mapping[str, str] = {
    "minimum_area_m2.built": "Bâti : un bâti isolé plus petit est agrandi jusqu'à cette surface",
    "minimum_area_m2.built_evidence": "Bâti : un bâti plus petit disparaît",
    "minimum_area_m2.zone_construite": "Autres couvertures et usages qui touchent la zone construite",
    "minimum_area_m2.elsewhere": "Autres couvertures et usages, ailleurs",
    "minimum_area_m2.greenhouse": "Serre de la BD TOPO comptée comme bâti",
    "minimum_area_m2.park_evidence": "Parc ou jardin de la couche fournie",
    "minimum_area_m2.forestry_usage_evidence": "Bois qui donne un usage de sylviculture",
    "minimum_width_m.network": "Route ou voie ferrée de l'ossature",
    "minimum_width_m.cover": "Autres couvertures",
    "minimum_width_m.forestry": "Usage de sylviculture",
    "interpretation_threshold.surface_m2": "Seuil d'interprétation : surface",
    "interpretation_threshold.built_m2": "Seuil d'interprétation : emprise du bâti",
    "interpretation_threshold.context_m": "Voisinage examiné autour du territoire",
    "exemption.parks_minimum_m2": "Parc ou jardin public exemptable : partie végétalisée plus grande que",
    "zone_construite.dilation_m": "Zone construite estimée : dilatation autour du bâti",
    "zone_construite.erosion_m": "Zone construite estimée : retrait",
    "zone_construite.minimum_area_m2": "Zone construite estimée : plus petite partie",
    "zone_construite.minimum_hole_m2": "Zone construite estimée : plus petit trou",
    "usage_spread.reach_m": "Terrain autour d'un bâtiment qui prend son usage",
    "composition.tree_share": "Part d'arbres à partir de laquelle la végétation n'est plus herbacée",
}
"""What a value of the rules is, in French; one that is not here goes under its own name."""


def html_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, label: str) -> str:
    """Return a plain table that scrolls sideways on a narrow screen; every cell is escaped."""
    head = "".join(f'<th scope="col" style="{_CELL};text-align:left">{_said(text)}</th>' for text in headings)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL};vertical-align:top">{_said(cell)}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return _scrolled(f"<table style='border-collapse:collapse'><tr>{head}</tr>{body}</table>", label)


def matrix_html(rules: Rules) -> str:
    """Return the matrix of the decree: covers down, usages across, the decree category in each cell, coloured."""
    usages = [entry for entry in rules.usages if entry.is_leaf]
    head = "".join(
        f'<th scope="col" title="{escape(entry.label_fr)}" style="{_CELL};font-weight:normal">{escape(entry.code)}</th>'
        for entry in usages
    )
    rows = []
    for cover in (entry for entry in rules.couvertures if entry.is_leaf):
        cells = "".join(_matrix_cell(rules, cover.code, usage.code) for usage in usages)
        name = f"{cover.code} {cover.label_fr.split(' (')[0]}"
        chip = f'<span style="border-left:10px solid {escape(cover.colour)};padding-left:6px">{escape(name)}</span>'
        title = escape(cover.label_fr)
        rows.append(f'<tr><th scope="row" title="{title}" style="{_CELL};{_ROW}">{chip}</th>{cells}</tr>')
    table = f'<table style="border-collapse:collapse;font-size:0.8rem"><tr><td></td>{head}</tr>{"".join(rows)}</table>'
    return _scrolled(table, "Matrice du décret")


def matrix_legend() -> str:
    """Return the legend of the matrix."""
    return "".join(
        f'<span style="background:{fill};color:{ink};margin-right:8px;{_CELL}">{text}</span>'
        for fill, ink, text in ((_YES, _PAPER, "Artificialisé"), (_NO, _INK, "Non artificialisé"))
    )


def matrix_table(rules: Rules) -> pd.DataFrame:
    """Return the matrix as a table: one row a pair, its state, category, and the text that says so."""
    return pd.DataFrame(
        [
            {
                "code_cs": cover,
                "code_us": usage,
                "artificialise": cell.artificialise,
                "impermeable": cell.impermeable,
                "decree_category": cell.decree_category,
                "source": cell.source,
            }
            for (cover, usage), cell in rules.matrix.items()
        ]
    )


def category_rows(rules: Rules) -> list[tuple[str, str, str]]:
    """Return number, state and wording of each category of the decree."""
    artificialised = {
        row.key[0]: getattr(row.facts, "artificialise", False) for row in rules.tables["decree_categories"]
    }
    return [
        (category, "artificialisée" if artificialised[category] else "non artificialisée", label)
        for category, label in rules.decree_categories.items()
    ]


def value_rows(rules: Rules, *tables: str) -> list[tuple[str, str, str, str]]:
    """Return what each named value of some tables is: words, value, confidence, source."""
    return [
        (
            VALUES_FR.get(f"{value.table}.{value.name}", value.name),
            with_unit(number(value.value, 0 if float(value.value).is_integer() else 2), _unit(value.unit)),
            CONFIDENCE[value.confidence],
            "choix du projet" if value.source == "project choice" else value.source,
        )
        for table in tables
        for value in rules.named_values
        if value.table == table
    ]


def thresholds_html(rules: Rules) -> str:
    """Return the drawing of the thresholds; its words stand for it where it is not seen."""
    data = base64.b64encode(threshold_svg(rules).encode()).decode("ascii")
    said = escape(typographic(threshold_sentence(rules)))
    return f'<img alt="{said}" style="width:100%;max-width:60rem" src="data:image/svg+xml;base64,{data}">'


def decree_sources(rules: Rules) -> list[str]:
    """Return the texts of law and the articles that the matrix and the thresholds rest on, each once."""
    found = {
        f"{row.facts.source}, {row.facts.article}"
        for table in ("matrix", "interpretation_threshold", "decree_categories")
        for row in rules.tables[table]
        if row.facts.article
    }
    return sorted(found)


def source_rows(run: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Return product, edition, file, credit and licence of each file that a result was made from.

    Parameters
    ----------
    run
        Provenance of a commune at a millésime, ``run.json``.
    """
    titles = {product.product: product.title for product in load_catalog().products}
    found: dict[tuple[str, str, str, str, str], None] = {}
    for source in run.get("sources", ()):
        product, edition, file = (source.get(name) or NO_VALUE for name in ("product", "edition", "file"))
        credit, licence = credit_and_licence(source)
        found[titles.get(product, product), day(edition), file, credit or "", licence or ""] = None
    classes = run.get("classes") or {}
    credit, _ = credit_and_licence({}, model=classes.get("model"))
    for file in classes.get("files", ()):
        found["Image classée", NO_VALUE, file, credit or "", ""] = None
    return list(found)


def of_demonstration(run: Mapping[str, Any]) -> bool:
    """Return whether a result was made from a generated file of the demonstration."""
    return is_demonstration(source.get("sha256") for source in run.get("sources", ()))


def _matrix_cell(rules: Rules, cover: str, usage: str) -> str:
    cell = rules.matrix[cover, usage]
    fill, ink, state = (_YES, _PAPER, "artificialisé") if cell.artificialise else (_NO, _INK, "non artificialisé")
    title = escape(f"{cover} × {usage} : {state}, catégorie {cell.decree_category}")
    shown = escape(cell.decree_category)
    return f'<td title="{title}" style="{_CELL};background:{fill};color:{ink};text-align:center">{shown}</td>'


def _scrolled(table: str, label: str) -> str:
    return f'<div role="region" aria-label="{escape(label)}" tabindex="0" style="overflow-x:auto">{table}</div>'


def _said(text: str) -> str:
    return escape(typographic(text), quote=False)


def _unit(unit: str) -> str:
    return {"share": "(part)", "weight": "(poids)", "year": ""}.get(unit, unit)

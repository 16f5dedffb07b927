"""Say in French why a polygon counts as artificialised or not: what it is, where that comes from, which rule decided.

A text of the results (a local correction, an unknown code) may hold anything: the lines are plain text, and
:func:`panel` is what escapes them.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

from app.ui.french import area
from app.ui.texts import CONFIDENCE
from ocsge.exemptions import CHOSEN
from ocsge.tables import CORRECTED_USAGE_RULE, CORRECTION_MARKER, REASON_MARKERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocsge.rules import LayerUsage, Rules

Line = tuple[str, str]
"""What is told, and the text."""

_NARROW = "\u202f"
_FLUSH, _TERM = "margin:0;padding:0", "font-weight:bold;margin:.5rem 0 0;padding:0"
_MODES = {
    "carve": "l'emprise de l'objet l'emporte sur les règles suivantes",
    "fill": "remplit le sol qu'aucune règle précédente n'a pris",
    "spread": "l'objet et le sol qui l'entoure",
    "flag": "marque seulement",
    "default": "par défaut, faute de source",
}
_PRODUCTS = {
    "bd_topo": "BD TOPO",
    "bd_foret": "BD Forêt",
    "cosia": "CoSIA",
    "rpg": "registre parcellaire graphique",
    "ign": "IGN",
}
_FRAGILE = {
    "tree_share": "la part d'arbres est proche de la limite entre herbacé et boisé",
    "threshold_area": "la surface du groupe est proche du seuil d'interprétation",
    "edge": "un petit groupe est coupé par le bord des données",
}
_EXEMPTIONS = {"park": "parc ou jardin public", "photovoltaic": "panneaux photovoltaïques au sol"}
_GROUP = re.compile(r"enclosed group of ([0-9 ]+) m²")


def verdict(row: Mapping[str, Any]) -> str:
    """Return the state of a polygon in two words."""
    return "Artificialisé" if row["artif"] else "Non artificialisé"


def polygon_lines(row: Mapping[str, Any], rules: Rules | None) -> list[Line]:
    """Return what explains the state of a polygon.

    Parameters
    ----------
    row
        Row of the table of polygons.
    rules
        Those that decided; None when they are not at hand: labels and rules are then left out, never guessed.
    """
    lines = [
        ("Couverture", _named(str(row["code_cs"]), rules, "couvertures")),
        ("Usage", _named(str(row["code_us"]), rules, "usages")),
        ("Origine de l'usage", _origin(int(row["usage_rule"]), rules)),
        ("Règle", _decision(str(row["reason"]), rules)),
        ("Matrice du décret", _cell(str(row["code_cs"]), str(row["code_us"]), str(row["decree_category"]), rules)),
        ("Surface", area(row["area_m2"])),
    ]
    return [*lines, *_remarks(row), *_reach(int(row["usage_rule"]), rules)]


def change_lines(row: Mapping[str, Any], rules: Rules | None) -> list[Line]:
    """Return what explains that a piece of ground gained or lost between two millésimes; arguments as above."""
    lines = []
    for when in (1, 2):
        cover, usage = (_named(str(row[f"code_{kind}_{when}"]), rules, f"{name}s") for kind, name in _KINDS)
        state = "artificialisé" if row[f"artif_{when}"] else "non artificialisé"
        lines.append((f"En {row[f'millesime_{when}']}", f"{cover} × {usage}, {state}"))
        lines.append((f"Règle en {row[f'millesime_{when}']}", _decision(str(row[f"reason_{when}"]), rules)))
    if row["impermeable_1"] != row["impermeable_2"]:
        lines.append(("Sol", "imperméabilisé" if row["impermeable_2"] else "désimperméabilisé"))
    return [*lines, ("Surface", area(row["area_m2"]))]


def panel(title: str, lines: list[Line]) -> str:
    """Return the explanation as HTML, every text escaped."""
    items = "".join(
        f'<dt style="{_TERM}">{escape(name)}</dt><dd style="{_FLUSH}">{escape(text)}</dd>' for name, text in lines
    )
    heading = f'<p style="font-size:1.15rem;font-weight:bold;margin:0">{escape(title)}</p>'
    body = f'{heading}<dl style="{_FLUSH}">{items}</dl>'
    return f'<section aria-label="Pourquoi" style="font-size:.9rem">{body}</section>'


_KINDS = (("cs", "couverture"), ("us", "usage"))


def _named(code: str, rules: Rules | None, table: str) -> str:
    label = next((entry.label_fr for entry in getattr(rules, table, ()) if entry.code == code), None)
    return code if label is None else f"{label.replace(';', ',')} ({code})"


def _origin(order: int, rules: Rules | None) -> str:
    if order == CORRECTED_USAGE_RULE:
        return "donné par la couche d'occupation du sol fournie, ou par une correction locale"
    step = None if rules is None else next((rule for rule in rules.layer_usages if rule.order == order), None)
    return f"règle {order}" if step is None else _source(step)


def _reach(order: int, rules: Rules | None) -> list[Line]:
    """Return the caution that a usage spread from a building asks for."""
    steps = () if rules is None else rules.layer_usages
    if not any(rule.order == order and rule.mode == "spread" for rule in steps):
        return []
    return [("À savoir", "la distance jusqu'où porte l'usage d'un bâtiment est une valeur peu sûre (page Méthode)")]


def _source(step: LayerUsage) -> str:
    confidence = f"confiance {CONFIDENCE[step.confidence]}, {step.row}"
    if step.layer == "any":
        return f"{_MODES[step.mode]} ({confidence})"
    product, _, layer = step.layer.partition(":")
    name = f"{_PRODUCTS.get(product, product)}, couche «{_NARROW}{layer}{_NARROW}»"
    return f"{name}{_NARROW}: {_MODES[step.mode]} ({confidence})"


def _decision(reason: str, rules: Rules | None) -> str:
    """Return the case that decided; the reason of the results is English, and made of known parts."""
    ours, corrected, theirs = reason.partition(CORRECTION_MARKER)
    case = next((kind for kind, words in REASON_MARKERS.items() if words in ours), "matrix")
    found = _GROUP.search(ours)
    group = area(float(found[1].replace(" ", ""))) if found else ""
    named = {} if rules is None else rules.interpretation_threshold
    surface, built = (f" {area(named[name])}" if name in named else "" for name in ("surface_m2", "built_m2"))
    texts = {
        "matrix": "la matrice du décret décide seule",
        "threshold_case_1": (
            f"seuil d'interprétation{_NARROW}: groupe enclavé de {group}, sous le seuil de{surface}, dans un sol "
            "artificialisé, dont il prend l'état"
        ),
        "threshold_case_2": (
            f"seuil d'interprétation{_NARROW}: groupe enclavé de {group}, sous le seuil de{surface}, dans un sol non "
            "artificialisé, dont il prend l'état"
        ),
        "threshold_case_3": f"le bâti d'au moins{built} reste artificialisé, même isolé",
        "adjacent_built": f"touche un bâti d'au moins{built} et reste artificialisé avec lui",
    }
    text = texts[case]
    return f"{text}{_NARROW}; correction locale{_NARROW}: {theirs}" if corrected else text


def _cell(code_cs: str, code_us: str, category: str, rules: Rules | None) -> str:
    cell = None if rules is None else rules.matrix.get((code_cs, code_us))
    if rules is None or cell is None:
        return f"catégorie {category}"
    state = "artificialisé" if cell.artificialise else "non artificialisé"
    texts = [rules.decree_categories[part] for part in category.split("-") if part in rules.decree_categories]
    return f"{state}, catégorie {category} ({cell.row}){_NARROW}: {f'{_NARROW}; ou '.join(texts)}"


def _remarks(row: Mapping[str, Any]) -> list[Line]:
    lines = []
    causes = [_FRAGILE.get(name, name) for name in str(row["fragile"]).split("+") if name]
    if causes:
        lines.append(("Fragile", f"{_NARROW}; ".join(causes)))
    if row["artif_min"] != row["artif_max"]:
        lines.append(("Bornes", "l'usage vient d'une valeur par défaut ; un autre usage changerait l'état"))
    for name in filter(None, str(row["exemption"]).split("+")):
        chosen = f"{CHOSEN}{name}" in row["reason"]
        what = "retirée du stock par choix de la collectivité" if chosen else "possible, au choix de la collectivité"
        text = f"{what}, sur {area(row[f'exempt_{name}_m2'])}{_NARROW}; l'état montré est celui sans exemption"
        lines.append((f"Exemption ({_EXEMPTIONS.get(name, name)})", text))
    return lines

"""Write a commune's printable report in French: one HTML file that holds its maps, drawings and styles.

It lays out what the *rapport triennal local* (art. R.2231-1 CGCT) asks for, and says how the figures were made and what
they are not. Figures, maps and sources only: the words of the report of a council are its own. Equal results give equal
bytes: it bears no date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsge import report_page as html
from ocsge.catalog import is_demonstration
from ocsge.flag_texts import flag_sentences
from ocsge.french import NO_VALUE, agreed, day, hectares, number, typographic, years
from ocsge.legal_notice import DEMONSTRATION, NO_BUILDING_RULE, NOT_OFFICIAL, TWO_MEASURES
from ocsge.report_figures import read_figures
from ocsge.styles import GAIN, LOSS
from ocsge.table_files import is_null
from ocsge.threshold_drawing import threshold_sentence, threshold_svg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from ocsge.report_figures import ReportFigures

_LIMITS = (
    "Les bornes ne portent que sur les usages par défaut, non sur les autres choix (tracé de la zone construite…).",
    "Un flux compare ce que disent les données de deux années : une correction des données y compte aussi.",
    "Les surfaces sont comptées en pixels entiers ; le contour dessiné des polygones est simplifié.",
    "Les exemptions que la collectivité peut choisir (parcs et jardins, photovoltaïque au sol) sont mesurées à part.",
)
_INK = "#000091"
_SHOWN_DIGITS = 12


def local_report(
    workspace: Path,
    *,
    commune: str,
    millesimes: tuple[int, ...] | None = None,
    reduction_pct: float | None = None,
    guaranteed: bool | None = None,
    version: Path | None = None,
) -> str:
    """Return the printable report of a commune as an HTML document.

    Parameters
    ----------
    workspace, commune, millesimes, reduction_pct, guaranteed, version
        As :func:`ocsge.report_figures.read_figures`, whose errors are raised.

    Notes
    -----
    Each figure carries the value of the CSV files in ``<data value="…">``.
    """
    found = read_figures(
        workspace,
        commune=commune,
        millesimes=millesimes,
        reduction_pct=reduction_pct,
        guaranteed=guaranteed,
        version=version,
    )
    when = years(found.pair) if found.pair else str(found.millesime)
    title = f"Artificialisation des sols – {found.nom} ({found.code}), {when}"
    sections = (_summary, _enaf, _balance, _sealed, _objectives, _maps, _composition, _method, _sources, _limits)
    parts = [part for section in sections for part in section(found)]
    return html.page(title, [html.heading(title, level=1), *parts])


def _summary(found: ReportFigures) -> Iterator[str]:
    if is_demonstration(found.sources["sha256"]):
        yield html.paragraph(DEMONSTRATION, kind="note")
    yield html.paragraph("Éléments chiffrés pour le rapport triennal local (art. R.2231-1 du CGCT).")
    yield html.heading("L'essentiel")
    yield html.paragraph(_sentence(found), kind="lead")
    stock, flow = found.stock, found.flow
    rows: list[Sequence[str]] = [
        ("Surface de la commune", html.figure(stock["surface_ha"], decimals=1)),
        (f"Surface artificialisée en {found.millesime}", html.figure(stock["stock_ha"])),
        ("Part du territoire", html.figure(stock["part_pct"], "%")),
        ("Borne basse, selon les usages par défaut", html.figure(stock["artif_min_ha"])),
        ("Borne haute, selon les usages par défaut", html.figure(stock["artif_max_ha"])),
    ]
    if not is_null(stock["ci95_ha"]):
        rows.append(("Corrigée des erreurs de l'image classée", html.figure(stock["stock_adjusted_ha"])))
        rows.append(("Plus ou moins (intervalle à 95\u202f%)", html.figure(stock["ci95_ha"])))
    rows.append(("Après les exemptions choisies", html.figure(stock["stock_after_exemptions_ha"])))
    rows.append(("Parcs et jardins exemptables", html.figure(stock["exempt_parks_ha"])))
    rows.append(("Photovoltaïque au sol exemptable", html.figure(stock["exempt_pv_ha"])))
    if flow is not None and found.pair is not None:
        rows.append((f"Surface artificialisée en {found.pair[0]}", html.figure(flow["stock_1_ha"])))
        rows.append((f"Devenue artificialisée, {years(found.pair)}", html.figure(flow["gain_ha"])))
        rows.append((f"Désartificialisée, {years(found.pair)}", html.figure(flow["loss_ha"])))
        rows.append(("Artificialisation nette", html.figure(flow["net_ha"], difference=True)))
        rows.append(("Artificialisation nette, borne basse", html.figure(flow["net_min_ha"], difference=True)))
        rows.append(("Artificialisation nette, borne haute", html.figure(flow["net_max_ha"], difference=True)))
        rows.append(("Artificialisation nette par an", html.figure(flow["net_ha_an"], "ha/an", difference=True)))
    yield html.table(("Mesure", "Valeur"), rows)
    if is_null(stock["ci95_ha"]):
        yield html.paragraph(
            "Aucun intervalle à 95 % : il demande une image classée dont les erreurs ont été mesurées."
        )


def _sentence(found: ReportFigures) -> str:
    stock, flow = found.stock, found.flow
    if is_null(stock["stock_ha"]):
        return f"Le sol de {found.nom} n'est pas connu en {found.millesime} : aucun chiffre ne peut être donné."
    are = agreed(stock["stock_ha"], "est artificialisé", "sont artificialisés")
    first = f"En {found.millesime}, {hectares(stock['stock_ha'])} {are} à {found.nom}"
    share = f"soit {number(stock['part_pct'], 1)} % du territoire."
    if flow is None or found.pair is None:
        return f"{first}, {share} Un seul millésime est disponible : l'évolution n'est pas mesurée."
    if is_null(flow["net_ha"]):
        return f"{first}, {share} L'évolution entre {found.pair[0]} et {found.pair[1]} n'est pas connue."
    if flow["gain_ha"] == 0 and flow["loss_ha"] == 0:
        return f"{first}, {share} Aucun sol n'a changé d'état entre {found.pair[0]} et {found.pair[1]}."
    became = agreed(flow["gain_ha"], "l'est devenu", "le sont devenus")
    ceased = agreed(flow["loss_ha"], "a cessé", "ont cessé")
    moved = f"{hectares(flow['gain_ha'], 2)} {became} et {hectares(flow['loss_ha'], 2)} {ceased} de l'être"
    return f"{first}, {share} Entre {found.pair[0]} et {found.pair[1]}, {moved}."


def _without_lines(found: ReportFigures) -> str:
    """Return why the parts of the report that compare two millésimes are not there."""
    if found.pair is None:
        return "Cette partie demande deux millésimes."
    return f"Aucune donnée ne décrit le sol de la commune, {years(found.pair)} : rien n'est mesuré."


def _enaf(found: ReportFigures) -> Iterator[str]:
    yield html.heading("1. Consommation d'espaces naturels, agricoles et forestiers (ENAF)")
    lines = _part(found, "1_enaf")
    if lines.empty:
        why = (
            "Aucune donnée de consommation d'ENAF n'est importée pour cette commune (`ocsge import enaf`)."
            if found.pair and not found.lines.empty
            else _without_lines(found)
        )
        yield html.paragraph(why, kind="note")
        return
    consumed, share = (
        {str(row["from_year"]): row["value"] for _, row in lines[lines["item"] == item].iterrows()}
        for item in ("consumed", "consumed_pct")
    )
    rows = [(year, html.figure(value), html.figure(share[year], "%")) for year, value in consumed.items()]
    drawn = [(year, float(value)) for year, value in consumed.items() if not is_null(value)]
    yield html.bars(drawn, title="Consommation d'ENAF par année", colours=(_INK, _INK))
    yield html.table(("Année", "Consommation", "Part du territoire"), rows)
    yield html.paragraph(TWO_MEASURES, kind="note")


def _balance(found: ReportFigures) -> Iterator[str]:
    yield html.heading("2. Surfaces artificialisées et désartificialisées, par catégorie du décret")
    lines = _part(found, "2_artificialisation")
    if lines.empty:
        yield html.paragraph(_without_lines(found), kind="note")
        return
    values = {str(row["item"]): float(row["value"]) for _, row in lines.iterrows()}
    words = {str(row["item"]): str(row["note"]) for _, row in lines.iterrows()}
    categories = [name.removeprefix("net_category_") for name in values if name.startswith("net_category_")]
    rows = [
        _balance_row(f"{category} – {words[f'net_category_{category}']}", values, f"_category_{category}")
        for category in categories
    ]
    drawn = [(f"Catégorie {category}", values[f"net_category_{category}"]) for category in categories]
    yield html.bars(drawn, title="Solde par catégorie du décret, en hectares", colours=(GAIN, LOSS))
    headings = ("Catégorie du décret", "Devenues artificialisées", "Désartificialisées", "Solde")
    yield html.table(headings, [*rows, _balance_row("Total", values, "")])


def _balance_row(label: str, values: Mapping[str, float], ending: str) -> tuple[str, ...]:
    gained, lost = (html.figure(values[f"{item}{ending}"]) for item in ("artificialised", "desartificialised"))
    return label, gained, lost, html.figure(values[f"net{ending}"], difference=True)


def _sealed(found: ReportFigures) -> Iterator[str]:
    yield html.heading("3. Surfaces dont les sols sont imperméables")
    lines = _part(found, "3_impermeable")
    if lines.empty:
        stock = html.figure(found.stock["stock_impermeable_ha"])
        yield html.table(("Mesure", "Valeur"), [(f"Surfaces imperméables en {found.millesime}", stock)])
        return
    rows = [(row["label_fr"], html.figure(row["value"])) for _, row in lines.iterrows()]
    yield html.table(("Mesure", "Valeur"), rows, caption=f"Sols : {lines['note'].iloc[0]}")


def _objectives(found: ReportFigures) -> Iterator[str]:
    yield html.heading("4. Respect des objectifs")
    lines = _part(found, "4_objectifs")
    if lines.empty:
        yield html.paragraph(
            "Les objectifs de la période en cours se comptent en consommation d'ENAF : rien à en dire sans elle."
            if found.pair is None or len(found.lines)
            else _without_lines(found),
            kind="note",
        )
        return
    rows = [(row["label_fr"], html.figure(row["value"])) for _, row in lines.iterrows()]
    yield html.table(("Mesure", "Valeur"), rows)
    yield html.paragraph(f"Constat : {lines['note'].iloc[-1]}.")


def _maps(found: ReportFigures) -> Iterator[str]:
    yield html.heading("Cartes")
    folder, where = found.version / "communes", f"{found.nom} ({found.code})"
    yield html.picture(
        folder / f"{found.code}_{found.millesime}_artificialisation.png",
        alt=f"Carte des surfaces artificialisées de {where} en {found.millesime}",
    )
    if found.pair:
        yield html.picture(
            folder / f"{found.code}_{found.pair[0]}-{found.pair[1]}_changement.png",
            alt=f"Carte des surfaces devenues artificialisées ou désartificialisées, {where}, {years(found.pair)}",
        )


def _composition(found: ReportFigures) -> Iterator[str]:
    yield html.heading(f"Composition en {found.millesime}")
    labels = {entry.code: entry.label_fr for entry in (*found.rules.couvertures, *found.rules.usages)}
    for dimension, title in (("couverture", "Par couverture du sol"), ("usage", "Par usage du sol")):
        chosen = found.composition[found.composition["dimension"] == dimension]
        rows = [
            (
                f"{row['code']} {labels.get(row['code'], '')}".strip(),
                html.figure(row["area_ha"]),
                html.figure(row["artif_area_ha"]),
            )
            for _, row in chosen.iterrows()
        ]
        yield html.table(("Code", "Surface", "dont artificialisée"), rows, caption=title)


def _method(found: ReportFigures) -> Iterator[str]:
    yield html.heading("Méthode")
    yield html.paragraph(
        "Chaque polygone a une couverture et un usage de la nomenclature OCS GE. La matrice du décret dit si le couple "
        "est artificialisé ; les seuils d'interprétation rattachent ensuite les petites surfaces à ce qui les entoure."
    )
    if found.same_rules:
        yield html.Html(threshold_svg(found.rules))
        yield html.paragraph(f"Seuils : {threshold_sentence(found.rules)}")
    else:
        yield html.paragraph(
            "Ce résultat a été dérivé avec d'autres règles que celles livrées aujourd'hui : leurs valeurs ne sont pas "
            "reproduites ici.",
            kind="note",
        )
    at = found.run["rules"].get("at")
    fingerprint = found.run["rules"]["fingerprint"][:_SHOWN_DIGITS]
    dated = f", à la date du {day(at)}" if at else ""
    covered = number(found.stock["coverage_pct"], 1)
    yield html.paragraph(f"Règles : version {fingerprint}{dated}. Les données décrivent {covered} % du territoire.")
    flags = "" if is_null(found.stock["flags"]) else str(found.stock["flags"])
    yield html.bullets(flag_sentences(flags))


def _sources(found: ReportFigures) -> Iterator[str]:
    yield html.heading("Sources")
    columns = ("years", "layer", "edition", "file", "credit", "licence")
    sources = _grouped(found.sources)
    rows = [
        [NO_VALUE if is_null(row[name]) or row[name] in {"nan", "None", ""} else str(row[name]) for name in columns]
        for _, row in sources.assign(edition=sources["edition"].map(day, na_action="ignore")).iterrows()
    ]
    yield html.table(("Millésime", "Couches", "Édition", "Fichier", "Crédit", "Licence"), rows)


def _grouped(sources: pd.DataFrame) -> pd.DataFrame:
    """Return one row a file, its layers together: a delivery has many."""
    keys = ["file", "edition", "credit", "licence"]
    groups = sources.groupby(keys, dropna=False, sort=True)
    joined: pd.DataFrame = groups.agg(
        layer=("layer", lambda names: ", ".join(sorted(set(map(str, names))))),
        years=("years", lambda names: ", ".join(sorted(set(map(str, names))))),
    ).reset_index()
    return joined


def _limits(found: ReportFigures) -> Iterator[str]:
    yield html.heading("Limites")
    yield html.bullets(_LIMITS)
    of_data = DEMONSTRATION if is_demonstration(found.sources["sha256"]) else NOT_OFFICIAL
    for text in (NO_BUILDING_RULE, of_data):
        yield html.paragraph(typographic(text), kind="note")


def _part(found: ReportFigures, part: str) -> pd.DataFrame:
    return found.lines[found.lines["part"] == part]

"""French sentences of the pages: the figures in words, what the flags mean, and what the results are not."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from app.ui import french
from ocsge import flag_texts, legal_notice
from ocsge.french import typographic

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&=@])")
_ADDRESS = re.compile(r"(?i)(?<=http)(?=s?:)|(?<=https)(?=:)|(?<=www)(?=\.)|(?=@)")
_JOINER = "\u2060"
"""Of no width: what follows an escaped address would still be made a link, were it not cut."""
_PLUS_MINUS = "±"


def markdown(text: object) -> str:
    r"""Return a text of the data as Markdown that shows it as it is: neither link, image, formula nor colour.

    Examples
    --------
    >>> markdown("<b> :red[x]")
    '\\\\<b\\\\> \\\\:red\\\\[x\\\\]'
    """
    return _MARKDOWN.sub(r"\\\1", _ADDRESS.sub(_JOINER, " ".join(str(text).split())))


NOT_OFFICIAL = typographic(legal_notice.NOT_OFFICIAL)
TWO_MEASURES = typographic(legal_notice.TWO_MEASURES)

COMPLIANCE: Mapping[str, str] = MappingProxyType(
    {state: typographic(f"{text[0].upper()}{text[1:]}.") for state, text in legal_notice.COMPLIANCE.items()}
)
"""What each value of ``compliance`` of a trajectory means."""

CONFIDENCE: Mapping[str, str] = MappingProxyType({"high": "forte", "medium": "moyenne", "low": "faible"})
"""How sure a rule is: ``confidence`` of the tables of rules."""

_NO_INTERVAL = (
    ("no class raster", "aucune image classée n'a servi, dont les erreurs seraient connues"),
    ("no confusion matrix", "les erreurs du modèle qui a classé l'image ne sont pas fournies"),
    ("mapped classes", "des classes de l'image ne sont pas dans les mesures d'erreur du modèle"),
    ("too few samples", "trop peu d'échantillons mesurent les erreurs du modèle"),
    ("no change was checked", "aucun changement n'a été contrôlé"),
)


def flag_sentences(flags: object) -> list[str]:
    """Return :func:`ocsge.flag_texts.flag_sentences` as Markdown that shows an unknown flag as it is."""
    return flag_texts.flag_sentences(flags, unknown=markdown)


def why_no_interval(reason: str) -> str:
    """Return in French why a stock has no interval, for the reason that ``run.json`` gives."""
    for start, text in _NO_INTERVAL:
        if reason.startswith(start):
            return typographic(f"Pas d'intervalle à 95 % : {text}.")
    return typographic("Pas d'intervalle à 95 % : la raison n'est pas connue.")


def interval(adjusted: object, half_width: object, *, reason: str = "") -> str:
    """Return the adjusted stock with its 95 % interval, in hectares, or why there is none."""
    if french.number(half_width) == french.NO_VALUE:
        return why_no_interval(reason)
    around, width = french.hectares(adjusted), french.hectares(half_width)
    return typographic(f"Corrigé des erreurs de l'image : {around} {_PLUS_MINUS} {width} (95 %).")


def bounds(lowest: object, highest: object, *, decimals: int = 1, signed: bool = False) -> str:
    """Return two bounds in hectares, or that they do not differ; nothing when they are unknown."""
    write = french.signed if signed else french.number
    low, high = write(lowest, decimals), write(highest, decimals)
    if french.NO_VALUE in (low, high):
        return ""
    if low == high:
        return "Les usages par défaut n'y changent rien ; d'autres règles peuvent le faire bouger (page Méthode)."
    return f"Entre {low} et {french.with_unit(high, 'ha')} selon les usages par défaut."


def coverage(percentage: object) -> str:
    """Return how much of the territory the data describe."""
    known = french.percent(percentage)
    return (
        "La part du territoire décrite par les données n'est pas connue."
        if known == french.NO_VALUE
        else f"Les données décrivent {known} du territoire."
    )


def summary(nom: str, stock: pd.Series, flow: pd.Series | None, pair: tuple[int, int] | None) -> str:
    """Return what a mayor can quote: the stock and what changed, in words, as Markdown.

    Parameters
    ----------
    nom
        Name of the commune, as the data writes it.
    stock
        Row of ``STOCK``.
    flow
        Row of ``FLOW`` of the pair; None without one.
    pair
        Millésimes compared.
    """
    name = markdown(nom)
    if french.number(stock["stock_ha"]) == french.NO_VALUE:
        return typographic(
            f"Le sol de {name} n'est pas connu en {stock['millesime']} : aucun chiffre ne peut être donné."
        )
    share, area = french.percent(stock["part_pct"]), french.hectares(stock["stock_ha"])
    are = french.agreed(stock["stock_ha"], "est artificialisé", "sont artificialisés")
    first = f"En {stock['millesime']}, **{area}** {are} à {name}, soit **{share}** du territoire."
    if flow is None or pair is None:
        return typographic(f"{first} Un seul millésime est choisi : l'évolution n'est pas mesurée.")
    return typographic(f"{first} {_change(flow, pair)}")


def _change(flow: pd.Series, pair: tuple[int, int]) -> str:
    if french.number(flow["net_ha"]) == french.NO_VALUE:
        return f"L'évolution entre {pair[0]} et {pair[1]} n'est pas connue."
    gain, loss, net = (float(flow[name]) for name in ("gain_ha", "loss_ha", "net_ha"))
    if gain == 0 and loss == 0:
        return f"Entre {pair[0]} et {pair[1]}, aucun sol n'a changé d'état."
    moved = (
        f"Entre {pair[0]} et {pair[1]}, {french.hectares(gain, 2)} "
        f"{french.agreed(gain, 'est devenu artificialisé', 'sont devenus artificialisés')} et "
        f"{french.hectares(loss, 2)} {french.agreed(loss, 'a', 'ont')} cessé de l'être"
    )
    yearly = f"{french.with_unit(french.signed(flow['net_ha_an'], 2), 'ha')} par an"
    balance = french.with_unit(french.signed(net, 2), "ha")
    return f"{moved} : l'artificialisation nette est de **{balance}**, soit {yearly}."


def source_notice(stock: pd.Series, millesimes: tuple[int, ...]) -> str:
    """Return where the figures come from and which millésimes there are, as Markdown."""
    source = {"derived": "dérivation locale", "official": "polygones officiels de l'IGN"}
    said = source.get(str(stock["source"]), markdown(stock["source"]))
    model = f" ; image classée par {markdown(stock['model'])}" if str(stock["model"] or "") not in {"", "nan"} else ""
    years = ", ".join(map(str, millesimes))
    plural = "s" if len(millesimes) > 1 else ""
    return typographic(
        f"Source : {said}{model}. Millésime{plural} disponible{plural} : {years}. "
        f"Règles : version {markdown(stock['rules_version'])}."
    )

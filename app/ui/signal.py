"""Texts and tables of the page Signaler."""

from __future__ import annotations

import shlex
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from app.corrections import STATUSES_FR
from app.polygon_list import state_name
from app.ui.french import area, day, typographic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ocsge.rules import Rules

Span = Literal["every", "from", "until", "only"]
SPANS: tuple[Span, ...] = ("every", "from", "until", "only")
"""Years a correction holds for, seen from the millésime of its polygon."""


def span_name(millesime: int) -> Callable[[Span], str]:
    """Return how to say a span in French."""
    names: Mapping[Span, str] = {
        "every": "tous les millésimes",
        "from": f"{millesime} et après",
        "until": f"{millesime} et avant",
        "only": f"{millesime} seulement",
    }
    return names.__getitem__


def span_years(span: Span, millesime: int) -> tuple[int | None, int | None]:
    """Return the first and last year of a span; None is no limit."""
    return (
        millesime if span in {"from", "only"} else None,
        millesime if span in {"until", "only"} else None,
    )


def missing(cover: str | None, usage: str | None, author: str, reason: str) -> str:
    """Return what a proposal lacks, in French, or an empty text."""
    lacks = []
    if cover is None and usage is None:
        lacks.append("une couverture ou un usage")
    if not author.strip():
        lacks.append("l'auteur")
    if not reason.strip():
        lacks.append("le motif")
    return typographic(f"Il manque : {', '.join(lacks)}.") if lacks else ""


def description(polygon: Mapping[str, Any], rules: Rules) -> str:
    """Return what a polygon is now, as HTML."""
    labels = {entry.code: entry.label_fr for entry in (*rules.couvertures, *rules.usages)}
    facts = {
        "Polygone": polygon["id"],
        "Couverture": f"{polygon['code_cs']} {labels.get(polygon['code_cs'], '')}",
        "Usage": f"{polygon['code_us']} {labels.get(polygon['code_us'], '')}",
        "Surface": area(float(polygon["area_m2"])),
        "État": state_name(polygon["artif"]),
    }
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;padding:2px 12px 2px 0;font-weight:normal">{name}</th>'
        f'<td style="padding:2px 0"><strong>{escape(str(value))}</strong></td></tr>'
        for name, value in facts.items()
    )
    return f"<table>{rows}</table>"


def shown(corrections: pd.DataFrame) -> pd.DataFrame:
    """Return the list of corrections under French headings."""
    first, last = corrections["millesime_from"], corrections["millesime_to"]
    years = [
        "tous"
        if pd.isna(start) and pd.isna(end)
        else f"{'' if pd.isna(start) else start}–{'' if pd.isna(end) else end}"
        for start, end in zip(first, last, strict=True)
    ]
    return pd.DataFrame(
        {
            "Numéro": corrections["id"],
            "Statut": [STATUSES_FR.get(status, status) for status in corrections["status"]],
            "Couverture": corrections["code_cs"],
            "Usage": corrections["code_us"],
            "Millésimes": years,
            "Auteur": corrections["author"],
            "Date": [day(str(date)) for date in corrections["date"]],
            "Motif": corrections["reason"],
        }
    )


def to_derive(concerned: Sequence[tuple[str, int, str | None]]) -> list[str]:
    """Return the results that a decision changes, in French."""
    return [
        f"commune {code or '(aucune)'}, millésime {millesime}" + (f", périmètre {perimetre}" if perimetre else "")
        for code, millesime, perimetre in concerned
    ]


def commands(concerned: Sequence[tuple[str, int, str | None]], workspace: str) -> list[str]:
    """Return the commands that derive again the communes a decision changes, every year of one in one command.

    Results within a perimeter have none: its file is not known here.

    Examples
    --------
    >>> commands([("12174", 2019, None), ("12174", 2022, None)], "demo")
    ['ocsge derive --commune 12174 --millesime 2019 --millesime 2022 --workspace demo']
    """
    years: dict[str, set[int]] = {}
    for code, millesime, perimetre in concerned:
        if code and perimetre is None:
            years.setdefault(code, set()).add(millesime)
    return [
        f"ocsge derive --commune {code} "
        + " ".join(f"--millesime {year}" for year in sorted(found))
        + f" --workspace {shlex.quote(workspace)}"
        for code, found in sorted(years.items())
    ]

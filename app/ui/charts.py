"""Charts of the pages: pure functions from a small table to an Altair chart, numbers written in French."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from app.ui import french, palettes

if TYPE_CHECKING:
    import pandas as pd

_AXIS = "replace(replace(format(datum.value, ',~g'), /,/g, '\u202f'), '.', ',')"
"""Vega expression that writes the numbers of an axis in French."""
_BAR_PX, _CELL_PX, _LABELS_PX, _ROWS_PX = 28, 44, 260, 150
_CODE = "split(datum.label, ' ')[0]"
_CODE_AND_WORDS = f"[{_CODE}, substring(datum.label, indexof(datum.label, ' ') + 1)]"
"""Vega expressions of a label: its code, its code above its words."""
_BLUE, _DARK = "#000091", "#1E1E1E"
_FONT = "Arial"


def bars(
    table: pd.DataFrame, *, value: str = "artif_area_ha", title: str = "Surface artificialisée (ha)"
) -> alt.LayerChart | alt.FacetChart:
    """Return horizontal bars, the largest first, each of its own colour, with its figure at the end.

    Parameters
    ----------
    table
        ``label`` (one a row), ``colour`` (``#RRGGBB``) and ``value``, a number.
    value
        Column of the lengths.
    title
        Of the axis, unit included.
    """
    shown = table.assign(texte=[french.number(figure, 2) for figure in table[value]])
    order = list(shown.sort_values(value, ascending=False)["label"])
    widest = float(shown[value].max()) if len(shown) else 1.0
    base = alt.Chart(shown).encode(
        y=alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelLimit=_LABELS_PX, ticks=False, domain=False)),
        x=alt.X(
            f"{value}:Q",
            title=title,
            # room for the figures that stand after the bars
            scale=alt.Scale(domain=[0, widest * 1.2 or 1.0]),
            axis=alt.Axis(labelExpr=_AXIS, tickCount=4, grid=False),
        ),
        tooltip=[alt.Tooltip("label:N", title="Classe"), alt.Tooltip("texte:N", title="ha")],
    )
    lengths = base.mark_bar(stroke="#666666", strokeWidth=0.5).encode(color=alt.Color("colour:N", scale=None))
    figures = base.mark_text(align="left", dx=4, color=_DARK).encode(text="texte:N")
    return _plain(alt.layer(lengths, figures).properties(height=max(len(shown), 2) * _BAR_PX + 40))


def matrix(table: pd.DataFrame, *, years: tuple[int, int]) -> alt.LayerChart | alt.FacetChart:
    """Return the transitions as a grid: first year in rows, second in columns, cividis by area, ha.

    What did not change stands in grey on the diagonal: its area, far larger, would hide the rest.

    Parameters
    ----------
    table
        ``label_1``, ``label_2``, ``code_2`` and ``area_ha``, one row a pair of codes.
    years
        The two millésimes.
    """
    shown = table.assign(
        stable=table["label_1"] == table["label_2"],
        texte=[_cell(area) for area in table["area_ha"]],
        surface=[french.hectares(area, 4) for area in table["area_ha"]],
    )
    largest = float(shown.loc[~shown["stable"], "area_ha"].max()) if (~shown["stable"]).any() else 0.0
    rows = sorted(set(shown["label_1"]) | set(shown["label_2"]), key=_natural)
    places = alt.Scale(domain=rows)
    base = alt.Chart(shown).encode(
        y=alt.Y(
            "label_1:N",
            sort=rows,
            scale=places,
            title=f"En {years[0]}",
            axis=alt.Axis(labelExpr=_CODE_AND_WORDS, labelLimit=_ROWS_PX, labelOffset=-7, titlePadding=4),
        ),
        x=alt.X(
            "label_2:N",
            sort=rows,
            scale=places,
            title=f"En {years[1]}",
            # codes only: a phone has no room for words, which the rows give
            axis=alt.Axis(orient="top", labelExpr=_CODE, labelAngle=-60, labelOverlap=False),
        ),
        tooltip=[
            alt.Tooltip("label_1:N", title=f"En {years[0]}"),
            alt.Tooltip("label_2:N", title=f"En {years[1]}"),
            alt.Tooltip("surface:N", title="Surface"),
        ],
    )
    scale = alt.Scale(scheme="cividis", type="sqrt", domain=[0, largest or 1.0])
    legend = alt.Legend(title="Surface (ha)", labelExpr=_AXIS, tickCount=4, orient="bottom")
    changed = (
        base.transform_filter("!datum.stable")
        .mark_rect()
        .encode(color=alt.Color("area_ha:Q", scale=scale, legend=legend))
    )
    stable = base.transform_filter("datum.stable").mark_rect(color=palettes.STABLE)
    dark = f"datum.stable || datum.area_ha > {0.35 * largest!r}"
    texts = base.mark_text(fontSize=10).encode(
        text="texte:N", color=alt.condition(dark, alt.value(_DARK), alt.value("#FFFFFF"))
    )
    return _plain(alt.layer(stable, changed, texts).properties(height=len(rows) * _CELL_PX + 140))


def yearly_consumption(table: pd.DataFrame, *, means: pd.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """Return a bar a year of consumed ENAF, ha, with the lines that it is compared with.

    Parameters
    ----------
    table
        ``year``, ``consumed_ha`` and ``periode``.
    means
        ``label``, ``first_year``, ``last_year`` and ``pace_ha_an``: one line a row.
    """
    shown = table.assign(texte=[french.hectares(area, 2) for area in table["consumed_ha"]])
    shown["annee"] = shown["year"].astype(str)
    periods = list(dict.fromkeys(shown["periode"]))
    ends = [*shown["year"], *means["first_year"], *means["last_year"]]
    every = [str(year) for year in range(min(ends), max(ends) + 1)]
    years = alt.Scale(domain=every)
    lines = means.assign(first=means["first_year"].astype(str), last=means["last_year"].astype(str))
    lengths = (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=alt.X("annee:O", title="Année", scale=years, axis=alt.Axis(labelAngle=-45)),
            y=alt.Y("consumed_ha:Q", title="ENAF consommés (ha)", axis=alt.Axis(labelExpr=_AXIS)),
            color=alt.Color(
                "periode:N",
                scale=alt.Scale(domain=periods, range=["#7B7B9D", _BLUE][: len(periods)]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[alt.Tooltip("annee:O", title="Année"), alt.Tooltip("texte:N", title="Consommé")],
        )
    )
    levels = (
        alt.Chart(lines)
        .mark_rule(strokeWidth=2, strokeDash=[6, 3], color=palettes.GAIN)
        .encode(
            x=alt.X("first:O", scale=years),
            x2="last:O",
            y="pace_ha_an:Q",
            tooltip=[alt.Tooltip("label:N", title="Rythme")],
        )
    )
    return _plain(alt.layer(lengths, levels).properties(height=300))


def _plain(chart: alt.LayerChart | alt.FacetChart) -> alt.LayerChart | alt.FacetChart:
    """Return a chart in the font of the pages, without a frame."""
    dressed: alt.LayerChart | alt.FacetChart = chart.configure_view(stroke=None).configure(font=_FONT)
    return dressed


def _cell(area_ha: float) -> str:
    """Return an area short enough for a cell of a grid, ha."""
    least = 0.005
    return "<\u202f0,01" if 0 < area_ha < least else french.number(area_ha, 0 if area_ha >= 100 else 2)


def _natural(label: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts category 9 before 10, CS1.2 before CS1.10."""
    head = label.split(" ", maxsplit=1)[0]
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in head.replace("-", ".").split("."))

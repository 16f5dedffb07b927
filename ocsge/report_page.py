"""Make the parts of a printable page: texts, tables, figures, bars and pictures as HTML, everything escaped.

Functions take texts as they are and return HTML; only what they return may be put together without escaping. A page
holds all it shows: no style sheet, picture or script is fetched from elsewhere, and it has no script at all.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from ocsge.figures import as_filed, decimals_of
from ocsge.french import NO_VALUE, number, signed, typographic, with_unit
from ocsge.table_files import is_null

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load for the page: pictures and styles that are in it."""
_PRIMARY = "#000091"
_CSS = f"""
@page {{ size: A4; margin: 16mm 15mm 18mm }}
* {{ box-sizing: border-box }}
body {{ font: 10.4pt/1.42 Arial, sans-serif; color: #161616; max-width: 186mm; margin: 0 auto; padding: 6mm }}
h1 {{ font-size: 19pt; line-height: 1.2; color: {_PRIMARY}; margin: 0 0 1mm }}
h2 {{ font-size: 13pt; color: {_PRIMARY}; border-bottom: 0.4mm solid {_PRIMARY}; margin: 8mm 0 2mm; padding-bottom: 1mm;
  break-after: avoid }}
p {{ margin: 0 0 2mm }}
.lead {{ font-size: 11.8pt }}
.note {{ border-left: 1mm solid {_PRIMARY}; padding: 1mm 3mm; background: #f3f3fb }}
table {{ border-collapse: collapse; width: 100%; margin: 2mm 0 4mm; font-size: 9.3pt }}
caption {{ text-align: left; font-weight: bold; padding: 1mm 0 }}
th, td {{ border-bottom: 0.2mm solid #b0b0b0; padding: 1mm 1.6mm; text-align: left; vertical-align: top }}
thead th {{ border-bottom: 0.4mm solid #161616 }}
tbody th {{ font-weight: normal }}
thead {{ display: table-header-group }}
tr, figure, svg {{ break-inside: avoid }}
.number {{ text-align: right; white-space: nowrap }}
figure {{ margin: 3mm 0 }}
figure img, svg {{ width: 100%; height: auto }}
figcaption {{ font-size: 9pt }}
@media print {{ body {{ padding: 0; max-width: none }} }}
"""


class Html(str):
    """Text that is HTML already: a table does not escape it."""

    __slots__ = ()


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole document in French, ready to print on A4."""
    return (
        '<!DOCTYPE html>\n<html lang="fr">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def heading(text: str, *, level: int = 2) -> Html:
    """Return a title."""
    return Html(f"<h{level}>{escape(typographic(text), quote=False)}</h{level}>")


def paragraph(text: str, *, kind: str = "") -> Html:
    """Return a paragraph; ``lead`` and ``note`` are kinds."""
    body = text if isinstance(text, Html) else escape(typographic(text), quote=False)
    return Html(f'<p class="{kind}">{body}</p>' if kind else f"<p>{body}</p>")


def bullets(texts: Sequence[str]) -> Html:
    """Return a list; nothing without texts."""
    items = "".join(f"<li>{escape(typographic(text), quote=False)}</li>" for text in texts)
    return Html(f"<ul>{items}</ul>") if texts else Html()


def figure(value: object, unit: str = "ha", *, decimals: int = 2, difference: bool = False) -> Html:
    """Return a number in French that carries the value of the CSV files, or a dash when it is not known.

    Parameters
    ----------
    value
        The number, in ``unit``.
    unit
        ``%``, ``ha``, or what is counted a year.
    decimals
        Decimals shown.
    difference
        Whether to write the sign of a gain.
    """
    if is_null(value):
        return Html(NO_VALUE)
    column = "_pct" if unit == "%" else "_ha"
    exact = f"{as_filed(float(str(value)), column):.{decimals_of(column)}f}"
    shown = with_unit((signed if difference else number)(value, decimals), unit)
    return Html(f'<data value="{exact}">{escape(shown, quote=False)}</data>')


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> Html:
    """Return a table whose first column names its rows; figures stand to the right."""
    above = f"<caption>{escape(typographic(caption), quote=False)}</caption>" if caption else ""
    head = "".join(f'<th scope="col">{escape(typographic(text), quote=False)}</th>' for text in headings)
    body = "".join(
        f"<tr>{''.join(_cell(text, first=not place) for place, text in enumerate(row))}</tr>" for row in rows
    )
    return Html(f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _cell(text: str, *, first: bool) -> str:
    if isinstance(text, Html):
        return f'<td class="number">{text}</td>'
    shown = escape(text, quote=False)
    return f'<th scope="row">{shown}</th>' if first else f"<td>{shown}</td>"


def picture(path: Path, *, alt: str) -> Html:
    """Return a PNG file as part of the page; nothing when there is no such file."""
    if not path.is_file():
        return Html()
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    source = f"data:image/png;base64,{data}"
    return Html(f'<figure><img src="{source}" alt="{escape(alt)}"></figure>')


def bars(rows: Sequence[tuple[str, float]], *, title: str, colours: tuple[str, str], unit: str = "ha") -> Html:
    """Return horizontal bars around a common zero, each with its figure.

    Parameters
    ----------
    rows
        Name and value of each bar, in ``unit``; none draws nothing.
    title
        What the drawing shows, for who does not see it.
    colours
        Of values above and below zero, ``#rrggbb``.
    unit
        Unit of the figures.
    """
    most = max((abs(value) for _, value in rows), default=0.0)
    if not most:
        return Html()
    below = any(value < 0 for _, value in rows)
    name_end, room = 205, 300
    zero = name_end + (room / 2 if below else 0)
    scale = (room / 2 if below else room) / most
    lines = []
    for place, (name, value) in enumerate(rows):
        top, length = 22 * place + 4, abs(value) * scale
        left = zero - length if value < 0 else zero
        shown = escape(with_unit(signed(value, 2) if below else number(value, 2), unit))
        lines.append(
            f'<text x="{name_end - 8}" y="{top + 11}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{left:.1f}" y="{top}" width="{max(length, 0.4):.1f}" height="14" '
            f'fill="{colours[value < 0]}"/>'
            f'<text x="{name_end + room + 12}" y="{top + 11}">{shown}</text>'
        )
    height = 22 * len(rows) + 4
    axis = f'<path d="M{zero} 0V{height}" stroke="#161616"/>'
    return Html(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 610 {height}" role="img" font-size="11" '
        f'font-family="Arial, sans-serif"><title>{escape(title)}</title>{"".join(lines)}{axis}</svg>'
    )

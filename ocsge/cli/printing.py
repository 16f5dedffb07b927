"""How commands print: numbers, and progress on the terminal."""

from __future__ import annotations

import shlex
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_UNKNOWN = frozenset({"", "None", "nan", "<NA>"})
"""How a null reads as a text, by its type."""


def command_line(*arguments: object) -> str:
    """Return a command of ``ocsge`` as it can be typed here: by its path when the environment is not activated."""
    typed = Path(sys.argv[0])
    program = typed if typed.name.startswith("ocsge") and shutil.which("ocsge") is None else Path("ocsge")
    return shlex.join([str(program), *map(str, arguments)])


def number(value: object, decimals: int | None, *, unknown: str = "–") -> str:
    """Return a number for a reader, thousands apart.

    Parameters
    ----------
    value
        The number; None, NaN and NA are unknown.
    decimals
        Decimals shown; None shows those it has, thousands together.
    unknown
        What stands for an unknown number.

    Examples
    --------
    >>> number(1279.31, 1), number(25.0, None), number(None, 1)
    ('1 279.3', '25', '–')
    """
    if str(value) in _UNKNOWN:
        return unknown
    form = "g" if decimals is None else f",.{decimals}f"
    return format(float(str(value)), form).replace(",", " ")


def surface(area_m2: float) -> str:
    """Return an area for a reader, in a unit that leaves it figures: km², hectares below one, m² below a tenth.

    Examples
    --------
    >>> surface(2_500_000), surface(303_000), surface(42.0)
    ('2.50 km²', '30.30 ha', '42 m²')
    """
    for unit, unit_m2, least in (("km²", 1e6, 1.0), ("ha", 1e4, 0.1)):
        if area_m2 >= least * unit_m2:
            return f"{number(area_m2 / unit_m2, 2)} {unit}"
    return f"{number(area_m2, 0)} m²"


@contextmanager
def progress(stage: str, *, total: int | None = None) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on stderr when that is a terminal, and give the function that moves it: stage, done, total."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    messages = Console(stderr=True)
    columns = (TextColumn("{task.description:<18}"), BarColumn(), TextColumn("{task.fields[count]}"))
    with Progress(
        *columns, TimeElapsedColumn(), console=messages, transient=True, disable=not messages.is_terminal
    ) as bar:
        task = bar.add_task(stage, total=total, count=_count(0, total))
        yield lambda stage, done, total: bar.update(
            task, description=stage, completed=done, total=total, count=_count(done, total)
        )


def _count(done: int, total: int | None) -> str:
    """Return how many of how many; nothing as long as it is not known of how many."""
    return "" if total is None else f"{done}/{total}"

"""What the class numbers of a mask mean to the head of a model: stated, never guessed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ocsge.class_numbers import numbered_classes
from ocsge.errors import CodeError, DataError
from ocsge.segment.metrics import IGNORED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.rules import Rules

UNKNOWN = 254
"""Where :attr:`MaskClasses.table` sends a number without a class."""


@dataclass(frozen=True, slots=True)
class MaskClasses:
    """What the numbers of a mask mean to a head."""

    head_classes: tuple[str, ...]
    """Class of each channel of the head."""

    channels: Mapping[int, int]
    """Channel of each number of the masks; :data:`~ocsge.segment.metrics.IGNORED` for one that is left out."""

    def __post_init__(self) -> None:
        outside = [number for number in self.channels if not 0 <= number <= IGNORED]
        if outside:
            raise CodeError(f"class numbers {outside}: masks hold 0 to {IGNORED}")

    @property
    def table(self) -> NDArray[np.uint8]:
        """The channel of each number 0–255; :data:`UNKNOWN` where there is none."""
        found = np.full(IGNORED + 1, UNKNOWN, dtype=np.uint8)
        for number, channel in self.channels.items():
            found[number] = channel
        return found

    @property
    def winning(self) -> tuple[str, ...]:
        """Classes that some number teaches, in the order of the head."""
        taught = set(self.channels.values())
        return tuple(name for channel, name in enumerate(self.head_classes) if channel in taught)


def classes_of_numbering(rules: Rules, numbering: str, *, ignored: Iterable[str] = ()) -> MaskClasses:
    """Return the classes of masks in a numbering system; the head has every class of it, in its order.

    Parameters
    ----------
    rules
        Give the classes and their numbers.
    numbering
        Numbering system of the masks, as ``flair_inc_mask``.
    ignored
        Classes whose pixels neither teach nor count; their channel stays, and never wins.

    Raises
    ------
    CodeError
        When an ignored class is not of the numbering.
    """
    numbered = numbered_classes(rules, numbering)
    names = tuple(c.name for c, _ in numbered)
    left_out = set(ignored)
    if unknown := sorted(left_out - set(names)):
        raise CodeError(f"ignored classes {', '.join(unknown)} are not in {numbering}: {', '.join(names)}")
    channels = {n: IGNORED if c.name in left_out else channel for channel, (c, n) in enumerate(numbered)}
    return MaskClasses(names, channels)


def read_classes(path: Path, *, ignored: Iterable[str] = ()) -> MaskClasses:
    """Return the classes of a CSV file with the columns ``number`` and ``class``, in the order of its rows.

    Several numbers may have one class; a number whose class is empty is ignored.

    Raises
    ------
    DataError
        Unreadable file, missing column.
    CodeError
        A number that is none or is stated twice, or an ignored class that the file does not hold.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file ({error})") from error
    if not rows or not {"number", "class"} <= set(rows[0]):
        raise DataError(f"{path}: expected rows with the columns number and class")
    names = list(dict.fromkeys(row["class"].strip() for row in rows if (row["class"] or "").strip()))
    left_out = set(ignored)
    if unknown := sorted(left_out - set(names)):
        raise CodeError(f"{path}: ignored classes {', '.join(unknown)} are none of {', '.join(names)}")
    head = tuple(name for name in names if name not in left_out)
    channels: dict[int, int] = {}
    for line, row in enumerate(rows, start=2):
        number = (row["number"] or "").strip()
        if not number.isascii() or not number.isdigit():
            raise CodeError(f"{path}, line {line}: {number!r} is no class number")
        if int(number) in channels:
            raise CodeError(f"{path}, line {line}: the class number {number} is stated twice")
        name = (row["class"] or "").strip()
        channels[int(number)] = head.index(name) if name in head else IGNORED
    return MaskClasses(head, channels)

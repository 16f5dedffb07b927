"""Class numbers of a numbering system: the same CoSIA class has another number in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsge.errors import ParameterError

if TYPE_CHECKING:
    from ocsge.rules import CosiaClass, Rules


def numbered_classes(rules: Rules, numbering: str) -> list[tuple[CosiaClass, int]]:
    """Return the classes that a numbering system holds, with their numbers, by number.

    Raises
    ------
    ParameterError
        When the numbering system is unknown; the message lists them.
    """
    systems = sorted({system for cosia_class in rules.cosia_classes for system in cosia_class.numbers})
    if numbering not in systems:
        raise ParameterError(f"numbering system {numbering!r} is unknown; one of {', '.join(systems)}")
    numbered = [(c, c.numbers[numbering]) for c in rules.cosia_classes]
    found = [(c, number) for c, number in numbered if number is not None]
    return sorted(found, key=lambda pair: pair[1])

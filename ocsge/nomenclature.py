"""The codes of the OCS GE, the trees they hang from and how close two of them are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NomenclatureEntry:
    """A code of the nomenclature of covers or of usages."""

    code: str
    """Code, dots included."""

    label_fr: str
    """Official label."""

    parent: str | None
    """Code one level up; None at the top."""

    is_leaf: bool
    """Whether polygons carry this code, rather than one below it."""

    colour: str
    """Official colour, ``#RRGGBB``."""

    role: str | None = None
    """What a leaf cover is to the engine (``built``, ``water``, …); None for usages and inner codes."""

    traits: frozenset[str] = frozenset()
    """What the table says of the ground of a cover, here or at a code above it: ``vegetated``, ``tree``, …"""

    merges: tuple[str, ...] = ()
    """Usages this one stands for when they cannot be told apart."""

    row: str = ""
    """The rule row: ``couverture.csv:7``."""

    @property
    def built(self) -> bool:
        """Whether this is built ground."""
        return self.role == "built"

    @property
    def sealed(self) -> bool:
        """Whether this is sealed ground without a building."""
        return self.role == "sealed"

    @property
    def mineral(self) -> bool:
        """Whether this is permeable ground of mineral materials."""
        return self.role == "permeable_mineral"

    @property
    def anthropised(self) -> bool:
        """Whether this is ground that people made, neither farm nor natural land, whatever stands on it."""
        return "anthropised" in self.traits

    @property
    def tree(self) -> bool:
        """Whether this is a stand of trees."""
        return "tree" in self.traits

    @property
    def vegetated(self) -> bool:
        """Whether this is vegetation."""
        return "vegetated" in self.traits

    @property
    def herbaceous(self) -> bool:
        """Whether this is vegetation that is not woody, which the decree calls herbaceous."""
        return "herbaceous" in self.traits


def leaves_under(entries: Iterable[NomenclatureEntry], codes: Iterable[str]) -> tuple[str, ...]:
    """Return the leaf codes that are one of ``codes`` or lie below one, in table order."""
    wanted = tuple(codes)
    return tuple(
        entry.code
        for entry in entries
        if entry.is_leaf and any(entry.code == code or entry.code.startswith(f"{code}.") for code in wanted)
    )


def inherited_traits(code: str, own: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Return the traits of a code: its own and those of the codes above it.

    Examples
    --------
    >>> sorted(inherited_traits("AB1.1", {"AB1": ["green"], "AB1.1": ["tall"], "AB2": ["blue"]}))
    ['green', 'tall']
    """
    return frozenset(trait for above, traits in own.items() if is_within(code, above) for trait in traits)


def steps_up(a: NomenclatureEntry, b: NomenclatureEntry) -> int | None:
    """Return the levels the deeper of two codes climbs to meet the other; None when they never meet.

    0 is the same code, 1 are siblings, 2 share a grandparent. A usage that merges another is its sibling.

    Examples
    --------
    >>> oak = NomenclatureEntry("AB1.1", "", "AB1", True, "#000000")
    >>> pine = NomenclatureEntry("AB1.2", "", "AB1", True, "#000000")
    >>> steps_up(oak, pine)
    1
    """
    if a.code == b.code:
        return 0
    if b.code in a.merges or a.code in b.merges:
        return 1
    parts_a, parts_b = a.code.split("."), b.code.split(".")
    shared = 0
    for part_a, part_b in zip(parts_a, parts_b, strict=False):
        if part_a != part_b:
            break
        shared += 1
    return max(len(parts_a), len(parts_b)) - shared if shared else None


def weight_table(leaves: Sequence[NomenclatureEntry], weights: Mapping[int, int]) -> NDArray[np.int32]:
    """Return the weight of merging each leaf into each other leaf, indexed by engine index.

    Parameters
    ----------
    leaves
        Leaf entries in engine order: entry ``i`` has engine index ``i + 1``.
    weights
        Weight by steps up; the largest key also stands for everything farther.

    Returns
    -------
    NDArray[int32]
        (n + 1, n + 1); row and column 0 (unknown) are 0.
    """
    farthest = max(weights)
    table = np.zeros((len(leaves) + 1, len(leaves) + 1), dtype=np.int32)
    for i, a in enumerate(leaves, start=1):
        for j, b in enumerate(leaves, start=1):
            steps = steps_up(a, b)
            table[i, j] = weights[farthest if steps is None else min(steps, farthest)]
    return table


def is_within(code: str, prefix: str) -> bool:
    """Return whether a nomenclature code is ``prefix`` or one of its children."""
    return code == prefix or code.startswith(f"{prefix}.")

"""What a generalised piece is made of decides its final cover.

Sources: annex to art. R.101-1 of the code de l'urbanisme (herbaceous = less than a quarter of the vegetation
under trees), OCS GE specifications (pure stands, composite ground); values in ``rules/composition.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ocsge.regions.evidence import OSSATURE_SHIFT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.regions.pieces import Pieces


@dataclass(frozen=True, slots=True)
class Composition:
    """Shares and cover indices of the composition rules."""

    tree_share: float
    """At or above this share of trees in its vegetation a piece is wooded."""

    stand_purity: float
    """A stand is pure when one species group reaches this share of its trees."""

    composite_share: float
    """Ground is composite when sealed and mineral parts both reach this share of the two together."""

    built: int
    broadleaf: int
    conifer: int
    mixed_stand: int
    sealed: int
    mineral: int
    composite: int

    vegetated: NDArray[np.bool_]
    """(COVERS,) covers with vegetation."""

    tree: NDArray[np.bool_]
    """(COVERS,) stands of trees."""

    herbaceous: NDArray[np.bool_]
    """(COVERS,) covers without wood, which trees may turn into a stand."""


def tree_share(pieces: Pieces, composition: Composition) -> NDArray[np.float64]:
    """Return the share of trees in the vegetation of each piece, NaN where it has none."""
    trees = pieces.cover_px[:, composition.tree].sum(axis=1)
    vegetation = pieces.cover_px[:, composition.vegetated].sum(axis=1)
    share = np.full(len(trees), np.nan)
    np.divide(trees, vegetation, out=share, where=vegetation > 0)
    return share


def composed_keys(pieces: Pieces, composition: Composition) -> NDArray[np.int32]:
    """Return the key of each piece after the composition rules.

    Ossature keeps its cover. A herbaceous piece with enough trees becomes a stand; a stand with too few
    becomes the other vegetation it holds most of; stands are pure or mixed; sealed or mineral ground with
    enough of both is composite.
    """
    key = pieces.key
    cover = key & 15
    counts = pieces.cover_px
    share = tree_share(pieces, composition)
    wooded = share >= composition.tree_share
    is_stand = composition.tree[cover]
    new = cover.copy()

    broad, conifer = counts[:, composition.broadleaf], counts[:, composition.conifer]
    total = counts[:, composition.tree].sum(axis=1)
    stand = np.full(len(key), composition.mixed_stand, dtype=np.int32)
    stand[broad >= composition.stand_purity * total] = composition.broadleaf
    stand[(conifer >= composition.stand_purity * total) & (conifer > broad)] = composition.conifer
    becomes_stand = wooded & (is_stand | composition.herbaceous[cover])
    new[becomes_stand] = stand[becomes_stand]

    other = counts.copy()
    other[:, composition.tree | ~composition.vegetated] = 0
    opened = is_stand & ~wooded & (other.sum(axis=1) > 0)
    new[opened] = other[opened].argmax(axis=1)

    sealed, mineral = counts[:, composition.sealed], counts[:, composition.mineral]
    both = sealed + mineral
    mixed = (
        ((cover == composition.sealed) | (cover == composition.mineral))
        & (sealed >= composition.composite_share * both)
        & (mineral >= composition.composite_share * both)
    )
    new[mixed] = composition.composite
    new = np.where(key >> OSSATURE_SHIFT & 1, cover, new)
    result: NDArray[np.int32] = ((key & ~15) | new).astype(np.int32)
    return result

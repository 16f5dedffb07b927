"""What a generalised piece is made of decides its final cover.

Sources: annex to art. R.101-1 of the code de l'urbanisme (herbaceous = less than a quarter of the vegetation
under trees), OCS GE specifications (pure stands, composite ground); values in ``rules/composition.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ocsge.regions.anchor import crossed
from ocsge.regions.evidence import COVERS, OSSATURE_SHIFT, cover_of

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


@dataclass(frozen=True, slots=True)
class Composed:
    """A state whose composition is decided."""

    pieces: Pieces
    """Pieces before the composition rules."""

    key: NDArray[np.int32]
    """(pieces,) key of each after them."""


def anchored_keys(
    pieces: Pieces, key: NDArray[np.int32], before: Composed, *, unchanged_share: float
) -> NDArray[np.int32]:
    """Return the composed keys of a second state, with the first state's cover where a piece hardly changed.

    A piece whose trees stand at the limit of a share would turn over for a change elsewhere in it. So a piece most of
    which has the key it had takes the cover that composition gave to most of that ground at the first date.

    Parameters
    ----------
    pieces
        Pieces of the second state before the composition rules.
    key
        (pieces,) their keys after them.
    before
        The first state, over the same window.
    unchanged_share
        Share of a piece from which the first state decides its cover.
    """
    row_ptr, start, one, other = crossed(before.pieces.labelled, pieces.labelled)
    first, second = one.view(np.int32), other.view(np.int32)
    stop = np.append(start[1:], pieces.runs.width)
    stop[row_ptr[1:] - 1] = pieces.runs.width
    same = (first >= 0) & (second >= 0)
    same[same] = before.pieces.key[first[same]] == pieces.key[second[same]]
    cover = cover_of(before.key[first[same]])
    place = second[same].astype(np.int64) * COVERS + cover
    count = len(key)
    kept_px = np.bincount(place, weights=(stop - start)[same], minlength=count * COVERS).reshape(count, COVERS)
    keeps = kept_px.sum(axis=1) >= np.maximum(unchanged_share * pieces.area_px, 1)
    result: NDArray[np.int32] = np.where(keeps, (key & ~15) | kept_px.argmax(axis=1), key).astype(np.int32)
    return result


def composed_keys(pieces: Pieces, composition: Composition) -> NDArray[np.int32]:
    """Return the key of each piece after the composition rules.

    Ossature keeps its cover. A herbaceous piece with enough trees becomes a stand; a stand with too few
    becomes the other vegetation it holds most of; stands are pure or mixed; sealed or mineral ground with
    enough of both is composite.
    """
    key = pieces.key
    cover = cover_of(key)
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

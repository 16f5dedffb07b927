"""Split patches by location, so that what judges a model lies apart from what taught it.

Neighbouring patches show the same fields, roofs and light: a model judged on the neighbour of a patch it has learnt is
judged on what it has seen. Patches are grouped into locations, by domain (département and year) where their folders
tell it and by nearness on the ground – the same ground in two years is one location – and a location is never on two
sides. One location that covers everything can be cut into blocks; the patches of the training side that touch the other
are then left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from ocsge.errors import DataError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

GAP_M = 300.0
"""Distance below which two patches are neighbours, unless it is stated, metres."""

FEWEST_FOLDS = 3
"""One to learn from, one to choose by, one to judge with."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a patch lies."""

    domain: str = ""
    """Département and year; empty when unknown."""

    bounds: tuple[float, ...] | None = None
    """West, south, east and north, metres; None without a georeference."""

    crs: str = ""
    """CRS of the bounds."""

    pixel_m: float | None = None
    """Side of a pixel, metres; None without a georeference."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Indices of the patches of each side."""

    training: tuple[int, ...]
    """Those that teach."""

    validation: tuple[int, ...]
    """Those that choose when to stop, and between models."""

    test: tuple[int, ...]
    """Those that judge, once."""

    left_out: tuple[int, ...] = ()
    """Those of the training or validation side that lie beside another side's."""


def locations(places: Sequence[Place], *, gap_m: float = GAP_M, block_m: float | None = None) -> NDArray[np.intp]:
    """Return the number of the location of each patch.

    Parameters
    ----------
    places
        Where the patches lie.
    gap_m
        Distance below which two patches are neighbours, metres.
    block_m
        Side of the squares that locations are cut into, metres; None leaves neighbours together.

    Raises
    ------
    DataError
        Patches that have neither domain nor bounds, or bounds in several CRS.

    Notes
    -----
    Patches with a domain and without georeference are known by their domain alone; bounds in several CRS are compared
    within each.
    """
    if block_m is not None:
        if block_m <= 0:
            raise ParameterError(f"blocks of {block_m:g} m; give a positive side")
        corners = np.floor(shapely.get_coordinates(shapely.centroid(_boxes(places))) / block_m)
        return np.unique(corners, axis=0, return_inverse=True)[1].reshape(-1).astype(np.intp)
    if not all(place.domain for place in places):
        _boxes(places)
    holder: dict[str, int] = {}
    first = np.array([holder.setdefault(p.domain, i) if p.domain else i for i, p in enumerate(places)], dtype=np.intp)
    for system in sorted({place.crs for place in places if place.bounds is not None}):
        there = np.array([i for i, place in enumerate(places) if place.bounds is not None and place.crs == system])
        pairs = there[_neighbours(_boxes([places[i] for i in there]), gap_m)]
        for one, other in pairs[first[pairs[:, 0]] != first[pairs[:, 1]]].tolist():
            low, high = sorted((_root(first, one), _root(first, other)))
            first[high] = low
    roots = [_root(first, index) for index in range(len(places))]
    return np.unique(roots, return_inverse=True)[1].astype(np.intp)


def _root(first: NDArray[np.intp], index: int) -> int:
    while first[index] != index:
        first[index] = first[first[index]]
        index = int(first[index])
    return index


def _boxes(places: Sequence[Place]) -> NDArray[np.object_]:
    if any(place.bounds is None for place in places):
        raise DataError(
            "patches with neither domain folder nor georeference in metres: nothing tells which are neighbours; "
            "give the validation set apart"
        )
    if len(systems := {place.crs for place in places}) > 1:
        raise DataError(f"patches in several CRS ({', '.join(sorted(systems))}); reproject them to one")
    boxes: NDArray[np.object_] = shapely.box(*np.array([place.bounds for place in places]).T)
    return boxes


def _neighbours(boxes: NDArray[np.object_], gap_m: float) -> NDArray[np.intp]:
    """Return the (n, 2) pairs of neighbours, the lower index first."""
    pairs: NDArray[np.intp] = shapely.STRtree(boxes).query(boxes, predicate="dwithin", distance=gap_m).T
    return pairs[pairs[:, 0] < pairs[:, 1]]


def spread_over_folds(location: NDArray[np.intp], pixels: NDArray[np.int64], *, folds: int, seed: int = 0) -> list[int]:
    """Return the fold of each location, so that every fold holds about the same of each class.

    The largest location is placed first, each where the folds stay nearest to equal shares of the patches and of
    every class; ``seed`` decides between equals.

    Parameters
    ----------
    location
        (patches) location of each patch.
    pixels
        (patches, classes) pixels of each class.
    folds
        Number of folds.
    seed
        What chance starts from.

    Raises
    ------
    ParameterError
        Fewer locations than folds.
    """
    count = int(location.max()) + 1
    if count < folds:
        raise ParameterError(
            f"{count} locations for {folds} folds: patches that neighbour one another are one location; ask for fewer "
            "folds, or cut it into blocks (--block METRES)"
        )
    amounts = np.zeros((count, pixels.shape[1] + 1))
    np.add.at(amounts, location, np.column_stack([pixels, np.ones(len(pixels))]))
    amounts = amounts[:, amounts.sum(axis=0) > 0]
    shares = amounts / amounts.sum(axis=0)
    chance = np.random.default_rng(seed).permutation(count)
    order = sorted(range(count), key=lambda one: (-shares[one, -1], chance[one]))
    held = np.zeros((folds, shares.shape[1]))
    fold_of = [0] * count
    for one in order:
        after = held + shares[one]
        # what this choice adds to the sum of squares; an empty fold comes first, so that none stays so
        cost = (after**2 - held**2).sum(axis=1)
        fold_of[one] = int(np.argmin(cost))
        held[fold_of[one]] = after[fold_of[one]]
    return fold_of


def split(
    places: Sequence[Place],
    pixels: NDArray[np.int64],
    *,
    folds: int,
    seed: int = 0,
    gap_m: float = GAP_M,
    block_m: float | None = None,
) -> list[Fold]:
    """Return the folds of a cross-validation by location: each location is in the test of one.

    The validation of a fold is the test of the next, so that no patch both stops a training and judges it.

    Parameters
    ----------
    places
        Where the patches lie.
    pixels
        (patches, classes) pixels of each class.
    folds
        Number of folds, at least 3.
    seed
        What chance starts from.
    gap_m
        Distance below which two patches are neighbours, metres.
    block_m
        Side of the squares that locations are cut into, metres; None leaves neighbours together.
    """
    if folds < FEWEST_FOLDS:
        raise ParameterError(f"{folds} folds: give at least {FEWEST_FOLDS}, to learn, to choose and to judge")
    location = locations(places, gap_m=gap_m, block_m=block_m)
    fold_of = np.array(spread_over_folds(location, pixels, folds=folds, seed=seed))[location]
    pairs = [] if block_m is None else _neighbours(_boxes(places), gap_m).tolist()
    found = []
    for test in range(folds):
        # 0 judges, 1 chooses, 2 teaches: of two neighbours on two sides, the higher is left out
        side = np.where(fold_of == test, 0, np.where(fold_of == (test + 1) % folds, 1, 2))
        beside = {one if side[one] > side[other] else other for one, other in pairs if side[one] != side[other]}
        training, validation, judging = (
            tuple(int(i) for i in np.flatnonzero(side == which) if int(i) not in beside) for which in (2, 1, 0)
        )
        found.append(Fold(training, validation, judging, tuple(sorted(beside))))
    return found

"""Estimate areas with their 95 % interval from the confusion matrix of the class raster's model.

The estimator is the stratified one of Olofsson et al. (2014), *Good practices for estimating area and assessing
accuracy of land change*, Remote Sensing of Environment 148, 42–57, eq. 9–11. With ``A_i`` the mapped area of class
``i``, ``n_ij`` the samples mapped ``i`` that the reference says ``j``, and ``n_i = Σ_j n_ij``::

    area(j) = Σ_i A_i · n_ij / n_i
    S(j)²   = Σ_i A_i² · p(1 − p) / (n_i − 1)        p = n_ij / n_i
    interval = area(j) ± 1.96 · S(j)

A group of classes is estimated from the matrix whose *columns* are added up first, so that errors within the group
cost nothing and the others are counted once; adding up intervals would do neither. Rows stay apart: mapped classes
are sampled at different rates, and adding up their rows would weigh them by their samples instead of their areas.
More generally a reference class counts by a share ``v_j``, as 1 or 0 for a group, and ``p(1 − p) / (n_i − 1)`` is the
variance of ``v`` among the samples of the row, divided by ``n_i``.

Where the model's probability of each pixel is known and the matrix tells its samples by levels of it, a row is a
mapped class *and* level: the same formulas, with the mapped area and the samples of the level. Ground the model is
unsure of is then given the errors of ground it was unsure of (post-stratification).

Only the sampling error of the classifier is in the interval: neither the rules, nor the usages, nor the minimum areas.
The rates of the matrix are taken to hold where the areas are measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from ocsge.errors import DataError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from ocsge.products.confusion import Confusion

_Group = TypeVar("_Group", bound="Hashable")
ByLevel: TypeAlias = "Mapping[int, Sequence[float]]"
"""Mapped area by class number and level of the model's probability, the least sure first."""

Z95 = 1.96
"""Half-width of a 95 % interval, in standard errors."""

FEWEST_SAMPLES = 2
"""Samples of a mapped class below which its variance cannot be told."""

NO_MATRIX = "no confusion matrix"
NO_CHECK = "no change was checked"


@dataclass(frozen=True, slots=True)
class Estimate:
    """An area adjusted for the errors of the map, in the unit of the mapped areas.

    Examples
    --------
    >>> Estimate(adjusted=100.0, ci95=12.0).bounds
    (88.0, 112.0)
    """

    adjusted: float | None = None
    """Error-adjusted area; null without estimate."""

    ci95: float | None = None
    """Half of the 95 % interval around ``adjusted``, not around the mapped area; null without estimate."""

    reason: str = ""
    """Why there is no estimate; empty when there is one."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Ends of the 95 % interval, or None without estimate."""
        if self.adjusted is None or self.ci95 is None:
            return None
        return self.adjusted - self.ci95, self.adjusted + self.ci95


@dataclass(frozen=True, slots=True)
class ChangeCheck:
    """Samples of mapped change that were looked at, and how many of them were no change."""

    gain_checked: int
    """Samples of mapped gain."""

    gain_false: int
    """Those where nothing was gained."""

    loss_checked: int
    """Samples of mapped loss."""

    loss_false: int
    """Those where nothing was lost."""

    def __post_init__(self) -> None:
        for name, false, checked in (
            ("gain", self.gain_false, self.gain_checked),
            ("loss", self.loss_false, self.loss_checked),
        ):
            if not 0 <= false <= checked:
                raise ParameterError(
                    f"check of change: {false} false {name} of {checked} samples; give 0 to all of them"
                )


def class_estimates(
    areas: Mapping[int, float], confusion: Confusion | None, *, by_level: ByLevel | None = None
) -> dict[int, Estimate]:
    """Return the error-adjusted area of each class, with its 95 % interval.

    Parameters
    ----------
    areas
        Mapped area by class number, in any one unit; a class that is absent has none.
    confusion
        Samples of the model that made the map; None gives no interval.
    by_level
        The same areas by level of the model's probability; None takes the samples of a class together.

    Returns
    -------
    dict
        One estimate a class of ``areas`` and of the matrix, by class number, in the unit of ``areas``. The adjusted
        areas sum to the mapped ones.

    Examples
    --------
    Of 10 samples mapped 1, one is 2; all 10 mapped 2 are: 1 loses a tenth of its area to 2.

    >>> from ocsge.products.confusion import Confusion
    >>> found = class_estimates({1: 50.0, 2: 50.0}, Confusion("x", (1, 2), np.array([[9, 1], [0, 10]]), "example"))
    >>> found[1].adjusted, round(found[1].ci95, 1)  # 1.96 × 50 × sqrt(0.9 × 0.1 / 9)
    (45.0, 9.8)
    """
    groups = {number: number for number in (*areas, *(() if confusion is None else confusion.classes))}
    return group_estimates(areas, confusion, groups=groups, by_level=by_level)


def group_estimates(
    areas: Mapping[int, float],
    confusion: Confusion | None,
    *,
    groups: Mapping[int, _Group],
    by_level: ByLevel | None = None,
) -> dict[_Group, Estimate]:
    """Return the error-adjusted area of each group of classes, with its 95 % interval.

    Parameters
    ----------
    areas
        Mapped area by class number, in any one unit.
    confusion
        Samples of the model that made the map; None gives no interval.
    groups
        Group of each class, that of the matrix's included: its cover, or whether it is artificialised.
    by_level
        As :func:`class_estimates` takes it.

    Returns
    -------
    dict
        One estimate a group, in the order of ``groups``.

    Raises
    ------
    DataError
        When a class of the areas or of the matrix has no group.
    """
    named = (*areas, *(() if confusion is None else confusion.classes))
    without = sorted({number for number in named if number not in groups})
    if without:
        raise DataError(f"classes {without} belong to no group; give each class of the map and of the matrix its group")
    return {
        group: share_estimate(
            areas,
            confusion,
            shares={number: float(other == group) for number, other in groups.items()},
            by_level=by_level,
        )
        for group in dict.fromkeys(groups.values())
    }


def share_estimate(
    areas: Mapping[int, float],
    confusion: Confusion | None,
    *,
    shares: Mapping[int, float],
    by_level: ByLevel | None = None,
) -> Estimate:
    """Return the error-adjusted area of what counts by a share of each reference class, with its 95 % interval.

    Parameters
    ----------
    areas
        Mapped area by class number, in any one unit.
    confusion
        Samples of the model that made the map; None gives no interval.
    shares
        Share of each reference class that counts, 0–1; 1 or 0 for a group of classes.
    by_level
        As :func:`class_estimates` takes it.

    Examples
    --------
    A class is half mapped with little confidence, and there alone the model errs, one time in five.

    >>> from ocsge.products.confusion import Confusion, Level
    >>> unsure, sure = Level(1, 0, np.array([8, 2])), Level(1, 200, np.array([10, 0]))
    >>> matrix = Confusion("x", (1, 2), np.array([[18, 2], [0, 20]]), "example", levels=(unsure, sure))
    >>> share_estimate({1: 100.0}, matrix, shares={1: 1, 2: 0}, by_level={1: (50.0, 50.0)}).adjusted
    90.0
    """
    if confusion is None:
        return Estimate(reason=NO_MATRIX)
    mapped = {number: area for number, area in areas.items() if area > 0}
    outside = sorted(set(mapped) - set(confusion.classes))
    if outside:
        return Estimate(reason=f"mapped classes {_listed(outside)} are not in the confusion matrix")
    values = np.array([shares[number] for number in confusion.classes])
    if by_level is None:
        names = [f"class {number}" for number in confusion.classes]
        rows = confusion.counts
        area_of_rows = np.array([mapped.get(number, 0.0) for number in confusion.classes])
    else:
        levels = [level for number in confusion.classes for level in confusion.of_class(number)]
        names = [f"class {level.mapped} from probability {level.at_least}" for level in levels]
        rows = np.array([level.counts for level in levels])
        area_of_rows = np.array(
            [area for number in confusion.classes for area in _of_levels(number, by_level, confusion)]
        )
    return _stratified(area_of_rows, rows, values, names=names, design_effect=confusion.design_effect)


def _of_levels(number: int, by_level: ByLevel, confusion: Confusion) -> list[float]:
    """Return the mapped area of each level of a class; refuse more of them than its samples are told by."""
    count = len(confusion.of_class(number))
    areas = [*by_level.get(number, ()), *[0.0] * count]
    if any(areas[count:]):
        raise DataError(f"class {number}: areas of {len(by_level[number])} levels, samples of {count}; measure by them")
    return areas[:count]


def stock_estimate(
    class_areas: Mapping[int, float],
    artificialised_areas: Mapping[int, float],
    confusion: Confusion | None,
    *,
    by_level: ByLevel | None = None,
) -> Estimate:
    """Return the error-adjusted stock of artificialised land of a commune, with its 95 % interval (``ci95_ha``).

    The matrix is aggregated to the state: each reference class counts by the share of its mapped area that the
    polygons, usages and thresholds of the commune made artificialised, so confusing a lawn with a sealed yard costs
    little in a town and much in the fields.

    Parameters
    ----------
    class_areas
        Mapped area of each class in the commune, any one unit.
    artificialised_areas
        The part of it inside artificialised polygons, same unit.
    confusion
        Samples of the model that made the map; None gives no interval.
    by_level
        ``class_areas`` by level of the model's probability, as :func:`class_estimates` takes it.

    Returns
    -------
    Estimate
        In the unit of the areas. A class that the commune does not hold counts by the artificialised share of the
        whole commune.

    Raises
    ------
    DataError
        When more of a class is artificialised than there is.

    Examples
    --------
    All of class 1 and nothing of class 2 is artificialised: the stock is the adjusted area of class 1.

    >>> from ocsge.products.confusion import Confusion
    >>> matrix = Confusion("x", (1, 2), np.array([[9, 1], [0, 10]]), "example")
    >>> stock_estimate({1: 50.0, 2: 50.0}, {1: 50.0}, matrix).adjusted
    45.0
    """
    for number, part in artificialised_areas.items():
        whole = class_areas.get(number, 0.0)
        if not 0 <= part <= whole * (1 + 1e-9):
            raise DataError(
                f"class {number}: {part:g} artificialised of {whole:g} mapped; measure both on one raster and commune"
            )
    total = sum(class_areas.values())
    overall = sum(artificialised_areas.values()) / total if total > 0 else 0.0
    named = (*class_areas, *(() if confusion is None else confusion.classes))
    shares = {
        number: artificialised_areas.get(number, 0.0) / class_areas[number]
        if class_areas.get(number, 0.0) > 0
        else overall
        for number in named
    }
    return share_estimate(class_areas, confusion, shares=shares, by_level=by_level)


def net_flow_estimate(gain: float, loss: float, check: ChangeCheck | None) -> Estimate:
    """Return the net flow adjusted for false changes, with its 95 % interval.

    Only the changed area counts, as two strata, gain and loss: ground that both states see alike carries no error of
    the classifier, because the second state is anchored on the first. Change that was missed is in no stratum, so
    the interval says nothing of it.

    Parameters
    ----------
    gain, loss
        Mapped areas of change, at least 0, one unit.
    check
        Samples of the mapped change that were looked at; None gives no interval.

    Examples
    --------
    A tenth of 20 ha of gain is false, none of 5 ha of loss.

    >>> found = net_flow_estimate(20.0, 5.0, ChangeCheck(50, 5, 50, 0))
    >>> found.adjusted, round(found.ci95, 2)  # 1.96 × 20 × sqrt(0.9 × 0.1 / 49)
    (13.0, 1.68)
    """
    if gain < 0 or loss < 0:
        raise ParameterError(f"gain {gain:g} and loss {loss:g}: give areas from 0; the loss is not written negative")
    if check is None:
        return Estimate(reason=NO_CHECK)
    counts = np.array(
        [
            [check.gain_checked - check.gain_false, 0, check.gain_false],
            [0, check.loss_checked - check.loss_false, check.loss_false],
        ]
    )
    gained, lost, unchanged = 1.0, -1.0, 0.0
    return _stratified(
        np.array([gain, loss]), counts, np.array([gained, lost, unchanged]), names=["gain", "loss"], design_effect=1.0
    )


def _stratified(
    areas: NDArray[np.float64],
    counts: NDArray[np.int64],
    values: NDArray[np.float64],
    *,
    names: list[str],
    design_effect: float,
) -> Estimate:
    """Return Σ_i A_i · mean_i(v) and 1.96 · sqrt(Σ_i A_i² · s_i²(v) / n_i), over the strata that have an area."""
    samples = counts.sum(axis=1)
    few = [
        f"{name} ({number} of {FEWEST_SAMPLES})"
        for name, number, area in zip(names, samples.tolist(), areas, strict=True)
        if area > 0 and number < FEWEST_SAMPLES
    ]
    if few:
        return Estimate(reason=f"too few samples: {', '.join(few)}")
    held = areas > 0
    area, n, rows = areas[held], samples[held], counts[held]
    mean = rows @ values / n
    # deviations, not a difference of squares: samples that all agree leave no rounding behind
    spread = (rows * (values[np.newaxis, :] - mean[:, np.newaxis]) ** 2).sum(axis=1) / (n - 1)
    error = math.sqrt(design_effect * float((area**2 * spread / n).sum()))
    return Estimate(adjusted=float((area * mean).sum()), ci95=Z95 * error)


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))

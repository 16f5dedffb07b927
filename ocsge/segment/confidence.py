"""Tell the samples of a confusion matrix by levels of the model's probability. numpy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEVELS = 3
"""Levels of a class, each of about as many samples."""

FEWEST_SAMPLES = 30
"""Samples of a level at least; a class without as many for two levels is told whole."""

PROBABILITIES = 256
"""Probabilities that a raster tells apart, of 255."""


def add_by_probability(
    told: NDArray[np.int64],
    mapped: NDArray[np.uint8],
    probability: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    *,
    ignore: int,
) -> None:
    """Add pixels to a (n, 256, n) table: mapped class, probability of 255, reference class.

    Pixels whose reference is ``ignore`` are left out.
    """
    kept = reference != ignore
    place = (mapped[kept].astype(np.int64) * PROBABILITIES + probability[kept]) * len(told) + reference[kept]
    told += np.bincount(place, minlength=told.size).reshape(told.shape)


def level_starts(samples: NDArray[np.int64]) -> list[int]:
    """Return the probability from which each level of a class is, the first from 0.

    Parameters
    ----------
    samples
        (256,) samples of the class by probability.

    Examples
    --------
    Of 300 samples, as many of each of three probabilities:

    >>> samples = np.zeros(256, dtype=np.int64)
    >>> samples[[100, 180, 250]] = 100
    >>> level_starts(samples)
    [0, 101, 181]
    >>> level_starts(samples // 4)  # 25 samples are too few for a level
    [0]
    """
    below = np.concatenate([[0], np.cumsum(samples)])[:PROBABILITIES]
    total, before, starts = int(samples.sum()), 0, [0]
    for level in range(1, LEVELS):
        start = min(int(np.searchsorted(below, total * level / LEVELS)), PROBABILITIES - 1)
        if below[start] - before >= FEWEST_SAMPLES and total - below[start] >= FEWEST_SAMPLES:
            starts.append(start)
            before = int(below[start])
    return starts


def levels_of(told: NDArray[np.int64], numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return the levels of the classes that have samples for several, as :mod:`ocsge.products.confusion` states them.

    Parameters
    ----------
    told
        (n, 256, n) samples by mapped class, probability of 255 and reference class.
    numbers
        Number of each class.
    """
    found = []
    for number, samples in zip(numbers, told, strict=True):
        starts = level_starts(samples.sum(axis=1))
        if len(starts) == 1:
            continue
        for start, end in zip(starts, [*starts[1:], PROBABILITIES], strict=True):
            counts = samples[start:end].sum(axis=0).tolist()
            found.append({"mapped": int(number), "from": start, "counts": counts})
    return found

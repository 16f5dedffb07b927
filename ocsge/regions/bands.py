"""Bands of rows, worked at side by side in threads: what is found does not depend on how many there are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

R = TypeVar("R")
Band = tuple[int, int]
"""First row, and the row after the last."""


def bands_of(row_ptr: NDArray[np.int64], count: int) -> list[Band]:
    """Return at most ``count`` bands of rows that hold about as many runs each."""
    height = len(row_ptr) - 1
    wanted = np.linspace(0, row_ptr[-1], max(count, 1) + 1)
    cuts = np.unique(np.clip(np.searchsorted(row_ptr, wanted), 0, height))
    edges = sorted({0, *cuts[1:-1].tolist(), height})
    return list(pairwise(edges)) or [(0, 0)]


def each_band(bands: list[Band], work: Callable[[int, int], R]) -> list[R]:
    """Return ``work(first, last)`` of each band, in their order; side by side when there are several."""
    if len(bands) == 1:
        return [work(*bands[0])]
    with ThreadPoolExecutor(len(bands)) as pool:
        return list(pool.map(lambda band: work(*band), bands))

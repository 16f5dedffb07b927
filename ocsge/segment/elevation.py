"""Encode elevation as models were given it in training.

FLAIR-INC reads one channel: the height above ground in steps of 20 cm, 8 bits, saturated at 51 m. FLAIR-HUB reads two,
in metres: the surface, then the surface less the terrain (its own script for large areas leaves the subtraction out,
and gives its models inputs that they never saw).

Source: FLAIR-INC and FLAIR-HUB data papers and training code, as held in the contracts of the model cards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS_PER_M = 5
"""Steps of the 8-bit height in one metre: 20 cm each."""

HIGHEST_STEP = 255
"""Saturated height: 51 m and above."""


def encode_height(height_m: NDArray[np.floating], *, unknown: int = 0) -> NDArray[np.uint8]:
    """Return heights above ground as steps of 20 cm, 8 bits; below ground is 0, 51 m and above 255.

    Parameters
    ----------
    height_m
        Heights, metres; NaN is unknown.
    unknown
        Step written where the height is unknown.

    Examples
    --------
    >>> encode_height(np.array([-1.0, 0.0, 3.0, 80.0, np.nan]), unknown=53).tolist()
    [0, 0, 15, 255, 53]
    """
    steps = np.rint(np.asarray(height_m, dtype=np.float64) * STEPS_PER_M)
    steps = np.where(np.isnan(steps), unknown, np.clip(steps, 0, HIGHEST_STEP))
    return steps.astype(np.uint8)


def decode_height(steps: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the heights of steps of 20 cm, metres; 51 m stands for all that is higher."""
    return (steps.astype(np.float64) / STEPS_PER_M).astype(np.float32)


def surface_and_height(mns_m: NDArray[np.floating], mnt_m: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the two channels of FLAIR-HUB: surface, and surface less terrain, metres; NaN stays NaN.

    Parameters
    ----------
    mns_m, mnt_m
        (h, w) altitudes of the surface and of the terrain, metres.
    """
    surface = np.asarray(mns_m, dtype=np.float64)
    return np.stack([surface, surface - np.asarray(mnt_m, dtype=np.float64)]).astype(np.float32)


def surface_and_terrain(channels: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the altitudes of surface and terrain of the two channels of :func:`surface_and_height`, metres."""
    surface, height = channels.astype(np.float64)
    return surface.astype(np.float32), (surface - height).astype(np.float32)

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
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ocsge.segment.model_card import ModelCard

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


def unknown_values(card: ModelCard) -> tuple[float, ...]:
    """Return what the network is given in each band where nothing is known, in the units of the card.

    That is the mean of the band, but 0 m for a height in metres: the mean of FLAIR-HUB's is that of altitudes, and a
    height of 311 m is a tower that no network has seen.
    """
    return tuple(0.0 if band == "mnt" else mean for band, mean in zip(card.bands, card.mean, strict=True))


def elevation_bands(
    metres: Mapping[str, NDArray[np.floating]], *, unknown: Mapping[str, float]
) -> dict[str, NDArray[np.uint8] | NDArray[np.float32]]:
    """Return the elevation bands of a model, in the units of its card: what training and inference share.

    Parameters
    ----------
    metres
        (h, w) arrays, NaN where unknown: ``mns`` and ``mnt``, altitudes; or ``elevation``, height above ground.
    unknown
        The bands wanted, ``elevation`` or ``mns`` and ``mnt``, and the value of each where it is unknown
        (:func:`unknown_values`).

    Examples
    --------
    >>> unknown, known = np.full((1, 1), np.nan), np.full((1, 1), 9.0)
    >>> bands = elevation_bands({"mns": known, "mnt": unknown}, unknown={"mns": 311.0, "mnt": 0.0})
    >>> {band: values.item() for band, values in bands.items()}
    {'mns': 9.0, 'mnt': 0.0}
    """
    if "elevation" in unknown:
        height = metres["elevation"] if "elevation" in metres else metres["mns"] - metres["mnt"]
        return {"elevation": encode_height(height, unknown=round(unknown["elevation"]))}
    channels = zip(("mns", "mnt"), surface_and_height(metres["mns"], metres["mnt"]), strict=True)
    return {band: np.where(np.isnan(found), np.float32(unknown[band]), found) for band, found in channels}

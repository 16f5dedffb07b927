"""Show a patch as it could also have been seen: turned, mirrored, nearer, lighter, hazier.

What a patch becomes depends on the generator it is given and on nothing else, so a training that was interrupted goes
on as if it had not been. numpy alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ocsge.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.segment.samples import Labels, Pixels

FULL = 255
"""Brightest value of a band of imagery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far a patch may be changed; 0 leaves it as it is."""

    turns: bool = True
    """Whether patches are mirrored and turned by quarter turns: north and the sun are no rule."""

    zoom: float = 0.0
    """Largest relative change of scale: 0.25 sees the ground from 1/1.25 to 1.25 times its size."""

    brightness: float = 0.1
    """Largest shift of all bands together, share of the full range."""

    contrast: float = 0.2
    """Largest relative change of contrast of all bands together, around the middle of the range."""

    gamma: float = 0.2
    """Largest change of the logarithm of the exponent: 0.2 is from 0.82 to 1.22."""

    channel: float = 0.05
    """Largest relative gain of each band apart: haze and colour balance."""

    noise: float = 0.0
    """Standard deviation of the noise added to each pixel of each band, in units of the imagery."""

    def __post_init__(self) -> None:
        for name in ("zoom", "brightness", "contrast", "gamma", "channel", "noise"):
            if getattr(self, name) < 0:
                raise ParameterError(f"augmentation: {name} is {getattr(self, name):g}; give a number from 0")

    @property
    def radiometric(self) -> bool:
        """Whether values change at all."""
        return any((self.brightness, self.contrast, self.gamma, self.channel))


NONE = Augmentation(turns=False, brightness=0, contrast=0, gamma=0, channel=0)
"""Patches as they are."""


def augment(
    pixels: Pixels,
    labels: Labels,
    *,
    settings: Augmentation,
    rng: np.random.Generator,
    crop_px: int | None = None,
    imagery: tuple[bool, ...] | None = None,
) -> tuple[NDArray[np.float32], Labels]:
    """Return a patch and its labels, changed together.

    Parameters
    ----------
    pixels
        (bands, h, w), 0–255 or metres.
    labels
        (h, w) class indices.
    settings
        How far to go.
    rng
        What chance decides.
    crop_px
        Side of the square to show; None for the whole patch, which is square when it is turned.
    imagery
        Which bands are imagery and change their values; elevation keeps its own. None for all.

    Returns
    -------
    pixels, labels
        float32 (bands, crop, crop) and uint8 (crop, crop).

    Raises
    ------
    ParameterError
        A patch smaller than the crop.
    """
    height, width = labels.shape
    side = crop_px or min(height, width)
    if side > min(height, width):
        raise ParameterError(f"crop of {side} pixels in a patch of {width} × {height}; give a smaller crop")
    if crop_px is not None or settings.zoom or (settings.turns and height != width):
        pixels, labels = _window(pixels, labels, side=side, zoom=settings.zoom, rng=rng)
    if settings.turns:
        quarters, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        pixels, labels = (np.rot90(array, quarters, axes=(-2, -1)) for array in (pixels, labels))
        if mirrored:
            pixels, labels = pixels[..., ::-1], labels[..., ::-1]
    shown = np.ascontiguousarray(pixels, dtype=np.float32)
    if shown is pixels:
        shown = shown.copy()
    changing = [band for band in range(len(shown)) if imagery is None or imagery[band]]
    if settings.radiometric:
        _change_values(shown, changing, settings=settings, rng=rng)
    if settings.noise:
        shown[changing] += rng.normal(0, settings.noise, (len(changing), *shown.shape[1:])).astype(np.float32)
    return shown, np.ascontiguousarray(labels)


def _window(
    pixels: Pixels, labels: Labels, *, side: int, zoom: float, rng: np.random.Generator
) -> tuple[Pixels, Labels]:
    """Return a square of the patch at a random place and scale, nearest pixels taken."""
    height, width = labels.shape
    scale = float(np.exp(rng.uniform(-1, 1) * np.log1p(zoom))) if zoom else 1.0
    taken = min(round(side * scale), height, width)
    top, left = int(rng.integers(height - taken + 1)), int(rng.integers(width - taken + 1))
    if taken == side:
        return pixels[:, top : top + side, left : left + side], labels[top : top + side, left : left + side]
    nearest = ((np.arange(side) + 0.5) * taken / side).astype(np.intp)
    rows, columns = (top + nearest)[:, None], (left + nearest)[None, :]
    return pixels[:, rows, columns], labels[rows, columns]


def _change_values(
    pixels: NDArray[np.float32], bands: list[int], *, settings: Augmentation, rng: np.random.Generator
) -> None:
    """Change brightness, contrast, gamma and balance in place: one table of 256 values a band."""
    shift = rng.uniform(-1, 1) * settings.brightness
    slope = 1 + rng.uniform(-1, 1) * settings.contrast
    exponent = float(np.exp(rng.uniform(-1, 1) * settings.gamma))
    gains = 1 + rng.uniform(-1, 1, len(bands)) * settings.channel
    values = np.linspace(0, 1, FULL + 1)
    common = (values**exponent - 0.5) * slope + 0.5 + shift
    for band, gain in zip(bands, gains, strict=True):
        table = (np.clip(common * gain, 0, 1) * FULL).astype(np.float32)
        pixels[band] = table[np.clip(pixels[band], 0, FULL).astype(np.uint8)]

"""How a model is trained: every choice of a training, in one value that a checkpoint keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ocsge.errors import ParameterError
from ocsge.segment.augmentation import Augmentation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.segment.inference import Precision

Schedule = Literal["cosine", "one_cycle"]
"""How the learning rate goes. ``cosine``: a short linear rise, then half a cosine down. ``one_cycle``: a third of the
way up, two thirds down to a ten-thousandth (Smith and Topin, 2018)."""

_WARM_UP = {"cosine": 0.05, "one_cycle": 0.3}
_FIRST = 1 / 25
_LAST = {"cosine": 1e-2, "one_cycle": 1e-4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The choices of a training.

    Raises
    ------
    ParameterError
        A number that cannot be used.
    """

    epochs: int = 50
    """Times the training set is seen."""

    batch: int = 8
    """Patches a step."""

    crop_px: int | None = None
    """Side of the square seen of each patch, a multiple of the network's stride; None for whole patches."""

    repeat: int = 1
    """Squares taken of each patch in an epoch."""

    learning_rate: float = 1e-3
    """Highest learning rate."""

    weight_decay: float = 1e-2
    """Decay of AdamW, on convolutions alone."""

    schedule: Schedule = "cosine"
    """How the learning rate goes."""

    clip_norm: float = 5.0
    """Largest norm of the gradient."""

    class_weights: tuple[float, ...] | None = None
    """Weight of each class in the cross-entropy; None for one each (see :func:`balanced_weights`)."""

    dice: float = 0.0
    """Weight of the dice loss beside the cross-entropy's 1: it favours small classes, as the IoU does."""

    smoothing: float = 0.0
    """Share of each label given to all classes: masks err."""

    average: float = 0.0
    """Decay a step of the moving average of the weights, which is what is judged and kept; 0 for none."""

    augmentation: Augmentation = field(default_factory=Augmentation)
    """How patches are changed."""

    precision: Precision = "auto"
    """Numbers of the network's products; ``auto`` is bf16 where the hardware multiplies it, else fp32."""

    seed: int = 0
    """What chance starts from: the same seed, data and machine give the same weights."""

    patience: int | None = None
    """Judgements on the validation set without progress after which the training stops; None never stops early."""

    judge_every: int = 1
    """Epochs between two judgements on the validation set; the last epoch is judged always."""

    cpu_seconds: float | None = None
    """Seconds of processor after which the training ends, all threads together; None for no limit."""

    minutes: float | None = None
    """Minutes after which the training ends; None for no limit."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "repeat", "judge_every", "patience", "crop_px"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ParameterError(f"{name} is {value}; give a whole number from 1")
        for name in ("learning_rate", "clip_norm", "cpu_seconds", "minutes"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ParameterError(f"{name} is {value:g}; give a positive number")
        for name in ("dice", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ParameterError(f"{name} is {getattr(self, name):g}; give a number from 0")
        for name in ("smoothing", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ParameterError(f"{name} is {getattr(self, name):g}; give a number from 0 and below 1")
        if self.seed < 0:
            raise ParameterError(f"seed is {self.seed}; give a number from 0")
        if self.class_weights is not None and min(self.class_weights, default=0) < 0:
            raise ParameterError("class weights: a weight is negative; give numbers from 0")

    def learning_rate_at(self, fraction: float) -> float:
        """Return the learning rate when a fraction of the training is done, 0–1.

        Examples
        --------
        >>> recipe = Recipe(learning_rate=0.01, schedule="one_cycle")
        >>> [round(recipe.learning_rate_at(f), 6) for f in (0, 0.3, 1)]
        [0.0004, 0.01, 1e-06]
        """
        warm_up, last = _WARM_UP[self.schedule], _LAST[self.schedule]
        if fraction < warm_up:
            risen = fraction / warm_up
            risen = risen if self.schedule == "cosine" else (1 - math.cos(math.pi * risen)) / 2
            return self.learning_rate * (_FIRST + (1 - _FIRST) * risen)
        fallen = (1 + math.cos(math.pi * min(1.0, (fraction - warm_up) / (1 - warm_up)))) / 2
        return self.learning_rate * (last + (1 - last) * fallen)


def balanced_weights(pixels: NDArray[np.int64], *, power: float = 0.5) -> tuple[float, ...]:
    """Return a weight for each class, larger for rare ones; their mean over the pixels is 1.

    Parameters
    ----------
    pixels
        Pixels of each class in the training set; a class without any has weight 0.
    power
        1 gives all classes the same say, 0 all pixels; 0.5 is between the two.

    Examples
    --------
    >>> [round(w, 3) for w in balanced_weights(np.array([900, 100, 0]))]
    [0.833, 2.5, 0.0]
    """
    held = pixels > 0
    if not held.any():
        raise ParameterError("class weights: no pixel has a class; the whole training set is ignored")
    rarity = np.zeros(len(pixels))
    rarity[held] = (pixels.sum() / pixels[held]) ** power
    return tuple(map(float, rarity * pixels.sum() / (rarity * pixels).sum()))

"""What a model learns from: patches of imagery and their classes, wherever they come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ocsge.errors import DataError
from ocsge.segment.metrics import IGNORED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ocsge.segment.model_card import ModelCard

    Pixels = NDArray[Any]
    """(bands, h, w) imagery in the units of the card: uint8 0–255, or float32 with metres for ``mns`` and ``mnt``; NaN
    where elevation is unknown, until it is filled for a card."""

    Labels = NDArray[np.uint8]
    """(h, w) index of the head's class, or :data:`~ocsge.segment.metrics.IGNORED`."""


class Samples(Protocol):
    """Patches with their labels, read one at a time."""

    def __len__(self) -> int:
        """Return the number of patches."""

    def read(self, index: int) -> tuple[Pixels, Labels]:
        """Return the pixels and the labels of a patch."""

    def labels_of(self, index: int) -> Labels:
        """Return the labels of a patch, without its pixels."""

    def name(self, index: int) -> str:
        """Return what a report calls a patch."""

    def content(self, index: int) -> str:
        """Return a text that changes when the pixels or the labels of a patch do."""

    def filled(self, card: ModelCard) -> Samples:
        """Return the patches with what a model is given where nothing is known, in place of NaN."""


@dataclass(frozen=True, slots=True)
class ArraySamples:
    """Patches held in memory.

    Raises
    ------
    DataError
        Not as many labels as patches, or of another size.
    """

    pixels: Sequence[Pixels]
    """(bands, h, w) each."""

    labels: Sequence[Labels]
    """(h, w) each."""

    def __post_init__(self) -> None:
        if len(self.pixels) != len(self.labels):
            raise DataError(f"{len(self.pixels)} patches, {len(self.labels)} masks: give one mask a patch")
        for index, (pixels, labels) in enumerate(zip(self.pixels, self.labels, strict=True)):
            if pixels.shape[1:] != labels.shape:
                raise DataError(f"patch {index}: pixels {pixels.shape[1:]}, mask {labels.shape}; give one size")

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.pixels)

    def read(self, index: int) -> tuple[Pixels, Labels]:
        """Return the pixels and the labels of a patch."""
        return self.pixels[index], self.labels[index]

    def labels_of(self, index: int) -> Labels:
        """Return the labels of a patch."""
        return self.labels[index]

    def name(self, index: int) -> str:
        """Return the patch's number."""
        return f"patch {index}"

    def content(self, index: int) -> str:
        """Return the hash of the pixels and the labels of a patch."""
        found = hashlib.sha256()
        for array in self.read(index):
            found.update(f"{array.dtype} {array.shape}".encode())
            found.update(array.tobytes())
        return found.hexdigest()

    def filled(self, card: ModelCard) -> Samples:  # noqa: ARG002
        """Return these patches: everything is known in them."""
        return self


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some of the patches of others, in the order of their indices."""

    samples: Samples
    """The patches chosen among."""

    indices: tuple[int, ...]
    """Which of them."""

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.indices)

    def read(self, index: int) -> tuple[Pixels, Labels]:
        """Return the pixels and the labels of a patch."""
        return self.samples.read(self.indices[index])

    def labels_of(self, index: int) -> Labels:
        """Return the labels of a patch, without its pixels."""
        return self.samples.labels_of(self.indices[index])

    def name(self, index: int) -> str:
        """Return what a report calls a patch."""
        return self.samples.name(self.indices[index])

    def content(self, index: int) -> str:
        """Return a text that changes when the pixels or the labels of a patch do."""
        return self.samples.content(self.indices[index])

    def filled(self, card: ModelCard) -> Samples:
        """Return the patches with what a model is given where nothing is known, in place of NaN."""
        return Chosen(self.samples.filled(card), self.indices)


def class_pixels(samples: Samples, *, classes: int) -> NDArray[np.int64]:
    """Return the (patches, classes) pixels of each class in each patch; ignored ones are left out."""
    found = np.zeros((len(samples), classes), dtype=np.int64)
    for index in range(len(samples)):
        labels = samples.labels_of(index)
        counted = np.bincount(labels[labels != IGNORED], minlength=classes)
        if len(counted) > classes:
            raise DataError(
                f"{samples.name(index)}: label {len(counted) - 1} of {classes} classes, numbered from 0; "
                f"{IGNORED} is ignored"
            )
        found[index] = counted
    return found


MOST_READ = 4096
"""Patches that a normalisation is computed from; of more, that many are taken at even steps."""


def normalisation(samples: Samples) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation of each band over the pixels that are known, in the samples' units.

    Of more than :data:`MOST_READ` patches, that many are read, at even steps.

    Raises
    ------
    DataError
        Without any patch, or with a band that holds one value everywhere: it says nothing, leave it out.
    """
    if not len(samples):
        raise DataError("no patch to compute the normalisation from; give a training set")
    bands = samples.read(0)[0].shape[0]
    sums, squares, pixels = np.zeros(bands), np.zeros(bands), np.zeros(bands, dtype=np.int64)
    for index in np.unique(np.linspace(0, len(samples) - 1, MOST_READ).round().astype(int)).tolist():
        flat = samples.read(index)[0].reshape(bands, -1).astype(np.float64)
        known = ~np.isnan(flat)
        flat = np.where(known, flat, 0.0)
        sums += flat.sum(axis=1)
        squares += (flat**2).sum(axis=1)
        pixels += known.sum(axis=1)
    pixels = np.maximum(pixels, 1)
    mean = sums / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0))
    flat_bands = np.flatnonzero(std < 1e-6).tolist()
    if flat_bands:
        raise DataError(f"bands {[band + 1 for band in flat_bands]} hold one value in every patch; leave them out")
    return tuple(map(float, mean.round(4))), tuple(map(float, std.round(4)))

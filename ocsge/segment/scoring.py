"""Answer patches with a network and count where it is right, patch by patch: what training and evaluation share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from ocsge.errors import DataError
from ocsge.segment.confidence import add_by_probability
from ocsge.segment.inference import choose_precision
from ocsge.segment.metrics import IGNORED, confusion_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from ocsge.segment.inference import Precision
    from ocsge.segment.model_card import ModelCard
    from ocsge.segment.samples import Labels, Pixels, Samples


_TURNS = 8
"""Ways to see a square: four quarter turns, each as it is and in a mirror."""


def uses_bf16(precision: Precision, device: torch.device) -> bool:
    """Return whether a network's products are bf16."""
    return choose_precision(precision, device.type) == "bf16"


class Normaliser:
    """Puts patches on the device, in the scale the network was trained with."""

    def __init__(self, card: ModelCard, device: torch.device) -> None:
        self.device = device
        self.bands = len(card.bands)
        self.mean = torch.tensor(card.mean, dtype=torch.float32, device=device).reshape(1, -1, 1, 1)
        self.std = torch.tensor(card.std, dtype=torch.float32, device=device).reshape(1, -1, 1, 1)

    def __call__(self, pixels: NDArray[np.float32] | Pixels) -> Tensor:
        """Return (n, bands, h, w) normalised float32 of pixels in the card's units.

        Raises
        ------
        DataError
            When there are not as many bands as the card has.
        """
        if pixels.shape[1] != self.bands:
            raise DataError(f"patches of {pixels.shape[1]} bands for a model of {self.bands}; give the card's bands")
        raw = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device, non_blocking=True).float()
        return ((raw - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


def patch_matrices(
    network: nn.Module,
    card: ModelCard,
    samples: Samples,
    *,
    batch: int = 8,
    device: torch.device,
    bf16: bool = False,
    turned: bool = False,
    by_probability: NDArray[np.int64] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.int64]:
    """Return the (patches, n, n) confusion matrix of each patch: rows as mapped, columns as the reference says.

    Parameters
    ----------
    network
        The network, on the device.
    card
        Its card: bands, normalisation, classes that may win.
    samples
        Patches and their labels.
    batch
        Patches answered at once, when they have one size.
    device, bf16
        Where and in which numbers.
    turned
        Answer each patch in its eight turns and mirrors, and take the mean probability.
    by_probability
        (n, 256, n) table to which the pixels are added by mapped class, probability of 255 and reference class; None
        does not look at the probability.
    progress
        Told the patches done, and of how many.
    """
    classes, samples = len(card.head_classes), samples.filled(card)
    found = np.zeros((len(samples), classes, classes), dtype=np.int64)
    normalise = Normaliser(card, device)
    barred = [c not in card.classes_won for c in card.head_classes]
    training = network.training
    network.eval()
    for first, pixels, labels in _batches(samples, batch):
        with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            scores = _answer(network, normalise(pixels), barred=barred, turned=turned)
        mapped = scores.argmax(dim=1).to(torch.uint8).cpu().numpy()
        for offset in range(len(labels)):
            found[first + offset] = confusion_matrix(mapped[offset], labels[offset], classes=classes, ignore=IGNORED)
        if by_probability is not None:
            add_by_probability(by_probability, mapped, _top1(scores, turned=turned), labels, ignore=IGNORED)
        if progress is not None:
            progress(first + len(labels), len(samples))
    network.train(training)
    return found


def _batches(samples: Samples, batch: int) -> Iterator[tuple[int, Pixels, Labels]]:
    """Yield the index of the first patch, the pixels and the labels of runs of patches of one size."""
    pixels: list[Pixels] = []
    labels: list[Labels] = []
    for index in range(len(samples)):
        found, truth = samples.read(index)
        if pixels and (len(pixels) == batch or found.shape != pixels[0].shape):
            yield index - len(pixels), np.stack(pixels), np.stack(labels)
            pixels, labels = [], []
        pixels.append(found)
        labels.append(truth)
    if pixels:
        yield len(samples) - len(pixels), np.stack(pixels), np.stack(labels)


def _answer(network: nn.Module, x: Tensor, *, barred: list[bool], turned: bool) -> Tensor:
    """Return float32 scores, or summed probabilities of the eight turns, of the classes not barred; sides may be any.

    Classes are barred before the softmax, as where rasters are made: their probability goes to those that may win.
    """
    if not turned:
        return _scores(network, x, barred)
    total = torch.zeros(())
    for quarters in range(4):
        for mirrored in (False, True):
            seen = torch.rot90(x, quarters, (2, 3))
            seen = seen.flip(3) if mirrored else seen
            found = torch.softmax(_scores(network, seen.contiguous(memory_format=torch.channels_last), barred), dim=1)
            found = found.flip(3) if mirrored else found
            total = total.to(x.device) + torch.rot90(found, -quarters, (2, 3))
    return total


def _top1(scores: Tensor, *, turned: bool) -> NDArray[np.uint8]:
    """Return the probability of the class of each pixel, of 255, from what :func:`_answer` gives."""
    probability = scores / _TURNS if turned else torch.softmax(scores, dim=1)
    top1: NDArray[np.uint8] = (probability.amax(dim=1) * 255).round().to(torch.uint8).cpu().numpy()
    return top1


def _scores(network: nn.Module, x: Tensor, barred: list[bool]) -> Tensor:
    """Return the float32 scores of patches of any side, filled up with the mean to the network's stride.

    Those of barred classes are -inf.
    """
    height, width = x.shape[2:]
    stride = int(getattr(network, "stride", 32))
    filled = functional.pad(x, (0, -width % stride, 0, -height % stride))
    scores: Tensor = network(filled)[:, :, :height, :width].float()
    scores[:, barred] = -torch.inf
    return scores

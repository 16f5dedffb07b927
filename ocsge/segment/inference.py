"""Answer patches with a network: folded norms, channels last, bf16 where the hardware has it, answers as bytes.

A network is made ready once: its batch norms are folded into its convolutions and the normalisation of its input into
the first of them, whose padding becomes the mean of each band. What comes in is bytes, what goes out is bytes; floating
numbers never leave the device. Batches always have the same shape, so a patch is answered alike wherever it stands.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ocsge.errors import DataError, ParameterError
from ocsge.segment.core_scores import core_scores, decodes_core
from ocsge.segment.networks.resnet import ResNetEncoder
from ocsge.segment.networks.unet import UNet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ocsge.segment.model_card import ModelCard

    Pixels = NDArray[np.uint8] | NDArray[np.float32]

Precision = Literal["auto", "fp32", "bf16"]
Wanted = Literal["class", "top1", "all"]
Views = Literal["none", "flips", "rotations"]
"""Views of a patch whose probabilities are averaged: itself, its 4 flips, or its 8 flips and turns."""

_VIEWS: dict[str, tuple[tuple[int, bool], ...]] = {
    "none": ((0, False),),
    "flips": ((0, False), (0, True), (2, False), (2, True)),
    "rotations": tuple((turns, mirrored) for turns in range(4) for mirrored in (False, True)),
}
"""Quarter turns and whether columns are mirrored, of each view."""

AGREEMENT = 1e-3
"""Farthest that a folded network may be from the plain one, of its largest score; beyond, it is not folded."""


def choose_device(device: str) -> str:
    """Return the device that a name stands for: ``auto`` is CUDA where there is one.

    Raises
    ------
    ParameterError
        When torch knows no such device, or it is not there.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ParameterError(f"--device {device}: unknown; give auto, cpu, cuda or cuda:1") from error
    if found.type == "cpu":
        return "cpu"
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ParameterError(f"--device {device}: no CUDA device is usable here; take cpu, or auto")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found.type != "cuda" or (found.index or 0) >= count:
        there = ", ".join(["cpu", *(f"cuda:{index}" for index in range(count))])
        raise ParameterError(f"--device {device}: not usable here; there is {there}")
    return str(found)


def choose_precision(precision: Precision, device: str) -> Literal["fp32", "bf16"]:
    """Return bf16 where ``auto`` finds hardware that multiplies it, else fp32."""
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"  # noqa: SLF001


def fold_norms(network: nn.Module) -> None:
    """Fold every batch norm that follows a convolution into it, in place; the network is in evaluation mode."""
    before: tuple[nn.Module, str] | None = None
    for name, child in list(network.named_children()):
        if isinstance(child, nn.BatchNorm2d) and before is not None:
            holder, at = before
            convolution = holder.get_submodule(at)
            if isinstance(convolution, nn.Conv2d) and convolution.out_channels == child.num_features:
                setattr(holder, at, fuse_conv_bn_eval(convolution, child))
                setattr(network, name, nn.Identity())
        else:
            fold_norms(child)
        before = _last_convolution(network, name)


def _last_convolution(holder: nn.Module, name: str) -> tuple[nn.Module, str] | None:
    """Return where the last module of a child is, when that is a convolution."""
    child = holder.get_submodule(name)
    while isinstance(child, nn.Sequential) and len(child):
        holder, name = child, str(len(child) - 1)
        child = child[-1]
    return (holder, name) if isinstance(child, nn.Conv2d) else None


def _fold_normalisation(network: nn.Module, mean: Tensor, std: Tensor) -> int:
    """Fold the normalisation of pixels less the rounded mean into the first convolution; return its former padding.

    Whole numbers up to 256 are exact in bf16: the rounded mean is subtracted outside, what is left of it inside.
    """
    first: nn.Conv2d = network.encoder.conv1  # type: ignore[union-attr,assignment]
    padding = int(first.padding[0])
    with torch.no_grad():
        first.weight.div_(std.view(1, -1, 1, 1))
        left = (first.weight * (mean - mean.round()).view(1, -1, 1, 1)).sum((1, 2, 3))
        bias = torch.zeros(first.out_channels) if first.bias is None else first.bias
        first.bias = nn.Parameter(bias - left)
    first.padding = (0, 0)
    return padding


@dataclass(frozen=True, slots=True)
class Member:
    """One network made ready."""

    network: nn.Module
    mean: Tensor
    std: Tensor
    won: tuple[int, ...]
    """Channels of the head that may win, in the order of the classes of the segmenter."""
    padding: int | None
    """Pixels of mean set around the input, when the normalisation is folded; None when it is not."""
    precision: Literal["fp32", "bf16"]
    cast: bool
    """Whether the weights themselves are bf16; otherwise bf16 is left to autocast."""

    def logits(self, x: Tensor, *, halo_px: int = 0) -> Tensor:
        """Return (n, classes won, h, w) scores of (n, bands, h, w) pixels of the device, without their halo."""
        if self.padding is not None:
            out = self._run(self._padded(x), halo_px)
        else:
            y = ((x.float() - self.mean.view(1, -1, 1, 1)) / self.std.view(1, -1, 1, 1)).contiguous(
                memory_format=torch.channels_last
            )
            with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
                out = self._run(y, halo_px)
        if self.won == tuple(range(out.shape[1])):
            return out
        first, last = self.won[0], self.won[-1]
        if self.won == tuple(range(first, last + 1)):
            return out[:, first : last + 1]
        return out[:, list(self.won)]

    def _run(self, x: Tensor, halo_px: int) -> Tensor:
        if isinstance(self.network, UNet) and decodes_core(self.network, halo_px):
            return core_scores(self.network, x, halo_px=halo_px)
        out: Tensor = self.network(x)
        return out[..., halo_px : out.shape[2] - halo_px, halo_px : out.shape[3] - halo_px]

    def _padded(self, x: Tensor) -> Tensor:
        """Return pixels less the rounded mean, with the mean around them."""
        n, bands, height, width = x.shape
        p = self.padding or 0
        dtype = torch.bfloat16 if self.cast else torch.float32
        rounded = self.mean.round()
        padded = torch.empty(
            (n, bands, height + 2 * p, width + 2 * p),
            dtype=dtype,
            device=x.device,
            memory_format=torch.channels_last,
        )
        around = (self.mean - rounded).to(dtype).view(1, -1, 1, 1)
        for edge in (padded[..., :p, :], padded[..., height + p :, :], padded[..., :p], padded[..., width + p :]):
            edge.copy_(around.expand_as(edge))
        inside = padded[..., p : height + p, p : width + p]
        inside.copy_(x)
        inside.sub_(rounded.to(dtype).view(1, -1, 1, 1))
        return padded


def made_ready(network: nn.Module, card: ModelCard, *, device: str, precision: Literal["fp32", "bf16"]) -> Member:
    """Return a network made ready: a folded copy of it on its device, once folding is seen to change nothing."""
    if device.startswith("cuda") and precision == "fp32":
        torch.backends.cudnn.allow_tf32 = False  # on by default: ten bits of the mantissa, hardly more than bf16
    mean, std = torch.tensor(card.mean), torch.tensor(card.std)
    head = {name: position for position, name in enumerate(card.head_classes)}
    plain = Member(
        network=copy.deepcopy(network).cpu().float().eval(),
        mean=mean,
        std=std,
        won=tuple(head[name] for name in card.classes_won),
        padding=None,
        precision="fp32",
        cast=False,
    )
    folded = replace(plain, network=copy.deepcopy(plain.network))
    fold_norms(folded.network)
    if not {"mns", "mnt"} & set(card.bands) and isinstance(getattr(folded.network, "encoder", None), ResNetEncoder):
        folded = replace(folded, padding=_fold_normalisation(folded.network, mean, std))
    ready = folded if _agree(plain, folded) else plain
    cast = precision == "bf16" and ready.padding is not None
    ready.network.to(device=device, dtype=torch.bfloat16 if cast else torch.float32, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return replace(ready, mean=mean.to(device), std=std.to(device), precision=precision, cast=cast)


def _agree(plain: Member, folded: Member) -> bool:
    """Return whether folding left the scores of a small image as they were."""
    side = 2 * int(getattr(plain.network, "stride", 32))
    bands = len(plain.mean)
    ramp = torch.arange(bands * side * side, dtype=torch.int64) * 7919 % 256
    x = ramp.to(torch.uint8).view(1, bands, side, side)
    with torch.inference_mode():
        a, b = plain.logits(x), folded.logits(x)
    return bool((a - b).abs().max() <= AGREEMENT * max(1.0, float(a.abs().max())))


class Segmenter:
    """One or several networks made ready to answer patches; see :meth:`prepare` and :meth:`ensemble`."""

    def __init__(
        self,
        members: Sequence[Member],
        *,
        card: ModelCard,
        device: str,
        augmentation: Views = "none",
        batch: int = 1,
    ) -> None:
        self.card = card
        """Card of the first model: classes, bands."""
        self.device = device
        self.precision = members[0].precision
        self.batch = batch
        """Patches given to the network at once; every batch is filled up to it."""
        self.head = np.array([card.head_classes.index(name) for name in card.classes_won], dtype=np.uint8)
        """Head index of each class that may win."""
        self.augmentation: Views = augmentation
        self.members = tuple(members)
        """The networks made ready."""
        self._views = _VIEWS[augmentation]
        self._halved = False

    @property
    def stride(self) -> int:
        """Sides of a patch are multiples of it."""
        return max(int(getattr(member.network, "stride", 32)) for member in self.members)

    @classmethod
    def prepare(
        cls,
        network: nn.Module,
        card: ModelCard,
        *,
        device: str = "cpu",
        precision: Precision = "auto",
        augmentation: Views = "none",
        batch: int = 1,
    ) -> Segmenter:
        """Return a network made ready; the one given is left as it is.

        Parameters
        ----------
        network
            Network of the card, float32.
        card
            Bands, normalisation, classes.
        device
            ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision
            ``auto`` takes bf16 where the hardware multiplies it.
        augmentation
            Views whose probabilities are averaged.
        batch
            Patches at once.

        Raises
        ------
        ParameterError
            Unusable device, or unknown augmentation.
        """
        if augmentation not in _VIEWS:
            raise ParameterError(f"augmentation {augmentation!r} is unknown; one of {', '.join(_VIEWS)}")
        device = choose_device(device)
        member = made_ready(network, card, device=device, precision=choose_precision(precision, device))
        return cls([member], card=card, device=device, augmentation=augmentation, batch=batch)

    @classmethod
    def ensemble(cls, segmenters: Sequence[Segmenter]) -> Segmenter:
        """Return one segmenter that averages the probabilities of several, each of the same weight.

        Raises
        ------
        DataError
            When they do not read the same bands or do not answer the same classes.
        """
        first = segmenters[0]
        for other in segmenters[1:]:
            for what, ours, theirs in (
                ("bands", first.card.bands, other.card.bands),
                ("encoding of elevation", first.card.elevation, other.card.elevation),
                ("resolution", first.card.resolution_m, other.card.resolution_m),
                ("classes", sorted(first.card.classes_won), sorted(other.card.classes_won)),
            ):
                if ours != theirs:
                    raise DataError(
                        f"models {first.card.name} and {other.card.name} cannot be averaged: {what} {ours} and "
                        f"{theirs}; give models that agree"
                    )
        members: list[Member] = []
        for segmenter in segmenters:
            position = {name: at for at, name in enumerate(segmenter.card.head_classes)}
            won = tuple(position[name] for name in first.card.classes_won)
            members.extend(replace(member, won=won) for member in segmenter.members)
        return cls(members, card=first.card, device=first.device, augmentation=first.augmentation, batch=first.batch)

    def classify(
        self, pixels: Pixels, *, halo_px: int = 0, top1: bool = True
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the head index of the class of each pixel, and its probability from 0 to 255.

        Parameters
        ----------
        pixels
            (n, bands, h, w) as the card says, sides multiples of :attr:`stride`.
        halo_px
            Pixels thrown away on each side of the answer.
        top1
            Whether the probability is wanted; zeros otherwise.
        """
        answers = [answer() for answer in self._launch(pixels, halo_px=halo_px, what="top1" if top1 else "class")]
        best = self.head[np.concatenate([answer[:, 0] for answer in answers])]
        return best, np.concatenate([answer[:, 1] for answer in answers]) if top1 else np.zeros_like(best)

    def probabilities(self, pixels: Pixels, *, halo_px: int = 0) -> NDArray[np.uint8]:
        """Return the probability of each class that may win, (n, classes won, h, w), from 0 to 255."""
        return np.concatenate([answer()[:, 2:] for answer in self._launch(pixels, halo_px=halo_px, what="all")])

    def launch(self, pixels: Pixels, *, halo_px: int = 0, what: Wanted) -> Callable[[], NDArray[np.uint8]]:
        """Start answering patches and return the function that waits for the answer.

        On a GPU the copy of the next patches and the writing of the former ones go on meanwhile.

        Parameters
        ----------
        pixels
            (n, bands, h, w).
        halo_px
            Pixels thrown away on each side of the answer.
        what
            ``class``: (n, 1, h, w) positions among :attr:`head`; ``top1``: the probability after it; ``all``: after
            both, that of each class that may win.
        """
        answers = self._launch(pixels, halo_px=halo_px, what=what)
        return lambda: np.concatenate([answer() for answer in answers])

    def _launch(self, pixels: Pixels, *, halo_px: int, what: Wanted) -> list[Callable[[], NDArray[np.uint8]]]:
        n, bands, height, width = pixels.shape
        if bands != len(self.card.bands):
            raise DataError(f"model {self.card.name}: {bands} bands given, it reads {', '.join(self.card.bands)}")
        if height % self.stride or width % self.stride:
            raise ParameterError(f"patches of {height} × {width} px: sides must be multiples of {self.stride}")
        answers: list[Callable[[], NDArray[np.uint8]]] = []
        at = 0
        while at < n:
            chunk = pixels[at : at + self.batch]
            try:
                answers.append(self._answer(chunk, halo_px=halo_px, what=what))
            except torch.OutOfMemoryError:
                if self._halved or self.batch < 2:
                    raise
                # once: memory that is short by more than half is a choice to be made again
                self._halved, self.batch = True, self.batch // 2
                torch.cuda.empty_cache()
                continue
            at += len(chunk)
        return answers

    def _answer(self, chunk: Pixels, *, halo_px: int, what: Wanted) -> Callable[[], NDArray[np.uint8]]:
        n = len(chunk)
        if n < self.batch:
            chunk = np.concatenate([chunk, np.zeros((self.batch - n, *chunk.shape[1:]), dtype=chunk.dtype)])
        x = torch.from_numpy(np.ascontiguousarray(chunk))
        cuda = self.device.startswith("cuda")
        with torch.inference_mode():
            x = x.pin_memory().to(self.device, non_blocking=True) if cuda else x.to(self.device)
            out = self.decided(x, halo_px=halo_px, what=what)[:n]
            if not cuda:
                return lambda: out.cpu().numpy()
            here = torch.empty(out.shape, dtype=out.dtype, pin_memory=True)
            here.copy_(out, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record()

        def wait() -> NDArray[np.uint8]:
            done.synchronize()
            return here.numpy()

        return wait

    def decided(self, x: Tensor, *, halo_px: int, what: Wanted) -> Tensor:
        """Return bytes (n, channels, h, w): what was asked for of each pixel of the cores."""
        if len(self.members) == 1 and len(self._views) == 1:
            scores = self.members[0].logits(x, halo_px=halo_px)
            top, best = scores.max(dim=1, keepdim=True)
            if what == "class":
                return best.to(torch.uint8)
            scores = scores.float()
            probability = (scores - top.float()).exp_().sum(dim=1, keepdim=True).reciprocal_()
            every = functional.softmax(scores, dim=1) if what == "all" else None
        else:
            every = self._mean_probability(x, halo_px)
            probability, best = every.max(dim=1, keepdim=True)
        decided = [best.to(torch.uint8)]
        if what != "class":
            decided.append(_as_bytes(probability))
        if what == "all" and every is not None:
            decided.append(_as_bytes(every))
        return torch.cat(decided, dim=1)

    def _mean_probability(self, x: Tensor, halo_px: int) -> Tensor:
        total: Tensor | None = None
        for member in self.members:
            for turns, mirrored in self._views:
                view = torch.rot90(x, turns, (2, 3))
                view = torch.flip(view, (3,)) if mirrored else view
                found = functional.softmax(member.logits(view, halo_px=halo_px).float(), dim=1)
                found = torch.flip(found, (3,)) if mirrored else found
                found = torch.rot90(found, -turns, (2, 3))
                total = found if total is None else total + found
        if total is None:  # pragma: no cover - there is always a member and a view
            raise ParameterError("no model to answer with")
        return total / (len(self.members) * len(self._views))


def _as_bytes(probability: Tensor) -> Tensor:
    return (probability * 255).round_().to(torch.uint8)

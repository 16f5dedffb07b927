"""Tell what network a set of weights belongs to, from their names and shapes alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

from ocsge.segment.networks.mit import DEPTHS
from ocsge.segment.networks.resnet import BLOCKS
from ocsge.segment.networks.swin import FORMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

ARCHITECTURE_MARKS = {
    "unet": "decoder.blocks.0.conv1.0.weight",
    "fpn": "decoder.p5.weight",
    "deeplabv3": "decoder.0.convs.0.0.weight",
    "deeplabv3plus": "decoder.aspp.0.convs.0.0.weight",
    "upernet": "decoder.fpn_bottleneck.0.weight",
    "upernet of another version of segmentation_models_pytorch than 0.4.0": "decoder.psp.out_conv.0.weight",
}
"""A weight that only this architecture has; the first that is found tells."""

ENCODER_MARKS = {
    "mit": "encoder.patch_embed1.proj.weight",
    "convnext": "encoder.model.stem_0.weight",
    "resnet50 or deeper": "encoder.layer1.0.conv3.weight",
    "resnet": "encoder.conv1.weight",
    "swin": "encoder.model.patch_embed.proj.weight",
}
"""A weight that only encoders of this kind have; the first that is found tells."""

FIRST_CONVOLUTIONS = tuple(ENCODER_MARKS[kind] for kind in ("mit", "convnext", "resnet", "swin"))
ELEVATION = "elevation_encoder.model.patch_embed.proj.weight"
BIASES = "encoder.model.layers_0.blocks.0.attn.relative_position_bias_table"
HEAD = "segmentation_head.0.weight"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a set of weights says of its network; None where it does not tell."""

    architecture: str | None
    encoder: str | None
    width: int | None
    """Channels of the encoder's first stage."""

    bands: int | None
    """Input channels, elevation included."""

    classes: int | None
    """Channels of the head."""


def contents_of(state: Mapping[str, Tensor]) -> Contents:
    """Return what the names and shapes of weights say of their network."""
    first = next((name for name in FIRST_CONVOLUTIONS if name in state), "")
    bands, elevation = (_size(state, name, 1) for name in (first, ELEVATION))
    return Contents(
        architecture=next((kind for kind, mark in ARCHITECTURE_MARKS.items() if mark in state), None),
        encoder=_encoder(state),
        width=_size(state, first, 0),
        bands=bands if bands is None or elevation is None else bands + elevation,
        classes=_size(state, HEAD, 0),
    )


def _size(state: Mapping[str, Tensor], name: str, axis: int) -> int | None:
    """Return a side of a weight; None when there is no such weight, or no such side."""
    tensor = state.get(name)
    return None if tensor is None or tensor.ndim <= axis else tensor.shape[axis]


def _encoder(state: Mapping[str, Tensor]) -> str | None:
    kind = next((kind for kind, mark in ENCODER_MARKS.items() if mark in state), None)
    if kind in {"resnet", "mit"}:
        pattern, forms = (r"encoder\.layer", BLOCKS) if kind == "resnet" else (r"encoder\.block", DEPTHS)
        blocks = _counts(state, rf"{pattern}(\d)\.(\d+)\.")
        return next((name for name, known in forms.items() if known == blocks), f"{kind} of {_dashed(blocks)} blocks")
    if kind == "swin":
        depths = _counts(state, r"encoder\.model\.layers_(\d)\.blocks\.(\d+)\.")
        window = (isqrt(_size(state, BIASES, 0) or 0) + 1) // 2
        width = _size(state, ENCODER_MARKS["swin"], 0) or 0
        fits = {n: f for n, f in FORMS.items() if (f.depths, f.window) == (depths, window)}
        # base and large differ by their width alone: the nearest
        return min(fits, key=lambda n: abs(fits[n].width - width)) if fits else f"swin of {_dashed(depths)} blocks"
    return kind


def _counts(state: Mapping[str, Tensor], pattern: str) -> tuple[int, ...]:
    """Return the number of blocks of each stage."""
    found: dict[int, int] = {}
    for name in state:
        if match := re.match(pattern, name):
            stage, block = int(match[1]), int(match[2])
            found[stage] = max(found.get(stage, 0), block + 1)
    return tuple(found[stage] for stage in sorted(found))


def _dashed(numbers: tuple[int, ...]) -> str:
    return "-".join(map(str, numbers))

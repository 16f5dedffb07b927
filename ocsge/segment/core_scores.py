"""Run a U-Net for the core of a patch alone: what the decoder would compute of the halo and throw away is left out.

The encoder needs the whole patch. A block of the decoder looks two pixels around, at its own scale: from the deepest
features to the image, what is kept can shrink to the core, and the scores of the core are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsge.segment.networks.resnet import ResNetEncoder
from ocsge.segment.networks.unet import UNet

if TYPE_CHECKING:
    from torch import Tensor, nn

MARGIN_PX = 64
"""Shortest halo for which it can be done: 2 pixels at each of the scales 1/16, 1/8, 1/4, 1/2 and 1, and one of the head
make 63."""

_REACH = 2
"""Pixels around that a block looks at: two convolutions of 3 × 3."""


def decodes_core(network: nn.Module, halo_px: int) -> bool:
    """Return whether :func:`core_scores` can be taken."""
    return isinstance(network, UNet) and isinstance(network.encoder, ResNetEncoder) and halo_px >= MARGIN_PX


def core_scores(network: UNet, x: Tensor, *, halo_px: int) -> Tensor:
    """Return (n, classes, h − 2·halo, w − 2·halo) scores of the core of (n, bands, h, w) patches.

    Parameters
    ----------
    network
        U-Net on a ResNet.
    x
        Patches as the encoder takes them.
    halo_px
        Multiple of the network's stride, :data:`MARGIN_PX` at least.
    """
    *skips, found = network.encoder(x)[1:]
    margin, scale = MARGIN_PX, network.stride
    found = _cut(found, (halo_px - margin) // scale)
    for block, skip in zip(network.decoder.blocks, [*skips[::-1], None], strict=True):
        scale //= 2
        beside = None if skip is None else _cut(skip, (halo_px - margin) // scale)
        found = _cut(block(found, beside), _REACH)
        margin -= _REACH * scale
    return _cut(network.segmentation_head(found), margin)


def _cut(x: Tensor, by: int) -> Tensor:
    height, width = x.shape[2:]
    return x[..., by : height - by, by : width - by]

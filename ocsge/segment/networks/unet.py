"""U-Net (Ronneberger and others, 2015) on a ResNet or a mix transformer, with FLAIR's names of the weights."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from ocsge.segment.networks.mit import DEPTHS, MixTransformerEncoder
from ocsge.segment.networks.resnet import ResNetEncoder

if TYPE_CHECKING:
    from torch import Tensor

DECODER_CHANNELS = (256, 128, 64, 32, 16)
"""Channels of the decoder's blocks when the encoder's width is 64; scaled with it."""


def conv_norm_relu(channels_in: int, channels_out: int) -> nn.Sequential:
    """Return a 3×3 convolution, its batch norm and a rectifier."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class DecoderBlock(nn.Module):
    """Double the side, set the encoder's features beside, convolve twice."""

    def __init__(self, channels_in: int, skipped: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = conv_norm_relu(channels_in + skipped, channels_out)
        self.conv2 = conv_norm_relu(channels_out, channels_out)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """Return (n, channels_out, 2h, 2w) of (n, channels_in, h, w) and the skipped features of that side."""
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        if skip is not None:
            x = torch.cat([x, skip], dim=1)
        return self.conv2(self.conv1(x))  # type: ignore[no-any-return]


class UNetDecoder(nn.Module):
    """Five blocks, from the deepest features to the input's resolution."""

    def __init__(self, encoder_channels: tuple[int, ...], *, width: int) -> None:
        super().__init__()
        deepest, *skipped = encoder_channels[1:][::-1]
        channels = [max(8, c * width // 64) for c in DECODER_CHANNELS]
        self.out_channels = channels[-1]
        self.blocks = nn.ModuleList(
            DecoderBlock(before, skip, after)
            for (before, after), skip in zip(pairwise([deepest, *channels]), [*skipped, 0], strict=True)
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return (n, out_channels, h, w) of the encoder's features, the input first."""
        x, *skips = features[1:][::-1]
        for block, skip in zip(self.blocks, [*skips, None], strict=True):
            x = block(x, skip)
        return x


class UNet(nn.Module):
    """U-Net: scores of each class at each pixel.

    Parameters
    ----------
    encoder
        ``resnet18``, ``resnet34``, ``mit_b0`` or ``mit_b5``.
    bands, classes
        Input channels and channels of the head.
    width
        Channels of the encoder's first stage: 64 in the published networks.
    """

    stride = 32
    """The sides of an input are multiples of it."""

    def __init__(self, *, encoder: str, bands: int, classes: int, width: int = 64) -> None:
        super().__init__()
        kind = MixTransformerEncoder if encoder in DEPTHS else ResNetEncoder
        self.encoder = kind(encoder, bands=bands, width=width)
        self.decoder = UNetDecoder(self.encoder.out_channels, width=width)
        self.segmentation_head = nn.Sequential(nn.Conv2d(self.decoder.out_channels, classes, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, classes, h, w) scores of (n, bands, h, w) normalised pixels; sides are multiples of 32."""
        return self.segmentation_head(self.decoder(self.encoder(x)))  # type: ignore[no-any-return]

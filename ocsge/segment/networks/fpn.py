"""Feature pyramid network (Lin and others, 2017; panoptic form of Kirillov and others, 2019) on a ResNet encoder.

Names of the weights are those of FLAIR's checkpoints. Group norms make it independent of the batch in training.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from ocsge.segment.networks.resnet import ResNetEncoder

if TYPE_CHECKING:
    from torch import Tensor

PYRAMID_CHANNELS, BRANCH_CHANNELS = 256, 128
"""Channels of the pyramid and of its branches when the encoder's width is 64; scaled with it."""

NORM_GROUPS = 32
"""Groups of a norm, or as many as divide its channels."""


class ConvNorm(nn.Module):
    """A 3×3 convolution, its group norm and a rectifier; then twice the side, where asked."""

    def __init__(self, channels_in: int, channels_out: int, *, doubles: bool) -> None:
        super().__init__()
        self.doubles = doubles
        self.block = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.GroupNorm(math.gcd(NORM_GROUPS, channels_out), channels_out),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels_out, h, w), or twice the side, of (n, channels_in, h, w)."""
        x = self.block(x)
        if self.doubles:
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
        return x


class Branch(nn.Module):
    """Convolutions that bring one level of the pyramid to a quarter of the input's side."""

    def __init__(self, channels_in: int, channels_out: int, *, doublings: int) -> None:
        super().__init__()
        first = ConvNorm(channels_in, channels_out, doubles=doublings > 0)
        others = (ConvNorm(channels_out, channels_out, doubles=True) for _ in range(doublings - 1))
        self.block = nn.Sequential(first, *others)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels_out, h, w) at a quarter of the input's side."""
        return self.block(x)  # type: ignore[no-any-return]


class Lateral(nn.Module):
    """Double the side of the level above and add the encoder's features of that side."""

    def __init__(self, skipped: int, channels: int) -> None:
        super().__init__()
        self.skip_conv = nn.Conv2d(skipped, channels, 1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return (n, channels, 2h, 2w) of (n, channels, h, w) and the features of that side."""
        above = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        return above + self.skip_conv(skip)  # type: ignore[no-any-return]


class FPNDecoder(nn.Module):
    """Four levels of features, each brought to a quarter of the input's side, and their sum."""

    def __init__(self, encoder_channels: tuple[int, ...], *, width: int) -> None:
        super().__init__()
        pyramid, self.out_channels = (max(8, c * width // 64) for c in (PYRAMID_CHANNELS, BRANCH_CHANNELS))
        c2, c3, c4, c5 = encoder_channels[-4:]
        self.p5 = nn.Conv2d(c5, pyramid, 1)
        self.p4, self.p3, self.p2 = (Lateral(c, pyramid) for c in (c4, c3, c2))
        self.seg_blocks = nn.ModuleList(Branch(pyramid, self.out_channels, doublings=n) for n in (3, 2, 1, 0))
        self.dropout = nn.Dropout2d(p=0.2)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return (n, out_channels, h/4, w/4) of the encoder's features, the input first."""
        c2, c3, c4, c5 = features[-4:]
        p5 = self.p5(c5)
        p4 = self.p4(p5, c4)
        p3 = self.p3(p4, c3)
        levels = (p5, p4, p3, self.p2(p3, c2))
        first, *others = (branch(level) for branch, level in zip(self.seg_blocks, levels, strict=True))
        return self.dropout(sum(others, start=first))  # type: ignore[no-any-return]


class FPN(nn.Module):
    """Feature pyramid network on a ResNet: scores of each class at each pixel.

    Parameters
    ----------
    encoder
        ``resnet18`` or ``resnet34``.
    bands, classes
        Input channels and channels of the head.
    width
        Channels of the encoder's first stage: 64 in the published networks.
    """

    stride = 32
    """The sides of an input are multiples of it."""

    def __init__(self, *, encoder: str, bands: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.encoder = ResNetEncoder(encoder, bands=bands, width=width)
        self.decoder = FPNDecoder(self.encoder.out_channels, width=width)
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(self.decoder.out_channels, classes, 1), nn.UpsamplingBilinear2d(scale_factor=4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, classes, h, w) scores of (n, bands, h, w) normalised pixels; sides are multiples of 32."""
        return self.segmentation_head(self.decoder(self.encoder(x)))  # type: ignore[no-any-return]

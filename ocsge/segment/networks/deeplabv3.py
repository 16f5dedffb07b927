"""DeepLabV3 and DeepLabV3+ (Chen and others, 2017, 2018) on a ResNet encoder whose last stages are dilated.

Names of the weights are those of FLAIR's checkpoints. The pooled branch averages the whole input, so that scores
depend a little on the size of the patch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from ocsge.segment.networks.resnet import ResNetEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

DECODER_CHANNELS, DETAIL_CHANNELS = 256, 48
"""Channels of the decoder, and of the fine features it is given, when the encoder's width is 64; scaled with it."""

RATES = (12, 24, 36)
"""Dilations of the parallel convolutions."""


def conv(channels_in: int, channels_out: int, **options: Any) -> nn.Conv2d:
    """Return a 3×3 convolution without bias."""
    return nn.Conv2d(channels_in, channels_out, 3, bias=False, **options)


def separable_conv(channels_in: int, channels_out: int, **options: Any) -> nn.Sequential:
    """Return a 3×3 convolution of each channel by itself and a 1×1 convolution of them all, without bias."""
    return nn.Sequential(
        conv(channels_in, channels_in, groups=channels_in, **options),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
    )


def norm_relu(layer: nn.Module, channels: int) -> nn.Sequential:
    """Return a layer, its batch norm and a rectifier."""
    return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.ReLU())


class PooledBranch(nn.Sequential):
    """The average of the whole input, convolved and spread again over its side."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels_out, h, w) of (n, channels_in, h, w)."""
        average: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return functional.interpolate(average, size=x.shape[-2:], mode="bilinear", align_corners=False)


class AtrousPyramid(nn.Module):
    """Parallel convolutions of several dilations, and the average, side by side."""

    def __init__(self, channels_in: int, channels_out: int, *, layer: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                norm_relu(nn.Conv2d(channels_in, channels_out, 1, bias=False), channels_out),
                *(norm_relu(layer(channels_in, channels_out, padding=r, dilation=r), channels_out) for r in RATES),
                PooledBranch(channels_in, channels_out),
            ]
        )
        self.project = nn.Sequential(
            *norm_relu(nn.Conv2d(len(self.convs) * channels_out, channels_out, 1, bias=False), channels_out),
            nn.Dropout(p=0.5),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels_out, h, w) of (n, channels_in, h, w)."""
        return self.project(torch.cat([branch(x) for branch in self.convs], dim=1))  # type: ignore[no-any-return]


class DeepLabV3(nn.Module):
    """DeepLabV3 on a ResNet: scores of each class at each pixel.

    Parameters
    ----------
    encoder
        ``resnet18`` or ``resnet34``.
    bands, classes
        Input channels and channels of the head.
    width
        Channels of the encoder's first stage: 64 in the published networks.
    """

    stride = 8
    """The sides of an input are multiples of it."""

    def __init__(self, *, encoder: str, bands: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.encoder = ResNetEncoder(encoder, bands=bands, width=width, output_stride=8)
        channels = max(8, DECODER_CHANNELS * width // 64)
        self.decoder = nn.Sequential(
            AtrousPyramid(self.encoder.out_channels[-1], channels, layer=conv),
            *norm_relu(conv(channels, channels, padding=1), channels),
        )
        self.segmentation_head = nn.Sequential(nn.Conv2d(channels, classes, 1), nn.UpsamplingBilinear2d(scale_factor=8))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, classes, h, w) scores of (n, bands, h, w) normalised pixels; sides are multiples of 8."""
        return self.segmentation_head(self.decoder(self.encoder(x)[-1]))  # type: ignore[no-any-return]


class DeepLabV3PlusDecoder(nn.Module):
    """The dilated pyramid with separable convolutions, refined by features at a quarter of the input's side."""

    def __init__(self, encoder_channels: tuple[int, ...], *, width: int) -> None:
        super().__init__()
        channels, detail = (max(8, c * width // 64) for c in (DECODER_CHANNELS, DETAIL_CHANNELS))
        self.out_channels = channels
        self.aspp = nn.Sequential(
            AtrousPyramid(encoder_channels[-1], channels, layer=separable_conv),
            *norm_relu(separable_conv(channels, channels, padding=1), channels),
        )
        self.up = nn.UpsamplingBilinear2d(scale_factor=4)
        self.block1 = norm_relu(nn.Conv2d(encoder_channels[2], detail, 1, bias=False), detail)
        self.block2 = norm_relu(separable_conv(detail + channels, channels, padding=1), channels)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return (n, out_channels, h/4, w/4) of the encoder's features, the input first."""
        coarse = self.up(self.aspp(features[-1]))
        return self.block2(torch.cat([coarse, self.block1(features[2])], dim=1))  # type: ignore[no-any-return]


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+ on a ResNet: scores of each class at each pixel.

    Parameters
    ----------
    encoder
        ``resnet18`` or ``resnet34``.
    bands, classes
        Input channels and channels of the head.
    width
        Channels of the encoder's first stage: 64 in the published networks.
    """

    stride = 16
    """The sides of an input are multiples of it."""

    def __init__(self, *, encoder: str, bands: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.encoder = ResNetEncoder(encoder, bands=bands, width=width, output_stride=16)
        self.decoder = DeepLabV3PlusDecoder(self.encoder.out_channels, width=width)
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(self.decoder.out_channels, classes, 1), nn.UpsamplingBilinear2d(scale_factor=4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, classes, h, w) scores of (n, bands, h, w) normalised pixels; sides are multiples of 16."""
        return self.segmentation_head(self.decoder(self.encoder(x)))  # type: ignore[no-any-return]

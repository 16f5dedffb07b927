"""UPerNet (Xiao and others, 2018) on a Swin encoder, as FLAIR-HUB trains it; with elevation, on two encoders.

The decoder is the one of segmentation_models_pytorch 0.4.0, names of the weights included: those of later versions have
other layers. What 0.4.0 computes without using it is left out. The pooled squares average the whole input, so that
scores depend a little on the size of the patch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from ocsge.segment.networks.swin import SwinEncoder

if TYPE_CHECKING:
    from torch import Tensor

PYRAMID_CHANNELS, BOTTLENECK_CHANNELS = 256, 64
"""Channels of the pyramid and of what it is summed up in, in the published networks."""

PUBLISHED_WIDTH = 96
"""Narrowest encoder of the published networks: a narrower one has a narrower decoder."""

POOLED_SIDES = (1, 2, 3, 6)
"""Sides of the grids over which the deepest features are averaged."""


def conv_norm_relu(channels_in: int, channels_out: int, *, side: int = 1) -> nn.Sequential:
    """Return a convolution of a side of 1 or 3, its batch norm and a rectifier."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, side, padding=side // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def spread(x: Tensor, size: torch.Size | tuple[int, ...]) -> Tensor:
    """Return features interpolated to a height and a width."""
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


class PooledPyramid(nn.Module):
    """The deepest features beside their averages over grids of several sides."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), conv_norm_relu(channels_in, channels_in // len(POOLED_SIDES)))
            for side in POOLED_SIDES
        )
        self.out_conv = conv_norm_relu(2 * channels_in, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels_out, h, w) of (n, channels_in, h, w)."""
        averages = [spread(block(x), x.shape[-2:]) for block in self.blocks]
        return self.out_conv(torch.cat([x, *averages], dim=1))  # type: ignore[no-any-return]


class Lateral(nn.Module):
    """Interpolate the level above and add the encoder's features of that side."""

    def __init__(self, skipped: int, channels: int) -> None:
        super().__init__()
        self.skip_conv = conv_norm_relu(skipped, channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return (n, channels, h, w) of a level above and (n, skipped, h, w) features."""
        return spread(x, skip.shape[-2:]) + self.skip_conv(skip)  # type: ignore[no-any-return]


class UPerNetDecoder(nn.Module):
    """Pooled pyramid, then features of each side, then all of them at a quarter of the input's side."""

    def __init__(self, encoder_channels: tuple[int, ...], *, width: int) -> None:
        super().__init__()
        share = min(width, PUBLISHED_WIDTH) / PUBLISHED_WIDTH
        pyramid, self.out_channels = (max(8, int(c * share)) for c in (PYRAMID_CHANNELS, BOTTLENECK_CHANNELS))
        deepest, *skipped = encoder_channels[::-1]
        self.psp = PooledPyramid(deepest, pyramid)
        self.fpn_stages = nn.ModuleList(Lateral(channels, pyramid) for channels in skipped)
        self.fpn_bottleneck = conv_norm_relu((len(encoder_channels) + 1) * pyramid, self.out_channels, side=3)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return (n, out_channels, h/4, w/4) of the features at 1/4, 1/8, 1/16 and 1/32 of the input's side."""
        *skipped, deepest = features
        levels = [self.psp(deepest)]
        for stage, skip in zip(self.fpn_stages, skipped[::-1], strict=True):
            levels.append(stage(levels[-1], skip))
        quarter = features[0].shape[-2:]
        # 0.4.0 goes once more to half the input's side and back, which smooths a little: the weights were trained so
        half = spread(levels[-1], tuple(2 * side for side in quarter))
        return self.fpn_bottleneck(torch.cat([spread(x, quarter) for x in (*levels, half)], dim=1))  # type: ignore[no-any-return]


class UPerNet(nn.Module):
    """UPerNet on Swin encoders: scores of each class at each pixel.

    Parameters
    ----------
    encoder
        ``swin_tiny``, ``swin_small``, ``swin_base`` or ``swin_large``.
    bands, classes
        Input channels and channels of the head.
    width
        Channels of the encoder's first stage: 96, 128 or 192 in the published networks.
    elevation_bands
        How many of the input channels, the last ones, have an encoder of their own, fused with the first one's features
        by a convolution at each side; 0 for one encoder.
    """

    stride = 32
    """The sides of an input are multiples of it."""

    def __init__(self, *, encoder: str, bands: int, classes: int, width: int, elevation_bands: int = 0) -> None:
        super().__init__()
        self.elevation_bands = elevation_bands
        self.encoder = SwinEncoder(encoder, bands=bands - elevation_bands, width=width)
        channels = self.encoder.out_channels
        if elevation_bands:
            self.elevation_encoder = SwinEncoder(encoder, bands=elevation_bands, width=width)
            self.fusion = nn.ModuleList(nn.Conv2d(2 * c, c, 1) for c in channels)
        self.decoder = UPerNetDecoder(channels, width=width)
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(self.decoder.out_channels, classes, 1), nn.UpsamplingBilinear2d(scale_factor=4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, classes, h, w) scores of (n, bands, h, w) normalised pixels; sides are multiples of 32."""
        if self.elevation_bands:
            imagery, elevation = x.tensor_split([x.shape[1] - self.elevation_bands], dim=1)
            pairs = zip(self.fusion, self.encoder(imagery), self.elevation_encoder(elevation), strict=True)
            features = [fuse(torch.cat([seen, high], dim=1)) for fuse, seen, high in pairs]
        else:
            features = self.encoder(x)
        return self.segmentation_head(self.decoder(features))  # type: ignore[no-any-return]

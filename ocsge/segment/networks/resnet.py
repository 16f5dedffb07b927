"""ResNet encoders (He and others, 2015): five maps of features, each half the side of the one before.

Names of the weights are those of torchvision's ResNet, which FLAIR's checkpoints keep. ``width`` scales every stage,
for models that must be small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
"""Residual blocks of each of the four stages."""


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around which the input is carried, projected where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            channels_in, channels_out, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels_out, h / stride, w / stride) of (n, channels_in, h, w)."""
        carried = x if self.downsample is None else self.downsample(x)
        found: Tensor = self.relu(self.bn1(self.conv1(x)))
        found = self.bn2(self.conv2(found))
        return self.relu(found + carried)  # type: ignore[no-any-return]


class ResNetEncoder(nn.Module):
    """A ResNet without its classifier, for any number of input bands.

    Parameters
    ----------
    encoder
        Key of :data:`BLOCKS`.
    bands
        Input channels.
    width
        Channels of the first stage: 64 in the published networks.
    output_stride
        Side of a deepest feature, in pixels: 32, or 16 or 8 where the last stages widen their convolutions instead of
        halving the side (DeepLab).
    """

    def __init__(self, encoder: str, *, bands: int, width: int = 64, output_stride: int = 32) -> None:
        super().__init__()
        self.out_channels = (bands, width, width, 2 * width, 4 * width, 8 * width)
        self.conv1 = nn.Conv2d(bands, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        before = width
        for stage, blocks in enumerate(BLOCKS[encoder], start=1):
            after = width * 2 ** (stage - 1)
            dilation = max(1, 2 ** (stage + 1) // output_stride)
            first = BasicBlock(before, after, stride=1 if stage == 1 or dilation > 1 else 2, dilation=dilation)
            others = (BasicBlock(after, after, dilation=dilation) for _ in range(blocks - 1))
            self.add_module(f"layer{stage}", nn.Sequential(first, *others))
            before = after

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the input and the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of its side, or at the output stride."""
        features = [x, self.relu(self.bn1(self.conv1(x)))]
        found = self.maxpool(features[-1])
        for stage in range(1, 5):
            found = self.get_submodule(f"layer{stage}")(found)
            features.append(found)
        return features

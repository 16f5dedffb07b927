"""Mix transformer encoders (Xie and others, 2021, SegFormer): attention to a coarser grid, convolutions between layers.

Names of the weights are those of FLAIR's checkpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

DEPTHS = {"mit_b0": (2, 2, 2, 2), "mit_b5": (3, 6, 40, 3)}
"""Blocks of each of the four stages."""

HEADS = (1, 2, 5, 8)
"""Attention heads of each stage; its channels are as many times the width."""

COARSENINGS = (8, 4, 2, 1)
"""How many times coarser the grid is that the tokens of each stage look at."""

EPSILON = 1e-6
"""Floor of the variance in the norms of blocks and stages."""


class CoarseAttention(nn.Module):
    """Attention of every token to the tokens of a coarser grid."""

    def __init__(self, channels: int, *, heads: int, coarsening: int) -> None:
        super().__init__()
        self.heads, self.coarsening = heads, coarsening
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        if coarsening > 1:
            self.sr = nn.Conv2d(channels, channels, coarsening, stride=coarsening)
            self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, h, w, c) of the same."""
        n, h, w, c = x.shape
        query = self.q(x).view(n, h * w, self.heads, -1).transpose(1, 2)
        if self.coarsening > 1:
            x = self.norm(self.sr(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        key, value = self.kv(x).view(n, -1, 2, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(found.transpose(1, 2).reshape(n, h, w, c))  # type: ignore[no-any-return]


class DepthwiseConv(nn.Module):
    """A 3×3 convolution of each channel by itself, channels last."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, h, w, c) of the same."""
        return self.dwconv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


class MixedFeedForward(nn.Module):
    """Two linear layers, a convolution and a smooth rectifier between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.dwconv = DepthwiseConv(4 * channels)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, h, w, c) of the same."""
        return self.fc2(self.act(self.dwconv(self.fc1(x))))  # type: ignore[no-any-return]


class MixBlock(nn.Module):
    """Attention, then a feed-forward layer, each added to its input."""

    def __init__(self, channels: int, *, heads: int, coarsening: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=EPSILON)
        self.attn = CoarseAttention(channels, heads=heads, coarsening=coarsening)
        self.norm2 = nn.LayerNorm(channels, eps=EPSILON)
        self.mlp = MixedFeedForward(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, h, w, c) of the same."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class OverlappingPatches(nn.Module):
    """Overlapping squares become tokens."""

    def __init__(self, channels_in: int, channels_out: int, *, side: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels_in, channels_out, side, stride=stride, padding=side // 2)
        self.norm = nn.LayerNorm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, h / stride, w / stride, channels_out) of (n, channels_in, h, w)."""
        return self.norm(self.proj(x).permute(0, 2, 3, 1))  # type: ignore[no-any-return]


class MixTransformerEncoder(nn.Module):
    """A mix transformer as an encoder, for any number of input bands.

    Parameters
    ----------
    encoder
        Key of :data:`DEPTHS`.
    bands
        Input channels.
    width
        Channels of the first stage: 64 in the published network.
    """

    def __init__(self, encoder: str, *, bands: int, width: int = 64) -> None:
        super().__init__()
        channels = tuple(heads * width for heads in HEADS)
        self.out_channels = (bands, 0, *channels)
        before = bands
        forms = zip(channels, DEPTHS[encoder], HEADS, COARSENINGS, strict=True)
        for stage, (after, depth, heads, coarsening) in enumerate(forms, start=1):
            patches = (
                OverlappingPatches(before, after, side=7, stride=4)
                if stage == 1
                else OverlappingPatches(before, after, side=3, stride=2)
            )
            blocks = (MixBlock(after, heads=heads, coarsening=coarsening) for _ in range(depth))
            self.add_module(f"patch_embed{stage}", patches)
            self.add_module(f"block{stage}", nn.Sequential(*blocks))
            self.add_module(f"norm{stage}", nn.LayerNorm(after, eps=EPSILON))
            before = after

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the input, no channel at 1/2 of its side, and the features at 1/4, 1/8, 1/16 and 1/32."""
        n, _, h, w = x.shape
        features = [x, x.new_empty(n, 0, h // 2, w // 2)]
        for stage in range(1, 5):
            for part in ("patch_embed", "block", "norm"):
                x = self.get_submodule(f"{part}{stage}")(x)
            x = x.permute(0, 3, 1, 2).contiguous()
            features.append(x)
        return features

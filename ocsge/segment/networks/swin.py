"""Swin transformer encoders (Liu and others, 2021): attention within windows, shifted by half every other block.

Names of the weights are those of timm, which FLAIR-HUB's checkpoints keep. Windows have one size, whatever the input:
where it does not divide a side, tokens of zeros are added, and taken away after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

HEAD_CHANNELS = 32
"""Channels of an attention head."""

TOKEN_PX = 4
"""Pixels of the side of a token of the first stage."""

OTHER_REGION = -100.0
"""Added to the attention between tokens that only the shift brought together: nothing after the softmax."""


@dataclass(frozen=True, slots=True)
class SwinForm:
    """What tells one published Swin from another."""

    depths: tuple[int, int, int, int]
    """Blocks of each stage."""

    window: int
    """Side of a window, tokens."""

    width: int
    """Channels of the first stage in the published network."""

    timm_name: str
    """Name that timm and FLAIR-HUB's configurations give it."""


FORMS = {
    "swin_tiny": SwinForm((2, 2, 6, 2), 7, 96, "swin_tiny_patch4_window7_224"),
    "swin_small": SwinForm((2, 2, 18, 2), 7, 96, "swin_small_patch4_window7_224"),
    "swin_base": SwinForm((2, 2, 18, 2), 12, 128, "swin_base_patch4_window12_384"),
    "swin_large": SwinForm((2, 2, 18, 2), 12, 192, "swin_large_patch4_window12_384"),
}
"""The encoders of FLAIR-HUB."""


def split_windows(x: Tensor, side: int) -> Tensor:
    """Return (n · windows, side², c) of (n, h, w, c) whose sides are multiples of ``side``."""
    n, h, w, c = x.shape
    x = x.view(n, h // side, side, w // side, side, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side * side, c)


def join_windows(windows: Tensor, side: int, h: int, w: int) -> Tensor:
    """Return (n, h, w, c) of the windows of :func:`split_windows`."""
    c = windows.shape[-1]
    x = windows.view(-1, h // side, w // side, side, side, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, h, w, c)


def relative_positions(side: int) -> Tensor:
    """Return, for each pair of tokens of a window, the row of the table of position biases: (side⁴,)."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()])
    offsets = places[:, :, None] - places[:, None, :] + side - 1
    return (offsets[0] * (2 * side - 1) + offsets[1]).flatten()


def region_mask(h: int, w: int, side: int, shift: int) -> Tensor:
    """Return what keeps apart tokens that the shift brought together, (windows, side², side²)."""

    def regions(length: int) -> Tensor:
        numbers = torch.zeros(length)
        numbers[length - side :] = 1
        numbers[length - shift :] = 2
        return numbers

    numbered = 3 * regions(h)[:, None] + regions(w)[None, :]
    windows = split_windows(numbered[None, :, :, None], side).squeeze(-1)
    apart = torch.ne(windows[:, None, :], windows[:, :, None])
    return torch.where(apart, OTHER_REGION, 0.0)


class WindowAttention(nn.Module):
    """Attention among the tokens of each window, with a bias for each relative position."""

    positions: Tensor

    def __init__(self, channels: int, *, window: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD_CHANNELS)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, self.heads))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.register_buffer("positions", relative_positions(window), persistent=False)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (n · windows, tokens, c) of the same; ``mask``, of :func:`region_mask`, is for shifted windows."""
        n, tokens, c = windows.shape
        query, key, value = self.qkv(windows).view(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.positions].view(1, tokens, tokens, -1).permute(0, 3, 1, 2)
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(n // len(mask), 1, 1, 1)
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return self.proj(found.transpose(1, 2).reshape(n, tokens, c))  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """Two linear layers around a smooth rectifier, four times as wide between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``, its channels last."""
        return self.fc2(self.act(self.fc1(x)))  # type: ignore[no-any-return]


class SwinBlock(nn.Module):
    """Attention within windows, then a feed-forward layer, each added to its input."""

    def __init__(self, channels: int, *, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, window=window)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = FeedForward(channels)
        self._masks: dict[tuple[int, int], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, h, w, c) of the same."""
        x = x + self._attended(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]

    def _attended(self, x: Tensor) -> Tensor:
        h, w = x.shape[1:3]
        if self.shift:
            x = torch.roll(x, shifts=(-self.shift, -self.shift), dims=(1, 2))
        below, right = -h % self.window, -w % self.window
        x = functional.pad(x, (0, 0, 0, right, 0, below))
        windows = self.attn(split_windows(x, self.window), self._mask(h + below, w + right, x.device))
        x = join_windows(windows, self.window, h + below, w + right)[:, :h, :w]
        return torch.roll(x, shifts=(self.shift, self.shift), dims=(1, 2)) if self.shift else x

    def _mask(self, h: int, w: int, device: torch.device) -> Tensor | None:
        # one input size at a time in practice: the mask is kept, not computed at each patch
        if not self.shift:
            return None
        kept = self._masks.get((h, w))
        if kept is None or kept.device != device:
            with torch.inference_mode(mode=False):  # it may serve training after inference
                kept = region_mask(h, w, self.window, self.shift).to(device)
            self._masks = {(h, w): kept}
        return kept


class PatchMerging(nn.Module):
    """Halve the side: the four tokens of a square, one beside the other, become one of twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, h/2, w/2, 2c) of (n, h, w, c)."""
        n, h, w, c = x.shape
        squares = x.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 4, 2, 5).flatten(3)
        return self.reduction(self.norm(squares))  # type: ignore[no-any-return]


class SwinStage(nn.Module):
    """Halved side (but in the first stage), then blocks whose windows are shifted every other time."""

    def __init__(self, channels: int, *, depth: int, window: int, halves: bool) -> None:
        super().__init__()
        self.downsample = PatchMerging(channels // 2) if halves else nn.Identity()
        shifts = [0 if block % 2 == 0 else window // 2 for block in range(depth)]
        self.blocks = nn.Sequential(*(SwinBlock(channels, window=window, shift=shift) for shift in shifts))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, h, w, c) of the stage before, (n, 2h, 2w, c/2)."""
        return self.blocks(self.downsample(x))  # type: ignore[no-any-return]


class PatchEmbedding(nn.Module):
    """Squares of pixels become tokens."""

    def __init__(self, bands: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(bands, channels, TOKEN_PX, stride=TOKEN_PX)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, h/4, w/4, channels) of (n, bands, h, w)."""
        return self.norm(self.proj(x).permute(0, 2, 3, 1))  # type: ignore[no-any-return]


class SwinStages(nn.Module):
    """The four stages of a Swin transformer, without its classifier."""

    def __init__(self, form: SwinForm, *, bands: int, width: int) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(bands, width)
        for stage, depth in enumerate(form.depths):
            layer = SwinStage(width * 2**stage, depth=depth, window=form.window, halves=stage > 0)
            self.add_module(f"layers_{stage}", layer)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of each stage, (n, c, h, w), at 1/4, 1/8, 1/16 and 1/32 of the input's side."""
        x = self.patch_embed(x)
        features = []
        for stage in range(4):
            x = self.get_submodule(f"layers_{stage}")(x)
            features.append(x.permute(0, 3, 1, 2).contiguous())
        return features


class SwinEncoder(nn.Module):
    """A Swin transformer as an encoder, for any number of input bands.

    Parameters
    ----------
    encoder
        Key of :data:`FORMS`.
    bands
        Input channels.
    width
        Channels of the first stage: 96, 128 or 192 in the published networks (:attr:`SwinForm.width`).
    """

    def __init__(self, encoder: str, *, bands: int, width: int) -> None:
        super().__init__()
        self.out_channels = (width, 2 * width, 4 * width, 8 * width)
        self.model = SwinStages(FORMS[encoder], bands=bands, width=width)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features at 1/4, 1/8, 1/16 and 1/32 of the input's side."""
        return self.model(x)  # type: ignore[no-any-return]

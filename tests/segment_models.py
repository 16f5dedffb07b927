"""Small models of every architecture, for the tests of the segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ocsge.segment.model_card import ModelCard
from ocsge.segment.networks import build_network

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

torch.set_num_threads(1)

IMAGERY = ("rouge", "vert", "bleu", "infrarouge")
SMALL = {
    "unet": ("unet", "resnet18", 8),
    "unet-mit": ("unet", "mit_b0", 8),
    "fpn": ("fpn", "resnet18", 8),
    "deeplabv3": ("deeplabv3", "resnet18", 8),
    "deeplabv3plus": ("deeplabv3plus", "resnet18", 8),
    "upernet": ("upernet", "swin_tiny", 16),
}
"""Architecture, encoder and width of small networks of every kind."""


def small_card(kind: str = "unet", **changed: Any) -> ModelCard:
    """Return the card of a small model of three bands and two classes."""
    architecture, encoder, width = SMALL[kind]
    bands = changed.pop("bands", IMAGERY[:3])
    stated: dict[str, Any] = {
        "name": f"small-{kind}",
        "family": "ocsge",
        "architecture": architecture,
        "encoder": encoder,
        "width": width,
        "bands": bands,
        "mean": (100.0,) * len(bands),
        "std": (50.0,) * len(bands),
        "head_classes": ("dedans", "dehors"),
        "licence": "none",
        "credit": "nobody",
    }
    return ModelCard(**{**stated, **changed})


def elevation_card(**changed: Any) -> ModelCard:
    """Return the card of a small FLAIR-HUB-like model of imagery and elevation, each with its encoder."""
    return small_card("upernet", bands=("rouge", "mns", "mnt"), elevation="surface_and_height_m", **changed)


def small_network(card: ModelCard, *, seed: int = 0) -> nn.Module:
    """Return a network whose weights and norms are random, in evaluation mode."""
    torch.manual_seed(seed)
    network = build_network(card)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def pixels(card: ModelCard, *, side: int = 64, seed: int = 1) -> Tensor:
    """Return random normalised pixels, (2, bands, side, side)."""
    return torch.randn(2, len(card.bands), side, side, generator=torch.Generator().manual_seed(seed))


def scores(network: nn.Module, x: Tensor) -> Tensor:
    """Return what a network answers."""
    with torch.inference_mode():
        found: Tensor = network(x)
    return found


def saved(path: Path, content: object) -> Path:
    """Write an object as ``torch.save`` does, and return the path."""
    torch.save(content, path)
    return path

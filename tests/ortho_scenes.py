"""Small orthophotos and small networks for the tests of the segmentation.

``varied_model`` has random weights, and a head whose biases make every class win somewhere: a network that always
answered the same class would agree with itself whatever the mistake.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import rasterio
import torch
from rasterio.transform import Affine

from ocsge.segment.checkpoint import save_model
from ocsge.segment.model_card import ModelCard
from ocsge.segment.networks import build_network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.enums import ColorInterp
    from torch import nn

MEANS = {"rouge": 105.08, "vert": 110.87, "bleu": 101.82, "infrarouge": 106.38, "elevation": 53.26}
STDS = {"rouge": 52.17, "vert": 45.38, "bleu": 44.0, "infrarouge": 39.69, "elevation": 79.3}
FLAIR_CLASSES = (
    "Bâtiment",
    "Zone perméable",
    "Zone imperméable",
    "Sol nu",
    "Surface eau",
    "Conifère",
    "Feuillu",
    "Broussaille",
    "Vigne",
    "Pelouse",
    "Culture",
    "Terre labourée",
    "Piscine",
    "Neige",
    "Coupe",
    "Mixte",
    "Ligneux",
    "Serre",
    "Autre",
)
"""The 19 channels of FLAIR-INC's heads, in order."""


def card_of(bands: Sequence[str] = ("rouge", "vert", "bleu"), /, **changes: object) -> ModelCard:
    facts: dict[str, object] = {
        "name": "petit",
        "family": "ocsge",
        "architecture": "unet",
        "encoder": "resnet18",
        "width": 8,
        "bands": tuple(bands),
        "mean": tuple(MEANS[band] for band in bands),
        "std": tuple(STDS[band] for band in bands),
        "elevation": "height_uint8_20cm" if "elevation" in bands else None,
        "head_classes": FLAIR_CLASSES[:6],
        "patch_px": 64,
        "licence": "Apache-2.0",
        "credit": "tests",
    }
    return ModelCard(**{**facts, **changes})  # type: ignore[arg-type]


def varied_network(card: ModelCard, *, seed: int = 0) -> nn.Module:
    """Return a network with random weights and norms whose classes all win somewhere."""
    torch.manual_seed(seed)
    network = build_network(card)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
            torch.nn.init.normal_(module.running_mean, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    network.eval()
    head = network.segmentation_head[0]
    with torch.no_grad():
        head.bias.zero_()
        scores = network(torch.randn(2, len(card.bands), 128, 128))
        scale = scores.std(dim=(0, 2, 3))
        head.weight.mul_((2 / scale).view(-1, 1, 1, 1))
        head.bias.copy_(-2 * scores.mean(dim=(0, 2, 3)) / scale)
    return network


def varied_model(folder: Path, card: ModelCard | None = None, *, seed: int = 0) -> Path:
    """Write a model of random weights with its card; return the weights."""
    card = card or card_of()
    path = folder / f"{card.name}.safetensors"
    save_model(varied_network(card, seed=seed), card, path)
    return path


def textured(bands: int, height: int, width: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Return an image of blotches of several sizes, from 1 to 255: no pixel is black by chance."""
    random = np.random.default_rng(seed)
    image = np.zeros((bands, height, width))
    for size in (4, 16, 64):
        rough = random.normal(size=(bands, -(-height // size) + 1, -(-width // size) + 1))
        image += np.kron(rough, np.ones((size, size)))[:, :height, :width]
    return np.clip(110 + 45 * image / np.sqrt(3) + random.normal(size=image.shape) * 8, 1, 255).astype(np.uint8)


def write_image(
    path: Path,
    image: NDArray[np.generic],
    *,
    xmin: float = 770000.0,
    ymax: float = 6280000.0,
    resolution_m: float = 0.2,
    epsg: int | None = 2154,
    colours: Sequence[ColorInterp] | None = None,
    descriptions: Sequence[str] | None = None,
    **profile: object,
) -> Path:
    """Write an image as a GeoTIFF whose north-western corner is (xmin, ymax)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, object] = {
        "driver": "GTiff",
        "count": len(image),
        "height": image.shape[1],
        "width": image.shape[2],
        "dtype": image.dtype,
        "crs": None if epsg is None else f"EPSG:{epsg}",
        "transform": Affine(resolution_m, 0, xmin, 0, -resolution_m, ymax),
    }
    with rasterio.open(path, "w", **{**options, **profile}) as dataset:
        dataset.write(image)
        if colours is not None:
            dataset.colorinterp = colours
        for band, text in enumerate(descriptions or (), start=1):
            dataset.set_band_description(band, text)
    return path


def renamed(card: ModelCard, name: str) -> ModelCard:
    return replace(card, name=name)

"""Patches whose classes follow from a rule a network must find: bright red ground is class 1, the rest class 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.transform import Affine

from ocsge.segment.model_card import ModelCard
from ocsge.segment.samples import ArraySamples

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CLASSES = ("sombre", "rouge vif")
X, Y, PIXEL_M = 664000.0, 6360000.0, 0.2


def red_squares(count: int, *, side: int = 64, seed: int = 0) -> ArraySamples:
    """Return patches of noise with a bright red rectangle in each."""
    rng = np.random.default_rng(seed)
    pixels, labels = [], []
    for _ in range(count):
        image = rng.integers(0, 120, (3, side, side), dtype=np.uint8)
        mask = np.zeros((side, side), dtype=np.uint8)
        top, left = rng.integers(0, side // 2, 2)
        mask[top : top + side // 2, left : left + side // 2] = 1
        image[0][mask == 1] = rng.integers(180, 255)
        pixels.append(image)
        labels.append(mask)
    return ArraySamples(pixels, labels)


def small_card(**changes: Any) -> ModelCard:
    """Return the card of a network of 8 channels for those patches."""
    stated: dict[str, Any] = {
        "name": "essai",
        "family": "ocsge",
        "architecture": "unet",
        "encoder": "resnet18",
        "width": 8,
        "bands": ("rouge", "vert", "bleu"),
        "mean": (80.0, 60.0, 60.0),
        "std": (60.0, 35.0, 35.0),
        "head_classes": CLASSES,
        "patch_px": 64,
        "licence": "Apache-2.0",
        "credit": "generated",
    }
    return ModelCard(**stated | changes)


def write_raster(
    path: Path,
    values: NDArray[Any],
    *,
    x: float = X,
    y: float = Y,
    pixel_m: float = PIXEL_M,
    crs: str | None = "EPSG:2154",
) -> Path:
    """Write (bands, h, w) or (h, w) values as a GeoTIFF whose north-west corner is x, y."""
    bands = values if values.ndim == 3 else values[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    transform = Affine(pixel_m, 0, x, 0, -pixel_m, y)
    with rasterio.open(path, "w", dtype=bands.dtype, crs=crs, transform=transform, **profile) as file:
        file.write(bands)
    return path


def write_plain(folder: Path, samples: ArraySamples, *, apart_m: float = 1000.0) -> Path:
    """Write patches as img/<n>.tif and mask/<n>.tif, each ``apart_m`` east of the one before; return the folder."""
    for index in range(len(samples)):
        pixels, labels = samples.read(index)
        place = {"x": X + index * apart_m, "y": Y}
        write_raster(folder / "img" / f"{index:02d}.tif", pixels, **place)
        write_raster(folder / "mask" / f"{index:02d}.tif", labels, **place)
    return folder

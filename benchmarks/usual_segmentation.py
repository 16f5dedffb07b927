"""The usual way of segmenting a large image patch by patch, written again from what published scripts do.

Patches of 512 pixels with a margin of 128 cut off, so each pixel is answered four times; one boundless read a patch,
from a dataset opened once; normalisation in float64 on the host; float32 network; scores brought back whole, softmax
and argmax on the host; each core written where it lies, across the blocks of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from ocsge.segment.checkpoint import load_model

if TYPE_CHECKING:
    from pathlib import Path

PATCH_PX, MARGIN_PX = 512, 128


def segment_as_usual(image: Path, weights: Path, out: Path, *, device: str = "cpu", threads: int = 1) -> None:
    """Write the class of each pixel of a five-band image."""
    torch.set_num_threads(threads)
    network, card = load_model(weights)
    network = network.to(device)
    mean, std = (np.array(values).reshape(-1, 1, 1) for values in (card.mean, card.std))
    core = PATCH_PX - 2 * MARGIN_PX
    with rasterio.open(image) as source:
        profile = {
            "driver": "GTiff",
            "dtype": "uint8",
            "count": 1,
            "height": source.height,
            "width": source.width,
            "crs": source.crs,
            "transform": source.transform,
            "compress": "lzw",
            "tiled": True,
            "blockxsize": 512,
            "blockysize": 512,
        }
        with rasterio.open(out, "w", **profile) as target, torch.no_grad():
            for row in range(0, source.height, core):
                for col in range(0, source.width, core):
                    window = Window(col - MARGIN_PX, row - MARGIN_PX, PATCH_PX, PATCH_PX)
                    pixels = source.read(window=window, boundless=True, fill_value=0)
                    x = torch.from_numpy((pixels.astype(np.float64) - mean) / std).float()[None].to(device)
                    scores = network(x).cpu().numpy()[0].astype(np.float64)
                    scores = np.exp(scores - scores.max(axis=0))
                    probability = scores / scores.sum(axis=0)
                    classes = probability.argmax(axis=0).astype(np.uint8)
                    height, width = min(core, source.height - row), min(core, source.width - col)
                    inner = classes[MARGIN_PX : MARGIN_PX + height, MARGIN_PX : MARGIN_PX + width]
                    target.write(inner, 1, window=Window(col, row, width, height))

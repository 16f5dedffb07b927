"""Count the pixels that another precision, halo, patch or view answers otherwise, with one's own model and imagery.

    python -m benchmarks.segment_agreement --model M.safetensors --rvb RVB [--irc IRC] [--elevation H] [--side 1500]

The reference is fp32 with a halo as long as what an answer depends on, over the middle of the imagery. Prints a table
in Markdown; ``docs/segmentation.md`` quotes it.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from ocsge.grid import Window
from ocsge.products.cosia import NO_DATA, class_strips, place_tiles
from ocsge.segment.imagery import Imagery, open_imagery
from ocsge.segment.predict import segment_imagery
from ocsge.segment.published import card_for

FULL_HALO_PX = 544
"""Half of what an answer of the U-Net on ResNet34 depends on, 526 pixels, in multiples of its stride."""

VARIANTS = {
    "fp32, patch of 2048, full halo": {"patch_px": 2048, "halo_px": FULL_HALO_PX},
    "fp32, full halo, batches of 3": {"patch_px": 1536, "halo_px": FULL_HALO_PX, "batch": 3},
    "bf16, full halo": {"patch_px": 1536, "halo_px": FULL_HALO_PX, "precision": "bf16"},
    "fp32, 1024/128": {"patch_px": 1024, "halo_px": 128},
    "bf16, 1024/128 (as by default)": {"patch_px": 1024, "halo_px": 128, "precision": "bf16"},
    "bf16, 1024/64": {"patch_px": 1024, "halo_px": 64, "precision": "bf16"},
    "bf16, 512/128": {"patch_px": 512, "halo_px": 128, "precision": "bf16"},
    "bf16, 1024/128, 4 flips": {"patch_px": 1024, "halo_px": 128, "precision": "bf16", "augmentation": "flips"},
}


def middle(imagery: Imagery, side: int) -> Imagery:
    """Return the imagery with its window cut to the middle: only that is answered, all of it may be looked at."""
    whole = imagery.window
    height, width = min(side, whole.height), min(side, whole.width)
    row, col = whole.row + (whole.height - height) // 2, whole.col + (whole.width - width) // 2
    return replace(imagery, window=Window(row=row, col=col, height=height, width=width))


def classes(imagery: Imagery, model: Path, out: Path, threads: int, **options: object) -> np.ndarray:
    """Return the class number of each pixel."""
    given = {"precision": "fp32", "device": "cpu", "threads": threads, **options}
    done = segment_imagery(imagery, weights=model, out=out, **given)  # type: ignore[arg-type]
    tiles = place_tiles(list(done.rasters), grid=imagery.grid)
    return np.concatenate(
        list(class_strips(tiles, grid=imagery.grid, window=imagery.window, score_classes=range(NO_DATA)))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Count the pixels that other options answer otherwise.")
    parser.add_argument("--model", type=Path, required=True)
    for product in ("rvb", "irc", "elevation", "mns", "mnt"):
        parser.add_argument(f"--{product}", type=Path, nargs="*", default=[])
    parser.add_argument("--side", type=int, default=1500, help="pixels of the middle that are answered")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    products = {name: getattr(given, name) for name in ("irc", "elevation", "mns", "mnt")}
    imagery = middle(open_imagery(given.rvb, card=card_for(given.model), **products), given.side)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exact = classes(imagery, given.model, folder / "exact", given.threads, patch_px=1536, halo_px=FULL_HALO_PX)
        known = exact != NO_DATA
        print(
            f"{np.count_nonzero(known)} pixels, {len(np.unique(exact[known]))} classes, {card_for(given.model).name}\n"
        )
        print("| answered by | pixels equal to fp32 with a full halo, % |\n|---|---|")
        for position, (what, options) in enumerate(VARIANTS.items()):
            found = classes(imagery, given.model, folder / str(position), given.threads, **options)
            print(f"| {what} | {100 * (found == exact)[known].mean():.3f} |", flush=True)


if __name__ == "__main__":
    main()

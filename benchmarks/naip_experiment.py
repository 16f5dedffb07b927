"""Does training work on real imagery? A small U-Net on NAIP chips, judged on chips of other places.

    python -m benchmarks.naip_experiment --data FOLDER [--out FOLDER] [--fold 0] [--test]

FOLDER holds 172 chips of 256 × 256 pixels (R, G, B, NIR, 0.6 m, USDA NAIP) and their masks of six classes, in folders
``img`` and ``mask``. Its own train and val parts are neighbours: both are pooled, and split by location. The budget is
that of 40 minutes on two cores: 4,800 seconds of processor, everything included.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ocsge.segment.augmentation import Augmentation
from ocsge.segment.checkpoint import load_model
from ocsge.segment.datasets import PatchSamples, find_patches, place_of
from ocsge.segment.folds import Fold, locations, split
from ocsge.segment.mask_classes import MaskClasses
from ocsge.segment.metrics import Scores, design_effect
from ocsge.segment.model_card import Band, ModelCard
from ocsge.segment.networks import build_network
from ocsge.segment.recipe import Recipe, balanced_weights
from ocsge.segment.samples import ArraySamples, Chosen, class_pixels, normalisation
from ocsge.segment.scoring import patch_matrices
from ocsge.segment.training import train

if TYPE_CHECKING:
    from ocsge.segment.samples import Samples

CLASSES = ("background", "building", "road", "bare", "forest", "water")
BANDS: tuple[Band, ...] = ("rouge", "vert", "bleu", "infrarouge")
FOLDS, SEED = 5, 0
"""How chips are split; chosen before any training, and never changed."""

PARAMETERS = 1_000_000
CPU_SECONDS = 4800.0
ENDING_SECONDS = 200.0
"""Kept for reading, judging and writing."""


def card_of(samples: Chosen, *, encoder: str, width: int, finer: int) -> ModelCard:
    """Return the card of the model, normalised by the training set."""
    mean, std = normalisation(samples)
    return ModelCard(
        name=f"naip-{encoder}-{width}",
        family="ocsge",
        architecture="unet",
        encoder=encoder,
        width=width,
        bands=BANDS,
        mean=mean,
        std=std,
        head_classes=CLASSES,
        resolution_m=0.6 / finer,
        patch_px=256 * finer,
        licence="none stated for the labels: not to be redistributed",
        credit="USDA NAIP",
    )


def finer(samples: Chosen, *, times: int) -> Samples:
    """Return chips with ``times`` pixels for one along each side: bilinear imagery, repeated labels.

    The networks halve the image twice before they look at it twice: houses of ten pixels become two or three.
    """
    if times == 1:
        return samples
    pixels, labels = [], []
    for index in range(len(samples)):
        chip, truth = samples.read(index)
        drawn = functional.interpolate(torch.from_numpy(chip)[None].float(), scale_factor=times, mode="bilinear")
        pixels.append(drawn[0].round().to(torch.uint8).numpy())
        labels.append(truth.repeat(times, axis=0).repeat(times, axis=1))
    return ArraySamples(pixels, labels)


class Native(nn.Module):
    """A network of finer pixels that answers the chips as they are: it is judged at 0.6 m."""

    stride = 32

    def __init__(self, network: nn.Module, *, times: int) -> None:
        super().__init__()
        self.network, self.times = network, times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.times == 1:
            return self.network(x)
        drawn = functional.interpolate(x, scale_factor=self.times, mode="bilinear")
        return functional.avg_pool2d(self.network(drawn), self.times)


def fold_of(samples: PatchSamples, which: int) -> Fold:
    """Return one fold of the split by location, and print what it holds."""
    places = [place_of(patch) for patch in samples.patches]
    pixels = class_pixels(samples, classes=len(CLASSES))
    found = split(places, pixels, folds=FOLDS, seed=SEED)[which]
    location = locations(places)
    print(f"{len(samples)} chips in {location.max() + 1} locations; fold {which} of {FOLDS}, seed {SEED}")
    for name in ("training", "validation", "test"):
        chips = list(getattr(found, name))
        shares = 100 * pixels[chips].sum(axis=0) / pixels[chips].sum()
        held = ", ".join(f"{c} {s:.1f} %" for c, s in zip(CLASSES, shares, strict=True))
        print(f"  {name}: {len(chips)} chips, {len(set(location[chips]))} locations; {held}")
    return found


def report(title: str, matrices: np.ndarray) -> dict[str, object]:
    """Print and return the scores of some chips."""
    scores = Scores(matrices.sum(axis=0))
    ious = dict(zip(CLASSES, scores.iou.round(4).tolist(), strict=True))
    effect = design_effect(matrices)
    print(f"{title}: mean IoU {scores.mean_iou:.4f}, overall accuracy {scores.overall_accuracy:.4f}; {ious}")
    return {
        "mean_iou": scores.mean_iou,
        "overall_accuracy": scores.overall_accuracy,
        "iou": ious,
        "design_effect": effect,
        "counts": scores.counts.tolist(),
    }


def recipe_of(options: argparse.Namespace, weights: tuple[float, ...] | None) -> Recipe:
    """Return the recipe of the options."""
    return Recipe(
        epochs=options.epochs,
        batch=options.batch,
        crop_px=options.crop,
        repeat=options.repeat,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        schedule="one_cycle",
        class_weights=weights,
        dice=options.dice,
        smoothing=options.smoothing,
        average=options.average,
        augmentation=Augmentation(
            zoom=options.zoom, contrast=options.radiometry, gamma=options.radiometry, brightness=options.radiometry / 2
        ),
        judge_every=options.judge_every,
        seed=options.seed,
        cpu_seconds=options.cpu_seconds - ENDING_SECONDS,
    )


def parser() -> argparse.ArgumentParser:
    """Return the options, whose defaults are the recipe that the validation chips chose."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--data", type=Path, help="folder of the chips")
    found.add_argument("--out", type=Path, default=Path("naip"), help="folder of the model")
    found.add_argument("--fold", type=int, default=0, help="which part of the split judges")
    found.add_argument("--both", action="store_true", help="learn from the validation chips too: nothing is chosen")
    found.add_argument("--test", action="store_true", help="judge on the test chips: once, when all is chosen")
    found.add_argument("--table", type=Path, nargs="+", help="folders of folds that were tested: print their table")
    found.add_argument("--threads", type=int, default=2)
    for name, kind, default in (
        ("encoder", str, "resnet18"),
        ("width", int, 16),
        ("finer", int, 1),
        ("epochs", int, 100),
        ("batch", int, 8),
        ("crop", int, None),
        ("repeat", int, 1),
        ("learning-rate", float, 2e-3),
        ("weight-decay", float, 0.05),
        ("weights-power", float, 0.25),
        ("dice", float, 1.0),
        ("smoothing", float, 0.0),
        ("average", float, 0.995),
        ("zoom", float, 0.25),
        ("radiometry", float, 0.2),
        ("judge-every", int, 10),
        ("seed", int, 0),
        ("cpu-seconds", float, CPU_SECONDS),
    ):
        found.add_argument(f"--{name}", type=kind, default=default)
    return found


def run(options: argparse.Namespace) -> None:
    """Train on one fold, judge on its validation chips and, when asked, on its test chips."""
    started = time.monotonic()
    torch.set_num_threads(options.threads)
    classes = MaskClasses(CLASSES, {number: number for number in range(len(CLASSES))})
    samples = PatchSamples(find_patches(options.data), classes, bands=BANDS)
    fold = fold_of(samples, options.fold)
    learning, choosing = Chosen(samples, fold.training), Chosen(samples, fold.validation)
    if options.both:
        learning = Chosen(samples, (*fold.training, *fold.validation))
    card = card_of(learning, encoder=options.encoder, width=options.width, finer=options.finer)
    parameters = sum(p.numel() for p in build_network(card).parameters())
    print(f"{card.name}: {parameters:,} parameters, learns from {len(learning)} chips")
    if parameters > PARAMETERS:
        raise SystemExit(f"more than {PARAMETERS:,}")
    power = options.weights_power
    weights = balanced_weights(class_pixels(learning, classes=len(CLASSES)).sum(axis=0), power=power) if power else None
    recipe = recipe_of(options, weights)
    train(
        finer(learning, times=options.finer),
        card,
        out=options.out,
        validation=None if options.both else finer(choosing, times=options.finer),
        recipe=recipe,
        device="cpu",
    )
    network, card = load_model(options.out / "model.safetensors")
    network = Native(network, times=options.finer).eval()
    found: dict[str, object] = {"options": {k: str(v) for k, v in vars(options).items()}, "parameters": parameters}
    sides = {} if options.both else {"validation": fold.validation}
    sides |= {"test": fold.test} if options.test else {}
    for name, chips in sides.items():
        for turned in (False, True):
            matrices = patch_matrices(network, card, Chosen(samples, chips), device=torch.device("cpu"), turned=turned)
            title = f"{name}, turned" if turned else name
            found[title] = report(title, matrices)
    found |= {
        "fold": options.fold,
        "chips": {name: len(chips) for name, chips in sides.items()},
        "cpu_seconds": round(time.process_time(), 1),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "machine": machine(),
    }
    print(f"{found['cpu_seconds']} s of processor, {found['minutes']} min; {found['machine']}")
    (options.out / "experiment.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def machine() -> str:
    """Return the processor and the versions."""
    cpus = Path("/proc/cpuinfo")
    named = [line for line in cpus.read_text().splitlines() if line.startswith("model name")] if cpus.exists() else []
    processor = named[0].partition(":")[2].strip() if named else platform.processor()
    return f"{processor}, Python {platform.python_version()}, torch {torch.__version__}"


def table(folders: list[Path]) -> str:
    """Return the table of the folds that were tested, and the scores over their test chips together."""
    runs = [json.loads((folder / "experiment.json").read_text(encoding="utf-8")) for folder in folders]
    rows = [
        "| fold | test chips | mean IoU | turned | " + " | ".join(CLASSES) + " | accuracy | CPU-s | minutes |",
        "|---" * (7 + len(CLASSES)) + "|",
    ]
    for one in runs:
        plain, turned = one["test"], one["test, turned"]
        ious = " | ".join(f"{plain['iou'][name]:.3f}" for name in CLASSES)
        rows.append(
            f"| {one['fold']} | {one['chips']['test']} | {plain['mean_iou']:.3f} | {turned['mean_iou']:.3f} | {ious} | "
            f"{plain['overall_accuracy']:.3f} | {one['cpu_seconds']:.0f} | {one['minutes']:.0f} |"
        )
    for title in ("test", "test, turned"):
        means = np.array([one[title]["mean_iou"] for one in runs])
        whole = Scores(np.sum([one[title]["counts"] for one in runs], axis=0))
        spread = f", standard deviation {means.std(ddof=1):.3f}" if len(means) > 1 else ""
        rows.append("")
        rows.append(
            f"{title}: mean over {len(means)} folds {means.mean():.3f}{spread}; over all their chips together "
            f"{whole.mean_iou:.3f}, accuracy {whole.overall_accuracy:.3f}"
        )
    return "\n".join(rows)


def main() -> None:
    """Run what the options ask for."""
    options = parser().parse_args()
    if options.table:
        print(table(options.table))
    elif options.data:
        run(options)
    else:
        raise SystemExit("give --data FOLDER, or --table FOLDER…")


if __name__ == "__main__":
    main()

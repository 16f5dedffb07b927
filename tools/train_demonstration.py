"""Train the demonstration model on generated scenes, judge it on others, and write its weights and its card.

    python -m tools.train_demonstration [--out FOLDER] [--work FOLDER] [--threads 1] [--matrix-only]

writes ``demonstration.safetensors`` (float16) and ``demonstration.json`` into ``data_catalog/embedded`` by default;
``--matrix-only`` judges the weights that are there again, and writes the confusion matrix of the card alone.
About twenty-five minutes on one core: three to make the scenes, seventeen to train, four to judge. Every scene of the
training has a seed below ``VALIDATION_SEED``; validation and the confusion matrix come from other seeds, hence other
ground, dates, suns and radiometries, and the shipped commune is in none of them.

The confusion matrix is of points drawn at random among the ground mapped as each class, over ``COMMUNES`` held-out
communes, told by levels of the model's probability too. Points of one commune are alike, and a derivation does more to
a class than count it: its polygons have minimum areas. Both are measured, not supposed: each held-out commune is
derived from its truth and from its map, and the design effect is by how much the mean squared error of the adjusted
stock exceeds what independent points would give. The stock is adjusted by class and by level, and both are told beside
the stock that is not adjusted: the card has levels only when they bring the stocks nearer to the truth.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from scipy import stats

from ocsge.catalog import register
from ocsge.demonstration import Ground
from ocsge.derive import derive
from ocsge.from_ortho import DEMONSTRATION
from ocsge.grid import Grid
from ocsge.products.class_probability import PROBABILITY, probability_levels
from ocsge.products.confusion import Confusion, Level
from ocsge.products.cosia import class_strips, place_tiles, raster_files
from ocsge.rules import load_rules
from ocsge.segment.augmentation import Augmentation
from ocsge.segment.checkpoint import load_model, save_model
from ocsge.segment.confidence import PROBABILITIES, add_by_probability, levels_of
from ocsge.segment.imagery import open_imagery
from ocsge.segment.metrics import IGNORED, Scores
from ocsge.segment.model_card import ModelCard, card_beside, write_card
from ocsge.segment.predict import segment_imagery
from ocsge.segment.published import card_for
from ocsge.segment.recipe import Recipe
from ocsge.segment.samples import ArraySamples, normalisation
from ocsge.segment.training import train
from ocsge.stock_intervals import stock_intervals
from ocsge.uncertainty import Z95, class_estimates
from tools.generated_commune import CODE, EPSG, NUMBERING, commune_of, numbers_of_truth, write_commune
from tools.generated_ortho import RESOLUTION_M, scene_of
from tools.ground_colours import COSIA_NAMES

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

OUT = Path(__file__).parents[1] / "data_catalog" / "embedded"
NAME = "ocsge-demonstration"
SCENES, SCENE_PX, PATCH_PX = 160, 1024, 256
TRAINING_SEED, VALIDATION_SEED, COMMUNE_SEED = 10_000, 20_000, 30_000
VALIDATION_SCENES, COMMUNES = 8, 10
POINTS_A_CLASS = 150
MILLESIME = 2022
RECIPE = Recipe(
    epochs=3,
    batch=8,
    learning_rate=2e-3,
    schedule="one_cycle",
    dice=0.3,
    augmentation=Augmentation(brightness=0.05, contrast=0.1, gamma=0.1, channel=0.03),
)
AGAIN = [dataclasses.replace(RECIPE, epochs=1, learning_rate=1e-3, schedule="cosine", seed=seed) for seed in (1, 2)]
"""Trainings that start from the weights of the one before: warm restarts."""
HEAD = tuple(COSIA_NAMES)
"""Class of the generator that each channel of the head answers."""


def kept(folder: Path, seed: int, *, scenes: int) -> ArraySamples:
    """Return the patches of scenes, from the folder when it holds them."""
    pixels, labels = folder / "pixels.npy", folder / "labels.npy"
    if not labels.is_file():
        made = samples_of(seed, scenes=scenes)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(pixels, np.stack(made.pixels))
        np.save(labels, np.stack(made.labels))
    return ArraySamples(list(np.load(pixels, mmap_mode="r")), list(np.load(labels, mmap_mode="r")))


def samples_of(seed: int, *, scenes: int, scene_px: int = SCENE_PX) -> ArraySamples:
    """Return the patches of scenes that each have a ground, a date, a sun and a radiometry of their own."""
    channel = np.zeros(max(HEAD) + 1, dtype=np.uint8)
    channel[list(HEAD)] = np.arange(len(HEAD))
    pixels, labels = [], []
    for scene in range(scenes):
        bands, truth = scene_of(seed + scene, side_px=scene_px)
        for top in range(0, scene_px, PATCH_PX):
            for left in range(0, scene_px, PATCH_PX):
                window = slice(top, top + PATCH_PX), slice(left, left + PATCH_PX)
                pixels.append(bands[:, *window])
                labels.append(channel[truth[window]])
    return ArraySamples(pixels, labels)


def card_of(samples: ArraySamples, *, width: int = 24) -> ModelCard:
    """Return the card of the model that these patches will make."""
    mean, std = normalisation(samples)
    return ModelCard(
        name=NAME,
        family="ocsge",
        architecture="unet",
        encoder="resnet18",
        width=width,
        bands=("rouge", "vert", "bleu", "infrarouge", "elevation"),
        mean=mean,
        std=std,
        elevation="height_uint8_20cm",
        head_classes=tuple(COSIA_NAMES[cover] for cover in HEAD),
        resolution_m=RESOLUTION_M,
        patch_px=PATCH_PX,
        licence="Apache-2.0",
        credit="ocsge",
        trained_on=(
            "generated scenes (tools/generated_ortho.py), no real imagery at all: it shows how the stages go together "
            "and is fit for nothing else"
        ),
        demonstration=True,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """A held-out commune, mapped and derived."""

    told: NDArray[np.int64]
    """(classes, 256, classes) pixels by mapped class, probability of 255 and true class, in the order of the head."""
    polygons: gpd.GeoDataFrame
    """Derived from the map."""
    raster: Path
    stock_ha: float
    """Derived from the map."""
    true_stock_ha: float
    """Derived from the truth."""


def judged(seed: int, *, weights: Path, folder: Path) -> Judged:
    """Return the commune of a seed, mapped by the model and derived from the map and from its truth."""
    if not (folder / "commune.gpkg").is_file():
        write_commune(commune_of(seed), folder)
    register(folder / "w", folder / "commune.gpkg")
    register(folder / "v", folder / "commune.gpkg")
    card = card_for(weights)
    imagery = open_imagery(
        [folder / "rvb.jp2"], irc=[folder / "irc.jp2"], elevation=[folder / "hauteur.jp2"], card=card
    )
    mapped = segment_imagery(
        imagery, weights=weights, cards=[card], out=folder / "map", probability=True, threads=torch.get_num_threads()
    ).folder
    how: dict[str, Any] = {"communes": [CODE], "millesime": MILLESIME, "threads": torch.get_num_threads()}
    found = derive(workspace=folder / "w", cosia=mapped, **how)
    truth = derive(workspace=folder / "v", cosia=folder / "verite.tif", **how)
    stocks = [float(one.stock["stock_ha"].iloc[0]) for one in (found, truth)]
    told = told_by_probability(Ground.of(truth.polygons()), mapped, folder / "verite.tif")
    return Judged(told, found.polygons(), mapped, *stocks)


def told_by_probability(ground: Ground, mapped: Path, truth: Path) -> NDArray[np.int64]:
    """Return the (classes, 256, classes) pixels of a territory by mapped class, probability of 255 and true class."""
    rules = load_rules()
    channels = []
    for raster in (mapped, truth):
        array, numbers = ground.classes(raster, rules=rules)
        channel = np.full(256, IGNORED, dtype=np.uint8)
        channel[[numbers[name] for name in COSIA_NAMES.values()]] = np.arange(len(HEAD))
        channels.append(channel[array])
    tiles = place_tiles(raster_files(mapped.with_name(PROBABILITY)), grid=ground.grid)
    strips = class_strips(tiles, grid=ground.grid, window=ground.window, score_classes=())
    channels[1][~ground.inside | (channels[0] == IGNORED)] = IGNORED
    told = np.zeros((len(HEAD), PROBABILITIES, len(HEAD)), dtype=np.int64)
    add_by_probability(told, channels[0], np.concatenate(list(strips)), channels[1], ignore=IGNORED)
    return told


def points(told: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return ``POINTS_A_CLASS`` points drawn at random among the pixels mapped as each class (all, where fewer).

    Classes are drawn first, then the probabilities of what was drawn: the same points, told by class or by both.
    """
    drawn, of_probability = np.zeros_like(told), rng.spawn(1)[0]
    for mapped, row in enumerate(told.sum(axis=1)):
        for true, count in enumerate(rng.multivariate_hypergeometric(row, min(POINTS_A_CLASS, int(row.sum())))):
            drawn[mapped, :, true] = of_probability.multivariate_hypergeometric(told[mapped, :, true], count)
    return drawn


def confusion_of(
    told: NDArray[np.int64], *, design_effect: float = 1.0, source: str = "", by_level: bool = True
) -> Confusion:
    """Return the matrix of the classes that were mapped or met, in the numbering of the rasters, with its levels."""
    numbers, counts = numbers_of_truth()[list(HEAD)], told.sum(axis=1)
    held = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    order = np.flatnonzero(held)[np.argsort(numbers[held])]
    classes = tuple(numbers[order].tolist())
    stated = levels_of(told[order][..., order], classes) if by_level else []
    levels = tuple(Level(one["mapped"], one["from"], np.array(one["counts"])) for one in stated)
    return Confusion(NUMBERING, classes, counts[np.ix_(order, order)], source, NAME, design_effect, levels)


def adjusted_stocks(communes: list[Judged], rng: np.random.Generator) -> pd.DataFrame:
    """Return the stock of each commune, hectares: true, mapped, and adjusted by points of the other communes alone.

    It is adjusted by class and by level of probability, each with the standard error of independent points.
    """
    rules, grid = load_rules(), Grid.at_resolution(epsg=EPSG, resolution_m=RESOLUTION_M)
    total = np.sum([one.told for one in communes], axis=0)
    rows = []
    for one in communes:
        confusion = confusion_of(points(total - one.told, rng))
        tiles = place_tiles(raster_files(one.raster), grid=grid)
        window = grid.window_of(tuple(one.polygons.total_bounds.tolist()))
        levels, _ = probability_levels(tiles, confusion, grid=grid, window=window)
        row = {"true": one.true_stock_ha, "mapped": one.stock_ha}
        for name, told in (("class", None), ("level", levels)):
            table = stock_intervals(
                one.polygons,
                tiles=tiles,
                grid=grid,
                rules=rules,
                numbering=NUMBERING,
                confusion=confusion,
                levels=told,
            ).iloc[0]
            row |= {name: table["stock_adjusted_ha"], f"{name}_error": table["ci95_ha"] / Z95}
        rows.append(row)
    return pd.DataFrame(rows)


def class_areas_inside(
    communes: list[Judged], rng: np.random.Generator, *, design_effect: float, by_probability: bool = False
) -> NDArray[np.bool_]:
    """Return, by commune and class of the head, whether the true area lies inside the interval of the other communes.

    The design effect is that of stocks. What this adds is whether the rates of a class carry over to other ground.
    """
    total = np.sum([one.told for one in communes], axis=0)
    numbers = numbers_of_truth()[list(HEAD)].tolist()
    inside = np.zeros((len(communes), len(HEAD)), dtype=np.bool_)
    for row, one in zip(inside, communes, strict=True):
        matrix = confusion_of(points(total - one.told, rng), design_effect=design_effect)
        level = matrix.level_table()
        mapped, true = (dict(zip(numbers, one.told.sum(axis=axes).tolist(), strict=True)) for axes in ((1, 2), (0, 1)))
        told = {
            number: np.bincount(level[number], weights=pixels).tolist()
            for number, pixels in zip(numbers, one.told.sum(axis=2), strict=True)
        }
        estimates = class_estimates(mapped, matrix, by_level=told if by_probability else None)
        for place, (number, area) in enumerate(true.items()):
            bounds = estimates[number].bounds
            row[place] = bounds is not None and bounds[0] <= area <= bounds[1]
    return inside


def standardised_errors(stocks: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return how many standard errors each true stock is from the adjusted one."""
    errors: NDArray[np.float64] = ((stocks["true"] - stocks[name]) / stocks[f"{name}_error"]).to_numpy()
    return errors


def rms(errors: pd.Series) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(errors**2)))


def design_effect_of(errors: NDArray[np.float64]) -> float:
    """Return by how much the variance of independent points must be multiplied for the errors that were met.

    It is the mean square of the errors, bias included, times the square of what Student's law of as many communes
    takes over the normal one: a variance that is itself estimated needs a wider interval.
    """
    wider = float(stats.t.ppf(0.975, len(errors))) / Z95
    return max(1.0, float(np.mean(errors**2)) * wider**2)


def judge(weights: Path, *, work: Path, communes: int = COMMUNES) -> dict[str, object]:
    """Return the confusion matrix of the model on held-out communes, in the form of a card."""
    print(f"{communes} held-out communes")
    found = [judged(COMMUNE_SEED + k, weights=weights, folder=work / f"commune_{k}") for k in range(communes)]
    total = np.sum([one.told for one in found], axis=0)
    scores = Scores(total.sum(axis=1))
    print(f"  overall accuracy {scores.overall_accuracy:.3f}, mean IoU {scores.mean_iou:.3f}")
    for name, iou in zip(COSIA_NAMES.values(), scores.iou.tolist(), strict=True):
        print(f"  {name:18s} IoU {iou:.3f}")
    stocks = adjusted_stocks(found, np.random.default_rng(1))
    print(stocks.round(2).to_string(index=False))
    off = {name: rms(stocks[name] - stocks["true"]) for name in ("mapped", "class", "level")}
    effects = {name: round(design_effect_of(standardised_errors(stocks, name)), 2) for name in ("class", "level")}
    print(f"  hectares from the truth (root mean square): {off}; design effects: {effects}")
    kept = "level" if off["level"] < off["class"] else "class"
    effect = effects[kept]
    matrix = confusion_of(points(total, np.random.default_rng(2)), design_effect=effect, by_level=kept == "level")
    for name in effects:
        inside = class_areas_inside(
            found, np.random.default_rng(3), design_effect=effect, by_probability=name == "level"
        )
        print(f"  true areas of classes inside their 95 % interval, by {name}: {inside.sum()} of {inside.size}")
        for cosia_class, count in zip(COSIA_NAMES.values(), inside.sum(axis=0).tolist(), strict=True):
            print(f"  {cosia_class:18s} {count} of {communes}")
    levels = [{"mapped": one.mapped, "from": one.at_least, "counts": one.counts.tolist()} for one in matrix.levels]
    return {
        "numbering": matrix.numbering,
        "classes": list(matrix.classes),
        "counts": matrix.counts.tolist(),
        "source": (
            f"{int(matrix.counts.sum())} points drawn at random, {POINTS_A_CLASS} at most a mapped class, over "
            f"{communes} generated communes (seeds from {COMMUNE_SEED}), none of them seen in training nor the shipped "
            "one; design effect from the stocks derived from their maps and from their truth"
        ),
        "model": matrix.model,
        "design_effect": matrix.design_effect,
        **({"levels": levels} if levels else {}),
    }


def main() -> None:
    """Train unless the weights are only judged again, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--work", type=Path, help="folder of an interrupted training, to go on from")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--matrix-only", action="store_true", help="judge the weights of OUT again, without training")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work = arguments.work or Path(tempfile.mkdtemp())
    weights = arguments.out / f"{DEMONSTRATION}.safetensors"
    if not arguments.matrix_only:
        trained(weights, work=work)
    card = card_for(weights)
    confusion = judge(weights, work=work)
    write_card(dataclasses.replace(card, confusion=confusion), card_beside(weights))
    print(f"{weights.name}: {weights.stat().st_size:,} bytes; design effect {confusion['design_effect']}")


def trained(weights: Path, *, work: Path) -> None:
    """Train the model and write its weights, and its card without a matrix."""
    samples = kept(work / "training", TRAINING_SEED, scenes=SCENES)
    validation = kept(work / "validation", VALIDATION_SEED, scenes=VALIDATION_SCENES)
    print(f"{len(samples)} patches of {PATCH_PX} px, {len(validation)} to validate")
    how = {"validation": validation, "progress": _tell}
    train(samples, card_of(samples), out=work / "run", recipe=RECIPE, **how)
    network, card = load_model(work / "run" / "model.safetensors")
    for recipe in AGAIN:
        folder = work / f"again_{recipe.seed}"
        train(samples, card, out=folder, recipe=recipe, network=network, **how)
        network, card = load_model(folder / "model.safetensors")
    save_model(network, card, weights, half=True)


def _tell(stage: str, done: int, total: int) -> None:
    if done % max(1, math.ceil(total / 50)) == 0:
        print(f"  {stage}: {done}/{total}", flush=True)


if __name__ == "__main__":
    main()

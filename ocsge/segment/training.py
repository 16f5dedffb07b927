"""Train a network on patches: the loop, what is kept between epochs, and when it ends.

After each epoch everything the training needs to go on is in ``training.pt``; the same command takes it up again, and
the weights are those of a training that was never interrupted.
"""

from __future__ import annotations

import copy
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ocsge.errors import DataError, ParameterError
from ocsge.segment.augmentation import augment
from ocsge.segment.checkpoint import save_model
from ocsge.segment.inference import choose_device
from ocsge.segment.losses import segmentation_loss
from ocsge.segment.metrics import Scores
from ocsge.segment.model_card import HEIGHT_BANDS
from ocsge.segment.networks import build_network
from ocsge.segment.recipe import Recipe
from ocsge.segment.scoring import Normaliser, patch_matrices, uses_bf16
from ocsge.segment.training_state import (
    HISTORY,
    HISTORY_COLUMNS,
    STATE,
    Run,
    chance_of,
    fingerprint_of,
    take_up,
    write_history,
    write_state,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from ocsge.segment.model_card import ModelCard
    from ocsge.segment.samples import Samples

WEIGHTS = "model.safetensors"
"""File of an output folder with the best weights; the card is beside."""

STRIDE = 32
"""The side of what a network learns from is a multiple of it."""

_AHEAD = 2


def train(
    samples: Samples,
    card: ModelCard,
    *,
    out: Path,
    validation: Samples | None = None,
    recipe: Recipe | None = None,
    network: nn.Module | None = None,
    device: str = "auto",
    progress: Callable[[str, int, int], None] | None = None,
) -> ModelCard:
    """Train the network of a card; write ``out/model.safetensors`` and its card; return the card.

    Parameters
    ----------
    samples
        Patches to learn from.
    card
        What the model will be: architecture, bands, normalisation, classes.
    out
        Folder of the weights, the history and what an interrupted training goes on from.
    validation
        Patches that choose the epoch whose weights are kept, by mean IoU; never those the model is judged by
        afterwards. None keeps the last weights.
    recipe
        Every choice of the training.
    network
        Weights to start from, fitting the card (:mod:`ocsge.segment.fine_tuning`); None for random ones.
    device
        ``auto``, ``cpu`` or ``cuda``.
    progress
        Told the stage, the steps done and of how many.

    Raises
    ------
    ParameterError
        No patch, a folder that holds another training, a recipe that does not fit the card, or steps so large that
        the loss is no longer a number.
    DataError
        Patches of other bands than the card's, or a checkpoint that cannot be read.

    Notes
    -----
    With a time limit the learning rate follows whichever is further, the epochs or the time, so that the training ends
    on small steps whenever it ends; the weights then depend on the machine.
    """
    recipe = Recipe() if recipe is None else recipe
    samples, validation = samples.filled(card), None if validation is None else validation.filled(card)
    _check(samples, card, recipe)
    out.mkdir(parents=True, exist_ok=True)
    where = torch.device(choose_device(device))
    fingerprint = fingerprint_of(samples, validation, card, recipe, network)
    run = _started(card, recipe, network, where)
    take_up(run, out / STATE, fingerprint)
    if run.history:  # it may lack the last row: the state is written before it
        write_history(run, out / HISTORY)
    while not run.ended:
        with chance_of(recipe.seed, run.epoch, where):
            _epoch(run, samples, card, recipe=recipe, device=where, validation=validation, progress=progress)
        write_state(run, out / STATE, fingerprint)
        write_history(run, out / HISTORY)
    run.network.load_state_dict(run.best)
    return save_model(run.network, card, out / WEIGHTS)


def _check(samples: Samples, card: ModelCard, recipe: Recipe) -> None:
    if not len(samples):
        raise ParameterError("no patch to train on")
    bands, *sides = samples.read(0)[0].shape
    if bands != len(card.bands):
        raise DataError(f"patches of {bands} bands for a model of {len(card.bands)}; give the card's bands")
    side = recipe.crop_px or min(sides)
    if side % STRIDE:
        raise ParameterError(
            f"squares of {side} pixels: the networks halve them five times, give a crop that is a multiple of {STRIDE}"
        )
    if recipe.class_weights is not None and len(recipe.class_weights) != len(card.head_classes):
        raise ParameterError(
            f"{len(recipe.class_weights)} class weights for {len(card.head_classes)} classes; give one each"
        )


def _started(card: ModelCard, recipe: Recipe, network: nn.Module | None, device: torch.device) -> Run:
    if network is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            network = build_network(card)
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    other = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": other, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
    )
    averaged = {k: v.detach().clone() for k, v in network.state_dict().items()} if recipe.average else None
    return Run(network, optimiser, averaged)


def _epoch(
    run: Run,
    samples: Samples,
    card: ModelCard,
    *,
    recipe: Recipe,
    device: torch.device,
    validation: Samples | None,
    progress: Callable[[str, int, int], None] | None,
) -> None:
    """See the training set once, then judge the weights."""
    cpu, wall = time.process_time() - run.cpu_seconds, time.monotonic() - 60 * run.minutes
    steps = _steps(samples, recipe)
    weights = None if recipe.class_weights is None else torch.tensor(recipe.class_weights, device=device)
    teaching = _Teaching(recipe, Normaliser(card, device), weights, bf16=uses_bf16(recipe.precision, device))
    run.network.train()
    losses, rate, done = [], 0.0, 0.0
    for pixels, labels in _shown(samples, card, recipe, epoch=run.epoch):
        done = _fraction(run, recipe, steps=steps, cpu=time.process_time() - cpu, wall=time.monotonic() - wall)
        if done >= 1:
            break
        rate = recipe.learning_rate_at(done)
        losses.append(teaching.step(run, pixels, labels, rate=rate))
        if progress is not None:
            progress(f"epoch {run.epoch + 1}", run.step, steps * recipe.epochs)
    run.epoch += 1
    run.ended = done >= 1 or run.epoch >= recipe.epochs
    row: dict[str, float | int | None] = dict.fromkeys(HISTORY_COLUMNS)
    row |= {"epoch": run.epoch, "learning_rate": rate, "loss": float(np.mean(losses)) if losses else None}
    if run.ended or run.epoch % recipe.judge_every == 0:
        row |= _judge(run, card, validation, recipe=recipe, device=device, bf16=teaching.bf16)
    run.cpu_seconds, run.minutes = time.process_time() - cpu, (time.monotonic() - wall) / 60
    row |= {"cpu_seconds": round(run.cpu_seconds, 1), "minutes": round(run.minutes, 2)}
    run.history.append(row)


@dataclass(frozen=True, slots=True)
class _Teaching:
    """What every step of an epoch has in common."""

    recipe: Recipe
    normalise: Normaliser
    weights: Tensor | None
    """Weight of each class."""
    bf16: bool

    def step(self, run: Run, pixels: NDArray[np.float32], labels: NDArray[np.uint8], *, rate: float) -> float:
        """Move the weights by one batch at a learning rate; return its loss."""
        for group in run.optimiser.param_groups:
            group["lr"] = rate
        loss = self._loss(run.network, pixels, labels)
        found = float(loss.detach())
        if not np.isfinite(found):
            raise ParameterError(
                f"epoch {run.epoch + 1}: the loss is {found}; lower the learning rate ({self.recipe.learning_rate:g})"
            )
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(run.network.parameters(), self.recipe.clip_norm)
        run.optimiser.step()
        run.step += 1
        _average(run, self.recipe.average)
        return found

    def _loss(self, network: nn.Module, pixels: NDArray[np.float32], labels: NDArray[np.uint8]) -> Tensor:
        device = self.normalise.device
        try:
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bf16):
                scores = network(self.normalise(pixels))
        except ValueError as error:  # a norm over the batch that is given one value
            raise ParameterError(
                f"steps of {len(pixels)} patches of {pixels.shape[-1]} pixels leave the network nothing to average "
                f"({error}); give a larger batch or larger squares"
            ) from error
        return segmentation_loss(
            scores,
            torch.from_numpy(labels).to(device).long(),
            weights=self.weights,
            dice=self.recipe.dice,
            smoothing=self.recipe.smoothing,
        )


def _steps(samples: Samples, recipe: Recipe) -> int:
    """Return the steps of an epoch; patches that fill no batch wait for the next, where chance puts others last."""
    return max(1, len(samples) * recipe.repeat // recipe.batch)


def _fraction(run: Run, recipe: Recipe, *, steps: int, cpu: float, wall: float) -> float:
    """Return how much of the training is done, 0–1: of its steps or of its time, whichever is further."""
    parts = [run.step / (steps * recipe.epochs)]
    if recipe.cpu_seconds is not None:
        parts.append(cpu / recipe.cpu_seconds)
    if recipe.minutes is not None:
        parts.append(wall / 60 / recipe.minutes)
    return min(1.0, max(parts))


def _shown(
    samples: Samples, card: ModelCard, recipe: Recipe, *, epoch: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    """Yield the batches of an epoch; a thread reads and changes those to come."""
    imagery = tuple(band not in HEIGHT_BANDS for band in card.bands)
    order = np.tile(np.arange(len(samples)), recipe.repeat)
    np.random.default_rng((recipe.seed, epoch)).shuffle(order)

    def batch(first: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return the pixels and labels of the batch that begins at a place of the order."""
        shown = []
        for place in range(first, min(first + recipe.batch, len(order))):
            pixels, labels = samples.read(int(order[place]))
            rng = np.random.default_rng((recipe.seed, epoch, place))
            shown.append(
                augment(pixels, labels, settings=recipe.augmentation, rng=rng, crop_px=recipe.crop_px, imagery=imagery)
            )
        return np.stack([pixels for pixels, _ in shown]), np.stack([labels for _, labels in shown])

    with ThreadPoolExecutor(_AHEAD) as readers:
        waiting = deque()  # type: ignore[var-annotated]
        for step in range(_steps(samples, recipe)):
            first = step * recipe.batch
            waiting.append(readers.submit(batch, first))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _average(run: Run, decay: float) -> None:
    """Move the average towards the weights, faster in the first steps."""
    if run.averaged is None:
        return
    kept = min(decay, (1 + run.step) / (10 + run.step))
    for name, value in run.network.state_dict().items():
        if value.is_floating_point():
            run.averaged[name].lerp_(value, 1 - kept)
        else:
            run.averaged[name].copy_(value)


def _judge(
    run: Run, card: ModelCard, validation: Samples | None, *, recipe: Recipe, device: torch.device, bf16: bool
) -> dict[str, float | None]:
    """Keep the weights when they are the best so far, and say whether the training goes on."""
    kept = run.kept_weights()
    if validation is None:
        run.best = {name: value.detach().clone() for name, value in kept.items()}
        return {}
    judged = run.network
    if run.averaged is not None:
        judged = copy.deepcopy(run.network)
        judged.load_state_dict(run.averaged)
    matrices = patch_matrices(judged, card, validation, batch=recipe.batch, device=device, bf16=bf16)
    scores = Scores(matrices.sum(axis=0))
    if not scores.counts.any():
        raise ParameterError("the validation set holds no pixel with a class; give another")
    if run.best_score is None or scores.mean_iou > run.best_score:
        run.best_score, run.without_progress = scores.mean_iou, 0
        run.best = {name: value.detach().clone() for name, value in kept.items()}
    else:
        run.without_progress += 1
        run.ended |= recipe.patience is not None and run.without_progress >= recipe.patience
    return {"mean_iou": scores.mean_iou, "overall_accuracy": scores.overall_accuracy}

"""What a training is between two epochs: kept in a file, from which the same training goes on."""

from __future__ import annotations

import csv
import hashlib
import json
import pickle
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ocsge.errors import DataError, ParameterError
from ocsge.publish import publish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn

    from ocsge.segment.model_card import ModelCard
    from ocsge.segment.recipe import Recipe
    from ocsge.segment.samples import Samples

STATE = "training.pt"
"""File of an output folder that a training goes on from."""

HISTORY = "history.csv"
"""File of an output folder with a row an epoch."""

HISTORY_COLUMNS = ("epoch", "learning_rate", "loss", "mean_iou", "overall_accuracy", "cpu_seconds", "minutes")
"""Columns of the history."""


@dataclass
class Run:
    """What a training is at the end of an epoch."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    averaged: dict[str, torch.Tensor] | None
    """Moving average of the weights; None when the recipe takes none."""
    epoch: int = 0
    step: int = 0
    best_score: float | None = None
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    without_progress: int = 0
    cpu_seconds: float = 0.0
    minutes: float = 0.0
    ended: bool = False
    history: list[dict[str, float | int | None]] = field(default_factory=list)

    def kept_weights(self) -> dict[str, torch.Tensor]:
        """Return the weights that are judged: the average, or the network's own."""
        return self.network.state_dict() if self.averaged is None else self.averaged


_STATED = {
    "patches": "patches, masks or meaning of their classes",
    "card": "card",
    "recipe": "recipe",
    "start": "weights to start from",
}
"""What a fingerprint holds, in words."""

_PLAIN = ("epoch", "step", "best_score", "without_progress", "cpu_seconds", "minutes", "ended", "history")


def fingerprint_of(
    samples: Samples, validation: Samples | None, card: ModelCard, recipe: Recipe, network: nn.Module | None
) -> str:
    """Return a text that two trainings share when one may go on from the other.

    It holds the card, the recipe, the names and the content of the patches and the weights it starts from.
    """
    start = hashlib.sha256()
    for tensor in () if network is None else network.state_dict().values():
        start.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    sides = [
        () if side is None else tuple((side.name(i), side.content(i)) for i in range(len(side)))
        for side in (samples, validation)
    ]
    stated = {
        "card": asdict(card),
        "recipe": asdict(recipe),
        "patches": hashlib.sha256(json.dumps(sides).encode()).hexdigest(),
        "start": start.hexdigest(),
    }
    return json.dumps(stated, sort_keys=True)


def write_state(run: Run, path: Path, fingerprint: str) -> None:
    """Write everything the training needs to go on; the file is whole or the one before."""
    state: dict[str, Any] = {name: getattr(run, name) for name in _PLAIN}
    state |= {
        "fingerprint": fingerprint,
        "network": run.network.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "averaged": run.averaged,
        "best": run.best,
    }
    unfinished = path.with_suffix(".part")
    torch.save(state, unfinished)
    unfinished.replace(path)


def take_up(run: Run, path: Path, fingerprint: str) -> None:
    """Go on from the file of an interrupted training, if there is one.

    Raises
    ------
    DataError
        A file that cannot be read.
    ParameterError
        The file of another training.
    """
    if not path.exists():
        return
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: not readable ({error}); delete it to train anew") from error
    if state["fingerprint"] != fingerprint:
        raise ParameterError(
            f"{path.parent}: holds another training ({_difference(state['fingerprint'], fingerprint)}); give another "
            "folder, or delete it"
        )
    run.network.load_state_dict(state["network"])
    run.optimiser.load_state_dict(state["optimiser"])
    if run.averaged is not None:
        for name, value in state["averaged"].items():
            run.averaged[name].copy_(value)
    run.best = state["best"]
    for name in _PLAIN:
        setattr(run, name, state[name])


def _difference(kept: str, asked: str) -> str:
    """Return in what two fingerprints differ."""
    one, other = json.loads(kept), json.loads(asked)
    return "other " + ", ".join(words for name, words in _STATED.items() if one.get(name) != other.get(name))


@contextmanager
def chance_of(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Let the chance inside the network (dropout, paths left out) depend on the seed and the epoch alone."""
    (start,) = np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(start))
        yield


def write_history(run: Run, path: Path) -> None:
    """Write the history as CSV, a row an epoch."""

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, HISTORY_COLUMNS, lineterminator="\n")
            rows.writeheader()
            rows.writerows(run.history)

    publish(path, write)

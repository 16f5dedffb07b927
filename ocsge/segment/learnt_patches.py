"""Keep the patches that a model learnt from beside its weights, and find them again among those that shall judge it.

A patch is known by the content of its imagery, wherever it lies and whatever it is called: ``model.learnt.csv`` beside
``model.safetensors`` has the digest of each. The same ground photographed again is another patch, and is not found.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsge.errors import DataError
from ocsge.publish import file_sha256, publish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ocsge.segment.datasets import Patch

SUFFIX = ".learnt.csv"
TRAINING, VALIDATION = "training", "validation"
"""Sides of a patch: it taught, or it chose the weights that are kept."""

UNKNOWN = "unknown"
"""Side of the row, without a digest, of weights that the training started from and that have no list."""

START_UNKNOWN = "what the weights it started from had met is not known"
"""What a report says of a list that is not complete."""

_COLUMNS = ("patch", "side", "imagery_sha256")


@dataclass(frozen=True, slots=True)
class Met:
    """How many of the patches that judge a model it has met before."""

    patches: int
    """Patches that judge."""
    taught: int
    """Those of them that the model learnt from."""
    chose: int
    """Those of them that chose its weights."""
    complete: bool = True
    """Whether its list holds all that it has met: not when it started from weights that have none."""

    def __str__(self) -> str:
        """Return it in words, for a report."""
        found = f"{self.taught} of the {self.patches} taught the model, and {self.chose} chose its weights"
        if self.complete:
            return found if self.taught + self.chose else "none of them taught the model or chose its weights"
        known = found if self.taught + self.chose else "none of them is known to have taught it or chosen its weights"
        return f"{known}; {START_UNKNOWN}"


def learnt_beside(weights: Path) -> Path:
    """Return where the list of a model's patches stands."""
    return weights.with_suffix(SUFFIX)


def write_learnt(weights: Path, sides: Mapping[str, Sequence[Patch]], *, start: Path | None = None) -> Path:
    """Write the patches of each side beside the weights; return the file.

    Parameters
    ----------
    weights
        The model's weights.
    sides
        Patches by side.
    start
        Weights that the training started from: what they had met, this model has met too; when nothing beside them
        tells, a row says so.
    """
    rows = []
    if start is not None:
        known = learnt_beside(start).is_file()
        rows = _rows(learnt_beside(start)) if known else [[start.name, UNKNOWN, ""]]
    rows += [[patch.name, side, file_sha256(patch.imagery)] for side, patches in sides.items() for patch in patches]

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([_COLUMNS, *rows])

    publish(learnt_beside(weights), write)
    return learnt_beside(weights)


def met_before(weights: Path, patches: Sequence[Patch]) -> Met | None:
    """Return how many of some patches a model has met; None when nothing beside its weights tells.

    A patch that both taught and chose counts as one that taught.

    Raises
    ------
    DataError
        A list that is no such file.
    """
    if not learnt_beside(weights).is_file():
        return None
    side: dict[str, str] = {}
    rows = _rows(learnt_beside(weights))
    for _, which, digest in rows:
        side[digest] = TRAINING if TRAINING in (which, side.get(digest)) else which
    found = [side.get(file_sha256(patch.imagery)) for patch in patches]
    complete = all(which != UNKNOWN for _, which, _ in rows)
    return Met(len(found), found.count(TRAINING), found.count(VALIDATION), complete)


def _rows(path: Path) -> list[list[str]]:
    """Return patch, side and digest of each row."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not the list of a model's patches ({error}); remove it, or train again") from error
    if tuple(header) != _COLUMNS or any(len(row) != len(_COLUMNS) for row in rows):
        raise DataError(f"{path}: expected the columns {', '.join(_COLUMNS)}; remove it, or train again")
    return rows

"""Read the confusion matrix of a class raster's model: a JSON file beside the raster.

::

    {
      "numbering": "cosia_vector_numero",          numbering system of ``classes``
      "classes": [1, 2, 3],                        class numbers, in the order of rows and columns
      "counts": [[97, 1, 2], [3, 90, 7], …],       samples; a row a mapped class, a column a reference class
      "source": "who sampled what, where, when",
      "model": "name of the model",                optional: the raster's OCSGE_MODEL must then be the same
      "design_effect": 1.0,                        optional: by how much clustering multiplies the variance
      "levels": [                                  optional: the same samples, told by the model's probability
        {"mapped": 1, "from": 0, "counts": [46, 1, 2]},       those mapped 1 with less than 230 of 255
        {"mapped": 1, "from": 230, "counts": [51, 0, 0]}, …   those with more; a class without levels is told whole
      ]
    }

The samples of a row are taken to be drawn at random, independently, among the ground mapped as its class. Pixels of
whole test tiles are neighbours, not independent: sample points, or state the design effect.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ocsge.class_numbers import numbered_classes
from ocsge.errors import CodeError, DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.rules import Rules

SUFFIX = ".confusion.json"
_REQUIRED = ("numbering", "classes", "counts", "source")
_KEYS = {*_REQUIRED, "model", "design_effect", "levels"}
_LEVEL_KEYS = {"mapped", "from", "counts"}
_MOST_PROBABLE = 255
MOST_LEVELS = 8
"""Levels that a class may have: every class and level is one number of 8 bits where rasters are counted."""


@dataclass(frozen=True, slots=True)
class Level:
    """Samples of a mapped class that the model was about as sure of."""

    mapped: int
    """Class number."""

    at_least: int
    """Probability from which a pixel of the class is of this level, of 255; the next level of the class ends it."""

    counts: NDArray[np.int64]
    """(n,) samples by reference class."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Samples of a classification, by mapped and by reference class."""

    numbering: str
    """Numbering system of the class numbers."""

    classes: tuple[int, ...]
    """Class numbers, in the order of rows and columns."""

    counts: NDArray[np.int64]
    """(n, n) samples: rows as mapped, columns as the reference says."""

    source: str
    """Who sampled what, where and when."""

    model: str = ""
    """Name of the model; empty when unknown."""

    design_effect: float = 1.0
    """Ratio of the true variance to that of independent samples, at least 1."""

    levels: tuple[Level, ...] = ()
    """The same samples by level of the model's probability, by class, the least sure first; none of a class that is
    told whole."""

    def of_class(self, number: int) -> tuple[Level, ...]:
        """Return the levels of a mapped class: one, with all its samples, when it is told whole."""
        own = tuple(level for level in self.levels if level.mapped == number)
        return own or (Level(number, 0, self.counts[self.classes.index(number)]),)

    def level_table(self) -> NDArray[np.uint8]:
        """Return the (256, 256) level of each class number and probability of 255, from 0, the least sure."""
        table = np.zeros((256, _MOST_PROBABLE + 1), dtype=np.uint8)
        for number in self.classes:
            for place, level in enumerate(self.of_class(number)):
                table[number, level.at_least :] = place
        return table


def confusion_beside(raster: Path) -> Path | None:
    """Return the confusion matrix that stands beside a raster file or a folder of dalles, or None.

    ``CoSIA.tif`` and the folder ``CoSIA`` have theirs in ``CoSIA.tif.confusion.json`` and ``CoSIA.confusion.json``.
    """
    raster = raster.absolute()
    path = raster.with_name(raster.name + SUFFIX)
    return path if path.is_file() else None


def read_confusion(path: Path, *, rules: Rules, numbering: str, model: str = "") -> Confusion:
    """Return the confusion matrix of a file.

    Parameters
    ----------
    path
        The JSON file.
    rules
        Give the classes that exist.
    numbering
        Numbering system of the raster; the matrix must be in the same.
    model
        Name of the model that made the raster; the matrix must be of the same when both are known.

    Raises
    ------
    DataError
        Unreadable file, missing or unknown key, another numbering system or model, a table that is not square, counts
        that are not whole numbers from 0, a class without any sample, or levels whose samples are not those of the
        table.
    CodeError
        A class that the numbering system does not hold, or stated twice.
    """
    stated = _stated(path)
    if stated["numbering"] != numbering:
        raise DataError(
            f"{path}: its classes are numbered by {stated['numbering']!r}, those of the raster by {numbering!r}; "
            "number them as the raster does"
        )
    classes = _classes(stated["classes"], path, rules=rules, numbering=numbering)
    counts = _counts(stated["counts"], path, classes=classes)
    effect = stated.get("design_effect", 1.0)
    if isinstance(effect, bool) or not isinstance(effect, int | float) or not 1 <= effect < float("inf"):
        raise DataError(f"{path}: design_effect {effect!r}: give a number from 1, or leave it out")
    for key in ("source", "model"):
        if not isinstance(stated.get(key, ""), str):
            raise DataError(f"{path}: {key} is not a text; write it between quotes")
    stated_model = stated.get("model", "")
    if stated_model and model and stated_model != model:
        raise DataError(
            f"{path}: is of the model {stated_model!r}, the raster was made by {model!r}; give the matrix of its model"
        )
    return Confusion(
        numbering=numbering,
        classes=classes,
        counts=counts,
        source=stated["source"],
        model=stated_model,
        design_effect=float(effect),
        levels=_levels(stated.get("levels", []), path, classes=classes, counts=counts),
    )


def _stated(path: Path) -> dict[str, Any]:
    try:
        stated: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; give the confusion matrix's file") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); correct the file") from error
    if not isinstance(stated, dict):
        raise DataError(f"{path}: holds no table of keys; expected {', '.join(_REQUIRED)}")
    missing = [key for key in _REQUIRED if key not in stated]
    unknown = sorted(set(stated) - _KEYS)
    if missing or unknown:
        what = f"has no {', '.join(missing)}" if missing else f"has the unknown key {', '.join(unknown)}"
        raise DataError(f"{path}: {what}; expected {', '.join(_REQUIRED)}, and model, design_effect or levels if known")
    return stated


def _classes(stated: object, path: Path, *, rules: Rules, numbering: str) -> tuple[int, ...]:
    if not isinstance(stated, list) or not stated or any(type(number) is not int for number in stated):
        raise DataError(f"{path}: classes: give a list of class numbers, such as [1, 2, 3]")
    known = {number for _, number in numbered_classes(rules, numbering)}
    unknown = sorted(set(stated) - known)
    if unknown:
        raise CodeError(
            f"{path}: class numbers {unknown} do not exist in the numbering system {numbering!r} "
            f"({min(known)}–{max(known)}); correct classes"
        )
    twice = sorted({number for number in stated if stated.count(number) > 1})
    if twice:
        raise CodeError(f"{path}: class numbers {twice} are stated twice; give each class one row and one column")
    return tuple(stated)


def _counts(stated: object, path: Path, *, classes: tuple[int, ...]) -> NDArray[np.int64]:
    size = len(classes)
    rows = stated if isinstance(stated, list) else []
    if len(rows) != size or any(not isinstance(row, list) or len(row) != size for row in rows):
        raise DataError(f"{path}: counts is not a table of {size} rows of {size} counts, as many as there are classes")
    for mapped, row in zip(classes, rows, strict=True):
        _check_samples(row, path, mapped=mapped, classes=classes)
    counts = np.array(rows, dtype=np.int64)
    empty = [number for number, row, column in zip(classes, counts, counts.T, strict=True) if not (row | column).any()]
    if empty:
        raise DataError(f"{path}: classes {empty} have no sample at all; leave them out of classes and of counts")
    return counts


def _check_samples(row: list[Any], path: Path, *, mapped: int, classes: tuple[int, ...]) -> None:
    for reference, count in zip(classes, row, strict=True):
        if type(count) is not int or count < 0:
            raise DataError(
                f"{path}: count {count!r} of ground mapped {mapped} and found {reference} is not a whole number "
                "from 0; give numbers of samples"
            )


def _levels(stated: object, path: Path, *, classes: tuple[int, ...], counts: NDArray[np.int64]) -> tuple[Level, ...]:
    """Return the levels of the classes that have some; their samples must be those of the class."""
    rows: list[Any] = stated if isinstance(stated, list) else [None]
    if any(not isinstance(row, dict) or set(row) != _LEVEL_KEYS for row in rows):
        raise DataError(f"{path}: levels: give a list of {', '.join(sorted(_LEVEL_KEYS))} each")
    found: list[Level] = []
    for row in rows:
        mapped, at_least, samples = row["mapped"], row["from"], row["counts"]
        if type(mapped) is not int or mapped not in classes:
            raise DataError(f"{path}: levels: mapped {mapped!r} is none of classes")
        if not isinstance(samples, list) or len(samples) != len(classes):
            raise DataError(f"{path}: levels: class {mapped} has no {len(classes)} counts, one a class")
        _check_samples(samples, path, mapped=mapped, classes=classes)
        if type(at_least) is not int or not 0 <= at_least <= _MOST_PROBABLE:
            raise DataError(f"{path}: levels: from {at_least!r} of class {mapped}: give 0 to {_MOST_PROBABLE}")
        found.append(Level(mapped, at_least, np.array(samples, dtype=np.int64)))
    for number, row_counts in zip(classes, counts, strict=True):
        own = [level for level in found if level.mapped == number]
        starts = [level.at_least for level in own]
        if own and (starts[0] != 0 or starts != sorted(set(starts)) or len(own) > MOST_LEVELS):
            raise DataError(
                f"{path}: levels of class {number} start at {starts}; give at most {MOST_LEVELS}, from 0, growing"
            )
        if own and not np.array_equal(np.sum([level.counts for level in own], axis=0), row_counts):
            raise DataError(
                f"{path}: levels of class {number} do not sum to its counts {row_counts.tolist()}; every sample is of "
                "one level"
            )
    return tuple(found)

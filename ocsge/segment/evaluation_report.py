"""Write how a model was judged, for a person (Markdown) and for programs (CSV)."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ocsge.segment.metrics import Scores

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.segment.evaluation import Evaluation

REPORT = "report.md"
"""What a person reads."""

SCORES = "scores.csv"
"""A row a class, shares from 0 to 1; empty where the class is absent."""

CONFUSION = "confusion.csv"
"""Pixels: a row a mapped class, a column a reference class."""

PATCHES = "patches.csv"
"""A row a patch."""

_MEASURES = ("precision", "recall", "f1", "iou")


def write_report(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the report, the scores by class, the matrix and the scores by patch; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    scores, classes = evaluation.scores, evaluation.classes
    measures = np.stack([getattr(scores, name) for name in _MEASURES], axis=1)
    by_class = [
        [name, int(mapped), int(reference), *map(_plain, row)]
        for name, mapped, reference, row in zip(classes, scores.mapped, scores.reference, measures, strict=True)
    ]
    by_patch = [(name, Scores(one)) for name, one in zip(evaluation.names, evaluation.matrices, strict=True)]
    tables: dict[str, list[list[Any]]] = {
        SCORES: [["class", "mapped_pixels", "reference_pixels", *_MEASURES], *by_class],
        CONFUSION: [
            ["mapped \\ reference", *classes],
            *([name, *map(int, row)] for name, row in zip(classes, scores.counts, strict=True)),
        ],
        PATCHES: [
            ["patch", "pixels", "overall_accuracy", "mean_iou"],
            *([name, int(s.counts.sum()), _plain(s.overall_accuracy), _plain(s.mean_iou)] for name, s in by_patch),
        ],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    (folder / REPORT).write_text("\n".join(_report(evaluation)) + "\n", encoding="utf-8")
    return [folder / REPORT, *(folder / name for name in tables)]


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _thousands(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def _effect(value: float) -> str:
    return _thousands(value) if value >= 10 else f"{value:.1f}"


def _report(evaluation: Evaluation) -> list[str]:
    """Return the lines of the report: what was judged, the scores, the mistakes, what the figures are worth."""
    scores = evaluation.scores
    pixels = int(scores.counts.sum())
    effect = evaluation.design_effect
    held = int((scores.reference > 0).sum())
    return [
        f"# Evaluation of {evaluation.model}",
        "",
        f"Judged on {_thousands(pixels)} pixels of {len(evaluation.names)} patches: {evaluation.source}.",
        "",
        f"- mean IoU **{_percent(scores.mean_iou)} %**, over the {held} classes of the reference",
        f"- overall accuracy **{_percent(scores.overall_accuracy)} %**",
        "",
        *_class_table(evaluation),
        "",
        "Precision: of what is mapped as the class, the share that is. Recall: of what is the class, the share that is",
        "mapped so.",
        "",
        "## Where classes are mistaken",
        "",
        "Share of each reference class (column) by mapped class (row), %.",
        "",
        *_mistakes(evaluation),
        "",
        "## What these figures are worth",
        "",
        "The pixels of a patch are neighbours and repeat one another. By the variance between patches, the matrix is",
        f"worth about {_thousands(max(1, pixels / effect))} independent samples (design effect {_effect(effect)});",
        "the intervals of areas take it into account.",
    ]


def _held(evaluation: Evaluation) -> list[int]:
    """Return the classes that are mapped or in the reference."""
    return np.flatnonzero(evaluation.scores.mapped + evaluation.scores.reference).tolist()


def _class_table(evaluation: Evaluation) -> list[str]:
    scores = evaluation.scores
    shares = scores.reference / scores.counts.sum()
    rows = ["| class | share of the reference % | precision % | recall % | F1 % | IoU % |", "|---" * 6 + "|"]
    for i in _held(evaluation):
        figures = (shares[i], *(getattr(scores, name)[i] for name in _MEASURES))
        rows.append(f"| {evaluation.classes[i]} | {' | '.join(map(_percent, figures))} |")
    return rows


def _mistakes(evaluation: Evaluation) -> list[str]:
    scores, held = evaluation.scores, _held(evaluation)
    names = [evaluation.classes[i] for i in held]
    shares = np.where(scores.reference > 0, scores.counts / np.maximum(scores.reference, 1), np.nan)
    rows = [f"| mapped | {' | '.join(names)} |", "|---" * (len(held) + 1) + "|"]
    return rows + [
        f"| {name} | {' | '.join(_percent(shares[i, j]) for j in held)} |" for name, i in zip(names, held, strict=True)
    ]

"""Write the confusion matrix of a model beside the folder of its rasters, and leave alone one that somebody put there.

What was written is known by its digest, kept in a hidden file beside it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ocsge.class_numbers import numbered_classes
from ocsge.products.confusion import SUFFIX
from ocsge.publish import file_sha256, json_bytes, publish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ocsge.rules import Rules
    from ocsge.segment.class_rasters import ClassTable
    from ocsge.segment.model_card import ModelCard


def write_confusion(cards: Sequence[ModelCard], table: ClassTable, rules: Rules, folder: Path) -> str:
    """Write, replace or remove the matrix beside a folder of class rasters; return a warning, or nothing.

    Parameters
    ----------
    cards
        Models of the rasters; several that are averaged have no matrix.
    table
        Numbers of the rasters' classes: those of the matrix.
    rules
        Give the classes of both numberings.
    folder
        Folder of the rasters.
    """
    path = folder.with_name(folder.name + SUFFIX)
    mark = path.with_name(f".{path.name}.sha256")
    matrix = _matrix(cards, table, rules)
    if path.is_file() and not (mark.is_file() and mark.read_text(encoding="ascii") == file_sha256(path)):
        return _warning(path, "+".join(card.name for card in cards))
    if matrix is None:
        path.unlink(missing_ok=True)  # that of another model
        mark.unlink(missing_ok=True)
        return ""
    mark.unlink(missing_ok=True)
    sha256 = publish(path, lambda temporary: temporary.write_bytes(json_bytes(matrix)))
    publish(mark, lambda temporary: temporary.write_text(sha256, encoding="ascii"))
    return ""


def _warning(path: Path, model: str) -> str:
    try:
        stated = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError:
        return f"{path} is no JSON; it was left as it is, correct or remove it"
    other = stated.get("model", "") if isinstance(stated, dict) else ""
    if other in ("", model):
        return ""
    return (
        f"{path} is the confusion matrix of {other}, the rasters are those of {model}; it was left as it is, since "
        "ocsge segment did not write it: remove it, or put that of the model there"
    )


def _matrix(cards: Sequence[ModelCard], table: ClassTable, rules: Rules) -> dict[str, Any] | None:
    """Return the matrix of the model in the numbers of its rasters; None when it has none."""
    stated = cards[0].confusion if len(cards) == 1 else None
    if stated is None or table.numbering is None:
        return None
    names = {number: c.name for c, number in numbered_classes(rules, stated["numbering"])}
    numbers = {c.name: number for c, number in numbered_classes(rules, table.numbering)}
    counts = np.array(stated["counts"], dtype=np.int64)
    seen = [
        at
        for at, number in enumerate(stated["classes"])
        if (counts[at].any() or counts[:, at].any()) and names[number] in numbers
    ]
    classes = {number: numbers[names[number]] for number in (stated["classes"][at] for at in seen)}
    levels = [
        {**level, "mapped": classes[level["mapped"]], "counts": [level["counts"][at] for at in seen]}
        for level in stated.get("levels", [])
        if level["mapped"] in classes
    ]
    return {
        **{name: value for name, value in stated.items() if name in {"source", "design_effect"}},
        "model": cards[0].name,
        "numbering": table.numbering,
        "classes": list(classes.values()),
        "counts": counts[np.ix_(seen, seen)].tolist(),
        **({"levels": levels} if levels else {}),
    }

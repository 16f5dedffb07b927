"""The contracts of IGN's two families of models: what each channel of the head means, how each band is normalised.

FLAIR-INC and FLAIR-HUB number the same classes differently, and a model that never answers some classes has their
channels all the same. Nobody types any of this: it is read from ``data_catalog/models/`` and
``rules/cosia_classes.csv``.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

from ocsge.class_numbers import numbered_classes
from ocsge.errors import CatalogError, DataError
from ocsge.resources import shipped_directory
from ocsge.rules import load_rules
from ocsge.segment.model_card import HEIGHT_BANDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsge.segment.model_card import ElevationEncoding, ModelCard

ELEVATION: dict[str, ElevationEncoding] = {"flair_inc": "height_uint8_20cm", "flair_hub": "surface_and_height_m"}
"""How elevation enters the models of each family that take it."""


def read_model_table(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of ``data_catalog/models/``, as text.

    Raises
    ------
    CatalogError
        When a line has another number of cells than the header.
    """
    with (shipped_directory("data_catalog") / "models" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise CatalogError(f"models/{name}.csv, line {line}: another number of cells than the header")
    return rows


@cache
def head_classes(family: str) -> tuple[str, ...]:
    """Return the ``cosia_class`` of each channel of a family's head, in order.

    Examples
    --------
    >>> head_classes("flair_inc")[:3], head_classes("flair_hub")[:3]
    (('Bâtiment', 'Zone perméable', 'Zone imperméable'), ('Bâtiment', 'Serre', 'Piscine'))

    Raises
    ------
    DataError
        When the family is not one of IGN's, or ``rules/cosia_classes.csv`` numbers another number of classes.
    """
    contracts = {row["family"]: row for row in read_model_table("families")}
    if family not in contracts:
        raise DataError(f"family {family!r} has no contract of classes; one of {', '.join(contracts)}")
    numbering = contracts[family]["numbering"]
    classes = tuple(c.name for c, _ in numbered_classes(load_rules(), numbering))
    if len(classes) != int(contracts[family]["head_channels"]):
        raise DataError(
            f"cosia_classes.csv numbers {len(classes)} classes in {numbering}, a head of {family} has "
            f"{contracts[family]['head_channels']} channels; restore the file"
        )
    return classes


def normalisation(family: str, bands: Iterable[str]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation of bands, in the units that a family's models are given.

    Raises
    ------
    DataError
        When the family has no statistics of a band.
    """
    known = {row["band"]: row for row in read_model_table("bands") if row["family"] == family}
    if strangers := [band for band in bands if band not in known]:
        raise DataError(f"family {family!r} has no statistics of {', '.join(strangers)}; it has {', '.join(known)}")
    rows = [known[band] for band in bands]
    return tuple(float(row["mean"]) for row in rows), tuple(float(row["std"]) for row in rows)


@cache
def winning_classes(class_set: str) -> tuple[str, ...]:
    """Return the classes that models of a set were trained to answer (``flair_inc_12``).

    Raises
    ------
    CatalogError
        When the set is unknown.
    """
    sets: dict[str, list[str]] = defaultdict(list)
    for row in read_model_table("winning_classes"):
        sets[row["class_set"]].append(row["cosia_class"])
    if class_set not in sets:
        raise CatalogError(f"class set {class_set!r} is unknown; one of {', '.join(sets)}")
    return tuple(sets[class_set])


def elevation_of(family: str, bands: Iterable[str]) -> ElevationEncoding | None:
    """Return how elevation enters a family's model of these bands; None when none of them is elevation."""
    return ELEVATION[family] if HEIGHT_BANDS & set(bands) else None


def refuse_other_contract(card: ModelCard) -> None:
    """Raise when a card of one of IGN's families orders the classes or encodes elevation otherwise than the family.

    Raises
    ------
    DataError
        The card names the family, and contradicts it.
    """
    if card.family not in ELEVATION:
        return
    classes = head_classes(card.family)
    if card.head_classes != classes:
        here, there = next(
            (pair for pair in zip(card.head_classes, classes, strict=False) if pair[0] != pair[1]),
            (f"{len(card.head_classes)} classes", f"{len(classes)}"),
        )
        raise DataError(
            f"model {card.name}: head class {here}, where {card.family} has {there}; a model with other classes is of "
            "the family ocsge"
        )
    if card.elevation not in {None, ELEVATION[card.family]}:
        raise DataError(
            f"model {card.name}: elevation {card.elevation}, where {card.family} has {ELEVATION[card.family]}"
        )

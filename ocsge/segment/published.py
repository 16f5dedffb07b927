"""The checkpoints that IGN publishes: the catalogue of ``data_catalog/models/published.csv``, and the card of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ocsge.errors import CatalogError, DataError, ParameterError
from ocsge.segment.families import (
    elevation_of,
    head_classes,
    normalisation,
    read_model_table,
    refuse_other_contract,
    winning_classes,
)
from ocsge.segment.model_card import ModelCard, card_beside, read_card

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A checkpoint that IGN publishes: its card, where it stands, what it scores."""

    card: ModelCard
    url: str
    """Where the file is downloaded from; empty when no address is known."""

    size_bytes: int | None
    """Size of the file; None when unknown."""

    overall_accuracy: float | None
    """Overall accuracy that the producer states, %; None when it was not read."""

    mean_iou: float | None
    """Mean intersection over union that the producer states, %, over the classes of the test set; None same."""

    tested_on: str
    """Samples of both figures."""

    unsupported: str
    """Why the tool cannot run it; empty when it can."""

    source: str
    """Where the facts were read."""

    @property
    def file_name(self) -> str:
        """Name of the file; empty when no address is known."""
        return self.url.rsplit("/", 1)[-1]


@cache
def published_models() -> dict[str, Published]:
    """Return the published checkpoints by name, in the order of the catalogue.

    Raises
    ------
    CatalogError
        When a row cannot be read, or contradicts its family.
    """
    found = {}
    for line, row in enumerate(read_model_table("published"), start=2):
        try:
            found[row["name"]] = _published(row)
        except (KeyError, ValueError, DataError) as error:
            raise CatalogError(f"models/published.csv, line {line}: {error}") from error
    return found


def _published(row: dict[str, str]) -> Published:
    bands = tuple(row["bands"].split())
    mean, std = normalisation(row["family"], bands)
    card = ModelCard(
        name=row["name"],
        family=row["family"],  # type: ignore[arg-type]  # the card refuses another family
        architecture=row["architecture"],
        encoder=row["encoder"],
        width=int(row["width"]),
        bands=bands,  # type: ignore[arg-type]  # the card refuses other bands
        mean=mean,
        std=std,
        elevation=elevation_of(row["family"], bands),
        head_classes=head_classes(row["family"]),
        winning_classes=winning_classes(row["class_set"]),
        resolution_m=float(row["resolution_m"]),
        patch_px=int(row["patch_px"]),
        licence=row["licence"],
        credit=row["credit"],
        trained_on=row["trained_on"],
        sha256=row["sha256"],
    )
    return Published(
        card=card,
        url=row["url"],
        size_bytes=int(row["bytes"]) if row["bytes"] else None,
        overall_accuracy=float(row["overall_accuracy"]) if row["overall_accuracy"] else None,
        mean_iou=float(row["mean_iou"]) if row["mean_iou"] else None,
        tested_on=row["tested_on"],
        unsupported=row["unsupported"],
        source=row["source"],
    )


def published_model(name: str) -> Published:
    """Return a published checkpoint by its name.

    Raises
    ------
    ParameterError
        When the catalogue does not hold it.
    """
    models = published_models()
    if name not in models:
        raise ParameterError(f"model {name!r} is unknown; one of {', '.join(models)}")
    return models[name]


def card_for(weights: Path, *, model: str | None = None, sha256: str | None = None) -> ModelCard:
    """Return the card of a weights file: the catalogue's, else the one beside, else that of the file's own name.

    Parameters
    ----------
    weights
        File of weights.
    model
        Name in the catalogue, when the reader gives it.
    sha256
        Hash of the file, when it was computed: it tells a published file whatever its name, and that ``model`` is
        another one.

    Returns
    -------
    ModelCard
        With the hash of the published file, if the file has its name or its hash; else without: the same weights may
        stand in another layout (``.ckpt``).

    Raises
    ------
    ParameterError
        When the name is unknown.
    DataError
        When no card is found, it contradicts its family, the file is another published one than ``model``, or the
        model cannot be run here.
    """
    hashed = next((p for p in published_models().values() if sha256 and p.card.sha256 == sha256), None)
    if model is not None:
        chosen: Published | None = published_model(model)
        if hashed is not None and hashed.card.name != model:
            raise DataError(f"{weights}: is {hashed.card.name}, not {model}; give that name")
    elif card_beside(weights).exists():
        card = read_card(card_beside(weights))
        refuse_other_contract(card)
        return card
    else:
        named = next((p for p in published_models().values() if p.file_name == weights.name), None)
        chosen = hashed or named
    if chosen is None:
        raise DataError(
            f"{weights}: no card beside it ({card_beside(weights).name}), and its name is none of the catalogue; "
            "choose its model (ocsge models list), then ocsge models check FILE --model NAME --write-card"
        )
    if chosen.unsupported:
        raise DataError(f"{weights}: {chosen.card.name} cannot be run: {chosen.unsupported}; take another model")
    same = sha256 == chosen.card.sha256 or weights.name == chosen.file_name
    return chosen.card if same else chosen.card.with_weights(sha256="")

"""The card of a model: what a checkpoint does not say of itself, in a JSON file beside the weights.

The card is the contract between a network and imagery: which bands in which order, how they are normalised, what the
channels of the head mean, at which resolution. A user never types any of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from ocsge.errors import DataError
from ocsge.publish import publish

if TYPE_CHECKING:
    from pathlib import Path

Family = Literal["flair_inc", "flair_hub", "ocsge"]
"""Who numbers the classes and lays out the weights: FLAIR-INC, FLAIR-HUB, or a model trained here."""

Band = Literal["rouge", "vert", "bleu", "infrarouge", "elevation", "mns", "mnt"]
"""What an input channel holds; ``elevation`` is a height above ground, ``mns`` and ``mnt`` are surface and terrain."""

ElevationEncoding = Literal["height_uint8_20cm", "surface_and_height_m"]
"""``height_uint8_20cm``: height above ground, 1 unit = 0.2 m, saturated at 255 (51 m), one channel (FLAIR-INC).
``surface_and_height_m``: [MNS, MNS − MNT] in metres, two channels from the bands ``mns`` and ``mnt`` (FLAIR-HUB)."""

FAMILIES: tuple[Family, ...] = ("flair_inc", "flair_hub", "ocsge")
BANDS: tuple[Band, ...] = ("rouge", "vert", "bleu", "infrarouge", "elevation", "mns", "mnt")
ENCODED_BANDS: dict[ElevationEncoding | None, set[Band]] = {
    "height_uint8_20cm": {"elevation"},
    "surface_and_height_m": {"mns", "mnt"},
}
"""Bands that each encoding of elevation gives: all of them, and no other."""

HEIGHT_BANDS: frozenset[Band] = frozenset({"elevation", "mns", "mnt"})
"""Bands that are no imagery."""

SUFFIX = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a model expects and what it answers.

    Raises
    ------
    DataError
        When fields contradict one another: unknown family or band, as many means as bands, a class won that the head
        does not have.
    """

    name: str
    """Name of the model, written as ``OCSGE_MODEL`` in the rasters it makes."""

    family: Family
    """Contract of classes and layout."""

    architecture: str
    """Key of :data:`ocsge.segment.networks.ARCHITECTURES`: ``unet``, ``fpn``, ``deeplabv3``,
    ``deeplabv3plus``, ``upernet``."""

    encoder: str
    """Encoder: ``resnet18``, ``resnet34``, ``swin_tiny``, …"""

    width: int = 64
    """Channels of the encoder's first stage."""

    bands: tuple[Band, ...]
    """Input channels, in order."""

    mean: tuple[float, ...]
    """Mean of each channel, in the units the network is given (0–255 for imagery)."""

    std: tuple[float, ...]
    """Standard deviation of each channel, same units."""

    elevation: ElevationEncoding | None = None
    """How elevation enters; None without elevation."""

    head_classes: tuple[str, ...]
    """``cosia_class`` of each channel of the head, in order (``rules/cosia_classes.csv``), or the class names of a
    data set of one's own."""

    winning_classes: tuple[str, ...] = ()
    """Classes that the model was trained to answer; empty for all of the head's."""

    resolution_m: float = 0.2
    """Pixel side of the training imagery, metres."""

    patch_px: int = 512
    """Side of the training patches, pixels."""

    licence: str
    """Licence of the weights."""

    credit: str
    """Who to credit."""

    trained_on: str = ""
    """Imagery, dates and places of training; what the model is not fit for."""

    demonstration: bool = False
    """Whether the model is a demonstration, not fit for real imagery: using it says so."""

    sha256: str = ""
    """Hash of the weights file; empty when unknown."""

    confusion: dict[str, Any] | None = None
    """Confusion matrix on held-out samples, in the form of :mod:`ocsge.products.confusion`; None when unknown."""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise DataError(f"model {self.name}: family {self.family!r} is unknown; one of {', '.join(FAMILIES)}")
        unknown = [band for band in self.bands if band not in BANDS]
        if unknown or not self.bands:
            raise DataError(f"model {self.name}: unknown bands {unknown}; expected some of {', '.join(BANDS)}")
        if len(set(self.bands)) != len(self.bands):
            raise DataError(f"model {self.name}: a band is named twice in {', '.join(self.bands)}")
        if not len(self.bands) == len(self.mean) == len(self.std):
            raise DataError(
                f"model {self.name}: {len(self.bands)} bands, {len(self.mean)} means, {len(self.std)} standard "
                "deviations; one of each a band"
            )
        if min(self.std) <= 0:
            raise DataError(f"model {self.name}: a standard deviation is not positive")
        absent = sorted(set(self.winning_classes) - set(self.head_classes))
        if absent:
            raise DataError(f"model {self.name}: winning classes that the head does not have: {', '.join(absent)}")
        if HEIGHT_BANDS & set(self.bands) != ENCODED_BANDS.get(self.elevation, set()):
            raise DataError(
                f"model {self.name}: bands {', '.join(self.bands)} contradict elevation {self.elevation!r}: "
                "height_uint8_20cm is of the band elevation alone, surface_and_height_m of mns and mnt"
            )

    @property
    def classes_won(self) -> tuple[str, ...]:
        """Classes that the model may answer, in the order of the head."""
        return tuple(c for c in self.head_classes if not self.winning_classes or c in self.winning_classes)

    def with_weights(self, *, sha256: str) -> ModelCard:
        """Return the card of the same model with the hash of its weights."""
        return replace(self, sha256=sha256)


def card_beside(weights: Path) -> Path:
    """Return where the card of a weights file stands: same name, suffix ``.json``."""
    return weights.with_suffix(SUFFIX)


def read_card(path: Path) -> ModelCard:
    """Return the card of a JSON file.

    Raises
    ------
    DataError
        Unreadable file, unknown or missing field, or fields that contradict one another.
    """
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable model card ({error}); see ocsge models show") from error
    if not isinstance(stated, dict):
        raise DataError(f"{path}: a model card is a JSON object")
    known = {field.name for field in fields(ModelCard)}
    if unknown := sorted(set(stated) - known):
        raise DataError(
            f"{path}: unknown fields {', '.join(unknown)}; those of a model card are {', '.join(sorted(known))}"
        )
    for name in ("bands", "mean", "std", "head_classes", "winning_classes"):
        if name in stated:
            stated[name] = tuple(stated[name])
    try:
        return ModelCard(**stated)
    except TypeError as error:
        raise DataError(f"{path}: {error}") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def write_card(card: ModelCard, path: Path) -> None:
    """Write a card as JSON, one field a line, in the order of the class; the file is whole or the one before."""
    text = json.dumps(asdict(card), ensure_ascii=False, indent=1) + "\n"
    publish(path, lambda part: part.write_text(text, encoding="utf-8"))

"""The networks, each with the weight names of the checkpoints that IGN publishes for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsge.errors import DataError
from ocsge.segment.networks.deeplabv3 import DeepLabV3, DeepLabV3Plus
from ocsge.segment.networks.fpn import FPN
from ocsge.segment.networks.mit import DEPTHS
from ocsge.segment.networks.resnet import BLOCKS
from ocsge.segment.networks.swin import FORMS
from ocsge.segment.networks.unet import UNet
from ocsge.segment.networks.upernet import UPerNet

if TYPE_CHECKING:
    from torch import nn

    from ocsge.segment.model_card import ModelCard

ARCHITECTURES = {
    "unet": (UNet, (*BLOCKS, *DEPTHS)),
    "fpn": (FPN, tuple(BLOCKS)),
    "deeplabv3": (DeepLabV3, tuple(BLOCKS)),
    "deeplabv3plus": (DeepLabV3Plus, tuple(BLOCKS)),
    "upernet": (UPerNet, tuple(FORMS)),
}
"""Network class and encoders of each architecture."""

ELEVATION = ("mns", "mnt")
"""Bands that have an encoder of their own in a UPerNet: they are the last ones of a card."""


def build_network(card: ModelCard) -> nn.Module:
    """Return the network of a card, with random weights, in training mode.

    Raises
    ------
    DataError
        When the architecture or its encoder is unknown, or elevation is not where the network takes it.
    """
    if card.architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise DataError(f"model {card.name}: architecture {card.architecture!r} is unknown; one of {known}")
    network, encoders = ARCHITECTURES[card.architecture]
    if card.encoder not in encoders:
        raise DataError(
            f"model {card.name}: {card.architecture} has no encoder {card.encoder!r}; one of {', '.join(encoders)}"
        )
    shape = {"bands": len(card.bands), "classes": len(card.head_classes), "width": card.width}
    if card.architecture == "upernet" and card.elevation == "surface_and_height_m":
        if card.bands[-2:] != ELEVATION or len(card.bands) == 2:
            raise DataError(
                f"model {card.name}: bands {', '.join(card.bands)}; a upernet with elevation takes imagery first, then "
                f"{', '.join(ELEVATION)}"
            )
        shape["elevation_bands"] = len(ELEVATION)
    built: nn.Module = network(encoder=card.encoder, **shape)
    return built

"""The networks, each with the weight names of the checkpoints that IGN publishes for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsge.errors import DataError
from ocsge.segment.networks.resnet import BLOCKS
from ocsge.segment.networks.unet import UNet

if TYPE_CHECKING:
    from torch import nn

    from ocsge.segment.model_card import ModelCard

ARCHITECTURES = {"unet": (UNet, tuple(BLOCKS))}
"""Network class and encoders of each architecture."""


def build_network(card: ModelCard) -> nn.Module:
    """Return the network of a card, with random weights, in training mode.

    Raises
    ------
    DataError
        When the architecture or its encoder is unknown.
    """
    if card.architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise DataError(f"model {card.name}: architecture {card.architecture!r} is unknown; one of {known}")
    network, encoders = ARCHITECTURES[card.architecture]
    if card.encoder not in encoders:
        raise DataError(
            f"model {card.name}: {card.architecture} has no encoder {card.encoder!r}; one of {', '.join(encoders)}"
        )
    return network(encoder=card.encoder, bands=len(card.bands), classes=len(card.head_classes), width=card.width)

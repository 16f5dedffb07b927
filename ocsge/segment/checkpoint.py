"""Load and save the weights of a model, strictly: every weight is there, none is left over, each has its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import save

from ocsge.errors import DataError
from ocsge.publish import file_sha256, publish
from ocsge.segment.contents import Contents, contents_of
from ocsge.segment.layouts import FAMILY_KEY, State, Weights, read_weights
from ocsge.segment.model_card import ModelCard, card_beside, read_card, write_card
from ocsge.segment.networks import ARCHITECTURES, build_network

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

NAMED = 3
"""Weights named in a message; the others are counted."""

CHOOSE = "give the card of this very model (ocsge models list, then ocsge models check FILE --model NAME --write-card)"


def save_model(network: nn.Module, card: ModelCard, path: Path, *, half: bool = False) -> ModelCard:
    """Write the weights as safetensors, then the card beside, each whole or not at all; return the card with the hash.

    Parameters
    ----------
    network
        The network of :func:`~ocsge.segment.networks.build_network` for this card.
    card
        The model's card.
    path
        A ``.safetensors`` file.
    half
        Write floating-point weights as float16: half the size, an error of about 0.05 % on each.
    """
    state = {name: tensor.detach().contiguous().cpu() for name, tensor in network.state_dict().items()}
    if half:
        state = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
    content = save(state, metadata={FAMILY_KEY: card.family})  # its own file would be readable by its owner alone
    sha256 = publish(path, lambda part: part.write_bytes(content))
    card = card.with_weights(sha256=sha256)
    write_card(card, card_beside(path))
    return card


def load_model(weights: Path, *, card: ModelCard | None = None) -> tuple[nn.Module, ModelCard]:
    """Return the network of a weights file in float32 and evaluation mode, and its card.

    Parameters
    ----------
    weights
        File of weights, of any layout of :mod:`ocsge.segment.layouts`.
    card
        The model's card; None reads the JSON file beside the weights.

    Raises
    ------
    DataError
        Unreadable file or card, hash that is not the card's, another family, architecture, encoder, number of bands or
        of classes, weight that is missing, left over, of another shape or not finite.
    """
    if card is None:
        if weights.exists() and not card_beside(weights).exists():
            raise DataError(f"{weights}: no card beside it ({card_beside(weights).name}); {CHOOSE}")
        card = read_card(card_beside(weights))
    found = read_weights(weights)
    refuse_misfit(found, card, weights)
    network = build_network(card)
    refuse_strangers(found.state, network.state_dict(), card, weights)
    network.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in found.state.items()})
    if card.sha256 and (hashed := file_sha256(weights)) != card.sha256:
        raise DataError(
            f"{weights}: SHA-256 {hashed[:12]}…, the card {card.name} says {card.sha256[:12]}…; download it again, or "
            "give the card of this file"
        )
    return network.eval(), card


def refuse_misfit(found: Weights, card: ModelCard, weights: Path) -> None:
    """Raise when weights are plainly of another model than the card's.

    Raises
    ------
    DataError
        Another family, architecture, encoder, number of bands, number of classes or width: the message says which.
    """
    held = contents_of(found.state)
    if found.family and found.family != card.family:
        raise DataError(f"{weights}: is of the family {found.family}, the card {card.name} of {card.family}; {CHOOSE}")
    if not found.family and card.family == "flair_hub":  # a network of FLAIR-INC would fit, its classes would not
        raise DataError(
            f"{weights}: has not FLAIR-HUB's names of weights, the card {card.name} is of flair_hub; {CHOOSE}"
        )
    known = {name: encoders for name, (_, encoders) in ARCHITECTURES.items()}
    if held.architecture not in known:
        kind = held.architecture or f"no network known here (first weights: {_listed(sorted(found.state))})"
        raise DataError(f"{weights}: holds {kind}; those read are {', '.join(known)}")
    if held.encoder not in known[held.architecture]:
        raise DataError(
            f"{weights}: its encoder is {held.encoder or 'unknown'}, which is not supported; a {held.architecture} has "
            f"{', '.join(known[held.architecture])}"
        )
    asked = Contents(card.architecture, card.encoder, card.width, len(card.bands), len(card.head_classes))
    for what in ("architecture", "encoder", "bands", "classes", "width"):
        if (here := getattr(held, what)) != (there := getattr(asked, what)):
            raise DataError(f"{weights}: {what} {here}, but {there} in the card {card.name}; {CHOOSE}")


def refuse_strangers(state: State, expected: State, card: ModelCard, weights: Path) -> None:
    """Raise when a weight is missing, left over, of another shape or not finite, and name the first ones.

    Raises
    ------
    DataError
        At the first kind of fault that is found.
    """
    faults = {
        "lacks": sorted(set(expected) - set(state)),
        "has weights too many:": sorted(set(state) - set(expected)),
    }
    both = sorted(set(state) & set(expected))
    faults["has other shapes:"] = [n for n in both if state[n].shape != expected[n].shape]
    faults["has weights that are not finite:"] = [n for n in both if not bool(torch.isfinite(state[n]).all())]
    for what, names in faults.items():
        if names:
            raise DataError(f"{weights}: {what} {_listed(names)}; it does not fit the card {card.name}: {CHOOSE}")


def _listed(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more

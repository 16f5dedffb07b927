"""Start a training from the weights of another model: other classes, other bands, what was learnt is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from ocsge.errors import DataError
from ocsge.segment.networks import build_network

if TYPE_CHECKING:
    from torch import Tensor

    from ocsge.segment.model_card import Band, ModelCard


def adapted_card(card: ModelCard, learnt: ModelCard) -> ModelCard:
    """Return a card whose bands keep the normalisation of the model that already knows them.

    The filters of the first convolution expect what they were trained on: a band that both have is normalised as the
    weights were, the others as the card says.
    """
    known = {band: (m, s) for band, m, s in zip(learnt.bands, learnt.mean, learnt.std, strict=True)}
    pairs = [known.get(b, (m, s)) for b, m, s in zip(card.bands, card.mean, card.std, strict=True)]
    return replace(card, mean=tuple(m for m, _ in pairs), std=tuple(s for _, s in pairs))


def adapted_network(card: ModelCard, network: nn.Module, learnt: ModelCard, *, seed: int = 0) -> nn.Module:
    """Return the network of a card with the weights of another model, as far as they fit.

    The first convolution takes the filters of each band by its name; a band that the model does not know starts at 0,
    so that it says nothing until it is learnt. The head is kept when the classes are the same in the same order, else
    it starts at random. Everything else is kept.

    Parameters
    ----------
    card
        What the new model will be.
    network
        The model to start from.
    learnt
        Its card.
    seed
        What the chance of a new head starts from.

    Raises
    ------
    DataError
        Another architecture, encoder or width, no band in common, or elevation that has an encoder of its own and
        none in the weights.
    """
    for name in ("architecture", "encoder", "width"):
        ours, theirs = getattr(card, name), getattr(learnt, name)
        if ours != theirs:
            raise DataError(f"model {card.name}: {name} {ours!r}, but the weights of {learnt.name} are of {theirs!r}")
    if not set(card.bands) & set(learnt.bands):
        raise DataError(
            f"model {card.name}: no band of {', '.join(card.bands)} is known to {learnt.name}, which has "
            f"{', '.join(learnt.bands)}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        new = build_network(card)
    apart = int(getattr(new, "elevation_bands", 0))
    if apart and not getattr(network, "elevation_bands", 0):
        raise DataError(
            f"model {card.name}: a {card.architecture} reads {', '.join(card.bands[-apart:])} with an encoder of their "
            f"own, which {learnt.name} ({', '.join(learnt.bands)}) has not; leave them out (--bands), or start from a "
            "model with elevation"
        )
    first, head = _first_convolution(new), _head(new)
    state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    fresh = new.state_dict()
    for name, tensor in fresh.items():
        known = state.get(name)
        if name == first and known is not None:
            # an encoder of elevation reads the last bands apart: the first convolution reads those before
            fresh[name] = _by_band(known, card.bands[: tensor.shape[1]], learnt.bands[: known.shape[1]])
        elif name in head and card.head_classes != learnt.head_classes:
            continue
        elif known is None or known.shape != tensor.shape:
            raise DataError(f"model {card.name}: the weights of {learnt.name} do not fit at {name}")
        else:
            fresh[name] = known.clone()
    new.load_state_dict(fresh)
    return new


def _first_convolution(network: nn.Module) -> str:
    """Return the name of the weights that read the bands."""
    return next(f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.Conv2d))


def _head(network: nn.Module) -> set[str]:
    """Return the names of the weights that answer the classes: those of the last convolution."""
    last = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)][-1]
    return {f"{last}.weight", f"{last}.bias"}


def _by_band(filters: Tensor, bands: tuple[Band, ...], learnt: tuple[Band, ...]) -> Tensor:
    """Return filters (out, bands, h, w) that take each band's from those learnt, 0 for one that is new."""
    found = filters.new_zeros((filters.shape[0], len(bands), *filters.shape[2:]))
    for place, band in enumerate(bands):
        if band in learnt:
            found[:, place] = filters[:, learnt.index(band)]
    return found

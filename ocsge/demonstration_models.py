"""Say, in the same words wherever a model answers, that it is a demonstration; know the shipped ones by their name."""

from __future__ import annotations

import json
from functools import cache

from ocsge.resources import shipped_directory


@cache
def demonstration_models() -> frozenset[str]:
    """Return the names of the shipped models that are demonstrations, as class rasters bear them."""
    cards = (shipped_directory("data_catalog") / "embedded").glob("*.json")
    stated = [json.loads(card.read_text(encoding="utf-8")) for card in cards]
    return frozenset(str(card["name"]) for card in stated if isinstance(card, dict) and card.get("demonstration"))


def demonstration_warning(model: str) -> str:
    """Return what is said of a model that is a demonstration."""
    return (
        f"the model {model} is a demonstration, made from generated scenes: what it says of any other imagery is worth "
        "nothing"
    )


def demonstration_warnings(models: str) -> tuple[str, ...]:
    """Return the warning of each shipped demonstration among the models of a class raster, joined by ``+``.

    Examples
    --------
    >>> demonstration_warnings("FLAIR-INC_rgb_15cl_resnet34-unet"), demonstration_warnings("")
    ((), ())
    """
    return tuple(demonstration_warning(name) for name in models.split("+") if name in demonstration_models())

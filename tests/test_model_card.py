"""A model card says what a checkpoint does not say of itself, and contradicts itself nowhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ocsge.errors import DataError
from ocsge.segment.model_card import ModelCard, card_beside, read_card, write_card

if TYPE_CHECKING:
    from pathlib import Path

STATED: dict[str, Any] = {
    "name": "trial",
    "family": "flair_inc",
    "architecture": "unet",
    "encoder": "resnet34",
    "bands": ("rouge", "vert"),
    "mean": (105.08, 110.87),
    "std": (52.17, 45.38),
    "head_classes": ("Bâtiment", "Zone perméable", "Autre"),
    "winning_classes": ("Zone perméable", "Bâtiment"),
    "licence": "Licence Ouverte",
    "credit": "IGN",
}


def test_a_card_is_the_same_after_a_file(tmp_path: Path) -> None:
    card = ModelCard(**STATED, confusion={"classes": ["Bâtiment"], "counts": [[3]]})
    write_card(card, tmp_path / "trial.json")
    assert read_card(tmp_path / "trial.json") == card


def test_the_classes_won_stand_in_the_order_of_the_head() -> None:
    assert ModelCard(**STATED).classes_won == ("Bâtiment", "Zone perméable")
    assert ModelCard(**{**STATED, "winning_classes": ()}).classes_won == ("Bâtiment", "Zone perméable", "Autre")


def test_the_card_stands_beside_the_weights(tmp_path: Path) -> None:
    assert card_beside(tmp_path / "FLAIR.v2_weights.pth") == tmp_path / "FLAIR.v2_weights.json"


def test_a_card_takes_the_hash_of_its_weights() -> None:
    assert ModelCard(**STATED).with_weights(sha256="ab").sha256 == "ab"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"family": "flair"}, "family 'flair' is unknown; one of flair_inc, flair_hub, ocsge"),
        ({"bands": ("rouge", "nir")}, "unknown bands"),
        ({"bands": (), "mean": (), "std": ()}, "unknown bands"),
        ({"bands": ("rouge", "rouge")}, "named twice"),
        ({"mean": (1.0,)}, "2 bands, 1 means, 2 standard deviations"),
        ({"std": (1.0, 0.0)}, "not positive"),
        ({"winning_classes": ("Neige",)}, "does not have: Neige"),
        ({"elevation": "height_uint8_20cm"}, "contradict elevation"),
        ({"bands": ("rouge", "elevation")}, "contradict elevation"),
        ({"bands": ("rouge", "mns"), "elevation": "surface_and_height_m"}, "contradict elevation"),
        ({"bands": ("rouge", "mns"), "elevation": "height_uint8_20cm"}, "contradict elevation"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        ModelCard(**{**STATED, **changed})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a readable model card"),
        ("[]", "a model card is a JSON object"),
        (json.dumps({**STATED, "normalisation": 1}), "unknown fields normalisation"),
        (json.dumps({"name": "trial"}), "missing"),
        (json.dumps({**STATED, "std": [1, -1]}), "not positive"),
    ],
)
def test_a_file_that_is_no_card_is_refused_by_its_path(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "trial.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said) as refused:
        read_card(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_a_missing_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ocsge models show"):
        read_card(tmp_path / "none.json")

"""The matrix of the model stands beside its rasters, and nobody's own is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from ortho_scenes import card_of, renamed

from ocsge.products.confusion import read_confusion
from ocsge.rules import load_rules
from ocsge.segment.class_rasters import class_table
from ocsge.segment.model_confusion import write_confusion

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.segment.model_card import ModelCard

RULES = load_rules()
STATED = {"numbering": "flair_inc_mask", "classes": [1, 2], "counts": [[8, 1], [2, 9]], "source": "test"}
OWN = {"numbering": "cosia_argmax_2023", "classes": [0, 1], "counts": [[5, 0], [0, 5]], "source": "by hand"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "classes.confusion.json"


def written(path: Path, *cards: ModelCard) -> str:
    return write_confusion(cards, class_table(cards[0], RULES), RULES, path.with_name("classes"))


def test_our_own_is_replaced_by_that_of_the_next_model_and_goes_with_it(path: Path) -> None:
    assert written(path, card_of(confusion=STATED)) == ""
    assert json.loads(path.read_text(encoding="utf-8"))["model"] == "petit"
    assert written(path, renamed(card_of(confusion=STATED), "autre")) == ""
    assert json.loads(path.read_text(encoding="utf-8"))["model"] == "autre"
    assert written(path, card_of()) == ""
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("confusion", [None, STATED], ids=["a model without a matrix", "a model with its own"])
def test_one_that_somebody_put_there_stays(path: Path, confusion: dict[str, object] | None) -> None:
    written(path, card_of(confusion=STATED))
    for model, said in (({}, ""), ({"model": "petit"}, ""), ({"model": "x"}, "is the confusion matrix of x")):
        path.write_text(json.dumps({**OWN, **model}), encoding="utf-8")
        before = path.read_bytes()
        told = written(path, card_of(confusion=confusion))
        assert said in told
        assert bool(said) == bool(told)
        assert path.read_bytes() == before


def test_one_that_is_no_json_is_told(path: Path) -> None:
    path.write_text("{", encoding="utf-8")
    assert "is no JSON" in written(path, card_of())


def test_levels_go_into_the_numbers_of_the_raster_with_their_class(path: Path) -> None:
    levels = [{"mapped": 2, "from": 0, "counts": [2, 0]}, {"mapped": 2, "from": 99, "counts": [0, 9]}]
    written(path, card_of(confusion={**STATED, "levels": levels}))
    stated = json.loads(path.read_text(encoding="utf-8"))
    found = read_confusion(path, rules=RULES, numbering=stated["numbering"], model="petit")
    assert found.classes == (0, 1)  # 1 and 2 in the masks
    assert [(one.mapped, one.at_least, one.counts.tolist()) for one in found.levels] == [
        (1, 0, [2, 0]),
        (1, 99, [0, 9]),
    ]

"""The same CoSIA class has another number in each numbering system."""

from __future__ import annotations

import pytest

from ocsge.class_numbers import numbered_classes
from ocsge.errors import ParameterError
from ocsge.rules import load_rules

RULES = load_rules()


def names(numbering: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for cosia_class, number in numbered_classes(RULES, numbering):
        found.setdefault(number, []).append(cosia_class.name)
    return found


def test_the_vector_product_numbers_fifteen_classes_from_one() -> None:
    found = names("cosia_vector_numero")
    assert list(found) == list(range(1, 16))
    assert (found[1], found[2], found[3], found[12]) == (
        ["Bâtiment"],
        ["Zone perméable"],
        ["Zone imperméable"],
        ["Pelouse"],
    )


def test_neighbouring_systems_swap_permeable_and_sealed_ground() -> None:
    assert names("cosia_vector_numero")[2] == ["Zone perméable"]
    assert names("flair_inc_argmax")[2] == ["Zone imperméable"]


def test_argmax_is_the_mask_number_less_one() -> None:
    mask = {c.name: n for c, n in numbered_classes(RULES, "flair_inc_mask")}
    argmax = {c.name: n for c, n in numbered_classes(RULES, "flair_inc_argmax")}
    assert argmax == {name: number - 1 for name, number in mask.items()}


def test_the_gers_predictions_give_grass_and_crops_one_number() -> None:
    assert names("gers_2022")[13] == ["Pelouse", "Culture"]


def test_a_class_that_a_system_lacks_is_left_out() -> None:
    assert "Coupe" not in {c.name for c, _ in numbered_classes(RULES, "cosia_vector_numero")}


def test_classes_come_by_number() -> None:
    for numbering in sorted(RULES.cosia_classes[0].numbers):
        numbers = [number for _, number in numbered_classes(RULES, numbering)]
        assert numbers == sorted(numbers)


def test_an_unknown_system_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"'cosia' is unknown; one of cosia_argmax_2023, .*gers_2022"):
        numbered_classes(RULES, "cosia")

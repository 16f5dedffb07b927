"""The contracts of IGN's families: classes of the head, normalisation, classes that are never answered."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from ocsge.errors import CatalogError, DataError
from ocsge.segment.families import (
    elevation_of,
    head_classes,
    normalisation,
    read_model_table,
    refuse_other_contract,
    winning_classes,
)
from ocsge.segment.published import published_model

RULES = Path(__file__).parents[1] / "rules" / "cosia_classes.csv"
TABLES = sorted((Path(__file__).parents[1] / "data_catalog" / "models").glob("*.csv"))


def test_a_head_has_nineteen_channels_in_each_family() -> None:
    assert len(head_classes("flair_inc")) == len(head_classes("flair_hub")) == 19
    assert set(head_classes("flair_inc")) == set(head_classes("flair_hub"))


@pytest.mark.parametrize(
    ("family", "column", "first"), [("flair_inc", "flair_inc_mask", 1), ("flair_hub", "flair_hub", 0)]
)
def test_a_channel_is_the_class_of_that_number(family: str, column: str, first: int) -> None:
    with RULES.open(encoding="utf-8") as file:
        numbers = {row["cosia_class"]: int(row[column]) for row in csv.DictReader(file)}
    assert [numbers[name] for name in head_classes(family)] == list(range(first, first + 19))


def test_the_families_order_the_same_classes_differently() -> None:
    assert head_classes("flair_inc").index("Serre") == 17
    assert head_classes("flair_hub").index("Serre") == 1
    assert head_classes("flair_inc").index("Piscine") == 12
    assert head_classes("flair_hub").index("Piscine") == 2


def test_twelve_classes_are_the_first_of_flair_inc_and_fifteen_pass_over_the_unsure_ones() -> None:
    assert winning_classes("flair_inc_12") == head_classes("flair_inc")[:12]
    assert set(head_classes("flair_inc")) - set(winning_classes("flair_inc_15")) == {
        "Coupe",
        "Mixte",
        "Ligneux",
        "Autre",
    }


def test_both_families_answer_the_same_fifteen_classes() -> None:
    assert winning_classes("flair_hub_15") == head_classes("flair_hub")[:15]
    assert set(winning_classes("flair_hub_15")) == set(winning_classes("flair_inc_15"))


def test_the_normalisation_follows_the_order_of_the_bands() -> None:
    assert normalisation("flair_inc", ("rouge", "elevation")) == ((105.08, 53.26), (52.17, 79.3))
    assert normalisation("flair_hub", ("infrarouge", "rouge", "vert")) == (
        (106.59, 105.66, 111.35),
        (39.78, 52.23, 45.62),
    )
    assert normalisation("flair_hub", ("mns", "mnt")) == ((311.06, 311.06), (537.55, 537.55))


def test_a_band_that_a_family_never_saw_is_refused() -> None:
    with pytest.raises(DataError, match="'flair_inc' has no statistics of mns; it has rouge, vert"):
        normalisation("flair_inc", ("rouge", "mns"))


def test_elevation_enters_each_family_in_its_own_way() -> None:
    assert elevation_of("flair_inc", ("rouge", "elevation")) == "height_uint8_20cm"
    assert elevation_of("flair_hub", ("rouge", "mns", "mnt")) == "surface_and_height_m"
    assert elevation_of("flair_hub", ("rouge",)) is None


def test_an_unknown_family_or_set_is_refused() -> None:
    with pytest.raises(DataError, match="one of flair_inc, flair_hub"):
        head_classes("flair_2")
    with pytest.raises(CatalogError, match="one of flair_inc_12, flair_inc_15, flair_hub_15"):
        winning_classes("flair_inc_13")


def test_a_card_that_contradicts_its_family_is_refused() -> None:
    card = published_model("FLAIR-INC_rgb_15cl_resnet34-unet").card
    refuse_other_contract(card)
    swapped = replace(card, head_classes=head_classes("flair_hub"))
    with pytest.raises(DataError, match="head class Serre, where flair_inc has Zone perméable"):
        refuse_other_contract(swapped)
    refuse_other_contract(replace(swapped, family="ocsge"))
    with pytest.raises(DataError, match="head class 2 classes, where flair_inc has 19"):
        refuse_other_contract(replace(card, head_classes=card.head_classes[:2], winning_classes=()))


def test_elevation_of_the_other_family_is_refused() -> None:
    card = published_model("FLAIR-INC_rgbie_15cl_resnet34-unet").card
    bands = (*card.bands[:-1], "mns", "mnt")
    six = {"mean": (*card.mean, 300.0), "std": (*card.std, 500.0)}
    with pytest.raises(DataError, match="elevation surface_and_height_m, where flair_inc has height_uint8_20cm"):
        refuse_other_contract(replace(card, bands=bands, elevation="surface_and_height_m", **six))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_row_of_the_model_tables_has_a_source(path: Path) -> None:
    rows = read_model_table(path.stem)
    assert rows
    assert [row for row in rows if not row["source"]] == []

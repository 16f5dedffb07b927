"""The catalogue gives the card of each published checkpoint, and tells files apart by their hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocsge.errors import DataError, ParameterError
from ocsge.segment.model_card import ModelCard, write_card
from ocsge.segment.published import card_for, published_model, published_models

RGB, RGBIE = "FLAIR-INC_rgb_15cl_resnet34-unet", "FLAIR-INC_rgbie_15cl_resnet34-unet"
INFRARED = "FLAIR-HUB_LC-A_IR_swinbase-upernet"
INFRARED_TWELVE, ELEVATION = "FLAIR-INC_rgbi_12cl_resnet34-unet", "FLAIR-HUB_LC-L_swinbase-upernet"


def test_the_catalogue_holds_both_families_with_addresses_of_their_own() -> None:
    models = published_models()
    fetched = {name: p for name, p in models.items() if p.url}
    assert len(fetched) == len({p.url for p in fetched.values()}) == 16
    assert all(p.card.name == name for name, p in models.items())
    for name, published in fetched.items():
        assert published.url.startswith(f"https://huggingface.co/IGNF/{name}/resolve/main/{name}")
        assert published.file_name == published.url.rsplit("/", 1)[-1]


def test_a_model_without_a_known_address_says_so_and_has_neither_size_nor_hash() -> None:
    unknown = {name: p for name, p in published_models().items() if not p.url}
    assert set(unknown) == {INFRARED_TWELVE, ELEVATION}
    for published in unknown.values():
        assert published.file_name == published.card.sha256 == ""
        assert published.size_bytes is None
        assert "no address" in published.source


def test_the_twelve_classes_of_colours_and_infrared_are_a_contract_of_their_own() -> None:
    card = published_model(INFRARED_TWELVE).card
    assert card.bands == ("rouge", "vert", "bleu", "infrarouge")
    assert card.mean == (105.08, 110.87, 101.82, 106.38)
    assert len(card.classes_won) == 12
    assert len(card.head_classes) == 19


def test_elevation_of_flair_hub_is_the_surface_and_the_height_in_metres() -> None:
    published = published_model(ELEVATION)
    assert published.card.bands[-2:] == ("mns", "mnt")
    assert published.card.elevation == "surface_and_height_m"
    assert published.card.mean[-2:] == (311.06, 311.06)
    assert "SPOT and Sentinel" in published.unsupported


def test_every_known_hash_is_a_hash_and_stands_once() -> None:
    hashes = [p.card.sha256 for p in published_models().values() if p.card.sha256]
    assert len(hashes) == len(set(hashes)) == 8
    assert all(len(h) == 64 and int(h, 16) for h in hashes)


def test_the_licence_is_the_one_of_the_producer() -> None:
    assert {p.card.licence for p in published_models().values()} == {"Licence Ouverte Etalab 2.0"}
    assert all(p.card.credit.startswith("IGN") for p in published_models().values())


def test_the_infrared_model_takes_infrared_first() -> None:
    card = published_model(INFRARED).card
    assert card.bands == ("infrarouge", "rouge", "vert")
    assert card.mean == (106.59, 105.66, 111.35)
    assert (card.architecture, card.encoder, card.width) == ("upernet", "swin_base", 128)
    assert card.classes_won[:3] == ("Bâtiment", "Serre", "Piscine")


def test_the_model_with_elevation_says_its_encoding() -> None:
    card = published_model(RGBIE).card
    assert card.bands[-1] == "elevation"
    assert card.elevation == "height_uint8_20cm"
    assert len(card.classes_won) == 15


def test_figures_are_stated_with_the_samples_they_were_measured_on() -> None:
    for published in published_models().values():
        figures = [published.overall_accuracy, published.mean_iou]
        assert (None in figures) == (not published.tested_on)
        assert all(50 < figure < 90 for figure in figures if figure is not None)
    assert published_model(RGBIE).mean_iou == 58.63
    assert published_model(INFRARED).mean_iou == 64.1


def test_the_documentation_states_the_figures_of_the_catalogue() -> None:
    text = (Path(__file__).parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    for published in published_models().values():
        if published.tested_on and not published.unsupported:
            assert f"| {published.overall_accuracy} | {published.mean_iou}" in text


def test_a_model_that_is_not_built_here_says_why() -> None:
    unsupported = {name for name, p in published_models().items() if p.unsupported}
    assert unsupported == {
        "FLAIR-HUB_LC-A_IR_convnextv2tiny-upernet",
        "FLAIR-HUB_LC-A_IR_convnextv2base-upernet",
        ELEVATION,
    }


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ParameterError, match="FLAIR-HUB_LC-A_RGB_swintiny-upernet"):
        published_model("FLAIR-3")


def test_the_given_name_comes_before_the_card_and_the_card_before_the_name_of_the_file(tmp_path: Path) -> None:
    weights = tmp_path / published_model(RGB).file_name
    weights.touch()
    assert card_for(weights).name == RGB
    own = ModelCard(**{**fields_of(published_model(RGB).card), "name": "mine"})
    write_card(own, weights.with_suffix(".json"))
    assert card_for(weights).name == "mine"
    assert card_for(weights, model=RGBIE).name == RGBIE


def fields_of(card: ModelCard) -> dict[str, object]:
    return {name: getattr(card, name) for name in card.__dataclass_fields__}


def test_a_published_file_is_known_by_its_hash_under_any_name(tmp_path: Path) -> None:
    weights = tmp_path / "mine.pth"
    assert card_for(weights, sha256=published_model(RGB).card.sha256).name == RGB


def test_the_hash_is_asked_of_the_published_file_alone(tmp_path: Path) -> None:
    published = published_model(RGB)
    assert card_for(tmp_path / published.file_name, model=RGB).sha256 == published.card.sha256
    assert card_for(tmp_path / "last.ckpt", model=RGB).sha256 == ""


def test_a_published_file_given_for_another_is_refused_by_its_hash(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"is {RGB}, not {RGBIE}; give that name"):
        card_for(tmp_path / "w.pth", model=RGBIE, sha256=published_model(RGB).card.sha256)


def test_a_file_that_nothing_tells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="check FILE --model NAME --write-card"):
        card_for(tmp_path / "w.pth")


def test_a_model_that_cannot_be_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="convnextv2base-upernet cannot be run: ConvNeXt V2 encoders"):
        card_for(tmp_path / "w.pth", model="FLAIR-HUB_LC-A_IR_convnextv2base-upernet")


def test_a_card_beside_that_contradicts_its_family_is_refused(tmp_path: Path) -> None:
    card = published_model(RGB).card
    swapped = ModelCard(**{**fields_of(card), "head_classes": card.head_classes[::-1]})
    write_card(swapped, tmp_path / "w.json")
    with pytest.raises(DataError, match="head class Autre, where flair_inc has Bâtiment"):
        card_for(tmp_path / "w.pth")

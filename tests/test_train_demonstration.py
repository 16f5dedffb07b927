"""The demonstration model: what it learns from, how it is judged, and a card that says what it is."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from small_commune import box, write_raster

pytest.importorskip("torch")

from ocsge.from_ortho import shipped_model
from ocsge.products.confusion import read_confusion
from ocsge.rules import load_rules
from ocsge.segment.checkpoint import load_model
from ocsge.segment.model_card import card_beside, read_card
from tools.generated_commune import (
    AT_SEA,
    CODE,
    EPSG,
    NUMBERING,
    SEED,
    SIDE_M,
    Commune,
    numbers_of_truth,
    write_commune,
)
from tools.ground_colours import COSIA_NAMES
from tools.train_demonstration import (
    COMMUNE_SEED,
    COMMUNES,
    HEAD,
    NAME,
    PATCH_PX,
    POINTS_A_CLASS,
    SCENES,
    TRAINING_SEED,
    VALIDATION_SCENES,
    VALIDATION_SEED,
    Judged,
    adjusted_stocks,
    card_of,
    class_areas_inside,
    confusion_of,
    design_effect_of,
    judged,
    points,
    rms,
    samples_of,
    standardised_errors,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 5_000_000
CLASSES = len(HEAD)
NUMBERS = {name: int(numbers_of_truth()[cover]) for cover, name in COSIA_NAMES.items()}


@pytest.fixture(scope="module")
def samples() -> object:
    return samples_of(TRAINING_SEED, scenes=1, scene_px=2 * PATCH_PX)


def test_no_scene_is_both_learnt_and_judged() -> None:
    learnt = range(TRAINING_SEED, TRAINING_SEED + SCENES)
    validated = range(VALIDATION_SEED, VALIDATION_SEED + VALIDATION_SCENES)
    held_out = range(COMMUNE_SEED, COMMUNE_SEED + COMMUNES)
    every = [*learnt, *validated, *held_out, SEED]
    assert len(set(every)) == len(every)


def test_a_scene_is_cut_into_patches_labelled_by_the_channels_of_the_head(samples) -> None:
    assert len(samples) == 4
    pixels, labels = samples.read(0)
    assert (pixels.shape, labels.shape) == ((5, PATCH_PX, PATCH_PX), (PATCH_PX, PATCH_PX))
    assert labels.max() < CLASSES


def test_the_card_says_that_the_model_is_a_demonstration(samples) -> None:
    card = card_of(samples)
    assert card.demonstration
    assert card.bands == ("rouge", "vert", "bleu", "infrarouge", "elevation")
    assert card.head_classes == tuple(COSIA_NAMES.values())
    assert "no real imagery" in card.trained_on
    assert card.mean == pytest.approx(
        np.mean([samples.read(k)[0].mean(axis=(1, 2)) for k in range(4)], axis=0), abs=1e-3
    )


SURE = 250


def table() -> np.ndarray:
    """Return a table of pixels by mapped class, probability and true class, without any."""
    return np.zeros((CLASSES, 256, CLASSES), dtype=np.int64)


def test_points_are_drawn_among_what_is_mapped_as_each_class() -> None:
    told = table()
    told[0, SURE, 0], told[0, 100, 1], told[1, SURE, 1] = 900_000, 100_000, 7
    drawn = points(told, np.random.default_rng(0))
    assert drawn[0].sum() == POINTS_A_CLASS
    assert (drawn[1] == told[1]).all()  # fewer pixels than points: all of them
    assert drawn[0, 100, 1] == pytest.approx(POINTS_A_CLASS / 10, abs=12)
    assert drawn[0, SURE, 0] + drawn[0, 100, 1] == POINTS_A_CLASS
    assert drawn[2:].sum() == 0


def test_the_matrix_holds_the_classes_that_were_met_by_their_number() -> None:
    told = table()
    first, second = 2, 0
    told[first, SURE, first], told[first, 100, second], told[second, SURE, second] = 8, 1, 9
    matrix = confusion_of(told)
    names = list(COSIA_NAMES.values())
    numbers = {one.name: one.numbers[NUMBERING] for one in load_rules().cosia_classes}
    assert matrix.classes == tuple(sorted(numbers[names[place]] for place in (first, second)))
    assert matrix.counts.sum() == 18
    assert matrix.counts[matrix.classes.index(numbers[names[first]])].sum() == 9
    assert matrix.model == NAME
    assert matrix.levels == ()  # nine points make no two levels


def test_the_matrix_tells_the_points_of_a_class_by_probability() -> None:
    told = table()
    told[0, 100, 0], told[0, 100, 1], told[0, SURE, 0], told[1, SURE, 1] = 40, 10, 50, 9
    matrix = confusion_of(told)
    number = numbers_of_truth()[HEAD[0]]
    place, other = matrix.classes.index(number), matrix.classes.index(numbers_of_truth()[HEAD[1]])
    unsure, sure = matrix.of_class(number)
    assert (unsure.at_least, 100 < sure.at_least <= SURE) == (0, True)
    assert (unsure.counts[place], unsure.counts[other], sure.counts[place], sure.counts[other]) == (40, 10, 50, 0)


def test_errors_are_told_in_standard_errors_and_hectares() -> None:
    stocks = pd.DataFrame({"true": [10.0, 12.0], "class": [7.0, 16.0], "class_error": [1.0, 2.0]})
    assert standardised_errors(stocks, "class").tolist() == [3.0, -2.0]
    assert rms(stocks["true"] - stocks["class"]) == pytest.approx(np.sqrt(12.5))


def counts_of(cells: dict[tuple[str, str], int], *, probability: int = SURE) -> NDArray[np.int64]:
    """Return the pixels by (mapped class, true class), all of one probability."""
    names = list(COSIA_NAMES.values())
    told = table()
    for (mapped, true), pixels in cells.items():
        told[names.index(mapped), probability, names.index(true)] = pixels
    return told


def commune_of_counts(counts: NDArray[np.int64], *, raster: Path = Path(), true_stock_ha: float = 0.0) -> Judged:
    """Return a commune of one hectare as it was judged: a lawn in the west, artificialised roofs in the east."""
    halves = [box(0, 100, 50, 200), box(50, 100, 100, 200)]
    polygons = gpd.GeoDataFrame({"commune_code": "12999", "artif": [False, True]}, geometry=halves, crs=2154)
    return Judged(counts, polygons, raster, 0.5, true_stock_ha)


def lawn_and_roof(folder: Path, *, probability: int) -> Path:
    """Write the map of that commune, all of one probability; return the folder of its classes."""
    values = np.full((500, 500), NUMBERS["Pelouse"], dtype=np.uint8)
    values[:, 250:] = NUMBERS["Bâtiment"]
    for kind, pixels in (("classes", values), ("probability", np.full_like(values, probability))):
        (folder / kind).mkdir()
        write_raster(folder / kind / "map.tif", pixels, resolution=0.2)
    return folder / "classes"


def test_the_error_of_a_stock_is_told_in_standard_errors_of_the_points_of_the_other_communes(tmp_path: Path) -> None:
    raster = lawn_and_roof(tmp_path, probability=SURE)
    # of 100 pixels mapped as lawn, 10 are roofs: half a hectare of lawn hides 0.05 ha of stock
    seen = counts_of({("Pelouse", "Pelouse"): 90, ("Pelouse", "Bâtiment"): 10, ("Bâtiment", "Bâtiment"): 100})
    # of 100, half are, and no roof is one: 0.25 ha of stock
    half = counts_of({("Pelouse", "Pelouse"): 50, ("Pelouse", "Bâtiment"): 50, ("Bâtiment", "Pelouse"): 100})
    one = commune_of_counts(half, raster=raster, true_stock_ha=0.58)
    other = commune_of_counts(seen, raster=raster, true_stock_ha=0.5)
    stocks = adjusted_stocks([one, other], np.random.default_rng(0))
    assert stocks[["true", "mapped"]].to_numpy().tolist() == [[0.58, 0.5], [0.5, 0.5]]
    errors = standardised_errors(stocks, "class")
    assert errors[0] == pytest.approx((0.58 - 0.55) / (0.5 * (0.1 * 0.9 / 99) ** 0.5))
    assert errors[1] == pytest.approx((0.5 - 0.25) / (0.5 * (0.5 * 0.5 / 99) ** 0.5))
    # every pixel has one probability: there is nothing to tell by level
    assert stocks["level"].tolist() == stocks["class"].tolist()


def test_unsure_ground_is_adjusted_by_the_errors_of_unsure_ground_of_the_other_communes(tmp_path: Path) -> None:
    raster = lawn_and_roof(tmp_path, probability=100)
    # of the lawns that the model was unsure of half are roofs, of the others none
    unsure = counts_of({("Pelouse", "Pelouse"): 30, ("Pelouse", "Bâtiment"): 30}, probability=100)
    told = unsure + counts_of({("Pelouse", "Pelouse"): 60, ("Bâtiment", "Bâtiment"): 100})
    stocks = adjusted_stocks([commune_of_counts(told, raster=raster)] * 2, np.random.default_rng(0))
    # half a hectare of unsure lawn: a quarter of all lawns are roofs, half of the unsure ones
    assert stocks["class"].tolist() == pytest.approx([0.625, 0.625])
    assert stocks["level"].tolist() == pytest.approx([0.75, 0.75])


def test_rates_that_hold_on_other_ground_leave_the_true_area_of_a_class_in_its_interval() -> None:
    alike = counts_of({("Pelouse", "Pelouse"): 90, ("Pelouse", "Vigne"): 10, ("Vigne", "Vigne"): 50})
    for by_probability in (False, True):
        inside = class_areas_inside(
            [commune_of_counts(alike)] * 3, np.random.default_rng(0), design_effect=1.0, by_probability=by_probability
        )
        assert inside.shape == (3, CLASSES)
        assert inside.all()


def test_a_class_that_is_there_in_one_commune_and_mistaken_in_the_other_is_outside_in_both() -> None:
    vineyards = counts_of({("Vigne", "Vigne"): 100, ("Pelouse", "Pelouse"): 100})
    none = counts_of({("Vigne", "Pelouse"): 100, ("Pelouse", "Pelouse"): 100})
    communes = [commune_of_counts(vineyards), commune_of_counts(none)]
    inside = class_areas_inside(communes, np.random.default_rng(0), design_effect=20.0)
    names = list(COSIA_NAMES.values())
    assert not inside[:, [names.index("Vigne"), names.index("Pelouse")]].any()
    assert inside[:, names.index("Bâtiment")].all()  # neither mapped nor met: 0 in 0


def test_a_held_out_commune_is_mapped_and_derived_from_its_map_and_from_its_truth(tmp_path: Path) -> None:
    """A lawn of 40 m × 40 m with a roof of 10 m × 10 m."""
    place = AT_SEA[0], AT_SEA[1] + SIDE_M - 50
    side, near = 250, slice(75, 125)
    truth = np.full((side, side), NUMBERS["Pelouse"], dtype=np.uint8)
    truth[near, near] = NUMBERS["Bâtiment"]
    bands = np.empty((5, side, side), dtype=np.uint8)
    bands[:] = np.array([105, 130, 80, 170, 0], dtype=np.uint8)[:, None, None]
    bands[:, near, near] = np.array([172, 112, 88, 148, 25], dtype=np.uint8)[:, None, None]
    ground = shapely.box(place[0] + 5, place[1] + 5, place[0] + 45, place[1] + 45)
    outline = gpd.GeoDataFrame({"insee_com": [CODE], "nom": ["Pré"]}, geometry=[ground], crs=EPSG)
    write_commune(Commune(bands, truth, {"admin_express:commune": outline}), tmp_path)
    found = judged(0, weights=shipped_model(), folder=tmp_path)
    names = list(COSIA_NAMES.values())
    true = dict(zip(names, found.told.sum(axis=(0, 1)).tolist(), strict=True))
    assert {name: pixels for name, pixels in true.items() if pixels} == {"Pelouse": 37_500, "Bâtiment": 2_500}
    # the lawn of a house is less than the decree's threshold: the whole is artificialised
    assert found.true_stock_ha == pytest.approx(0.16)
    assert found.raster.is_dir()


def test_errors_no_larger_than_those_of_independent_points_are_no_design_effect() -> None:
    assert design_effect_of(np.full(16, 0.1)) == 1.0


def test_errors_of_two_standard_errors_quadruple_the_variance_and_few_communes_widen_it() -> None:
    assert design_effect_of(np.full(1000, 2.0)) == pytest.approx(4.0, rel=0.01)
    assert design_effect_of(np.full(16, 2.0)) == pytest.approx(4.0 * (2.12 / 1.96) ** 2, rel=0.01)


def test_a_bias_counts_as_an_error() -> None:
    assert design_effect_of(np.full(16, 3.0)) > design_effect_of(np.tile([3.0, 0.0], 8))


def test_the_shipped_weights_are_those_of_their_card_and_small() -> None:
    weights = shipped_model()
    assert weights.stat().st_size < MOST_BYTES
    card = read_card(card_beside(weights))
    assert card.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert card.demonstration
    assert card.licence == "Apache-2.0"
    network, _ = load_model(weights)
    assert sum(p.numel() for p in network.parameters()) < 2.5e6


def test_the_shipped_confusion_matrix_is_of_points_and_has_a_design_effect(tmp_path) -> None:
    card = read_card(card_beside(shipped_model()))
    path = tmp_path / "x.confusion.json"
    path.write_text(json.dumps(card.confusion))
    matrix = read_confusion(path, rules=load_rules(), numbering=NUMBERING, model=NAME)
    assert matrix.counts.sum() <= POINTS_A_CLASS * len(matrix.classes)
    assert matrix.design_effect >= 1
    assert math.isfinite(matrix.design_effect)
    assert "nor the shipped one" in matrix.source

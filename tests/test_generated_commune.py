"""The commune that is nowhere: it cannot be taken for a place, its layers agree with its truth, its files are small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.features import rasterize

from benchmarks.landscape import BUILT
from ocsge.catalog import check_commune_code, departement_of, embedded_sources, load_millesimes, recognise
from ocsge.demonstration import COMMUNE, shipped_ortho
from ocsge.rules import load_rules
from tools.generated_commune import (
    AROUND_M,
    AT_SEA,
    BORDER_M,
    CODE,
    NOM,
    NUMBERING,
    SEED,
    SIDE_M,
    layers_of,
    numbers_of_truth,
    outline,
    place_of,
    write_raster,
)
from tools.generated_ortho import PIXELS_PER_M, Place
from tools.ground_colours import COSIA_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MOST_BYTES = 4_000_000
FRANCE_WEST_M = 250_000.0
"""West of it, at this latitude, there is only sea (EPSG:2154)."""
SHIPPED = shipped_ortho()


@pytest.fixture(scope="module")
def truth() -> NDArray[np.uint8]:
    with rasterio.open(SHIPPED / "verite.tif") as dataset:
        return dataset.read(1)


def test_its_code_is_one_that_commands_take_and_no_commune_has() -> None:
    assert CODE == COMMUNE == check_commune_code(COMMUNE)
    assert departement_of(CODE) in load_millesimes()
    assert int(CODE[2:]) > 900  # no département of France has as many communes
    assert "Démonstration" in NOM


def test_it_lies_at_sea() -> None:
    xmin, _, xmax, _ = outline(SEED).total_bounds
    assert xmin > AT_SEA[0]
    assert xmax < FRANCE_WEST_M


@pytest.mark.parametrize("seed", [1, 2, 3, SEED])
def test_its_outline_stays_inside_the_photographs(seed: int) -> None:
    shape = outline(seed).geometry.iloc[0]
    photographs = shapely.box(*AT_SEA, AT_SEA[0] + SIDE_M, AT_SEA[1] + SIDE_M)
    assert shape.is_valid
    assert photographs.contains(shape)
    assert 0.2e6 < shape.area < (SIDE_M - BORDER_M) ** 2


def test_its_files_are_small_enough_to_be_shipped() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < MOST_BYTES


def test_its_photographs_and_its_truth_are_of_the_same_ground() -> None:
    side = round(SIDE_M * PIXELS_PER_M)
    for name, bands in {"rvb.jp2": 3, "irc.jp2": 3, "hauteur.jp2": 1, "verite.tif": 1}.items():
        with rasterio.open(SHIPPED / name) as dataset:
            assert (dataset.count, dataset.height, dataset.width) == (bands, side, side)
            assert dataset.crs.to_epsg() == 2154
            assert dataset.bounds == (*AT_SEA, AT_SEA[0] + SIDE_M, AT_SEA[1] + SIDE_M)


def test_the_red_of_both_photographs_is_the_same_light() -> None:
    with rasterio.open(SHIPPED / "rvb.jp2") as rvb, rasterio.open(SHIPPED / "irc.jp2") as irc:
        window = rasterio.windows.Window(1000, 1000, 512, 512)
        assert np.corrcoef(rvb.read(1, window=window).ravel(), irc.read(2, window=window).ravel())[0, 1] > 0.9


def test_the_shipped_truth_is_what_the_generator_makes(truth: NDArray[np.uint8]) -> None:
    whole = place_of(SEED)
    place = Place(whole.ground, whole.row + 1000, whole.col + 700, 600, 600)
    assert (numbers_of_truth()[place.truth()] == truth[1000:1600, 700:1300]).all()


def test_the_truth_says_its_numbering(truth: NDArray[np.uint8]) -> None:
    with rasterio.open(SHIPPED / "verite.tif") as dataset:
        assert dataset.tags()["OCSGE_NUMBERING"] == NUMBERING
        assert dataset.nodata == 255
    known = {one.numbers[NUMBERING]: one.name for one in load_rules().cosia_classes}
    assert {known[number] for number in np.unique(truth).tolist()} <= set(COSIA_NAMES.values())


def test_each_class_of_the_generator_has_the_number_of_its_name() -> None:
    names = {one.name: one.numbers[NUMBERING] for one in load_rules().cosia_classes}
    table = numbers_of_truth()
    assert {COSIA_NAMES[cover]: int(table[cover]) for cover in COSIA_NAMES} == {
        name: names[name] for name in COSIA_NAMES.values()
    }


def test_buildings_of_the_layers_stand_on_true_buildings(truth: NDArray[np.uint8]) -> None:
    """All but a few: 2 % are in the layers alone, 4 % in the truth alone, and the two drift by some decimetres."""
    frame = pyogrio.read_dataframe(SHIPPED / "commune.gpkg", layer="batiment")
    with rasterio.open(SHIPPED / "verite.tif") as dataset:
        layers = rasterize(frame.geometry, out_shape=truth.shape, transform=dataset.transform, fill=0) == 1
    built = truth == numbers_of_truth()[BUILT]
    assert (layers & built).sum() / layers.sum() > 0.8
    assert (layers & built).sum() / built.sum() > 0.8


def test_the_layers_are_those_of_the_products() -> None:
    found = {source.layer for source in recognise(SHIPPED / "commune.gpkg")}
    assert {"admin_express:commune", "bd_topo:batiment", "bd_topo:troncon_de_route"} <= found
    assert {source.layer for source in embedded_sources([CODE])} == found


def test_layers_that_hold_nothing_are_left_out() -> None:
    layers = layers_of(place_of(SEED).ground)
    assert all(len(frame) for frame in layers.values())
    assert all(frame.crs.to_epsg() == 2154 for frame in layers.values())
    xmin, ymin, _, _ = layers["bd_topo:batiment"].total_bounds
    assert abs(xmin - AT_SEA[0]) < 2 * AROUND_M
    assert abs(ymin - AT_SEA[1]) < 2 * AROUND_M


def test_a_raster_lies_where_the_photographs_do(tmp_path: Path) -> None:
    bands = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    write_raster(tmp_path / "x.tif", bands, driver="GTiff")
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert (dataset.bounds.left, dataset.bounds.top) == (AT_SEA[0], AT_SEA[1] + SIDE_M)
        assert (dataset.read() == bands).all()

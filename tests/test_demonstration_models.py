"""A demonstration is called one in the same words by every command that a class raster of it goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from small_commune import GRASS, Bench, box, buildings, classes, write, write_raster

from ocsge.demonstration_models import demonstration_models, demonstration_warning, demonstration_warnings
from ocsge.from_ortho import shipped_model
from ocsge.segment.model_card import read_card

if TYPE_CHECKING:
    from pathlib import Path

NAME = "ocsge-demonstration"


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """A lawn that the shipped model is said to have mapped."""
    path = write_raster(tmp_path / "classes.tif", classes(GRASS))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(OCSGE_MODEL=NAME, OCSGE_NUMBERING="cosia_vector_numero")
    return path


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, capfd)


def test_the_shipped_model_is_the_demonstration_that_is_known() -> None:
    card = read_card(shipped_model().with_suffix(".json"))
    assert card.demonstration
    assert demonstration_models() == {card.name} == {NAME}


def test_one_of_several_models_of_a_raster_is_enough() -> None:
    assert demonstration_warnings(f"other+{NAME}") == (demonstration_warning(NAME),)
    assert demonstration_warnings("other") == ()


def test_a_derivation_from_a_raster_of_the_demonstration_says_so_each_time(bench: Bench, raster: Path) -> None:
    bench.deliver(batiment=buildings())
    for _ in range(2):  # the second time the result is reused
        outcome = bench.derive("--cosia", raster)
        assert outcome.code == 0
        assert f"warning: {demonstration_warning(NAME)}" in outcome.errors


def test_areas_measured_on_a_raster_of_the_demonstration_say_so(bench: Bench, raster: Path, tmp_path: Path) -> None:
    zone = gpd.GeoDataFrame({"nom": ["a"]}, geometry=[box(0, 0, 100, 100)], crs=2154)
    outcome = bench.ocsge("measure", "--raster", raster, "--zones", write(tmp_path / "z.gpkg", z=zone))
    assert outcome.errors == [f"warning: {demonstration_warning(NAME)}"]


def test_a_raster_of_another_model_is_called_nothing(bench: Bench, tmp_path: Path) -> None:
    bench.deliver(batiment=buildings())
    plain = write_raster(tmp_path / "plain.tif", np.full((200, 200), GRASS, np.uint8))
    outcome = bench.derive_with(plain)
    assert outcome.code == 0
    assert not any("demonstration" in line for line in outcome.errors)

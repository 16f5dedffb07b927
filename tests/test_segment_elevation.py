"""Both encodings of elevation give back what they were given, within their step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ortho_scenes import card_of

from ocsge.segment.elevation import (
    decode_height,
    elevation_bands,
    encode_height,
    surface_and_height,
    surface_and_terrain,
    unknown_values,
)

ALTITUDES = st.floats(min_value=-10, max_value=4_800, allow_nan=False)


@pytest.mark.parametrize(
    ("height_m", "step"),
    [(0.0, 0), (0.09, 0), (0.11, 1), (0.2, 1), (3.0, 15), (25.5, 128), (51.0, 255), (51.2, 255), (300.0, 255)],
)
def test_a_height_is_a_number_of_steps_of_20_cm_up_to_51_m(height_m: float, step: int) -> None:
    assert encode_height(np.array([height_m])).tolist() == [step]


def test_ground_below_the_terrain_model_has_no_height() -> None:
    assert encode_height(np.array([-0.4, -30.0])).tolist() == [0, 0]


def test_an_unknown_height_takes_the_step_it_is_given() -> None:
    assert encode_height(np.array([np.nan, 1.0]), unknown=53).tolist() == [53, 5]


@given(st.lists(st.integers(min_value=0, max_value=255), min_size=1))
def test_every_step_survives_the_way_to_metres_and_back(steps: list[int]) -> None:
    given_steps = np.array(steps, dtype=np.uint8)
    assert (encode_height(decode_height(given_steps)) == given_steps).all()


@given(st.lists(st.floats(min_value=0, max_value=51, allow_nan=False), min_size=1))
def test_a_height_comes_back_within_half_a_step(heights_m: list[float]) -> None:
    given_m = np.array(heights_m)
    assert np.abs(decode_height(encode_height(given_m)) - given_m).max() <= 0.1 + 1e-5


def test_the_second_channel_of_flair_hub_is_the_surface_less_the_terrain() -> None:
    channels = surface_and_height(np.array([[112.5, 40.0]]), np.array([[100.0, 40.0]]))
    assert channels.tolist() == [[[112.5, 40.0]], [[12.5, 0.0]]]
    assert channels.dtype == np.float32


@given(st.lists(st.tuples(ALTITUDES, ALTITUDES), min_size=1))
def test_surface_and_terrain_come_back_within_a_millimetre(pairs: list[tuple[float, float]]) -> None:
    mns, mnt = np.array(pairs).T
    surface, terrain = surface_and_terrain(surface_and_height(mns[None], mnt[None]))
    assert np.abs(surface - mns).max() < 1e-3
    assert np.abs(terrain - mnt).max() < 1e-3


def test_an_unknown_altitude_stays_unknown_in_the_channels_it_enters() -> None:
    channels = surface_and_height(np.array([[np.nan, 5.0]]), np.array([[1.0, np.nan]]))
    assert np.isnan(channels).tolist() == [[[True, False]], [[True, True]]]


def test_an_unknown_band_is_its_mean_but_a_height_in_metres_is_on_the_ground() -> None:
    metric = card_of(
        ("rouge",),
        bands=("mns", "rouge", "mnt"),
        mean=(311.0, 105.0, 311.0),
        std=(1.0, 1.0, 1.0),
        elevation="surface_and_height_m",
    )
    assert unknown_values(metric) == (311.0, 105.0, 0.0)
    assert unknown_values(card_of(("rouge", "elevation"))) == (105.08, 53.26)


def test_each_card_is_given_its_own_elevation_bands() -> None:
    found = {"mns": np.array([[12.0, np.nan, 9.0]]), "mnt": np.array([[10.0, 1.0, np.nan]])}
    steps = elevation_bands(found, unknown={"elevation": 53.26})
    assert {band: values.tolist() for band, values in steps.items()} == {"elevation": [[10, 53, 53]]}
    metres = elevation_bands(found, unknown={"mns": 311.0, "mnt": 0.0})
    assert {band: values.tolist() for band, values in metres.items()} == {
        "mns": [[12.0, 311.0, 9.0]],
        "mnt": [[2.0, 0.0, 0.0]],
    }
    direct = elevation_bands({"elevation": np.array([[2.0, np.nan]])}, unknown={"elevation": 53.26})
    assert direct["elevation"].tolist() == [[10, 53]]

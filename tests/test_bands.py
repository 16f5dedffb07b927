"""Bands of rows walked side by side: the same regions and borders as the rows walked at once."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_runs import border_lists, encoded, fixed, random_array, seeds

from ocsge.regions import graph as graph_module
from ocsge.regions.bands import bands_of, each_band
from ocsge.regions.evidence import OUTSIDE, UNSEEN
from ocsge.regions.graph import region_graph
from ocsge.regions.labels import label_in_bands, label_runs
from ocsge.regions.runs import Runs


def evidence_of(seed: int, height: int, width: int) -> Runs:
    """Return random evidence with some ground outside the domain and some unseen."""
    runs = encoded(random_array(seed, height, width))
    value = runs.value.astype(np.uint32)
    value[runs.value % 7 == 3] = OUTSIDE
    value[runs.value % 7 == 5] = UNSEEN
    return Runs(row_ptr=runs.row_ptr, start=runs.start, value=value, width=width)


def test_bands_hold_about_as_many_runs_each() -> None:
    # rows of 1, 1, 6, 1 and 1 runs: the third holds more than the others together
    assert bands_of(np.array([0, 1, 2, 8, 9, 10]), 2) == [(0, 3), (3, 5)]
    assert bands_of(np.array([0, 2, 4, 6, 8]), 2) == [(0, 2), (2, 4)]


def test_there_are_no_more_bands_than_rows_nor_fewer_than_one() -> None:
    assert bands_of(np.array([0, 5]), 4) == [(0, 1)]
    assert bands_of(np.array([0]), 3) == [(0, 0)]
    assert bands_of(np.array([0, 1, 2, 3]), 1) == [(0, 3)]


@fixed
@given(seeds, st.integers(1, 40), st.integers(1, 9))
def test_bands_tile_the_rows(seed: int, height: int, count: int) -> None:
    bands = bands_of(encoded(random_array(seed, height, 20)).row_ptr, count)
    assert len(bands) <= count
    assert [row for first, last in bands for row in range(first, last)] == list(range(height))
    assert all(last > first for first, last in bands)


def test_results_come_in_the_order_of_the_bands_whichever_ends_first() -> None:
    later = threading.Event()

    def work(first: int, last: int) -> tuple[int, int]:
        """End the second band before the first."""
        if first == 0:
            assert later.wait(10)
        else:
            later.set()
        return first, last

    assert each_band([(0, 4), (4, 6)], work) == [(0, 4), (4, 6)]


def test_the_error_of_a_band_is_raised() -> None:
    def work(first: int, last: int) -> int:
        """Fail in the second band."""
        return last // first

    with pytest.raises(ZeroDivisionError):
        each_band([(1, 2), (0, 1)], work)


@fixed
@given(seeds, st.integers(1, 50), st.integers(1, 40), st.integers(1, 8))
def test_labels_found_by_bands_are_those_of_the_whole(seed: int, height: int, width: int, count: int) -> None:
    runs = evidence_of(seed, height, width)
    bands = bands_of(runs.row_ptr, count)
    label, number = label_in_bands(runs.row_ptr, runs.start, runs.value, width, OUTSIDE, bands=bands)
    expected, expected_number = label_runs(runs.row_ptr, runs.start, runs.value, width, OUTSIDE)
    assert number == expected_number
    assert label.tolist() == expected.tolist()


def test_a_region_that_winds_over_every_seam_is_one() -> None:
    # two legs of 4 rows joined by their foot: whichever the bands, one region and the gap between its legs
    drawn = np.array([[1, 2, 1], [1, 2, 1], [1, 2, 1], [1, 1, 1]], dtype=np.uint8)
    runs = encoded(drawn)
    for count in (1, 2, 3, 4):
        bands = bands_of(runs.row_ptr, count)
        label, number = label_in_bands(runs.row_ptr, runs.start, runs.value, 3, OUTSIDE, bands=bands)
        assert number == 2
        assert label.tolist() == [0, 1, 0, 0, 1, 0, 0, 1, 0, 0]


@fixed
@given(seeds, st.integers(2, 8), st.sampled_from([None, 12]))
def test_the_graph_of_bands_is_that_of_the_whole(seed: int, threads: int, small_px: int | None) -> None:
    evidence = evidence_of(seed, 35, 45)
    one = region_graph(evidence, small_px=small_px)
    several = region_graph(evidence, small_px=small_px, threads=threads)
    for name in ("label", "key", "area", "in_zone"):
        assert getattr(one, name).tolist() == getattr(several, name).tolist()
    assert border_lists(one) == border_lists(several)


def test_lists_of_borders_take_the_room_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = evidence_of(4, 35, 45)
    roomy = region_graph(evidence)
    monkeypatch.setattr(graph_module, "_FIRST_ROOM", 1)
    cramped = region_graph(evidence)
    assert border_lists(roomy) == border_lists(cramped)
    assert len(roomy.neighbour) == len(cramped.neighbour) > 100

"""Rows as runs: encoding, cutting, joining, and connected groups."""

from __future__ import annotations

import numpy as np
import pytest
from engine_scenes import dense, random_classes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ocsge.grid import Window
from ocsge.regions.graph import RegionGraph, region_graph
from ocsge.regions.labels import label_runs
from ocsge.regions.runs import Runs, joined, runs_of_strips, stacked, values_present

fixed = settings(max_examples=60, derandomize=True, deadline=None)
seeds = st.integers(0, 1_000_000)


def encoded(array: np.ndarray) -> Runs:
    return runs_of_strips([np.ascontiguousarray(array, dtype=np.uint8)], width=array.shape[1])


def same(a: Runs, b: Runs) -> bool:
    return a.width == b.width and all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in ("row_ptr", "start", "value")
    )


def random_array(seed: int, height: int, width: int) -> np.ndarray:
    return random_classes(np.random.default_rng(seed), height, width)


def test_row_becomes_its_runs():
    runs = encoded(np.array([[3, 3, 5, 5, 5], [7, 7, 7, 7, 7]]))
    assert runs.row_ptr.tolist() == [0, 2, 3]
    assert runs.start.tolist() == [0, 2, 0]
    assert runs.value.tolist() == [3, 5, 7]
    assert runs.height == 2


@pytest.mark.parametrize("width", [1, 15, 16, 17, 33, 64])
def test_encoding_is_undone_by_dense_whatever_the_width(width):
    rng = np.random.default_rng(width)
    for density in (0.02, 0.3, 1):
        array = (rng.random((20, width)) < density).astype(np.uint8) * rng.integers(0, 255, (20, width)).astype(
            np.uint8
        )
        assert np.array_equal(dense(encoded(array)), array)


@pytest.mark.parametrize("strip", [1, 64, 256, 1024])
def test_strip_height_does_not_change_the_runs(strip):
    array = random_array(1, 1100, 90)
    strips = [array[k : k + strip] for k in range(0, len(array), strip)]
    assert same(runs_of_strips(strips, width=90), encoded(array))


@fixed
@given(seeds, st.integers(1, 60), st.integers(1, 60), st.integers(1, 25), st.integers(-40, 40), st.integers(-40, 40))
def test_windows_that_tile_are_joined_into_the_whole(seed, height, width, side, row, col):
    array = random_array(seed, height, width)
    whole = Window(row=row, col=col, height=height, width=width)
    parts = [(w, encoded(array[w.row - row : w.bottom - row, w.col - col : w.right - col])) for w in whole.tiles(side)]
    assert same(joined(parts, window=whole), encoded(array))
    assert same(joined(parts[::-1], window=whole), encoded(array))


@fixed
@given(seeds, st.integers(1, 20), st.data())
def test_any_window_is_cut_from_any_tiling(seed, side, data):
    array = random_array(seed, 50, 40)
    whole = Window(row=7, col=-13, height=50, width=40)
    top, left = data.draw(st.integers(0, 49)), data.draw(st.integers(0, 39))
    part = Window(
        row=7 + top,
        col=-13 + left,
        height=data.draw(st.integers(1, 50 - top)),
        width=data.draw(st.integers(1, 40 - left)),
    )
    parts = [(w, encoded(array[w.row - 7 : w.bottom - 7, w.col + 13 : w.right + 13])) for w in whole.tiles(side)]
    expected = encoded(array[top : top + part.height, left : left + part.width])
    assert same(joined(parts, window=part), expected)


def test_runs_come_back_as_saved(tmp_path):
    runs = encoded(random_array(2, 30, 30))
    runs.save(tmp_path / "runs.arrays")
    assert same(Runs.load(tmp_path / "runs.arrays"), runs)


def test_bands_are_stacked_from_north_to_south():
    array = random_array(3, 40, 30)
    bands = [encoded(array[first:last]) for first, last in ((0, 1), (1, 25), (25, 40))]
    assert same(stacked(bands), encoded(array))
    assert stacked(bands[:1]) is bands[0]


def test_values_present_are_told_once_and_ascending():
    assert values_present(np.array([7, 0, 255, 7], dtype=np.uint8)).tolist() == [0, 7, 255]
    assert values_present(np.empty(0, dtype=np.uint8)).tolist() == []


@fixed
@given(seeds, st.integers(1, 50), st.integers(1, 50))
def test_groups_are_four_connected_and_numbered_by_their_first_pixel(seed, height, width):
    array = random_array(seed, height, width)
    runs = encoded(array)
    label, count = label_runs(runs.row_ptr, runs.start, runs.value, runs.width, 10)
    found = dense(Runs(row_ptr=runs.row_ptr, start=runs.start, value=label, width=width)).astype(np.int64)
    assert np.all((found == -1) == (array == 10))
    first = [int(np.flatnonzero(found.ravel() == g)[0]) for g in range(count)]
    assert first == sorted(first)
    expected = sum(ndimage.label(array == value)[1] for value in np.unique(array) if value != 10)
    assert count == expected
    for g in range(count):
        assert len(np.unique(array[found == g])) == 1
        assert ndimage.label(found == g)[1] == 1


def borders(array: np.ndarray) -> dict[tuple[int, int], int]:
    """Return shared pixel sides by ordered pair of values, by brute force."""
    out: dict[tuple[int, int], int] = {}
    for a, b in ((array[:, :-1], array[:, 1:]), (array[:-1], array[1:])):
        for p, q in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
            if p != q:
                out[p, q] = out.get((p, q), 0) + 1
                out[q, p] = out.get((q, p), 0) + 1
    return out


def border_lists(graph: RegionGraph) -> dict[tuple[int, int], int]:
    """Return shared pixel sides by ordered pair of regions, read from the lists; each list ends at its tail."""
    found: dict[tuple[int, int], int] = {}
    for g in range(len(graph.key)):
        entry, last = graph.head[g], -1
        while entry >= 0:
            pair = (g, int(graph.neighbour[entry]))
            found[pair] = found.get(pair, 0) + int(graph.length[entry])
            last = entry
            entry = graph.following[entry]
        assert last == graph.tail[g]
    return found


@fixed
@given(seeds)
def test_border_graph_holds_every_shared_side_once_from_each_end(seed):
    array = random_array(seed, 35, 45)
    runs = encoded(array)
    evidence = Runs(row_ptr=runs.row_ptr, start=runs.start, value=runs.value.astype(np.uint32), width=45)
    graph = region_graph(evidence)
    label = dense(Runs(row_ptr=runs.row_ptr, start=runs.start, value=graph.label, width=45)).astype(np.int64)
    assert border_lists(graph) == borders(label)
    assert graph.area.tolist() == np.bincount(label.ravel()).tolist()
    assert graph.key.tolist() == [
        int(array.ravel()[np.flatnonzero(label.ravel() == g)[0]]) for g in range(len(graph.key))
    ]

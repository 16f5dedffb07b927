"""Absorption of enclaves on a graph: hand-drawn cases, then random graphs against a brute-force oracle."""

from __future__ import annotations

import numpy as np
import pytest
from decree_oracle import decide
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsge.errors import DataError
from ocsge.thresholds import Absorption, Neighbours, absorb

ARTIF, NATURAL = True, False
THRESHOLD = 2500


def run(state, area, pairs, *, protected=(), at_edge=(), threshold=THRESHOLD) -> Absorption:
    count = len(state)
    adjacency = np.array([(i, j, 1) for i, j in pairs], dtype=np.int64).reshape(-1, 3)
    kept, edge = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    kept[list(protected)] = True
    edge[list(at_edge)] = True
    return absorb(
        np.array(state, dtype=bool),
        np.array(area, dtype=np.int64),
        Neighbours.of(adjacency, count=count),
        threshold_px=threshold,
        protected=kept,
        at_edge=edge,
    )


def ring(count: int) -> list[tuple[int, int]]:
    """Pairs that put row 0 in contact with every other row."""
    return [(0, other) for other in range(1, count)]


def test_small_natural_enclave_in_artificialised_land_becomes_artificialised():
    result = run([ARTIF, NATURAL], [9000, 2499], ring(2))
    assert result.state.tolist() == [ARTIF, ARTIF]
    assert result.group_px.tolist() == [11499, 2499]


def test_small_artificialised_enclave_in_natural_land_becomes_natural():
    assert run([NATURAL, ARTIF], [9000, 2499], ring(2)).state.tolist() == [NATURAL, NATURAL]


def test_protected_polygon_stays_artificialised_however_small():
    result = run([NATURAL, ARTIF], [9000, 60], ring(2), protected=[1])
    assert result.state.tolist() == [NATURAL, ARTIF]
    assert result.group_px.tolist() == [9000, 60]


def test_protection_does_not_keep_a_polygon_natural():
    assert run([ARTIF, NATURAL], [9000, 60], ring(2), protected=[1]).state.tolist() == [ARTIF, ARTIF]


@pytest.mark.parametrize("state", [ARTIF, NATURAL])
def test_group_of_exactly_the_threshold_is_kept(state):
    assert run([not state, state], [9000, THRESHOLD], ring(2)).state.tolist() == [not state, state]


def test_two_touching_polygons_of_one_state_count_as_one_group():
    result = run([NATURAL, ARTIF, ARTIF], [9000, 1300, 1200], [(0, 1), (0, 2), (1, 2)])
    assert result.state.tolist() == [NATURAL, ARTIF, ARTIF]
    assert result.group_px.tolist() == [9000, 2500, 2500]


def test_touching_by_a_point_does_not_make_one_group():
    """The same two polygons with a shared border of 0 pixel sides: two groups, both too small."""
    adjacency = np.array([(0, 1, 4), (0, 2, 4), (1, 2, 0)], dtype=np.int64)
    result = absorb(
        np.array([NATURAL, ARTIF, ARTIF]),
        np.array([9000, 1300, 1200]),
        Neighbours.of(adjacency, count=3),
        threshold_px=THRESHOLD,
        protected=np.zeros(3, dtype=bool),
        at_edge=np.zeros(3, dtype=bool),
    )
    assert result.state.tolist() == [NATURAL, NATURAL, NATURAL]


def test_courtyard_of_an_isolated_protected_building_changes_once_and_the_run_ends():
    """Field 0, building 1 (protected, 800), courtyard 2 (100): the courtyard joins the building for good."""
    result = run([NATURAL, ARTIF, NATURAL], [9000, 800, 100], [(0, 1), (1, 2)], protected=[1])
    assert result.state.tolist() == [NATURAL, ARTIF, ARTIF]
    assert result.group_px.tolist() == [9000, 900, 100]


def test_smallest_group_goes_first_and_a_polygon_changes_once_only():
    """Natural field 0, in it artificialised 1, in it natural 2, in it artificialised 3."""
    result = run([NATURAL, ARTIF, NATURAL, ARTIF], [9000, 2000, 1000, 600], [(0, 1), (1, 2), (2, 3)])
    # 600 joins 1000 (natural, 1600); of that group 1000 joins 2000 and the 600, already changed, stays
    assert result.group_px[3] == 600
    assert result.group_px[2] == 1600
    assert result.state.tolist() == [NATURAL, ARTIF, ARTIF, NATURAL]


def test_equal_areas_are_decided_by_the_smallest_row():
    """Rows 2 and 3 are equal enclaves side by side: row 2 goes first and carries row 3 to 2 000."""
    pairs = [(0, 2), (2, 3), (3, 1)]
    result = run([NATURAL, ARTIF, ARTIF, NATURAL], [9000, 9000, 1000, 1000], pairs)
    assert result.state.tolist() == [NATURAL, ARTIF, NATURAL, NATURAL]


def test_protected_members_stay_when_the_rest_of_their_group_changes():
    """Two houses and their garden, 420 in all, in a field: the garden goes, each house stays by itself."""
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3)]
    result = run([NATURAL, ARTIF, ARTIF, ARTIF], [9000, 60, 300, 60], pairs, protected=[1, 3])
    assert result.state.tolist() == [NATURAL, ARTIF, NATURAL, ARTIF]
    assert result.group_px.tolist() == [9300, 60, 420, 60]


def test_group_that_nothing_surrounds_is_no_enclave():
    assert run([ARTIF, ARTIF], [100, 100], [(0, 1)]).state.tolist() == [ARTIF, ARTIF]
    assert run([ARTIF, NATURAL], [100, 100], []).state.tolist() == [ARTIF, NATURAL]


def test_small_groups_cut_by_the_edge_are_decided_and_reported_undetermined():
    pairs = [(0, 1), (0, 2), (0, 3)]
    areas = [9000, 500, 500, 60]
    result = run([NATURAL, ARTIF, ARTIF, ARTIF], areas, pairs, protected=[3], at_edge=[0, 1, 3])
    assert result.state.tolist() == [NATURAL, NATURAL, NATURAL, ARTIF]
    assert result.undetermined.tolist() == [False, True, False, True]


def test_inputs_are_left_as_they_were():
    state = np.array([ARTIF, NATURAL])
    area = np.array([9000, 10])
    absorb(
        state,
        area,
        Neighbours.of(np.array([[0, 1, 1]]), count=2),
        threshold_px=THRESHOLD,
        protected=np.zeros(2, dtype=bool),
        at_edge=np.zeros(2, dtype=bool),
    )
    assert state.tolist() == [ARTIF, NATURAL]
    assert area.tolist() == [9000, 10]


def test_no_polygon_at_all_is_a_result_without_rows():
    assert run([], [], []).state.shape == (0,)


def test_neighbours_are_listed_from_both_sides():
    neighbours = Neighbours.of(np.array([[0, 1, 3], [1, 2, 2]]), count=4)
    assert neighbours.offsets.tolist() == [0, 1, 3, 4, 4]
    assert [sorted(neighbours.rows[a:b].tolist()) for a, b in [(0, 1), (1, 3), (3, 4)]] == [[1], [0, 2], [1]]
    assert neighbours.touches(np.array([True, False, False, False])).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("adjacency", "words"),
    [
        (np.array([[0, 1]]), "shape"),
        (np.array([[0, 5, 1]]), "rows 0 to 2"),
        (np.array([[-1, 1, 1]]), "rows 0 to 2"),
        (np.array([[1, 1, 1]]), "rows 0 to 2"),
    ],
)
def test_adjacency_that_names_no_pair_of_rows_is_refused(adjacency, words):
    with pytest.raises(DataError, match=words):
        Neighbours.of(adjacency, count=3)


@st.composite
def partitions(draw):
    """Draw a graph of up to 14 polygons whose areas straddle the threshold, with equal areas on purpose."""
    count = draw(st.integers(1, 14))
    state = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    sizes = st.sampled_from([1, 2, 3, 4, 5, 9, 10, 11, 30])
    area = draw(st.lists(sizes, min_size=count, max_size=count))
    every = [(i, j) for i in range(count) for j in range(i + 1, count)]
    pairs = draw(st.lists(st.sampled_from(every), unique=True, max_size=26)) if every else []
    protected = draw(st.sets(st.integers(0, count - 1), max_size=5))
    return state, area, pairs, protected


@settings(max_examples=400, deadline=None)
@given(partitions())
def test_random_partitions_end_as_the_brute_force_oracle_says(partition):
    state, area, pairs, protected = partition
    expected = decide(state, area, pairs, threshold=10, protected=protected)
    result = run(state, area, pairs, protected=protected, threshold=10)
    assert dict(enumerate(result.state.tolist())) == expected.state
    assert result.group_px.tolist() == [expected.group_area(row) for row in range(len(state))]


@settings(max_examples=150, deadline=None)
@given(partitions())
def test_protected_polygons_never_lose_artificialisation(partition):
    state, area, pairs, protected = partition
    result = run(state, area, pairs, protected=protected, threshold=10)
    assert all(result.state[row] for row in protected if state[row])


@settings(max_examples=150, deadline=None)
@given(partitions(), st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter_when_no_two_groups_have_one_area(partition, random):
    """Areas that are distinct powers of two: no two groups are equal, so nothing is decided by the row."""
    state, _, pairs, protected = partition
    count = len(state)
    area = [2**row for row in range(count)]
    place = list(range(count))
    random.shuffle(place)
    result = run(state, area, pairs, protected=protected, threshold=2**9)
    moved_state, moved_area = [False] * count, [0] * count
    for row in range(count):
        moved_state[place[row]], moved_area[place[row]] = state[row], area[row]
    moved = run(
        moved_state,
        moved_area,
        [(place[i], place[j]) for i, j in pairs],
        protected=[place[row] for row in protected],
        threshold=2**9,
    )
    assert [moved.state[place[row]] for row in range(count)] == result.state.tolist()


def test_large_random_mosaic_matches_the_groups_found_by_walking():
    """A 40 × 40 mosaic: enough merging and splitting for a stale heap entry to show."""
    side = 40
    random = np.random.default_rng(7)
    rows = np.arange(side * side).reshape(side, side)
    pairs = [*zip(rows[:, :-1].ravel(), rows[:, 1:].ravel(), strict=True)]
    pairs += [*zip(rows[:-1].ravel(), rows[1:].ravel(), strict=True)]
    state = random.random(side * side) < 0.5
    area = random.integers(1, 6, side * side)
    protected = np.flatnonzero(random.random(side * side) < 0.1)
    result = run(state, area, pairs, protected=protected, threshold=9)
    expected = decide(state, area, pairs, threshold=9, protected=protected.tolist())
    assert result.state.tolist() == [expected.state[row] for row in range(side * side)]
    assert result.state.tolist() != state.tolist()

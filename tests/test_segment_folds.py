"""Patches split by location: a location is on one side, and neighbours are never on two."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ocsge.errors import DataError, ParameterError
from ocsge.segment.folds import Place, locations, split, spread_over_folds

SIDE = 100.0


def at(column: float, row: float = 0, *, crs: str = "EPSG:2154") -> Place:
    """Return a patch of 100 m in a row of such patches."""
    x, y = column * SIDE, row * SIDE
    return Place(bounds=(x, y, x + SIDE, y + SIDE), crs=crs)


def touching(one: Place, other: Place, *, gap_m: float) -> bool:
    assert one.bounds is not None
    assert other.bounds is not None
    across = max(one.bounds[0], other.bounds[0]) - min(one.bounds[2], other.bounds[2])
    along = max(one.bounds[1], other.bounds[1]) - min(one.bounds[3], other.bounds[3])
    return max(across, along) <= gap_m


def test_patches_of_a_domain_are_one_location_wherever_they_lie() -> None:
    places = [Place(domain=domain) for domain in ("D012_2019", "D064_2021", "D012_2019")]
    assert locations(places).tolist() == [0, 1, 0]


def test_the_same_ground_in_two_years_is_one_location() -> None:
    def of(domain: str, column: float, crs: str = "EPSG:2154") -> Place:
        return replace(at(column, crs=crs), domain=domain)

    places = [of("D012_2019", 0), of("D012_2019", 90), of("D012_2022", 0), of("D064_2021", 50), of("D081_2022", 91)]
    assert locations(places).tolist() == [0, 0, 0, 1, 0]
    assert locations([of("D012_2019", 0), of("D012_2022", 3)], gap_m=150).tolist() == [0, 1]
    assert locations([of("D974_2022", 0, crs="EPSG:2975"), of("D012_2022", 0)]).tolist() == [0, 1]
    for fold in split([of(f"D0{c}_{y}", 20 * c) for c in range(3) for y in (2019, 2022)], one_class(6), folds=3):
        assert {i // 2 for i in fold.test}.isdisjoint(i // 2 for i in (*fold.training, *fold.validation))


def test_patches_nearer_than_the_gap_are_one_location_and_so_are_the_neighbours_of_neighbours() -> None:
    places = [at(0), at(2), at(4), at(20)]
    assert locations(places, gap_m=150).tolist() == [0, 0, 0, 1]
    assert locations(places, gap_m=50).tolist() == [0, 1, 2, 3]


def test_a_location_that_covers_everything_can_be_cut_into_blocks() -> None:
    found = locations([at(column, row) for column in range(4) for row in range(2)], block_m=200)
    assert found.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_blocks_have_a_positive_side() -> None:
    with pytest.raises(ParameterError, match="positive side"):
        locations([at(0)], block_m=0)


def test_patches_that_say_nothing_of_where_they_lie_cannot_be_split() -> None:
    with pytest.raises(DataError, match="give the validation set apart"):
        locations([Place(), at(1)])


def test_patches_in_two_systems_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="several CRS"):
        locations([at(0), at(1, crs="EPSG:2975")])


def one_class(count: int) -> np.ndarray:
    return np.full((count, 1), 100)


def test_every_patch_judges_once_and_never_in_a_fold_it_teaches() -> None:
    places = [at(5 * column) for column in range(12)]
    folds = split(places, one_class(12), folds=4, gap_m=50)
    assert sorted(itertools.chain.from_iterable(fold.test for fold in folds)) == list(range(12))
    for fold in folds:
        sides = (*fold.training, *fold.validation, *fold.test)
        assert sorted(sides) == list(range(12))
        assert fold.left_out == ()


def test_no_patch_both_stops_a_training_and_judges_it() -> None:
    folds = split([at(5 * column) for column in range(9)], one_class(9), folds=3, gap_m=50)
    for fold, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        assert set(fold.validation) == set(following.test)
        assert not set(fold.validation) & set(fold.test)


def test_neighbours_are_on_one_side() -> None:
    rng = np.random.default_rng(0)
    places = [at(*rng.uniform(0, 60, 2)) for _ in range(80)]
    for fold in split(places, one_class(80), folds=3, gap_m=200):
        for one, other in itertools.permutations((fold.training, fold.validation, fold.test), 2):
            assert not any(touching(places[i], places[j], gap_m=100) for i in one for j in other)


def test_between_blocks_the_patches_that_touch_are_left_out_of_the_teaching_side() -> None:
    places = [at(column, row) for column in range(24) for row in range(4)]
    folds = split(places, one_class(len(places)), folds=3, block_m=400, gap_m=10)
    assert sorted(itertools.chain.from_iterable(fold.test for fold in folds)) == list(range(len(places)))
    for fold in folds:
        assert fold.left_out
        assert sorted((*fold.training, *fold.validation, *fold.test, *fold.left_out)) == list(range(len(places)))
        for one, other in itertools.permutations((fold.training, fold.validation, fold.test), 2):
            assert not any(touching(places[i], places[j], gap_m=10) for i in one for j in other)


def test_every_fold_holds_some_of_a_rare_class() -> None:
    pixels = np.full((30, 2), 100)
    pixels[:, 1] = 0
    pixels[[3, 4, 5], 1] = 100
    fold_of = spread_over_folds(np.arange(30), pixels, folds=3)
    assert {fold_of[i] for i in (3, 4, 5)} == {0, 1, 2}


def test_folds_are_of_about_one_size() -> None:
    location = np.repeat(np.arange(7), [30, 10, 10, 10, 10, 10, 10])
    fold_of = np.array(spread_over_folds(location, one_class(90), folds=3))[location]
    assert np.bincount(fold_of).tolist() == [30, 30, 30]


def test_the_seed_decides_and_nothing_else() -> None:
    places = [at(5 * column) for column in range(12)]
    one, again, other = (split(places, one_class(12), folds=3, gap_m=50, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_fewer_locations_than_folds_are_refused_with_what_to_do() -> None:
    with pytest.raises(ParameterError, match=r"1 locations for 3 folds.*--block"):
        split([at(0), at(1)], one_class(2), folds=3)


def test_two_folds_cannot_teach_choose_and_judge() -> None:
    with pytest.raises(ParameterError, match="at least 3"):
        split([at(0), at(9)], one_class(2), folds=2)

"""Error-adjusted areas and their intervals: the published example, groups, degenerate samples, stock and flow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsge.errors import DataError, ParameterError
from ocsge.products.confusion import Confusion, Level
from ocsge.uncertainty import (
    NO_CHECK,
    NO_MATRIX,
    ChangeCheck,
    Estimate,
    class_estimates,
    group_estimates,
    net_flow_estimate,
    share_estimate,
    stock_estimate,
)

CUT, GROWN, FOREST, OTHER = 1, 2, 3, 4
PIXEL_HA = 30 * 30 / 10_000
PUBLISHED_AREAS = {
    CUT: 200_000 * PIXEL_HA,
    GROWN: 150_000 * PIXEL_HA,
    FOREST: 3_200_000 * PIXEL_HA,
    OTHER: 6_450_000 * PIXEL_HA,
}


def matrix(*rows: tuple[int, ...], design_effect: float = 1.0) -> Confusion:
    classes = tuple(range(1, len(rows) + 1))
    return Confusion("x", classes, np.array(rows, dtype=np.int64), "a test", design_effect=design_effect)


PUBLISHED = matrix((66, 0, 5, 4), (0, 55, 8, 12), (1, 0, 153, 11), (2, 1, 9, 313))
"""Worked example of Olofsson et al. (2014): deforestation, forest gain, stable forest, stable non-forest."""


@pytest.mark.parametrize(
    ("number", "area_ha", "half_ha"),
    [(CUT, 21_158, 6_158), (GROWN, 11_686, 3_756), (FOREST, 285_770, 15_510), (OTHER, 581_386, 16_282)],
)
def test_the_published_example_is_found_again_to_the_hectare(number: int, area_ha: int, half_ha: int) -> None:
    found = class_estimates(PUBLISHED_AREAS, PUBLISHED)[number]
    assert found.adjusted is not None
    assert found.ci95 is not None
    assert round(found.adjusted) == area_ha
    assert round(found.ci95) == half_ha
    assert found.reason == ""


def test_adjusted_areas_sum_to_the_mapped_ones() -> None:
    found = class_estimates(PUBLISHED_AREAS, PUBLISHED)
    assert sum(e.adjusted or 0 for e in found.values()) == pytest.approx(900_000)


def test_errors_within_a_group_cost_nothing() -> None:
    # 1 and 2 are only ever taken for one another
    found = group_estimates({1: 60.0, 2: 40.0}, matrix((5, 5), (3, 7)), groups={1: "town", 2: "town"})
    assert found == {"town": Estimate(adjusted=100.0, ci95=0.0)}


def test_the_interval_of_a_group_comes_from_the_matrix_aggregated_first() -> None:
    groups = {CUT: "change", GROWN: "change", FOREST: "stable", OTHER: "stable"}
    change = group_estimates(PUBLISHED_AREAS, PUBLISHED, groups=groups)["change"]
    # by hand: columns 1 and 2 added up, rows as they were sampled
    wrong = [66 / 75, 55 / 75, 1 / 165, 3 / 325]
    variance = sum(
        area**2 * p * (1 - p) / (n - 1)
        for area, p, n in zip(PUBLISHED_AREAS.values(), wrong, (75, 75, 165, 325), strict=True)
    )
    assert change.ci95 == pytest.approx(1.96 * variance**0.5)
    classes = class_estimates(PUBLISHED_AREAS, PUBLISHED)
    assert change.adjusted == pytest.approx((classes[CUT].adjusted or 0) + (classes[GROWN].adjusted or 0))
    assert change.ci95 != pytest.approx((classes[CUT].ci95 or 0) + (classes[GROWN].ci95 or 0), rel=0.01)


def test_two_complementary_groups_have_the_same_interval() -> None:
    groups = {CUT: "change", GROWN: "change", FOREST: "stable", OTHER: "stable"}
    found = group_estimates(PUBLISHED_AREAS, PUBLISHED, groups=groups)
    assert found["change"].ci95 == pytest.approx(found["stable"].ci95)


def test_a_class_without_group_is_refused() -> None:
    with pytest.raises(DataError, match=r"classes \[2\] belong to no group"):
        group_estimates({1: 1.0}, matrix((5, 0), (0, 5)), groups={1: "town"})


def test_without_a_matrix_there_is_no_interval_and_the_reason() -> None:
    found = class_estimates({1: 5.0}, None)
    assert found == {1: Estimate(reason=NO_MATRIX)}
    assert found[1].bounds is None
    assert stock_estimate({1: 5.0}, {1: 5.0}, None).reason == NO_MATRIX


def test_a_mapped_class_with_a_single_sample_gives_no_interval_and_is_named() -> None:
    found = class_estimates({1: 5.0, 2: 5.0, 3: 1.0}, matrix((9, 1, 0), (1, 0, 0), (0, 0, 0)))
    assert {e.reason for e in found.values()} == {"too few samples: class 2 (1 of 2), class 3 (0 of 2)"}
    assert {e.adjusted for e in found.values()} == {None}


def test_a_poorly_sampled_class_matters_only_where_it_is_mapped() -> None:
    found = class_estimates({1: 5.0, 2: 0.0}, matrix((9, 1), (1, 0)))
    assert found[1].adjusted == pytest.approx(4.5)
    assert found[2].adjusted == pytest.approx(0.5)


def test_a_mapped_class_that_the_matrix_does_not_know_gives_no_interval_and_is_named() -> None:
    found = class_estimates({1: 5.0, 7: 5.0}, matrix((9, 1), (1, 9)))
    assert found[1].reason == "mapped classes 7 are not in the confusion matrix"
    assert class_estimates({1: 5.0, 7: 0.0}, matrix((9, 1), (1, 9)))[1].reason == ""


def test_a_design_effect_of_four_doubles_the_interval() -> None:
    rows = (9, 1), (1, 9)
    once = class_estimates({1: 5.0, 2: 5.0}, matrix(*rows))[1]
    four = class_estimates({1: 5.0, 2: 5.0}, matrix(*rows, design_effect=4))[1]
    assert four.adjusted == once.adjusted
    assert four.ci95 == pytest.approx(2 * (once.ci95 or 0))


def test_ground_without_any_area_has_nothing_to_estimate() -> None:
    assert class_estimates({}, matrix((9, 1), (1, 9)))[1] == Estimate(adjusted=0.0, ci95=0.0)


def test_the_interval_holds_the_truth_nineteen_times_out_of_twenty() -> None:
    # 1,000 ha mapped in three classes of known accuracy, sampled 2,000 times
    areas = {1: 150.0, 2: 250.0, 3: 600.0}
    rates = np.array([[0.80, 0.15, 0.05], [0.10, 0.80, 0.10], [0.05, 0.05, 0.90]])
    truth = sum(area * rates[number - 1, 0] for number, area in areas.items())
    random = np.random.default_rng(7)
    held = 0
    for _ in range(2000):
        counts = np.array([random.multinomial(100, row) for row in rates])
        low, high = class_estimates(areas, Confusion("x", (1, 2, 3), counts, "simulated"))[1].bounds or (0, 0)
        held += low <= truth <= high
    assert 0.93 <= held / 2000 <= 0.97


@st.composite
def sampled_maps(draw: st.DrawFn) -> tuple[dict[int, float], Confusion]:
    size = draw(st.integers(1, 5))
    cells = st.lists(st.integers(0, 40), min_size=size, max_size=size)
    rows = [[count + 2 * (i == j) for j, count in enumerate(draw(cells))] for i in range(size)]
    areas = {number: draw(st.floats(0, 1e6)) for number in range(1, size + 1)}
    return areas, matrix(*map(tuple, rows))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(sampled_maps())
def test_areas_are_conserved_and_scale_with_the_unit(drawn: tuple[dict[int, float], Confusion]) -> None:
    areas, confusion = drawn
    found = class_estimates(areas, confusion)
    in_ha = class_estimates({number: area / 10_000 for number, area in areas.items()}, confusion)
    assert sum(e.adjusted or 0 for e in found.values()) == pytest.approx(sum(areas.values()))
    for number, estimate in found.items():
        assert (estimate.adjusted or 0) >= 0
        assert (estimate.ci95 or 0) >= 0
        assert in_ha[number].ci95 == pytest.approx((estimate.ci95 or 0) / 10_000)


def test_a_share_of_one_half_counts_half_the_class() -> None:
    certain = matrix((10, 0), (0, 10))
    assert share_estimate({1: 8.0, 2: 2.0}, certain, shares={1: 0.5, 2: 1.0}) == Estimate(adjusted=6.0, ci95=0.0)


def test_the_stock_counts_a_confusion_only_when_it_changes_the_state() -> None:
    # 10 of 100 samples mapped built (1) are lawn (2)
    confusion = matrix((90, 10), (0, 100))
    areas = {1: 50.0, 2: 50.0}
    garden = stock_estimate(areas, {1: 50.0, 2: 50.0}, confusion)
    field = stock_estimate(areas, {1: 50.0, 2: 0.0}, confusion)
    assert garden == Estimate(adjusted=100.0, ci95=0.0)
    assert field.adjusted == pytest.approx(45.0)
    assert field.ci95 == pytest.approx(1.96 * 50 * (0.9 * 0.1 / 99) ** 0.5)


def test_a_state_aggregated_by_whole_classes_is_the_estimate_of_the_group() -> None:
    artificialised = {CUT: PUBLISHED_AREAS[CUT], GROWN: PUBLISHED_AREAS[GROWN], FOREST: 0.0, OTHER: 0.0}
    groups = {CUT: True, GROWN: True, FOREST: False, OTHER: False}
    stock = stock_estimate(PUBLISHED_AREAS, artificialised, PUBLISHED)
    group = group_estimates(PUBLISHED_AREAS, PUBLISHED, groups=groups)[True]
    assert stock.adjusted == pytest.approx(group.adjusted)
    assert stock.ci95 == pytest.approx(group.ci95)


def test_a_class_the_commune_does_not_hold_counts_by_the_share_of_the_commune() -> None:
    # nothing is mapped 3, a tenth of what is mapped 1 is 3; a quarter of the commune is artificialised
    confusion = matrix((9, 0, 1), (0, 10, 0), (0, 0, 10))
    found = stock_estimate({1: 10.0, 2: 30.0}, {1: 10.0, 2: 0.0}, confusion)
    assert found.adjusted == pytest.approx(9 + 1 * 0.25)


def test_more_artificialised_than_there_is_of_a_class_is_refused() -> None:
    with pytest.raises(DataError, match="class 1: 6 artificialised of 5 mapped"):
        stock_estimate({1: 5.0}, {1: 6.0}, matrix((9, 1), (1, 9)))
    with pytest.raises(DataError, match="class 2: 1 artificialised of 0 mapped"):
        stock_estimate({1: 5.0}, {2: 1.0}, matrix((9, 1), (1, 9)))


def test_only_changed_ground_carries_the_error_of_a_flow() -> None:
    found = net_flow_estimate(20.0, 5.0, ChangeCheck(50, 5, 40, 8))
    assert found.adjusted == pytest.approx(20 * 0.9 - 5 * 0.8)
    variance = 20**2 * 0.9 * 0.1 / 49 + 5**2 * 0.8 * 0.2 / 39
    assert found.ci95 == pytest.approx(1.96 * variance**0.5)


def test_a_commune_without_change_has_a_flow_of_zero_whatever_was_checked() -> None:
    assert net_flow_estimate(0.0, 0.0, ChangeCheck(0, 0, 0, 0)) == Estimate(adjusted=0.0, ci95=0.0)


def test_a_flow_without_checked_change_has_no_interval_and_the_reason() -> None:
    assert net_flow_estimate(20.0, 5.0, None) == Estimate(reason=NO_CHECK)
    assert net_flow_estimate(20.0, 5.0, ChangeCheck(50, 5, 1, 0)).reason == "too few samples: loss (1 of 2)"


def test_a_negative_area_of_change_or_an_impossible_check_is_refused() -> None:
    with pytest.raises(ParameterError, match="loss is not written negative"):
        net_flow_estimate(20.0, -5.0, None)
    with pytest.raises(ParameterError, match="6 false gain of 5 samples"):
        ChangeCheck(5, 6, 0, 0)


TOWN, LAWN = 1, 2
LEVELS = (Level(LAWN, 0, np.array([20, 30])), Level(LAWN, 200, np.array([0, 50])))
"""Of lawns mapped without confidence two in five are town; of those that the model was sure of, none."""
TOLD = Confusion("x", (TOWN, LAWN), np.array([[100, 0], [20, 80]]), "test", levels=LEVELS)


@pytest.mark.parametrize(("unsure", "sure"), [(150.0, 50.0), (20.0, 180.0), (0.0, 200.0)])
def test_unsure_ground_is_given_the_errors_of_unsure_ground(unsure: float, sure: float):
    areas, by_level = {TOWN: 100.0, LAWN: 200.0}, {TOWN: (100.0,), LAWN: (unsure, sure)}
    found = class_estimates(areas, TOLD, by_level=by_level)
    # 100 m² of town, and two fifths of the unsure lawns; only they err, with p = 0.4 of 50 samples
    assert found[TOWN].adjusted == pytest.approx(100 + 0.4 * unsure)
    assert found[LAWN].adjusted == pytest.approx(200 - 0.4 * unsure)
    assert found[TOWN].ci95 == pytest.approx(1.96 * unsure * np.sqrt(0.4 * 0.6 / 49))
    # the class taken together says a fifth of all lawns, whatever the confidence of the map
    whole = class_estimates(areas, TOLD)[TOWN]
    assert whole.adjusted == pytest.approx(140.0)
    assert whole.ci95 == pytest.approx(1.96 * 200 * np.sqrt(0.2 * 0.8 / 99))


def test_levels_that_err_alike_adjust_as_the_class_does():
    alike = (Level(LAWN, 0, np.array([10, 40])), Level(LAWN, 128, np.array([10, 40])))
    confusion = Confusion("x", (TOWN, LAWN), TOLD.counts, "test", levels=alike)
    areas = {TOWN: 7.0, LAWN: 90.0}
    told = class_estimates(areas, confusion, by_level={TOWN: (7.0,), LAWN: (60.0, 30.0)})
    whole = class_estimates(areas, confusion)
    assert [one.adjusted for one in told.values()] == [one.adjusted for one in whole.values()]


def test_a_map_as_sure_as_its_samples_is_adjusted_as_by_class():
    areas = {TOWN: 0.0, LAWN: 80.0}  # half unsure, half sure, as the samples are
    told = class_estimates(areas, TOLD, by_level={LAWN: (40.0, 40.0)})[TOWN]
    whole = class_estimates(areas, TOLD)[TOWN]
    assert told.adjusted == whole.adjusted == pytest.approx(16.0)
    assert (told.ci95 or 0) < (whole.ci95 or 0)  # what lies between the levels is no error any more


def test_the_stock_is_adjusted_by_level_too():
    areas, artificialised = {TOWN: 100.0, LAWN: 200.0}, {TOWN: 100.0, LAWN: 50.0}
    found = stock_estimate(areas, artificialised, TOLD, by_level={TOWN: (100.0,), LAWN: (150.0, 50.0)})
    # 160 m² of town, all of it artificialised, and 140 m² of lawns, a quarter of them
    assert found.adjusted == pytest.approx(160 + 35)


def test_a_level_without_samples_enough_is_named():
    few = (Level(LAWN, 0, np.array([1, 0])), Level(LAWN, 200, np.array([19, 80])))
    confusion = Confusion("x", (TOWN, LAWN), TOLD.counts, "test", levels=few)
    found = class_estimates({LAWN: 3.0}, confusion, by_level={LAWN: (1.0, 2.0)})[LAWN]
    assert found.reason == "too few samples: class 2 from probability 0 (1 of 2)"


def test_areas_of_more_levels_than_the_samples_have_are_refused():
    with pytest.raises(DataError, match="class 1: areas of 2 levels, samples of 1"):
        class_estimates({TOWN: 3.0}, TOLD, by_level={TOWN: (1.0, 2.0)})

"""Built ground: closing, groups, specks that dissolve, lone houses that grow to 200 m²."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from engine_oracle import closed as closed_by_scipy
from engine_scenes import BUILT, MINIMUM, Scene, dense, derived, labels, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from shapely.affinity import rotate

from ocsge.grid import Grid, Window
from ocsge.regions.built import BuiltAggregation, as_intervals
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.windows import EngineRules, built_ground
from ocsge.regions.zone import ZoneConstruite

GRID = Grid(epsg=2154, pixels_per_m=5)
WINDOW = Window(row=-31_800_000, col=3_300_000, height=400, width=500)
X0, Y1 = WINDOW.col / 5, -WINDOW.row / 5
AGGREGATION = BuiltAggregation(gap_px=5, growth_limit_px=50, evidence_px=1250, minimum_px=5000)
"""1 m half gap, 10 m of growth, 50 m² and 200 m², in pixels of 0.2 m."""
FIELDS = replace(MINIMUM, built_px=5000, built_evidence_px=1250, zone_px=12_500, elsewhere_px=62_500)
ROAD = 1


def house(x: float, y: float, area_m2: float, *, ratio: float = 1.4, angle: float = 0.0) -> shapely.Polygon:
    """Return a rectangle of an area, its centre ``x`` metres right and ``y`` metres down of the window's corner."""
    w = (area_m2 * ratio) ** 0.5
    h = area_m2 / w
    return rotate(shapely.box(X0 + x - w / 2, Y1 - y - h / 2, X0 + x + w / 2, Y1 - y + h / 2), angle)


def painted(geometries: list[shapely.Polygon], channel: Channel, value: int = 1) -> Shapes:
    return Shapes.from_geometries(
        np.array(geometries, dtype=object), channel=channel, values=np.full(len(geometries), value)
    )


def scene(houses: list[shapely.Polygon], *, roads: list[shapely.Polygon] | None = None) -> Scene:
    domain = shapely.box(*GRID.bounds_of(WINDOW))
    shapes = Shapes.concatenated(
        [
            painted([domain], Channel.DOMAIN),
            painted(houses, Channel.BUILT),
            painted(roads or [], Channel.COVER, ROAD),
        ]
    )
    return Scene(
        grid=GRID,
        window=WINDOW,
        classes=None,
        shapes=shapes,
        engine=EngineRules(tables=tables(has_raster=False), aggregation=AGGREGATION, minimum=FIELDS),
        zone=ZoneConstruite(dilation_m=25, erosion_m=15, minimum_area_m2=2500, minimum_hole_m2=2500),
    )


def built(what: Scene, *, window: Window = WINDOW, core: Window | None = None) -> np.ndarray:
    runs = built_ground(None, what.shapes, grid=GRID, window=window, core=core or window, engine=what.engine)
    return dense(runs) == 1


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.floats(52, 198), st.floats(0, 90), st.floats(1, 3))
def test_isolated_house_of_50_to_200_m2_survives_as_200_m2(area, angle, ratio):
    what = scene([house(50, 40, area, angle=angle, ratio=ratio)])
    assert built(what).sum() * GRID.pixel_area_m2 == pytest.approx(200, rel=0.01)
    pieces = derived(what).pieces
    kept = pieces.area_px[pieces.key & 15 == BUILT]
    assert len(kept) == 1
    assert kept[0] * GRID.pixel_area_m2 == pytest.approx(200, rel=0.01)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(st.floats(5, 48), st.floats(0, 90))
def test_isolated_house_below_50_m2_dissolves(area, angle):
    what = scene([house(50, 40, area, angle=angle)])
    assert not built(what).any()
    assert np.all(derived(what).pieces.key & 15 != BUILT)


def test_house_of_200_m2_and_more_stays_as_it_is():
    what = scene([house(50, 40, 260, ratio=260 / 13**2)])
    assert built(what).sum() == 260 * 25


def test_growth_surrounds_the_house_evenly():
    ground = built(scene([house(50, 40, 100, ratio=1)]))
    rows, cols = np.flatnonzero(ground.any(axis=1)), np.flatnonzero(ground.any(axis=0))
    assert rows[0] + rows[-1] == pytest.approx(2 * 200, abs=3)
    assert cols[0] + cols[-1] == pytest.approx(2 * 250, abs=3)
    assert abs(len(rows) - len(cols)) <= 2
    assert ndimage.label(ground)[1] == 1


def test_house_hemmed_in_by_roads_is_kept_below_200_m2():
    frame = house(50, 40, 400, ratio=1).difference(house(50, 40, 121, ratio=1))
    what = scene([house(50, 40, 81, ratio=1)], roads=[frame])
    assert built(what).sum() * GRID.pixel_area_m2 == pytest.approx(121, rel=0.01)
    pieces = derived(what).pieces
    assert pieces.area_px[pieces.key & 15 == BUILT].tolist() == [121 * 25]


def test_growth_stops_at_its_limit():
    limited = scene([house(50, 40, 100, ratio=1)])
    engine = replace(limited.engine, aggregation=replace(AGGREGATION, growth_limit_px=3))
    ground = built(replace(limited, engine=engine))
    away = ndimage.distance_transform_cdt(~built(scene([house(50, 40, 210, ratio=1)])), metric="chessboard")
    assert 2500 < ground.sum() < 5000
    rows = np.flatnonzero(ground.any(axis=1))
    assert len(rows) == 50 + 2 * 3
    assert away[ground].max() <= 3


def test_gap_of_less_than_two_metres_is_closed():
    pair = [house(45, 40, 64, ratio=1), house(54.6, 40, 64, ratio=1)]
    ground = built(scene(pair))
    assert ndimage.label(ground)[1] == 1
    assert ground[200, 250]


def test_wider_gap_is_left_open():
    pair = [house(40, 40, 225, ratio=1), house(57.4, 40, 225, ratio=1)]
    ground = built(scene(pair))
    assert ndimage.label(ground)[1] == 2
    assert ground.sum() == 2 * 225 * 25


def test_specks_close_together_count_as_one_group():
    four = [house(45 + 5 * k, 40, 16, ratio=1) for k in range(4)]
    assert built(scene(four)).sum() == 5000


def test_gap_is_never_closed_across_the_ossature():
    pair = [house(44, 40, 100, ratio=1), house(55, 40, 100, ratio=1)]
    lane = shapely.box(X0 + 49.2, Y1 - 80, X0 + 49.8, Y1)
    ground = built(scene(pair, roads=[lane]))
    assert not ground[:, 246:249].any()
    assert ndimage.label(ground)[1] == 2


def test_two_houses_that_grow_towards_each_other_become_one():
    pair = [house(44, 40, 100, ratio=1), house(57, 40, 100, ratio=1)]
    ground = built(scene(pair))
    assert ndimage.label(ground)[1] == 1
    assert 2 * 2500 < ground.sum() <= 2 * 5000


def test_building_on_the_ossature_or_outside_the_domain_is_no_evidence():
    bridge = house(50, 40, 300)
    assert not built(scene([bridge], roads=[bridge.buffer(1)])).any()
    beyond = scene([house(-40, 40, 300)])
    assert not built(beyond).any()


def test_class_raster_and_footprints_are_evidence_together():
    what = scene([house(40, 40, 225, ratio=1)])
    classes = np.full((WINDOW.height, WINDOW.width), 10, np.uint8)
    classes[100:180, 300:380] = 1
    engine = replace(what.engine, tables=tables(has_raster=True))
    ground = derived(replace(what, classes=classes, engine=engine)).built
    assert (dense(ground) == 1).sum() == 225 * 25 + 80 * 80


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(0.02, 0.5))
def test_closing_is_the_square_closing_of_scipy(seed, gap, density):
    evidence = np.random.default_rng(seed).random((50, 61)) < density
    window = Window(row=0, col=0, height=50, width=61)
    domain = shapely.box(*Grid(2154, 1).bounds_of(window))
    what = scene([])
    engine = replace(
        what.engine,
        tables=tables(has_raster=True),
        aggregation=BuiltAggregation(gap_px=gap, growth_limit_px=0, evidence_px=1, minimum_px=1),
    )
    small = replace(
        what,
        grid=Grid(2154, 1),
        window=window,
        classes=np.where(evidence, 1, 10).astype(np.uint8),
        shapes=painted([domain], Channel.DOMAIN),
        engine=engine,
    )
    assert np.array_equal(dense(derived(small).built) == 1, closed_by_scipy(evidence, gap))


def test_window_with_a_halo_sees_the_built_ground_of_the_whole():
    houses = [house(x, y, 55 + x, angle=x) for x in (8, 30, 50, 72, 92) for y in (9, 33, 52, 73)]
    what = scene(houses)
    whole = built(what)
    for core in WINDOW.tiles(125):
        window = core.grown(150, within=WINDOW)
        top, left = core.row - WINDOW.row, core.col - WINDOW.col
        part = whole[top : top + core.height, left : left + core.width]
        assert np.array_equal(built(what, window=window, core=core), part)


def test_built_ground_as_intervals_paints_its_pixels():
    what = scene([house(30, 30, 150), house(70, 50, 300)])
    runs = built_ground(None, what.shapes, grid=GRID, window=WINDOW, core=WINDOW, engine=what.engine)
    intervals = as_intervals(runs, channel=Channel.BUILT_GROUND)
    assert (intervals.stop - intervals.start).sum() == dense(runs).sum()
    assert set(intervals.channel.tolist()) == {Channel.BUILT_GROUND}


def test_grown_ring_and_house_of_different_usages_end_as_one_built_piece():
    small = house(50, 40, 80)
    what = scene([small])
    shapes = Shapes.concatenated(
        [what.shapes, painted([small], Channel.USAGE, 2), painted([small.buffer(25)], Channel.USAGE_IN_ZONE, 5)]
    )
    result = derived(replace(what, shapes=shapes))
    kept = result.pieces.key & 15 == BUILT
    assert result.pieces.area_px[kept].tolist() == [5000]
    assert np.array_equal(np.isin(labels(result.pieces), np.flatnonzero(kept)), dense(result.built) == 1)

"""Windows: one or many, thin strips or thick, the pieces are the same to the byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from engine_scenes import (
    HERBACEOUS,
    SEALED,
    Scene,
    arrays,
    derived,
    keys,
    labels,
    pieces_of_core,
    random_classes,
    random_scene,
    same_bytes,
    tables,
    without,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsge.grid import Window
from ocsge.regions.runs import runs_of_strips
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.windows import built_ground
from ocsge.regions.zone import built_cells, metre_window, zone_construite

HERB_CLASS, SEALED_CLASS, CONIFER_CLASS = 10, 3, 7
seeds = st.integers(0, 1_000_000)


def box_of(scene: Scene, window: Window, channel: Channel) -> Shapes:
    outline = np.array([shapely.box(*scene.grid.bounds_of(window))], dtype=object)
    return Shapes.from_geometries(outline, channel=channel, values=np.ones(1, np.uint16))


def inner(window: Window, share: float, n: int) -> Window:
    """Return the window less a share of its sides all around, on whole metres."""
    down, right = int(window.height * share) // n * n, int(window.width * share) // n * n
    return Window(
        row=window.row + down, col=window.col + right, height=window.height - 2 * down, width=window.width - 2 * right
    )


@settings(max_examples=60, derandomize=True, deadline=None)
@given(seeds, st.integers(17, 50), st.integers(0, 12))
def test_one_window_or_many_give_the_same_bytes(seed, side, halo):
    scene = random_scene(seed, side=(60, 140))
    many = derived(scene, cores=scene.window.tiles(side), halo_px=halo)
    assert same_bytes(many.pieces, derived(scene).pieces)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(seeds, st.integers(15, 60), st.integers(15, 60))
def test_two_tilings_give_the_same_bytes(seed, side, other):
    scene = random_scene(seed, side=(60, 120))
    one = derived(scene, cores=scene.window.tiles(side), halo_px=4)
    two = derived(scene, cores=scene.window.tiles(other), halo_px=9)
    assert same_bytes(one.pieces, two.pieces)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(seeds, st.integers(2, 9), st.integers(30, 80))
def test_the_threads_that_walk_the_rows_change_no_byte(seed, threads, side):
    scene = random_scene(seed, side=(60, 120))
    cores = scene.window.tiles(side)
    alone, shared = (derived(scene, cores=cores, halo_px=6, threads=count) for count in (1, threads))
    assert same_bytes(alone.pieces, shared.pieces)
    assert (alone.halo_px, alone.context_is_enough) == (shared.halo_px, shared.context_is_enough)


@pytest.mark.parametrize("strip", [64, 256, 1024])
@pytest.mark.parametrize("seed", [0, 2])
def test_strip_height_does_not_change_the_pieces(seed, strip):
    scene = random_scene(seed, side=(300, 300), raster=True)
    classes = random_classes(np.random.default_rng(seed), 1100, 60)
    window = Window(row=scene.window.row, col=scene.window.col, height=1100, width=60)
    n = scene.grid.pixels_per_m
    assert n == 1
    whole = replace(scene, window=window, classes=classes)
    runs = runs_of_strips([classes[k : k + strip] for k in range(0, 1100, strip)], width=60)
    built = built_ground(runs, scene.shapes, grid=scene.grid, window=window, core=window, engine=scene.engine)
    zone = zone_construite(built_cells(built, window=window, pixels_per_m=n), scene.zone)
    found = pieces_of_core(
        runs,
        built,
        zone,
        scene.shapes,
        grid=scene.grid,
        window=window,
        core=window,
        whole=window,
        zone_window=metre_window(window, n),
        territory=np.ones(scene.communes + 1, dtype=bool),
        engine=scene.engine,
    )
    assert same_bytes(found.pieces, derived(whole).pieces)


def chain(*, minimum_px: int = 40) -> Scene:
    """Return a strip of 4-pixel patches, all undersized: one cluster from end to end, in a stable meadow."""
    scene = random_scene(0)
    window = Window(row=0, col=0, height=40, width=200)
    classes = np.full((40, 200), HERB_CLASS, np.uint8)
    classes[18:22] = np.resize(np.repeat([SEALED_CLASS, CONIFER_CLASS], 4), 200)
    domain = box_of(scene, window, Channel.DOMAIN)
    engine = replace(
        scene.engine,
        tables=tables(has_raster=True),
        minimum=replace(scene.engine.minimum, elsewhere_px=minimum_px, into_built=0),
    )
    return replace(scene, window=window, classes=classes, shapes=domain, engine=engine)


def test_halo_is_widened_until_no_cut_cluster_reaches_the_core():
    scene = chain()
    many = derived(scene, cores=scene.window.tiles(50), halo_px=1)
    assert many.halo_px >= 99, "a cluster of 200 pixels needs a halo of three tiles"
    assert same_bytes(many.pieces, derived(scene).pieces)


def test_halo_is_not_widened_where_every_region_is_stable():
    scene = chain(minimum_px=16)
    assert derived(scene, cores=scene.window.tiles(50), halo_px=1).halo_px <= 3


def test_core_alone_would_give_another_answer():
    """The check is worth its cost: tiles without a halo, the check ignored, differ from the whole."""
    scene = random_scene(1, side=(100, 100))
    first = scene.window.tiles(40)[4]
    n = scene.grid.pixels_per_m
    whole = derived(scene)
    alone = pieces_of_core(
        None
        if scene.classes is None
        else runs_of_strips([np.ascontiguousarray(cut_of(scene.classes, scene.window, first))], width=first.width),
        runs_of_strips([np.zeros((first.height, first.width), np.uint8)], width=first.width),
        whole.zone,
        scene.shapes,
        grid=scene.grid,
        window=first,
        core=first,
        whole=scene.window,
        zone_window=metre_window(scene.window, n),
        territory=np.ones(scene.communes + 1, dtype=bool),
        engine=scene.engine,
    )
    assert not alone.halo_is_enough
    assert not np.array_equal(keys(alone.pieces), cut_of(keys(whole.pieces), scene.window, first))


def cut_of(array: np.ndarray, whole: Window, part: Window) -> np.ndarray:
    top, left = part.row - whole.row, part.col - whole.col
    return array[top : top + part.height, left : left + part.width]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(seeds, st.sampled_from([0.1, 0.2, 0.3]), st.booleans())
def test_when_the_context_is_enough_more_context_changes_nothing(seed, share, tiled):
    scene = random_scene(seed, side=(80, 140))
    n = scene.grid.pixels_per_m
    ground = without(scene.shapes, Channel.DOMAIN, Channel.COMMUNE, Channel.BUILT)
    classes = None if scene.classes is None else np.where(scene.classes == 1, HERB_CLASS, scene.classes)
    commune = box_of(scene, inner(scene.window, 0.44, n), Channel.COMMUNE)

    def within(domain: Window) -> Scene:
        shapes = Shapes.concatenated([box_of(scene, domain, Channel.DOMAIN), commune, ground])
        zone = replace(scene.zone, dilation_m=0.0, minimum_hole_m2=0.0)
        return replace(scene, shapes=shapes, zone=zone, classes=classes)

    asked_for = np.array([False, True])
    large = derived(within(scene.window), territory=asked_for)
    small = derived(
        within(inner(scene.window, share, n)),
        territory=asked_for,
        cores=scene.window.tiles(30) if tiled else None,
        halo_px=5,
    )
    if small.context_is_enough:
        assert np.array_equal(of_territory(small.pieces), of_territory(large.pieces))


def of_territory(pieces) -> np.ndarray:
    inside = np.append(pieces.commune, 0)[labels(pieces)] == 1
    return np.where(inside, keys(pieces), -1)


def test_context_is_not_enough_when_a_cut_cluster_reaches_the_territory():
    scene = chain()
    for columns, expected in ((slice(0, 200), False), (slice(150, 200), True)):
        classes = np.full_like(scene.classes, HERB_CLASS)
        classes[18:22, columns] = scene.classes[18:22, columns]
        commune = box_of(scene, Window(row=0, col=60, height=40, width=60), Channel.COMMUNE)
        part = replace(scene, classes=classes, shapes=Shapes.concatenated([scene.shapes, commune]))
        assert derived(part, territory=np.array([False, True])).context_is_enough is expected


def test_unseen_context_is_left_out_and_asks_for_no_more_context():
    scene = chain(minimum_px=16)
    classes = np.full_like(scene.classes, HERB_CLASS)
    classes[:, 120:] = 0
    classes[18:22, 116:120] = CONIFER_CLASS
    inside = Window(row=0, col=0, height=40, width=120)
    commune = box_of(scene, inside, Channel.COMMUNE)
    context = replace(box_of(scene, scene.window, Channel.DOMAIN), value=np.array([2], np.uint16))
    shapes = Shapes.concatenated([context, box_of(scene, inside, Channel.DOMAIN), commune])
    engine = replace(scene.engine, minimum=replace(scene.engine.minimum, elsewhere_px=40))
    result = derived(replace(scene, classes=classes, shapes=shapes, engine=engine), territory=np.array([False, True]))
    assert result.context_is_enough
    assert np.all(labels(result.pieces)[:, 120:] == -1)
    assert np.all(keys(result.pieces)[:, :120] & 15 == HERBACEOUS)


def test_no_raster_at_all_gives_the_layers_and_the_default_cover():
    scene = random_scene(3, raster=False)
    road = np.array([shapely.box(*scene.grid.bounds_of(inner(scene.window, 0.3, 5)))], dtype=object)
    shapes = Shapes.concatenated(
        [
            box_of(scene, scene.window, Channel.DOMAIN),
            Shapes.from_geometries(road, channel=Channel.COVER, values=np.ones(1, np.uint16)),
        ]
    )
    found = derived(replace(scene, shapes=shapes, engine=replace(scene.engine, tables=tables(has_raster=False))))
    assert sorted((found.pieces.key & 15).tolist()) == [SEALED, HERBACEOUS]
    assert found.pieces.area_px.sum() == scene.window.height * scene.window.width


def test_every_array_of_the_pieces_has_the_type_its_docstring_says():
    types = {name: array.dtype.name for name, array in arrays(derived(random_scene(2)).pieces).items()}
    assert types == {
        "row_ptr": "int64",
        "start": "int32",
        "run_value": "uint32",
        "label": "int32",
        "value": "uint32",
        "cover_px": "int64",
        "rule_px": "int64",
        "flag_px": "int64",
        "in_zone": "bool",
    }

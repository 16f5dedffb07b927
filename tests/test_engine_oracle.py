"""The engine against the slow oracle on 200 random scenes, and what must hold of any derivation."""

from __future__ import annotations

from functools import cache

import engine_oracle as oracle
import numpy as np
import pytest
import shapely
from engine_scenes import BUILT, COMPOSITION, COVER_RULES, Engined, Scene, dense, derived, keys, labels, random_scene
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ocsge.regions.composition import composed_keys
from ocsge.regions.pieces import recoded
from ocsge.regions.polygons import trace_polygons

SCENES, BATCH = 200, 20
BATCHES = [range(first, first + BATCH) for first in range(0, SCENES, BATCH)]
OSSATURE = 1 << 9
UNKNOWN = (0, 15)

batches = pytest.mark.parametrize("seeds", BATCHES, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")


@cache
def derivation(seed: int) -> tuple[Scene, Engined, oracle.Derived]:
    scene = random_scene(seed)
    slow = oracle.derive(
        scene.classes,
        scene.shapes,
        grid=scene.grid,
        window=scene.window,
        tables=scene.engine.tables,
        aggregation=scene.engine.aggregation,
        minimum=scene.engine.minimum,
        zone=scene.zone,
    )
    return scene, derived(scene), slow


@batches
def test_built_ground_is_the_oracles(seeds):
    for seed in seeds:
        _, fast, slow = derivation(seed)
        assert np.array_equal(dense(fast.built) == 1, slow.built), seed


@batches
def test_zone_construite_is_the_oracles(seeds):
    for seed in seeds:
        scene, fast, slow = derivation(seed)
        n = scene.grid.pixels_per_m
        assert np.array_equal(np.kron(dense(fast.zone), np.ones((n, n))) == 1, slow.zone), seed


@batches
def test_partition_is_the_oracles_pixel_by_pixel(seeds):
    for seed in seeds:
        _, fast, slow = derivation(seed)
        assert np.array_equal(keys(fast.pieces), slow.keys), seed
        assert np.array_equal(labels(fast.pieces), slow.pieces.label), seed


@batches
def test_what_lies_under_each_piece_is_the_oracles(seeds):
    for seed in seeds:
        _, fast, slow = derivation(seed)
        for name in ("key", "commune", "cover_px", "rule_px", "flag_px", "in_zone"):
            assert np.array_equal(getattr(fast.pieces, name), getattr(slow.pieces, name)), (seed, name)


@batches
def test_composition_is_the_oracles(seeds):
    for seed in seeds:
        _, fast, slow = derivation(seed)
        expected = [
            oracle.composed_key(int(key), counts.tolist(), COMPOSITION)
            for key, counts in zip(slow.pieces.key, slow.pieces.cover_px, strict=True)
        ]
        assert composed_keys(fast.pieces, COMPOSITION).tolist() == expected, seed


@batches
def test_pieces_after_the_composition_are_connected_and_keep_every_pixel(seeds):
    for seed in seeds:
        _, fast, slow = derivation(seed)
        after, became = recoded(fast.pieces, composed_keys(fast.pieces, COMPOSITION))
        new = np.where(
            slow.pieces.label >= 0, np.append(composed_keys(fast.pieces, COMPOSITION), 0)[slow.pieces.label], -1
        )
        again = oracle.pieces_of(new, slow.evidence)
        assert np.array_equal(labels(after), again.label), seed
        assert np.array_equal(after.cover_px, again.cover_px), seed
        assert np.array_equal(np.append(became, -1)[slow.pieces.label], again.label), seed


@batches
def test_areas_in_pixels_sum_to_the_territory(seeds):
    for seed in seeds:
        _, fast, slow = derivation(seed)
        assert fast.pieces.area_px.sum() == np.count_nonzero(slow.evidence.domain), seed
        assert fast.pieces.area_px.min(initial=1) > 0, seed


@batches
@pytest.mark.parametrize("tolerance_px", [0.0, 2.5])
def test_polygons_of_every_scene_are_valid_single_and_share_their_vertices(seeds, tolerance_px):
    for seed in seeds:
        scene, fast, _ = derivation(seed)
        after, _ = recoded(fast.pieces, composed_keys(fast.pieces, COMPOSITION))
        polygons = trace_polygons(
            after.runs.row_ptr,
            after.runs.start,
            after.label,
            wanted=np.ones(len(after.value), dtype=np.bool_),
            grid=scene.grid,
            window=scene.window,
            tolerance_px=tolerance_px,
        )
        assert shapely.is_valid(polygons).all(), seed
        assert (shapely.get_type_id(polygons) == shapely.GeometryType.POLYGON).all(), seed
        assert shapely.coverage_is_valid(polygons), seed
        if tolerance_px == 0:
            assert np.allclose(shapely.area(polygons), scene.grid.area_m2(after.area_px)), seed


def excused(scene: Scene, ground: np.ndarray, mask: np.ndarray, area: int) -> bool:
    """Say whether a rule names why this region stays below its minimum."""
    around = ground[ndimage.binary_dilation(mask) & ~mask]
    around = around[around >= 0]
    key = int(ground[mask][0])
    if key & OSSATURE or len(around) == 0:
        return True
    hemmed_in = not np.any(around & 15 == BUILT)
    return key & 15 == BUILT and area >= scene.engine.minimum.built_evidence_px and hemmed_in


@batches
def test_nothing_is_under_its_minimum_except_what_a_rule_names(seeds):
    for seed in seeds:
        scene, fast, slow = derivation(seed)
        ground, minimum = keys(fast.pieces), scene.engine.minimum
        for key in np.unique(ground[ground >= 0]):
            label, count = ndimage.label(ground == key)
            for g in range(1, count + 1):
                mask = label == g
                area = np.count_nonzero(mask)
                wanted = minimum.zone_px if slow.evidence.zone[mask].any() else minimum.elsewhere_px
                wanted = minimum.built_px if key & 15 == BUILT else wanted
                assert area >= wanted or excused(scene, ground, mask, area), (seed, int(key), area)


@batches
def test_piece_under_its_minimum_is_named_by_a_rule_or_cut_by_a_commune(seeds):
    for seed in seeds:
        scene, fast, _slow = derivation(seed)
        label, pieces, ground = labels(fast.pieces), fast.pieces, keys(fast.pieces)
        minimum = scene.engine.minimum
        least = np.where(pieces.in_zone, minimum.zone_px, minimum.elsewhere_px)
        least = np.where(pieces.key & 15 == BUILT, minimum.built_px, least)
        for k in np.flatnonzero(pieces.area_px < least):
            mask = label == k
            ring = ndimage.binary_dilation(mask) & ~mask & (label >= 0)
            cut = np.any(ground[ring] == pieces.key[k])
            assert cut or excused(scene, ground, mask, int(pieces.area_px[k])), (seed, int(k))


@batches
def test_cover_stays_unknown_only_where_nothing_around_is_known(seeds):
    for seed in seeds:
        _, fast, _slow = derivation(seed)
        ground = keys(fast.pieces)
        parts, count = ndimage.label(ground >= 0)
        for g in range(1, count + 1):
            covers = np.unique(ground[parts == g] & 15)
            known = ~np.isin(covers, UNKNOWN)
            assert known.all() or not known.any(), seed


@batches
def test_ossature_of_the_evidence_is_never_merged_away(seeds):
    for seed in seeds:
        _, fast, slow = derivation(seed)
        drawn = slow.evidence.domain & slow.evidence.ossature
        ground = keys(fast.pieces)
        assert np.all(ground[drawn] & OSSATURE), seed
        assert np.array_equal(ground[drawn] & 15, slow.evidence.cover[drawn]), seed


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(10_000, 10_000_000), raster=st.booleans(), side=st.sampled_from([8, 15, 40, 70]))
def test_partition_is_the_oracles_for_any_size_with_or_without_raster(seed, raster, side):
    scene = random_scene(seed, side=(side, side + 5), raster=raster)
    slow = oracle.derive(
        scene.classes,
        scene.shapes,
        grid=scene.grid,
        window=scene.window,
        tables=scene.engine.tables,
        aggregation=scene.engine.aggregation,
        minimum=scene.engine.minimum,
        zone=scene.zone,
    )
    fast = derived(scene)
    assert np.array_equal(labels(fast.pieces), slow.pieces.label)
    assert np.array_equal(keys(fast.pieces), slow.keys)
    assert np.array_equal(fast.pieces.rule_px, slow.pieces.rule_px)


def test_scenes_hold_what_the_rules_speak_of():
    """The 200 scenes would prove little without houses that grow, pools, borders, context and holes in the data."""
    seen = dict.fromkeys(("grown", "dissolved", "closed", "absorb", "nodata", "communes", "ossature", "zone"), 0)
    corrected = dict.fromkeys(("cover", "usage", "built", "near road"), 0)
    for seeds in BATCHES:
        for seed in seeds:
            scene, fast, slow = derivation(seed)
            ground = oracle.painted(scene.shapes, grid=scene.grid, window=scene.window)
            evidence = (ground[oracle.BUILT] > 0) & slow.evidence.domain
            seen["grown"] += bool(np.any(slow.built & ~evidence))
            seen["dissolved"] += bool(np.any(evidence & ~slow.built))
            seen["closed"] += scene.engine.aggregation.gap_px > 0
            seen["absorb"] += bool(np.any(slow.evidence.cover == 15))
            seen["nodata"] += bool(np.any(slow.evidence.domain & (slow.evidence.cover == 0)))
            seen["communes"] += len(np.unique(fast.pieces.commune)) > 1
            seen["ossature"] += bool(slow.evidence.ossature.any())
            seen["zone"] += bool(slow.evidence.zone.any() and not slow.evidence.zone.all())
            given = ground[oracle.COVER] > len(COVER_RULES)
            first = ground[oracle.COVER] == len(COVER_RULES) + 1
            corrected["cover"] += bool(np.any(given & ~first))
            corrected["built"] += bool(np.any(first & slow.built))
            corrected["usage"] += bool(np.any(slow.evidence.rule == oracle.CORRECTED_RULE))
            corrected["near road"] += bool(np.any(given & (ground[oracle.NEAR_ROAD] > 0)))
    assert min(seen.values()) >= 40, seen
    assert min(corrected.values()) >= 10, corrected

"""Small random scenes for the derivation engine, every one made from its seed alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy import ndimage
from shapely.affinity import rotate

from ocsge.grid import Grid, Window
from ocsge.regions.built import BuiltAggregation
from ocsge.regions.composition import Composition
from ocsge.regions.evidence import (
    ABSORB,
    COMPLETE,
    CONTEXT,
    CORRECTED,
    CORRECTED_RULE,
    COVERS,
    IGNORE,
    OVERRIDE,
    TERRITORY,
    USAGES,
    EvidenceTables,
)
from ocsge.regions.minimum_areas import MinimumAreas
from ocsge.regions.pieces import Pieces, stitched
from ocsge.regions.runs import Runs, joined, runs_of_strips
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.windows import (
    EngineRules,
    built_ground,
    evidence_of_window,
    pieces_of_regions,
    regions_of_window,
)
from ocsge.regions.zone import ZoneConstruite, built_cells, metre_window, zone_construite

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN, BUILT, SEALED, MINERAL, COMPOSITE, BARE, WATER = range(7)
BROADLEAF, CONIFER, MIXED, SHRUB, WOODY, HERBACEOUS, OTHER_HERBACEOUS = range(7, 14)
COVER_RULES = ((SEALED, OVERRIDE, 1), (WATER, OVERRIDE, 1), (MINERAL, COMPLETE, 0), (BROADLEAF, IGNORE, 0),
               (SHRUB, COMPLETE, 0), (WATER, OVERRIDE, 0), (SEALED, COMPLETE, 1))  # fmt: skip
"""Cover rules of the scenes, from 1: cover, mode, ossature."""
CORRECTED_COVERS = (ABSORB, *range(SEALED, OTHER_HERBACEOUS + 1))
"""Covers of the corrections, after the rules; the first is built ground, of the enclosing cover unless it is kept."""
ROAD_RULE, RIVER_RULE = 1, 2
RULE_USAGES = (0, 4, 1, 2, 3, 5, 6, 2, 7, 8, 9)
"""Usage of each usage rule; the last ones are defaults."""
CLASS_COVERS = (UNKNOWN, BUILT, MINERAL, SEALED, ABSORB, BARE, WATER, CONIFER, BROADLEAF, SHRUB, HERBACEOUS,
                OTHER_HERBACEOUS, ABSORB, MIXED)  # fmt: skip
GREENHOUSE_CLASS, BARE_CLASS = 12, 5
COMPOSITION = Composition(
    tree_share=0.25,
    stand_purity=0.75,
    composite_share=0.25,
    built=BUILT,
    broadleaf=BROADLEAF,
    conifer=CONIFER,
    mixed_stand=MIXED,
    sealed=SEALED,
    mineral=MINERAL,
    composite=COMPOSITE,
    vegetated=np.isin(np.arange(COVERS), np.arange(BROADLEAF, OTHER_HERBACEOUS + 1)),
    tree=np.isin(np.arange(COVERS), (BROADLEAF, CONIFER, MIXED)),
    herbaceous=np.isin(np.arange(COVERS), (HERBACEOUS, OTHER_HERBACEOUS)),
)


@dataclass(frozen=True)
class Scene:
    """Everything a derivation takes."""

    grid: Grid
    window: Window
    classes: NDArray[np.uint8] | None
    shapes: Shapes
    engine: EngineRules
    zone: ZoneConstruite

    @property
    def communes(self) -> int:
        """Number of communes."""
        return int(self.shapes.value[self.shapes.channel == Channel.COMMUNE].max(initial=0))


def tables(*, has_raster: bool, rng: np.random.Generator | None = None) -> EvidenceTables:
    """Return look-up tables of a small set of rules; defaults are drawn when ``rng`` is given."""
    class_cover = np.zeros((256, USAGES), np.uint8)
    class_cover[: len(CLASS_COVERS)] = np.array(CLASS_COVERS, np.uint8)[:, None]
    class_cover[BARE_CLASS, [2, 3]] = MINERAL
    class_usage = np.zeros(256, np.uint8)
    class_usage[GREENHOUSE_CLASS] = 6
    default_rule = np.full((COVERS, 2, 2), 9, np.uint8)
    default_rule[SEALED : MINERAL + 1, 1] = 8
    default_rule[SEALED : MINERAL + 1, 0, 1] = 10
    if rng is not None:
        default_rule = rng.choice(np.array([8, 9, 10], np.uint8), size=(COVERS, 2, 2))
    return EvidenceTables(
        has_raster=has_raster,
        default_cover=HERBACEOUS,
        built_cover=BUILT,
        sealed_cover=SEALED,
        class_cover=class_cover,
        class_usage=class_usage,
        layer_cover=np.array([0, *(cover for cover, _, _ in COVER_RULES), *CORRECTED_COVERS], np.uint8),
        layer_mode=np.array(
            [OVERRIDE, *(mode for _, mode, _ in COVER_RULES), *(CORRECTED for _ in CORRECTED_COVERS)], np.uint8
        ),
        layer_ossature=np.array(
            [0, *(ossature for _, _, ossature in COVER_RULES), *(0 for _ in CORRECTED_COVERS)], np.uint8
        ),
        rule_usage=np.array(RULE_USAGES, np.uint8),
        default_rule=default_rule,
    )


def weights(size: int, same: int, sibling: int, group: int) -> NDArray[np.int32]:
    """Return semantic weights: the diagonal, neighbours of one group, the rest 1, and 0 for the unknown."""
    index = np.arange(size)
    out = np.where(index[:, None] // group == index[None] // group, sibling, 1)
    out[index, index] = same
    out[0, :] = out[:, 0] = 0
    return out.astype(np.int32)


MINIMUM = MinimumAreas(
    built_px=16,
    built_evidence_px=4,
    zone_px=12,
    elsewhere_px=40,
    absorb_px=25,
    absorb_cover=SEALED,
    built_cover=BUILT,
    cover_weight=weights(COVERS, 64, 16, 3),
    usage_weight=weights(USAGES, 8, 3, 4),
    into_built=0,
    into_ossature=0,
)


def random_scene(seed: int, *, side: tuple[int, int] = (32, 60), raster: bool | None = None) -> Scene:
    """Return the scene of a seed; sides are drawn between two numbers of pixels."""
    rng = np.random.default_rng(seed)
    n = 5 if seed % 4 == 3 else 1
    height, width = (int(k) // n * n for k in rng.integers(side[0], side[1] + 1, 2))
    row, col = (int(k) * n for k in rng.integers(-1000, 1000, 2))
    grid, window = Grid(epsg=2154, pixels_per_m=n), Window(row=row, col=col, height=height, width=width)
    has_raster = bool(rng.random() < 0.75) if raster is None else raster
    scale = int(rng.choice([1, 1, 2]))
    minimum = replace(
        MINIMUM,
        built_px=16 * scale,
        built_evidence_px=4 * scale,
        zone_px=12 * scale,
        elsewhere_px=40 * scale,
        absorb_px=int(rng.choice([12, 25, 1000])),
        into_built=int(rng.random() < 0.3),
        into_ossature=int(rng.random() < 0.2),
    )
    aggregation = BuiltAggregation(
        gap_px=int(rng.integers(0, 4)),
        growth_limit_px=int(rng.integers(0, 8)),
        evidence_px=minimum.built_evidence_px,
        minimum_px=minimum.built_px,
    )
    zone = ZoneConstruite(
        dilation_m=float(rng.choice([0, 2, 3.5, 5])) / math.sqrt(n),
        erosion_m=float(rng.choice([0, 1, 2.5])) / math.sqrt(n),
        minimum_area_m2=float(rng.choice([0, 12, 40])) / n,
        minimum_hole_m2=float(rng.choice([0, 12, 30])) / n,
    )
    return Scene(
        grid=grid,
        window=window,
        classes=random_classes(rng, height, width) if has_raster else None,
        shapes=Shapes.concatenated([random_shapes(rng, grid, window), random_corrections(seed, grid, window)]),
        engine=EngineRules(tables=tables(has_raster=has_raster, rng=rng), aggregation=aggregation, minimum=minimum),
        zone=zone,
    )


def random_classes(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Return patches of classes with ragged borders, specks and a little nodata."""
    smooth = rng.uniform(0.7, 4)
    order = rng.permutation(np.arange(1, len(CLASS_COVERS)))[: rng.integers(3, len(CLASS_COVERS))]
    noise = ndimage.gaussian_filter(rng.normal(size=(height, width)), smooth) * smooth * 3.5
    classes = order[np.clip(((noise + 2) / 4 * len(order)).astype(int), 0, len(order) - 1)].astype(np.uint8)
    specks = rng.random((height, width)) < rng.choice([0, 0.02, 0.1])
    classes[specks] = rng.integers(0, len(CLASS_COVERS), np.count_nonzero(specks))
    for _ in range(rng.integers(0, 3)):
        r, c = rng.integers(0, height), rng.integers(0, width)
        classes[r : r + rng.integers(1, 14), c : c + rng.integers(1, 14)] = rng.choice([0, 4, GREENHOUSE_CLASS])
    return classes


def random_shapes(rng: np.random.Generator, grid: Grid, window: Window) -> Shapes:
    """Return shapes of every channel, more or fewer of each."""
    n = grid.pixels_per_m
    box = shapely.box(*grid.bounds_of(window))

    def blobs(count: int, low: float, high: float) -> NDArray[np.object_]:
        return np.array([random_blob(rng, box, low / n, high / n) for _ in range(count)], dtype=object)

    def lines(count: int, low: float, high: float) -> NDArray[np.object_]:
        return np.array([random_road(rng, box, rng.uniform(low, high) / n) for _ in range(count)], dtype=object)

    def some(most: int) -> int:
        return int(rng.integers(0, most + 1))

    parts = []

    def paint(channel: Channel, shapes: NDArray[np.object_], values: NDArray[np.int64] | int) -> None:
        parts.append(
            Shapes.from_geometries(
                shapes, channel=channel, values=np.broadcast_to(values, len(shapes)).astype(np.uint16)
            )
        )

    domain = box if rng.random() < 0.6 else random_blob(rng, box, 60, 120)
    paint(Channel.DOMAIN, np.array([domain], dtype=object), CONTEXT)
    if rng.random() < 0.9:
        inner = domain if rng.random() < 0.7 else domain.intersection(random_blob(rng, box, 40, 80))
        paint(Channel.DOMAIN, np.array([domain if inner.geom_type == "GeometryCollection" else inner]), TERRITORY)
    communes = tessellation(rng, box, some(4))
    paint(Channel.COMMUNE, communes, np.arange(1, len(communes) + 1))
    for values in ((3, 4, 5), (6, 7)):
        shapes = blobs(some(3), 4, 25)
        paint(Channel.COVER, shapes, rng.choice(values, len(shapes)))
    rivers, roads = lines(some(1), 2, 6), lines(some(3), 1.2, 4)
    paint(Channel.COVER, rivers, RIVER_RULE)
    paint(Channel.COVER, roads, ROAD_RULE)
    paint(Channel.USAGE, roads, 1)
    paint(Channel.NEAR_ROAD, shapely.buffer(roads, 3 / n), 1)
    paint(Channel.USAGE_ON_SEALED, shapely.buffer(roads, 2 / n), 1)
    buildings = blobs(some(14), 1, 9)
    paint(Channel.BUILT, buildings, 1)
    usages = rng.choice([2, 3, 4], len(buildings))
    paint(Channel.USAGE, buildings, usages)
    paint(Channel.USAGE_IN_ZONE, shapely.buffer(buildings, 4 / n), usages)
    fields = blobs(some(4), 5, 30)
    paint(Channel.USAGE, fields, rng.choice([5, 6, 7], len(fields)))
    paint(Channel.PARK, blobs(some(1), 5, 20), 1)
    paint(Channel.PHOTOVOLTAIC, blobs(some(1), 5, 20), 1)
    paint(Channel.ZONE, blobs(int(rng.random() < 0.15), 10, 30), 1)
    return Shapes.concatenated(parts)


def random_corrections(seed: int, grid: Grid, window: Window) -> Shapes:
    """Return corrected covers, usages or both for every other seed; they do not move what else a seed draws."""
    rng = np.random.default_rng([seed, 1])
    box, n = shapely.box(*grid.bounds_of(window)), grid.pixels_per_m
    parts = []
    for _ in range(int(rng.integers(0, 4)) if seed % 2 else 0):
        ground = np.array([random_blob(rng, box, 3 / n, 22 / n)], dtype=object)
        place, usage, what = rng.integers(0, len(CORRECTED_COVERS)), rng.integers(1, 12), rng.random()
        if what < 0.3:
            place = 0
        painted = []
        if what < 0.7:
            painted.append((Channel.COVER, 1 + len(COVER_RULES) + place))
            painted += [(Channel.BUILT, 1)] if place == 0 else []
        if what > 0.5:
            painted.append((Channel.USAGE, CORRECTED_RULE + usage))
        parts += [
            Shapes.from_geometries(ground, channel=channel, values=np.array([value], np.uint16))
            for channel, value in painted
        ]
    return Shapes.concatenated(parts)


def random_blob(
    rng: np.random.Generator, box: shapely.Polygon, low: float, high: float
) -> shapely.Polygon | shapely.MultiPolygon:
    """Return a turned rectangle, a star-like outline, one with a hole, or two parts; ``low``–``high`` across."""
    xmin, ymin, xmax, ymax = box.bounds
    x, y = rng.uniform(xmin, xmax), rng.uniform(ymin, ymax)
    across = rng.uniform(low, high)
    kind = rng.random()
    if kind < 0.5:
        w, h = across * rng.uniform(0.5, 1), across
        return rotate(shapely.box(x - w / 2, y - h / 2, x + w / 2, y + h / 2), rng.uniform(0, 90))
    corners = int(rng.integers(3, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = rng.uniform(0.3, 0.5, corners) * across
    outline = shapely.make_valid(
        shapely.Polygon(np.column_stack((x + radius * np.cos(angle), y + radius * np.sin(angle))))
    )
    if kind < 0.7:
        return outline
    if kind < 0.85:
        return outline.difference(shapely.Point(x, y).buffer(across / 8, quad_segs=2))
    return outline.union(shapely.box(x + across, y, x + 1.5 * across, y + across / 2))


def random_road(rng: np.random.Generator, box: shapely.Polygon, width: float) -> shapely.Polygon:
    """Return a strip across the window."""
    xmin, ymin, xmax, ymax = box.bounds
    if rng.random() < 0.5:
        points = [(xmin - 1, rng.uniform(ymin, ymax)), (rng.uniform(xmin, xmax), rng.uniform(ymin, ymax))]
        points.append((xmax + 1, rng.uniform(ymin, ymax)))
    else:
        points = [(rng.uniform(xmin, xmax), ymin - 1), (rng.uniform(xmin, xmax), ymax + 1)]
    return shapely.LineString(points).buffer(width / 2, cap_style="flat")


def tessellation(rng: np.random.Generator, box: shapely.Polygon, count: int) -> NDArray[np.object_]:
    """Return ``count`` polygons that share their edges and cover the box."""
    if count == 0:
        return np.empty(0, dtype=object)
    xmin, ymin, xmax, ymax = box.bounds
    seeds = shapely.MultiPoint(np.column_stack((rng.uniform(xmin, xmax, count), rng.uniform(ymin, ymax, count))))
    if count == 1:
        return np.array([box], dtype=object)
    return np.array(shapely.voronoi_polygons(seeds, extend_to=box).geoms, dtype=object)


@dataclass(frozen=True)
class Engined:
    """What the package makes of a scene."""

    built: Runs
    zone: Runs
    pieces: Pieces
    halo_px: int
    """Widest halo that a window needed."""
    context_is_enough: bool


def cut(scene: Scene, window: Window) -> Runs | None:
    """Return the class runs of a window of the scene."""
    if scene.classes is None:
        return None
    top, left = window.row - scene.window.row, window.col - scene.window.col
    strip = np.ascontiguousarray(scene.classes[top : top + window.height, left : left + window.width])
    return runs_of_strips([strip], width=window.width)


def derived(
    scene: Scene,
    *,
    cores: list[Window] | None = None,
    halo_px: int = 0,
    built_halo_px: int | None = None,
    territory: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> Engined:
    """Derive a scene by windows, each halo widened until the engine says that it is enough.

    Parameters
    ----------
    scene
        What to derive.
    cores
        Windows that tile the scene; one by default.
    halo_px
        First halo of the merging.
    built_halo_px
        Halo of the built ground; by default wide enough for any group that can grow.
    territory
        (communes + 1,) asked for; all by default.
    threads
        Threads that walk the rows of a window.
    """
    grid, whole, n = scene.grid, scene.window, scene.grid.pixels_per_m
    cores = [whole] if cores is None else cores
    territory = np.ones(scene.communes + 1, dtype=bool) if territory is None else territory
    aggregation = scene.engine.aggregation
    reach = aggregation.minimum_px + aggregation.growth_limit_px + 2 * aggregation.gap_px + 2
    built_parts = []
    for core in cores:
        window = core.grown(reach if built_halo_px is None else built_halo_px, within=whole)
        ground = built_ground(
            cut(scene, window), scene.shapes, grid=grid, window=window, core=core, engine=scene.engine
        )
        built_parts.append((core, ground))
    built = joined(built_parts, window=whole)
    zone = zone_construite(built_cells(built, window=whole, pixels_per_m=n), scene.zone)
    parts, widest, context = [], 0, True
    for core in cores:
        halo = halo_px
        while True:
            window = core.grown(halo, within=whole)
            result = pieces_of_core(
                cut(scene, window),
                joined(built_parts, window=window),
                zone,
                scene.shapes,
                grid=grid,
                window=window,
                core=core,
                whole=whole,
                zone_window=metre_window(whole, n),
                territory=territory,
                engine=scene.engine,
                threads=threads,
            )
            if result.halo_is_enough:
                break
            halo = 2 * halo + 1
        widest = max(widest, halo)
        context &= result.context_is_enough
        parts.append((core, result.pieces))
    return Engined(built, zone, stitched(parts, window=whole), widest, context)


@dataclass(frozen=True, slots=True)
class CorePieces:
    """Pieces of a core; whether its halo and the run's context were wide enough, as in :class:`WindowRegions`."""

    pieces: Pieces
    halo_is_enough: bool
    context_is_enough: bool


def pieces_of_core(
    classes: Runs | None,
    built: Runs,
    zone: Runs,
    shapes: Shapes,
    *,
    grid: Grid,
    window: Window,
    core: Window,
    whole: Window,
    zone_window: Window,
    territory: NDArray[np.bool_],
    engine: EngineRules,
    threads: int = 1,
) -> CorePieces:
    """Return the pieces of ``core``, merged with the halo of ``window``."""
    evidence = evidence_of_window(
        classes, built, zone, shapes, grid=grid, window=window, zone_window=zone_window, engine=engine
    )
    regions = regions_of_window(
        evidence, window=window, core=core, whole=whole, territory=territory, engine=engine, threads=threads
    )
    return CorePieces(
        pieces=pieces_of_regions(evidence, regions, window=window, core=core, engine=engine, threads=threads),
        halo_is_enough=regions.halo_is_enough,
        context_is_enough=regions.context_is_enough,
    )


def dense(runs: Runs) -> NDArray[np.uint32]:
    """Return the (height, width) array the runs stand for."""
    stop = np.empty(len(runs.start), dtype=np.int64)
    stop[:-1] = runs.start[1:]
    stop[runs.row_ptr[1:] - 1] = runs.width
    return np.repeat(runs.value, stop - runs.start).reshape(runs.height, runs.width)


def arrays(pieces: Pieces) -> dict[str, NDArray[np.generic]]:
    """Return every array of the pieces by name."""
    return {
        "row_ptr": pieces.runs.row_ptr,
        "start": pieces.runs.start,
        "run_value": pieces.runs.value,
        **{name: getattr(pieces, name) for name in ("label", "value", "cover_px", "rule_px", "flag_px", "in_zone")},
    }


def same_bytes(a: Pieces, b: Pieces) -> bool:
    """Say whether two sets of pieces are equal to the byte, types included."""
    others = arrays(b)
    return a.runs.width == b.runs.width and all(
        array.dtype == others[name].dtype
        and array.shape == others[name].shape
        and array.tobytes() == others[name].tobytes()
        for name, array in arrays(a).items()
    )


def labels(pieces: Pieces) -> NDArray[np.int64]:
    """Return the dense array of pieces, −1 outside."""
    return dense(replace(pieces.runs, value=pieces.label)).astype(np.int64)


def keys(pieces: Pieces) -> NDArray[np.int64]:
    """Return the dense array of keys, −1 outside."""
    label = labels(pieces)
    return np.where(label >= 0, np.append(pieces.key, 0)[label], -1)


def without(shapes: Shapes, *channels: Channel) -> Shapes:
    """Return the shapes of the other channels."""
    parts = []
    for i in np.flatnonzero(~np.isin(shapes.channel, channels)):
        first, last = shapes.shape_offsets[i], shapes.shape_offsets[i + 1]
        begin, end = shapes.ring_offsets[first], shapes.ring_offsets[last]
        parts.append(
            Shapes(
                coords=shapes.coords[begin:end],
                ring_offsets=shapes.ring_offsets[first : last + 1] - begin,
                shape_offsets=np.array([0, last - first]),
                bounds=shapes.bounds[i : i + 1],
                channel=shapes.channel[i : i + 1],
                value=shapes.value[i : i + 1],
            )
        )
    return Shapes.concatenated(parts)

"""Pixels of classes in zones: two ways of counting that agree, whatever the zones and the cut of the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from engine_scenes import random_blob, tessellation
from hypothesis import given, settings
from hypothesis import strategies as st
from label_rasters import random_classes

from ocsge import class_areas
from ocsge.class_areas import ClassCounts, count_classes
from ocsge.errors import CodeError, RasterError
from ocsge.grid import Grid, Window
from ocsge.products.class_probability import ProbabilityLevels
from ocsge.products.cosia import place_tiles
from ocsge.regions.burn import burn
from ocsge.regions.runs import runs_of_strips
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.value_counts import count_values
from ocsge.rules import load_rules

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.products.cosia import RasterTile

RULES = load_rules()
GRID = Grid(epsg=2154, pixels_per_m=5)
X, Y = 664_000.0, 6_360_000.0
"""North-west corner of the rasters."""
NUMBERING, ZERO_BASED = "cosia_vector_numero", "flair_hub"
fixed = settings(max_examples=25, derandomize=True, deadline=None)
seeds = st.integers(0, 1_000_000)


def written(
    path: Path, values: NDArray[np.uint8], *, x: float = X, y: float = Y, side: float = 0.2, nodata: int | None = None
) -> Path:
    profile = {"width": values.shape[1], "height": values.shape[0], "count": 1, "dtype": "uint8", "nodata": nodata}
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:2154", transform=Affine(side, 0, x, 0, -side, y), **profile
    ) as file:
        file.write(values, 1)
    return path


def counted(
    zones: Sequence[shapely.Geometry], tiles: Sequence[RasterTile], numbering: str = NUMBERING, **options: object
) -> ClassCounts:
    array = np.empty(len(zones), dtype=object)
    array[:] = list(zones)
    return count_classes(array, tiles=tiles, grid=GRID, rules=RULES, numbering=numbering, **options)  # type: ignore[arg-type]


def assert_equal(a: ClassCounts, b: ClassCounts) -> None:
    assert a.numbers == b.numbers
    assert np.array_equal(a.pixels, b.pixels)
    assert np.array_equal(a.no_data, b.no_data)


@pytest.fixture(scope="module")
def values() -> NDArray[np.uint8]:
    """Patches of classes 1 to 14, with a corner of no data (0)."""
    found = (random_classes(3, 300, 400, 14, 4.0) + 1).astype(np.uint8)
    found[:40, :60] = 0
    return found


@pytest.fixture(scope="module")
def tiles(values: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> list[RasterTile]:
    """Two dalles side by side, without a gap."""
    folder = tmp_path_factory.mktemp("dalles")
    west = written(folder / "a.tif", values[:, :230], nodata=0)
    east = written(folder / "b.tif", values[:, 230:], x=X + 46, nodata=0)
    return place_tiles([west, east], grid=GRID)


EXTENT = shapely.box(X, Y - 60, X + 80, Y)


def drawn_zones(seed: int, count: int = 10) -> list[shapely.Geometry]:
    """Return blobs, some with holes or two parts, that overlap and leave the raster."""
    rng = np.random.default_rng(seed)
    around = EXTENT.buffer(8, join_style="mitre")
    found = [random_blob(rng, around, 0.2, 50) for _ in range(count)]
    return [zone for zone in found if zone.geom_type in ("Polygon", "MultiPolygon") and not zone.is_empty]


@fixed
@given(seeds)
def test_rasterstats_and_the_engine_count_the_same_pixels(tiles: list[RasterTile], seed: int) -> None:
    zones = drawn_zones(seed)
    assert_equal(counted(zones, tiles, method="rasterstats"), counted(zones, tiles, method="runs"))


@fixed
@given(seeds)
def test_the_two_agree_where_every_vertex_is_a_pixel_centre(tiles: list[RasterTile], seed: int) -> None:
    rng = np.random.default_rng(seed)
    zones = []
    for _ in range(10):
        col, row, width, height = rng.integers([0, 0, 1, 1], [380, 280, 60, 60])
        x, y = X + (col + 0.5) / 5, Y - (row + 0.5) / 5
        corners = [(x, y), (x + width / 5, y), (x + width / 5, y - height / 5), (x, y - height / 5)]
        zones += [shapely.Polygon(corners), shapely.Polygon(corners[:3])]
    assert_equal(counted(zones, tiles, method="rasterstats"), counted(zones, tiles, method="runs"))


@fixed
@given(seeds)
def test_counts_are_those_of_a_mask_of_the_pixel_centres(
    tiles: list[RasterTile], values: NDArray[np.uint8], seed: int
) -> None:
    zones = drawn_zones(seed, count=4)
    found = counted(zones, tiles)
    col, row = np.meshgrid(np.arange(-500, 900), np.arange(-500, 800))
    padded = np.pad(values, 500)
    for position, zone in enumerate(zones):
        inside = shapely.contains_xy(zone, X + (col + 0.5) / 5, Y - (row + 0.5) / 5)
        expected = np.bincount(padded[inside], minlength=256)
        assert found.no_data[position] == expected[0]
        assert found.pixels[position].tolist() == [expected[number] for number in found.numbers]


@pytest.mark.parametrize("method", ["rasterstats", "runs", "auto"])
def test_zones_that_share_edges_share_the_pixels_out(
    tiles: list[RasterTile], values: NDArray[np.uint8], method: str
) -> None:
    # edges of 0.1 m run through pixel centres
    cuts = np.round(np.arange(X, X + 80.1, 12.3), 1)
    strips = [shapely.box(a, Y - 60, b, Y) for a, b in zip(cuts, [*cuts[1:], X + 80], strict=True)]
    cells = list(tessellation(np.random.default_rng(5), EXTENT, 30))
    every = np.bincount(values.ravel(), minlength=256)
    for zones in (strips, cells):
        found = counted(zones, tiles, method=method)
        assert found.pixels.sum(axis=0).tolist() == [every[number] for number in found.numbers]
    assert counted(strips, tiles, method=method).no_data.sum() == every[0]


def test_a_pixel_counts_in_each_of_the_zones_it_is_in(tiles: list[RasterTile]) -> None:
    once, twice = counted([EXTENT], tiles), counted([EXTENT, EXTENT], tiles, method="runs")
    assert twice.pixels[1].tolist() == twice.pixels[0].tolist() == once.pixels[0].tolist()


@pytest.mark.parametrize("method", ["rasterstats", "runs"])
def test_a_zone_outside_the_raster_is_all_no_data(tiles: list[RasterTile], method: str) -> None:
    found = counted([shapely.box(X - 20, Y, X - 10, Y + 2)], tiles, method=method)
    assert found.pixels.sum() == 0
    assert found.no_data.tolist() == [10 * 2 * 25]


@pytest.mark.parametrize("method", ["rasterstats", "runs"])
def test_a_zone_without_any_pixel_centre_counts_nothing(tiles: list[RasterTile], method: str) -> None:
    slivers = [shapely.box(X + 1.11, Y - 50, X + 1.19, Y - 1), shapely.box(X, Y - 1e-9, X + 1e-9, Y)]
    found = counted(slivers, tiles, method=method)
    assert found.pixels.sum() + found.no_data.sum() == 0


def test_no_zones_count_nothing(tiles: list[RasterTile]) -> None:
    assert counted([], tiles).pixels.shape == (0, 15)


@pytest.mark.parametrize("side", [16, 100])
@pytest.mark.parametrize("threads", [1, 3])
def test_counts_do_not_depend_on_windows_threads_or_groups_of_zones(
    tiles: list[RasterTile], side: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = drawn_zones(11, count=30)
    expected = counted(zones, tiles, method="runs")
    monkeypatch.setattr(class_areas, "_WINDOW_SIDE_PX", side)
    monkeypatch.setattr(class_areas, "_MOST_SHAPES", 7)
    assert_equal(counted(zones, tiles, method="runs", threads=threads), expected)


def test_few_small_zones_go_to_rasterstats_and_others_to_the_engine(
    tiles: list[RasterTile], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    whole = class_areas.zonal_stats
    monkeypatch.setattr(class_areas, "zonal_stats", lambda *a, **k: seen.append(1) or whole(*a, **k))
    small = shapely.box(X + 1, Y - 2, X + 2, Y - 1)
    counted([small, EXTENT.buffer(100)], tiles)
    assert len(seen) == 1
    counted([small] * (class_areas.FEW_ZONES + 1), tiles)
    assert len(seen) == 1


def test_a_class_that_says_nothing_of_the_ground_is_no_data(tmp_path: Path) -> None:
    silent = next(c for c in RULES.cosia_classes if c.handling == "nodata")
    number = silent.numbers[ZERO_BASED]
    assert number is not None
    path = written(tmp_path / "a.tif", np.full((10, 10), number, np.uint8))
    found = counted([shapely.box(X, Y - 2, X + 2, Y)], place_tiles([path], grid=GRID), ZERO_BASED)
    assert number not in found.numbers
    assert (found.pixels.sum(), found.no_data.tolist()) == (0, [100])


@pytest.mark.parametrize("method", ["rasterstats", "runs"])
def test_an_unknown_class_number_is_refused_with_its_file(tmp_path: Path, method: str) -> None:
    path = written(tmp_path / "a.tif", np.full((10, 10), 77, np.uint8))
    with pytest.raises(CodeError, match=r"a\.tif: class numbers \[77\] do not exist"):
        counted([EXTENT], place_tiles([path], grid=GRID), method=method)


def test_dalles_that_overlap_count_once_and_the_first_by_name_wins(tmp_path: Path) -> None:
    for name, number in (("b.tif", 2), ("a.tif", 1)):
        written(tmp_path / name, np.full((10, 10), number, np.uint8))
    tiles = place_tiles(sorted(tmp_path.glob("*.tif")), grid=GRID)
    found = counted([shapely.box(X, Y - 2, X + 2, Y)], tiles)
    assert found.pixels[0, found.numbers.index(1)] == 100
    assert found.pixels.sum() == 100


@pytest.mark.parametrize("edge", ["north", "south", "west", "east"])
def test_a_black_border_is_refused_even_for_a_zone_too_small_to_show_it(tmp_path: Path, edge: str) -> None:
    values = np.full((2600, 2600), 8, np.uint8)
    strip = {"north": np.s_[:30], "south": np.s_[-30:], "west": np.s_[:, :30], "east": np.s_[:, -30:]}[edge]
    values[strip] = 0
    tiles = place_tiles([written(tmp_path / "a.tif", values)], grid=GRID)
    with pytest.raises(RasterError, match="looks like a black border"):
        counted([shapely.box(X + 10, Y - 30, X + 30, Y - 10)], tiles, ZERO_BASED)


def test_a_long_building_in_the_middle_of_a_dalle_is_no_black_border(tmp_path: Path) -> None:
    values = np.full((2700, 5000), 8, np.uint8)
    values[100:-50, 100:-50] = 0
    tiles = place_tiles([written(tmp_path / "a.tif", values)], grid=GRID)
    found = counted([shapely.box(X, Y - 540, X + 1000, Y)], tiles, ZERO_BASED, threads=2)
    assert found.pixels[0, found.numbers.index(0)] == 2550 * 4850


@fixed
@given(seeds, st.integers(1, 60), st.integers(1, 60))
def test_runs_crossed_with_intervals_count_as_pixels_do(seed: int, height: int, width: int) -> None:
    values = random_classes(seed, height, width, 5, 1.0).astype(np.uint8)
    window = Window(row=-31_800_000, col=3_300_000, height=height, width=width)
    rng = np.random.default_rng(seed)
    box = shapely.box(*GRID.bounds_of(window))
    zones = [z for z in (random_blob(rng, box, 0.3, 15) for _ in range(6)) if z.geom_type.endswith("Polygon")]
    shapes = Shapes.from_geometries(
        np.array(zones, dtype=object), channel=Channel.DOMAIN, values=np.arange(len(zones), dtype=np.uint16)
    )
    intervals = burn(shapes, grid=GRID, window=window)
    expected = np.zeros((len(zones), 5), np.int64)
    for r in range(height):
        for i in range(intervals.row_ptr[r], intervals.row_ptr[r + 1]):
            part = values[r, intervals.start[i] : intervals.stop[i]]
            expected[intervals.value[i]] += np.bincount(part, minlength=5)
    found = count_values(
        intervals,
        runs_of_strips([values], width=width),
        zone=intervals.value.astype(np.int64),
        zones=len(zones),
        columns=5,
    )
    assert np.array_equal(found, expected)


def levels_by_chance(tiles: Sequence[RasterTile], values: NDArray[np.uint8]) -> ProbabilityLevels:
    """Return probabilities of the dalles drawn at random, told below and above 128 for even classes."""
    level = np.zeros((256, 256), dtype=np.uint8)
    level[::2, 128:] = 1
    folder = tiles[0].path.parent / "probability"
    folder.mkdir(exist_ok=True)
    drawn = np.random.default_rng(7).integers(1, 255, values.shape).astype(np.uint8)
    written(folder / "a.tif", drawn[:, :230])
    written(folder / "b.tif", drawn[:, 230:], x=X + 46)
    return ProbabilityLevels(tuple(place_tiles(sorted(folder.glob("*.tif")), grid=GRID)), level, 2, ())


@fixed
@given(seeds)
def test_areas_by_level_sum_to_those_by_class(tiles: list[RasterTile], values: NDArray[np.uint8], seed: int) -> None:
    zones, levels = drawn_zones(seed), levels_by_chance(tiles, values)
    plain = counted(zones, tiles)
    told, burned = (counted(zones, tiles, levels=levels, method=method) for method in ("rasterstats", "runs"))
    for found in (told, burned):
        assert_equal(found, plain)
        assert found.levels is not None
        assert np.array_equal(found.levels.sum(axis=2), plain.pixels)
        odd = np.array(found.numbers) % 2 == 1
        assert found.levels[:, odd, 1].sum() == 0
    assert np.array_equal(told.levels, burned.levels)
    assert plain.levels is None


def test_no_zone_has_no_levels(tiles: list[RasterTile], values: NDArray[np.uint8]) -> None:
    found = counted([], tiles, levels=levels_by_chance(tiles, values))
    assert found.levels is not None
    assert found.levels.shape == (0, len(found.numbers), 2)

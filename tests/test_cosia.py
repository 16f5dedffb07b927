"""Class rasters: one file or dalles, argmax or scores, strip by strip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from small_commune import SIDE, X, Y, cut, write_raster

from ocsge.errors import CodeError, CrsError, RasterError
from ocsge.grid import Grid, Window
from ocsge.products.cosia import (
    BLACK_BORDER_M,
    NO_DATA,
    check_class_numbers,
    class_strips,
    meets,
    overlap_warning,
    overlapped_m2,
    place_tiles,
    raster_files,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.products.cosia import RasterTile

GRID = Grid(epsg=2154, pixels_per_m=1)
TOP, LEFT = -int(Y + SIDE), int(X)
"""Row and column of the north-west corner of the rasters."""


def window(row: int, col: int, height: int, width: int) -> Window:
    """Return a window from the north-west corner of the rasters."""
    return Window(row=TOP + row, col=LEFT + col, height=height, width=width)


def read(
    tiles: Sequence[RasterTile], of: Window, *, strip_rows: int = 512, score_classes: Sequence[int] = ()
) -> NDArray[np.uint8]:
    return np.concatenate(
        list(class_strips(tiles, grid=GRID, window=of, score_classes=score_classes, strip_rows=strip_rows))
    )


def numbered(height: int, width: int) -> NDArray[np.uint8]:
    return (np.arange(height * width) % 14 + 1).reshape(height, width).astype(np.uint8)


@pytest.fixture
def values() -> NDArray[np.uint8]:
    return numbered(30, 40)


def test_a_file_is_itself_and_a_folder_gives_its_rasters_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    for name in ("b.tif", "sub/a.TIF", "__MACOSX/c.tif", "lisez.txt"):
        (tmp_path / name).touch()
    assert raster_files(tmp_path / "b.tif") == [tmp_path / "b.tif"]
    assert raster_files(tmp_path) == [tmp_path / "b.tif", tmp_path / "sub" / "a.TIF"]


def test_a_folder_without_raster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match="no raster found"):
        raster_files(tmp_path)


def test_a_raster_lies_on_the_global_lattice(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    (tile,) = place_tiles([write_raster(tmp_path / "a.tif", values, nodata=0)], grid=GRID)
    assert tile.window == window(0, 0, 30, 40)
    assert (tile.bands, tile.nodata, tile.resampled) == (1, 0, False)


def test_tiles_come_by_name_whatever_the_order_given(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    paths = [write_raster(tmp_path / name, values) for name in ("b.tif", "a.tif")]
    assert [tile.path.name for tile in place_tiles(paths, grid=GRID)] == ["a.tif", "b.tif"]


@pytest.mark.parametrize("strip_rows", [1, 7, 30, 512])
def test_the_strips_put_end_to_end_are_the_raster_whatever_their_height(
    tmp_path: Path, values: NDArray[np.uint8], strip_rows: int
) -> None:
    tiles = place_tiles([write_raster(tmp_path / "a.tif", values)], grid=GRID)
    assert np.array_equal(read(tiles, window(0, 0, 30, 40), strip_rows=strip_rows), values)
    assert np.array_equal(read(tiles, window(3, 5, 20, 11), strip_rows=strip_rows), values[3:23, 5:16])


def test_strips_begin_at_multiples_of_the_global_row(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    tiles = place_tiles([write_raster(tmp_path / "a.tif", values)], grid=GRID)
    strips = list(class_strips(tiles, grid=GRID, window=window(0, 0, 30, 40), score_classes=(), strip_rows=16))
    first = -TOP % 16 or 16
    assert [len(strip) for strip in strips] == [first, 16, 30 - 16 - first][: len(strips)]


def test_pixels_that_no_tile_covers_are_nodata(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    tiles = place_tiles([write_raster(tmp_path / "a.tif", values)], grid=GRID)
    found = read(tiles, window(-2, -3, 40, 50))
    assert np.array_equal(found[2:32, 3:43], values)
    assert (found == NO_DATA).sum() == 40 * 50 - 30 * 40


def test_declared_nodata_is_nodata(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    values[4:6, 7:9] = 0
    tiles = place_tiles([write_raster(tmp_path / "a.tif", values, nodata=0)], grid=GRID)
    found = read(tiles, window(0, 0, 30, 40))
    assert np.argwhere(found == NO_DATA).tolist() == [[4, 7], [4, 8], [5, 7], [5, 8]]


def test_where_tiles_overlap_the_first_by_name_wins_and_the_next_fills_its_holes(
    tmp_path: Path, values: NDArray[np.uint8]
) -> None:
    holed = values.copy()
    holed[10:20, 10:20] = 255
    first = write_raster(tmp_path / "a.tif", holed, nodata=255)
    second = write_raster(tmp_path / "b.tif", np.full((30, 40), 15, np.uint8), offset=20.0)
    third = write_raster(tmp_path / "c.tif", np.full((30, 40), 14, np.uint8))
    found = read(place_tiles([third, second, first], grid=GRID), window(0, 0, 30, 60))
    expected = np.full((30, 60), 15, np.uint8)
    expected[:, :40] = values
    expected[10:20, 10:20] = 14
    assert np.array_equal(found, expected)


def test_the_area_that_several_tiles_cover_counts_once_and_only_in_the_window(
    tmp_path: Path, values: NDArray[np.uint8]
) -> None:
    offsets = {"a": 0.0, "b": 30.0, "c": 35.0, "d": 100.0}
    tiles = place_tiles([write_raster(tmp_path / f"{n}.tif", values, offset=x) for n, x in offsets.items()], grid=GRID)
    # a and b share 10 columns, b and c 35, of which 5 are a's too: 40 columns of 30 rows
    assert overlapped_m2(tiles, grid=GRID, window=window(0, 0, 30, 200)) == (1200, ["a.tif", "b.tif", "c.tif"])
    assert overlapped_m2(tiles, grid=GRID, window=window(0, 0, 10, 32)) == (20, ["a.tif", "b.tif"])
    assert overlapped_m2(tiles, grid=GRID, window=window(0, 100, 30, 40)) == (0, [])


def test_an_overlap_is_told_with_its_area_and_dalles(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    offsets = {"a": 0.0, "b": 30.0}
    tiles = place_tiles([write_raster(tmp_path / f"{n}.tif", values, offset=x) for n, x in offsets.items()], grid=GRID)
    (told,) = overlap_warning(tiles, grid=GRID, window=window(0, 0, 30, 200))
    assert told.startswith("class raster: 2 dalles overlap on 0.03 ha (a.tif, b.tif); ")
    assert overlap_warning(tiles[:1], grid=GRID, window=window(0, 0, 30, 200)) == ()


def test_a_tile_that_only_touches_a_ground_does_not_meet_it(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    tiles = place_tiles([write_raster(tmp_path / "a.tif", values, offset=0.0)], grid=GRID)
    _, ymin, xmax, ymax = GRID.bounds_of(tiles[0].window)
    beside, corner = shapely.box(xmax, ymin, xmax + 10, ymax), shapely.box(xmax - 1, ymin, xmax + 10, ymin + 1)
    assert not meets(tiles, np.array([beside], dtype=object), grid=GRID)
    assert meets(tiles, np.array([beside, corner], dtype=object), grid=GRID)


def test_tiles_side_by_side_do_not_overlap(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    tiles = place_tiles([write_raster(tmp_path / f"{x}.tif", values, offset=x) for x in (0.0, 40.0)], grid=GRID)
    assert overlapped_m2(tiles, grid=GRID, window=window(0, 0, 30, 80)) == (0, [])


LONG = BLACK_BORDER_M + 20


def bordered(side: str, length: int) -> NDArray[np.uint8]:
    """Return a raster of class 5 with a border of zeros, 3 pixels wide, along part of one side."""
    field = np.full((LONG, LONG), 5, dtype=np.uint8)
    first = 10
    part = {
        "north": np.s_[:3, first : first + length],
        "south": np.s_[-3:, first : first + length],
        "west": np.s_[first : first + length, :3],
        "east": np.s_[first : first + length, -3:],
    }
    field[part[side]] = 0
    return field


@pytest.mark.parametrize("strip_rows", [64, 512])
@pytest.mark.parametrize("side", ["north", "south", "west", "east"])
def test_a_black_border_without_nodata_is_refused_where_zero_is_a_class(
    tmp_path: Path, side: str, strip_rows: int
) -> None:
    tiles = place_tiles([write_raster(tmp_path / "a.tif", bordered(side, BLACK_BORDER_M))], grid=GRID)
    with pytest.raises(RasterError, match=r"a.tif: class 0 runs .* black border; cut it off with `gdalwarp -cutline"):
        read(tiles, window(-5, -5, LONG + 10, LONG + 10), score_classes=range(19), strip_rows=strip_rows)


def test_black_ground_wider_than_the_window_is_refused(tmp_path: Path) -> None:
    tiles = place_tiles([write_raster(tmp_path / "a.tif", np.zeros((LONG, LONG), np.uint8))], grid=GRID)
    with pytest.raises(RasterError, match="black border"):
        read(tiles, window(5, 5, 50, BLACK_BORDER_M), score_classes=range(19))


@pytest.mark.parametrize("side", ["north", "west"])
def test_built_ground_along_an_edge_is_no_black_border(tmp_path: Path, side: str) -> None:
    built = bordered(side, BLACK_BORDER_M - 1)
    built[200:500, 100:500] = 0  # 12 ha under one roof, away from the edge
    tiles = place_tiles([write_raster(tmp_path / "a.tif", built)], grid=GRID)
    assert np.array_equal(read(tiles, window(0, 0, LONG, LONG), score_classes=range(19)), built)


def test_zeros_are_what_a_declared_nodata_says(tmp_path: Path) -> None:
    black = bordered("west", BLACK_BORDER_M)
    (classes,) = place_tiles([write_raster(tmp_path / "a.tif", black, nodata=255)], grid=GRID)
    assert np.array_equal(read([classes], classes.window, score_classes=range(19)), black)
    (holes,) = place_tiles([write_raster(tmp_path / "b.tif", black, nodata=0)], grid=GRID)
    assert np.array_equal(read([holes], holes.window, score_classes=range(19)) == NO_DATA, black == 0)


def test_two_dalles_make_one_raster(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    paths = [
        write_raster(tmp_path / "east.tif", values[:, 25:], offset=25.0),
        write_raster(tmp_path / "west.tif", values[:, :25]),
    ]
    assert np.array_equal(read(place_tiles(paths, grid=GRID), window(0, 0, 30, 40)), values)


def scores(values: NDArray[np.uint8], classes: int = 15) -> NDArray[np.uint8]:
    """Return one band a class: 200 for the class of a pixel, 10 for the others."""
    bands = np.full((classes, *values.shape), 10, dtype=np.uint8)
    np.put_along_axis(bands, values[np.newaxis].astype(np.int64) - 1, 200, axis=0)
    return bands


def test_raw_scores_give_the_best_class_in_the_numbering_of_the_bands(
    tmp_path: Path, values: NDArray[np.uint8]
) -> None:
    tiles = place_tiles([write_raster(tmp_path / "a.tif", scores(values))], grid=GRID)
    numbers = tuple(range(101, 116))
    assert tiles[0].bands == 15
    assert np.array_equal(read(tiles, window(0, 0, 30, 40), score_classes=numbers), values + 100)


def test_a_pixel_without_any_score_is_nodata(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    bands = scores(values)
    bands[:, 3, 4] = 0
    tiles = place_tiles([write_raster(tmp_path / "a.tif", bands)], grid=GRID)
    found = read(tiles, window(0, 0, 30, 40), score_classes=range(1, 16))
    assert np.argwhere(found == NO_DATA).tolist() == [[3, 4]]


def test_scores_of_another_number_of_classes_are_refused(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    tiles = place_tiles([write_raster(tmp_path / "a.tif", scores(values))], grid=GRID)
    with pytest.raises(RasterError, match=r"a.tif: 15 bands of scores, but the numbering system has 19 classes"):
        read(tiles, window(0, 0, 30, 40), score_classes=range(19))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offset": 0.4}, r"pixels of 1 m from \(664000.400, 6360200.000\) do not lie on the grid of 1 m"),
        ({"resolution": 0.2}, "pixels of 0.2 m .* pass --resample, or the raster's own resolution"),
    ],
)
def test_a_raster_off_the_grid_is_refused(
    tmp_path: Path, values: NDArray[np.uint8], options: dict[str, float], message: str
) -> None:
    path = write_raster(tmp_path / "a.tif", values, **options)  # type: ignore[arg-type]
    with pytest.raises(RasterError, match=message):
        place_tiles([path], grid=GRID)


def test_resampling_takes_the_nearest_pixel(tmp_path: Path) -> None:
    blocks = numbered(15, 20)
    fine = np.kron(blocks, np.ones((2, 2), dtype=np.uint8))
    path = write_raster(tmp_path / "a.tif", fine, resolution=0.5, nodata=0)
    (tile,) = place_tiles([path], grid=GRID, resample=True)
    assert (tile.window, tile.resampled) == (window(0, 0, 15, 20), True)
    assert np.array_equal(read([tile], tile.window), blocks)


def test_resampling_an_offset_leaves_no_class_outside_the_raster(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.full((30, 40), 12, np.uint8), offset=0.4)
    (tile,) = place_tiles([path], grid=GRID, resample=True)
    found = read([tile], window(0, -2, 30, 46))
    assert np.unique(found).tolist() == [12, NO_DATA]
    assert (found[:, 2:42] == 12).all()
    assert (found[:, [0, 1, 43, 44, 45]] == NO_DATA).all()


def test_a_raster_of_another_type_or_number_of_bands_is_refused(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    path = write_raster(tmp_path / "a.tif", values.astype(np.int16))
    with pytest.raises(RasterError, match=r"1 band\(s\) of int16; expected one uint8 band"):
        place_tiles([path], grid=GRID)
    path = write_raster(tmp_path / "b.tif", np.stack([values] * 4))
    with pytest.raises(RasterError, match=r"4 band\(s\) of uint8"):
        place_tiles([path], grid=GRID)


def test_a_raster_without_crs_or_in_another_is_refused(tmp_path: Path, values: NDArray[np.uint8]) -> None:
    with pytest.raises(CrsError, match="declares no CRS; write EPSG:2154"):
        place_tiles([write_raster(tmp_path / "a.tif", values, crs=None)], grid=GRID)
    with pytest.raises(CrsError, match="EPSG:2975 is not the run's EPSG:2154"):
        place_tiles([write_raster(tmp_path / "b.tif", values, crs="EPSG:2975")], grid=GRID)


@pytest.mark.parametrize("profile", [{}, {"compress": "lzw"}, {"compress": "deflate", "tiled": True}])
def test_a_truncated_raster_is_refused_with_its_rows(tmp_path: Path, profile: dict[str, object]) -> None:
    noise = np.random.default_rng(1).integers(1, 15, (400, 400)).astype(np.uint8)
    path = cut(write_raster(tmp_path / "a.tif", noise, **profile))
    with pytest.raises(RasterError, match=r"a.tif: (rows \d+–\d+ cannot be read|cannot be opened)"):
        read(place_tiles([path], grid=GRID), window(0, 0, 400, 400))


def test_a_file_that_is_no_raster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("not a raster")
    with pytest.raises(RasterError, match="cannot be opened as a raster"):
        place_tiles([tmp_path / "a.tif"], grid=GRID)


def test_known_class_numbers_and_nodata_pass(tmp_path: Path) -> None:
    check_class_numbers(np.array([1, 15, NO_DATA], np.uint8), range(1, 16), numbering="x", path=tmp_path)


def test_unknown_class_numbers_are_listed(tmp_path: Path) -> None:
    with pytest.raises(CodeError, match=r"class numbers \[0, 16\] do not exist in the numbering system 'x' \(1–15\)"):
        check_class_numbers(np.array([16, 3, 0, 0], np.uint8), range(1, 16), numbering="x", path=tmp_path)

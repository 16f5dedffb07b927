"""Count the pixels of each class of a class raster in zones: by rasterstats, or by the engine, with equal results.

A pixel is in a zone when its centre is. To share out the centres that lie on an edge, both ways measure zones moved
by about a micrometre to the north-west: a centre on a western or northern edge is inside, on the opposite ones
outside, as the engine burns. Zones that share an edge never share a pixel.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely
from rasterio.transform import Affine
from rasterstats import zonal_stats

from ocsge.class_numbers import numbered_classes
from ocsge.grid import Window
from ocsge.products.class_probability import A_LEVEL
from ocsge.products.cosia import BLACK_BORDER_M, NO_DATA, check_class_numbers, class_strips
from ocsge.regions.burn import burn
from ocsge.regions.runs import runs_of_strips
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.value_counts import count_values
from ocsge.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from ocsge.grid import Grid
    from ocsge.products.class_probability import ProbabilityLevels
    from ocsge.products.cosia import RasterTile
    from ocsge.rules import Rules

Method = Literal["auto", "rasterstats", "runs"]

SMALL_SIDE_PX = 1024
"""Sides of the bounding box, pixels, up to which a zone is left to rasterstats."""

FEW_ZONES = 10
"""Number of small zones up to which rasterstats costs no more: it reads the raster again for each of them."""

_WINDOW_SIDE_PX = 2048
_WINDOW_STEP_PX = 256
_OFF_CENTRES_M = (-1e-6, 0.7e-6)
_MOST_SHAPES = 65_536
_STAGE = "class areas"


_RASTERSTATS = threading.Lock()
"""rasterstats silences warnings for the whole process while it counts: two threads would give each other's back."""


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Pixels of each class in each zone."""

    numbers: tuple[int, ...]
    """Class numbers, growing; those that stand for no data are not among them."""

    pixels: NDArray[np.int64]
    """(zones, classes) pixels, columns in the order of ``numbers``."""

    no_data: NDArray[np.int64]
    """(zones,) pixels that no raster covers, or whose class says nothing of the ground."""

    levels: NDArray[np.int64] | None = None
    """(zones, classes, levels) the same pixels by level of the model's probability, the least sure first; None where
    they were not told apart."""


def count_classes(
    zones: NDArray[np.object_],
    *,
    tiles: Sequence[RasterTile],
    grid: Grid,
    rules: Rules,
    numbering: str,
    levels: ProbabilityLevels | None = None,
    method: Method = "auto",
    threads: int = 1,
    on_done: Callable[[int, int], None] | None = None,
) -> ClassCounts:
    """Return the pixels of each class in each zone.

    Parameters
    ----------
    zones
        (n,) valid Polygons and MultiPolygons, CRS of the grid; they may overlap.
    tiles
        The class raster; where two tiles overlap the first by name wins.
    grid
        Lattice on which the tiles were placed.
    rules, numbering
        Give the class numbers, and which say nothing of the ground.
    levels
        Probability of the classes; None does not tell levels apart.
    method
        ``rasterstats`` masks each zone in an array of its bounding box; ``runs`` crosses burned intervals with runs of
        classes, window by window, whatever the size; ``auto`` takes rasterstats for a few small zones.
    threads
        Threads of this process; the result does not depend on it.
    on_done
        Called with (zones or windows done, all of them).

    Raises
    ------
    RasterError
        Unreadable tile, or a black border where no nodata is declared.
    CodeError
        A number that the numbering system does not hold.
    """
    counter = _Counter(tiles=tiles, grid=grid, rules=rules, numbering=numbering, levels=levels, zones=len(zones))
    counter.check_borders(zones)
    moved = np.asarray(shapely.transform(zones, lambda coords: coords + np.array(_OFF_CENTRES_M)), dtype=object)
    # half a pixel more: however thin, a zone has a window
    half_pixel = np.array([-1, -1, 1, 1]) * grid.resolution_m / 2
    windows = [grid.window_of(tuple(bounds)) for bounds in (shapely.bounds(moved) + half_pixel).tolist()]
    small = np.array([max(w.height, w.width) <= SMALL_SIDE_PX for w in windows], dtype=np.bool_)
    if method != "auto":
        small[:] = method == "rasterstats"
    elif small.sum() > FEW_ZONES:
        small[:] = False
    tasks: list[_ZoneTask | _WindowTask] = [
        _ZoneTask(int(position), moved[position], windows[position]) for position in np.flatnonzero(small)
    ]
    large = np.flatnonzero(~small)
    for first in range(0, len(large), _MOST_SHAPES):
        tasks += _window_tasks(large[first : first + _MOST_SHAPES], moved, windows, grid=grid)
    run(_STAGE, tasks, counter.count, threads=threads, on_done=on_done)
    return counter.counts()


@dataclass(frozen=True, slots=True)
class _ZoneTask:
    """Count one small zone."""

    position: int
    zone: shapely.Geometry
    window: Window

    def __str__(self) -> str:
        return f"zone {self.position}"


@dataclass(frozen=True, slots=True)
class _WindowTask:
    """Count every zone of a window."""

    positions: NDArray[np.int64]
    """(shapes,) position of the zone of each shape; its value is its index here."""

    shapes: Shapes
    window: Window

    def __str__(self) -> str:
        return f"window of row {self.window.row}, column {self.window.col}"


def _window_tasks(
    positions: NDArray[np.int64], zones: NDArray[np.object_], windows: Sequence[Window], *, grid: Grid
) -> list[_WindowTask]:
    """Return tasks on windows of one tiling, each cut to the zones that meet it."""
    if len(positions) == 0:
        return []
    shapes = Shapes.from_geometries(
        zones[positions], channel=Channel.DOMAIN, values=np.arange(len(positions), dtype=np.uint16)
    )
    cut: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    side = _window_side(grid)
    for position in positions:
        for part in windows[position].tiles(side):
            place = part.row // side, part.col // side
            row, col, bottom, right = cut.get(place, (part.row, part.col, part.bottom, part.right))
            cut[place] = (min(row, part.row), min(col, part.col), max(bottom, part.bottom), max(right, part.right))
    return [
        _WindowTask(positions, shapes, Window(row=row, col=col, height=bottom - row, width=right - col))
        for (row, col, bottom, right) in (cut[place] for place in sorted(cut))
    ]


def _window_side(grid: Grid) -> int:
    """Return the side of the windows, pixels: too short for the reader to take an edge of theirs for a black border."""
    longest = BLACK_BORDER_M * grid.pixels_per_m - 1
    return min(_WINDOW_SIDE_PX, longest - longest % _WINDOW_STEP_PX)


class _Counter:
    """Counts tasks, from several threads, into one table."""

    def __init__(
        self,
        *,
        tiles: Sequence[RasterTile],
        grid: Grid,
        rules: Rules,
        numbering: str,
        levels: ProbabilityLevels | None,
        zones: int,
    ) -> None:
        numbered = numbered_classes(rules, numbering)
        self._tiles, self._grid, self._numbering, self._levels = tiles, grid, numbering, levels
        self._known = tuple(number for _, number in numbered)
        silent = {number for cosia_class, number in numbered if cosia_class.handling == "nodata"}
        self._numbers = tuple(sorted(set(self._known) - silent))
        # one column a class and level; every number that is no class of the ground falls in the last
        self._count = 1 if levels is None else levels.count
        columns = np.arange(len(self._numbers) * self._count, dtype=np.uint8).reshape(-1, self._count)
        column = np.full((self._count, A_LEVEL), columns.size, dtype=np.uint8)
        column[:, list(self._numbers)] = columns.T
        self._column = column.ravel()
        self._totals = np.zeros((zones, columns.size + 1), dtype=np.int64)
        self._lock = threading.Lock()

    def counts(self) -> ClassCounts:
        """Return what was counted."""
        by_level = self._totals[:, :-1].reshape(len(self._totals), len(self._numbers), self._count)
        return ClassCounts(
            self._numbers,
            by_level.sum(axis=2),
            self._totals[:, -1].copy(),
            None if self._levels is None else by_level,
        )

    def check_borders(self, zones: NDArray[np.object_]) -> None:
        """Read the edges of the tiles that zones meet where a black border would pass for a class."""
        if 0 not in self._known or len(zones) == 0:
            return
        tree = shapely.STRtree(zones)
        for tile in self._tiles:
            checked = tile.bands == 1 and tile.nodata is None
            if checked and len(tree.query(shapely.box(*self._grid.bounds_of(tile.window)))):
                for edge in _edges(tile.window):
                    for _ in class_strips([tile], grid=self._grid, window=edge, score_classes=self._known):
                        pass  # the reader refuses a black border once it has seen the whole edge

    def count(self, task: _ZoneTask | _WindowTask) -> None:
        """Add the pixels of a task to the table."""
        if isinstance(task, _ZoneTask):
            counted = self._masked(task)
            with self._lock:
                self._totals[task.position] += counted
            return
        intervals = burn(task.shapes, grid=self._grid, window=task.window)
        if len(intervals.start) == 0:
            return
        classes = runs_of_strips(self._strips(task.window), width=task.window.width)
        self._check(classes.value, task.window)
        columns = replace(classes, value=self._column[classes.value].astype(np.uint32))
        met, zone = np.unique(intervals.value, return_inverse=True)
        counts = count_values(intervals, columns, zone=zone, zones=len(met), columns=self._totals.shape[1])
        with self._lock:
            self._totals[task.positions[met]] += counts

    def _masked(self, task: _ZoneTask) -> NDArray[np.int64]:
        """Return the pixels of one zone by column, as rasterstats counts them."""
        classes = np.concatenate(list(self._strips(task.window)))
        self._check(classes, task.window)
        xmin, _, _, ymax = self._grid.bounds_of(task.window)
        side = self._grid.resolution_m
        with _RASTERSTATS:
            (found,) = zonal_stats(
                [task.zone],
                self._column[classes],
                affine=Affine(side, 0.0, xmin, 0.0, -side, ymax),
                nodata=NO_DATA,
                categorical=True,
                stats=[],
            )
        counted = np.zeros(self._totals.shape[1], dtype=np.int64)
        for column, pixels in found.items():
            counted[int(column)] = pixels
        return counted

    def _strips(self, window: Window) -> Iterator[NDArray[np.unsignedinteger]]:
        """Return the strips of class numbers, with their level where levels are told apart."""
        read = class_strips if self._levels is None else self._levels.strips
        return read(self._tiles, grid=self._grid, window=window, score_classes=self._known)

    def _check(self, values: NDArray[np.unsignedinteger], window: Window) -> None:
        met = [t for t in self._tiles if t.window.row < window.bottom and t.window.bottom > window.row]
        near = [t for t in met if t.window.col < window.right and t.window.right > window.col]
        if near:
            check_class_numbers(
                values & np.uint16(A_LEVEL - 1), self._known, numbering=self._numbering, path=near[0].path
            )


def _edges(window: Window) -> Iterator[Window]:
    """Yield the outermost rows and columns of a window."""
    for row in (window.row, window.bottom - 1):
        yield Window(row=row, col=window.col, height=1, width=window.width)
    for col in (window.col, window.right - 1):
        yield Window(row=window.row, col=col, height=window.height, width=1)

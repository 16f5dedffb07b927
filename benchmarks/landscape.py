"""The objects of a benchmark scene: what is painted on the CoSIA raster and written in the vector layers.

The ground is a net of blocks whose corners are shaken by a hash of their address; each block is drawn from
its own random stream, so a block is the same whichever part of the scene asks for it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.geometry import LineString, Polygon

from benchmarks.noise import ELLIPSE, QUAD, RECTANGLE

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

BUILT, LOOSE, SEALED, POOL, BARE, WATER, CONIFER, BROADLEAF, SHRUB, VINE, LAWN, CROP, PLOUGHED, GREENHOUSE = (
    1,
    2,
    3,
    4,
    5,
    6,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
)
"""CoSIA classes in the numbering of the vector product, the one the raster uses."""

GROUND, FIELD, PATCH, STREAM, ROAD, YARD, BUILDING, CROWN = range(8)
"""Painting ranks: a primitive covers those of lower rank."""

BLOCK_M, CORNER_SHAKE = 250.0, 0.10
URBAN_WAVELENGTH_M = 1400.0
RIVER_SPACING_M, RIVER_HALF_WIDTH_M = 4000.0, 7.0
RAIL_HALF_WIDTH_M = 4.0
ROADS = {"2": 10.0, "3": 7.0, "4": 6.0, "5": 5.0}
CROPS = (
    (CROP, "BTH", "1", 0.30),
    (CROP, "MIS", "2", 0.14),
    (CROP, "TRN", "6", 0.10),
    (PLOUGHED, "SOJ", "5", 0.12),
    (LAWN, "PPH", "18", 0.24),
    (VINE, "VRC", "21", 0.10),
)
"""Cover, RPG crop code, RPG group and share of the fields."""

Shape = tuple[float, ...]


@dataclass(slots=True)
class Objects:
    """What one part of the scene draws."""

    paints: list[tuple[int, int, int, Shape]] = field(default_factory=list)
    """Rank, kind, class and eight parameters of each primitive, metres."""

    features: list[tuple[str, BaseGeometry, dict[str, Any]]] = field(default_factory=list)
    """Layer, geometry and attributes of each vector object."""

    def rectangle(self, rank: int, cover: int, at: Shape, along: Shape, length: float, width: float) -> Polygon:
        """Paint a rectangle centred ``at``, its length ``along`` a unit direction; return it as a polygon."""
        (x, y), (ux, uy), a, b = at, along, length / 2, width / 2
        self.paints.append((rank, RECTANGLE, cover, (x, y, ux, uy, a, b, 0.0, 0.0)))
        corners = [(s * a * ux - t * b * uy, s * a * uy + t * b * ux) for s, t in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
        return Polygon([(round(x + p, 2), round(y + q, 2)) for p, q in corners])

    def ellipse(self, rank: int, cover: int, at: Shape, radius: float, flat: float = 1.0, turn: float = 0.0) -> None:
        """Paint an ellipse whose second radius is ``flat`` times the first."""
        shape = (at[0], at[1], math.cos(turn), math.sin(turn), radius, radius * flat, 0.0, 0.0)
        self.paints.append((rank, ELLIPSE, cover, shape))

    def quad(self, rank: int, cover: int, corners: NDArray[np.float64]) -> Polygon:
        """Paint an anticlockwise convex quadrilateral; return it as a polygon."""
        self.paints.append((rank, QUAD, cover, tuple(corners.ravel().tolist())))
        return Polygon(np.round(corners, 2))

    def band(self, rank: int, cover: int, line: NDArray[np.float64], half_width: float) -> None:
        """Paint a band along a line of points, round at its vertices."""
        for (x0, y0), (x1, y1) in itertools.pairwise(line):
            length = math.hypot(x1 - x0, y1 - y0)
            at, along = ((x0 + x1) / 2, (y0 + y1) / 2), ((x1 - x0) / length, (y1 - y0) / length)
            self.rectangle(rank, cover, at, along, length, 2 * half_width)
        for point in line[1:-1]:
            self.ellipse(rank, cover, tuple(point), half_width)

    def add(self, layer: str, geometry: BaseGeometry, **attributes: Any) -> None:
        """Write a vector object."""
        self.features.append((layer, geometry, attributes))


@dataclass(frozen=True, slots=True)
class Ground:
    """The frame of a scene: south-west corner, side in metres, seed."""

    xmin: float
    ymin: float
    side: float
    seed: int

    @property
    def block_m(self) -> float:
        """Mean side of a block, metres; smaller in scenes under a kilometre so that each holds both
        halves."""
        return BLOCK_M if self.side >= 2 * BLOCK_M else self.side / 2

    @property
    def blocks(self) -> int:
        """Blocks along one side; the last ones reach beyond the scene."""
        return math.ceil(self.side / self.block_m) + 2

    def stream(self, *address: int) -> Generator:
        """Return the random stream of an address."""
        return np.random.default_rng([self.seed, *(a + 1000 for a in address)])

    def urban(self, i: int, j: int) -> bool:
        """Tell whether a block is in the urban half: bands of half a wavelength across the scene."""
        x, y = (i - 0.5) * self.block_m, (j - 0.5) * self.block_m
        wavelength = min(URBAN_WAVELENGTH_M, 2 * self.side)
        return math.sin(2 * math.pi * (x + 0.35 * y) / wavelength) > 0.0


@lru_cache(maxsize=65536)
def corner(ground: Ground, i: int, j: int) -> NDArray[np.float64]:
    """Return the shaken corner (i, j) of the net, metres; corners (1, 1) onwards are in the scene."""
    shake = ground.stream(1, i, j).uniform(-CORNER_SHAKE, CORNER_SHAKE, 2)
    return np.array([ground.xmin, ground.ymin]) + (np.array([i - 1, j - 1]) + shake) * ground.block_m


def road_importance(ground: Ground, i: int, j: int, *, vertical: bool) -> str:
    """Return the importance of the street that leaves corner (i, j) to the north or to the east; '' for a
    path."""
    line = i if vertical else j
    if line % 16 == 2:
        return "2"
    if line % 4 == 2:
        return "3"
    sides = ((i - 1, j), (i, j)) if vertical else ((i, j - 1), (i, j))
    if any(ground.urban(*side) for side in sides):
        return "4" if line % 2 == 0 else "5"
    return "5" if line % 2 == 0 else ""


def draw_roads(ground: Ground, i: int, j: int, out: Objects) -> None:
    """Draw the two streets or paths that leave a corner."""
    rng = ground.stream(2, i, j)
    for vertical in (True, False):
        ends = corner(ground, i, j), corner(ground, i + (not vertical), j + vertical)
        middle = (ends[0] + ends[1]) / 2 + rng.normal(0, 2, 2)
        line = np.array([ends[0], middle, ends[1]])
        importance = road_importance(ground, i, j, vertical=vertical)
        if not importance:
            out.band(ROAD, LOOSE, line, 1.6)
            _add_road(
                out,
                line,
                nature="Chemin" if rng.random() < 0.6 else "Route empierrée",
                importance="6",
                width=None,
            )
            continue
        width = ROADS[importance]
        urban = ground.urban(i, j)
        out.band(ROAD, SEALED, line, width / 2 + (2.2 if urban else 0.3))
        known = importance != "5" or rng.random() < 0.5
        _add_road(out, line, nature="Route à 1 chaussée", importance=importance, width=width if known else None)


def _add_road(out: Objects, line: NDArray[np.float64], *, nature: str, importance: str, width: float | None) -> None:
    out.add(
        "troncon_de_route",
        LineString(np.round(line, 2)),
        nature=nature,
        importance=importance,
        largeur_de_chaussee=width,
        nombre_de_voies=None if width is None else 2,
        position_par_rapport_au_sol="0",
        fictif=False,
    )


def river_line(ground: Ground, rank: int) -> NDArray[np.float64]:
    """Return the axis of a river that crosses the scene from south to north, a point each 25 m at most."""
    y = np.linspace(-50.0, ground.side + 50.0, math.ceil(ground.side / 25) + 5)
    return np.column_stack([ground.xmin + _river_x(ground, rank, y), ground.ymin + y])


def _river_x(ground: Ground, rank: int, y: Any) -> Any:
    x = 0.62 * min(ground.side, RIVER_SPACING_M) + rank * RIVER_SPACING_M
    return x + min(60.0, ground.side / 10) * np.sin(y / 140 + rank + ground.seed)


def _rail_y(ground: Ground, rank: int, x: Any) -> Any:
    y = 0.37 * min(ground.side, RIVER_SPACING_M) + rank * RIVER_SPACING_M
    return y + min(80.0, ground.side / 12) * np.sin(x / 900)


def on_line(ground: Ground, at: Shape, reach: float) -> bool:
    """Tell whether a point is within about ``reach`` metres of a river or a railway."""
    x, y = at[0] - ground.xmin, at[1] - ground.ymin
    ranks = range(_line_count(ground))
    return any(abs(x - _river_x(ground, k, y)) < reach or abs(y - _rail_y(ground, k, x)) < reach for k in ranks)


def _line_count(ground: Ground) -> int:
    return max(1, math.ceil(ground.side / RIVER_SPACING_M))


def rail_line(ground: Ground, rank: int) -> NDArray[np.float64]:
    """Return the axis of a railway that crosses the scene from west to east, a point each 50 m at most."""
    x = np.linspace(-50.0, ground.side + 50.0, math.ceil(ground.side / 50) + 3)
    return np.column_stack([ground.xmin + x, ground.ymin + _rail_y(ground, rank, x)])


def draw_lines(ground: Ground) -> Objects:
    """Draw the rivers and railways of the whole scene."""
    out = Objects()
    for rank in range(_line_count(ground)):
        river, rail = river_line(ground, rank), rail_line(ground, rank)
        out.band(STREAM, WATER, river, RIVER_HALF_WIDTH_M)
        out.band(ROAD, LOOSE, rail, RAIL_HALF_WIDTH_M)
        for start in range(0, len(river) - 1, 20):
            area = LineString(river[start : start + 21]).buffer(RIVER_HALF_WIDTH_M, cap_style="flat", quad_segs=2)
            add_water(out, shapely.set_precision(area, 0.01), "Ecoulement naturel", "Permanent")
        for start in range(0, len(rail) - 1, 10):
            out.add(
                "troncon_de_voie_ferree",
                LineString(np.round(rail[start : start + 11], 2)),
                nature="Voie ferrée principale",
                largeur="Normale",
                nombre_de_voies=2,
                position_par_rapport_au_sol="0",
                etat_de_l_objet="En service",
            )
    return out


def add_water(out: Objects, area: BaseGeometry, nature: str, persistence: str) -> None:
    """Write a water surface."""
    out.add(
        "surface_hydrographique",
        area,
        nature=nature,
        persistance=persistence,
        position_par_rapport_au_sol="0",
        etat_de_l_objet="En service",
    )


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the net: its corners, anticlockwise from the south-west, and its random stream."""

    ground: Ground
    corners: NDArray[np.float64]
    rng: Generator

    def at(self, u: float, v: float) -> Shape:
        """Return the point at shares ``u`` of the width and ``v`` of the height, metres."""
        a, b, c, d = self.corners
        point = a * (1 - u) * (1 - v) + b * u * (1 - v) + c * u * v + d * (1 - u) * v
        return float(point[0]), float(point[1])

    def along(self, u: float) -> Shape:
        """Return the unit direction of the block's length at share ``u`` of its width."""
        (x0, y0), (x1, y1) = self.at(u, 0), self.at(u, 1)
        length = math.hypot(x1 - x0, y1 - y0)
        return (x1 - x0) / length, (y1 - y0) / length

    def part(self, u0: float, v0: float, u1: float, v1: float) -> NDArray[np.float64]:
        """Return the corners of a part of the block, anticlockwise."""
        return np.array([self.at(u0, v0), self.at(u1, v0), self.at(u1, v1), self.at(u0, v1)])

    @property
    def size(self) -> tuple[float, float]:
        """Width and height, metres."""
        a, b, _, d = self.corners
        return float(np.hypot(*(b - a))), float(np.hypot(*(d - a)))


def shifted(point: Shape, along: Shape, forward: float, left: float) -> Shape:
    """Return a point moved along and across a unit direction, metres."""
    return point[0] + along[0] * forward - along[1] * left, point[1] + along[1] * forward + along[0] * left


def turned(along: Shape, angle: float) -> Shape:
    """Return a unit direction turned by ``angle`` radians."""
    c, s = math.cos(angle), math.sin(angle)
    return along[0] * c - along[1] * s, along[0] * s + along[1] * c


def draw_building(
    out: Objects,
    block: Block,
    at: Shape,
    along: Shape,
    *,
    length: float,
    width: float,
    usage: str,
    wing: float = 0.0,
) -> None:
    """Draw a building on the raster and in the layer ``batiment``; a few are missing from one or the other.

    Nothing is drawn on a river or a railway.
    """
    rng = block.rng
    fate = rng.random()
    if on_line(block.ground, at, 12 + length / 2):
        return
    rank = BUILDING if fate > 0.02 else -1
    drift = shifted(at, along, *rng.normal(0, 0.35, 2))
    footprint: BaseGeometry = out.rectangle(rank, BUILT, drift, along, length, width)
    shape = shapely.affinity.translate(footprint, at[0] - drift[0], at[1] - drift[1])
    if wing > 0:
        middle = shifted(drift, along, length * 0.28, width * 0.75)
        side = out.rectangle(rank, BUILT, middle, along, length * 0.4, width)
        shape = shape.union(shapely.affinity.translate(side, at[0] - drift[0], at[1] - drift[1]))
    if fate > 0.96:
        return
    year = int(rng.choice([2006, 2009, 2012, 2015, 2018, 2020, 2022], p=[0.4, 0.2, 0.15, 0.1, 0.09, 0.04, 0.02]))
    homes = max(1, round(shape.area / 150)) if usage == "Résidentiel" else None
    nature = "Industriel, agricole ou commercial" if usage in ("Agricole", "Industriel") else "Indifférenciée"
    out.add(
        "batiment",
        shapely.set_precision(shape, 0.01),
        nature=nature,
        usage_1=usage,
        usage_2=None,
        construction_legere=bool(shape.area < 50 and rng.random() < 0.3),
        etat_de_l_objet="En construction" if year == 2022 and rng.random() < 0.3 else "En service",
        date_creation=f"{year}-06-15",
        date_d_apparition=f"{year - 5}-01-01" if rng.random() < 0.3 else None,
        hauteur=round(float(rng.uniform(2.5, 12.0)), 1),
        nombre_de_logements=homes,
    )

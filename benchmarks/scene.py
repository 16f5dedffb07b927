"""Make a synthetic territory: a CoSIA raster at 0.2 m and the vector layers that go with it.

``python -m benchmarks.scene FOLDER AREA_KM2 [SEED]`` writes one and prints its texture beside the
calibration.
"""

from __future__ import annotations

import functools
import math
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.shutil
import shapely
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.windows import Window

from benchmarks.blocks import draw_block
from benchmarks.landscape import (
    BARE,
    CONIFER,
    CROP,
    LAWN,
    LOOSE,
    PLOUGHED,
    SEALED,
    SHRUB,
    VINE,
    Ground,
    Objects,
    draw_lines,
    draw_roads,
)
from benchmarks.landscape import BROADLEAF as TREE
from benchmarks.noise import paint, smooth_noise, texture

if TYPE_CHECKING:
    from numpy.typing import NDArray

XMIN, YMIN = 500_000.0, 6_280_000.0
TILE_PX, BLOCK_PX = 2048, 512
COG_MAX_KM2, DALLE_M = 16.0, 2000
COMMUNE_MIN_KM2, COMMUNE_M = 4.0, 2000.0

WARP = ((8.0, 0.9), (2.4, 0.55), (1.0, 0.22), (0.4, 0.1))
COARSE = ((30.0, 0.6), (11.0, 0.5), (4.0, 0.3), (1.2, 0.12))
FINE = ((9.0, 0.55), (3.6, 0.45), (1.4, 0.22), (0.6, 0.08))
"""Wavelength and amplitude of the octaves, metres; the amplitude of the patches has no unit."""

SWAPS: dict[int, tuple[tuple[float, int], ...]] = {
    LAWN: ((0.60, LOOSE), (0.80, SHRUB), (0.84, TREE), (0.90, LOOSE)),
    SEALED: ((0.90, LOOSE), (0.94, LAWN), (0.86, LOOSE), (0.90, LAWN)),
    LOOSE: ((0.70, LAWN), (0.80, SEALED), (0.72, LAWN), (0.84, BARE)),
    CROP: ((0.72, LAWN), (0.80, PLOUGHED), (0.80, LAWN), (9.0, CROP)),
    PLOUGHED: ((0.72, CROP), (0.78, BARE), (0.80, CROP), (9.0, PLOUGHED)),
    VINE: ((0.76, LAWN), (0.80, BARE), (0.76, LAWN), (0.88, SHRUB)),
    TREE: ((0.72, LAWN), (0.76, SHRUB), (0.70, SHRUB), (0.82, CONIFER)),
    CONIFER: ((0.72, TREE), (0.80, SHRUB), (0.76, TREE), (0.84, LAWN)),
    SHRUB: ((0.60, LAWN), (0.66, TREE), (0.64, LAWN), (0.74, TREE)),
    BARE: ((0.60, LAWN), (0.74, LOOSE), (0.72, LAWN), (0.80, LOOSE)),
}
"""Class → above, below the coarse noise, above, below the fine noise: threshold (sign dropped) and the
class put there."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "batiment": (
        "nature",
        "usage_1",
        "usage_2",
        "construction_legere",
        "etat_de_l_objet",
        "date_creation",
        "date_d_apparition",
        "hauteur",
        "nombre_de_logements",
    ),
    "troncon_de_route": (
        "nature",
        "importance",
        "largeur_de_chaussee",
        "nombre_de_voies",
        "position_par_rapport_au_sol",
        "fictif",
    ),
    "troncon_de_voie_ferree": (
        "nature",
        "largeur",
        "nombre_de_voies",
        "position_par_rapport_au_sol",
        "etat_de_l_objet",
    ),
    "surface_hydrographique": ("nature", "persistance", "position_par_rapport_au_sol", "etat_de_l_objet"),
    "zone_d_activite_ou_d_interet": ("categorie", "nature", "nature_detaillee", "fictif", "toponyme"),
    "zone_de_vegetation": ("nature",),
    "terrain_de_sport": ("nature", "nature_detaillee"),
    "cimetiere": ("nature", "nature_detaillee"),
    "equipement_de_transport": ("nature", "nature_detaillee", "fictif"),
    "reservoir": ("nature",),
    "parcelles_graphiques": ("surf_parc", "code_cultu", "code_group"),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A synthetic territory on disk."""

    raster: Path | list[Path]
    """CoSIA classes, uint8, numbering of the vector product, 0 = nodata: one COG, or its dalles above 16
    km²."""

    vectors: Path
    """BD TOPO layers, GeoPackage."""

    rpg: Path
    """RPG layer ``parcelles_graphiques``, GeoPackage."""

    communes: Path
    """ADMIN EXPRESS layer ``commune``, GeoPackage; the communes tile the scene."""

    area_km2: float
    """Area of the raster, km²."""

    bounds: tuple[float, float, float, float]
    """xmin, ymin, xmax, ymax, metres."""

    epsg: int
    """EPSG code of the CRS."""

    @property
    def rasters(self) -> list[Path]:
        """The raster files, always as a list."""
        return self.raster if isinstance(self.raster, list) else [self.raster]


@dataclass(slots=True)
class _Band:
    """What a row of blocks draws, ready for the tiles."""

    ranks: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    shapes: NDArray[np.float64]
    boxes: NDArray[np.float64]
    features: list[tuple[str, Any, dict[str, Any]]]


def _band(objects: Objects) -> _Band:
    ranks, kinds, classes, shapes = zip(*objects.paints, strict=True)
    s, kind = np.array(shapes), np.array(kinds, dtype=np.uint8)
    ex = np.abs(s[:, 2]) * s[:, 4] + np.abs(s[:, 3]) * s[:, 5]
    ey = np.abs(s[:, 3]) * s[:, 4] + np.abs(s[:, 2]) * s[:, 5]
    boxes = np.column_stack([s[:, 0] - ex, s[:, 1] - ey, s[:, 0] + ex, s[:, 1] + ey])
    quad = kind == 2
    boxes[quad] = np.column_stack(
        [
            s[quad, 0::2].min(axis=1),
            s[quad, 1::2].min(axis=1),
            s[quad, 0::2].max(axis=1),
            s[quad, 1::2].max(axis=1),
        ]
    )
    return _Band(np.array(ranks), kind, np.array(classes, dtype=np.uint8), s, boxes, objects.features)


@functools.lru_cache(maxsize=16)
def _row_of_blocks(ground: Ground, j: int) -> _Band:
    objects = Objects()
    for i in range(ground.blocks):
        draw_block(ground, i, j, objects)
    for i in range(ground.blocks):
        draw_roads(ground, i, j, objects)
    return _band(objects)


@functools.lru_cache(maxsize=4)
def _lines(ground: Ground) -> _Band:
    return _band(draw_lines(ground))


def _primitives(ground: Ground, box: tuple[float, float, float, float]) -> tuple[NDArray, NDArray, NDArray]:
    """Return kinds, shapes and classes of the primitives that reach a box, in painting order."""
    low = max(0, math.floor((box[1] - ground.ymin) / ground.block_m) - 1)
    high = min(ground.blocks - 1, math.floor((box[3] - ground.ymin) / ground.block_m) + 2)
    bands = [_lines(ground), *(_row_of_blocks(ground, j) for j in range(low, high + 1))]
    kept = []
    for band in bands:
        b = band.boxes
        kept.append((b[:, 0] <= box[2]) & (b[:, 2] >= box[0]) & (b[:, 1] <= box[3]) & (b[:, 3] >= box[1]))
    ranks, kinds, shapes, classes = (
        np.concatenate([getattr(band, name)[keep] for band, keep in zip(bands, kept, strict=True)])
        for name in ("ranks", "kinds", "shapes", "classes")
    )
    order = np.argsort(ranks, kind="stable")
    return kinds[order], shapes[order], classes[order]


def _swap_tables() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    limits, swaps = np.full((16, 4), 9.0, dtype=np.float32), np.zeros((16, 4), dtype=np.uint8)
    for cover, changes in SWAPS.items():
        for column, (limit, other) in enumerate(changes):
            limits[cover, column], swaps[cover, column] = limit, other
    return limits, swaps


def class_tile(
    ground: Ground,
    *,
    row: int,
    col: int,
    height: int,
    width: int,
    resolution: float,
    warp: tuple[tuple[float, float], ...] = WARP,
    calm: float = 1.0,
) -> NDArray[np.uint8]:
    """Return the classes of a window given in global pixels: the same whatever window asks for a pixel.

    ``warp`` shakes the outlines as a classifier does, or less; above 1, ``calm`` makes the patches of other
    classes rarer.
    """
    n = 1 / resolution
    margin = math.ceil(1.1 * sum(a for _, a in warp) * n)
    row0, col0 = row - margin, col - margin
    clean = np.full((height + 2 * margin, width + 2 * margin), LAWN, dtype=np.uint8)
    box = (col0 / n, -(row0 + clean.shape[0]) / n, (col0 + clean.shape[1]) / n, -row0 / n)
    kinds, shapes, classes = _primitives(ground, box)
    paint(clean, row=row0, col=col0, pixels_per_m=n, kinds=kinds, shapes=shapes, classes=classes)

    def noise(octaves: tuple[tuple[float, float], ...], salt: int, unit: float) -> NDArray[np.float32]:
        scaled = tuple((max(1, round(wave * n)), amplitude * unit) for wave, amplitude in octaves)
        return smooth_noise((height, width), row=row, col=col, octaves=scaled, seed=ground.seed * 8 + salt)

    limits, swaps = _swap_tables()
    return texture(
        clean,
        displacement=(noise(warp, 1, n), noise(warp, 2, n)),
        patches=(noise(COARSE, 3, 1.0), noise(FINE, 4, 1.0)),
        limits=limits if calm == 1.0 else limits * np.float32(calm),
        swaps=swaps,
    )


def _write_raster(
    path: Path,
    ground: Ground,
    box: tuple[float, float, float, float],
    epsg: int,
    resolution: float,
    *,
    cog: bool,
) -> None:
    n = 1 / resolution
    row, col = round(-box[3] * n), round(box[0] * n)
    height, width = round((box[3] - box[1]) * n), round((box[2] - box[0]) * n)
    block = BLOCK_PX if min(height, width) >= BLOCK_PX else 16 * max(1, min(height, width) // 16)
    target = path.with_suffix(".part.tif") if cog else path
    with rasterio.open(
        target,
        "w",
        driver="GTiff",
        dtype="uint8",
        count=1,
        height=height,
        width=width,
        nodata=0,
        crs=f"EPSG:{epsg}",
        transform=Affine(resolution, 0.0, box[0], 0.0, -resolution, box[3]),
        tiled=True,
        blockxsize=block,
        blockysize=block,
        compress=None if cog else "lzw",
        sparse_ok=False,
        bigtiff="if_safer",
    ) as sink:
        for top in range(0, height, TILE_PX):
            for left in range(0, width, TILE_PX):
                h, w = min(TILE_PX, height - top), min(TILE_PX, width - left)
                tile = class_tile(ground, row=row + top, col=col + left, height=h, width=w, resolution=resolution)
                sink.write(tile, 1, window=Window(left, top, w, h))
    if cog:
        rasterio.shutil.copy(
            target,
            path,
            driver="COG",
            compress="lzw",
            blocksize=BLOCK_PX,
            overview_resampling=Resampling.nearest.name,
        )
        target.unlink()


def _communes(ground: Ground) -> gpd.GeoDataFrame:
    """Return communes that tile the scene, with crooked borders that neighbours share."""
    count = max(1, round(ground.side / COMMUNE_M)) if ground.side**2 / 1e6 > COMMUNE_MIN_KM2 else 1
    step = ground.side / count

    def border(a: int, b: int, *, vertical: bool) -> NDArray[np.float64]:
        along = np.linspace(0, step, 21)
        edge = a in (0, count)
        sway = np.zeros(21) if edge else ground.stream(4, a, b, int(vertical)).normal(0, 25, 21)
        sway[[0, -1]] = 0
        x, y = (a * step + sway, b * step + along) if vertical else (b * step + along, a * step + sway)
        return np.round(np.column_stack([ground.xmin + x, ground.ymin + y]), 2)

    rows = []
    for j in range(count):
        for i in range(count):
            south, north = border(j, i, vertical=False), border(j + 1, i, vertical=False)
            west, east = border(i, j, vertical=True), border(i + 1, j, vertical=True)
            ring = np.concatenate([south[:-1], east[:-1], north[::-1][:-1], west[::-1][:-1]])
            code = f"32{j * count + i + 1:03d}"
            rows.append(
                {
                    "insee_com": code,
                    "nom": f"Commune {code}",
                    "population": 150 + 350 * (i + j),
                    "siren_epci": "200000032",
                    "insee_dep": "32",
                    "insee_reg": "76",
                    "geometry": shapely.Polygon(ring),
                }
            )
    return gpd.GeoDataFrame(rows, geometry="geometry")


def vector_layers(ground: Ground) -> dict[str, gpd.GeoDataFrame]:
    """Return every vector layer, the objects that reach the scene only, numbered in drawing order."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    box = shapely.box(ground.xmin, ground.ymin, ground.xmin + ground.side, ground.ymin + ground.side)
    for band in (_lines(ground), *(_row_of_blocks(ground, j) for j in range(ground.blocks))):
        for layer, geometry, attributes in band.features:
            if geometry.intersects(box):
                rows[layer].append({**attributes, "geometry": geometry})
    frames = {}
    for rank, (layer, columns) in enumerate(COLUMNS.items()):
        frame = gpd.GeoDataFrame(rows[layer], columns=[*columns, "geometry"], geometry="geometry")
        if layer == "parcelles_graphiques":
            frame.insert(0, "id_parcel", [str(k + 1) for k in range(len(frame))])
        else:
            frame.insert(0, "cleabs", [f"SCENE{rank:02d}_{k + 1:012d}" for k in range(len(frame))])
        for column in frame.columns.intersection(["date_creation", "date_d_apparition"]):
            frame[column] = frame[column].astype("datetime64[ms]")
        for column in frame.columns.intersection(["nombre_de_voies", "nombre_de_logements"]):
            frame[column] = frame[column].astype("Int32")
        for column in frame.columns.intersection(["largeur_de_chaussee", "hauteur", "surf_parc"]):
            frame[column] = frame[column].astype("float64")
        for column in frame.columns.intersection(["usage_2", "nature_detaillee", "toponyme"]):
            frame[column] = frame[column].astype("str")
        for column in frame.columns.intersection(["fictif", "construction_legere"]):
            frame[column] = frame[column].astype("bool")
        frames[layer] = frame
    return frames


def make_scene(folder: Path, *, area_km2: float, seed: int = 1, epsg: int = 2154, resolution: float = 0.2) -> Scene:
    """Write a square synthetic territory and return its files.

    Parameters
    ----------
    folder
        Where the files go; made if missing, files of the same names replaced.
    area_km2
        Wanted area; the side is rounded to a metre (to 512 pixels never: real dalles are not).
    seed
        Same seed, same area, same pixels and same objects.
    epsg
        CRS in metres that is written; the coordinates are the same whichever it is.
    resolution
        Side of a pixel, metres; one metre is a whole number of pixels.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    side = float(round(math.sqrt(area_km2) * 1000))
    ground = Ground(XMIN, YMIN, side, seed)
    bounds = (XMIN, YMIN, XMIN + side, YMIN + side)
    raster: Path | list[Path]
    if side**2 / 1e6 <= COG_MAX_KM2:
        raster = folder / "cosia.tif"
        _write_raster(raster, ground, bounds, epsg, resolution, cog=True)
    else:
        (folder / "cosia").mkdir(exist_ok=True)
        raster = []
        for top in np.arange(bounds[3], bounds[1], -DALLE_M):
            for left in np.arange(bounds[0], bounds[2], DALLE_M):
                box = (left, max(top - DALLE_M, bounds[1]), min(left + DALLE_M, bounds[2]), top)
                raster.append(folder / "cosia" / f"cosia_{left:06.0f}_{top:07.0f}.tif")
                _write_raster(raster[-1], ground, box, epsg, resolution, cog=False)
        raster.sort()
    vectors, rpg, communes = folder / "bd_topo.gpkg", folder / "rpg.gpkg", folder / "admin_express.gpkg"
    for path in (vectors, rpg, communes):
        path.unlink(missing_ok=True)
    for layer, frame in vector_layers(ground).items():
        path = rpg if layer == "parcelles_graphiques" else vectors
        kind = "LineString" if layer.startswith("troncon") else "Polygon"
        if layer == "batiment":
            kind, frame.geometry = (
                "MultiPolygon",
                [shapely.MultiPolygon(shapely.get_parts(g).tolist()) for g in frame.geometry],
            )
        frame.set_crs(epsg).to_file(path, layer=layer, driver="GPKG", engine="pyogrio", geometry_type=kind)
    _communes(ground).set_crs(epsg).to_file(communes, layer="commune", driver="GPKG", engine="pyogrio")
    return Scene(raster, vectors, rpg, communes, side**2 / 1e6, bounds, epsg)


def open_scene(folder: Path) -> Scene:
    """Return a scene written before by `make_scene`."""
    folder = Path(folder)
    dalles = sorted((folder / "cosia").glob("*.tif"))
    boxes, epsg = [], 0
    for path in dalles or [folder / "cosia.tif"]:
        with rasterio.open(path) as source:
            boxes.append(source.bounds)
            epsg = source.crs.to_epsg()
    b = np.array(boxes)
    bounds = (float(b[:, 0].min()), float(b[:, 1].min()), float(b[:, 2].max()), float(b[:, 3].max()))
    area = (bounds[2] - bounds[0]) * (bounds[3] - bounds[1]) / 1e6
    names = (folder / name for name in ("bd_topo.gpkg", "rpg.gpkg", "admin_express.gpkg"))
    return Scene(dalles or folder / "cosia.tif", *names, area, bounds, epsg)


def main(argv: list[str]) -> None:
    """Write a scene and print its texture."""
    from benchmarks.calibrate_scene import read_calibration, scene_texture  # noqa: PLC0415  (main only)

    start = time.perf_counter()
    scene = make_scene(Path(argv[0]), area_km2=float(argv[1]), seed=int(argv[2]) if len(argv) > 2 else 1)
    print(f"{scene.area_km2:g} km² in {time.perf_counter() - start:.1f} s")
    found, aim = scene_texture(scene), read_calibration()
    print(f"runs/km² {found['runs_per_km2']:,.0f} (aim {aim['target_runs_per_km2_0_2m']:,})")
    for name, share in aim["class_shares"].items():
        print(f"  {name:18s} {found['class_shares'].get(name, 0):7.4f}  calibration {share:7.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])

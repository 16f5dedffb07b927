"""A commune of 200 m × 200 m with its files, and the command line run in this process, for the tests of faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.transform import Affine

from ocsge.cli import main
from ocsge.store import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CODE = "12001"
X, Y, SIDE = 664000.0, 6360000.0, 200.0
"""South-west corner in EPSG:2154 and side of the commune, metres."""
GRASS, BUILT = 12, 1
"""Pelouse and Bâtiment in the numbering ``cosia_vector_numero``."""


def box(xmin: float, ymin: float, xmax: float, ymax: float) -> shapely.Polygon:
    """Return a rectangle in metres from the south-west corner of the commune."""
    return shapely.box(X + xmin, Y + ymin, X + xmax, Y + ymax)


HOUSE = box(90, 90, 110, 110)
"""A house of 400 m² in the middle of the commune."""
BOW_TIE = shapely.Polygon([(X + x, Y + y) for x, y in ((20, 20), (60, 60), (60, 20), (20, 60))])
"""Two triangles of 400 m² that meet at a point; their signed area is 0."""


def communes(geometry: shapely.Geometry | None = None, *, crs: int | None = 2154, code: str = CODE) -> gpd.GeoDataFrame:
    ground = box(0, 0, SIDE, SIDE) if geometry is None else geometry
    return gpd.GeoDataFrame({"insee_com": [code], "nom": ["Petite commune"]}, geometry=[ground], crs=crs)


def buildings(
    geometries: Sequence[shapely.Geometry | None] = (HOUSE,), *, crs: int | None = 2154, **columns: object
) -> gpd.GeoDataFrame:
    count = len(geometries)
    values = {
        "cleabs": [f"BATIMENT{number:016d}" for number in range(count)],
        "nature": ["Indifférenciée"] * count,
        "usage_1": ["Résidentiel"] * count,
        **columns,
    }
    return gpd.GeoDataFrame(values, geometry=list(geometries), crs=crs)


def write(path: Path, **layers: gpd.GeoDataFrame) -> Path:
    """Write the layers of a GeoPackage, or the one layer of another kind of file."""
    for name, frame in layers.items():
        options: dict[str, Any] = {"layer": name, "append": path.exists()} if path.suffix == ".gpkg" else {}
        pyogrio.write_dataframe(frame, path, **options)
    return path


def cut(path: Path, share: float = 0.5) -> Path:
    """Cut a file as an interrupted copy does."""
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    return path


def classes(value: int = GRASS, *, side: int = 200) -> NDArray[np.uint8]:
    """Return the class raster of the whole commune at 1 m: one class."""
    return np.full((side, side), value, dtype=np.uint8)


def write_raster(
    path: Path,
    values: NDArray[np.generic],
    *,
    resolution: float = 1.0,
    offset: float = 0.0,
    crs: str | None = "EPSG:2154",
    **profile: object,
) -> Path:
    """Write a raster whose north-west corner is that of the commune, moved east by ``offset`` metres."""
    bands = values if values.ndim == 3 else values[np.newaxis]
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=bands.shape[1],
        width=bands.shape[2],
        count=bands.shape[0],
        dtype=bands.dtype,
        crs=crs,
        transform=Affine(resolution, 0.0, X + offset, 0.0, -resolution, Y + SIDE),
        **profile,
    ) as sink:
        sink.write(bands)
    return path


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    errors: list[str]
    output: str


@dataclass
class Bench:
    """A workspace, a folder for deliveries, and the command line."""

    folder: Path
    capfd: pytest.CaptureFixture[str]
    numbering: str = "cosia_vector_numero"
    workspace: Path = field(init=False)

    def __post_init__(self) -> None:
        self.workspace = self.folder / "w"

    def ocsge(self, *arguments: object) -> Outcome:
        """Run the command line in this process."""
        self.capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        printed = self.capfd.readouterr()
        return Outcome(int(stop.value.code or 0), printed.err.splitlines(), printed.out)

    def add(self, path: Path) -> Outcome:
        return self.ocsge("catalog", "add", path, "--workspace", self.workspace)

    def deliver(self, **layers: gpd.GeoDataFrame) -> None:
        """Write and register a commune, and BD TOPO layers."""
        given = {"commune": communes(), **layers}
        for name, frame in given.items():
            assert self.add(write(self.folder / f"{name}.gpkg", **{name: frame})).code == 0

    def derive(self, *options: object, commune: str | None = CODE, millesime: object = 2022) -> Outcome:
        """Derive the commune at 1 m."""
        asked = ("--commune", commune) if commune else ()
        where = ("--millesime", millesime, "--workspace", self.workspace, "--resolution", 1)
        return self.ocsge("derive", *asked, *where, *options)

    def derive_with(self, raster: Path, *options: object) -> Outcome:
        return self.derive("--cosia", raster, "--numbering", self.numbering, *options)

    def published(self) -> Path | None:
        return Workspace(self.workspace).current()

    def refuses(self, outcome: Outcome, code: int, *words: object) -> None:
        """Assert an exit code, one line on stderr that holds ``words``, and nothing published."""
        assert outcome.code == code, outcome.errors
        assert len(outcome.errors) == 1, outcome.errors
        assert outcome.errors[0].startswith("ocsge: ")
        assert "internal error" not in outcome.errors[0]
        for word in words:
            assert str(word) in outcome.errors[0]
        assert self.published() is None

"""Place the files of an image product on the grid, and know which band of a file holds what.

Nothing is guessed: a file of another type, resolution, CRS or order of bands is refused in one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioIOError

from ocsge.errors import CrsError, RasterError
from ocsge.grid import Grid, Window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rasterio.io import DatasetReader

    from ocsge.segment.model_card import Band

Product = Literal["rvb", "irc"]
Holes = Literal["none", "nodata", "alpha", "mask", "black"]
"""How a tile says where it holds nothing: nowhere, a value, an alpha band, a mask, or black that reaches its edge."""

ORDER: dict[Product, tuple[Band, ...]] = {
    "rvb": ("rouge", "vert", "bleu", "infrarouge"),
    "irc": ("infrarouge", "rouge", "vert"),
}
"""Bands of each product in the order of its files; the infrared of an RVB file is there in some deliveries only."""

_WORDS: dict[str, Band] = {
    **dict.fromkeys(("rouge", "red", "r"), "rouge"),
    **dict.fromkeys(("vert", "green", "v", "g"), "vert"),
    **dict.fromkeys(("bleu", "blue", "b"), "bleu"),
    **dict.fromkeys(("infrarouge", "infrared", "near infrared", "nir", "pir", "ir", "i"), "infrarouge"),
}
_COLOURS: dict[ColorInterp, Band] = {
    ColorInterp.red: "rouge",
    ColorInterp.green: "vert",
    ColorInterp.blue: "bleu",
    ColorInterp.nir: "infrarouge",
}
_DISPLAYED: tuple[Band, ...] = ("rouge", "vert", "bleu")
"""Colours under which an IRC image is shown: its files declare them, and hold infrared, red and green."""


@dataclass(frozen=True, slots=True)
class ImageTile:
    """One image file placed on the grid."""

    path: Path
    window: Window
    """Pixels it covers."""
    bands: tuple[Band, ...]
    """What each colour band holds, in the order of the file."""
    indexes: tuple[int, ...]
    """Number of each of them in the file, from 1."""
    holes: Holes
    nodata: float | None
    """Declared value of pixels without data."""
    alpha: int | None = None
    """Number of the alpha band."""


def place_image_tiles(
    paths: Sequence[Path], *, product: Product, resolution_m: float, assume_crs: int | None = None
) -> tuple[Grid, tuple[ImageTile, ...]]:
    """Return the grid of a product and its files placed on it, by file name.

    Parameters
    ----------
    paths
        Files of the product, at least one.
    product
        Says which bands they hold.
    resolution_m
        Pixel side that the model was trained at.
    assume_crs
        EPSG code of files whose CRS bears none.

    Raises
    ------
    RasterError
        Unreadable file, type other than 8 bits, missing or contradicted bands, other resolution, pixels off the grid.
    CrsError
        CRS missing, not in metres, or not the same for all files.
    """
    grid: Grid | None = None
    tiles = []
    for path in sorted(paths, key=lambda p: (p.name, p)):
        try:
            with rasterio.open(path) as dataset:
                epsg = epsg_of(dataset, path, assume_crs=assume_crs)
                if grid is None:
                    grid = Grid.at_resolution(epsg=epsg, resolution_m=resolution_m)
                if epsg != grid.epsg:
                    raise CrsError(f"{path}: EPSG:{epsg}, the others are in EPSG:{grid.epsg}; reproject it (gdalwarp)")
                tiles.append(_placed(dataset, path, product=product, grid=grid))
        except RasterioIOError as error:
            raise RasterError(
                f"{path}: cannot be opened as a raster ({error}); check that the file is whole"
            ) from error
    if grid is None:
        raise RasterError(f"no file of {product.upper()} imagery")
    return grid, tuple(tiles)


def epsg_of(dataset: DatasetReader, path: Path, *, assume_crs: int | None) -> int:
    """Return the EPSG code of a raster in metres.

    Raises
    ------
    CrsError
        When it declares none and none is assumed, or its CRS is not projected in metres.
    """
    crs = dataset.crs
    epsg: int | None = None if crs is None else crs.to_epsg()
    if epsg is None:
        if assume_crs is None:
            what = "declares no CRS" if crs is None else f"CRS {crs.to_string()[:60]!r} bears no EPSG code"
            raise CrsError(f"{path}: {what}; give --assume-crs EPSG, or write it into the file (gdal_edit.py -a_srs)")
        return assume_crs
    if not crs.is_projected or crs.linear_units_factor[1] != 1:
        raise CrsError(f"{path}: EPSG:{epsg} is not projected in metres; reproject it (gdalwarp -t_srs EPSG:2154)")
    return epsg


def _placed(dataset: DatasetReader, path: Path, *, product: Product, grid: Grid) -> ImageTile:
    if set(dataset.dtypes) != {"uint8"}:
        raise RasterError(
            f"{path}: bands of {'/'.join(sorted(set(dataset.dtypes)))}; models read 8 bits: convert it with the scale "
            "of its producer (gdal_translate -ot Byte -scale …)"
        )
    transform, n = dataset.transform, grid.pixels_per_m
    if transform.b or transform.d or abs(transform.a * n - 1) > 1e-6 or abs(transform.e * n + 1) > 1e-6:
        raise RasterError(
            f"{path}: pixels of {transform.a:g} × {-transform.e:g} m, the model reads {grid.resolution_m:g} m: "
            f"resample it (gdalwarp -tr {grid.resolution_m:g} {grid.resolution_m:g} -tap -r cubic)"
        )
    col, row = transform.c * n, -transform.f * n
    if abs(col - round(col)) > 1e-3 or abs(row - round(row)) > 1e-3:
        raise RasterError(
            f"{path}: pixels from ({transform.c:.3f}, {transform.f:.3f}) do not lie on multiples of "
            f"{grid.resolution_m:g} m; align it (gdalwarp -tap -r cubic)"
        )
    colours = [i for i, c in enumerate(dataset.colorinterp, start=1) if c != ColorInterp.alpha]
    alpha = [i for i, c in enumerate(dataset.colorinterp, start=1) if c == ColorInterp.alpha]
    holes, nodata = _holes(dataset, alpha=bool(alpha))
    return ImageTile(
        path=path,
        window=Window(row=round(row), col=round(col), height=dataset.height, width=dataset.width),
        bands=_bands(dataset, colours, path, product=product),
        indexes=tuple(colours),
        holes=holes,
        nodata=nodata,
        alpha=alpha[0] if alpha else None,
    )


def _holes(dataset: DatasetReader, *, alpha: bool) -> tuple[Holes, float | None]:
    if alpha:
        return "alpha", None
    flags = {flag for band in dataset.mask_flag_enums for flag in band}
    if MaskFlags.nodata in flags:
        values = set(dataset.nodatavals)
        return ("nodata", values.pop()) if len(values) == 1 else ("mask", None)
    return ("black" if flags == {MaskFlags.all_valid} else "mask"), None


def _bands(dataset: DatasetReader, colours: Sequence[int], path: Path, *, product: Product) -> tuple[Band, ...]:
    expected = ORDER[product]
    needed = len(expected) if product == "irc" else len(expected) - 1
    if not needed <= len(colours) <= len(expected):
        raise RasterError(
            f"{path}: {len(colours)} colour band(s); an {product.upper()} file holds {', '.join(expected[:needed])}"
            + ("" if product == "irc" else ", and infrarouge in some deliveries")
        )
    described = [_WORDS.get((dataset.descriptions[i - 1] or "").strip().casefold()) for i in colours]
    painted = [_COLOURS.get(dataset.colorinterp[i - 1]) for i in colours]
    if product == "irc" and tuple(painted) == _DISPLAYED:
        painted = [None] * len(painted)
    declared = [a or b for a, b in zip(described, painted, strict=True)]
    bands = expected[: len(colours)]
    if len(colours) > needed and declared[-1] is None:
        raise RasterError(
            f"{path}: band {colours[-1]} declares nothing; write what it is into the file (gdal_edit.py "
            f"-colorinterp_{colours[-1]} nir), or alpha"
        )
    if any(said is not None and said != band for said, band in zip(declared, bands, strict=True)):
        shown = ", ".join(said or "?" for said in declared)
        order = " ".join(f"-b {declared.index(b) + 1}" for b in bands if b in declared)
        raise RasterError(
            f"{path}: its bands are declared {shown}; {product.upper()} files hold {', '.join(bands)}: put them in "
            f"that order (gdal_translate {order}), or correct what they declare"
        )
    return bands

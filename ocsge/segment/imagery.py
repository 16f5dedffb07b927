"""Read the bands a model asks for from mosaics of tiles: RVB and IRC imagery, heights.

A patch that overlaps several tiles is read from all of them, so there is no seam between tiles; where two overlap, the
first by name wins. What lies under no tile, or where a tile holds nothing, is given to the network as the mean of the
band (0 m for heights in metres) and answered as no data.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from ocsge.errors import CrsError, ParameterError, RasterError
from ocsge.grid import Window
from ocsge.products.cosia import raster_files
from ocsge.segment.altitudes import Altitudes, place_altitudes
from ocsge.segment.black_borders import BlackBorder, black_border
from ocsge.segment.elevation import elevation_bands, unknown_values
from ocsge.segment.image_tiles import ImageTile, Product, place_image_tiles
from ocsge.segment.model_card import HEIGHT_BANDS
from ocsge.segment.shared_bands import check_shared_bands, overlaps
from ocsge.segment.tiling import common_window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from ocsge.grid import Grid
    from ocsge.segment.model_card import Band, ModelCard

    Pixels = NDArray[np.uint8] | NDArray[np.float32]

BLOCK_CACHE_MB = 64
"""Decoded blocks that GDAL keeps for all readers, megabytes."""

_STRIP_ROWS = 128
"""Rows whose heights are computed at once."""

_OPEN_FILES = 24
"""Files that a reader keeps open; a département has hundreds."""


@dataclass(frozen=True, slots=True)
class ImageMosaic:
    """The tiles of one product."""

    product: Product
    bands: tuple[Band, ...]
    """Bands that the model takes from it."""
    tiles: tuple[ImageTile, ...]


@dataclass(frozen=True, slots=True)
class Imagery:
    """What a model reads: image mosaics and heights on one grid; it can be sent to another process."""

    grid: Grid
    window: Window
    """Smallest window that holds every image tile."""
    bands: tuple[Band, ...]
    """Bands of the pixels read, in the order of the model's card."""
    fill: tuple[float, ...]
    """Value of each band where there is nothing."""
    mosaics: tuple[ImageMosaic, ...]
    altitudes: tuple[Altitudes, ...]

    @property
    def is_metric(self) -> bool:
        """Whether pixels are float32, because a band holds metres."""
        return "mns" in self.bands or "mnt" in self.bands

    def covers(self, window: Window) -> bool:
        """Return whether tiles of every product meet a window; nothing is read."""
        return all(
            any(common_window(tile.window, window) is not None for tile in mosaic.tiles) for mosaic in self.mosaics
        )

    def parts(self) -> Iterator[Window]:
        """Yield the windows that together are covered by tiles of every product; they may overlap."""
        if len(self.mosaics) == 1:
            yield from (tile.window for tile in self.mosaics[0].tiles)
        else:
            first, second = self.mosaics
            yield from (both for _, _, both in overlaps(first.tiles, second.tiles))

    def files(self, window: Window) -> list[tuple[str, Path]]:
        """Return the files that are looked at for a window, in order, each with the option that gives it."""
        images = [
            (mosaic.product, tile.path)
            for mosaic in self.mosaics
            for tile in mosaic.tiles
            if common_window(tile.window, window) is not None
        ]
        heights = [(a.kind, path) for a in self.altitudes for path in a.paths(window, grid=self.grid)]
        return [*images, *heights]


def open_imagery(
    rvb: Sequence[Path],
    *,
    irc: Sequence[Path] = (),
    elevation: Sequence[Path] = (),
    mns: Sequence[Path] = (),
    mnt: Sequence[Path] = (),
    card: ModelCard,
    assume_crs: int | None = None,
) -> Imagery:
    """Return what a model reads from files or folders of tiles; of the images, a sample is read of RVB and IRC alone.

    Parameters
    ----------
    rvb, irc
        Imagery in true colours (red, green, blue) and in false colours (infrared, red, green).
    elevation
        Heights above ground: metres, or FLAIR's steps of 20 cm in 8 bits.
    mns, mnt
        Altitudes of the surface and of the terrain, metres.
    card
        The model's card.
    assume_crs
        EPSG code of files whose CRS bears none.

    Raises
    ------
    ParameterError
        A product that the model needs is not given, or one is given that it does not read.
    RasterError, CrsError
        A file that cannot be used; see :func:`~ocsge.segment.image_tiles.place_image_tiles`; products that do not
        meet, or whose red and green differ.
    """
    given: dict[Product, Sequence[Path]] = {"rvb": _files(rvb), "irc": _files(irc)}
    if set(given["rvb"]) & set(given["irc"]):
        raise ParameterError(f"{given['irc'][0]}: given as --rvb and as --irc; they are two products")
    placed = {
        product: place_image_tiles(paths, product=product, resolution_m=card.resolution_m, assume_crs=assume_crs)
        for product, paths in given.items()
        if paths
    }
    grids = {product: grid for product, (grid, _) in placed.items()}
    if not grids:
        raise ParameterError("no imagery is given; give --rvb, --irc or both, as the model needs")
    if len(set(grids.values())) > 1:
        shown = " and ".join(f"--{product} EPSG:{grid.epsg}" for product, grid in grids.items())
        raise CrsError(f"{shown}: the products are not in one CRS; reproject one of them (gdalwarp)")
    grid = next(iter(grids.values()))
    mosaics = _mosaics({product: tiles for product, (_, tiles) in placed.items()}, card)
    altitudes = _altitudes(
        {"elevation": _files(elevation), "mns": _files(mns), "mnt": _files(mnt)}, card, grid, assume_crs
    )
    if len(placed) > 1:
        check_shared_bands(placed["rvb"][1], placed["irc"][1])
    windows = [tile.window for mosaic in mosaics for tile in mosaic.tiles]
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    whole = Window(
        row=row,
        col=col,
        height=max(w.bottom for w in windows) - row,
        width=max(w.right for w in windows) - col,
    )
    return Imagery(
        grid=grid, window=whole, bands=card.bands, fill=unknown_values(card), mosaics=mosaics, altitudes=altitudes
    )


def _files(places: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(path for place in places for path in raster_files(place)))


def _mosaics(tiles: dict[Product, tuple[ImageTile, ...]], card: ModelCard) -> tuple[ImageMosaic, ...]:
    """Return the mosaic of each product with the bands that it gives: the first product that holds a band gives it."""
    source: dict[Product, list[Band]] = {product: [] for product in tiles}
    for band in (band for band in card.bands if band not in HEIGHT_BANDS):
        holder = next((p for p, found in tiles.items() if all(band in tile.bands for tile in found)), None)
        if holder is None:
            missing = "--irc" if band == "infrarouge" else "--rvb"
            raise ParameterError(
                f"the model {card.name} reads {', '.join(card.bands)}: nothing given holds {band}; give {missing}"
            )
        source[holder].append(band)
    unread = [f"--{product}" for product, bands in source.items() if not bands]
    if unread:
        raise ParameterError(
            f"{unread[0]}: the model {card.name} takes nothing from it (it reads {', '.join(card.bands)}); leave it out"
        )
    return tuple(ImageMosaic(product=p, bands=tuple(bands), tiles=tiles[p]) for p, bands in source.items())


def _altitudes(
    given: dict[str, list[Path]], card: ModelCard, grid: Grid, assume_crs: int | None
) -> tuple[Altitudes, ...]:
    kinds = [kind for kind, paths in given.items() if paths]
    needed: tuple[list[str], ...]
    if card.elevation is None:
        needed = ([],)
    elif card.elevation == "height_uint8_20cm":
        needed = (["elevation"], ["mns", "mnt"])
    else:
        needed = (["mns", "mnt"],)
    if kinds not in needed:
        ways = " or ".join(" and ".join(f"--{kind}" for kind in way) for way in needed if way)
        raise ParameterError(
            f"the model {card.name} reads {', '.join(card.bands)}: "
            + (f"give {ways}" if ways else "no elevation; leave it out")
            + (f", not {' and '.join(f'--{kind}' for kind in kinds)}" if kinds and ways else "")
        )
    return tuple(place_altitudes(given[kind], kind=kind, grid=grid, assume_crs=assume_crs) for kind in kinds)


@dataclass(slots=True)
class _Borders:
    """Black borders of the tiles, each found once by the first reader that needs it."""

    found: dict[Path, BlackBorder | None] = field(default_factory=dict)
    locks: dict[Path, threading.Lock] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, tile: ImageTile) -> BlackBorder | None:
        """Return the black border of a tile, found now or before; None when it has none."""
        with self.lock:
            own = self.locks.setdefault(tile.path, threading.Lock())
        with own:
            if tile.path not in self.found:
                self.found[tile.path] = black_border(tile)
            return self.found[tile.path]


class ImageryReader:
    """Reads windows of an imagery from any number of threads; each has its own open files."""

    def __init__(self, imagery: Imagery) -> None:
        self._imagery = imagery
        self._borders = _Borders()
        self._local = threading.local()
        self._stack = ExitStack()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        """Return the pixels of a window, (bands, h, w) in the order of the card, and where there are any, (h, w).

        Raises
        ------
        RasterError
            When a block cannot be read: a truncated or corrupt file.
        """
        imagery = self._imagery
        shape = (window.height, window.width)
        with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_MB):
            every = (len(imagery.bands), *shape)
            out: Pixels = np.empty(every, np.float32) if imagery.is_metric else np.empty(every, np.uint8)
            valid = np.ones(shape, dtype=np.bool_)
            for mosaic in imagery.mosaics:
                valid &= self._read_mosaic(mosaic, window, out)
            if not valid.any():
                return out, valid
            if imagery.altitudes:
                self._read_altitudes(window, out)
        if not valid.all():
            for plane, fill in zip(out, imagery.fill, strict=True):
                plane[~valid] = fill if imagery.is_metric else round(fill)
        return out, valid

    def _read_mosaic(self, mosaic: ImageMosaic, window: Window, out: Pixels) -> NDArray[np.bool_]:
        """Write the bands of a product into ``out``; return where it holds something."""
        valid = np.zeros((window.height, window.width), dtype=np.bool_)
        planes = [self._imagery.bands.index(band) for band in mosaic.bands]
        for tile in mosaic.tiles:
            part = common_window(tile.window, window)
            if part is None:
                continue
            place = np.s_[
                part.row - window.row : part.bottom - window.row, part.col - window.col : part.right - window.col
            ]
            if valid[place].all():
                continue
            pixels, holds = self._read_tile(tile, mosaic.bands, part)
            wanted = holds & ~valid[place]
            for plane, values in zip(planes, pixels, strict=True):
                np.copyto(out[plane][place], values, where=wanted)
            valid[place] |= holds
        return valid

    def _read_tile(
        self, tile: ImageTile, bands: Sequence[Band], part: Window
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        own = Window(
            row=part.row - tile.window.row, col=part.col - tile.window.col, height=part.height, width=part.width
        )
        where = RasterWindow(own.col, own.row, own.width, own.height)
        dataset = self._dataset(tile.path)
        indexes = [tile.indexes[tile.bands.index(band)] for band in bands]
        every = tile.holes == "nodata" and tile.nodata is not None
        try:
            read = dataset.read(list(tile.indexes) if every else indexes, window=where)
            mask = dataset.dataset_mask(window=where) if tile.holes == "mask" else None
            mask = dataset.read(tile.alpha, window=where) if tile.holes == "alpha" else mask
        except RasterioError as error:
            raise RasterError(
                f"{tile.path}: rows {own.row}–{own.bottom} cannot be read ({error}); the file is truncated or corrupt, "
                "fetch it again"
            ) from error
        if every:
            # a pixel is empty when every band holds the value: one band alone may well reach it
            return read[[tile.bands.index(band) for band in bands]], (read != tile.nodata).any(axis=0)
        if mask is not None:
            return read, mask != 0
        border = self._borders.of(tile) if tile.holes == "black" else None
        holds = np.ones((own.height, own.width), dtype=np.bool_) if border is None else ~border.holes(own)
        return read, holds

    def _read_altitudes(self, window: Window, out: Pixels) -> None:
        """Write the bands of elevation into ``out``, a few rows at a time: metres are eight bytes a pixel."""
        for row in range(0, window.height, _STRIP_ROWS):
            rows = min(_STRIP_ROWS, window.height - row)
            strip = Window(row=window.row + row, col=window.col, height=rows, width=window.width)
            self._encode_altitudes(strip, out[:, row : row + rows])

    def _encode_altitudes(self, window: Window, out: Pixels) -> None:
        imagery = self._imagery
        found = {a.kind: a.read(window, grid=imagery.grid, dataset_of=self._dataset) for a in imagery.altitudes}
        names: tuple[str, ...] = imagery.bands
        fill = zip(imagery.bands, imagery.fill, strict=True)
        unknown: dict[str, float] = {band: value for band, value in fill if band in HEIGHT_BANDS}
        for band, values in elevation_bands(found, unknown=unknown).items():
            out[names.index(band)] = values

    def _dataset(self, path: Path) -> DatasetReader:
        """Return the open file of a path for this thread, the least used closed when there are too many."""
        opened: OrderedDict[Path, DatasetReader] | None = getattr(self._local, "opened", None)
        if opened is None:
            opened = self._local.opened = OrderedDict()
            with self._lock:
                self._stack.callback(_close_all, opened)
        if path in opened:
            opened.move_to_end(path)
            return opened[path]
        if len(opened) >= _OPEN_FILES:
            opened.popitem(last=False)[1].close()
        try:
            opened[path] = rasterio.open(path)
        except RasterioError as error:
            raise RasterError(
                f"{path}: cannot be opened as a raster ({error}); check that the file is whole"
            ) from error
        return opened[path]


def _close_all(opened: OrderedDict[Path, DatasetReader]) -> None:
    for dataset in opened.values():
        dataset.close()

"""Read data sets of patches and masks: FLAIR #1, FLAIR-HUB, and plain folders of one's own.

::

    flair       …/D012_2019/Z13_AA/img/IMG_062871.tif and …/D012_2019/Z13_AA/msk/MSK_062871.tif, in one tree or in two;
                bands rouge, vert, bleu, infrarouge, elevation; masks numbered 1–19 (flair_inc_mask)
    flair_hub   D004-2021_AERIAL_RGBI/<ROI>/D004-2021_AERIAL_RGBI_<ROI>_….tif, and the same names with
                AERIAL_LABEL-COSIA for the masks (flair_hub) and DEM_ELEV for elevation (bands MNS, MNT, metres)
    plain       img/<name>.tif and mask/<name>.tif, at any depth; tile_12.tif goes with mask_12.tif too

FLAIR: Garioud and others, 2022–2025, IGN, Licence Ouverte 2.0.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError

from ocsge.errors import CodeError, DataError, ParameterError, RasterError
from ocsge.segment.elevation import elevation_bands, unknown_values
from ocsge.segment.folds import Place
from ocsge.segment.mask_classes import UNKNOWN
from ocsge.segment.model_card import HEIGHT_BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.segment.mask_classes import MaskClasses
    from ocsge.segment.model_card import Band, ModelCard
    from ocsge.segment.samples import Labels, Pixels

Layout = Literal["flair", "flair_hub", "plain"]
LAYOUTS: tuple[Layout, ...] = ("flair", "flair_hub", "plain")

NUMBERINGS: dict[Layout, str] = {"flair": "flair_inc_mask", "flair_hub": "flair_hub"}
"""Numbering system of the masks of the published data sets."""

FILE_BANDS: dict[int, tuple[Band, ...]] = {
    3: ("rouge", "vert", "bleu"),
    4: ("rouge", "vert", "bleu", "infrarouge"),
    5: ("rouge", "vert", "bleu", "infrarouge", "elevation"),
}
"""Bands of an imagery file by their number, unless they are stated."""

ALTITUDES: tuple[Band, ...] = ("mns", "mnt")
"""Bands of an elevation file of FLAIR-HUB."""

NATIVE_RESOLUTION_M = 0.2
"""Pixel of BD ORTHO, metres."""

SUFFIXES = (".tif", ".tiff")
_HUB = re.compile(r"^(?P<domain>D\d{3}[-_]\d{4})_(?P<what>AERIAL_RGBI|AERIAL_LABEL-COSIA|DEM_ELEV)$")
_FLAIR_DOMAIN = re.compile(r"^D\d{3}_\d{4}$")
_KEPT_BYTES = 2 << 30
_SAME = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The files of a patch."""

    name: str
    """What a report calls it: its path without what all have in common."""

    imagery: Path
    """Imagery."""

    mask: Path
    """Class numbers, one band, same size."""

    elevation: Path | None = None
    """MNS and MNT in metres, same size; None without."""

    domain: str = ""
    """Département and year it comes from; empty when its folder does not say."""


def layout_of(folder: Path) -> Layout:
    """Return the layout of a data set, from the names of its folders."""
    names = [path.name for path in folder.rglob("*") if path.is_dir()] + [folder.name]
    if any(_HUB.match(name) for name in names):
        return "flair_hub"
    if "msk" in names and any(_FLAIR_DOMAIN.match(name) for name in names):
        return "flair"
    if "img" in names:
        return "plain"
    raise DataError(
        f"{folder}: neither FLAIR (D0xx_yyyy/Z…/img and msk), nor FLAIR-HUB (D0xx-yyyy_AERIAL_RGBI), nor img/ and mask/"
    )


def find_patches(folder: Path, *, layout: Layout | None = None) -> list[Patch]:
    """Return the patches of a data set, in the order of their names.

    Parameters
    ----------
    folder
        The data set.
    layout
        How it is laid out; None reads it from the names of its folders.

    Raises
    ------
    DataError
        No patch, or patches without mask or masks without patch: the first are named.
    """
    layout = layout_of(folder) if layout is None else layout
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    found: dict[str, dict[str, Path]] = {"imagery": {}, "mask": {}, "elevation": {}}
    for path in files:
        place = _PLACES[layout](path, folder)
        if place is None:
            continue
        role, key = place
        if key in found[role]:
            raise DataError(f"{path}: second {role} of the patch {key}, after {found[role][key]}; keep one of them")
        found[role][key] = path
    images, masks, elevation = found["imagery"], found["mask"], found["elevation"]
    if not images:
        raise DataError(f"{folder}: no patch in the layout {layout}")
    _refuse_unpaired(folder, "patches without mask", [images[key] for key in sorted(images.keys() - masks.keys())])
    _refuse_unpaired(folder, "masks without patch", [masks[key] for key in sorted(masks.keys() - images.keys())])
    if elevation:
        lacking = [images[key] for key in sorted(images.keys() - elevation.keys())]
        _refuse_unpaired(folder, "patches without elevation, which others have", lacking)
    return [
        Patch(
            name=key,
            imagery=images[key],
            mask=masks[key],
            elevation=elevation.get(key),
            domain="" if layout == "plain" else key.split("/")[0],
        )
        for key in sorted(images)
    ]


def _refuse_unpaired(folder: Path, what: str, paths: list[Path]) -> None:
    if paths:
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        raise DataError(f"{folder}: {what}: {', '.join(str(path) for path in paths[:3])}{more}")


def _flair_place(path: Path, folder: Path) -> tuple[str, str] | None:  # noqa: ARG001
    """Return the role and the key of a file of FLAIR #1; None for another."""
    parts = path.parts
    if len(parts) < 4 or parts[-2] not in {"img", "msk"} or not _FLAIR_DOMAIN.match(parts[-4]):
        return None
    role = "imagery" if parts[-2] == "img" else "mask"
    return role, "/".join((parts[-4], parts[-3], path.stem.partition("_")[2]))


def _hub_place(path: Path, folder: Path) -> tuple[str, str] | None:
    """Return the role and the key of a file of FLAIR-HUB; None for another."""
    for above in path.parents:
        matched = _HUB.match(above.name)
        if matched or above == folder:
            break
    if matched is None:
        return None
    role = {"AERIAL_RGBI": "imagery", "DEM_ELEV": "elevation"}.get(matched["what"], "mask")
    bare = path.relative_to(above).with_suffix("").as_posix().replace(matched["what"], "").replace("__", "_")
    return role, f"{matched['domain']}/{bare}"


def _plain_place(path: Path, folder: Path) -> tuple[str, str] | None:
    """Return the role and the key of a file in a folder img or mask; None for another."""
    role = {"img": "imagery", "mask": "mask", "msk": "mask"}.get(path.parent.name)
    if role is None:
        return None
    above = path.parent.parent.relative_to(folder).as_posix()
    bare = re.sub(r"^(?:img|image|tile|mask|msk|label)_", "", path.stem, flags=re.IGNORECASE)
    return role, bare if above == "." else f"{above}/{bare}"


_PLACES = {"flair": _flair_place, "flair_hub": _hub_place, "plain": _plain_place}


def bands_of(patch: Patch, *, stated: tuple[Band, ...] | None = None) -> tuple[Band, ...]:
    """Return the bands of a patch's imagery: those stated, else what their number means (:data:`FILE_BANDS`).

    Raises
    ------
    ParameterError
        When their number has no meaning, or is not that of the bands stated.
    """
    with _opened(patch.imagery) as file:
        count = file.count
    bands = FILE_BANDS.get(count) if stated is None else stated
    if bands is None or len(bands) != count:
        raise ParameterError(f"{patch.imagery}: has {count} bands; state the name of each, in order (--file-bands)")
    return bands


def place_of(patch: Patch) -> Place:
    """Return where a patch lies: its domain, and its bounds and pixel when its imagery is georeferenced in metres.

    Raises
    ------
    RasterError
        An unreadable file, or pixels that are not square.
    """
    with _opened(patch.imagery) as file:
        if file.crs is None or not file.crs.is_projected:
            return Place(domain=patch.domain)
        width, height = file.res
        if not same_resolution(width, height):
            raise RasterError(f"{patch.imagery}: pixels of {width:g} × {height:g} m; resample them to squares")
        return Place(patch.domain, tuple(map(float, file.bounds)), file.crs.to_string(), round(float(width), 6))


def same_resolution(one_m: float, other_m: float) -> bool:
    """Return whether two sides of a pixel are the same, to a thousandth."""
    return abs(one_m - other_m) <= _SAME * max(one_m, other_m)


def _opened(path: Path) -> rasterio.DatasetReader:
    try:
        return rasterio.open(path)
    except RasterioIOError as error:
        raise RasterError(f"{path}: not a readable raster ({error})") from error


@dataclass(slots=True)
class _Memory:
    """Patches that were read."""

    free: int
    """Bytes that may still be filled."""
    kept: dict[tuple[object, ...], tuple[Pixels, Labels]] = field(default_factory=dict)
    """By index; a patch whose elevation is unknown somewhere, by index and by what it was filled with."""


class PatchSamples:
    """Patches read from files, kept in memory as far as they fit.

    Elevation that is unknown (no data, NaN) is NaN until :meth:`filled` says what a model is given there.

    Parameters
    ----------
    patches
        The patches.
    classes
        What the numbers of the masks mean.
    bands
        Bands to give, in the order of the card.
    file_bands
        Bands of the imagery files, in their order; None reads them from their number.
    kept_bytes
        Memory that the patches may fill.

    Raises
    ------
    ParameterError
        No patch, or bands that the files do not hold.
    """

    def __init__(
        self,
        patches: Sequence[Patch],
        classes: MaskClasses,
        *,
        bands: tuple[Band, ...],
        file_bands: tuple[Band, ...] | None = None,
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        if not patches:
            raise ParameterError("no patch; give a data set that holds some")
        self.patches = tuple(patches)
        self.classes = classes
        self.bands = bands
        self.file_bands = bands_of(self.patches[0], stated=file_bands)
        self._table = classes.table
        self._memory = _Memory(kept_bytes)
        self._unknown: tuple[float, ...] | None = None
        held = {*self.file_bands, *(() if self.patches[0].elevation is None else HEIGHT_BANDS)}
        if lacking := [band for band in bands if band not in held]:
            raise ParameterError(
                f"{self.patches[0].imagery}: no band {', '.join(lacking)}; there are {', '.join(sorted(held))}"
            )

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where the patches lie; each file is opened once."""
        return tuple(place_of(patch) for patch in self.patches)

    @property
    def stated_resolution_m(self) -> float | None:
        """Side of a pixel, metres, one for all; None when no patch is georeferenced in metres.

        Raises
        ------
        RasterError
            Patches of several resolutions.
        """
        first = None
        for patch, place in zip(self.patches, self.places, strict=True):
            if place.pixel_m is None:
                continue
            first = place.pixel_m if first is None else first
            if not same_resolution(place.pixel_m, first):
                raise RasterError(
                    f"{patch.imagery}: pixels of {place.pixel_m:g} m, those before it of {first:g} m; a model learns "
                    "and answers at one resolution: resample them (gdalwarp -tr, near for masks)"
                )
        return first

    @property
    def resolution_m(self) -> float:
        """Side of a pixel, metres; that of BD ORTHO when no patch is georeferenced in metres."""
        stated = self.stated_resolution_m
        return NATIVE_RESOLUTION_M if stated is None else stated

    def filled(self, card: ModelCard) -> PatchSamples:
        """Return the patches with what a model is given where elevation is unknown, in place of NaN.

        Raises
        ------
        DataError
            A card of other bands.
        """
        if card.bands != self.bands:
            raise DataError(f"patches of {', '.join(self.bands)} for a model of {', '.join(card.bands)}")
        found = copy.copy(self)
        found._unknown = unknown_values(card)  # noqa: SLF001
        return found

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.patches)

    def name(self, index: int) -> str:
        """Return the name of a patch."""
        return self.patches[index].name

    def content(self, index: int) -> str:
        """Return the sizes and the times of the files of a patch, and what its bands and its class numbers mean."""
        patch = self.patches[index]
        files = [path.stat() for path in (patch.imagery, patch.mask, patch.elevation) if path is not None]
        meaning = hashlib.sha256(self._table.tobytes() + repr(self.file_bands).encode()).hexdigest()
        return " ".join([meaning, *(f"{file.st_size}:{file.st_mtime_ns}" for file in files)])

    def read(self, index: int) -> tuple[Pixels, Labels]:
        """Return the pixels, in the units of a card, and the labels of a patch.

        Raises
        ------
        RasterError
            An unreadable file, a mask or elevation of another size, imagery that is not of 8 bits.
        CodeError
            A class number that the classes do not hold.
        """
        memory = self._memory
        for key in ((index,), (index, self._unknown)):
            if key in memory.kept:
                return memory.kept[key]
        (pixels, whole), labels = self._pixels(self.patches[index]), self.labels_of(index)
        if labels.shape != pixels.shape[1:]:
            height, width = labels.shape
            raise RasterError(
                f"{self.patches[index].mask}: {width} × {height} pixels for a patch of {pixels.shape[2]} × "
                f"{pixels.shape[1]}"
            )
        found = pixels, labels
        size = sum(array.nbytes for array in found)
        if size <= memory.free:
            memory.free -= size
            memory.kept[(index,) if whole else (index, self._unknown)] = found
        return found

    def labels_of(self, index: int) -> Labels:
        """Return the labels of a patch, without its pixels."""
        kept = self._memory.kept.get((index,))
        return _labels(self.patches[index], self.classes, self._table) if kept is None else kept[1]

    def _pixels(self, patch: Patch) -> tuple[Pixels, bool]:
        """Return the pixels of a patch, and whether everything is known in them."""
        with _opened(patch.imagery) as file:
            if any(dtype != "uint8" for dtype in file.dtypes):
                raise RasterError(f"{patch.imagery}: imagery is {file.dtypes[0]}; convert it to 8 bits (0–255)")
            imagery = file.read()
        if len(imagery) != len(self.file_bands):
            raise RasterError(f"{patch.imagery}: has {len(imagery)} bands, the others {len(self.file_bands)}")
        found: dict[str, Pixels] = dict(zip(self.file_bands, imagery, strict=True))
        whole = True
        if patch.elevation is not None and (wanted := HEIGHT_BANDS & set(self.bands)):
            metres = _altitudes(patch.elevation, imagery.shape[1:])
            whole = not any(np.isnan(values).any() for values in metres.values())
            unknown = None if self._unknown is None else dict(zip(self.bands, self._unknown, strict=True))
            found |= _elevation(metres, wanted, None if whole else unknown)
        return np.stack([found[band] for band in self.bands]), whole


def _altitudes(path: Path, size: tuple[int, ...]) -> dict[str, NDArray[np.float64]]:
    """Return MNS and MNT, metres; NaN where the file has no data."""
    with _opened(path) as file:
        if file.count != len(ALTITUDES) or file.shape != size:
            raise RasterError(
                f"{path}: {file.count} bands of {file.width} × {file.height}; expected MNS and MNT of the imagery's "
                f"{size[1]} × {size[0]} pixels"
            )
        read = file.read(masked=True).astype(np.float64).filled(np.nan)
    return dict(zip(ALTITUDES, read, strict=True))


def _elevation(
    metres: dict[str, NDArray[np.float64]], wanted: frozenset[Band], unknown: dict[Band, float] | None
) -> dict[str, Pixels]:
    """Return the bands that MNS and MNT give, as a card wants them; NaN where unknown, unless told what to put."""
    height = metres["mns"] - metres["mnt"]
    holes = {"mns": np.isnan(metres["mns"]), "mnt": np.isnan(height), "elevation": np.isnan(height)}
    given = dict.fromkeys(HEIGHT_BANDS, 0.0) | (unknown or {})
    found: dict[str, Pixels] = {}
    encodings: tuple[tuple[Band, ...], ...] = (("elevation",), ALTITUDES)
    for bands in encodings:
        if wanted & set(bands):
            found |= elevation_bands(metres, unknown={band: given[band] for band in bands})
    if unknown is None:
        found = {b: np.where(holes[b], np.float32(np.nan), v) if holes[b].any() else v for b, v in found.items()}
    return found


def _labels(patch: Patch, classes: MaskClasses, table: NDArray[np.uint8]) -> Labels:
    with _opened(patch.mask) as file:
        if file.count != 1:
            raise RasterError(f"{patch.mask}: {file.count} bands; a mask has one")
        numbers = file.read(1)
    if numbers.dtype != np.uint8:
        raise RasterError(f"{patch.mask}: a mask of {numbers.dtype}; convert its class numbers to uint8")
    labels: Labels = table[numbers]
    if (labels == UNKNOWN).any():
        unknown = Counter(numbers[labels == UNKNOWN].tolist())
        raise CodeError(
            f"{patch.mask}: class numbers {sorted(unknown)} ({unknown.total()} pixels) have no class; the classes hold "
            f"{sorted(classes.channels)}: state them, or leave them empty to ignore them"
        )
    return labels

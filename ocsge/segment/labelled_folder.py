"""A data set as a user states it: where its patches are, and what the numbers of its masks mean to a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsge.errors import CodeError, ParameterError, RasterError
from ocsge.segment.datasets import (
    ALTITUDES,
    NUMBERINGS,
    PatchSamples,
    bands_of,
    find_patches,
    layout_of,
    same_resolution,
)
from ocsge.segment.mask_classes import MaskClasses, classes_of_numbering, read_classes
from ocsge.segment.metrics import IGNORED

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from ocsge.rules import Rules
    from ocsge.segment.datasets import Layout
    from ocsge.segment.model_card import Band


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFolder:
    """Patches in a folder, and what the numbers of their masks mean."""

    folder: Path
    """Where the patches are."""

    layout: Layout | None = None
    """How they are laid out; None reads it from the names of the folders."""

    classes: Path | None = None
    """CSV file of class numbers and classes; None for the numbering of the published data sets."""

    ignored: tuple[str, ...] = ()
    """Classes whose pixels neither teach nor count."""

    file_bands: tuple[Band, ...] | None = None
    """Bands of the imagery files, in order; None reads them from their number."""

    def mask_classes(self, rules: Rules) -> MaskClasses:
        """Return what the numbers of the masks mean.

        Raises
        ------
        ParameterError
            A plain folder without a file of classes.
        """
        if self.classes is not None:
            return read_classes(self.classes, ignored=self.ignored)
        layout = layout_of(self.folder) if self.layout is None else self.layout
        if layout not in NUMBERINGS:
            raise ParameterError(f"{self.folder}: say what its class numbers mean (--classes FILE.csv: number,class)")
        return classes_of_numbering(rules, NUMBERINGS[layout], ignored=self.ignored)


def opened(data: LabelledFolder, classes: MaskClasses, bands: tuple[Band, ...] | None) -> PatchSamples:
    """Return the patches of a data set; without bands, all that the files hold."""
    patches = find_patches(data.folder, layout=data.layout)
    if bands is None:
        bands = bands_of(patches[0], stated=data.file_bands)
        bands = bands if patches[0].elevation is None else (*bands, *ALTITUDES)
    return PatchSamples(patches, classes, bands=bands, file_bands=data.file_bands)


def refuse_other_resolution(samples: PatchSamples, resolution_m: float, *, whose: str) -> None:
    """Raise when patches are of another resolution than a model or than other patches.

    Raises
    ------
    RasterError
        When their georeference says so; patches without one are taken as they are.
    """
    stated = samples.stated_resolution_m
    if stated is not None and not same_resolution(stated, resolution_m):
        raise RasterError(
            f"{samples.patches[0].imagery}: pixels of {stated:g} m, {whose} of {resolution_m:g} m; resample the "
            f"patches (gdalwarp -tr {resolution_m:g} {resolution_m:g}, near for masks)"
        )


def onto_head(classes: MaskClasses, names: Sequence[str], *, left_out: Collection[str] = ()) -> MaskClasses:
    """Return what mask numbers mean to a head of other classes, by the names of the classes.

    Raises
    ------
    CodeError
        A class that the head does not have and that is not left out.
    """
    channel = {name: i for i, name in enumerate(names)}
    taught = [name for name in classes.winning if name not in left_out]
    if lacking := [name for name in taught if name not in channel]:
        raise CodeError(
            f"classes {', '.join(lacking)} of the masks are none of the model's ({', '.join(names)}); ignore them, or "
            "state what their numbers mean (--classes)"
        )
    return MaskClasses(
        tuple(names),
        {
            number: IGNORED if old == IGNORED else channel.get(_kept(classes.head_classes[old], left_out), IGNORED)
            for number, old in classes.channels.items()
        },
    )


def _kept(name: str, left_out: Collection[str]) -> str:
    return "" if name in left_out else name

"""Cut imagery into patches and dalles that do not depend on its extent.

Both lie on multiples of their side in the global pixels of the projected CRS: patches on multiples of their core,
dalles on multiples of 10 km. The patch that decides a pixel, and where the pixel lies in it, is then the same for any
extent, area of interest, shard or number of processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsge.errors import ParameterError
from ocsge.grid import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsge.grid import Grid

DALLE_KM = 10
"""Side of a dalle, kilometres: that of IGN's deliveries of CoSIA."""

_M_PER_KM = 1000


def common_window(a: Window, b: Window) -> Window | None:
    """Return the pixels that two windows have in common, or None."""
    row, col = max(a.row, b.row), max(a.col, b.col)
    bottom, right = min(a.bottom, b.bottom), min(a.right, b.right)
    if bottom <= row or right <= col:
        return None
    return Window(row=row, col=col, height=bottom - row, width=right - col)


@dataclass(frozen=True, slots=True)
class Patch:
    """What the network is given at once, and the part of its answer that is kept."""

    core: Window
    """Pixels decided by this patch; the cores of a grid cover every pixel once."""

    read: Window
    """The core and its halo: pixels given to the network."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A square of patches whose pixels are read at once: each pixel of a halo is decoded once, not once a patch."""

    patches: tuple[Patch, ...]
    """Patches, by row then column."""

    read: Window
    """Pixels of all of them."""


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """The patches of the plane.

    Raises
    ------
    ParameterError
        When the halo leaves no core.

    Examples
    --------
    >>> PatchGrid(patch_px=1024, halo_px=128).core_px
    768
    """

    patch_px: int
    """Side of a patch, pixels."""

    halo_px: int
    """Context read on each side of the core and thrown away, pixels."""

    def __post_init__(self) -> None:
        if self.halo_px < 0 or self.core_px < 1:
            raise ParameterError(
                f"a patch of {self.patch_px} px with a halo of {self.halo_px} px on each side has no core; "
                "give a larger --patch or a smaller --halo"
            )

    @property
    def core_px(self) -> int:
        """Side of a core, pixels."""
        return self.patch_px - 2 * self.halo_px

    def check_stride(self, stride: int) -> None:
        """Refuse sides at which the network would see the ground under another phase from patch to patch.

        Parameters
        ----------
        stride
            Sides that the network takes are multiples of it.

        Raises
        ------
        ParameterError
            When the patch or the halo is not a multiple of it.
        """
        if self.patch_px % stride or self.halo_px % stride:
            raise ParameterError(
                f"patch of {self.patch_px} px, halo of {self.halo_px} px: both must be multiples of {stride} for this "
                f"network; such as --patch {-(-self.patch_px // stride) * stride} "
                f"--halo {-(-self.halo_px // stride) * stride}"
            )

    def patches(self, window: Window) -> Iterator[Patch]:
        """Yield the patches whose core meets a window, by row then column; none is clipped."""
        core = self.core_px
        for row in range(window.row - window.row % core, window.bottom, core):
            for col in range(window.col - window.col % core, window.right, core):
                inner = Window(row=row, col=col, height=core, width=core)
                yield Patch(
                    core=inner,
                    read=Window(
                        row=row - self.halo_px, col=col - self.halo_px, height=self.patch_px, width=self.patch_px
                    ),
                )

    def reach(self, window: Window) -> Window:
        """Return the pixels that the patches of a window read: up to whole cores, and the halo around them."""
        core, halo = self.core_px, self.halo_px
        row, col = (first - first % core - halo for first in (window.row, window.col))
        bottom, right = (-(-last // core) * core + halo for last in (window.bottom, window.right))
        return Window(row=row, col=col, height=bottom - row, width=right - col)

    def units(self, window: Window, *, longest_px: int) -> Iterator[Unit]:
        """Yield squares of patches that cover a window, none longer than ``longest_px`` unless a patch is.

        The squares only say what is read together: what a pixel is given does not depend on them.
        """
        side = max(1, (longest_px - 2 * self.halo_px) // self.core_px) * self.core_px
        for square in window.tiles(side):
            patches = tuple(self.patches(square))
            first, last = patches[0].read, patches[-1].read
            yield Unit(
                patches=patches,
                read=Window(row=first.row, col=first.col, height=last.bottom - first.row, width=last.right - first.col),
            )


@dataclass(frozen=True, slots=True)
class Dalle:
    """A square of 10 km of the projected CRS: the unit of files, of resuming and of sharing work."""

    name: str
    """Kilometres of its western and northern edges, as IGN names its dalles: ``0770_6280``."""

    window: Window
    """Its pixels."""


def dalles_of(window: Window, *, grid: Grid) -> list[Dalle]:
    """Return the dalles that meet a window, from north to south then west to east."""
    side = DALLE_KM * _M_PER_KM * grid.pixels_per_m
    found = []
    for row in range(window.row // side, -(-window.bottom // side)):
        for col in range(window.col // side, -(-window.right // side)):
            name = f"{col * DALLE_KM:04d}_{-row * DALLE_KM:04d}"
            found.append(Dalle(name=name, window=Window(row=row * side, col=col * side, height=side, width=side)))
    return found

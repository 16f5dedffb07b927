"""Measure what each optional exemption covers: an overlay on the decided polygons, which it never changes.

The state of a polygon is that of the decree without exemptions. An exemption takes pixels, not polygons: those of
the public park or of the ground photovoltaic plant that the polygon holds. So what one exemption, the other or
both would take out of the stock are three sums over the same table, whatever the collectivity chose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.thresholds import Neighbours

EXEMPTIONS = ("park", "photovoltaic")
"""Names of the exemptions in the column ``exemption``; position ``k`` is bit ``k`` of :attr:`Exempt.which`."""
POSSIBLE, CHOSEN = "exemption possible: ", "exempted by choice: "
"""Words before the name of an exemption in the column ``reason``."""
_PARK, _PHOTOVOLTAIC = 1, 2


@dataclass(frozen=True, slots=True)
class FlaggedGround:
    """What the park and photovoltaic layers say of each polygon, pixels, shape (n,)."""

    park_px: NDArray[np.int64]
    """Inside a public park or garden."""

    photovoltaic_px: NDArray[np.int64]
    """Inside a ground photovoltaic plant."""

    both_px: NDArray[np.int64]
    """Inside the one and the other."""


@dataclass(frozen=True, slots=True)
class Exempt:
    """What the exemptions cover of each polygon, pixels, shape (n,); 0 where the polygon is not artificialised."""

    park_px: NDArray[np.int64]
    """The park exemption alone."""

    photovoltaic_px: NDArray[np.int64]
    """The photovoltaic exemption alone."""

    either_px: NDArray[np.int64]
    """The two together; ground in both counts once."""

    @property
    def which(self) -> NDArray[np.int64]:
        """Bits of the exemptions that cover some of each polygon."""
        bits: NDArray[np.int64] = _PARK * (self.park_px > 0) + _PHOTOVOLTAIC * (self.photovoltaic_px > 0)
        return bits

    def chosen_px(self, *, parks: bool, photovoltaic: bool) -> NDArray[np.int64]:
        """Return the pixels that a choice of exemptions takes out of the stock."""
        if parks and photovoltaic:
            return self.either_px
        if parks:
            return self.park_px
        return self.photovoltaic_px if photovoltaic else np.zeros_like(self.either_px)


def exempt(
    ground: FlaggedGround,
    neighbours: Neighbours,
    *,
    artif: NDArray[np.bool_],
    vegetated: NDArray[np.bool_],
    open_land: NDArray[np.bool_],
    parks_minimum_px: float,
) -> Exempt:
    """Return what each exemption covers of the artificialised polygons, in pixels.

    A park is exempt where it is vegetated and larger than the minimum, a ground photovoltaic plant where it stands on
    farm or natural land; in forest it always counts. "Larger than" is measured on the vegetated part of a park: the
    park pixels of polygons of vegetated cover that share an edge, summed, whatever their state and over commune
    borders. Paths and water do not count, and what they cut off is another part. A part of exactly the minimum is not
    larger than it.

    Does not decide the state of anything, nor apply the interpretation thresholds again without the exempt ground.

    Parameters
    ----------
    ground : FlaggedGround
        Pixels of each polygon in a park, in a plant, in both.
    neighbours : Neighbours
        Shared edges.
    artif, vegetated, open_land : numpy.ndarray
        Shape (n,): artificialised under the decree; vegetated cover; farm or natural land, neither anthropised nor
        forest.
    parks_minimum_px : float
        Pixels that a park must exceed.

    Notes
    -----
    Source: annex to article R.101-1 of the *code de l'urbanisme* (parks); *loi* 2021-1104, article 194
    (photovoltaics). The minimum stands in ``rules/exemption.csv``.
    """
    part_px = _park_parts(ground.park_px, vegetated, neighbours)
    in_park = artif & vegetated & (part_px > parks_minimum_px)
    in_plant = artif & open_land
    park = np.where(in_park, ground.park_px, 0)
    photovoltaic = np.where(in_plant, ground.photovoltaic_px, 0)
    twice = np.where(in_park & in_plant, ground.both_px, 0)
    return Exempt(park_px=park, photovoltaic_px=photovoltaic, either_px=park + photovoltaic - twice)


def _park_parts(park_px: NDArray[np.int64], vegetated: NDArray[np.bool_], neighbours: Neighbours) -> NDArray[np.int64]:
    """Return the park pixels of the connected vegetated polygons each polygon belongs to, 0 outside parks."""
    member = vegetated & (park_px > 0)
    part_px = np.zeros_like(park_px)
    left = set(np.flatnonzero(member).tolist())
    while left:
        part = [left.pop()]
        for row in part:  # it grows while it is walked
            for there in neighbours.rows[neighbours.offsets[row] : neighbours.offsets[row + 1]].tolist():
                if there in left:
                    left.discard(there)
                    part.append(there)
        part_px[part] = park_px[part].sum()
    return part_px

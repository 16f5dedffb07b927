"""Polygons as flat arrays, each with the channel and the value it paints.

The arrays cross process borders as one file, so a window reads its evidence without parsing
geometry.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from ocsge.regions.array_files import load_arrays, save_arrays

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class Channel(IntEnum):
    """What a painted value means; each channel keeps the last value painted at a pixel."""

    DOMAIN = 0
    """1 in the territory, 2 in the context around it, 0 where the run derives nothing."""
    COMMUNE = 1
    """Position of the commune in the run's list, from 1."""
    COVER = 2
    """Position of the layer → cover rule, from 1; after them, that of the cover a correction gives."""
    BUILT = 3
    """1 on a building footprint."""
    USAGE = 4
    """Position of the layer → usage rule, from 1, wherever it is painted; above 63, the usage a correction gives."""
    USAGE_IN_ZONE = 5
    """The same, only inside the zone construite (ground around buildings)."""
    USAGE_ON_SEALED = 6
    """The same, only on sealed ground (what continues a road)."""
    NEAR_ROAD = 7
    """1 near a road, for the default of verges."""
    PARK = 8
    """1 in a public park or garden."""
    PHOTOVOLTAIC = 9
    """1 in a ground photovoltaic plant."""
    ZONE = 10
    """1 inside the zone construite."""
    BUILT_GROUND = 11
    """1 on built ground after aggregation."""


CHANNELS = len(Channel)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Polygons to paint, in paint order: a later shape covers an earlier one of its channel."""

    coords: NDArray[np.float64]
    """(n, 2) vertices, metres in the CRS of the grid; rings are closed."""

    ring_offsets: NDArray[np.int64]
    """(rings + 1,) first vertex of each ring."""

    shape_offsets: NDArray[np.int64]
    """(shapes + 1,) first ring of each shape; holes and parts are rings of an even-odd fill."""

    bounds: NDArray[np.float64]
    """(shapes, 4) xmin, ymin, xmax, ymax."""

    channel: NDArray[np.uint8]
    """(shapes,) a :class:`Channel`."""

    value: NDArray[np.uint16]
    """(shapes,) what it paints."""

    @classmethod
    def from_geometries(
        cls, geometries: NDArray[np.object_], *, channel: Channel, values: NDArray[np.uint16]
    ) -> Shapes:
        """Return the shapes of an array of Polygons and MultiPolygons (2D, CRS of the grid).

        Parameters
        ----------
        geometries
            (n,) shapely geometries; none may be null or empty.
        channel
            The channel they paint.
        values
            (n,) value each one paints.
        """
        if len(geometries) == 0:
            return cls.none()
        _, coords, offsets = shapely.to_ragged_array(geometries, include_z=False)
        rings = np.asarray(offsets[0], dtype=np.int64)
        parts = np.asarray(offsets[1], dtype=np.int64)
        shapes = parts[np.asarray(offsets[2], dtype=np.int64)] if len(offsets) == 3 else parts
        return cls(
            coords=np.ascontiguousarray(coords, dtype=np.float64),
            ring_offsets=rings,
            shape_offsets=shapes,
            bounds=shapely.bounds(geometries),
            channel=np.full(len(geometries), channel, dtype=np.uint8),
            value=np.asarray(values, dtype=np.uint16),
        )

    @classmethod
    def none(cls) -> Shapes:
        """Return no shapes."""
        return cls(
            coords=np.empty((0, 2)),
            ring_offsets=np.zeros(1, dtype=np.int64),
            shape_offsets=np.zeros(1, dtype=np.int64),
            bounds=np.empty((0, 4)),
            channel=np.empty(0, dtype=np.uint8),
            value=np.empty(0, dtype=np.uint16),
        )

    @classmethod
    def concatenated(cls, parts: list[Shapes]) -> Shapes:
        """Return all shapes of ``parts``, in their order."""
        parts = [part for part in parts if len(part.channel)]
        if not parts:
            return cls.none()
        rings, shapes = [np.zeros(1, dtype=np.int64)], [np.zeros(1, dtype=np.int64)]
        vertex_count = ring_count = 0
        for part in parts:
            rings.append(part.ring_offsets[1:] + vertex_count)
            shapes.append(part.shape_offsets[1:] + ring_count)
            vertex_count += len(part.coords)
            ring_count += len(part.ring_offsets) - 1
        return cls(
            coords=np.concatenate([part.coords for part in parts]),
            ring_offsets=np.concatenate(rings),
            shape_offsets=np.concatenate(shapes),
            bounds=np.concatenate([part.bounds for part in parts]),
            channel=np.concatenate([part.channel for part in parts]),
            value=np.concatenate([part.value for part in parts]),
        )

    def save(self, path: Path) -> None:
        """Write the arrays to ``path``; same bytes for the same shapes."""
        save_arrays(path, {name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def load(cls, path: Path) -> Shapes:
        """Read what :meth:`save` wrote."""
        arrays: dict[str, Any] = load_arrays(path)
        return cls(**arrays)

"""Which polygons of a coverage share an edge, and over what length.

Neighbours of a clean coverage share whole segments, vertex for vertex; those are matched exactly. Where one side has a
vertex that the other lacks, the segments that are left are matched along their common line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

CM_PER_M = 100
GAP_CM = 1
"""Distance up to which two segments run along each other; coverages are delivered to the centimetre at best."""


@dataclass(frozen=True, slots=True)
class SharedEdges:
    """The edges of a coverage."""

    adjacency: NDArray[np.int64]
    """Shape (m, 3): row, greater row, shared length in centimetres (at least 1), sorted by rows."""

    free_cm: NDArray[np.int64]
    """Shape (n,): length of the border of each polygon that no other polygon shares, centimetres."""


@dataclass(frozen=True, slots=True)
class _Segments:
    """Straight pieces of border, from their lesser to their greater end, metres."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    row: NDArray[np.int64]

    def take(self, chosen: NDArray[np.bool_]) -> _Segments:
        """Return some of the segments."""
        return _Segments(self.start[chosen], self.end[chosen], self.row[chosen])

    @property
    def length(self) -> NDArray[np.float64]:
        """Length of each segment, m."""
        lengths: NDArray[np.float64] = np.hypot(*(self.end - self.start).T)
        return lengths


def shared_edges(polygons: NDArray[np.object_]) -> SharedEdges:
    """Return the pairs of polygons that share an edge, and the length they share in centimetres.

    Polygons that touch by a point share nothing. Overlaps are not looked for: give a partition.

    Parameters
    ----------
    polygons
        Shape (n,), valid polygons or multipolygons in a projected CRS, metres.

    Examples
    --------
    >>> left, right = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)
    >>> shared_edges(np.array([left, right])).adjacency.tolist()
    [[0, 1, 100]]
    """
    segments = _segments(polygons)
    pairs, lengths, matched = _identical(segments)
    rest = segments.take(~matched)
    more_pairs, more_lengths, _ = _collinear(rest)
    pairs = np.concatenate([pairs, more_pairs])
    lengths = np.concatenate([lengths, more_lengths])
    perimeter = np.bincount(segments.row, weights=segments.length, minlength=len(polygons))
    shared = np.zeros(len(polygons))
    np.add.at(shared, pairs[:, 0], lengths)
    np.add.at(shared, pairs[:, 1], lengths)
    free = np.maximum(np.rint((perimeter - shared) * CM_PER_M), 0).astype(np.int64)
    return SharedEdges(adjacency=_summed(pairs, lengths, count=len(polygons)), free_cm=free)


def _segments(polygons: NDArray[np.object_]) -> _Segments:
    parts, of_part = shapely.get_parts(polygons, return_index=True)
    rings, of_ring = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    follows = ring[1:] == ring[:-1]
    one, other = points[:-1][follows], points[1:][follows]
    row = of_part[of_ring[ring[:-1][follows]]].astype(np.int64)
    backwards = (one[:, 0] > other[:, 0]) | ((one[:, 0] == other[:, 0]) & (one[:, 1] > other[:, 1]))
    start, end = np.where(backwards[:, None], other, one), np.where(backwards[:, None], one, other)
    long = (start != end).any(axis=1)
    return _Segments(start[long], end[long], row[long])


def _identical(segments: _Segments) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the pairs of rows that hold the very same segment, its length, and the segments so matched."""
    ends = np.column_stack([segments.start, segments.end])
    order = np.lexsort((segments.row, *ends.T))
    same = (ends[order][1:] == ends[order][:-1]).all(axis=1)
    other_row = segments.row[order][1:] != segments.row[order][:-1]
    first, second = order[:-1][same & other_row], order[1:][same & other_row]
    matched = np.zeros(len(ends), dtype=np.bool_)
    matched[first] = matched[second] = True
    pairs = np.column_stack([segments.row[first], segments.row[second]])
    return np.sort(pairs, axis=1), segments.length[first], matched


def _collinear(segments: _Segments) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the pairs of rows whose segments run along each other, the common length, and the segments."""
    gap_m = GAP_CM / CM_PER_M
    lines = np.asarray(shapely.linestrings(np.stack([segments.start, segments.end], axis=1)))
    found = shapely.STRtree(lines).query(lines, predicate="dwithin", distance=gap_m)
    one, other = found[:, (found[0] < found[1])]
    apart = segments.row[one] != segments.row[other]
    one, other = one[apart], other[apart]
    # along the longer of the two: its direction is the better known
    longer = np.where(segments.length[one] >= segments.length[other], one, other)
    shorter = np.where(longer == one, other, one)
    direction = (segments.end[longer] - segments.start[longer]) / segments.length[longer][:, None]
    first, last = (segments.start[shorter] - segments.start[longer], segments.end[shorter] - segments.start[longer])
    along = np.stack([(first * direction).sum(axis=1), (last * direction).sum(axis=1)])
    across = np.stack([_cross(direction, first), _cross(direction, last)])
    low = np.maximum(along.min(axis=0), 0)
    high = np.minimum(along.max(axis=0), segments.length[longer])
    common = high - low
    kept = (common > gap_m) & (_across_within(along, across, low, high) <= gap_m)
    pairs = np.sort(np.column_stack([segments.row[one], segments.row[other]]), axis=1)
    return pairs[kept], common[kept], longer[kept]


def _cross(direction: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    crossed: NDArray[np.float64] = direction[:, 0] * vector[:, 1] - direction[:, 1] * vector[:, 0]
    return crossed


def _across_within(
    along: NDArray[np.float64], across: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far apart two segments are, at most, over their common stretch, m."""
    span = along[1] - along[0]
    slope = np.divide(across[1] - across[0], span, out=np.zeros_like(span), where=np.abs(span) > 0)
    at_low = across[0] + slope * (low - along[0])
    at_high = across[0] + slope * (high - along[0])
    farthest: NDArray[np.float64] = np.maximum(np.abs(at_low), np.abs(at_high))
    return farthest


def _summed(pairs: NDArray[np.int64], lengths: NDArray[np.float64], *, count: int) -> NDArray[np.int64]:
    keys, inverse = np.unique(pairs[:, 0] * count + pairs[:, 1], return_inverse=True)
    summed = np.bincount(inverse, weights=lengths, minlength=len(keys)) if len(keys) else np.empty(0)
    centimetres = np.maximum(np.rint(summed * CM_PER_M), 1).astype(np.int64)
    return np.column_stack([keys // max(count, 1), keys % max(count, 1), centimetres]).astype(np.int64)

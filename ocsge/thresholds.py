"""Absorb enclaves below the interpretation threshold of the decree, on a graph of polygons in two states.

The kernel knows arrays only: a state, an area in whole pixels, a right to change, a list of neighbours. What
the states mean, which polygons are protected and where the threshold comes from is the business of
:mod:`ocsge.artificialise`.

Groups are the connected sets of polygons in one state. They are kept in a union-find whose trees carry a
circular list of members, and a heap holds the groups still to decide. Only groups below the threshold are
ever walked, so the cost of a run is that of sorting them.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from ocsge.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Row = int | np.signedinteger


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Who shares an edge with whom: the neighbours of row ``i`` are ``rows[offsets[i]:offsets[i + 1]]``."""

    offsets: NDArray[np.int64]
    """Shape (n + 1,)."""

    rows: NDArray[np.int64]
    """Shape (2 m,), row positions."""

    @classmethod
    def of(cls, adjacency: NDArray[np.int64], *, count: int) -> Neighbours:
        """Return the neighbours of ``count`` polygons from the pairs that share an edge.

        Parameters
        ----------
        adjacency : numpy.ndarray
            Shape (m, 3): row, row, shared border in pixel sides. A border of 0 is a touch by a point: not a
            neighbour.
        count : int
            Number of polygons.

        Raises
        ------
        DataError
            When the array has another shape, or a row lies outside the table or beside itself.
        """
        if adjacency.ndim != 2 or adjacency.shape[1] != 3:
            raise DataError(f"adjacency has shape {adjacency.shape}; give (m, 3): row, row, shared border")
        pairs = adjacency[adjacency[:, 2] > 0, :2].astype(np.int64)
        wrong = (pairs < 0).any(axis=1) | (pairs >= count).any(axis=1) | (pairs[:, 0] == pairs[:, 1])
        if wrong.any():
            first = pairs[int(np.flatnonzero(wrong)[0])].tolist()
            raise DataError(f"adjacency joins rows {first}, but the polygons are rows 0 to {count - 1}")
        here = np.concatenate([pairs[:, 0], pairs[:, 1]])
        there = np.concatenate([pairs[:, 1], pairs[:, 0]])
        offsets = np.zeros(count + 1, dtype=np.int64)
        np.cumsum(np.bincount(here, minlength=count), out=offsets[1:])
        return cls(offsets=offsets, rows=there[np.argsort(here, kind="stable")])

    def touches(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which polygons have at least one neighbour among the ``chosen`` ones."""
        here = np.repeat(np.arange(len(chosen)), np.diff(self.offsets))
        found = np.zeros(len(chosen), dtype=np.bool_)
        found[here[chosen[self.rows]]] = True
        return found


@dataclass(frozen=True, slots=True)
class Absorption:
    """What the thresholds decided, one value a polygon."""

    state: NDArray[np.bool_]
    """State after absorption."""

    group_px: NDArray[np.int64]
    """Area, pixels, of the group that decided: the one it left when it changed, else the one it ends in."""

    undetermined: NDArray[np.bool_]
    """Whether that group is below the threshold and touches the edge of the domain: it may go on outside."""


class _Groups(NamedTuple):
    """Union-find over polygons; the last five are right at the root of each tree only."""

    parent: NDArray[np.int64]
    following: NDArray[np.int64]
    area: NDArray[np.int64]
    least: NDArray[np.int64]
    free: NDArray[np.int64]
    edge: NDArray[np.bool_]


def absorb(
    state: NDArray[np.bool_],
    area_px: NDArray[np.int64],
    neighbours: Neighbours,
    *,
    threshold_px: int,
    protected: NDArray[np.bool_],
    at_edge: NDArray[np.bool_],
) -> Absorption:
    """Return the states after the groups below the threshold have passed to the state around them.

    The smallest group below the threshold goes first (ties: the one with the smallest row); those of its
    members that may change do, and join the groups they touch; and so on. A polygon changes once at most:
    without that guard a courtyard in an isolated protected building changes for ever. A group without any
    member that may change stays, as does one that nothing surrounds: it is no enclave.

    Parameters
    ----------
    state : numpy.ndarray
        Shape (n,), the two-valued state before.
    area_px : numpy.ndarray
        Shape (n,), area in pixels.
    neighbours : Neighbours
        Shared edges.
    threshold_px : int
        Pixels from which a group stays: a group of exactly that many is kept.
    protected : numpy.ndarray
        Shape (n,), polygons that never lose the state ``True``.
    at_edge : numpy.ndarray
        Shape (n,), polygons cut by the edge of the domain; absorbed like the others, reported as
        undetermined.

    Notes
    -----
    Source: the three published cases of the interpretation thresholds of *décret* 2023-1096.
    """
    return Absorption(
        *_absorb(
            state.astype(np.bool_),
            area_px.astype(np.int64),
            ~(protected & state),
            at_edge.astype(np.bool_),
            neighbours.offsets,
            neighbours.rows,
            threshold_px,
        )
    )


@njit(cache=True)
def _find(parent: NDArray[np.int64], node: Row) -> Row:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(cache=True)
def _unite(groups: _Groups, one: Row, other: Row) -> None:
    into, gone = _find(groups.parent, one), _find(groups.parent, other)
    if into == gone:
        return
    if groups.area[into] < groups.area[gone]:
        into, gone = gone, into
    groups.parent[gone] = into
    # exchanging the successors of two members of two circular lists makes one list of them
    groups.following[into], groups.following[gone] = groups.following[gone], groups.following[into]
    groups.area[into] += groups.area[gone]
    groups.least[into] = min(groups.least[into], groups.least[gone])
    groups.free[into] += groups.free[gone]
    groups.edge[into] |= groups.edge[gone]


@njit(cache=True)
def _members(groups: _Groups, root: Row, buffer: NDArray[np.int64]) -> int:
    buffer[0] = root
    count = 1
    node = groups.following[root]
    while node != root:
        buffer[count] = node
        count += 1
        node = groups.following[node]
    return count


@njit(cache=True)
def _is_surrounded(
    members: NDArray[np.int64], state: NDArray[np.bool_], offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> bool:
    for node in members:
        for place in range(offsets[node], offsets[node + 1]):
            if state[rows[place]] != state[node]:
                return True
    return False


@njit(cache=True)
def _dissolve(
    groups: _Groups,
    members: NDArray[np.int64],
    area: NDArray[np.int64],
    may_change: NDArray[np.bool_],
    at_edge: NDArray[np.bool_],
) -> None:
    # every node of the tree is a member, so resetting all of them leaves no dangling parent
    for node in members:
        groups.parent[node] = node
        groups.following[node] = node
        groups.area[node] = area[node]
        groups.least[node] = node
        groups.free[node] = may_change[node]
        groups.edge[node] = at_edge[node]


@njit(cache=True)
def _join_equals(
    groups: _Groups,
    members: NDArray[np.int64],
    state: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> None:
    for node in members:
        for place in range(offsets[node], offsets[node + 1]):
            if state[rows[place]] == state[node]:
                _unite(groups, node, rows[place])


@njit(cache=True)
def _absorb(
    state: NDArray[np.bool_],
    area: NDArray[np.int64],
    may_change: NDArray[np.bool_],
    at_edge: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    threshold: int,
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_]]:
    count = len(state)
    every = np.arange(count)
    state, may_change = state.copy(), may_change.copy()
    left_px = np.full(count, -1, dtype=np.int64)
    undetermined = np.zeros(count, dtype=np.bool_)
    groups = _Groups(every.copy(), every.copy(), area.copy(), every.copy(), may_change.astype(np.int64), at_edge.copy())
    _join_equals(groups, every, state, offsets, rows)
    heap: list[tuple[np.int64, np.int64, Row]] = [
        (groups.area[node], groups.least[node], node)
        for node in every
        if groups.parent[node] == node and groups.area[node] < threshold and groups.free[node]
    ]
    heapq.heapify(heap)
    buffer = np.empty(count, dtype=np.int64)
    while heap:
        size, least, root = heapq.heappop(heap)
        # an entry is stale once its group has grown, has been dissolved or has nothing left to change
        current = groups.parent[root] == root and groups.area[root] == size and groups.least[root] == least
        if not current or not groups.free[root]:
            continue
        members = buffer[: _members(groups, root, buffer)]
        if not _is_surrounded(members, state, offsets, rows):
            continue
        edge = groups.edge[root]
        for node in members:
            if may_change[node]:
                state[node] = not state[node]
                may_change[node] = False
                left_px[node] = size
                undetermined[node] = edge
        _dissolve(groups, members, area, may_change, at_edge)
        _join_equals(groups, members, state, offsets, rows)
        for node in members:
            top = _find(groups.parent, node)
            if groups.area[top] < threshold and groups.free[top]:
                heapq.heappush(heap, (groups.area[top], groups.least[top], top))
    for node in every:
        if left_px[node] < 0:
            top = _find(groups.parent, node)
            left_px[node] = groups.area[top]
            undetermined[node] = groups.edge[top] and groups.area[top] < threshold
    return state, left_px, undetermined

"""The decree thresholds written as slowly and plainly as the text reads: sets, everything recomputed.

It shares no line with the package. Before each step it finds all groups anew by walking the graph, lists
those that can still be absorbed, and absorbs the smallest. The tests compare the package with it on random
partitions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass
class Oracle:
    """A partition in two states and what the thresholds make of it."""

    state: dict[int, bool]
    area: dict[int, int]
    protected: set[int]
    neighbours: dict[int, set[int]]
    threshold: int
    changed_in: dict[int, int] = field(default_factory=dict)

    def groups(self) -> list[set[int]]:
        """Return the connected sets of one state."""
        left, found = set(self.state), []
        while left:
            start = left.pop()
            group, frontier = {start}, [start]
            while frontier:
                here = frontier.pop()
                for there in self.neighbours[here]:
                    if there in left and self.state[there] == self.state[start]:
                        left.discard(there)
                        group.add(there)
                        frontier.append(there)
            found.append(group)
        return found

    def size(self, group: set[int]) -> int:
        """Return the area of a group."""
        return sum(self.area[member] for member in group)

    def movable(self, group: set[int]) -> set[int]:
        """Return the members that may still change."""
        return {
            member
            for member in group
            if member not in self.changed_in and not (self.state[member] and member in self.protected)
        }

    def enclosed(self, group: set[int]) -> bool:
        """Say whether the group touches the other state at all."""
        return any(there not in group for member in group for there in self.neighbours[member])

    def run(self) -> Oracle:
        """Absorb until nothing is left to absorb."""
        while True:
            candidates = [
                group
                for group in self.groups()
                if self.size(group) < self.threshold and self.movable(group) and self.enclosed(group)
            ]
            if not candidates:
                return self
            group = min(candidates, key=lambda members: (self.size(members), min(members)))
            size = self.size(group)
            for member in self.movable(group):
                self.state[member] = not self.state[member]
                self.changed_in[member] = size

    def group_area(self, member: int) -> int:
        """Return the area of the group that decided for one polygon."""
        if member in self.changed_in:
            return self.changed_in[member]
        return next(self.size(group) for group in self.groups() if member in group)


def decide(
    state: Sequence[bool],
    area: Sequence[int],
    pairs: Iterable[tuple[int, int]],
    *,
    threshold: int,
    protected: Iterable[int] = (),
) -> Oracle:
    """Return the partition after the thresholds, by brute force."""
    neighbours: dict[int, set[int]] = defaultdict(set)
    for one, other in pairs:
        neighbours[one].add(other)
        neighbours[other].add(one)
    return Oracle(
        state={row: bool(value) for row, value in enumerate(state)},
        area={row: int(value) for row, value in enumerate(area)},
        protected=set(protected),
        neighbours=neighbours,
        threshold=threshold,
    ).run()


HOUSE, ASPHALT, GRASS, BROADLEAF = "CS1.1.1.1", "CS1.1.1.2", "CS2.2.1", "CS2.1.1.1"
FARM, HOMES = "US1.1", "US5"
PIXELS_PER_M2 = 25


def table_of(*rows: dict[str, object]) -> pd.DataFrame:
    """Return a POLYGONS table of 0.2 m pixels; a row says what differs from 10 000 m² of farmed grass.

    ``area_px`` follows from ``area_m2``.
    """
    usual: dict[str, object] = {
        "commune_code": "12174",
        "code_cs": GRASS,
        "code_us": FARM,
        "ossature": False,
        "area_m2": 10_000.0,
        "usage_rule": 91,
        "usage_default_m2": 0.0,
        "filled_m2": 0.0,
        "default_cover_m2": 0.0,
        "zone_construite": False,
        "commune_cut": False,
        "at_edge": False,
        "tree_share": None,
        "park_m2": 0.0,
        "photovoltaic_m2": 0.0,
        "park_and_photovoltaic_m2": 0.0,
        "in_territory": True,
    }
    frame = pd.DataFrame([{**usual, **row} for row in rows], columns=list(usual))
    frame["area_px"] = np.rint(frame["area_m2"].astype("float64") * PIXELS_PER_M2).astype("int64")
    measures = [name for name in usual if name.endswith("_m2") or name == "tree_share"]
    flags = ("ossature", "zone_construite", "commune_cut", "at_edge", "in_territory")
    kinds = dict.fromkeys(measures, "float64") | dict.fromkeys(flags, "bool")
    kinds |= dict.fromkeys(("commune_code", "code_cs", "code_us"), "str") | {"usage_rule": "int64"}
    return frame.astype(kinds)


def edges(*pairs: tuple[int, int]) -> np.ndarray:
    """Return an adjacency of shared borders 10 pixel sides long."""
    return np.array([(i, j, 10) for i, j in pairs], dtype=np.int64).reshape(-1, 3)

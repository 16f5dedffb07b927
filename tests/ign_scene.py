"""A ground written as IGN writes its artificialisation, decided by brute force.

Objects are unions of cells of an uneven lattice, so their areas and neighbours are known without any geometry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from decree_oracle import decide

from ocsge.partial_codes import UNCLASSIFIED, PairStates
from ocsge.rules import load_rules

if TYPE_CHECKING:
    from pathlib import Path

WEST, SOUTH = 600_000, 6_300_000
CM2 = 10_000
RULES = load_rules()


@dataclass(frozen=True)
class IgnScene:
    """Objects with the state that the oracle gives them."""

    frame: gpd.GeoDataFrame
    pairs: frozenset[tuple[int, int]]


def ign_scene(seed: int, *, side: int = 14, objects: int = 60) -> IgnScene:
    """Return a ground of about ``objects`` objects, some far below the thresholds."""
    rng = np.random.default_rng(seed)
    xs, ys = (np.concatenate([[0], np.cumsum(rng.choice([3, 5, 9, 20, 50], side))]) for _ in range(2))
    cells = np.arange(side * side).reshape(side, side)
    above = np.column_stack([cells[:-1].ravel(), cells[1:].ravel()])
    beside = np.column_stack([cells[:, :-1].ravel(), cells[:, 1:].ravel()])
    touching = np.concatenate([above, beside])
    label = cells.ravel().copy()
    for one, other in rng.permutation(touching):
        if len(np.unique(label)) <= objects:
            break
        label[label == label[one]] = label[other]
    label = np.unique(label, return_inverse=True)[1]
    boxes = [
        shapely.box(WEST + xs[c], SOUTH + ys[r], WEST + xs[c + 1], SOUTH + ys[r + 1])
        for r in range(side)
        for c in range(side)
    ]
    shapes = [shapely.coverage_union_all(np.array(boxes)[label == n]) for n in range(label.max() + 1)]
    pairs = {(int(a), int(b)) for a, b in np.sort(label[touching], axis=1) if a != b}
    codes = list(RULES.matrix)
    cover, usage = zip(*(codes[n] for n in rng.integers(len(codes), size=len(shapes))), strict=True)
    area = np.rint(shapely.area(shapes) * CM2).astype(int)
    state = [RULES.matrix[pair].artificialise for pair in zip(cover, usage, strict=True)]
    built = [n for n in range(len(shapes)) if cover[n] == "CS1.1.1.1" and area[n] >= 50 * CM2]
    after = decide(state, area.tolist(), pairs, threshold=2500 * CM2, protected=built).state
    artif = np.array([after[n] for n in range(len(shapes))])
    columns = {
        "id": [f"OCSGE{n:06d}" for n in range(len(shapes))],
        "code_cs": cover,
        "code_us": usage,
        "millesime": 2022,
        "source": "photo",
        "ossature": 0,
        "id_origine": None,
        "code_or": None,
        "aire": area / CM2,
        "artif": np.where(artif, "artif", "non artif"),
        "crit_seuil": artif != np.array(state),
    }
    return IgnScene(gpd.GeoDataFrame(pd.DataFrame(columns), geometry=shapes, crs=2154), frozenset(pairs))


def write_artificialisation(path: Path, frame: gpd.GeoDataFrame) -> Path:
    """Write objects as IGN delivers them."""
    options = {"GEOMETRY_NAME": "the_geom"}
    pyogrio.write_dataframe(frame, path, layer="artif_2022_032", driver="GPKG", layer_options=options)
    return path


def states_in_words(found: PairStates) -> pd.Series:
    """Return ``artif``, ``non artif`` or ``non classé`` for each row."""
    names = found.artif.map({True: "artif", False: "non artif"}).astype("object")
    return names.where(found.artif.notna(), UNCLASSIFIED)

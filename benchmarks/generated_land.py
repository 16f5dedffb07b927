"""Generate the land of communes at several millésimes: what covers and uses each piece of ground, as figures only.

The tables are those of the pipeline (``ARTIFICIALISED``, ``CHANGES``), so that the stages that measure real results
measure these. States come from the matrix; thresholds and exemptions change nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.table_partitions import filled
from ocsge.tables import ARTIFICIALISED, CHANGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    from numpy.typing import NDArray

    from ocsge.rules import Rules

LAND = (
    ("CS2.2.1", "US1.1", 0.60),
    ("CS2.1.3", "US1.1", 0.08),
    ("CS2.1.1.1", "US1.2", 0.20),
    ("CS1.2.2", "US6.3", 0.02),
    ("CS2.2.1", "US6.3", 0.10),
    ("CS1.1.1.1", "US5", 0.20),
    ("CS2.2.1", "US5", 0.35),
    ("CS1.1.1.2", "US4.1.1", 0.25),
    ("CS1.1.1.1", "US2", 0.08),
    ("CS1.1.1.1", "US3", 0.07),
    ("CS1.1.2.1", "US2", 0.05),
)
"""Cover, usage, and share of the open or of the artificialised ground."""
OPEN = 5
"""The first kinds are open ground, the others are artificialised."""
BECOMES = {0: (5, 6, 7, 8), 1: (5, 6), 4: (9, 10)}
"""Kinds of open ground that are built on, and what they become."""
RETURNS = {10: 0, 6: 4}
"""Artificialised kinds that go back to open ground."""
DEFAULT_USAGE = frozenset({4, 6})
"""Kinds whose usage a default rule gives: bounds leave them out or take them in."""


def land_of(communes: gpd.GeoDataFrame, steps: int, *, seed: int) -> pd.DataFrame:
    """Return the ground of communes: one row a piece, its area in m² and its kind at each of ``steps`` millésimes.

    A commune is the more artificialised the more inhabitants it has; one in ten does not change at all.
    """
    random = np.random.default_rng(seed)
    count = len(communes)
    surface = np.rint(communes.area.to_numpy()).astype(np.int64)
    people = communes["population"].fillna(0).to_numpy(np.float64)
    share = np.clip(0.025 + 900 * people / surface * random.lognormal(0, 0.3, count), 0.01, 0.8)
    still = random.random(count) < 0.1
    rows = []
    for commune, code in enumerate(communes["commune_code"]):
        left = _areas(surface[commune], share[commune], random)
        moved: list[tuple[int, tuple[int, ...]]] = []
        for step in range(1, 0 if still[commune] else steps):
            moved += _moves(left, step, steps, random)
        rows += [(code, area, (kind,) * steps) for kind, area in enumerate(left)]
        rows += [(code, area, kinds) for area, kinds in moved]
    table = pd.DataFrame(rows, columns=["commune_code", "area_m2", "kinds"])
    return table[table["area_m2"] > 0].reset_index(drop=True)


def _areas(surface: int, share: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Return the area of each kind, m²; they sum to the surface."""
    shares = np.array([part for *_, part in LAND]) * random.uniform(0.5, 1.5, len(LAND))
    for kinds, whole in ((slice(None, OPEN), 1 - share), (slice(OPEN, None), share)):
        shares[kinds] *= whole / shares[kinds].sum()
    areas = np.floor(shares * surface).astype(np.int64)
    areas[0] += surface - areas.sum()
    return areas


def _moves(
    left: NDArray[np.int64], step: int, steps: int, random: np.random.Generator
) -> list[tuple[int, tuple[int, ...]]]:
    """Take what changes at a step out of ``left``; return the area and the kinds at each step of each piece."""
    changes = [(old, new) for old, targets in BECOMES.items() for new in targets]
    changes += list(RETURNS.items())
    built = int(left[OPEN:].sum())
    moved = []
    for old, new in changes:
        rate = 0.002 if old >= OPEN else 0.006
        area = min(int(built * rate * random.lognormal(0, 0.8)) * (random.random() < 0.5), int(left[old]) // 2)
        left[old] -= area
        moved.append((area, (old,) * step + (new,) * (steps - step)))
    return moved


def states_of(
    codes: NDArray[np.object_], kinds: NDArray[np.int64], area_m2: NDArray[np.int64], millesime: int, *, rules: Rules
) -> pd.DataFrame:
    """Return table ``ARTIFICIALISED`` of pieces of ground at a millésime, with ``id`` and without geometry."""
    cells = [rules.matrix[cover, usage] for cover, usage, _ in LAND]
    artif, sealed = (
        np.array([getattr(cell, name) for cell in cells])[kinds] for name in ("artificialise", "impermeable")
    )
    default = np.isin(kinds, list(DEFAULT_USAGE))
    table = filled(
        ARTIFICIALISED,
        len(kinds),
        commune_code=codes,
        code_cs=np.array([cover for cover, *_ in LAND])[kinds],
        code_us=np.array([usage for _, usage, _ in LAND])[kinds],
        area_px=area_m2,
        area_m2=area_m2,
        usage_rule=np.where(default, 99, 1),
        usage_default_m2=np.where(default, area_m2, 0),
        in_territory=True,
        artif=artif,
        matrix_artif=artif,
        impermeable=sealed,
        decree_category=np.array([cell.decree_category for cell in cells])[kinds],
        reason=np.array([f"generated: {cell.row}" for cell in cells])[kinds],
        artif_min=artif & ~default,
        artif_max=artif | (default & (np.arange(len(kinds)) % 7 == 0)),
    )
    table.insert(0, "id", identifiers(codes, str(millesime)))
    table.insert(1, "millesime", millesime)
    return table


def changes_of(first: pd.DataFrame, second: pd.DataFrame, pair: tuple[int, int]) -> pd.DataFrame:
    """Return table ``CHANGES`` of two states of the same pieces, row by row, with ``id`` and without geometry."""
    columns: dict[str, object] = {"commune_code": first["commune_code"], "area_px": first["area_px"]}
    for k, state in ((1, first), (2, second)):
        carried = ("code_cs", "code_us", "artif", "impermeable", "decree_category", "reason")
        columns |= {f"{name}_{k}": state[name] for name in carried}
        columns[f"millesime_{k}"] = pair[k - 1]
    gained, lost = second["artif"] & ~first["artif"], first["artif"] & ~second["artif"]
    columns |= {"area_m2": first["area_m2"], "change": np.select([gained, lost], ["gain", "loss"], "none")}
    table = filled(CHANGES, len(first), **columns)
    table.insert(0, "id", identifiers(first["commune_code"].to_numpy(), "-".join(map(str, pair))))
    return table


def identifiers(codes: Sequence[str] | NDArray[np.object_], years: str) -> list[str]:
    """Return identifiers of pieces in their order: commune, years, rank in the commune."""
    rank = pd.Series(range(len(codes))).groupby(np.asarray(codes)).cumcount() + 1
    return [f"{code}-{years}-{number:06d}" for code, number in zip(codes, rank, strict=True)]

"""The derivation engine written as slowly and plainly as its rules read: pixels, loops, everything looked at anew.

It shares no line with ``ocsge.regions``; the dataclasses that carry parameters are all it takes from there. Pixels are
dense arrays, polygons are tested point by point, groups come from ``scipy.ndimage`` and regions are sets of pixels.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.grid import Grid, Window
    from ocsge.regions.built import BuiltAggregation
    from ocsge.regions.composition import Composition
    from ocsge.regions.evidence import EvidenceTables
    from ocsge.regions.minimum_areas import MinimumAreas
    from ocsge.regions.shapes import Shapes
    from ocsge.regions.zone import ZoneConstruite

DOMAIN, COMMUNE, COVER, BUILT, USAGE, USAGE_IN_ZONE, USAGE_ON_SEALED, NEAR_ROAD, PARK, PHOTOVOLTAIC, ZONE = range(11)
TAKES_ENCLOSING, CONTEXT = 15, 2
CORRECTED, CORRECTED_RULE = 3, 63
"""Mode of a cover that a correction gives; usage rule of a usage that one gives, painted as 63 and the usage."""
SIDES = ((-1, 0), (0, 1), (1, 0), (0, -1))
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))


# --- painting -------------------------------------------------------------------------------------------------------


def covered(rings: list[NDArray[np.float64]], *, grid: Grid, window: Window) -> NDArray[np.bool_]:
    """Say which pixel centres lie inside rings, by counting the edges to the west of each."""
    n = grid.pixels_per_m
    x = (window.col + np.arange(window.width) + 0.5) / n
    y = -(window.row + np.arange(window.height) + 0.5) / n
    inside = np.zeros((window.height, window.width), dtype=bool)
    for ring in rings:
        for (xa, ya), (xb, yb) in itertools.pairwise(ring):
            for r in np.flatnonzero((ya > y) != (yb > y)):
                crossing = xa + (xb - xa) * ((y[r] - ya) / (yb - ya))
                inside[r] ^= crossing <= x
    return inside


def painted(shapes: Shapes, *, grid: Grid, window: Window) -> NDArray[np.int64]:
    """Return (channel, row, column) the last value painted, 0 = none."""
    ground = np.zeros((12, window.height, window.width), dtype=np.int64)
    for s in range(len(shapes.channel)):
        first, last = shapes.shape_offsets[s], shapes.shape_offsets[s + 1]
        rings = [shapes.coords[shapes.ring_offsets[k] : shapes.ring_offsets[k + 1]] for k in range(first, last)]
        ground[shapes.channel[s]][covered(rings, grid=grid, window=window)] = shapes.value[s]
    return ground


# --- built ground ---------------------------------------------------------------------------------------------------


def built_ground(
    classes: NDArray[np.uint8] | None,
    ground: NDArray[np.int64],
    tables: EvidenceTables,
    aggregation: BuiltAggregation,
) -> NDArray[np.bool_]:
    """Return built evidence closed, grouped, without specks, lone small groups grown."""
    is_ossature = (tables.layer_ossature == 1) & (tables.layer_mode == 0)
    blocked = (ground[DOMAIN] == 0) | is_ossature[ground[COVER]]
    # where a correction gives another cover nothing is built; built ground that it gives is a footprint too
    blocked |= (tables.layer_mode == CORRECTED)[ground[COVER]] & (tables.layer_cover[ground[COVER]] != TAKES_ENCLOSING)
    evidence = ground[BUILT] > 0
    if classes is not None and tables.has_raster:
        evidence |= tables.class_cover[classes, 0] == tables.built_cover
    evidence &= ~blocked
    evidence = closed(evidence, aggregation.gap_px) & ~blocked
    label, count = ndimage.label(evidence)
    area = np.bincount(label.ravel(), minlength=count + 1)
    area[0] = 0
    kept = evidence & (area[label] >= aggregation.evidence_px)
    result = kept.copy()
    for g in range(1, count + 1):
        if aggregation.evidence_px <= area[g] < aggregation.minimum_px:
            own = {(int(r), int(c)) for r, c in np.argwhere(label == g)}
            free = ~blocked & ~kept
            for r, c in grown(own, free, aggregation.minimum_px, aggregation.growth_limit_px):
                result[r, c] = True
    return result


def closed(evidence: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """Return the closing by a square of half-side ``gap``, nothing being built outside."""
    if gap == 0:
        return evidence
    square = np.ones((2 * gap + 1, 2 * gap + 1), dtype=bool)
    inner = ndimage.binary_closing(np.pad(evidence, 2 * gap), structure=square)
    return inner[2 * gap : -2 * gap, 2 * gap : -2 * gap]


def grown(own: set[tuple[int, int]], free: NDArray[np.bool_], minimum: int, limit: int) -> set[tuple[int, int]]:
    """Return the pixels added ring by ring: sides in odd rings, sides then corners in even ones."""
    height, width = free.shape
    taken, last = set(own), set(own)
    for ring in range(1, limit + 1):
        added: set[tuple[int, int]] = set()
        for steps in (SIDES,) if ring % 2 else (SIDES, CORNERS):
            found = set()
            for r, c in last:
                for dr, dc in steps:
                    there = (r + dr, c + dc)
                    if not (0 <= there[0] < height and 0 <= there[1] < width):
                        continue
                    # a corner is reached around a side that is the group's, never between two blocked sides
                    around = steps is SIDES or (r + dr, c) in taken or (r, c + dc) in taken
                    if free[there] and there not in taken and around:
                        found.add(there)
            missing = minimum - len(taken)
            if len(found) >= missing:
                return (taken | set(sorted(found)[:missing])) - own
            taken |= found
            added |= found
        if not added:
            break
        last = added
    return taken - own


# --- zone construite ------------------------------------------------------------------------------------------------


def zone_cells(built: NDArray[np.bool_], zone: ZoneConstruite) -> NDArray[np.bool_]:
    """Return the zone construite of built 1 m cells from Euclidean distance maps."""
    cells = near(built, zone.dilation_m)
    if zone.erosion_m > 0:
        cells &= ~near(~cells, zone.erosion_m)
    for state, minimum in ((True, zone.minimum_area_m2), (False, zone.minimum_hole_m2)):
        label, count = ndimage.label(cells == state)
        for g in range(1, count + 1):
            if np.count_nonzero(label == g) < minimum:
                cells[label == g] = not state
    return cells


def near(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Return the cells whose centre is within ``radius`` of the centre of a cell of ``mask``."""
    if not mask.any():
        return mask.copy()
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~mask)
    return distance <= radius + 1e-9


# --- evidence -------------------------------------------------------------------------------------------------------


@dataclass
class Evidence:
    """What every pixel says: integer arrays of one shape."""

    domain: NDArray[np.bool_]
    cover: NDArray[np.int64]
    usage: NDArray[np.int64]
    rule: NDArray[np.int64]
    ossature: NDArray[np.bool_]
    zone: NDArray[np.bool_]
    commune: NDArray[np.int64]
    park: NDArray[np.bool_]
    photovoltaic: NDArray[np.bool_]
    by_default: NDArray[np.bool_]


def evidence_of(
    classes: NDArray[np.uint8] | None,
    ground: NDArray[np.int64],
    built: NDArray[np.bool_],
    zone: NDArray[np.bool_],
    tables: EvidenceTables,
) -> Evidence:
    """Return the evidence of every pixel, one at a time."""
    shape = built.shape
    zone = zone | (ground[ZONE] > 0)
    out = Evidence(
        domain=ground[DOMAIN] > 0,
        cover=np.zeros(shape, np.int64),
        usage=np.zeros(shape, np.int64),
        rule=np.zeros(shape, np.int64),
        ossature=np.zeros(shape, bool),
        zone=zone,
        commune=ground[COMMUNE],
        park=ground[PARK] > 0,
        photovoltaic=ground[PHOTOVOLTAIC] > 0,
        by_default=np.zeros(shape, bool),
    )
    for r, c in np.argwhere(out.domain):
        seen_class = int(classes[r, c]) if classes is not None and tables.has_raster else None
        here = {name: int(ground[name, r, c]) for name in range(11)}
        cover, usage, rule, ossature = pixel(seen_class, here, bool(built[r, c]), bool(zone[r, c]), tables)
        # without a raster every layer speaks, so only what has neither building nor layer is left to the default
        out.by_default[r, c] = seen_class is None and not built[r, c] and here[COVER] == 0
        out.cover[r, c], out.usage[r, c], out.rule[r, c], out.ossature[r, c] = cover, usage, rule, ossature
        if cover == 0 and ground[DOMAIN, r, c] == CONTEXT:
            out.domain[r, c] = False
    return out


def pixel(
    seen_class: int | None, here: dict[int, int], built: bool, zone: bool, tables: EvidenceTables
) -> tuple[int, int, int, bool]:
    """Return cover, usage, usage rule (0 = none) and ossature of one pixel of the domain."""
    layer = here[COVER]
    seen = 0 if seen_class is None else int(tables.class_cover[seen_class, 0])
    if tables.layer_mode[layer] == CORRECTED:
        seen_class, seen = None, int(tables.layer_cover[layer])
    candidates = [here[USAGE]]
    if zone:
        candidates.append(here[USAGE_IN_ZONE])
    if seen == tables.sealed_cover:
        candidates.append(here[USAGE_ON_SEALED])
    if seen_class is not None:
        candidates.append(int(tables.class_usage[seen_class]))
    rule = min((candidate for candidate in candidates if candidate), default=0)
    if here[USAGE] > CORRECTED_RULE:
        rule, usage = CORRECTED_RULE, here[USAGE] - CORRECTED_RULE
    else:
        usage = int(tables.rule_usage[rule])

    override, complete = tables.layer_mode[layer] == 0, tables.layer_mode[layer] == 1
    layer_speaks = bool(layer) and (override or seen_class is None or (complete and seen == 0))
    ossature = False
    if built:
        cover = tables.built_cover
    elif layer_speaks:
        cover = int(tables.layer_cover[layer])
        ossature = bool(tables.layer_ossature[layer])
    elif seen_class is not None:
        cover = int(tables.class_cover[seen_class, usage])
        if cover == tables.built_cover:
            cover = TAKES_ENCLOSING
    else:
        cover = tables.default_cover
    if rule == 0 and cover not in (0, TAKES_ENCLOSING):
        rule = int(tables.default_rule[cover, int(zone), int(here[NEAR_ROAD] > 0)])
        usage = int(tables.rule_usage[rule])
    return cover, usage, rule, ossature


# --- minimum areas --------------------------------------------------------------------------------------------------

Key = tuple[int, int, int]
"""Ossature, usage, cover: in this order a smaller tuple is a smaller key."""


class Territory:
    """Connected sets of pixels of one key, and what may be done to them."""

    def __init__(self, evidence: Evidence) -> None:
        height, width = evidence.domain.shape
        self.width = width
        self.zone = evidence.zone.ravel().tolist()
        code = evidence.cover + 16 * evidence.usage + 512 * evidence.ossature
        label = np.zeros((height, width), np.int64)
        total = 0
        for value in np.unique(code[evidence.domain]):
            part, count = ndimage.label((code == value) & evidence.domain)
            label[part > 0] = part[part > 0] + total
            total += count
        self.of: list[int] = label.ravel().tolist()
        self.pixels: dict[int, list[int]] = {g: [] for g in range(1, total + 1)}
        for i, g in enumerate(self.of):
            if g:
                self.pixels[g].append(i)
        flat = code.ravel()
        self.key: dict[int, Key] = {}
        for g, pixels in self.pixels.items():
            value = int(flat[pixels[0]])
            self.key[g] = (value >> 9, (value >> 4) & 31, value & 15)
        self.first = {g: pixels[0] for g, pixels in self.pixels.items()}
        self.in_zone = {g: any(self.zone[i] for i in pixels) for g, pixels in self.pixels.items()}

    def around(self, g: int) -> dict[int, int]:
        """Return the regions that touch region ``g`` and along how many pixel sides."""
        border: dict[int, int] = {}
        for i in self.pixels[g]:
            column = i % self.width
            sides = [i - self.width, i + self.width]
            if column > 0:
                sides.append(i - 1)
            if column < self.width - 1:
                sides.append(i + 1)
            for j in sides:
                if 0 <= j < len(self.of) and self.of[j] not in (0, g):
                    border[self.of[j]] = border.get(self.of[j], 0) + 1
        return border

    def give(self, g: int, key: Key) -> None:
        """Give a region a key; it becomes one with every neighbour of that key."""
        same = [other for other in self.around(g) if self.key[other] == key]
        self.key[g] = key
        for other in same:
            large, small = (g, other) if len(self.pixels[g]) >= len(self.pixels[other]) else (other, g)
            for i in self.pixels[small]:
                self.of[i] = large
            self.pixels[large] += self.pixels.pop(small)
            self.first[large] = min(self.first[large], self.first.pop(small))
            self.in_zone[large] |= self.in_zone.pop(small)
            self.key.pop(small)
            g = large

    def rank(self, g: int) -> tuple[int, int]:
        """Return what orders the regions: area, then first pixel."""
        return len(self.pixels[g]), self.first[g]


def longest(border: dict[int, int]) -> int:
    """Return what has the longest border, the lowest of equals."""
    return min(border, key=lambda k: (-border[k], k))


def fill_unknown(land: Territory, minimum: MinimumAreas) -> None:
    """Give regions of unknown cover what they share the longest border with."""
    unknown = (0, TAKES_ENCLOSING)

    def is_large(g: int) -> bool:
        return land.key[g][2] == TAKES_ENCLOSING and len(land.pixels[g]) >= minimum.absorb_px

    for g in sorted(land.pixels, key=lambda g: land.first[g]):
        if g in land.key and is_large(g) and land.key[g][1]:
            land.give(g, (land.key[g][0], land.key[g][1], minimum.absorb_cover))
    progress = True
    while progress:
        progress = False
        for g in sorted((g for g in land.key if land.key[g][2] in unknown), key=land.rank):
            ossature, usage, _ = land.key[g]
            by_cover: dict[int, int] = {}
            for other, length in land.around(g).items():
                _, its_usage, its_cover = land.key[other]
                if its_cover not in unknown:
                    code = its_cover if usage else its_usage if is_large(g) else its_cover + 16 * its_usage
                    by_cover[code] = by_cover.get(code, 0) + length
            if not by_cover:
                continue
            best = longest(by_cover)
            progress = True
            if usage:
                land.give(g, (ossature, usage, best))
            elif is_large(g):
                land.give(g, (ossature, best, minimum.absorb_cover))
            else:
                land.give(g, (0, best >> 4, best & 15))


def absorb(land: Territory, minimum: MinimumAreas) -> None:
    """Absorb what is below its minimum, the smallest first: built pieces, then everything."""
    built = minimum.built_cover
    for built_only in (True, False):
        while True:
            by_rank = sorted(land.key, key=land.rank)
            g = next((g for g in by_rank if wants_more(land, g, minimum, built_only=built_only)), None)
            if g is None:
                break
            around = land.around(g)
            is_built = land.key[g][2] == built
            built_around = {other: length for other, length in around.items() if land.key[other][2] == built}
            if is_built and built_around:
                around = built_around
            border: dict[Key, int] = {}
            for other, length in around.items():
                border[land.key[other]] = border.get(land.key[other], 0) + length
            land.give(g, best_key(land.key[g], border, minimum))


def wants_more(land: Territory, g: int, minimum: MinimumAreas, *, built_only: bool) -> bool:
    """Say whether a region is below its minimum and has a neighbour to go to."""
    ossature, _, cover = land.key[g]
    area = len(land.pixels[g])
    built = cover == minimum.built_cover
    if ossature or (built_only and not built):
        return False
    if built and area >= minimum.built_px:
        return False
    if not built and area >= (minimum.zone_px if land.in_zone[g] else minimum.elsewhere_px):
        return False
    around = land.around(g)
    if built and area >= minimum.built_evidence_px:
        return any(land.key[other][2] == minimum.built_cover for other in around)
    return bool(around)


def best_key(own: Key, border: dict[Key, int], minimum: MinimumAreas) -> Key:
    """Return the neighbouring key with the largest border × weight, then border, then the lowest."""

    def weight(key: Key) -> int:
        if key[0]:
            return minimum.into_ossature
        if key[2] == minimum.built_cover and own[2] != minimum.built_cover:
            return minimum.into_built
        return int(minimum.cover_weight[own[2], key[2]]) + int(minimum.usage_weight[own[1], key[1]])

    return min(border, key=lambda key: (-border[key] * weight(key), -border[key], key))


# --- pieces ---------------------------------------------------------------------------------------------------------


@dataclass
class OraclePieces:
    """Dense label (−1 outside, numbered by first pixel) and what each piece holds."""

    label: NDArray[np.int64]
    key: NDArray[np.int64]
    commune: NDArray[np.int64]
    cover_px: NDArray[np.int64]
    rule_px: NDArray[np.int64]
    flag_px: NDArray[np.int64]
    in_zone: NDArray[np.bool_]


def generalised(evidence: Evidence, minimum: MinimumAreas) -> NDArray[np.int64]:
    """Return the key of every pixel after merging, −1 outside."""
    land = Territory(evidence)
    fill_unknown(land, minimum)
    absorb(land, minimum)
    out = np.full(evidence.domain.size, -1, np.int64)
    for g, pixels in land.pixels.items():
        ossature, usage, cover = land.key[g]
        out[pixels] = cover + 16 * usage + 512 * ossature
    return out.reshape(evidence.domain.shape)


def pieces_of(keys: NDArray[np.int64], evidence: Evidence) -> OraclePieces:
    """Return the connected sets of one key and one commune."""
    value = np.where(keys >= 0, keys + 1024 * evidence.commune, -1)
    label = np.full(keys.shape, -1, np.int64)
    groups = []
    for v in np.unique(value[value >= 0]):
        part, count = ndimage.label(value == v)
        firsts = [(int(np.flatnonzero(part.ravel() == g)[0]), part == g) for g in range(1, count + 1)]
        groups += firsts
    groups.sort(key=lambda group: group[0])
    n = len(groups)
    out = OraclePieces(
        label=label,
        key=np.zeros(n, np.int64),
        commune=np.zeros(n, np.int64),
        cover_px=np.zeros((n, 16), np.int64),
        rule_px=np.zeros((n, 64), np.int64),
        flag_px=np.zeros((n, 4), np.int64),
        in_zone=np.zeros(n, bool),
    )
    for k, (first, mask) in enumerate(groups):
        label[mask] = k
        out.key[k] = keys.ravel()[first]
        out.commune[k] = evidence.commune.ravel()[first]
        out.cover_px[k] = np.bincount(evidence.cover[mask], minlength=16)
        out.rule_px[k] = np.bincount(evidence.rule[mask], minlength=64)
        park, plant = evidence.park[mask], evidence.photovoltaic[mask]
        out.flag_px[k] = park.sum(), plant.sum(), (park & plant).sum(), evidence.by_default[mask].sum()
        out.in_zone[k] = evidence.zone[mask].any()
    return out


def composed_key(key: int, counts: list[int], composition: Composition) -> int:
    """Return the key of one piece after the composition rules, from its pixels by cover."""
    cover = key & 15
    trees = [composition.broadleaf, composition.conifer, composition.mixed_stand]
    wood = sum(counts[k] for k in trees)
    vegetation = {k: counts[k] for k in range(16) if composition.vegetated[k]}
    wooded = sum(vegetation.values()) > 0 and wood >= composition.tree_share * sum(vegetation.values())
    new = cover
    if cover in trees or composition.herbaceous[cover]:
        if wooded:
            new = composition.mixed_stand
            if counts[composition.broadleaf] >= composition.stand_purity * wood:
                new = composition.broadleaf
            elif counts[composition.conifer] >= composition.stand_purity * wood:
                new = composition.conifer
        elif cover in trees:
            rest = {k: n for k, n in vegetation.items() if k not in trees and n}
            new = min(rest, key=lambda k: (-rest[k], k)) if rest else cover
    elif cover in (composition.sealed, composition.mineral):
        sealed, mineral = counts[composition.sealed], counts[composition.mineral]
        if min(sealed, mineral) >= composition.composite_share * (sealed + mineral):
            new = composition.composite
    return key if key >> 9 else (key & ~15) | new


# --- the whole chain ------------------------------------------------------------------------------------------------


@dataclass
class Derived:
    """Every stage of a scene, dense."""

    built: NDArray[np.bool_]
    zone: NDArray[np.bool_]
    evidence: Evidence
    keys: NDArray[np.int64]
    pieces: OraclePieces


def derive(
    classes: NDArray[np.uint8] | None,
    shapes: Shapes,
    *,
    grid: Grid,
    window: Window,
    tables: EvidenceTables,
    aggregation: BuiltAggregation,
    minimum: MinimumAreas,
    zone: ZoneConstruite,
) -> Derived:
    """Return what the whole window becomes, stage by stage."""
    n = grid.pixels_per_m
    ground = painted(shapes, grid=grid, window=window)
    built = built_ground(classes, ground, tables, aggregation)
    cells = zone_cells(built[n // 2 :: n, n // 2 :: n], zone)
    inside = np.repeat(np.repeat(cells, n, axis=0), n, axis=1)
    evidence = evidence_of(classes, ground, built, inside, tables)
    keys = generalised(evidence, minimum)
    return Derived(built, inside, evidence, keys, pieces_of(keys, evidence))

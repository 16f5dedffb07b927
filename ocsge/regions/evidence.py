"""Cross class runs with burned layers: one run per stretch of equal cover, usage, rule and commune.

The value of a run packs what the later steps need::

    bits 0–3    cover: 1 + position in ``Rules.couverture_codes``; 0 unknown, 15 takes the enclosing cover
    bits 4–8    usage: 1 + position in ``Rules.usage_codes``; 0 none
    bit  9      ossature
    bit  10     zone construite
    bits 11–16  usage rule: position in the run's list of usage rules, from 1; 63 a correction
    bit  17     default cover: no raster and no layer describes the ground
    bits 18–29  commune: position in the run's list of communes, from 1
    bits 30–31  public park, ground photovoltaic plant

Bits 0–9 are the *key*: connected pixels of one key are one region. :data:`OUTSIDE` and
:data:`UNSEEN` mark pixels the run leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numba.extending import register_jitable

from ocsge.regions.runs import Runs, values_present
from ocsge.regions.shapes import Channel
from ocsge.regions.sweep import paint_row, row_buffers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.regions.burn import Intervals

USAGE_SHIFT, OSSATURE_SHIFT, ZONE_SHIFT, RULE_SHIFT, DEFAULT_SHIFT, COMMUNE_SHIFT, PARK_SHIFT = 4, 9, 10, 11, 17, 18, 30
KEY_MASK = 0x3FF
OUTSIDE = 0x3FF
"""Value of the pixels outside the domain."""
UNSEEN = 0x3FE
"""Value of the pixels of the context that no raster covers: left out, but more context would not bring them."""
COVERS = 16
"""Size of the cover axis of the tables: unknown, the leaf covers, and the one that takes the enclosing cover."""
USAGES = 32
_COVER_MASK, _USAGE_MASK = COVERS - 1, USAGES - 1
ABSORB = 15
"""Cover index of what takes the enclosing cover: pools, built specks."""
MAX_USAGE_RULES, MAX_COMMUNES = 62, 4095
CORRECTED_RULE = 63
"""Usage rule of the ground whose usage a correction gives: it says its usage itself, no table does.

On the ``USAGE`` channel a value above it is a correction: ``CORRECTED_RULE`` and the usage index."""

_DOMAIN, _COMMUNE, _COVER = int(Channel.DOMAIN), int(Channel.COMMUNE), int(Channel.COVER)
_BUILT_GROUND, _ZONE, _NEAR_ROAD = int(Channel.BUILT_GROUND), int(Channel.ZONE), int(Channel.NEAR_ROAD)
_USAGE, _USAGE_IN_ZONE = int(Channel.USAGE), int(Channel.USAGE_IN_ZONE)
_USAGE_ON_SEALED = int(Channel.USAGE_ON_SEALED)
_PARK, _PHOTOVOLTAIC = int(Channel.PARK), int(Channel.PHOTOVOLTAIC)

TERRITORY, CONTEXT = 1, 2
"""Values of the ``DOMAIN`` channel: ground whose unknown covers are filled; ground around it, where they are not."""
OVERRIDE, COMPLETE, IGNORE, CORRECTED = 0, 1, 2, 3
"""How a layer's cover meets the class raster: over it, where it says nothing, or never where there is a raster.

``CORRECTED`` is a correction: the raster is not heard there, not even for a usage, and nothing is built there
unless the correction says so."""


@register_jitable
def cover_of(key: Any) -> Any:
    """Return the cover index of a key, or of each key of an array."""
    return key & _COVER_MASK


@register_jitable
def usage_of(key: Any) -> Any:
    """Return the usage index of a key, or of each key of an array."""
    return (key >> USAGE_SHIFT) & _USAGE_MASK


@dataclass(frozen=True, slots=True)
class EvidenceTables:
    """The rules as look-up tables over small integers; made by ``covers`` and ``usage`` from ``Rules``."""

    has_raster: bool
    """Whether a class raster is read; without one the covers come from layers and ``default_cover``."""

    default_cover: int
    """Cover index where no raster and no layer says anything."""

    built_cover: int
    """Cover index of built ground."""

    sealed_cover: int
    """Cover index of sealed ground, for usages that continue on it."""

    class_cover: NDArray[np.uint8]
    """(256, USAGES) cover index of a class value under a usage (0 = the class says nothing)."""

    class_usage: NDArray[np.uint8]
    """(256,) usage rule that a class value gives, 0 = none."""

    layer_cover: NDArray[np.uint8]
    """(cover rules + 1,) cover index of each cover rule; corrections have their positions after the rules."""

    layer_mode: NDArray[np.uint8]
    """(cover rules + 1,) OVERRIDE, COMPLETE, IGNORE or CORRECTED."""

    layer_ossature: NDArray[np.uint8]
    """(cover rules + 1,) 1 where the rule draws the ossature."""

    rule_usage: NDArray[np.uint8]
    """(usage rules + 1,) usage index of each usage rule; a smaller position wins."""

    default_rule: NDArray[np.uint8]
    """(COVERS, 2, 2) usage rule by cover, inside the zone construite, near a road."""


def evidence_runs(classes: Runs | None, intervals: Intervals, *, width: int, tables: EvidenceTables) -> Runs:
    """Return the evidence of a window as runs of packed uint32 values.

    Parameters
    ----------
    classes
        Runs of the class raster, or None when there is none.
    intervals
        Burned layers of every channel, ``BUILT_GROUND`` and ``ZONE`` included.
    width
        Columns of the window.
    tables
        The rules as look-up tables.
    """
    height = len(intervals.row_ptr) - 1
    if classes is None:
        classes = Runs(
            row_ptr=np.arange(height + 1, dtype=np.int64),
            start=np.zeros(height, dtype=np.int32),
            value=np.zeros(height, dtype=np.uint8),
            width=width,
        )
    row_ptr, start, value = _cross(
        classes.row_ptr,
        classes.start,
        classes.value,
        values_present(classes.value),
        intervals.row_ptr,
        intervals.start,
        intervals.stop,
        intervals.channel,
        intervals.value,
        width,
        (
            tables.has_raster,
            tables.default_cover,
            tables.built_cover,
            tables.sealed_cover,
            tables.class_cover,
            tables.class_usage,
            tables.layer_cover,
            tables.layer_mode,
            tables.layer_ossature,
            tables.rule_usage,
            tables.default_rule,
        ),
    )
    return Runs(row_ptr=row_ptr, start=start, value=value, width=width)


@njit(cache=True, nogil=True)
def _earlier(a, b):  # type: ignore[no-untyped-def]
    """Return the usage rule that comes first; 0 is none."""
    if a == 0 or (b != 0 and b < a):
        return b
    return a


@njit(cache=True, nogil=True)
def _evaluate(context, cls, tables):  # type: ignore[no-untyped-def]
    """Return the packed value of a class inside one segment of the layers."""
    layer, built_ground, zone, near_road, rule, on_sealed, bits = context
    corrected_usage = rule - CORRECTED_RULE if rule > CORRECTED_RULE else 0
    has_raster, default_cover, built_cover, sealed_cover, class_cover, class_usage = tables[:6]
    layer_cover, layer_mode, layer_ossature, rule_usage, default_rule = tables[6:]
    mode = layer_mode[layer]
    corrected = layer != 0 and mode == CORRECTED
    seen = layer_cover[layer] if corrected else class_cover[cls, 0] if has_raster else np.uint8(0)
    if seen == sealed_cover:
        rule = _earlier(rule, on_sealed)
    if has_raster and not corrected:
        rule = _earlier(rule, np.int64(class_usage[cls]))
    if corrected_usage:
        rule = np.int64(0)
    usage = corrected_usage or np.int64(rule_usage[rule])
    layer_speaks = corrected or (
        layer != 0 and (mode == OVERRIDE or not has_raster or (mode == COMPLETE and seen == 0))
    )
    if built_ground:
        cover = built_cover
    elif layer_speaks:
        cover = layer_cover[layer]
    elif has_raster:
        cover = class_cover[cls, usage]
        if cover == built_cover:  # a built speck: the aggregation did not keep it
            cover = ABSORB
    else:
        cover = default_cover
        bits |= 1 << DEFAULT_SHIFT
    if corrected_usage:
        rule = np.int64(CORRECTED_RULE)
    elif rule == 0 and cover not in (0, ABSORB):
        rule = np.int64(default_rule[cover, 1 if zone else 0, 1 if near_road else 0])
        usage = np.int64(rule_usage[rule])
    packed = bits | np.int64(cover) | (usage << USAGE_SHIFT) | (rule << RULE_SHIFT)
    if layer_speaks and layer_ossature[layer] and not built_ground:
        packed |= 1 << OSSATURE_SHIFT
    return np.uint32(packed)


_SLOTS = 1 << 12
"""What the layers say is met again and again: the answers for every class are kept by a hash of it."""


@njit(cache=True, nogil=True)
def _context_of(painted, k):  # type: ignore[no-untyped-def]
    """Return what segment ``k`` of the layers says, whatever the class: the inputs of :func:`_evaluate`, and a key."""
    layer, built_ground = np.int64(painted[_COVER, k]), np.int64(painted[_BUILT_GROUND, k] != 0)
    zone, near_road = np.int64(painted[_ZONE, k] != 0), np.int64(painted[_NEAR_ROAD, k] != 0)
    rule = np.int64(painted[_USAGE, k])
    if zone and rule <= CORRECTED_RULE:
        rule = _earlier(rule, np.int64(painted[_USAGE_IN_ZONE, k]))
    on_sealed = np.int64(painted[_USAGE_ON_SEALED, k])
    park, photovoltaic = np.int64(painted[_PARK, k] != 0), np.int64(painted[_PHOTOVOLTAIC, k] != 0)
    bits = (zone << ZONE_SHIFT) | (park << PARK_SHIFT) | (photovoltaic << (PARK_SHIFT + 1))
    # every part of the key has its own bits, so equal keys are equal contexts
    key = layer | (rule << 16) | (on_sealed << 24) | (built_ground << 32) | (zone << 33) | (near_road << 34)
    key |= (park << 35) | (photovoltaic << 36)
    return (layer, built_ground, zone, near_road, rule, on_sealed, bits), key


@njit(cache=True, nogil=True)
def _cross(class_ptr, class_start, class_value, present, row_ptr, start, stop, channel, value, width, tables):  # type: ignore[no-untyped-def]
    """Cut rows by the layers first, then each segment by the classes: what the layers say is read once a segment."""
    height = len(row_ptr) - 1
    capacity = len(class_start) + 2 * len(start) + height
    out_ptr = np.zeros(height + 1, np.int64)
    out_start = np.empty(capacity, np.int32)
    out_value = np.empty(capacity, np.uint32)
    buffers = row_buffers(width)
    _, cuts, _, painted = buffers
    no_class = np.empty(0, np.int32)
    slot_key = np.full(_SLOTS, -1, np.int64)
    answers = np.empty((_SLOTS, 256), np.uint32)
    n = 0
    for r in range(height):
        a, b = row_ptr[r], row_ptr[r + 1]
        segments = paint_row(buffers, width, no_class, start[a:b], stop[a:b], channel[a:b], value[a:b])
        row_first = n
        run, run_end = class_ptr[r], class_ptr[r + 1]
        for k in range(segments):
            while run + 1 < run_end and class_start[run + 1] <= cuts[k]:
                run += 1
            domain = painted[_DOMAIN, k]
            if domain == 0:
                if n == row_first or out_value[n - 1] != OUTSIDE:
                    out_start[n], out_value[n] = cuts[k], OUTSIDE
                    n += 1
                continue
            context, key = _context_of(painted, k)
            slot = (key ^ (key >> 11) ^ (key >> 23)) & (_SLOTS - 1)
            if slot_key[slot] != key:
                slot_key[slot] = key
                for cls in present:
                    answers[slot, cls] = _evaluate(context, cls, tables)
            commune = np.uint32(painted[_COMMUNE, k]) << np.uint32(COMMUNE_SHIFT)
            column = cuts[k]
            while True:
                packed = answers[slot, class_value[run]] | commune
                if domain == CONTEXT and packed & np.uint32(15) == 0:
                    packed = np.uint32(UNSEEN)
                if n == row_first or out_value[n - 1] != packed:
                    out_start[n], out_value[n] = column, packed
                    n += 1
                if run + 1 >= run_end or class_start[run + 1] >= cuts[k + 1]:
                    break
                run += 1
                column = class_start[run]
        out_ptr[r + 1] = n
    return out_ptr, out_start[:n].copy(), out_value[:n].copy()

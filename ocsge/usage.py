"""Usages: the ordered layer → usage rules, as shapes to burn and look-up tables.

The first rule in order that covers a pixel gives its usage (``carve`` and ``fill`` alike: a carve simply stands before
what it overrides). A ``spread`` gives a building's usage to its footprint, then, after every footprint, to the ground
within its reach where its condition holds. ``default`` rules come last, by cover. A pixel keeps the rule it came from.
Local corrections come before every rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ocsge.class_numbers import numbered_classes
from ocsge.errors import RulesError
from ocsge.footprints import footprints
from ocsge.nomenclature import is_within
from ocsge.regions.evidence import CORRECTED_RULE, COVERS, MAX_USAGE_RULES
from ocsge.regions.shapes import Channel, Shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geopandas as gpd
    from numpy.typing import NDArray

    from ocsge.rules import LayerUsage, Rules

_CONDITION_CHANNELS = {
    "always": Channel.USAGE,
    "in_zone_construite": Channel.USAGE_IN_ZONE,
    "on_sealed": Channel.USAGE_ON_SEALED,
}
_FLAG_CHANNELS = {"park": Channel.PARK, "photovoltaic": Channel.PHOTOVOLTAIC}


@dataclass(frozen=True, slots=True)
class UsageStep:
    """One step of the ordered rules; a spread over footprints makes two."""

    row: LayerUsage
    """The rule."""

    surroundings: bool
    """Whether the step paints the ground around the features rather than the features."""


def usage_layers(rules: Rules) -> tuple[str, ...]:
    """Return the layers that usage rules read, in rule order, each once."""
    vector = (row.layer for row in rules.layer_usages if row.geometry_op not in {"class", "any"})
    return tuple(dict.fromkeys(vector))


def usage_steps(rules: Rules) -> tuple[UsageStep, ...]:
    """Return the steps in which usages are given, first wins; position p of the evidence is step p − 1.

    The surroundings of buildings come after the footprints of all of them, so a house beside a farm stays a house.

    Raises
    ------
    RulesError
        When there are more steps than the engine can number.
    """
    steps: list[UsageStep] = []
    waiting: list[UsageStep] = []
    for row in rules.layer_usages:
        if row.mode == "flag":
            continue
        around_footprints = row.mode == "spread" and row.geometry_op == "footprint"
        if not around_footprints:
            steps.extend(waiting)
            waiting = []
        if around_footprints:
            waiting.append(UsageStep(row=row, surroundings=True))
        steps.append(UsageStep(row=row, surroundings=row.mode == "spread" and not around_footprints))
    steps.extend(waiting)
    if len(steps) > MAX_USAGE_RULES:
        raise RulesError(
            f"layer_usages.csv: {len(steps)} steps, a spread counting twice; the engine numbers {MAX_USAGE_RULES}"
        )
    return tuple(steps)


def usage_shapes(layers: Mapping[str, gpd.GeoDataFrame], rules: Rules) -> Shapes:
    """Return the shapes of the usage, road, park and photovoltaic channels.

    Parameters
    ----------
    layers
        Features by layer, canonical columns, all in the CRS of the grid; a layer that is not there paints nothing.
    rules
        Their ``layer_usages``.
    """
    parts = []
    steps = usage_steps(rules)
    for position, step in reversed(list(enumerate(steps, start=1))):
        row = step.row
        if row.mode == "default" or row.geometry_op == "class":
            continue
        channel = _CONDITION_CHANNELS[row.condition] if step.surroundings else Channel.USAGE
        reach_m = float(row.reach_m or 0.0) if step.surroundings else 0.0
        parts.append(_painted(layers, row, rules, channel=channel, value=position, reach_m=reach_m))
    for row in rules.layer_usages:
        if row.flag is not None:
            parts.append(_painted(layers, row, rules, channel=_FLAG_CHANNELS[row.flag], value=1, reach_m=0.0))
        if row.mode == "default" and row.condition == "near_road":
            parts.extend(
                _painted(layers, road, rules, channel=Channel.NEAR_ROAD, value=1, reach_m=float(row.reach_m or 0.0))
                for road in rules.layer_usages
                if road.us == row.us and road.mode == "carve" and road.geometry_op == "axis"
            )
    return Shapes.concatenated(parts)


def corrected_usage_shapes(corrections: gpd.GeoDataFrame, rules: Rules) -> Shapes:
    """Return the shapes of the usages that local corrections give; paint them after :func:`usage_shapes`.

    Parameters
    ----------
    corrections
        ``code_us`` (null gives no usage) and ``geometry``, in the order of application, CRS of the grid.
    rules
        Their codes.
    """
    given = corrections[corrections["code_us"].notna()]
    index = {code: i for i, code in enumerate(rules.usage_codes, start=1)}
    values = np.array([CORRECTED_RULE + index[code] for code in given["code_us"]], dtype=np.uint16)
    return Shapes.from_geometries(np.asarray(given.geometry.values), channel=Channel.USAGE, values=values)


def rule_usage_table(rules: Rules) -> NDArray[np.uint8]:
    """Return the usage index of each step, by position from 1."""
    index = {code: i for i, code in enumerate(rules.usage_codes, start=1)}
    return np.array([0, *(index[str(step.row.us)] for step in usage_steps(rules))], dtype=np.uint8)


def class_usage_table(rules: Rules, numbering: str) -> NDArray[np.uint8]:
    """Return the usage step that each class number gives, (256,), 0 = none.

    A number that a class of the rule shares with another class gives nothing: it does not tell them apart.
    """
    table = np.zeros(256, dtype=np.uint8)
    names: dict[int, set[str]] = {}
    for cosia_class, number in numbered_classes(rules, numbering):
        names.setdefault(number, set()).add(cosia_class.name)
    for position, step in reversed(list(enumerate(usage_steps(rules), start=1))):
        if step.row.geometry_op == "class":
            for number, sharing in names.items():
                if sharing <= set(step.row.cosia_classes):
                    table[number] = position
    return table


def default_rule_table(rules: Rules) -> NDArray[np.uint8]:
    """Return the default usage step by cover, inside the zone construite and near a road, (COVERS, 2, 2)."""
    table = np.zeros((COVERS, 2, 2), dtype=np.uint8)
    for position, step in reversed(list(enumerate(usage_steps(rules), start=1))):
        row = step.row
        if row.mode != "default":
            continue
        for cover, code in enumerate(rules.couverture_codes, start=1):
            if row.covers and not any(is_within(code, prefix) for prefix in row.covers):
                continue
            if row.condition == "in_zone_construite":
                table[cover, 1, :] = position
            elif row.condition == "near_road":
                table[cover, 0, 1] = position
            else:
                table[cover] = position
    return table


def _painted(
    layers: Mapping[str, gpd.GeoDataFrame],
    row: LayerUsage,
    rules: Rules,
    *,
    channel: Channel,
    value: int,
    reach_m: float,
) -> Shapes:
    frame = layers.get(row.layer)
    if frame is None or len(frame) == 0:
        return Shapes.none()
    ground = footprints(frame[row.filter.mask(frame, layer=row.layer)], row, rules, reach_m=reach_m)
    return Shapes.from_geometries(ground, channel=channel, values=np.full(len(ground), value, dtype=np.uint16))

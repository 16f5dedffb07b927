"""Covers: what the layers and the class raster say of the ground, as shapes to burn and look-up tables.

Each rule of ``rules/layer_covers.csv`` paints the ground of its features; a smaller order paints over a larger one.
Where a class raster is read, a rule overrides it, completes it where it says nothing, or is ignored: column
``with_raster``. Local corrections are painted after every rule, so they cover them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ocsge.class_numbers import numbered_classes
from ocsge.errors import RulesError
from ocsge.footprints import footprints
from ocsge.nomenclature import is_within
from ocsge.regions.evidence import ABSORB, COMPLETE, CORRECTED, COVERS, IGNORE, OVERRIDE, USAGES
from ocsge.regions.shapes import Channel, Shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geopandas as gpd
    from numpy.typing import NDArray

    from ocsge.rule_tables import Trait
    from ocsge.rules import Rules

_MODES = {"override": OVERRIDE, "complete": COMPLETE, "ignore": IGNORE}


def cover_layers(rules: Rules) -> tuple[str, ...]:
    """Return the layers that cover rules read, in rule order, each once."""
    return tuple(dict.fromkeys(row.layer for row in rules.layer_covers))


def cover_shapes(layers: Mapping[str, gpd.GeoDataFrame], rules: Rules) -> Shapes:
    """Return the shapes of the ``COVER`` and ``BUILT`` channels.

    Parameters
    ----------
    layers
        Features by layer, canonical columns, all in the CRS of the grid; a layer that is not there paints nothing.
    rules
        Their ``layer_covers``.
    """
    built = rules.couverture_by_role["built"]
    parts = []
    for position, row in reversed(list(enumerate(rules.layer_covers, start=1))):
        frame = layers.get(row.layer)
        if frame is None or len(frame) == 0:
            continue
        ground = footprints(frame[row.filter.mask(frame, layer=row.layer)], row, rules)
        channel, value = (Channel.BUILT, 1) if row.code_cs == built else (Channel.COVER, position)
        parts.append(
            Shapes.from_geometries(ground, channel=channel, values=np.full(len(ground), value, dtype=np.uint16))
        )
    return Shapes.concatenated(parts)


def corrected_cover_shapes(corrections: gpd.GeoDataFrame, rules: Rules) -> Shapes:
    """Return the shapes of the covers that local corrections give; paint them after :func:`cover_shapes`.

    Built ground that a correction gives is evidence as a footprint is: the built aggregation still applies.

    Parameters
    ----------
    corrections
        ``code_cs`` (null gives no cover) and ``geometry``, in the order of application, CRS of the grid.
    rules
        Their codes.
    """
    given = corrections[corrections["code_cs"].notna()]
    if given.empty:
        return Shapes.none()
    ground = np.asarray(given.geometry.values)
    first = len(rules.layer_covers) + 1
    values = np.array([first + rules.couverture_codes.index(code) for code in given["code_cs"]], dtype=np.uint16)
    built = (given["code_cs"] == rules.couverture_by_role["built"]).to_numpy(np.bool_)
    footprint = np.ones(int(built.sum()), dtype=np.uint16)
    return Shapes.concatenated(
        [
            Shapes.from_geometries(ground, channel=Channel.COVER, values=values),
            Shapes.from_geometries(ground[built], channel=Channel.BUILT, values=footprint),
        ]
    )


def layer_cover_tables(rules: Rules) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return cover index, raster mode and ossature flag by position: the cover rules from 1, then corrected covers.

    Corrected built ground that the aggregation did not keep takes the enclosing cover, as a built speck does.
    """
    index = {code: i for i, code in enumerate(rules.couverture_codes, start=1)}
    rows = rules.layer_covers
    built = rules.couverture_by_role["built"]
    corrected = [ABSORB if code == built else index[code] for code in rules.couverture_codes]
    return (
        np.array([0, *(index[row.code_cs] for row in rows), *corrected], dtype=np.uint8),
        np.array([OVERRIDE, *(_MODES[row.with_raster] for row in rows), *(CORRECTED for _ in corrected)], np.uint8),
        np.array([0, *(row.ossature for row in rows), *(0 for _ in corrected)], dtype=np.uint8),
    )


def class_cover_table(rules: Rules, numbering: str) -> NDArray[np.uint8]:
    """Return the cover index of each class number under each usage, (256, USAGES).

    Parameters
    ----------
    rules
        Their ``cosia_classes`` and ``cosia_context``.
    numbering
        Numbering system of the raster.

    Raises
    ------
    ParameterError
        When the numbering system is unknown.
    RulesError
        When classes that take the enclosing cover have different fallbacks: the engine has one.
    """
    index = {code: i for i, code in enumerate(rules.couverture_codes, start=1)}
    table = np.zeros((256, USAGES), dtype=np.uint8)
    for cosia_class, number in numbered_classes(rules, numbering):
        if cosia_class.handling == "absorb":
            table[number] = ABSORB
        elif cosia_class.code_cs is not None:
            table[number] = index[cosia_class.code_cs]
        for context in rules.cosia_context:
            if context.cosia_class == cosia_class.name:
                for usage, code in enumerate(rules.usage_codes, start=1):
                    if any(is_within(code, prefix) for prefix in context.usage_prefixes):
                        table[number, usage] = index[context.code_cs]
    return table


def absorb_fallback(rules: Rules) -> tuple[int, float]:
    """Return the cover index and minimum area (m²) of what takes the enclosing cover, when it is large.

    Raises
    ------
    RulesError
        When two classes have different fallbacks.
    """
    index = {code: i for i, code in enumerate(rules.couverture_codes, start=1)}
    fallbacks = {
        (c.fallback_code_cs, c.fallback_minimum_m2)
        for c in rules.cosia_classes
        if c.handling == "absorb" and c.fallback_code_cs is not None and c.fallback_minimum_m2 is not None
    }
    if len(fallbacks) != 1:
        raise RulesError(
            f"cosia_classes.csv: classes of handling 'absorb' have {len(fallbacks)} different fallbacks; "
            "give them one cover and one minimum area"
        )
    ((code, minimum),) = fallbacks
    return index[str(code)], float(minimum or 0.0)


def cover_flags(rules: Rules, trait: Trait) -> NDArray[np.bool_]:
    """Return which cover indices have a trait of ``couverture.csv``, (COVERS,)."""
    codes = {entry.code for entry in rules.couvertures if trait in entry.traits}
    flags = np.zeros(COVERS, dtype=np.bool_)
    flags[[i for i, code in enumerate(rules.couverture_codes, start=1) if code in codes]] = True
    return flags

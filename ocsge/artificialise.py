"""Decide which polygons are artificialised, and why: matrix, interpretation thresholds, exemptions.

The order is that of the decree. The matrix gives a state to each cover × usage pair; enclaves below the
interpretation threshold then pass to the state around them (:mod:`ocsge.thresholds`); exemptions are the
choice of the collectivity, so they are measured beside the state and never change it
(:mod:`ocsge.exemptions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ocsge.errors import CodeError, ParameterError
from ocsge.exemptions import CHOSEN, EXEMPTIONS, POSSIBLE, Exempt, FlaggedGround, exempt
from ocsge.grid import pixels_reaching
from ocsge.tables import ARTIFICIALISED, POLYGONS, REASON_MARKERS, pixels_per_m2, require
from ocsge.thresholds import Absorption, Neighbours, absorb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ocsge.rules import Rules

WHERE = "artificialise"

_KINDS = ("matrix", *REASON_MARKERS)
_MATRIX, _ENCLAVE_GAINED, _ENCLAVE_LOST, _BUILT_KEPT, _ADJACENT_KEPT = range(len(_KINDS))


def artificialise(polygons: pd.DataFrame, adjacency: NDArray[np.int64], rules: Rules) -> pd.DataFrame:
    """Decide the state of each polygon under the decree, and say why.

    Does not clip: give the territory with the context the rules ask for around it, clip after. Does not take the
    exemptions out of ``artif``: it measures, in each artificialised polygon, the ground they cover.

    Parameters
    ----------
    polygons : pandas.DataFrame
        Table ``POLYGONS`` of :mod:`ocsge.tables`; areas in pixels and m². ``tree_share`` is null where
        nothing grows.
    adjacency : numpy.ndarray
        Shape (m, 3): row position, row position, shared border in pixel sides (0 = touch by a point,
        ignored).
    rules : Rules
        Matrix, thresholds, options and labels.

    Returns
    -------
    pandas.DataFrame
        Table ``ARTIFICIALISED``: the same rows and columns, and

        - ``matrix_artif``, ``decree_category``, ``impermeable``: what the matrix says of the pair. A polygon
          that a threshold moves keeps the category of the matrix: it says what the surface is;
        - ``artif``: the state after the thresholds; ``crit_seuil``: it differs from the matrix;
        - ``artif_min``, ``artif_max``: the state when every usage that comes from a default rule takes, of
          that rule's possible usages, the one that gives the least, or the most, artificialisation.
          Absorption is not monotone, so the bounds are widened to enclose ``artif``: ``artif_min ≤ artif ≤
          artif_max`` always holds;
        - ``fragile``: ``tree_share`` (near the share of trees that separates herbaceous from wooded),
          ``threshold_area`` (the group that decided is near the interpretation threshold), ``edge`` (a small
          group that the edge of the data cuts), joined by ``+``, or "";
        - ``exempt_park_m2``, ``exempt_photovoltaic_m2``, ``exempt_either_m2``: what each exemption, and the two
          together, cover of an artificialised polygon; ``exempted_m2``: what the options ``exempt_parks`` and
          ``exempt_photovoltaic`` choose of it, 0 by default; ``exemption``: ``park``, ``photovoltaic``, both joined
          by ``+``, or "";
        - ``reason``: one line.

    Raises
    ------
    DataError
        When the tables do not hold what they must.
    CodeError
        On a cover or usage code that is no leaf of the nomenclature: its state is never guessed.
    ParameterError
        When the option ``adjacent_built`` is unknown.

    Notes
    -----
    Sources: *décret* 2023-1096 of 27 November 2023, annex to article R.101-1 of the *code de l'urbanisme*;
    matrix and thresholds published by IGN for OCS GE.

    Examples
    --------
    A lawn around a house is artificialised by the matrix; alone in fields and below the threshold, it is not,
    and the house, if it reaches the built threshold, still is.
    """
    require(polygons, POLYGONS, where=WHERE)
    per_m2 = pixels_per_m2(polygons, where=WHERE)
    pairs = _Pairs.of(polygons, rules)
    thresholds = _Thresholds.of(polygons, pairs, rules, adjacency, per_m2=per_m2)
    matrix_artif = pairs.look_up(pairs.artif)
    decided = thresholds.apply(matrix_artif)
    least, most = _extreme_states(polygons, pairs, rules, matrix_artif)
    exempt_px = _exempt(polygons, pairs, rules, decided.state, thresholds, per_m2=per_m2)
    choice = {name: rules.options[f"exempt_{name}"] == "yes" for name in ("parks", "photovoltaic")}
    kinds = _reason_kinds(decided, matrix_artif, thresholds)
    result = polygons.assign(
        artif=decided.state,
        matrix_artif=matrix_artif,
        crit_seuil=decided.state != matrix_artif,
        reason=_reasons(kinds, pairs, decided.group_px // per_m2, exempt_px.which, rules),
        decree_category=_texts(pairs.look_up(pairs.category)),
        impermeable=pairs.look_up(pairs.impermeable),
        fragile=_fragile(polygons, pairs, rules, decided, thresholds),
        exemption=_texts(_joined(EXEMPTIONS)[exempt_px.which]),
        exempt_park_m2=exempt_px.park_px / per_m2,
        exempt_photovoltaic_m2=exempt_px.photovoltaic_px / per_m2,
        exempt_either_m2=exempt_px.either_px / per_m2,
        exempted_m2=exempt_px.chosen_px(**choice) / per_m2,
        artif_min=decided.state & _state_after(thresholds, least, matrix_artif, decided),
        artif_max=decided.state | _state_after(thresholds, most, matrix_artif, decided),
    )
    require(result, ARTIFICIALISED, where=WHERE)
    return result


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The matrix as arrays of shape (covers, usages), and where each polygon stands in it."""

    cover: NDArray[np.int64]
    usage: NDArray[np.int64]
    artif: NDArray[np.bool_]
    impermeable: NDArray[np.bool_]
    category: NDArray[np.object_]

    @classmethod
    def of(cls, polygons: pd.DataFrame, rules: Rules) -> _Pairs:
        """Return the matrix of the rules, and the place of each polygon's pair in it."""
        covers, usages = rules.couverture_codes, rules.usage_codes
        cells = [[rules.matrix[cover, usage] for usage in usages] for cover in covers]
        return cls(
            cover=_positions(polygons["code_cs"], covers, file="rules/couverture.csv"),
            usage=_positions(polygons["code_us"], usages, file="rules/usage.csv"),
            artif=np.array([[cell.artificialise for cell in row] for row in cells], dtype=np.bool_),
            impermeable=np.array([[cell.impermeable for cell in row] for row in cells], dtype=np.bool_),
            category=np.array([[cell.decree_category for cell in row] for row in cells], dtype=object),
        )

    def look_up(self, table: NDArray[Any]) -> NDArray[Any]:
        """Return the value of the pair of each polygon in a (covers, usages) table."""
        return table[self.cover, self.usage]


def _positions(codes: pd.Series, leaves: tuple[str, ...], *, file: str) -> NDArray[np.int64]:
    positions = pd.Index(leaves).get_indexer(pd.Index(codes)).astype(np.int64)
    unknown = np.flatnonzero(positions < 0)
    if len(unknown):
        row = int(unknown[0])
        raise CodeError(
            f"{WHERE}: {codes.name} '{codes.iloc[row]}' at row {row} ({len(unknown)} rows in all) is no "
            f"leaf code of {file}; give the polygon a leaf code, its state is not guessed"
        )
    return positions


@dataclass(frozen=True, slots=True)
class _Thresholds:
    """Everything the absorption needs but the states, so that it can be applied to several of them."""

    neighbours: Neighbours
    area_px: NDArray[np.int64]
    threshold_px: int
    built: NDArray[np.bool_]
    beside_built: NDArray[np.bool_]
    at_edge: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        polygons: pd.DataFrame,
        pairs: _Pairs,
        rules: Rules,
        adjacency: NDArray[np.int64],
        *,
        per_m2: int,
    ) -> _Thresholds:
        """Return the thresholds of the rules in pixels, and what they protect."""
        neighbours = Neighbours.of(adjacency, count=len(polygons))
        area_px = polygons["area_px"].to_numpy(np.int64)
        built_cover = rules.couverture_codes.index(rules.couverture_by_role["built"])
        built_px = pixels_reaching(rules.interpretation_threshold["built_m2"], per_m2=per_m2)
        # a commune border cuts the polygon, not the building: the whole object reaches the threshold or not
        object_px = polygons["object_px"].to_numpy(np.int64) if "object_px" in polygons else area_px
        built = (pairs.cover == built_cover) & (object_px >= built_px)
        option = rules.options["adjacent_built"]
        if option not in {"none", "keep_artif"}:
            raise ParameterError(f"rules/options.csv: adjacent_built = '{option}'; write none or keep_artif")
        return cls(
            neighbours=neighbours,
            area_px=area_px,
            threshold_px=pixels_reaching(rules.interpretation_threshold["surface_m2"], per_m2=per_m2),
            built=built,
            beside_built=neighbours.touches(built) if option == "keep_artif" else np.zeros_like(built),
            at_edge=polygons["at_edge"].to_numpy(np.bool_),
        )

    @property
    def protected(self) -> NDArray[np.bool_]:
        """Polygons that never lose artificialisation."""
        return self.built | self.beside_built

    def apply(self, state: NDArray[np.bool_]) -> Absorption:
        """Return what the thresholds make of a state."""
        return absorb(
            state,
            self.area_px,
            self.neighbours,
            threshold_px=self.threshold_px,
            protected=self.protected,
            at_edge=self.at_edge,
        )


def _extreme_states(
    polygons: pd.DataFrame, pairs: _Pairs, rules: Rules, matrix_artif: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the least and most artificialised matrix states that the default usages leave open."""
    usage_rule = polygons["usage_rule"].to_numpy(np.int64)
    least, most = matrix_artif.copy(), matrix_artif.copy()
    for row in rules.layer_usages:
        if row.mode != "default" or not row.default_usages:
            continue
        members = usage_rule == row.order
        others = [rules.usage_codes.index(code) for code in rules.usage_leaves(row.default_usages)]
        possible = pairs.artif[:, others]
        least[members] &= np.all(possible, axis=1)[pairs.cover[members]]
        most[members] |= np.any(possible, axis=1)[pairs.cover[members]]
    return least, most


def _state_after(
    thresholds: _Thresholds, state: NDArray[np.bool_], known: NDArray[np.bool_], decided: Absorption
) -> NDArray[np.bool_]:
    # most runs have no usage left open: the state is the one already decided
    return decided.state if np.array_equal(state, known) else thresholds.apply(state).state


def _cover_flag(rules: Rules, pairs: _Pairs, chosen: Mapping[str, bool]) -> NDArray[np.bool_]:
    return np.array([chosen[code] for code in rules.couverture_codes], dtype=np.bool_)[pairs.cover]


def _exempt(
    polygons: pd.DataFrame,
    pairs: _Pairs,
    rules: Rules,
    artif: NDArray[np.bool_],
    thresholds: _Thresholds,
    *,
    per_m2: int,
) -> Exempt:
    """Return what the exemptions cover of each polygon."""
    entries = [entry for entry in rules.couvertures if entry.is_leaf]

    def pixels(column: str) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = np.rint(polygons[column].to_numpy(np.float64) * per_m2).astype(np.int64)
        return counts

    return exempt(
        FlaggedGround(
            park_px=pixels("park_m2"),
            photovoltaic_px=pixels("photovoltaic_m2"),
            both_px=pixels("park_and_photovoltaic_m2"),
        ),
        thresholds.neighbours,
        artif=artif,
        vegetated=_cover_flag(rules, pairs, {entry.code: entry.vegetated for entry in entries}),
        open_land=_cover_flag(
            rules,
            pairs,
            {entry.code: not entry.tree and not entry.anthropised for entry in entries},
        ),
        parks_minimum_px=rules.exemption["parks_minimum_m2"] * per_m2,
    )


def _fragile(
    polygons: pd.DataFrame, pairs: _Pairs, rules: Rules, decided: Absorption, thresholds: _Thresholds
) -> pd.api.extensions.ExtensionArray:
    vegetated = {entry.code: entry.vegetated for entry in rules.couvertures if entry.is_leaf}
    share = polygons["tree_share"].to_numpy(np.float64, na_value=np.nan)
    low, high = rules.composition["fragile_low"], rules.composition["fragile_high"]
    by_trees = _cover_flag(rules, pairs, vegetated) & (share >= low) & (share <= high)
    margin = rules.composition["fragile_area_margin"] * thresholds.threshold_px
    by_area = np.abs(decided.group_px - thresholds.threshold_px) <= margin
    by_area &= ~(thresholds.protected & decided.state)
    causes = ("tree_share", "threshold_area", "edge")
    which = by_trees + 2 * by_area.astype(np.int64) + 4 * decided.undetermined.astype(np.int64)
    return _texts(_joined(causes)[which])


def _joined(names: tuple[str, ...]) -> NDArray[np.object_]:
    """Return the text of each combination of names, by its bits."""
    combinations = range(1 << len(names))
    texts = ["+".join(name for bit, name in enumerate(names) if bits >> bit & 1) for bits in combinations]
    return np.array(texts, dtype=object)


def _reason_kinds(decided: Absorption, matrix_artif: NDArray[np.bool_], thresholds: _Thresholds) -> NDArray[np.int64]:
    stayed_small = decided.state & matrix_artif & (decided.group_px < thresholds.threshold_px)
    return np.select(
        [
            decided.state & ~matrix_artif,
            ~decided.state & matrix_artif,
            stayed_small & thresholds.built,
            stayed_small & thresholds.beside_built,
        ],
        [_ENCLAVE_GAINED, _ENCLAVE_LOST, _BUILT_KEPT, _ADJACENT_KEPT],
        default=_MATRIX,
    ).astype(np.int64)


def _reasons(
    kinds: NDArray[np.int64],
    pairs: _Pairs,
    group_m2: NDArray[np.int64],
    which: NDArray[np.int64],
    rules: Rules,
) -> pd.api.extensions.ExtensionArray:
    """Return the reason of each polygon; the text of each distinct combination is written once."""
    usages = len(rules.usage_codes)
    enclave = (kinds == _ENCLAVE_GAINED) | (kinds == _ENCLAVE_LOST)
    detail = np.select([kinds == _MATRIX, enclave], [pairs.cover * usages + pairs.usage, group_m2], default=0)
    span = int(detail.max(initial=0)) + 1
    endings = _exemption_endings(rules)
    keys, inverse = np.unique((kinds * len(endings) + which) * span + detail, return_inverse=True)
    texts = np.empty(len(keys), dtype=object)
    for place, key in enumerate(keys.tolist()):
        family, value = divmod(key, span)
        kind, bits = divmod(family, len(endings))
        if kind == _MATRIX:
            cover, usage = divmod(value, usages)
            text = _matrix_reason(rules, rules.couverture_codes[cover], rules.usage_codes[usage])
        else:
            text = f"{_threshold_reason(rules, kind, value)} {REASON_MARKERS[_KINDS[kind]]}"
        texts[place] = text + endings[bits]
    return _texts(texts[inverse])


def _exemption_endings(rules: Rules) -> list[str]:
    """Return what a reason ends with for each combination of exemptions, by its bits."""
    chosen = (rules.options["exempt_parks"] == "yes", rules.options["exempt_photovoltaic"] == "yes")
    words = [f"; {CHOSEN if yes else POSSIBLE}{name}" for name, yes in zip(EXEMPTIONS, chosen, strict=True)]
    return ["".join(word for bit, word in enumerate(words) if bits >> bit & 1) for bits in range(1 << len(words))]


def _matrix_reason(rules: Rules, code_cs: str, code_us: str) -> str:
    cell = rules.matrix[code_cs, code_us]
    cover = next(entry.label_fr for entry in rules.couvertures if entry.code == code_cs)
    usage = next(entry.label_fr for entry in rules.usages if entry.code == code_us)
    state = "artificialised" if cell.artificialise else "not artificialised"
    pair = f"{cover} ({code_cs}) × {usage} ({code_us})"
    return f"{state}: {pair} ({cell.row}, decree category {cell.decree_category})"


def _threshold_reason(rules: Rules, kind: int, group_m2: int) -> str:
    built = f"built surface ≥ {_grouped(rules.interpretation_threshold['built_m2'])} m²"
    if kind == _BUILT_KEPT:
        return f"artificialised: {built} kept"
    if kind == _ADJACENT_KEPT:
        return f"artificialised: beside a {built}, kept with it"
    # whole m² rounded down: a group just below the threshold never reads as if it reached it
    areas = f"{_grouped(group_m2)} m² < {_grouped(rules.interpretation_threshold['surface_m2'])} m²"
    if kind == _ENCLAVE_GAINED:
        return f"artificialised: enclosed group of {areas} in artificialised land"
    return f"not artificialised: enclosed group of {areas} in non-artificialised land"


def _grouped(number: float) -> str:
    return f"{number:,.10g}".replace(",", " ")


def _texts(values: NDArray[np.object_]) -> pd.api.extensions.ExtensionArray:
    return pd.array(values, dtype="str")

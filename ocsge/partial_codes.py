"""What the matrix says of delivered codes, when they are no leaves of the nomenclature.

Old editions hold codes above the leaves and words for what nobody could tell. A pair of codes above the leaves takes
the state that all the pairs of leaves below it share; where they differ, where a code is unknown or null, the pair is
an error, or not classified on request: it is never guessed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ocsge.errors import CodeError
from ocsge.nomenclature import leaves_under

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ocsge.rules import MatrixCell, Rules

Unclassified = Literal["error", "keep"]
UNCLASSIFIED = "non classé"
"""State of a pair that the matrix cannot decide."""

_SHOWN = 6
_NULL = "null"


@dataclass(frozen=True, slots=True)
class PairStates:
    """What the matrix says of each pair, in the order of the rows."""

    artif: pd.Series
    """Nullable boolean: whether the pair is artificialised; null when not classified."""

    impermeable: NDArray[np.bool_]
    """Whether every leaf below the pair is impermeable; false when not classified."""

    decree_category: NDArray[np.object_]
    """Category of the decree; several that the leaves do not share are joined by ``/``; "" when not classified."""

    leaf_cs: NDArray[np.object_]
    """A leaf below the cover, not a built one unless all are: nothing protects a built surface that is not known to be
    one. The code itself when it is a leaf, "" when not classified."""

    leaf_us: NDArray[np.object_]
    """The first leaf below the usage; the code itself when it is a leaf, "" when not classified."""

    partial: dict[tuple[str, str], int]
    """Rows by pair of codes that is above the leaves and classified."""

    unclassified: dict[tuple[str, str], int]
    """Rows by pair of codes that is not classified."""


@dataclass(frozen=True, slots=True)
class _Pair:
    artif: bool | None = None
    impermeable: bool = False
    decree_category: str = ""
    leaf_cs: str = ""
    leaf_us: str = ""


def pair_states(
    code_cs: pd.Series, code_us: pd.Series, rules: Rules, *, unclassified: Unclassified = "error", where: str
) -> PairStates:
    """Return what the matrix says of delivered pairs of codes.

    Parameters
    ----------
    code_cs, code_us
        Codes of cover and usage, in capitals and without spaces; null where the delivery has none.
    rules
        Nomenclature and matrix.
    unclassified
        ``error`` refuses pairs that the matrix cannot decide; ``keep`` keeps them, not classified.
    where
        File and layer, for the message.

    Raises
    ------
    CodeError
        With ``error``, listing the pairs that cannot be decided and their number of rows.

    Examples
    --------
    Conifers and broadleaves are never artificialised, so a stand of trees without more is not either.
    """
    pairs = pd.MultiIndex.from_arrays([code_cs.fillna(_NULL), code_us.fillna(_NULL)])
    codes, distinct = pd.factorize(pairs)
    known = [_decided(str(cover), str(usage), rules) for cover, usage in distinct]
    counts = Counter(codes.tolist())
    lost = {distinct[n]: counts[n] for n, pair in enumerate(known) if pair.artif is None}
    if lost and unclassified == "error":
        common = sorted(lost.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{cover} × {usage} ({rows})" for (cover, usage), rows in common[:_SHOWN])
        more = f" and {len(lost) - _SHOWN} other pairs" if len(lost) > _SHOWN else ""
        raise CodeError(
            f"{where}: {sum(lost.values())} of {len(codes)} rows have codes whose state cannot be told: {shown}{more}; "
            f"correct them, or keep them as {UNCLASSIFIED}"
        )
    partial = {
        distinct[n]: counts[n]
        for n, pair in enumerate(known)
        if pair.artif is not None and (pair.leaf_cs, pair.leaf_us) != distinct[n]
    }

    def spread(name: str) -> NDArray[np.object_]:
        values = np.array([getattr(pair, name) for pair in known], dtype=object)
        return values[codes] if len(codes) else np.array([], dtype=object)

    return PairStates(
        artif=pd.Series(spread("artif"), index=code_cs.index, dtype="boolean"),
        impermeable=spread("impermeable").astype(np.bool_),
        decree_category=spread("decree_category"),
        leaf_cs=spread("leaf_cs"),
        leaf_us=spread("leaf_us"),
        partial=partial,
        unclassified=lost,
    )


def _decided(cover: str, usage: str, rules: Rules) -> _Pair:
    covers, usages = leaves_under(rules.couvertures, [cover]), leaves_under(rules.usages, [usage])
    cells: list[MatrixCell] = [rules.matrix[pair] for pair in ((c, u) for c in covers for u in usages)]
    if len({cell.artificialise for cell in cells}) != 1:
        return _Pair()
    built = rules.couverture_by_role["built"]
    return _Pair(
        artif=cells[0].artificialise,
        impermeable=all(cell.impermeable for cell in cells),
        decree_category="/".join(dict.fromkeys(cell.decree_category for cell in cells)),
        leaf_cs=next((leaf for leaf in covers if leaf != built), built),
        leaf_us=usages[0],
    )

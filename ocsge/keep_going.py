"""Derive several communes, each by itself where bad data refuses them together."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd

from ocsge.errors import DataError, PartialResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ocsge.derivation import Derivation


class CommunesFailedError(PartialResultError):
    """Some communes failed and the others are published.

    Attributes
    ----------
    done : Derivation
        The communes that succeeded.
    failed : Mapping[str, DataError]
        Errors by commune code; each is a note of the exception, one line.
    """

    def __init__(self, message: str, done: Derivation, failed: Mapping[str, DataError]) -> None:
        super().__init__(message)
        self.done = done
        self.failed = failed


def derive_each(codes: Sequence[str], derive_together: Callable[[tuple[str, ...]], Derivation]) -> Derivation:
    """Return the derivation of communes together, else that of each by itself put end to end.

    A commune has the same polygons alone or with its neighbours, so both ways give the same stock.

    Parameters
    ----------
    codes
        INSEE codes, each once.
    derive_together
        Derives and publishes communes in one run.

    Raises
    ------
    CommunesFailedError
        When some communes failed.
    DataError
        The first error, with a note a commune, when every commune failed.
    """
    try:
        return derive_together(tuple(codes))
    except DataError:
        if len(codes) < 2:
            raise
    done: list[Derivation] = []
    failed: dict[str, DataError] = {}
    for code in codes:
        try:
            done.append(derive_together((code,)))
        except DataError as error:
            failed[code] = error.with_traceback(None)  # a traceback keeps the arrays of its run
    if not failed:
        return _end_to_end(done)
    notes = [f"{code}: {error}" for code, error in failed.items()]
    if done:
        stop: DataError | CommunesFailedError = CommunesFailedError(
            f"{len(failed)} of {len(codes)} communes failed ({', '.join(failed)}); the others are published",
            _end_to_end(done),
            MappingProxyType(failed),
        )
    else:
        stop = next(iter(failed.values()))
    for note in notes:
        stop.add_note(note)
    raise stop


def _end_to_end(parts: Sequence[Derivation]) -> Derivation:
    """Return derivations published one after the other as one: the last version holds them all."""
    return replace(
        parts[-1],
        stock=pd.concat([part.stock for part in parts], ignore_index=True),
        stock_long=pd.concat([part.stock_long for part in parts], ignore_index=True),
        flow=_together([part.flow for part in parts]),
        change_matrix=_together([part.change_matrix for part in parts]),
        reused=all(part.reused for part in parts),
        commune_codes=tuple(code for part in parts for code in part.commune_codes),
        warnings=tuple(dict.fromkeys(text for part in parts for text in part.warnings)),
    )


def _together(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    found = [table for table in tables if table is not None]
    return pd.concat(found, ignore_index=True) if found else None

"""Where the files of a version of the workspace stand: the one place that knows the names of its folders.

::

    KIND/commune_code=12174/millesime=2022/            a commune at a millésime
    KIND/commune_code=12174/millesimes=2019-2022/      a commune over a pair of millésimes
    perimetre=NAME/KIND/…                              the same, of results limited by a perimeter

:mod:`ocsge.publication` says which files each kind holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocsge.errors import DataError
from ocsge.store import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PART = "part.parquet"
"""Name of the GeoParquet of a partition."""
RUN = "run.json"
"""Name of the provenance of a partition."""

_COMMUNE, _MILLESIME, _PAIR, _PERIMETRE = "commune_code=", "millesime=", "millesimes=", "perimetre="
_PAIR_IN_NAME = re.compile(r"(?:^|[=_])(\d{4})-(\d{4})(?=[._]|$)")
_YEAR_IN_NAME = re.compile(r"_(\d{4})(?=[._]|$)")


@dataclass(frozen=True, slots=True)
class Partition:
    """What a file of a partition describes."""

    commune_code: str
    """INSEE code; "" for ground in no known commune."""

    years: str
    """The millésime, or the pair as ``2019-2022``."""

    perimetre: str | None
    """Name of the perimeter that limits the result, null for whole communes."""


def results_root(perimetre: str | None) -> Path:
    """Return the folder, relative to a version, of the results of whole communes or of a perimeter."""
    return Path() if perimetre is None else Path(f"{_PERIMETRE}{perimetre}")


def partition_of(commune_code: str, millesime: int, *, perimetre: str | None, kind: str) -> Path:
    """Return the folder, relative to a version, of one kind of table of a commune and millésime."""
    return results_root(perimetre) / kind / f"{_COMMUNE}{commune_code}" / f"{_MILLESIME}{millesime}"


def pair_partition_of(commune_code: str, millesimes: tuple[int, int], *, perimetre: str | None, kind: str) -> Path:
    """Return the folder, relative to a version, of one kind of table of a commune and pair of millésimes."""
    first, second = millesimes
    return results_root(perimetre) / kind / f"{_COMMUNE}{commune_code}" / f"{_PAIR}{first}-{second}"


def stem_of(commune_code: str, millesime: int | str) -> str:
    """Return how the names of a commune's files begin; ``hors_commune`` for ground in no known commune."""
    return f"{commune_code or 'hors_commune'}_{millesime}"


def described_by(path: Path) -> Partition:
    """Return what a file of a partition describes, from the folders it stands in."""
    root = path.parents[3].name if len(path.parents) > 3 else ""
    return Partition(
        commune_code=path.parents[1].name.removeprefix(_COMMUNE),
        years=path.parent.name.partition("=")[2],
        perimetre=root.removeprefix(_PERIMETRE) if root.startswith(_PERIMETRE) else None,
    )


def perimetre_of(relative: Path) -> str | None:
    """Return the perimeter of a file, whose path is relative to its version; null for whole communes."""
    first = relative.parts[0]
    return first.removeprefix(_PERIMETRE) if first.startswith(_PERIMETRE) else None


def millesimes_of(relative: Path) -> set[int]:
    """Return the millésimes that a file of a version describes, from its folders or its name."""
    for part in relative.parts:
        if part.startswith((_MILLESIME, _PAIR)):
            return {int(year) for year in part.partition("=")[2].split("-")}
    pair = _PAIR_IN_NAME.search(relative.name)
    if pair is not None:
        return {int(year) for year in pair.groups()}
    single = _YEAR_IN_NAME.search(relative.name)
    return {int(single.group(1))} if single else set()


def describes_commune(relative: Path, commune_code: str) -> bool:
    """Return whether a file of a version is one of a commune, by its folder or its name."""
    return f"{_COMMUNE}{commune_code}" in relative.parts or relative.name.startswith(stem_of(commune_code, ""))


def partition_files(root: Path, kind: str, file: str, *, communes: Sequence[str] | None = None) -> list[Path]:
    """Return the files of one name and kind in every partition of a folder of results, sorted.

    Parameters
    ----------
    root
        A version, or its folder of a perimeter.
    kind, file
        Kind of table and name of the file.
    communes
        Codes, in the order wanted; every commune by default.
    """
    if communes is None:
        return sorted((root / kind).glob(f"{_COMMUNE}*/*/{file}"))
    folders = [root / kind / f"{_COMMUNE}{code}" for code in dict.fromkeys(communes)]
    return [path for folder in folders for path in sorted(folder.glob(f"*/{file}"))]


def result_roots(version: Path) -> Iterator[Path]:
    """Yield the folders of results of a version: its own, then one a perimeter."""
    yield version
    yield from sorted(version.glob(f"{_PERIMETRE}*"))


def current_version(workspace: Path | str) -> Path:
    """Return the folder of the version that readers of a workspace use.

    Raises
    ------
    DataError
        When nothing has been published in it.
    """
    version = Workspace(Path(workspace)).current()
    if version is None:
        raise DataError(f"{workspace}: holds no result; run `ocsge derive --workspace {workspace}` first")
    return version


def published_polygons(workspace: Path, code: str, millesime: int | None) -> Path:
    """Return the GeoParquet of the polygons of a commune in the current version of a workspace.

    Parameters
    ----------
    workspace
        Folder that holds the results.
    code
        INSEE code.
    millesime
        Year; None takes the last one derived.

    Raises
    ------
    DataError
        When the commune has no result in the workspace, saying which years it has.
    """
    version = Workspace(workspace).current()
    found = [] if version is None else partition_files(version, "polygons", PART, communes=[code])
    by_year = {int(described_by(path).years): path for path in found}
    if not by_year or (millesime is not None and millesime not in by_year):
        have = f"it holds {', '.join(map(str, sorted(by_year)))}" if by_year else _held(version)
        raise DataError(
            f"{workspace}: no result of commune {code}{'' if millesime is None else f' at {millesime}'} ({have}); run "
            f"`ocsge derive --commune {code} --millesime {millesime or 'YEAR'} --workspace {workspace}`"
        )
    return by_year[millesime or max(by_year)]


def _held(version: Path | None) -> str:
    """Return which results a version holds in place of the one looked for."""
    if version is None:
        return "it holds none"
    codes = sorted({described_by(path).commune_code for path in partition_files(version, "polygons", PART)})
    perimeters = [root.name.removeprefix(_PERIMETRE) for root in result_roots(version) if root != version]
    shown = ", ".join(codes[:5]) + (f" and {len(codes) - 5} more" if len(codes) > 5 else "")
    held = [f"it holds communes {shown}"] if codes else []
    held += [f"results within a perimeter, which it does not explain: {', '.join(perimeters)}"] if perimeters else []
    return "; ".join(held) or "it holds none"

"""Where the files of a version stand, and what their folders and names say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsge.errors import DataError
from ocsge.version_layout import (
    PART,
    Partition,
    current_version,
    described_by,
    describes_commune,
    millesimes_of,
    pair_partition_of,
    partition_files,
    partition_of,
    perimetre_of,
    published_polygons,
    result_roots,
    results_root,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent


def written(version: Path, folders: Sequence[Path]) -> list[Path]:
    """Return one empty file in each folder of a version."""
    for folder in folders:
        (version / folder).mkdir(parents=True)
        (version / folder / PART).touch()
    return [version / folder / PART for folder in folders]


def polygons_of(code: str, millesime: int, perimetre: str | None = None) -> Path:
    return partition_of(code, millesime, perimetre=perimetre, kind="polygons")


def test_a_partition_is_a_folder_a_commune_and_millesime() -> None:
    assert polygons_of("12174", 2022).as_posix() == "polygons/commune_code=12174/millesime=2022"
    assert polygons_of("12174", 2022, "zac-1").parts[0] == "perimetre=zac-1"
    pair = pair_partition_of("12174", (2019, 2022), perimetre=None, kind="changes")
    assert pair.as_posix() == "changes/commune_code=12174/millesimes=2019-2022"
    assert results_root(None) == Path()


@pytest.mark.parametrize("perimetre", [None, "zac-1"])
@pytest.mark.parametrize("code", ["12174", "2A004", ""])
def test_a_file_says_what_its_folders_were_made_for(code: str, perimetre: str | None) -> None:
    state = Path("w") / polygons_of(code, 2022, perimetre) / PART
    assert described_by(state) == Partition(code, "2022", perimetre)
    pair = pair_partition_of(code, (2019, 2022), perimetre=perimetre, kind="changes") / PART
    assert described_by("w" / pair) == Partition(code, "2019-2022", perimetre)
    assert perimetre_of(pair) == perimetre


@pytest.mark.parametrize(
    ("name", "years"),
    [
        ("polygons/commune_code=12174/millesime=2022/part.parquet", {2022}),
        ("changes/commune_code=12174/millesimes=2019-2022/part.parquet", {2019, 2022}),
        ("communes/12174_2022.gpkg", {2022}),
        ("communes/12174_2019-2022_changement.png", {2019, 2022}),
        ("stock.csv", set()),
    ],
)
def test_a_file_says_its_years(name: str, years: set[int]) -> None:
    assert millesimes_of(Path(name)) == years


def test_a_file_is_of_a_commune_by_its_folder_or_its_name() -> None:
    assert describes_commune(polygons_of("12174", 2022) / PART, "12174")
    assert describes_commune(Path("communes/12174_2022.gpkg"), "12174")
    assert describes_commune(Path("communes/hors_commune_2022.gpkg"), "")
    assert not describes_commune(Path("communes/12174_2022.gpkg"), "1217")


def test_partitions_are_found_by_commune_and_never_those_of_a_perimeter(tmp_path: Path) -> None:
    b, a, inside = written(tmp_path, [polygons_of("2", 2022), polygons_of("1", 2019), polygons_of("1", 2019, "zac")])
    assert partition_files(tmp_path, "polygons", PART) == [a, b]
    assert partition_files(tmp_path, "polygons", PART, communes=["2", "1", "2"]) == [b, a]
    assert list(result_roots(tmp_path)) == [tmp_path, tmp_path / "perimetre=zac"]
    assert partition_files(tmp_path / "perimetre=zac", "polygons", PART) == [inside]


def test_a_workspace_without_result_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no result; run `ocsge derive"):
        current_version(tmp_path)
    with pytest.raises(DataError, match=r"no result of commune 12174 at 2022 \(it holds none\)"):
        published_polygons(tmp_path, "12174", 2022)


def test_only_the_layout_knows_the_names_of_the_folders() -> None:
    folder = re.compile(r'f?"[^"]*(commune_code|millesimes?|perimetre)=[{*]')
    knowing = [path.name for path in (ROOT / "ocsge").rglob("*.py") if folder.search(path.read_text("utf-8"))]
    assert knowing == []

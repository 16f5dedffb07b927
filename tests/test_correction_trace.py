"""Which corrections a reason names, and which results a correction may change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pytest
from small_commune import box

from ocsge.correction_trace import results_concerned, with_corrections_named
from ocsge.export import write_parquet
from ocsge.store import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    import shapely

MEADOW, SEALED = "CS2.2.1", "CS1.1.1.2"
FIELD = box(0, 0, 100, 100)


def ground(*rows: tuple[shapely.Geometry, str | None, str | None], **columns: Any) -> gpd.GeoDataFrame:
    """Return corrections a, b, c… of geometry, cover and usage, in the order of application."""
    names = [chr(ord("a") + place) for place in range(len(rows))]
    return gpd.GeoDataFrame(
        {
            "id": names,
            "code_cs": np.array([row[1] for row in rows], dtype=object),
            "code_us": np.array([row[2] for row in rows], dtype=object),
            "author": "Mairie",
            "date": "2024-05-02",
            "reason": "visit",
            "millesime_from": np.nan,
            "millesime_to": np.nan,
            **columns,
        },
        geometry=[row[0] for row in rows],
        crs=2154,
    )


def named(corrections: gpd.GeoDataFrame, *, code_cs: str = MEADOW, code_us: str = "US1.1") -> str:
    """Return the ids that the reason of the field names, in their order."""
    field = gpd.GeoDataFrame(
        {"code_cs": [code_cs], "code_us": [code_us], "reason": ["matrix"]}, geometry=[FIELD], crs=2154
    )
    told, applied = with_corrections_named(field, corrections)
    first, *parts = told["reason"].iloc[0].split("; local correction ")
    assert first == "matrix"
    assert all(part.endswith(" (Mairie, 2024-05-02): visit") for part in parts)
    ids = "".join(part.split(" ")[0] for part in parts)
    assert ids == "".join(str(row["id"]) for row in applied if row["polygons"])
    return ids


@pytest.mark.parametrize(("width", "ids"), [(49, ""), (50, "a"), (100, "a"), (300, "a")])
def test_a_correction_is_named_from_half_of_the_polygon(width: int, ids: str) -> None:
    assert named(ground((box(0, 0, width, 100), MEADOW, None))) == ids


def test_two_corrections_of_one_code_decide_together() -> None:
    assert named(ground((box(0, 0, 30, 100), MEADOW, None), (box(30, 0, 60, 100), MEADOW, None))) == "ab"


def test_a_correction_of_another_code_decided_nothing() -> None:
    assert named(ground((FIELD, SEALED, "US5"))) == ""


def test_cover_and_usage_are_looked_at_apart() -> None:
    corrections = ground((box(0, 0, 30, 100), MEADOW, None), (box(30, 0, 60, 100), None, "US1.1"))
    assert named(corrections) == "", "30 % by the cover and 30 % by the usage"
    assert named(ground((FIELD, SEALED, "US1.1"))) == "a", "its usage decided, not its cover"


def test_ground_under_a_later_correction_counts_for_the_later_one() -> None:
    assert named(ground((FIELD, MEADOW, None), (FIELD, SEALED, None))) == ""
    assert named(ground((FIELD, SEALED, None), (FIELD, MEADOW, None))) == "b"
    assert named(ground((FIELD, MEADOW, None), (FIELD, None, "US1.1"))) == "ab", "a usage covers no cover"


def test_a_correction_along_the_border_is_not_named() -> None:
    assert named(ground((FIELD, MEADOW, None), (box(99.5, 0, 200, 100), MEADOW, None))) == "a"


def test_without_correction_the_polygons_are_what_they_were() -> None:
    field = gpd.GeoDataFrame({"code_cs": [MEADOW], "code_us": ["US5"], "reason": ["matrix"]}, geometry=[FIELD])
    told, applied = with_corrections_named(field, ground())
    assert told is field
    assert applied == []


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A version with a commune at two millésimes, another one 5 km away, and a perimeter."""

    def fill(folder: Path) -> None:
        for code, millesime, inside, x in (
            ("12001", 2019, "", 0),
            ("12001", 2022, "", 0),
            ("12002", 2022, "", 5000),
            ("", 2022, "perimetre=zac-1b2c3d4e", 0),
        ):
            path = folder / inside / "polygons" / f"commune_code={code}" / f"millesime={millesime}" / "part.parquet"
            path.parent.mkdir(parents=True)
            write_parquet(gpd.GeoDataFrame({"id": ["1"]}, geometry=[box(x, 0, x + 200, 200)], crs=2154), path)

    Workspace(tmp_path).publish_version(fill, key="k")
    return tmp_path


@pytest.mark.parametrize(
    ("place", "years", "expected"),
    [
        (box(0, 0, 10, 10), {}, [("12001", 2019, None), ("12001", 2022, None), ("", 2022, "zac-1b2c3d4e")]),
        (box(0, 0, 10, 10), {"millesime_to": 2019.0}, [("12001", 2019, None)]),
        (box(0, 0, 10, 10), {"millesime_from": 2023.0}, []),
        (box(4100, 0, 4110, 10), {}, [("12002", 2022, None)]),
        (box(2000, 0, 2010, 10), {}, []),
    ],
)
def test_results_concerned_are_those_whose_run_looks_at_the_ground(
    workspace: Path, place: shapely.Geometry, years: dict[str, float], expected: list[tuple[str, int, str | None]]
) -> None:
    assert list(results_concerned(workspace, ground((place, MEADOW, None), **years), reach_m=1000)) == expected


def test_a_workspace_without_result_has_none_concerned(tmp_path: Path) -> None:
    assert results_concerned(tmp_path, ground((FIELD, MEADOW, None)), reach_m=1000) == ()

"""The same polygons, byte for byte, however a derivation is cut, spread or accompanied by neighbours.

Three communes of 1.5 km × 1.5 km in all, of which the first is a strip of 200 m: derived alone, it sees the ground up
to 1 km around it and no more.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from benchmarks.scene import Scene, make_scene
from ocsge import window_stages
from ocsge.derive import derive
from ocsge.publish import file_sha256
from ocsge.rules import load_rules
from ocsge.store import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation
    from tests.conftest import Registered

WEST, MIDDLE, EAST = CODES = ("32001", "32002", "32003")
SETTINGS = {"millesime": 2022, "numbering": "cosia_vector_numero", "resolution": 0.5}


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("valley"), area_km2=2.25, seed=2, resolution=0.5)


@pytest.fixture(scope="module")
def three_communes(valley: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    xmin, ymin, xmax, ymax = valley.bounds
    first = [(xmin + 200, ymin), (xmin + 240.13, ymin + 700), (xmin + 180, ymax)]
    second = [(xmin + 500, ymin), (xmin + 460.07, ymin + 900), (xmin + 545, ymax)]
    outlines = [
        shapely.Polygon([(xmin, ymin), *first, (xmin, ymax)]),
        shapely.Polygon([*first, *reversed(second)]),
        shapely.Polygon([*second, (xmax, ymax), (xmax, ymin)]),
    ]
    columns = {"insee_com": CODES, "nom": ["Ouest", "Milieu", "Est"]}
    path = tmp_path_factory.mktemp("communes") / "admin_express.gpkg"
    gpd.GeoDataFrame(columns, geometry=outlines, crs=valley.epsg).to_file(path, layer="commune")
    return path


class Bench:
    """Derives the scene in workspaces that hold nothing but it."""

    def __init__(self, folder: Path, scene: Scene, communes: Path, registered: Registered) -> None:
        self.folder, self.scene, self.communes, self.registered = folder, scene, communes, registered

    def derive(self, *codes: str, name: str, **options: object) -> Derivation:
        workspace = self.registered(self.scene, self.folder / name, communes=self.communes, raster=True)
        return derive(communes=codes, workspace=workspace, **{**SETTINGS, **options})


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory, valley: Scene, three_communes: Path, registered: Registered
) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), valley, three_communes, registered)


@pytest.fixture(scope="module")
def together(bench: Bench) -> Derivation:
    return bench.derive(*CODES, name="together")


def digests(derivation: Derivation) -> dict[str, str]:
    """Return the sha256 of every file of a result by its name."""
    files = [path for path in derivation.version.rglob("*") if path.is_file()]
    return {path.relative_to(derivation.version).as_posix(): file_sha256(path) for path in files}


def assert_same_polygons(found: gpd.GeoDataFrame, expected: gpd.GeoDataFrame) -> None:
    """Compare every column, and the geometries as bytes."""
    expected = expected.reset_index(drop=True)
    pd.testing.assert_frame_equal(
        pd.DataFrame(found.drop(columns="geometry")), pd.DataFrame(expected.drop(columns="geometry"))
    )
    assert found.geometry.to_wkb().tolist() == expected.geometry.to_wkb().tolist()


def test_the_scene_is_whole(together: Derivation) -> None:
    polygons = together.polygons()
    assert set(polygons["commune_code"]) == set(CODES)
    assert polygons["area_m2"].sum() == 1500 * 1500
    assert shapely.coverage_is_valid(polygons.geometry.to_numpy())
    assert polygons.is_valid.all()
    assert polygons["commune_cut"].any()


@pytest.mark.parametrize("strip_rows", [64, 256, 1024])
def test_the_height_of_the_strips_changes_no_byte(bench: Bench, together: Derivation, strip_rows: int) -> None:
    found = bench.derive(*CODES, name=f"strips{strip_rows}", strip_rows=strip_rows)
    assert not found.reused
    assert digests(found) == digests(together)


def test_the_day_of_the_derivation_changes_no_byte(
    bench: Bench, together: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Later:
            return cls(2031, 5, 17, tzinfo=tz)

    monkeypatch.setattr("ocsge.rules.dt.datetime", Later)
    assert load_rules().at == dt.date(2031, 5, 17)
    found = bench.derive(*CODES, name="later")
    assert digests(found) == digests(together)
    assert found.version.name == together.version.name


def test_a_date_chosen_for_the_rules_is_written_in_run_json(bench: Bench) -> None:
    found = bench.derive(WEST, name="dated", rules=load_rules(dt.date(2025, 6, 1)))
    (said,) = found.version.rglob("run.json")
    assert json.loads(said.read_text(encoding="utf-8"))["rules"]["at"] == "2025-06-01"


@pytest.mark.parametrize("window_m", [500, 1000])
def test_the_size_of_the_windows_changes_no_byte(bench: Bench, together: Derivation, window_m: int) -> None:
    found = bench.derive(*CODES, name=f"windows{window_m}", window_m=window_m)
    assert digests(found) == digests(together)


def test_a_halo_too_narrow_for_a_cluster_is_widened(
    bench: Bench, together: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_stages, "MERGE_HALO_M", 2)
    found = bench.derive(*CODES, name="narrow", window_m=1000)
    assert digests(found) == digests(together)


def test_two_worker_processes_change_no_byte(bench: Bench, together: Derivation) -> None:
    found = bench.derive(*CODES, name="jobs", jobs=2, window_m=1000)
    assert digests(found) == digests(together)
    assert found.version.name == together.version.name


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_byte(bench: Bench, together: Derivation, threads: int) -> None:
    found = bench.derive(*CODES, name=f"threads{threads}", threads=threads)
    assert digests(found) == digests(together)


@pytest.mark.parametrize("codes", [(WEST,), (MIDDLE,), (WEST, MIDDLE)])
def test_a_commune_has_the_same_polygons_alone_or_with_its_neighbours(
    bench: Bench, together: Derivation, codes: tuple[str, ...]
) -> None:
    alone = bench.derive(*codes, name=f"alone{'_'.join(codes)}")
    whole = together.polygons()
    assert_same_polygons(alone.polygons(), whole[whole["commune_code"].isin(codes)])
    ours = together.stock[together.stock["commune_code"].isin(codes)].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.stock, ours)


def test_the_order_of_the_communes_asked_for_does_not_matter(bench: Bench, together: Derivation) -> None:
    again = bench.derive(EAST, WEST, MIDDLE, name="together")
    assert again.reused
    assert again.version == together.version
    assert Workspace(bench.folder / "together").verify(again.version) == []

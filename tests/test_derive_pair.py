"""Two and three millésimes of one territory: anchored states, exact flow, the same bytes however the work is cut.

The second image of the valley is the first one moved by one pixel (half a metre), with a car park of 60 m × 60 m put
in a field: noise along every border, and one change.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

from benchmarks.scene import Scene, make_scene
from ocsge.derive import derive
from ocsge.errors import DataError, ParameterError
from ocsge.publish import file_sha256
from ocsge.tables import CHANGE_MATRIX, CHANGES, FLOW, require

if TYPE_CHECKING:
    from pathlib import Path

    from ocsge.derivation import Derivation
    from tests.conftest import Registered

YEARS = (2023, 2024)  # after every date of the scene: only the images differ
SETTINGS = {"numbering": "cosia_vector_numero", "resolution": 0.5}
SEALED = 3
SIDE_M = 60


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("valley"), area_km2=1, seed=5, resolution=0.5)


@pytest.fixture(scope="module")
def field(valley: Scene) -> tuple[int, int]:
    """Return row and column of a square of crops in the first image."""
    with rasterio.open(valley.rasters[0]) as dataset:
        image = dataset.read(1)
    uniform = [
        (np.unique(image[r : r + 120, c : c + 120], return_counts=True)[1].max(), r, c) for r, c in _corners(image)
    ]
    share, row, col = max(uniform)
    assert share > 0.9 * 120 * 120
    return row, col


def _corners(image: np.ndarray) -> list[tuple[int, int]]:
    return [(r, c) for r in range(200, image.shape[0] - 320, 60) for c in range(200, image.shape[1] - 320, 60)]


@pytest.fixture(scope="module")
def later(valley: Scene, field: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the second image."""
    path = tmp_path_factory.mktemp("later") / "later.tif"
    with rasterio.open(valley.rasters[0]) as dataset:
        image, profile = dataset.read(1), dataset.profile
    image[:, 1:] = image[:, :-1].copy()
    row, col = field
    image[row : row + 2 * SIDE_M, col : col + 2 * SIDE_M] = SEALED
    profile.update(driver="GTiff", tiled=True, blockxsize=256, blockysize=256)
    with rasterio.open(path, "w", **profile) as out:
        out.write(image, 1)
    return path


class Bench:
    """Derives the valley at both years in workspaces that hold nothing but it."""

    def __init__(self, folder: Path, scene: Scene, later: Path, registered: Registered) -> None:
        self.folder, self.scene, self.later, self.registered = folder, scene, later, registered

    def derive(self, *codes: str, name: str, **options: object) -> Derivation:
        workspace = self.registered(self.scene, self.folder / name)
        images = (self.scene.rasters[0], self.later)
        return derive(
            communes=codes or ("32001",),
            workspace=workspace,
            **{"millesime": YEARS, "cosia": images, **SETTINGS, **options},
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, valley: Scene, later: Path, registered: Registered) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), valley, later, registered)


@pytest.fixture(scope="module")
def pair(bench: Bench) -> Derivation:
    return bench.derive(name="pair")


def digests(derivation: Derivation) -> dict[str, str]:
    files = [path for path in derivation.version.rglob("*") if path.is_file()]
    return {path.relative_to(derivation.version).as_posix(): file_sha256(path) for path in files}


def test_the_coverage_partitions_the_territory_and_lies_in_both_states(pair: Derivation) -> None:
    changes = pair.changes()
    require(changes, CHANGES, where="test")
    assert changes["area_m2"].sum() == 1000 * 1000
    assert changes.is_valid.all()
    assert shapely.coverage_is_valid(changes.geometry.to_numpy())
    for k, millesime in enumerate(YEARS, start=1):
        state = pair.polygons(millesime).groupby(["code_cs", "code_us", "artif"])["area_px"].sum()
        carried = changes.groupby([f"code_cs_{k}", f"code_us_{k}", f"artif_{k}"])["area_px"].sum()
        assert carried.to_dict() == state.to_dict()


def test_gain_less_loss_is_the_difference_of_the_stocks_to_the_pixel(pair: Derivation) -> None:
    changes = pair.changes()
    gain, loss = (changes.loc[changes["change"] == kind, "area_px"].sum() for kind in ("gain", "loss"))
    first, second = (pair.polygons(year).query("artif")["area_px"].sum() for year in YEARS)
    assert gain - loss == second - first
    assert pair.flow is not None
    require(pair.flow, FLOW, where="test")
    assert pair.flow["net_ha"].iloc[0] == pytest.approx((second - first) / 4 / 10_000)


def test_noise_along_borders_is_no_change_and_the_car_park_is(pair: Derivation, field: tuple[int, int]) -> None:
    changes = pair.changes()
    moved = changes[changes["change"] != "none"]
    xmin, ymax = 500_000 + field[1] / 2, 6_281_000 - field[0] / 2
    park = shapely.box(xmin, ymax - SIDE_M, xmin + SIDE_M, ymax)
    inside = moved[moved.representative_point().within(park)]
    assert inside["change"].unique().tolist() == ["gain"]
    assert inside["area_m2"].sum() == pytest.approx(SIDE_M**2, rel=0.02)
    assert moved["area_m2"].sum() - SIDE_M**2 < 2000, "of 100 ha whose every border moved by half a metre"


def test_states_derived_apart_tell_of_hectares_of_false_change(bench: Bench, pair: Derivation) -> None:
    """What anchoring is for: the same two images, each on its own, overlaid."""
    alone = [
        bench.derive(name=f"alone{year}", millesime=year, cosia=image).polygons()
        for year, image in zip(YEARS, (bench.scene.rasters[0], bench.later), strict=True)
    ]
    columns = ["artif", "geometry"]
    both = gpd.overlay(alone[0][columns], alone[1][columns], how="intersection", keep_geom_type=True)
    naive = both[both["artif_1"] != both["artif_2"]].area.sum()
    changes = pair.changes()
    anchored = changes.loc[changes["change"] != "none", "area_m2"].sum()
    assert naive > 1.5 * anchored


@pytest.mark.parametrize("cut", [{"window_m": 500}, {"threads": 1}, {"threads": 3}, {"strip_rows": 64}, {"jobs": 2}])
def test_the_pair_has_the_same_bytes_however_the_work_is_cut(
    bench: Bench, pair: Derivation, cut: dict[str, int]
) -> None:
    name, value = next(iter(cut.items()))
    assert digests(bench.derive(name=f"{name}{value}", **cut)) == digests(pair)


def test_an_unchanged_image_gives_an_unchanged_state(bench: Bench) -> None:
    image = bench.scene.rasters[0]
    found = bench.derive(name="same", cosia=(image, image))
    assert found.flow is not None
    assert (found.changes()["change"] == "none").all()
    assert found.flow[["gain_ha", "loss_ha", "net_ha", "net_ha_an"]].iloc[0].tolist() == [0.0, 0.0, 0.0, 0.0]
    first, second = (found.polygons(year).drop(columns=["id", "millesime"]) for year in YEARS)
    pd.testing.assert_frame_equal(pd.DataFrame(first), pd.DataFrame(second))


def test_three_millesimes_give_two_pairs_that_chain(bench: Bench) -> None:
    images = (bench.scene.rasters[0], bench.later, bench.scene.rasters[0])
    found = bench.derive(name="three", millesime=(2023, 2024, 2025), cosia=images)
    assert found.flow is not None
    assert list(zip(found.flow["millesime_1"], found.flow["millesime_2"], strict=True)) == [(2023, 2024), (2024, 2025)]
    for before, after in pairwise(found.flow.itertuples()):
        assert before.stock_2_ha == after.stock_1_ha
    # the car park is there in 2024 only
    assert found.flow["gain_ha"].iloc[0] > SIDE_M**2 / 10_000 - 0.01
    assert found.flow["loss_ha"].iloc[1] > SIDE_M**2 / 10_000 - 0.01
    assert found.changes((2023, 2024))["millesime_2"].unique().tolist() == [2024]


def test_the_same_pair_is_reused_and_a_state_derived_apart_takes_the_pair_away(bench: Bench) -> None:
    first = bench.derive(name="reuse")
    again = bench.derive(name="reuse")
    assert again.reused
    assert again.version == first.version
    assert (first.version / "flow.csv").is_file()
    apart = bench.derive(name="reuse", millesime=2024, cosia=bench.later)
    files = [path.relative_to(apart.version).as_posix() for path in apart.version.rglob("*") if path.is_file()]
    assert not [name for name in files if "2023-2024" in name or name.startswith("flow")]
    assert [name for name in files if "millesime=2023" in name], "the other state stays"
    with pytest.raises(DataError, match="derive two millésimes together"):
        apart.changes()


def test_a_perimeter_has_its_own_pair(bench: Bench, tmp_path: Path) -> None:
    area = tmp_path / "zac.gpkg"
    xmin, ymin, *_ = bench.scene.bounds
    square = shapely.box(xmin + 200, ymin + 200, xmin + 700, ymin + 700)
    gpd.GeoDataFrame(geometry=[square], crs=bench.scene.epsg).to_file(area, layer="zac")
    found = bench.derive(name="perimeter", perimetre=area)
    assert found.changes()["area_m2"].sum() == 500 * 500
    assert found.perimetre is not None
    assert (found.version / f"perimetre={found.perimetre}" / "flow.csv").is_file()


@pytest.mark.parametrize(
    ("years", "images", "message"),
    [
        ((2022, 2019), 2, "give each once, the earliest first"),
        ((2022, 2022), 2, "give each once, the earliest first"),
        ((), 0, "give a --millesime"),
        ((2019, 2022), 1, "give one --cosia a --millesime"),
        ((2019, 22), 0, "millésime 22: give a year"),
    ],
)
def test_years_and_images_that_do_not_match_are_refused(
    bench: Bench, years: tuple[int, ...], images: int, message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        bench.derive(name="refused", millesime=years, cosia=(bench.later,) * images)


def test_olemps_builds_between_2019_and_2022(olemps_pair: Derivation) -> None:
    assert olemps_pair.flow is not None
    assert olemps_pair.change_matrix is not None
    require(olemps_pair.change_matrix, CHANGE_MATRIX, where="test")
    (row,) = olemps_pair.flow.itertuples()
    assert row.net_ha == pytest.approx(row.gain_ha - row.loss_ha)
    assert row.net_ha == pytest.approx(row.stock_2_ha - row.stock_1_ha)
    assert row.gain_ha > row.loss_ha >= 0
    cover = olemps_pair.change_matrix.query("dimension == 'couverture'")
    assert cover["area_ha"].sum() == pytest.approx(row.surface_ha)
    assert cover["gain_ha"].sum() == pytest.approx(row.gain_ha)


def test_a_conservation_that_fails_is_never_published(olemps_pair: Derivation) -> None:
    from ocsge.changes import State, check_conservation  # noqa: PLC0415
    from ocsge.errors import OcsgeError  # noqa: PLC0415

    states = [
        State(millesime=year, pieces=None, polygons=olemps_pair.polygons(year).assign(in_territory=True))  # type: ignore[arg-type]
        for year in olemps_pair.millesimes
    ]
    changes = olemps_pair.changes()
    check_conservation(*states, changes)
    wrong = replace(states[1], polygons=states[1].polygons.assign(artif=True))
    with pytest.raises(OcsgeError, match="please report it with the data"):
        check_conservation(states[0], wrong, changes)

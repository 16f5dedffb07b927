"""Where a run derives: territory, context, and the units its areas are counted by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import shapely
from small_commune import CODE, X, Y, box, communes, write

from ocsge.catalog import Source, recognise
from ocsge.domain import Domain, domain_of, run_epsg
from ocsge.errors import CrsError, GeometryError, LayerError, ParameterError
from ocsge.grid import Grid, Window
from ocsge.regions.shapes import Channel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GRID = Grid(epsg=2154, pixels_per_m=5)
NEIGHBOUR, FAR = "12003", "12004"


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Source, ...]:
    """Return three communes in a row: 12001 and 12003 side by side, 12004 at 1 km."""
    frame = gpd.GeoDataFrame(
        {"insee_com": [FAR, NEIGHBOUR, CODE], "nom": ["Loin", "Voisine", "Petite commune"]},
        geometry=[box(1200, 0, 1400, 200), box(200, 0, 400, 200), box(0, 0, 200, 200)],
        crs=2154,
    )
    return tuple(recognise(write(tmp_path / "commune.gpkg", commune=frame)))


def domain(sources: Sequence[Source], *codes: str, perimetre: Path | None = None, context_m: float = 100.0) -> Domain:
    return domain_of(communes=codes, perimetre=perimetre, sources=sources, grid=GRID, context_m=context_m)


def units(found: Domain) -> list[tuple[str, float, bool]]:
    """Return code, area in m² and belonging of each unit."""
    return [
        (code, round(float(shapely.area(geometry)), 3), bool(inside))
        for code, geometry, inside in zip(found.unit_codes, found.unit_geometries, found.in_territory, strict=True)
    ]


@pytest.mark.parametrize(("code", "epsg"), [("12174", 2154), ("97105", 5490), ("97302", 2972), ("97411", 2975)])
def test_a_run_computes_in_the_official_crs_of_its_communes(code: str, epsg: int) -> None:
    assert run_epsg([code], None) == epsg


def test_communes_of_two_projections_are_refused() -> None:
    with pytest.raises(ParameterError, match="derive them in separate runs"):
        run_epsg(["12001", "97411"], None)


def test_nothing_asked_is_refused() -> None:
    with pytest.raises(ParameterError, match="--commune CODE or --perimetre FILE"):
        run_epsg([], None)


def test_a_perimeter_alone_gives_its_own_projected_crs(tmp_path: Path) -> None:
    path = write(tmp_path / "p.gpkg", p=communes())
    assert run_epsg([], path) == 2154


def test_a_perimeter_alone_in_degrees_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.gpkg", p=communes().to_crs(4326))
    with pytest.raises(CrsError, match=r"p.gpkg: a perimeter without --commune .*EPSG:2154.*not EPSG:4326"):
        run_epsg([], path)


def test_the_context_is_the_territory_and_the_ground_around_it(sources: tuple[Source, ...]) -> None:
    found = domain(sources, CODE)
    assert found.territory.equals(box(0, 0, 200, 200))
    assert found.context.bounds == (X - 100, Y - 100, X + 300, Y + 300)
    # corners are round
    assert found.context.area == pytest.approx(200**2 + 4 * 200 * 100 + np.pi * 100**2, rel=0.01)


def test_the_window_of_a_domain_is_on_whole_metres(tmp_path: Path) -> None:
    frame = communes(box(0.3, 0.3, 199.7, 199.7))
    found = domain(recognise(write(tmp_path / "commune.gpkg", commune=frame)), CODE)
    assert found.bounds == (X - 100, Y - 100, X + 300, Y + 300)
    assert found.window == Window(row=-int(Y + 300) * 5, col=int(X - 100) * 5, height=2000, width=2000)


def test_a_neighbour_in_the_context_is_a_unit_outside_the_territory(sources: tuple[Source, ...]) -> None:
    found = domain(sources, CODE)
    assert units(found) == [(CODE, 40_000, True), (NEIGHBOUR, 40_000, False)]
    assert found.communes["commune_code"].tolist() == [CODE]
    assert found.perimetre is None


def test_a_commune_beyond_the_context_is_left_out(sources: tuple[Source, ...]) -> None:
    assert FAR not in domain(sources, CODE).unit_codes
    assert FAR in domain(sources, CODE, context_m=1100).unit_codes


def test_communes_asked_for_in_any_order_or_twice_make_one_territory(sources: tuple[Source, ...]) -> None:
    found = domain(sources, NEIGHBOUR, CODE, f" {CODE} ")
    assert found.territory.equals(box(0, 0, 400, 200))
    assert units(found) == [(CODE, 40_000, True), (NEIGHBOUR, 40_000, True)]


def test_a_commune_in_no_source_is_refused(sources: tuple[Source, ...]) -> None:
    with pytest.raises(LayerError, match="commune 12999: in no source"):
        domain(sources, CODE, "12999")


def test_a_perimeter_cuts_a_commune_in_a_part_inside_and_a_part_outside(
    sources: tuple[Source, ...], tmp_path: Path
) -> None:
    path = write(tmp_path / "zac.gpkg", zac=communes(box(100, 0, 300, 200)))
    found = domain(sources, CODE, perimetre=path)
    assert found.territory.equals(box(100, 0, 200, 200))
    assert re.fullmatch("zac-[0-9a-f]{8}", str(found.perimetre))
    inside = [(code, area) for code, area, ours in units(found) if ours and code]
    assert inside == [(CODE, 20_000)]
    assert (NEIGHBOUR, 40_000, False) in units(found)


def test_a_perimeter_alone_takes_its_part_of_every_commune_it_meets(
    sources: tuple[Source, ...], tmp_path: Path
) -> None:
    path = write(tmp_path / "zac.gpkg", zac=communes(box(100, 0, 300, 100)))
    found = domain(sources, perimetre=path)
    assert found.communes["commune_code"].tolist() == [CODE, NEIGHBOUR]
    assert [unit for unit in units(found) if unit[2] and unit[0]] == [(CODE, 10_000, True), (NEIGHBOUR, 10_000, True)]


def test_the_part_inside_is_painted_over_its_commune(sources: tuple[Source, ...], tmp_path: Path) -> None:
    path = write(tmp_path / "zac.gpkg", zac=communes(box(100, 0, 300, 100)))
    codes = domain(sources, perimetre=path).unit_codes
    assert codes == ("", CODE, CODE, NEIGHBOUR, NEIGHBOUR)


def test_the_overlapping_features_of_a_perimeter_count_once_and_invalid_ones_are_repaired(
    sources: tuple[Source, ...], tmp_path: Path
) -> None:
    bow_tie = shapely.Polygon([(X, Y), (X + 20, Y + 20), (X + 20, Y), (X, Y + 20)])
    frame = gpd.GeoDataFrame(
        {"nom": ["a", "b", "c"]}, geometry=[box(50, 50, 100, 100), box(50, 50, 100, 150), bow_tie], crs=2154
    )
    found = domain(sources, CODE, perimetre=write(tmp_path / "p.gpkg", p=frame))
    assert found.territory.area == pytest.approx(50 * 100 + 200)


def test_the_name_of_a_perimeter_tells_its_ground_and_not_how_it_is_written(
    sources: tuple[Source, ...], tmp_path: Path
) -> None:
    def named(folder: str, *parts: shapely.Polygon) -> str | None:
        (tmp_path / folder).mkdir()
        frame = gpd.GeoDataFrame({"nom": ["zac"] * len(parts)}, geometry=list(parts), crs=2154)
        return domain(sources, CODE, perimetre=write(tmp_path / folder / "zac.gpkg", zac=frame)).perimetre

    one = named("a", box(0, 0, 100, 100))
    assert named("b", box(0, 0, 100, 100).reverse(), box(0, 0, 100, 100)) == one
    assert named("c", box(0, 0, 100, 101)) != one


def test_what_reading_a_perimeter_met_is_reported(sources: tuple[Source, ...], tmp_path: Path) -> None:
    bow_tie = shapely.Polygon([(X, Y), (X + 20, Y + 20), (X + 20, Y), (X, Y + 20)])
    shapes = [box(50, 50, 100, 100), bow_tie, None, shapely.Point(X, Y)]
    frame = gpd.GeoDataFrame({"nom": ["zac"] * 4}, geometry=shapes, crs=2154)
    report, outlines = domain(sources, CODE, perimetre=write(tmp_path / "p.gpkg", p=frame)).reports
    assert outlines.layer == "admin_express:commune"
    assert (report.layer, report.sources[0].path.name) == ("perimetre", "p.gpkg")
    assert (report.read, report.kept, report.null_or_empty, report.other_kind) == (4, 2, 1, 1)
    # two triangles of 100 m² whose signed areas cancel out
    assert (report.repaired, report.repaired_area_m2) == (1, pytest.approx(200))


def test_an_invalid_perimeter_or_outline_is_refused_when_told_to_stop(
    sources: tuple[Source, ...], tmp_path: Path
) -> None:
    bow_tie = shapely.Polygon([(X, Y), (X + 20, Y + 20), (X + 20, Y), (X, Y + 20)])
    zac = write(tmp_path / "zac.gpkg", zac=gpd.GeoDataFrame({"nom": ["zac"]}, geometry=[bow_tie], crs=2154))
    asked = {"grid": GRID, "context_m": 100.0, "invalid": "stop"}
    with pytest.raises(GeometryError, match=r"zac.gpkg .*feature 1: Self-intersection.*correct it or allow repairs"):
        domain_of(communes=[CODE], perimetre=zac, sources=sources, **asked)
    outlines = recognise(write(tmp_path / "wrong.gpkg", commune=communes(bow_tie)))
    with pytest.raises(GeometryError, match=r"wrong.gpkg layer commune feature .*Self-intersection"):
        domain_of(communes=[CODE], perimetre=None, sources=outlines, **asked)
    assert domain_of(communes=[CODE], perimetre=None, sources=sources, **asked).territory.area == 40_000


def test_what_reading_the_communes_around_met_is_reported_file_by_file(tmp_path: Path) -> None:
    sources = [
        *recognise(write(tmp_path / "bdtopo.gpkg", commune=communes(box(0, 0, 200, 200)))),
        *recognise(write(tmp_path / "admin.gpkg", commune=communes(box(9000, 9000, 9900, 9900), code="12009"))),
    ]
    reports = domain(sources, CODE).reports
    assert {report.sources[0].path.name: report.read for report in reports} == {"bdtopo.gpkg": 1, "admin.gpkg": 0}


def test_a_perimeter_that_meets_no_commune_is_refused(sources: tuple[Source, ...], tmp_path: Path) -> None:
    path = write(tmp_path / "p.gpkg", p=communes(box(600, 0, 800, 200)))
    with pytest.raises(LayerError, match="meets no commune of the sources; register the ADMIN EXPRESS"):
        domain(sources, perimetre=path)
    with pytest.raises(LayerError, match="meets none of the communes asked for; check its CRS and extent"):
        domain(sources, CODE, perimetre=path)


def test_shapes_say_territory_over_context_and_number_the_units_from_one(sources: tuple[Source, ...]) -> None:
    shapes = domain(sources, CODE).shapes()
    assert shapes.channel.tolist() == [Channel.DOMAIN, Channel.DOMAIN, Channel.COMMUNE, Channel.COMMUNE]
    assert shapes.value.tolist() == [2, 1, 1, 2]
    assert shapes.bounds[1].tolist() == [X, Y, X + 200, Y + 200]

"""Two editions of one ground are refused; an edition that does not describe the millésime is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import pytest
import shapely
from small_commune import CODE, Bench, box, buildings, communes, write

from ocsge.catalog import Source, recognise
from ocsge.domain import Domain, domain_of
from ocsge.editions import FEWEST_SAME, Remark, check_dates, check_editions
from ocsge.errors import LayerError
from ocsge.grid import Grid
from ocsge.layers import ReadReport

if TYPE_CHECKING:
    from collections.abc import Sequence

LAYERS = ("bd_topo:batiment", "bd_topo:troncon_de_route", "rpg:parcelles_graphiques", "ocs_ge:zone_construite")
HOUSES = [box(10 * i, 10 * j, 10 * i + 6, 10 * j + 6) for i in range(20) for j in range(20)]


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    sources = recognise(write(tmp_path / "commune.gpkg", commune=communes()))
    grid = Grid(epsg=2154, pixels_per_m=1)
    return domain_of(communes=[CODE], perimetre=None, sources=sources, grid=grid, context_m=100.0)


def delivery(folder: Path, name: str, **layers: gpd.GeoDataFrame) -> list[Source]:
    """Write a file in a delivery whose name holds its edition; return its sources."""
    place = folder / name
    place.mkdir(parents=True)
    return recognise(write(place / "donnees.gpkg", **layers))


def bd_topo(folder: Path, edition: str, houses: Sequence[shapely.Polygon], *, dep: str = "012") -> list[Source]:
    name = f"BDTOPO_3-3_TOUSTHEMES_GPKG_LAMB93_D{dep}_{edition}"
    return delivery(folder, name, batiment=buildings(houses))


def rpg(folder: Path, year: int, shift: float = 0.0) -> list[Source]:
    parcels = [box(x + shift, 0, x + shift + 15, 200) for x in range(0, 190, 16)]
    frame = gpd.GeoDataFrame({"code_cultu": ["BTH"] * 12, "code_group": ["1"] * 12}, geometry=parcels, crs=2154)
    return delivery(folder, f"RPG_2-0__GPKG_LAMB93_R76_{year}-01-01", parcelles_graphiques=frame)


def remarks(sources: Sequence[Source], domain: Domain, *, millesime: int = 2022) -> tuple[Remark, ...]:
    return check_editions(sources, layers=LAYERS, domain=domain, millesime=millesime)


def test_one_edition_of_the_year_or_later_needs_no_remark(tmp_path: Path, domain: Domain) -> None:
    for edition in ("2022-03-15", "2025-06-15"):
        assert remarks([*bd_topo(tmp_path, edition, HOUSES)], domain) == ()
    assert remarks(rpg(tmp_path, 2022), domain) == ()


def test_two_editions_of_bd_topo_over_one_ground_are_refused_with_both_files(tmp_path: Path, domain: Domain) -> None:
    # a tenth of the houses was demolished between the two
    sources = [*bd_topo(tmp_path, "2019-03-15", HOUSES), *bd_topo(tmp_path, "2023-03-15", HOUSES[40:])]
    with pytest.raises(LayerError, match="two editions of bd_topo over the same ground") as stop:
        remarks(sources, domain)
    for words in (*(str(source.path) for source in sources), "(edition 2019-03-15)", "ocsge catalog remove"):
        assert words in str(stop.value)


def test_two_years_of_rpg_are_refused_though_the_parcels_moved_a_little(tmp_path: Path, domain: Domain) -> None:
    with pytest.raises(LayerError, match="two editions of rpg"):
        remarks([*rpg(tmp_path, 2020), *rpg(tmp_path, 2022, shift=2.0)], domain)


def test_an_edition_without_date_over_a_dated_one_is_refused(tmp_path: Path, domain: Domain) -> None:
    undated = delivery(tmp_path, "copie", batiment=buildings(HOUSES[:390]))
    with pytest.raises(LayerError, match="edition unknown"):
        remarks([*bd_topo(tmp_path, "2023-03-15", HOUSES), *undated], domain)


def test_two_departements_of_different_editions_are_not_two_editions_of_one_ground(
    tmp_path: Path, domain: Domain
) -> None:
    # both deliver the houses of the border
    west, east = HOUSES[:220], HOUSES[180:]
    assert (
        remarks([*bd_topo(tmp_path, "2023-03-15", west), *bd_topo(tmp_path, "2023-06-15", east, dep="048")], domain)
        == ()
    )


def test_the_few_objects_that_a_neighbour_delivers_too_decide_nothing(tmp_path: Path, domain: Domain) -> None:
    few = HOUSES[: FEWEST_SAME - 1]
    assert (
        remarks([*bd_topo(tmp_path, "2023-03-15", few), *bd_topo(tmp_path, "2023-06-15", few, dep="048")], domain) == ()
    )


def test_a_copy_of_a_file_is_no_other_edition(tmp_path: Path, domain: Domain) -> None:
    first = bd_topo(tmp_path, "2023-03-15", HOUSES)
    copy = tmp_path / "2024-01-01" / "donnees.gpkg"
    copy.parent.mkdir()
    copy.write_bytes(first[0].path.read_bytes())
    assert remarks([*first, *recognise(copy)], domain) == ()


def test_files_of_one_edition_and_files_of_other_layers_add_up(tmp_path: Path, domain: Domain) -> None:
    first = bd_topo(tmp_path, "2023-03-15", HOUSES)
    second = recognise(write(first[0].path.with_name("suite.gpkg"), batiment=buildings(HOUSES[:-1])))
    assert remarks([*first, *second], domain) == ()
    assert (
        check_editions([*first, *bd_topo(tmp_path, "2019-03-15", HOUSES)], layers=(), domain=domain, millesime=2022)
        == ()
    )


def test_an_edition_older_than_the_millesime_is_told(tmp_path: Path, domain: Domain) -> None:
    (remark,) = remarks(bd_topo(tmp_path, "2019-03-15", HOUSES), domain)
    assert remark.flag == "old_edition"
    assert remark.text.startswith(
        "donnees.gpkg: BD TOPO® version 3, edition 2019-03-15, is older than the millésime 2022"
    )


@pytest.mark.parametrize("year", [2020, 2024])
def test_an_rpg_of_another_year_is_told(tmp_path: Path, domain: Domain, year: int) -> None:
    (remark,) = remarks(rpg(tmp_path, year), domain)
    assert remark.flag == "other_year"
    assert f"describes {year}, not the millésime 2022" in remark.text


def test_an_old_edition_of_ground_elsewhere_is_not_told(tmp_path: Path, domain: Domain) -> None:
    away = [shapely.affinity.translate(house, 5000, 0) for house in HOUSES]
    assert remarks(bd_topo(tmp_path, "2019-03-15", away), domain) == ()


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("ocsge.cli.derive._first_run", lambda: False)
    bench = Bench(tmp_path, capfd)
    bench.deliver(batiment=buildings(HOUSES[:20]))
    return bench


def test_what_is_remarked_is_in_the_flags_in_run_json_and_on_the_terminal_again_when_reused(bench: Bench) -> None:
    bench.add(rpg(bench.folder, 2020)[0].path)
    for _ in range(2):
        done = bench.derive()
        (line,) = done.errors
        assert done.code == 0
        assert line.startswith(
            "warning: donnees.gpkg: Registre parcellaire graphique, edition 2020-01-01, describes 2020"
        )
        assert "other_year" in done.output
    version = bench.published()
    assert version is not None
    said = json.loads((version / f"runs/commune_code={CODE}/millesime=2022/run.json").read_text(encoding="utf-8"))
    assert said["warnings"] == [line.removeprefix("warning: ")]
    assert said["flags"][-1] == "other_year"
    editions = {source["layer"]: source["edition"] for source in said["sources"]}
    assert editions == {
        "admin_express:commune": None,
        "bd_topo:batiment": None,
        "rpg:parcelles_graphiques": "2020-01-01",
    }


def dated(first: str, last: str, undated: int = 0) -> gpd.GeoDataFrame:
    """Return twenty houses, half of them recorded on a day and half on another, and some without date."""
    return buildings(
        HOUSES[: 20 + undated],
        date_creation=[f"{first}T12:00:00Z"] * 10 + [f"{last}T12:00:00Z"] * 10 + [None] * undated,
    )


@pytest.mark.parametrize(("year", "words"), [(2006, "before"), (2007, ""), (2018, ""), (2021, ""), (2022, "after")])
def test_a_millesime_outside_every_date_of_the_objects_is_flagged_and_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, year: int, words: str
) -> None:
    monkeypatch.setattr("ocsge.cli.derive._first_run", lambda: False)
    bench = Bench(tmp_path, capfd)
    bench.deliver(batiment=dated("2007-02-19", "2021-10-07", undated=1))
    done = bench.derive(millesime=year)
    assert done.code == 0, done.errors
    assert ("outside_data" in done.output) == bool(words)
    told = [line for line in done.errors if line.startswith(f"warning: millésime {year} is {words} every date")]
    assert told == (done.errors if words else [])
    assert len(done.errors) == bool(words)


def test_a_millesime_before_every_object_is_refused_with_what_is_wrong(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocsge.cli.derive._first_run", lambda: False)
    bench = Bench(tmp_path, capfd)
    bench.deliver(batiment=dated("2007-02-19", "2021-10-07"))
    bench.refuses(bench.derive(millesime=2006), 65, "none of the objects there existed", "20 are later", "--millesime")


def test_an_edition_of_the_millesime_covers_the_years_since_its_last_object() -> None:
    source = Source("bd_topo:batiment", Path("batiment.gpkg"), None, "bd_topo_v3", "2022-12-15", "0" * 64)
    report = ReadReport(layer=source.layer, sources=(source,), first_recorded=2007, last_dated=2019)
    assert check_dates([report], millesime=2022) == ()
    (remark,) = check_dates([report], millesime=2023)
    assert remark.flag == "outside_data"
    assert "2022" in remark.text
    assert check_dates([ReadReport(layer=source.layer)], millesime=1950) == ()


def test_two_editions_are_refused_by_the_command_until_one_is_removed(bench: Bench) -> None:
    bench.add(rpg(bench.folder, 2020)[0].path)
    bench.add(rpg(bench.folder, 2022)[0].path)
    bench.refuses(bench.derive(), 65, "two editions of rpg", "2020-01-01", "2022-01-01")
    old = bench.folder / "RPG_2-0__GPKG_LAMB93_R76_2020-01-01"
    assert bench.ocsge("catalog", "remove", old, "--workspace", bench.workspace).code == 0
    done = bench.derive()
    assert (done.code, done.errors) == (0, [])

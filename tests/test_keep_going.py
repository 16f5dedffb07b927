"""Several communes of which bad data refuses some: the others are published, and the failures told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from small_commune import CODE, GRASS, HOUSE, SIDE, Bench, box, buildings, classes, communes, write, write_raster

from ocsge.derive import derive
from ocsge.errors import LayerError, ParameterError
from ocsge.keep_going import CommunesFailedError

if TYPE_CHECKING:
    from pathlib import Path

FAR, ABSENT = "12002", "12999"
AWAY = 5000.0
"""Metres from one commune to the other: further than any context."""
PARTIAL, DATA = 3, 65


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Two communes far from each other, with a house each."""
    monkeypatch.setattr("ocsge.cli.derive._first_run", lambda: False)
    monkeypatch.setenv("COLUMNS", "200")
    bench = Bench(tmp_path, capfd)
    far = communes(box(AWAY, 0, AWAY + SIDE, SIDE), code=FAR)
    houses = buildings([HOUSE, box(AWAY + 20, 20, AWAY + 40, 40)])
    bench.deliver(commune=gpd.GeoDataFrame(pd.concat([communes(), far]), crs=2154), batiment=houses)
    return bench


def dalles(bench: Bench, *, broken: bool = True) -> Path:
    """Write a dalle of each commune; the second has a number that no class has."""
    folder = bench.folder / "dalles"
    folder.mkdir(exist_ok=True)
    write_raster(folder / "a.tif", classes())
    write_raster(folder / "b.tif", np.full((200, 200), 99 if broken else GRASS, np.uint8), offset=AWAY)
    return folder


def options(bench: Bench, folder: Path) -> dict[str, object]:
    given = {"millesime": 2022, "workspace": bench.workspace, "resolution": 1}
    return {**given, "cosia": folder, "numbering": "cosia_vector_numero"}


def test_bad_data_of_one_commune_refuses_them_all_unless_told_to_keep_going(bench: Bench) -> None:
    outcome = bench.derive_with(dalles(bench), "--commune", FAR)
    bench.refuses(outcome, DATA, "class numbers [99]")


def test_the_communes_that_succeed_are_published_and_the_failures_listed(bench: Bench) -> None:
    outcome = bench.derive_with(dalles(bench), "--commune", FAR, "--commune", ABSENT, "--keep-going")
    assert outcome.code == PARTIAL
    summary, *notes = outcome.errors
    assert summary == f"ocsge: 2 of 3 communes failed ({FAR}, {ABSENT}); the others are published"
    assert [note.partition(": ")[0] for note in notes] == [FAR, ABSENT]
    assert "class numbers [99] do not exist" in notes[0]
    assert "in no source of admin_express:commune" in notes[1]
    assert f"communes/{CODE}_2022.gpkg" in outcome.output
    version = bench.published()
    assert version is not None
    assert pd.read_csv(version / "stock.csv", dtype={"commune_code": str})["commune_code"].tolist() == [CODE]


def test_when_every_commune_fails_the_code_is_that_of_the_first_error(bench: Bench) -> None:
    given = ("--commune", FAR, "--commune", ABSENT, "--keep-going")
    outcome = bench.derive("--cosia", dalles(bench), "--numbering", "cosia_vector_numero", *given, commune=None)
    assert outcome.code == DATA
    first, *notes = outcome.errors
    assert first.startswith("ocsge: ")
    assert "class numbers [99]" in first
    assert [note.partition(": ")[0] for note in notes] == [FAR, ABSENT]
    assert bench.published() is None


def test_without_failure_all_are_derived_together_as_without_the_option(bench: Bench) -> None:
    folder = dalles(bench, broken=False)
    first = bench.derive_with(folder, "--commune", FAR, "--keep-going")
    assert (first.code, first.errors) == (0, [])
    again = bench.derive_with(folder, "--commune", FAR)
    assert "an earlier run was reused" in again.output


def test_one_commune_alone_fails_as_without_the_option(bench: Bench) -> None:
    outcome = bench.derive("--commune", ABSENT, "--keep-going", commune=None)
    bench.refuses(outcome, DATA, ABSENT, "register an ADMIN EXPRESS")


def test_a_commune_derived_by_itself_has_the_polygons_of_a_sound_run(bench: Bench) -> None:
    sound = derive(communes=[CODE, FAR], **options(bench, dalles(bench, broken=False)))  # type: ignore[arg-type]
    expected = sound.polygons().query("commune_code == @CODE").reset_index(drop=True)
    with pytest.raises(CommunesFailedError, match="1 of 2 communes failed") as stop:
        derive(communes=[CODE, FAR], keep_going=True, **options(bench, dalles(bench)))  # type: ignore[arg-type]
    found = stop.value.done.polygons()
    assert found.drop(columns="geometry").equals(expected.drop(columns="geometry"))
    assert found.geometry.to_wkb().tolist() == expected.geometry.to_wkb().tolist()
    assert list(stop.value.failed) == [FAR]


def test_the_successes_are_one_derivation_and_are_reused_by_the_same_command(bench: Bench) -> None:
    given = {"communes": [FAR, ABSENT, CODE, FAR], "millesime": 2022, "workspace": bench.workspace, "resolution": 1}
    for reused in (False, True):
        with pytest.raises(CommunesFailedError) as stop:
            derive(keep_going=True, **given)  # type: ignore[arg-type]
        done = stop.value.done
        assert (done.commune_codes, done.reused) == ((FAR, CODE), reused)
        assert done.stock["commune_code"].tolist() == [FAR, CODE]
        assert set(done.polygons()["commune_code"]) == {CODE, FAR}
        assert all(path.is_file() for path in done.files())
        assert isinstance(stop.value.failed[ABSENT], LayerError)


def test_a_wrong_parameter_is_no_failure_of_a_commune(bench: Bench) -> None:
    path = dalles(bench) / "a.tif"
    outcome = bench.derive("--cosia", path, "--commune", FAR, "--keep-going")
    bench.refuses(outcome, 2, "state the numbering system")


def test_a_perimeter_is_derived_at_once_or_not(bench: Bench) -> None:
    path = write(bench.folder / "zac.gpkg", zac=communes(box(0, 0, 50, 50)))
    with pytest.raises(ParameterError, match="leave it out with a perimeter"):
        derive(communes=[CODE], millesime=2022, workspace=bench.workspace, perimetre=path, keep_going=True)

"""``ocsge catalog`` lists, shows, registers and checks."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from layer_fixtures import buildings, square, write_gpkg

from ocsge.catalog import registered_sources
from ocsge.cli.catalog import catalog
from ocsge.errors import CatalogError, LayerError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(catalog, [str(argument) for argument in arguments], catch_exceptions=False)


def test_list_shows_every_layer_with_its_product() -> None:
    result = run("list")
    assert result.exit_code == 0
    for words in ("bd_topo:batiment", "bd_topo_v2", "cosia:raster", "rpg:parcelles_graphiques"):
        assert words in result.output


def test_list_of_a_workspace_shows_its_files(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    run("add", path, "--workspace", tmp_path / "w")
    result = run("list", "--workspace", tmp_path / "w")
    assert "bd.gpkg (batiment)" in result.output
    assert "bd_topo_v3" in result.output


def test_show_of_a_product_gives_licence_credit_and_columns() -> None:
    result = run("show", "rpg")
    for words in ("Licence Ouverte", "credit: ASP, IGN – RPG", "code_cultu", "Parcelles graphiques"):
        assert words in result.output


def test_show_of_a_layer_gives_every_product_that_feeds_it() -> None:
    result = run("show", "bd_topo:batiment")
    for words in ("bd_topo_v2", "bd_topo_v3", "usage1", "always Indifférencié", "Bâti remarquable"):
        assert words in result.output


@pytest.mark.parametrize("name", ["bd_topo", "bd_topo:bati"])
def test_show_of_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(CatalogError, match="unknown"):
        run("show", name)


def test_add_registers_the_files_and_says_so(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    result = run("add", path, "--workspace", tmp_path / "w")
    assert result.exit_code == 0
    assert "bd_topo:batiment" in result.output
    assert [source.layer for source in registered_sources(tmp_path / "w")] == ["bd_topo:batiment"]


def test_add_needs_a_workspace_and_a_path(tmp_path: Path) -> None:
    assert run("add", tmp_path).exit_code == 2
    assert run("add", "--workspace", tmp_path).exit_code == 2


def test_add_takes_the_layer_of_a_file_whose_name_does_not_tell(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "mine.gpkg", espaces_verts=buildings([square()]))
    run("add", path, "--workspace", tmp_path / "w", "--layer", "ign:parcs_jardins")
    assert [source.layer for source in registered_sources(tmp_path / "w")] == ["ign:parcs_jardins"]


def test_remove_takes_a_file_or_a_folder_from_the_list_and_leaves_the_files(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    old = write_gpkg(tmp_path / "old" / "bd.gpkg", batiment=buildings([square()]))
    new = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    run("add", old, new, "--workspace", tmp_path / "w")
    result = run("remove", tmp_path / "old", "--workspace", tmp_path / "w")
    assert str(old) in result.output
    assert {source.path for source in registered_sources(tmp_path / "w")} == {new}
    assert old.is_file()
    with pytest.raises(CatalogError, match=r"old: not registered in .*; see `ocsge catalog list --workspace"):
        run("remove", tmp_path / "old", "--workspace", tmp_path / "w")


def test_check_counts_what_it_checked(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    run("add", path, "--workspace", tmp_path / "w")
    result = run("check", "--workspace", tmp_path / "w")
    assert "layers of 12174, 12999, digest as expected" in result.output
    assert "1 sources, digests as registered" in result.output


def test_check_refuses_a_file_that_changed(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    run("add", path, "--workspace", tmp_path / "w")
    path.unlink()
    write_gpkg(path, batiment=buildings([square(), square(20)]))
    with pytest.raises(LayerError, match="changed since it was registered"):
        run("check", "--workspace", tmp_path / "w")


@pytest.mark.parametrize("command", ["list", "show", "add", "remove", "check"])
def test_every_command_has_help(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_loads_no_heavy_library() -> None:
    code = "import sys, ocsge.cli.catalog; print(sorted({'pandas', 'geopandas', 'pyogrio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unpack_makes_a_folder_of_each_archive_that_add_then_recognises(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "bd.gpkg", batiment=buildings([square()]))
    with zipfile.ZipFile(tmp_path / "BDTOPO.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "1_DONNEES/bd.gpkg")
    with pytest.raises(CatalogError, match="unpack it with `ocsge catalog unpack`"):
        run("add", tmp_path / "BDTOPO.zip", "--workspace", tmp_path / "w")
    result = run("unpack", tmp_path / "BDTOPO.zip", "--into", tmp_path / "data")
    assert result.output.strip() == str(tmp_path / "data" / "BDTOPO")
    run("add", tmp_path / "data", "--workspace", tmp_path / "w")
    assert [source.layer for source in registered_sources(tmp_path / "w")] == ["bd_topo:batiment"]

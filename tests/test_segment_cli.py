"""``ocsge segment``: what it prints, what it refuses, and the exit code of each refusal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from ortho_scenes import card_of, textured, varied_model, write_image

from ocsge.cli import main
from ocsge.resources import shipped_directory
from ocsge.segment.imagery import open_imagery
from ocsge.segment.predict import segment_imagery

if TYPE_CHECKING:
    from pathlib import Path

ORTHO = shipped_directory("data_catalog") / "embedded" / "ortho"
QUICK = ("--patch", "128", "--halo", "32", "--threads", "1", "--device", "cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return varied_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def rvb(tmp_path: Path) -> Path:
    return write_image(tmp_path / "rvb.tif", textured(3, 120, 140))


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in ("segment", *arguments)])
    return int(stopped.value.code or 0)


def test_imagery_becomes_classes_and_the_next_command_is_said(
    rvb: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("--rvb", rvb, "--model", model, "--out", out, "--probability", "--scores", *QUICK) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 dalle(s), 672 m² answered by petit on cpu in" in said
    assert f"Classes numbered by cosia_argmax_2023: {out / 'classes'}" in said
    assert f"ocsge derive --cosia {out / 'classes'}" in said
    for folder, count in (("classes", 1), ("probability", 1), ("scores", 6)):
        with rasterio.open(out / folder / "0770_6280.tif") as dataset:
            assert (dataset.count, dataset.shape) == (count, (120, 140))


def test_the_same_command_again_keeps_what_is_there(
    rvb: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert run("--rvb", rvb, "--model", model, "--out", tmp_path / "out", *QUICK) == 0
    assert "1 kept from an earlier run" in " ".join(capsys.readouterr().out.split())


def test_a_demonstration_model_is_told_from_one_to_be_used(
    rvb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demonstration = varied_model(tmp_path, card_of(name="jouet", demonstration=True))
    assert run("--rvb", rvb, "--model", demonstration, "--out", tmp_path / "out", *QUICK) == 0
    assert "warning: the model jouet is a demonstration" in capsys.readouterr().err


def test_several_models_and_views_are_averaged(
    rvb: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = varied_model(tmp_path, card_of(name="autre"), seed=1)
    out = tmp_path / "out"
    assert run("--rvb", rvb, "--model", model, "--model", other, "--out", out, "--tta", "flips", *QUICK) == 0
    assert "answered by petit, autre" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--shard", "3/2"), 2, "'3/2' is no part such as 1/3"),
        (("--shard", "half"), 2, "no part such as 1/3"),
        (("--patch", "100"), 2, "multiples of 32"),
        (("--device", "cuda:7"), 2, "no CUDA device"),
        (("--irc", "rvb"), 2, "given as --rvb and as --irc"),
        (("--mnt", "rvb"), 2, "no elevation; leave it out"),
        (("--area", "rvb"), 65, "rvb.tif"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_with_its_exit_code(
    rvb: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, str],
    code: int,
    said: str,
) -> None:
    given = [rvb if argument == "rvb" else argument for argument in arguments]
    assert run("--rvb", rvb, "--model", model, "--out", tmp_path / "out", *QUICK, *given) == code
    told = capsys.readouterr().err.strip()
    assert said in told
    assert "\n" not in told
    assert not (tmp_path / "out" / "classes").exists()


def test_imagery_of_another_type_is_a_data_error(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = write_image(tmp_path / "deep.tif", textured(3, 40, 40).astype(np.uint16))
    assert run("--rvb", deep, "--model", model, "--out", tmp_path / "out", *QUICK) == 65
    assert "bands of uint16" in capsys.readouterr().err


def test_weights_without_a_card_are_refused(rvb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes(b"")
    assert run("--rvb", rvb, "--model", bare, "--out", tmp_path / "out", *QUICK) == 65
    assert "bare.safetensors: no card beside it" in capsys.readouterr().err


def test_an_area_and_polygons_are_two_more_options(
    rvb: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    area, out = tmp_path / "area.gpkg", tmp_path / "out"
    gpd.GeoDataFrame(geometry=[shapely.box(770_000, 6_279_990, 770_010, 6_280_000)], crs=2154).to_file(area)
    assert run("--rvb", rvb, "--model", model, "--out", out, "--area", area, "--vector", *QUICK) == 0
    assert f"Polygons: {out / 'vector'}" in " ".join(capsys.readouterr().out.split())
    polygons = gpd.read_parquet(out / "vector" / "0770_6280.parquet")
    assert polygons.geometry.union_all().equals(shapely.box(770_000, 6_279_990, 770_010, 6_280_000))
    with rasterio.open(out / "classes" / "0770_6280.tif") as dataset:
        assert dataset.shape == (50, 50)


def test_an_area_beside_the_imagery_is_refused_in_one_line(
    rvb: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    area = tmp_path / "area.gpkg"
    imaged = shapely.box(769_999, 6_279_970, 770_030, 6_280_001)
    corner = shapely.box(770_000, 6_279_900, 770_040, 6_280_010).difference(imaged)
    gpd.GeoDataFrame(geometry=[corner], crs=2154).to_file(area)
    assert run("--rvb", rvb, "--model", model, "--out", tmp_path / "out", "--area", area, *QUICK) == 65
    told = capsys.readouterr().err.strip()
    assert f"{area}: the area meets none of the imagery" in told
    assert "\n" not in told
    assert not (tmp_path / "out" / "classes").exists()


def test_imagery_without_data_and_a_shard_without_dalle_are_no_errors(
    rvb: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    black = write_image(tmp_path / "black.tif", np.zeros((3, 40, 40), np.uint8))
    assert run("--rvb", black, "--model", model, "--out", tmp_path / "black", *QUICK) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "0 dalle(s), 0 m²" in said
    assert "Nothing to answer in 0770_6280: the imagery holds no data there." in said
    assert run("--rvb", rvb, "--model", model, "--out", tmp_path / "out", "--shard", "2/2", *QUICK) == 0
    assert "0 dalle(s), 0 m²" in " ".join(capsys.readouterr().out.split())


def test_the_shipped_model_is_asked_for_by_its_name_with_the_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crop = "--area", tmp_path / "area.gpkg"
    place = gpd.GeoSeries([shapely.box(0, 0, 4, 4)], crs=2154)
    with rasterio.open(ORTHO / "rvb.jp2") as dataset:
        place = place.translate(dataset.bounds.left, dataset.bounds.bottom)
    gpd.GeoDataFrame(geometry=place).to_file(crop[1])
    files = ("--rvb", ORTHO / "rvb.jp2", "--irc", ORTHO / "irc.jp2", "--elevation", ORTHO / "hauteur.jp2")
    assert run(*files, "--model", "demonstration", "--out", tmp_path / "out", *crop, *QUICK) == 0
    told = capsys.readouterr()
    assert "is a demonstration, made from generated scenes" in told.err
    assert "1 dalle(s)" in told.out


def test_a_crs_without_code_is_given_by_hand(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = write_image(tmp_path / "bare.tif", textured(3, 40, 40), epsg=None)
    command = ("--rvb", bare, "--model", model, "--out", tmp_path / "out", *QUICK)
    assert run(*command) == 65
    assert "give --assume-crs EPSG" in capsys.readouterr().err
    assert run(*command, "--assume-crs", "2154") == 0


def test_a_name_of_the_catalogue_goes_with_one_model(
    rvb: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("--rvb", rvb, "--out", tmp_path / "out", *QUICK, "--name", "FLAIR")
    assert run(*command, "--model", model, "--model", model) == 2
    assert "--name: goes with one --model" in capsys.readouterr().err
    assert run(*command, "--model", model) == 2
    assert "FLAIR" in capsys.readouterr().err


def test_without_torch_the_command_says_how_to_install_it(
    rvb: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run("--rvb", rvb, "--model", model, "--out", tmp_path / "out") == 2
    assert "needs torch" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_has_its_exit_code(
    rvb: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "classes").write_text("a file")
    assert run("--rvb", rvb, "--model", model, "--out", tmp_path / "out", *QUICK) == 73
    assert "classes: cannot be written" in capsys.readouterr().err


def test_the_progress_of_each_dalle_is_told(model: Path, tmp_path: Path) -> None:
    for name, xmin in (("a", 770_000.0), ("b", 790_000.0)):
        write_image(tmp_path / "rvb" / f"{name}.tif", textured(3, 40, 40), xmin=xmin)
    told: list[tuple[str, int, int]] = []
    segment_imagery(
        open_imagery([tmp_path / "rvb"], card=card_of()),
        weights=model,
        out=tmp_path / "out",
        patch_px=128,
        halo_px=32,
        device="cpu",
        threads=1,
        progress=lambda stage, done, total: told.append((stage, done, total)),
    )
    # three dalles lie between the two tiles, the one in the middle without imagery
    assert told == [("dalle 1 of 3", 1, 1), ("dalle 3 of 3", 1, 1)]

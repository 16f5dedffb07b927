"""From orthophotos to a derivation: no model is taken silently, nothing is segmented twice, torch comes last."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from small_commune import CODE, SIDE, Bench, X, Y, box, buildings, write, write_raster

from ocsge import from_ortho
from ocsge.errors import DataError, ParameterError
from ocsge.from_ortho import (
    DEMONSTRATION,
    FOLDER,
    Ortho,
    area_to_segment,
    class_rasters,
    derive_from_ortho,
    shipped_model,
    weights_of,
)
from ocsge.measure_raster import measure_raster
from ocsge.products.confusion import confusion_beside
from ocsge.publish import file_sha256
from ocsge.rules import load_rules
from ocsge.segment.model_card import card_beside, read_card, write_card

ROOT = Path(__file__).parents[1]
MATRIX = {"numbering": "flair_inc_mask", "classes": [1, 2], "counts": [[60, 10], [2, 9]], "source": "test"}
LEVELS = [{"mapped": 1, "from": 0, "counts": [20, 10]}, {"mapped": 1, "from": 99, "counts": [40, 0]}]


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, capfd)


@pytest.fixture
def imagery(tmp_path: Path) -> Ortho:
    """Grey photographs of the commune at 1 m: red, green, blue; infrared; height."""
    grey = np.full((3, int(SIDE), int(SIDE)), 120, dtype=np.uint8)
    folder = tmp_path / "imagery"
    folder.mkdir()
    return Ortho(
        rvb=write_raster(folder / "rvb.tif", grey),
        irc=write_raster(folder / "irc.tif", grey),
        elevation=write_raster(folder / "hauteur.tif", grey[0]),
    )


@pytest.fixture
def segmented(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Stand in for the network, which has tests of its own: grass everywhere; return the folders it was asked for."""
    asked: list[Path] = []

    def segment(ortho: Ortho, execution: object, *, folder: Path, **_: object) -> Path:
        asked.append(folder / "classes")
        asked[-1].mkdir(parents=True, exist_ok=True)
        path = write_raster(asked[-1] / "dalle.tif", np.full((int(SIDE), int(SIDE)), 17, dtype=np.uint8))
        with rasterio.open(path, "r+") as raster:
            raster.update_tags(OCSGE_NUMBERING="cosia_argmax_2023", OCSGE_MODEL="stand-in")
        return asked[-1]

    monkeypatch.setattr(from_ortho, "_segment", segment)
    return asked


def test_no_model_is_taken_silently() -> None:
    with pytest.raises(ParameterError, match=r"none is taken silently.*ocsge models list.*--model demonstration"):
        weights_of(None)


def test_a_model_that_is_no_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"nothing\.safetensors: no such file; .*ocsge models fetch"):
        weights_of(tmp_path / "nothing.safetensors")


def test_the_demonstration_model_is_asked_for_by_name() -> None:
    assert weights_of(DEMONSTRATION) == shipped_model()
    assert read_card(card_beside(shipped_model())).demonstration


def test_what_is_given_is_named() -> None:
    ortho = Ortho(rvb=Path("a"), mnt=Path("b"))
    assert ortho.given() == {"rvb": Path("a"), "mnt": Path("b")}


def test_imagery_is_segmented_once(tmp_path: Path, imagery: Ortho, segmented: list[Path]) -> None:
    how = {"model": DEMONSTRATION, "workspace": tmp_path / "w"}
    first = class_rasters([imagery], **how)
    assert class_rasters([imagery], **how) == first == segmented
    assert first[0].parents[1] == tmp_path / "w" / FOLDER


def test_imagery_that_changed_is_segmented_again(tmp_path: Path, imagery: Ortho, segmented: list[Path]) -> None:
    how = {"model": DEMONSTRATION, "workspace": tmp_path / "w"}
    class_rasters([imagery], **how)
    os.utime(imagery.rvb, (1, 1))
    class_rasters([imagery], **how)
    assert len(set(segmented)) == 2


def test_another_area_is_another_class_raster(tmp_path: Path, imagery: Ortho, segmented: list[Path]) -> None:
    for reach in (10, 20, 10):
        how = {"model": DEMONSTRATION, "workspace": tmp_path / "w"}
        class_rasters([imagery], area=gpd.GeoSeries([shapely.box(0, 0, reach, reach)], crs=2154), **how)
    assert len(segmented) == 2


def test_a_segmentation_that_was_interrupted_is_taken_up_again(
    tmp_path: Path, imagery: Ortho, segmented: list[Path]
) -> None:
    how = {"model": DEMONSTRATION, "workspace": tmp_path / "w"}
    (folder,) = class_rasters([imagery], **how)
    (folder.parent / "segmented.json").unlink()  # what is written when the last dalle is there
    assert class_rasters([imagery], **how) == [folder]
    assert len(segmented) == 2


def test_imagery_that_is_not_there_is_an_error(tmp_path: Path, segmented: list[Path]) -> None:
    with pytest.raises(DataError, match=r"nowhere\.tif: cannot be read"):
        class_rasters([Ortho(rvb=tmp_path / "nowhere.tif")], model=DEMONSTRATION, workspace=tmp_path)
    assert not segmented


def test_without_torch_one_line_says_how_to_install_it(
    tmp_path: Path, imagery: Ortho, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"make segment.*pip install ocsge\[segment\]") as refused:
        class_rasters([imagery], model=DEMONSTRATION, workspace=tmp_path)
    assert "\n" not in str(refused.value)


def test_a_class_raster_that_is_there_needs_no_torch(
    tmp_path: Path, imagery: Ortho, segmented: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {"model": DEMONSTRATION, "workspace": tmp_path / "w"}
    first = class_rasters([imagery], **how)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert class_rasters([imagery], **how) == first


def test_reading_this_module_does_not_load_torch() -> None:
    code = "import sys, ocsge.demonstration, ocsge.from_ortho; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_each_millesime_has_its_imagery(tmp_path: Path, imagery: Ortho) -> None:
    with pytest.raises(ParameterError, match="1 --ortho for 2 --millesime"):
        derive_from_ortho(
            [imagery], communes=["12001"], millesimes=[2019, 2022], workspace=tmp_path, model=DEMONSTRATION
        )


def test_the_area_to_segment_is_the_territory_and_its_context(bench: Bench) -> None:
    bench.deliver(batiment=buildings())
    rules = load_rules()
    area = area_to_segment(["12001"], perimetre=None, workspace=bench.workspace, rules=rules)
    reach = rules.interpretation_threshold["context_m"]
    assert area.total_bounds.tolist() == pytest.approx([X - reach, Y - reach, X + SIDE + reach, Y + SIDE + reach])
    assert area.contains(box(0, 0, SIDE, SIDE)).all()
    assert area.crs.to_epsg() == 2154


def test_a_perimeter_without_crs_is_read_as_the_derivation_reads_it(bench: Bench) -> None:
    bench.deliver(batiment=buildings())
    shape = write(bench.folder / "garden.shp", garden=gpd.GeoDataFrame(geometry=[box(50, 50, 90, 90)], crs=2154))
    shape.with_suffix(".prj").unlink()
    how = {"perimetre": shape, "workspace": bench.workspace, "rules": load_rules()}
    area = area_to_segment(["12001"], **how, assume_crs=2154)
    assert area.contains(box(50, 50, 90, 90)).all()


def test_derive_takes_the_class_raster_of_the_photographs(bench: Bench, imagery: Ortho, segmented: list[Path]) -> None:
    bench.deliver(batiment=buildings())
    given = ("--irc", imagery.irc, "--elevation", imagery.elevation, "--model", DEMONSTRATION)
    outcome = bench.derive("--ortho", imagery.rvb, *given)
    assert outcome.code == 0, outcome.errors
    assert len(segmented) == 1
    version = bench.published()
    assert version is not None
    assert "stand-in" in "".join(path.read_text() for path in version.rglob("run.json"))
    again = bench.derive("--ortho", imagery.rvb, *given)
    assert "Nothing had changed" in again.output
    assert len(segmented) == 1


def test_heights_that_lack_under_the_imagery_are_told_with_the_result_each_time(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ortho_scenes import card_of, textured, varied_model  # noqa: PLC0415  (needs torch)

    bench.deliver(batiment=buildings())
    model = varied_model(tmp_path, card_of(("rouge", "elevation"), resolution_m=1.0))
    half = int(SIDE) // 2
    (tmp_path / "rvb").mkdir()
    for tile in (0, 1):
        write_raster(tmp_path / "rvb" / f"{tile}.tif", textured(3, int(SIDE), half), offset=float(tile * half))
    heights = write_raster(tmp_path / "heights.tif", np.zeros((int(SIDE), half), dtype=np.uint8))
    for _ in range(2):  # the second time nothing is segmented or derived
        outcome = bench.derive("--ortho", tmp_path / "rvb", "--elevation", heights, "--model", model)
        assert outcome.code == 0, outcome.errors
        assert any("--elevation meets nothing of 1 tile(s) of imagery (1.tif)" in line for line in outcome.errors)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "none is taken silently"),
        (("--cosia", "rvb", "--model", DEMONSTRATION), "--cosia: the class raster comes from --ortho"),
        (("--numbering", "flair_hub", "--model", DEMONSTRATION), "--numbering: the class raster comes from --ortho"),
        (("--source", "official", "--model", DEMONSTRATION), "--ortho"),
        (("--irc", "rvb", "--irc", "rvb", "--model", DEMONSTRATION), "2 --irc for 1 --ortho"),
    ],
)
def test_what_does_not_go_together_is_refused(
    bench: Bench, imagery: Ortho, options: tuple[str, ...], words: str
) -> None:
    bench.deliver(batiment=buildings())
    named = [imagery.rvb if option == "rvb" else option for option in options]
    bench.refuses(bench.derive("--ortho", imagery.rvb, *named), 2, words)


@pytest.mark.parametrize("option", ["--irc", "--elevation", "--mns", "--mnt", "--model"])
def test_imagery_without_an_orthophoto_is_refused(bench: Bench, imagery: Ortho, option: str) -> None:
    bench.deliver(batiment=buildings())
    bench.refuses(bench.derive(option, imagery.rvb), 2, option, "goes with --ortho")


def test_the_probability_is_kept_when_the_card_has_levels_of_it(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ortho_scenes import card_of, textured, varied_model, write_image  # noqa: PLC0415  (needs torch)

    ortho = Ortho(rvb=write_image(tmp_path / "rvb.tif", textured(3, 128, 128)))
    for name, levels in (("with", LEVELS), ("without", [])):
        card = card_of(name=name, confusion={**MATRIX, "levels": levels})
        how = {"model": varied_model(tmp_path, card), "workspace": tmp_path / "w"}
        (folder,) = class_rasters([ortho], **how)
        assert folder.with_name("probability").is_dir() == bool(levels)
        assert ("levels" in json.loads(confusion_beside(folder).read_text(encoding="utf-8"))) == bool(levels)


def test_photographs_make_a_stock_adjusted_by_the_probability_of_each_pixel(bench: Bench, tmp_path: Path) -> None:
    """Six classes of a random network: of what it maps as buildings without confidence half is, of the rest all."""
    pytest.importorskip("torch")
    from ortho_scenes import card_of, textured, varied_model, write_image  # noqa: PLC0415  (needs torch)

    bench.deliver(batiment=buildings())
    side = int(SIDE * 5)
    rvb = write_image(tmp_path / "rvb.tif", textured(3, side, side), xmin=X, ymax=Y + SIDE)
    counts = np.diag([60] * 6)
    counts[0, 5] = 20
    unsure, sure = [20, 0, 0, 0, 0, 20], [40, 0, 0, 0, 0, 0]
    levels = [{"mapped": 1, "from": p, "counts": row} for p, row in ((0, unsure), (140, sure))]
    told = {"numbering": "flair_inc_mask", "classes": [1, 2, 3, 4, 5, 6], "counts": counts.tolist(), "source": "test"}
    stocks, built, made = [], [], []
    for strata, matrix in (("class and probability", {**told, "levels": levels}), ("class", told)):
        weights = varied_model(tmp_path, card_of(confusion=matrix))
        where = ("--commune", CODE, "--millesime", 2022, "--workspace", bench.workspace)
        outcome = bench.ocsge("derive", *where, "--ortho", rvb, "--model", weights)
        assert outcome.code == 0, outcome.errors
        (run,) = [json.loads(path.read_text(encoding="utf-8")) for path in bench.published().rglob("run.json")]
        assert run["classes"]["confusion"]["strata"] == strata
        stocks.append(pd.read_csv(bench.published() / "stock.csv")["stock_ha"].iloc[0])
        (raster,) = set(bench.workspace.glob(f"{FOLDER}/*/classes/*.tif")) - {one for one, _ in made}
        made.append((raster, run["classes"]["sha256"]))
        if strata == "class and probability":
            beside = raster.parents[1] / "probability" / raster.name
            assert run["classes"]["confusion"]["probability_sha256"] == [file_sha256(beside)]
        areas = measure_raster(raster.parent, bench.folder / "commune.gpkg").table.set_index("class_number")
        built.append(areas.loc[0, ["area_m2", "adjusted_m2"]].tolist())
    assert stocks[0] == stocks[1]  # the stock itself asks no probability
    assert made[0][1] == made[1][1] == [file_sha256(made[0][0])]  # and the classes are the same
    (area, by_level), (same, by_class) = built
    assert area == same
    assert by_class == pytest.approx(0.75 * area)  # 20 of the 80 pixels mapped as buildings are not
    assert 0.5 * area <= by_level <= area
    assert by_level != pytest.approx(by_class, rel=0.01)


def test_another_matrix_of_the_model_is_another_class_raster(
    tmp_path: Path, imagery: Ortho, segmented: list[Path]
) -> None:
    weights = tmp_path / "m.safetensors"
    shutil.copy(shipped_model(), weights)
    card = read_card(card_beside(shipped_model()))
    for matrix in (MATRIX, MATRIX, None):
        write_card(replace(card, confusion=matrix), card_beside(weights))
        class_rasters([imagery], model=weights, workspace=tmp_path / "w")
    assert len(set(segmented)) == 2

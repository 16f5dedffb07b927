"""From photographs to the stock, against a truth that is known: by hand on a lawn, and on the shipped commune."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
from small_commune import CODE, SIDE, Bench, X, Y, buildings, communes, write, write_raster

from ocsge.catalog import register
from ocsge.demonstration import (
    COMMUNE,
    COMPARISON,
    Demonstration,
    Ground,
    compared,
    demonstrate,
    layers_compared,
    shipped_ortho,
)
from ocsge.derive import derive
from ocsge.rules import load_rules

if TYPE_CHECKING:
    from ocsge.derivation import Derivation

NUMBERING, GRASS, SEALED = "cosia_vector_numero", 12, 3
PIXELS = round(SIDE * 5)
ROOT = Path(__file__).parents[1]
STOCK_HA, ADJUSTED_HA, CI95_HA = 10.52, 10.63, 1.04
LAYERS_ALONE_HA = 10.98
AGREEMENT_PCT = [85.1, 91.6, 96.4]
"""Figures of the shipped commune by the shipped weights, as the documentation prints them."""


def derived(folder: Path, name: str, *, yard_m: int) -> tuple[Derivation, Path]:
    """Return a lawn of 200 m × 200 m derived with a sealed yard of 60 m by ``yard_m`` in its south-west."""
    values = np.full((PIXELS, PIXELS), GRASS, dtype=np.uint8)
    values[PIXELS - 5 * (10 + yard_m) : PIXELS - 50, 50:350] = SEALED
    raster = write_raster(folder / f"{name}.tif", values, resolution=0.2)
    with rasterio.open(raster, "r+") as dataset:
        dataset.update_tags(OCSGE_NUMBERING=NUMBERING)
    for layer, frame in {"commune": communes(), "batiment": buildings()}.items():
        path = folder / f"{name}_{layer}.gpkg"
        register(folder / name, write(path, **{layer: frame}))
    return derive(communes=[CODE], millesime=2022, workspace=folder / name, cosia=raster), raster


@pytest.fixture(scope="module")
def lawn(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """The map shows 50 m of a yard of 60 m × 60 m: 600 m² of 40 000 are mapped wrong."""
    folder = tmp_path_factory.mktemp("lawn")
    (found, mapped), (truth, reference) = derived(folder, "map", yard_m=50), derived(folder, "truth", yard_m=60)
    return compared(found, truth, mapped=mapped, reference=reference)


def test_the_share_of_pixels_mapped_right_is_counted_by_hand(lawn: Demonstration) -> None:
    assert lawn.class_names == ("Pelouse", "Zone imperméable")
    assert lawn.classes.counts.sum() == 40_000 * 25
    assert lawn.classes.overall_accuracy == pytest.approx(1 - 600 / 40_000)
    assert lawn.classes.iou[:2].tolist() == pytest.approx([(36_400) / 37_000, 3000 / 3600])
    assert lawn.classes.mean_iou == pytest.approx(np.mean([36_400 / 37_000, 3000 / 3600]))


def test_a_cover_of_the_polygons_is_compared_where_both_have_one(lawn: Demonstration) -> None:
    sealed = lawn.cover_codes.index("CS1.1.1.2")
    assert lawn.covers.mapped[sealed] / 25 == pytest.approx(3000, rel=0.01)
    assert lawn.covers.reference[sealed] / 25 == pytest.approx(3600, rel=0.01)


def test_the_artificialised_ground_of_the_map_and_of_the_truth_are_those_of_their_stocks(lawn: Demonstration) -> None:
    assert lawn.states.mapped[1] / 25 / 10_000 == pytest.approx(lawn.stock_ha, rel=0.01)
    assert lawn.states.reference[1] / 25 / 10_000 == pytest.approx(lawn.true_stock_ha, rel=0.01)
    assert lawn.true_stock_ha - lawn.stock_ha == pytest.approx(0.06, abs=0.003)


def test_without_a_confusion_matrix_there_is_no_interval_to_be_in(lawn: Demonstration) -> None:
    assert np.isnan(lawn.interval_ha).all()
    assert not lawn.covered


def test_ground_that_was_not_mapped_is_mapped_wrong(tmp_path: Path) -> None:
    found, raster = derived(tmp_path, "truth", yard_m=60)
    half = tmp_path / "half.tif"
    values = np.full((PIXELS, PIXELS // 2), GRASS, dtype=np.uint8)
    write_raster(half, values, resolution=0.2)
    with rasterio.open(half, "r+") as dataset:
        dataset.update_tags(OCSGE_NUMBERING=NUMBERING)
    seen = compared(found, found, mapped=half, reference=raster)
    assert seen.classes.counts[-1].sum() == 20_000 * 25  # the eastern half
    assert seen.classes.overall_accuracy == pytest.approx((20_000 - 3600) / 40_000)


def test_the_ground_compared_is_that_of_the_commune(tmp_path: Path) -> None:
    found, raster = derived(tmp_path, "truth", yard_m=60)
    ground = Ground.of(found.polygons())
    assert (ground.inside.sum(), ground.inside.all()) == (40_000 * 25, True)
    assert ground.grid.bounds_of(ground.window) == (X, Y, X + SIDE, Y + SIDE)
    classes, numbers = ground.classes(raster, rules=load_rules())
    assert (classes == numbers["Zone imperméable"]).sum() == 3600 * 25


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """The generated commune, from its photographs by the shipped weights: nothing stands in for anything."""
    pytest.importorskip("torch")
    return demonstrate(tmp_path_factory.mktemp("ortho") / "w")


def test_the_comparison_is_kept_as_a_table_that_is_credited(shipped: Demonstration) -> None:
    path = shipped.derivation.version.parents[1] / COMPARISON
    table = pd.read_csv(path).set_index("stage")
    assert list(table.index) == [
        "CoSIA classes",
        "covers of the polygons",
        "artificialised",
        "covers of the polygons, layers alone",
        "artificialised, layers alone",
    ]
    assert table["agreement_pct"].iloc[:3].tolist() == pytest.approx(AGREEMENT_PCT, abs=2)
    stated = table.loc["artificialised", ["stock_ha", "stock_adjusted_ha", "ci95_ha", "true_stock_ha"]]
    assert stated.tolist() == pytest.approx([STOCK_HA, ADJUSTED_HA, CI95_HA, shipped.true_stock_ha], abs=0.3)
    assert table["credit"].str.contains("générées par ocsge").all()
    assert table["credit"].str.contains("modèle ocsge-demonstration").tolist() == [True, True, True, False, False]


def test_the_layers_alone_are_derived_without_photographs(shipped: Demonstration) -> None:
    assert shipped.layers is not None
    assert shipped.layers.stock_ha == pytest.approx(LAYERS_ALONE_HA, abs=0.05)
    # the outline is drawn by each derivation: a few pixels of its edge
    assert shipped.layers.states.counts.sum() == pytest.approx(shipped.states.counts.sum(), rel=1e-3)


def test_layers_alone_that_make_the_truth_agree_with_it(lawn: Demonstration) -> None:
    alone = layers_compared(lawn.truth, lawn.truth)
    assert (alone.covers.overall_accuracy, alone.states.mean_iou) == (1.0, 1.0)
    assert alone.stock_ha == lawn.true_stock_ha


def test_the_true_stock_lies_inside_the_interval(shipped: Demonstration) -> None:
    low, high = shipped.interval_ha
    assert low < shipped.true_stock_ha < high
    assert shipped.covered


def test_what_was_generated_is_credited_to_nobody_else(shipped: Demonstration) -> None:
    (package,) = shipped.derivation.version.rglob("*.gpkg")
    credit = str(pyogrio.read_info(package, layer=0)["layer_metadata"])
    assert "générées par ocsge" in credit
    assert "Classes du sol : modèle" in credit
    assert "IGN" not in credit


def test_the_interval_says_something(shipped: Demonstration) -> None:
    low, high = shipped.interval_ha
    assert high - low < 0.3 * shipped.true_stock_ha


def test_the_figures_are_those_of_the_documentation(shipped: Demonstration) -> None:
    """A processor without bf16 rounds otherwise: some pixels change class, figures by less than this."""
    row = shipped.derivation.stock.iloc[0]
    assert shipped.true_stock_ha == pytest.approx(11.48, abs=0.01)
    assert shipped.stock_ha == pytest.approx(STOCK_HA, abs=0.3)
    assert row["stock_adjusted_ha"] == pytest.approx(ADJUSTED_HA, abs=0.3)
    assert row["ci95_ha"] == pytest.approx(CI95_HA, abs=0.15)
    agreement = [100 * scores.overall_accuracy for scores in (shipped.classes, shipped.covers, shipped.states)]
    assert agreement == pytest.approx(AGREEMENT_PCT, abs=2)
    text = (ROOT / "docs" / "demonstration.md").read_text(encoding="utf-8")
    for figure in (
        f"{STOCK_HA} ha from the photographs",
        f"layers alone give {LAYERS_ALONE_HA} ha",
        *map(str, AGREEMENT_PCT),
    ):
        assert figure in text


def test_the_map_of_the_shipped_commune_is_mostly_right(shipped: Demonstration) -> None:
    assert shipped.classes.overall_accuracy > 0.8
    assert shipped.covers.overall_accuracy > 0.85
    assert shipped.states.overall_accuracy > 0.95
    assert shipped.classes.counts[-1].sum() == 0  # every pixel of the commune was mapped


def test_the_commune_has_town_and_country(shipped: Demonstration) -> None:
    assert 0.2 < shipped.true_stock_ha / float(shipped.truth.stock["surface_ha"].iloc[0]) < 0.8
    assert len(shipped.class_names) >= 10


def test_the_demonstration_prints_each_stage_and_what_it_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], shipped: Demonstration
) -> None:
    done = Bench(tmp_path, capfd).ocsge("demo", "--from-ortho", "--workspace", shipped.derivation.version.parents[1])
    assert done.code == 0, done.errors
    text = re.sub(r"\s+", " ", done.output)
    assert COMMUNE in text
    assert f"The layers alone give {LAYERS_ALONE_HA} ha" in text
    assert f"as a table: {shipped.derivation.version.parents[1] / COMPARISON}" in text
    for stage in ("CoSIA classes", "covers of the polygons", "artificialised", "artificialised, layers alone"):
        assert stage in text
    assert f"{shipped.true_stock_ha:.2f} ha from the true classes, inside the interval" in text
    assert "This is a demonstration" in text
    assert "Nothing had changed" in text  # the workspace holds it already, and the photographs are not segmented again


def test_the_shipped_files_are_together() -> None:
    assert {path.name for path in shipped_ortho().iterdir()} == {
        "commune.gpkg",
        "hauteur.jp2",
        "irc.jp2",
        "rvb.jp2",
        "verite.tif",
    }

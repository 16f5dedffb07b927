"""A derivation with a confusion matrix beside its class raster: the stock has its 95 % interval, and says from what.

One commune of 200 m × 200 m at 1 m: grass in the west, built ground in the east, a house of 400 m² in the middle.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from small_commune import BUILT, CODE, GRASS, Bench, buildings, classes, write_raster

from ocsge.errors import DataError
from ocsge.publish import file_sha256
from ocsge.uncertainty import NO_MATRIX

if TYPE_CHECKING:
    from pathlib import Path

HALF_HA = 2.0
"""Ground of each class, hectares."""


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("ocsge.cli.derive._first_run", lambda: False)
    bench = Bench(tmp_path, capfd)
    bench.deliver(batiment=buildings())
    values = classes()
    values[:, 100:] = BUILT
    write_raster(tmp_path / "cosia.tif", values)
    return bench


def sample(bench: Bench, name: str = "cosia.tif", **changed: object) -> Path:
    """Write the samples of the model: a tenth of what is mapped grass is built."""
    stated = {
        "numbering": "cosia_vector_numero",
        "classes": [GRASS, BUILT],
        "counts": [[90, 10], [0, 100]],
        "source": "200 points",
        **changed,
    }
    path = bench.folder / f"{name}.confusion.json"
    path.write_text(json.dumps(stated), encoding="utf-8")
    return path


def derived(bench: Bench, raster: Path | None = None) -> tuple[pd.Series, dict[str, Any], str]:
    """Return the row of the stock, the provenance, and what was printed."""
    outcome = bench.derive_with(raster or bench.folder / "cosia.tif")
    assert outcome.code == 0, outcome.errors
    version = bench.published()
    assert version is not None
    partition = f"commune_code={CODE}/millesime=2022"
    stock = pd.read_parquet(version / f"tables/{partition}/stock.parquet", partitioning=None).iloc[0]
    run = json.loads((version / f"runs/{partition}/run.json").read_text(encoding="utf-8"))
    return stock, run, outcome.output


def test_what_is_mapped_grass_and_is_built_enters_the_adjusted_stock(bench: Bench):
    samples = sample(bench)
    stock, run, printed = derived(bench)
    # built ground is all artificialised; of the grass, the part s around the house is. A tenth of the grass is
    # built: the rest of it, 0.1 × (1 − s) of its area, is missing from the mapped stock
    grass_artif = stock["stock_ha"] - HALF_HA
    missing = 0.1 * (HALF_HA - grass_artif)
    assert 0 <= grass_artif < HALF_HA
    assert stock["stock_adjusted_ha"] == pytest.approx(stock["stock_ha"] + missing, abs=1e-9)
    share = grass_artif / HALF_HA
    # one stratum errs, with p = 0.1 of 100 samples: 1.96 × A × (1 − s) × √(0.1 × 0.9 / 99)
    assert stock["ci95_ha"] == pytest.approx(1.96 * HALF_HA * (1 - share) * np.sqrt(0.09 / 99), rel=1e-4)
    assert run["no_interval"] == {CODE: ""}
    told = {"source": "200 points", "sha256": file_sha256(samples), "strata": "class"}
    assert run["classes"]["confusion"] == told
    assert f"± {stock['ci95_ha']:.1f} ha (95 %)" in " ".join(printed.split())


def test_without_matrix_there_is_no_interval_and_the_reason_is_told(bench: Bench):
    stock, run, printed = derived(bench)
    assert stock[["stock_adjusted_ha", "ci95_ha"]].isna().all()
    assert run["no_interval"] == {CODE: NO_MATRIX}
    assert "±" not in printed


def test_another_matrix_is_another_result(bench: Bench):
    first, _, _ = derived(bench)
    sample(bench)
    second, _, _ = derived(bench)
    sample(bench, counts=[[80, 20], [0, 100]])
    third, _, _ = derived(bench)
    assert first["stock_ha"] == second["stock_ha"] == third["stock_ha"]
    assert second["stock_adjusted_ha"] < third["stock_adjusted_ha"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"numbering": "cosia_raster_code"}, "number them as the raster does"),
        ({"counts": [[90, 10]]}, "not a table of 2 rows"),
        ({"classes": [GRASS, 99]}, "do not exist"),
    ],
)
def test_a_matrix_that_cannot_be_used_stops_the_run(bench: Bench, changed: dict[str, object], told: str):
    path = sample(bench, **changed)
    bench.refuses(bench.derive_with(bench.folder / "cosia.tif"), DataError.exit_code, path.name, told)


def test_the_samples_of_two_deliveries_are_not_chosen_among(bench: Bench):
    for name, offset in (("west.tif", 0.0), ("east.tif", 100.0)):
        dalle = write_raster(bench.folder / name, classes()[:, :100], offset=offset)
        added = bench.ocsge("catalog", "add", dalle, "--layer", "cosia:raster", "--workspace", bench.workspace)
        assert added.code == 0, added.errors
        sample(bench, name)
    outcome = bench.derive("--numbering", "cosia_vector_numero")
    bench.refuses(outcome, DataError.exit_code, "several confusion matrices", "west.tif", "east.tif")


LEVELS = [
    {"mapped": GRASS, "from": 0, "counts": [40, 10]},
    {"mapped": GRASS, "from": 200, "counts": [50, 0]},
]
"""The samples by probability: the built ground that was mapped grass had less than 200 of 255."""


def segmented(bench: Bench, probability: int | None) -> Path:
    """Lay the class raster out as a segmentation does: one probability of grass, built ground certain; or none."""
    values = classes()
    values[:, 100:] = BUILT
    rasters = {"classes": values}
    if probability is not None:
        rasters["probability"] = np.where(values == BUILT, 255, probability).astype(np.uint8)
    for kind, pixels in rasters.items():
        folder = bench.folder / "segmented" / kind
        folder.mkdir(parents=True, exist_ok=True)
        write_raster(folder / "dalle.tif", pixels, nodata=None if kind == "classes" else 0)
    sample(bench, "segmented/classes", levels=LEVELS)
    return bench.folder / "segmented" / "classes"


def test_a_map_that_is_unsure_is_adjusted_more_than_one_that_is_sure(bench: Bench):
    plain, run, _ = derived(bench, segmented(bench, None))
    assert run["classes"]["confusion"]["strata"] == "class"
    assert "told by class alone" in " ".join(run["warnings"])
    unsure, run, _ = derived(bench, segmented(bench, 100))
    assert run["classes"]["confusion"]["strata"] == "class and probability"
    assert len(run["classes"]["confusion"]["probability_sha256"]) == 1
    sure, _, _ = derived(bench, segmented(bench, 250))
    assert plain["stock_ha"] == unsure["stock_ha"] == sure["stock_ha"]
    # of grass mapped without confidence a fifth is built, of all mapped grass a tenth, of sure grass nothing
    share = (plain["stock_ha"] - HALF_HA) / HALF_HA
    for found, rate, samples in ((plain, 0.1, 100), (unsure, 0.2, 50), (sure, 0.0, 50)):
        missing = rate * HALF_HA * (1 - share)
        half = 1.96 * HALF_HA * (1 - share) * np.sqrt(rate * (1 - rate) / (samples - 1))
        assert found["stock_adjusted_ha"] == pytest.approx(found["stock_ha"] + missing, abs=1e-9)
        assert found["ci95_ha"] == pytest.approx(half, rel=1e-4)


def test_without_probability_a_matrix_with_levels_gives_what_it_gives_without_them(bench: Bench):
    folder = segmented(bench, None)
    with_levels, _, _ = derived(bench, folder)
    sample(bench, "segmented/classes")
    without, run, _ = derived(bench, folder)
    pd.testing.assert_series_equal(with_levels, without)
    assert not any("told by class alone" in warning for warning in run["warnings"])


def test_probabilities_that_are_not_of_the_class_raster_stop_the_run(bench: Bench):
    folder = segmented(bench, 0)
    refused = bench.derive_with(folder)
    bench.refuses(refused, DataError.exit_code, "have a class and no probability")
    write_raster(folder.parent / "probability" / "dalle.tif", classes()[:, :100], nodata=0)
    bench.refuses(bench.derive_with(folder), DataError.exit_code, "is not the probability of", "dalle.tif")

"""Demonstrate the way from orthophotos to the stock on a generated commune, and measure each stage against the truth.

The commune is shipped with its photographs, its layers and the true classes of its ground
(``data_catalog/embedded/ortho``). What is called true of a later stage is what the same rules derive from the true
classes: the comparison is of the classification and of what it does to the result, not of the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rasterio.features import rasterize
from rasterio.transform import Affine

from ocsge.catalog import credit_and_licence, embedded_credits
from ocsge.class_numbers import numbered_classes
from ocsge.derive import derive
from ocsge.from_ortho import DEMONSTRATION, Ortho, class_rasters
from ocsge.grid import Grid, Window
from ocsge.inputs import numbering_and_model
from ocsge.products.cosia import class_strips, place_tiles, raster_files
from ocsge.provenance import NATIVE_RESOLUTION_M
from ocsge.resources import shipped_directory
from ocsge.rules import Rules, load_rules
from ocsge.segment.metrics import IGNORED, Scores, confusion_matrix
from ocsge.table_files import write_csv
from ocsge.tables import Column, Schema, typed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import geopandas as gpd
    from numpy.typing import NDArray

    from ocsge.derivation import Derivation
    from ocsge.windowed_run import Progress

COMMUNE, MILLESIME = "12999", 2022
"""Code of the generated commune, which no commune has, and the year its layers describe."""

CLASSES, COVERS, ARTIFICIALISED = "CoSIA classes", "covers of the polygons", "artificialised"
LAYERS_ALONE = "layers alone"
"""Stages that are compared, and what is derived without photographs."""

COMPARISON = "comparison_with_truth.csv"
"""File of a workspace that keeps the comparison."""

TRUTH_COMPARISON = Schema(
    "TRUTH_COMPARISON",
    {
        "commune_code": Column("text"),
        "stage": Column("text"),
        "agreement_pct": Column("float64", "%"),
        "mean_iou_pct": Column("float64", "%"),
        "stock_ha": Column("float64", "ha", nullable=True),
        "stock_adjusted_ha": Column("float64", "ha", nullable=True),
        "ci95_ha": Column("float64", "ha", nullable=True),
        "true_stock_ha": Column("float64", "ha", nullable=True),
        "credit": Column("text"),
    },
)
"""One row a stage: share of the pixels that are as the truth says, and the stocks where the stage has one."""


@dataclass(frozen=True, slots=True)
class LayersAlone:
    """What was derived from the layers without a class raster, and how far it is from the truth."""

    covers: Scores
    """Covers of the polygons, pixel by pixel."""
    states: Scores
    """Artificialised or not, pixel by pixel."""
    stock_ha: float


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What was derived from the photographs, and how far it is from the truth."""

    derivation: Derivation
    """Derived from the photographs."""
    truth: Derivation
    """Derived from the true classes, by the same rules."""
    classes: Scores
    """CoSIA classes, pixel by pixel, in the commune."""
    class_names: tuple[str, ...]
    """Class of each row of ``classes``."""
    covers: Scores
    """Covers of the polygons (``code_cs``), pixel by pixel."""
    cover_codes: tuple[str, ...]
    """Cover of each row of ``covers``."""
    states: Scores
    """Artificialised or not, pixel by pixel; the second row is artificialised."""
    layers: LayersAlone | None = None
    """What the same layers make without any class raster; None when it was not derived."""

    @property
    def stock_ha(self) -> float:
        """Stock derived from the photographs, hectares."""
        return float(self.derivation.stock["stock_ha"].iloc[0])

    @property
    def true_stock_ha(self) -> float:
        """Stock derived from the true classes, hectares."""
        return float(self.truth.stock["stock_ha"].iloc[0])

    @property
    def interval_ha(self) -> tuple[float, float]:
        """95 % interval of the stock adjusted for the errors of the classification, hectares."""
        row = self.derivation.stock.iloc[0]
        return float(row["stock_adjusted_ha"] - row["ci95_ha"]), float(row["stock_adjusted_ha"] + row["ci95_ha"])

    @property
    def covered(self) -> bool:
        """Whether the true stock lies inside the interval."""
        low, high = self.interval_ha
        return low <= self.true_stock_ha <= high

    def table(self) -> pd.DataFrame:
        """Return table :data:`TRUTH_COMPARISON`: a row a stage, with the credit of what it was made from."""
        row = self.derivation.stock.iloc[0]
        adjusted = float(row["stock_adjusted_ha"]), float(row["ci95_ha"])
        none = None, None
        generated = " ; ".join(sorted({*embedded_credits().values()}))
        mapped = f"{generated} ; {credit_and_licence({}, model=str(row['model']))[0]}"
        stages: list[tuple[str, Scores, tuple[float | None, ...], str]] = [
            (CLASSES, self.classes, (None, *none), mapped),
            (COVERS, self.covers, (None, *none), mapped),
            (ARTIFICIALISED, self.states, (self.stock_ha, *adjusted), mapped),
        ]
        if self.layers is not None:
            stages += [
                (f"{COVERS}, {LAYERS_ALONE}", self.layers.covers, (None, *none), generated),
                (f"{ARTIFICIALISED}, {LAYERS_ALONE}", self.layers.states, (self.layers.stock_ha, *none), generated),
            ]
        rows = [
            (
                *(COMMUNE, stage, 100 * scores.overall_accuracy, 100 * scores.mean_iou, *stocks),
                None if stocks[0] is None else self.true_stock_ha,
                credit,
            )
            for stage, scores, stocks, credit in stages
        ]
        return typed(
            pd.DataFrame(rows, columns=list(TRUTH_COMPARISON.columns)), TRUTH_COMPARISON, where="demonstration"
        )


def shipped_ortho() -> Path:
    """Return the folder of the generated commune."""
    return shipped_directory("data_catalog") / "embedded" / "ortho"


def demonstrate(
    workspace: Path,
    *,
    jobs: int = 1,
    threads: int | None = None,
    progress: Progress = lambda *_: None,
) -> Demonstration:
    """Segment the generated commune, derive it from its photographs and from the truth, and compare.

    The comparison is written into the workspace, :data:`COMPARISON`; with it, what the layers alone make.

    Parameters
    ----------
    workspace
        Folder of the results; what is derived from the truth and from the layers alone goes into its folders ``verite``
        and ``couches``.
    jobs, threads
        Processes and threads of the derivations.
    progress
        Receives the advance of each stage.
    """
    folder = shipped_ortho()
    ortho = Ortho(rvb=folder / "rvb.jp2", irc=folder / "irc.jp2", elevation=folder / "hauteur.jp2")
    reference = folder / "verite.tif"
    how: dict[str, Any] = {"jobs": jobs, "threads": threads, "progress": progress}
    (mapped,) = class_rasters([ortho], model=DEMONSTRATION, workspace=workspace, **how)
    how |= {"communes": [COMMUNE], "millesime": [MILLESIME]}
    found = derive(workspace=workspace, cosia=mapped, **how)
    truth = derive(workspace=workspace / "verite", cosia=reference, **how)
    alone = derive(workspace=workspace / "couches", **how)
    seen = replace(compared(found, truth, mapped=mapped, reference=reference), layers=layers_compared(alone, truth))
    write_csv(seen.table(), workspace / COMPARISON)
    return seen


def layers_compared(alone: Derivation, truth: Derivation) -> LayersAlone:
    """Compare what was derived without a class raster with what was derived from the true one."""
    polygons, true_polygons = alone.polygons(), truth.polygons()
    _, covers, states = _polygons_and_states(Ground.of(true_polygons), polygons, true_polygons)
    return LayersAlone(covers, states, float(alone.stock["stock_ha"].iloc[0]))


def compared(found: Derivation, truth: Derivation, *, mapped: Path, reference: Path) -> Demonstration:
    """Compare what was derived from a class raster with what was derived from the true one, in the same territory.

    Parameters
    ----------
    found, truth
        Derivations of one commune.
    mapped, reference
        The class rasters they were derived from, each with its numbering system in its tags; file or folder.
    """
    polygons, true_polygons = found.polygons(), truth.polygons()
    ground = Ground.of(true_polygons)
    names, classes = _classes_compared(ground, mapped, reference)
    codes, covers, states = _polygons_and_states(ground, polygons, true_polygons)
    return Demonstration(
        derivation=found,
        truth=truth,
        classes=classes,
        class_names=names,
        covers=covers,
        cover_codes=codes,
        states=states,
    )


def _polygons_and_states(
    ground: Ground, polygons: gpd.GeoDataFrame, truth: gpd.GeoDataFrame
) -> tuple[tuple[str, ...], Scores, Scores]:
    """Return the covers met, their confusion, and that of the artificialised state."""
    codes = tuple(sorted({*polygons["code_cs"], *truth["code_cs"]}))
    return (
        codes,
        _polygons_compared(ground, polygons, truth, column="code_cs", values=codes),
        _polygons_compared(ground, polygons, truth, column="artif", values=(False, True)),
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """The pixels of the territory."""

    grid: Grid
    window: Window
    inside: NDArray[np.bool_]
    """(h, w) pixels whose centre lies in the territory."""

    @classmethod
    def of(cls, polygons: gpd.GeoDataFrame) -> Ground:
        """Return the ground that polygons cover."""
        grid = Grid.at_resolution(epsg=int(polygons.crs.to_epsg()), resolution_m=NATIVE_RESOLUTION_M)
        window = grid.window_of(tuple(polygons.total_bounds.tolist()))
        empty = cls(grid, window, np.zeros((window.height, window.width), dtype=np.bool_))
        return cls(grid, window, empty.burned(polygons.geometry, np.zeros(len(polygons), dtype=np.uint8)) == 0)

    def burned(self, geometries: gpd.GeoSeries, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the value of the geometry that holds each pixel's centre; ``IGNORED`` outside all of them."""
        side = self.grid.resolution_m
        xmin, _, _, ymax = self.grid.bounds_of(self.window)
        burned: NDArray[np.uint8] = rasterize(
            zip(geometries, values.tolist(), strict=True),
            out_shape=(self.window.height, self.window.width),
            fill=IGNORED,
            transform=Affine(side, 0.0, xmin, 0.0, -side, ymax),
            dtype="uint8",
        )
        return burned

    def classes(self, raster: Path, *, rules: Rules) -> tuple[NDArray[np.uint8], dict[str, int]]:
        """Return the class number of each pixel, and the number of each class."""
        tiles = place_tiles(raster_files(raster), grid=self.grid)
        numbering, _ = numbering_and_model(tiles, None, rules=rules)
        numbers = {one.name: number for one, number in numbered_classes(rules, numbering)}
        strips = class_strips(tiles, grid=self.grid, window=self.window, score_classes=tuple(numbers.values()))
        return np.concatenate(list(strips)), numbers


def _classes_compared(ground: Ground, mapped: Path, reference: Path) -> tuple[tuple[str, ...], Scores]:
    """Return the classes of either raster and their confusion; a pixel that was not mapped is mapped wrong."""
    rules = load_rules()
    rasters = [ground.classes(path, rules=rules) for path in (mapped, reference)]
    met = {name for array, numbers in rasters for name, number in numbers.items() if (array == number).any()}
    names = tuple(sorted(met))
    indices = []
    for array, numbers in rasters:
        table = np.full(256, len(names), dtype=np.uint8)
        table[[numbers[name] for name in names if name in numbers]] = [
            place for place, name in enumerate(names) if name in numbers
        ]
        indices.append(table[array])
    indices[1][~ground.inside] = IGNORED
    counts = confusion_matrix(indices[0], indices[1], classes=len(names) + 1)
    return names, Scores(counts)


def _polygons_compared(
    ground: Ground, polygons: gpd.GeoDataFrame, truth: gpd.GeoDataFrame, *, column: str, values: Sequence[object]
) -> Scores:
    """Return the confusion of a column of two coverages of the same ground, pixel by pixel."""
    place = {value: position for position, value in enumerate(values)}
    burned = [ground.burned(one.geometry, one[column].map(place).to_numpy(np.uint8)) for one in (polygons, truth)]
    either = (burned[0] != IGNORED) & (burned[1] != IGNORED)
    return Scores(confusion_matrix(burned[0][either], burned[1][either], classes=len(values)))

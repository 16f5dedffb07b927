"""Every product of the OCS GE is read in every name, field, case and format it has been delivered in."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import py7zr
import pyogrio
import pytest
import shapely
from layer_fixtures import bow_tie, square, write_gpkg

from ocsge.catalog import load_catalog
from ocsge.delivery_names import Delivery, delivery_of, delivery_of_path
from ocsge.errors import CatalogError, CrsError, DataError, LayerError
from ocsge.products.ocs_ge import PRODUCTS, read_ocs_ge

if TYPE_CHECKING:
    from pathlib import Path

STATE = {"code_cs": ["CS1.1.1.1", "CS2.2.1"], "code_us": ["US5", "US1.1"]}
REST = {
    "millesime": [2022, 2022],
    "source": ["photo", "photo"],
    "ossature": [0, 1],
    "id_origine": ["a", "b"],
    "code_or": ["x", "y"],
}
VERDICT = {"aire": [100.0, 100.0], "artif": ["artif", "non artif"], "crit_seuil": [False, True]}
CHANGE = {
    "cs_apres": ["CS1.1.1.1", "CS2.2.1"],
    "us_apres": ["US5", "US1.1"],
    "cs_avant": ["CS2.2.1", None],
    "us_avant": ["US1.1", None],
}
DATED = {
    "CS_2022": CHANGE["cs_apres"],
    "CS_2019": CHANGE["cs_avant"],
    "US_2022": CHANGE["us_apres"],
    "US_2019": CHANGE["us_avant"],
}
TAKEN = {"ARTIF_2022": ["artif", "non artif"], "ARTIF_2019": ["non artif", "artif"], "artificialisation": [1, -1]}
PATCH = {"cs_corr": ["RAS", "CS1.1.1.2"], "us_corr": ["US4.1.1", "RAS"]}


@dataclass(frozen=True)
class Variant:
    """One way a product has been delivered."""

    product: str
    layer_name: str
    columns: dict[str, list[object]]
    millesimes: tuple[int, ...] = ()
    expected: dict[str, list[object]] = field(default_factory=dict)


def lowered(columns: dict[str, list[object]]) -> dict[str, list[object]]:
    return {name.lower(): values for name, values in columns.items()}


def raised(columns: dict[str, list[object]]) -> dict[str, list[object]]:
    return {name.upper(): values for name, values in columns.items()}


IDS, LOW_IDS = {"ID": ["1", "2"]}, {"id": ["1", "2"]}
NUMBERS = {"artif": ["ARTIF", "Non artif"], "crit_seuil": [0, 1]}
FLOW = {"surface": [100.0, 100.0]}
ARTIF = {"artif": [True, False], "crit_seuil": [False, True]}
TAKEN_READ = {"artif_apres": [True, False], "artif_avant": [False, True], "artificialisation": [1.0, -1.0]}
EVOLUTION = {**CHANGE, **TAKEN_READ}
PATCH_READ = {"cs_corr": [None, "CS1.1.1.2"], "us_corr": ["US4.1.1", None]}
DIRTY = {"couverture": ["cs 1.1.1.1", " CS2.2.1"], "usage": ["us5", "US1.1 "]}
BARE = {"couverture": STATE["code_cs"], "usage": STATE["code_us"]}

VARIANTS = {
    "occupation": Variant("occupation", "OCCUPATION_SOL", {**IDS, **STATE, **REST}, (2022,), STATE),
    "occupation lower id": Variant("occupation", "occupation_du_sol", {"id": ["1", "2"], **STATE}, (), STATE),
    "occupation upper": Variant("occupation", "OCCUPATION_SOL", raised({**STATE, **REST}), (2022,), STATE),
    "occupation old names": Variant("occupation", "OCCUPATION_SOL_2019", BARE, (2019,), STATE),
    "occupation old names upper": Variant("occupation", "ocs_occupation", raised(BARE), (), STATE),
    "occupation spaces and case": Variant("occupation", "OCCUPATION_SOL", DIRTY, (), STATE),
    "occupation dotted layer": Variant("occupation", "D032.OCCUPATION.SOL", STATE, (), STATE),
    "zone construite": Variant("zone_construite", "ZONE_CONSTRUITE", {**IDS, "millesime": [2022, 2022]}, (2022,)),
    "zone construite lower": Variant("zone_construite", "zone_construite_2019", {"id": ["1", "2"]}, (2019,)),
    "difference dated": Variant("difference", "DIFFERENCE", DATED, (2019, 2022), CHANGE),
    "difference dated lower": Variant("difference", "diff_2019_2022", lowered(DATED), (2019, 2022), CHANGE),
    "difference before after": Variant("difference", "OCS_GE_DIFF_2019_2022", CHANGE, (2019, 2022), CHANGE),
    "difference before after upper": Variant("difference", "diff", raised(CHANGE), (), CHANGE),
    "difference misspelt": Variant("difference", "OCS_GE_DIIF_2019_2022", DATED, (2019, 2022), CHANGE),
    "artificialisation": Variant(
        "artificialisation", "artif_2022_032", {**LOW_IDS, **STATE, **REST, **VERDICT}, (2022,), {**STATE, **ARTIF}
    ),
    "artificialisation upper": Variant("artificialisation", "ARTIF", raised({**STATE, **VERDICT}), (), ARTIF),
    "artificialisation numbers": Variant(
        "artificialisation", "artif_2019_0971", {**STATE, **NUMBERS}, (2019,), ARTIF
    ),
    "evolution": Variant(
        "artificialisation_difference", "zan_evol_2019_2022", {**DATED, **TAKEN, **FLOW}, (2019, 2022), EVOLUTION
    ),
    "evolution lower": Variant(
        "artificialisation_difference", "ZAN_EVOL_ARTIF", lowered({**DATED, **TAKEN}), (2019, 2022), EVOLUTION
    ),
    "patch": Variant("patch", "PATCH_CORR_D032_2019", PATCH, (2019,), PATCH_READ),
    "patch upper": Variant("patch", "patchcorrectif_2019", raised(PATCH), (2019,), PATCH_READ),
}  # fmt: skip


def frame_of(columns: dict[str, list[object]], *, geometries: list[shapely.Geometry] | None = None) -> gpd.GeoDataFrame:
    shapes = geometries or [square(), square(20.0)]
    return gpd.GeoDataFrame(pd.DataFrame(columns), geometry=shapes, crs=2154)


def read_back(frame: pd.DataFrame, expected: dict[str, list[object]]) -> dict[str, list[object]]:
    return {name: [None if pd.isna(value) else value for value in frame[name]] for name in expected}


def delivered(folder: Path, variant: Variant, form: str) -> Path:
    """Write a variant in one form of delivery and return the place to read."""
    inside = folder / "delivery"
    inside.mkdir()
    frame = frame_of(variant.columns)
    if form == "shp":
        short = frame.rename(columns=lambda name: name if name == "geometry" else name[:10])  # as a dbf cuts them
        pyogrio.write_dataframe(short, inside / f"{variant.layer_name}.shp")
        return inside / f"{variant.layer_name}.shp"
    path = inside / ("export.gpkg" if form == "gpkg" else f"{variant.layer_name}.gpkg")
    layer = "export" if form == "named file" else variant.layer_name
    pyogrio.write_dataframe(frame, path, layer=layer, layer_options={"GEOMETRY_NAME": "the_geom"})
    return inside if form == "folder" else path


@pytest.mark.parametrize("form", ["gpkg", "named file", "folder", "shp"])
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_of_a_product_is_read_into_canonical_columns(tmp_path: Path, variant: Variant, form: str) -> None:
    read = read_ocs_ge(delivered(tmp_path, variant, form), variant.product)
    assert read_back(read.frame, variant.expected) == variant.expected
    assert read.millesimes == variant.millesimes
    assert read.report.kept == len(read.frame) == 2
    assert read.report.unreadable_values == 0
    wanted = {*load_catalog().columns(PRODUCTS[variant.product].layer), "geometry"}
    assert set(read.frame.columns) == wanted
    assert read.frame.crs.to_epsg() == 2154
    assert read.frame.area.tolist() == [100.0, 100.0]


@pytest.mark.parametrize("suffix", [".7z", ".zip"])
@pytest.mark.parametrize("variant", [v for v in VARIANTS.values() if v.millesimes], ids=lambda v: v.layer_name)
def test_a_product_is_read_from_an_archive_beside_what_a_mac_left(
    tmp_path: Path, variant: Variant, suffix: str
) -> None:
    file = delivered(tmp_path, variant, "gpkg")
    archive = tmp_path / f"delivery{suffix}"
    inside = {f"OCS/1_DONNEES/{variant.layer_name}.gpkg": file.read_bytes(), "__MACOSX/OCS/._x.gpkg": b"\0"}
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in inside.items():
                packed.writestr(name, content)
    else:
        with py7zr.SevenZipFile(archive, "w") as packed:
            for name, content in inside.items():
                packed.writestr(content, name)
    read = read_ocs_ge(archive, variant.product)
    assert read_back(read.frame, variant.expected) == variant.expected
    assert [source.path for source in read.report.sources] == [
        archive / "OCS" / "1_DONNEES" / f"{variant.layer_name}.gpkg"
    ]


@pytest.mark.parametrize(
    ("product", "name", "columns", "missing"),
    [
        ("occupation", "OCCUPATION_SOL", {"code_cs": ["CS2.2.1"] * 2, "usages": ["US5"] * 2}, "code_us"),
        ("difference", "DIFF", {"CS_2022": ["CS2.2.1"] * 2, "US_2022": ["US5"] * 2}, "cs_avant, us_avant"),
        ("artificialisation", "artif_2022", {**STATE, "artif": ["artif"] * 2}, "crit_seuil"),
        ("artificialisation_difference", "zan_evol", DATED, "artificialisation"),
        ("patch", "PATCH_CORR_D032", {"cs_corr": ["RAS"] * 2}, "us_corr"),
    ],
)
def test_a_delivery_without_its_fields_is_refused_with_the_fields_found(
    tmp_path: Path, product: str, name: str, columns: dict[str, list[object]], missing: str
) -> None:
    path = write_gpkg(tmp_path / "a.gpkg", **{name: frame_of(columns)})
    with pytest.raises(LayerError, match=rf"needs .*{missing}.*fields found: {', '.join(columns)}"):
        read_ocs_ge(path, product)


def test_a_product_that_is_not_there_is_said_with_what_is(tmp_path: Path) -> None:
    write_gpkg(tmp_path / "a.gpkg", OCCUPATION_SOL=frame_of(STATE))
    with pytest.raises(LayerError, match="holds no ocs_ge:difference; layers found: ocs_ge:occupation"):
        read_ocs_ge(tmp_path, "difference")
    with pytest.raises(CatalogError, match="no such file"):
        read_ocs_ge(tmp_path / "absent.gpkg", "difference")


def test_one_millesime_is_read_of_a_folder_that_holds_several(tmp_path: Path) -> None:
    for year in (2019, 2022):
        folder = tmp_path / f"OCS-GE_2-0__GPKG_LAMB93_D032_{year}-01-01"
        folder.mkdir()
        write_gpkg(folder / "a.gpkg", OCCUPATION_SOL=frame_of({**STATE, "millesime": [year] * 2}))
    with pytest.raises(LayerError, match=r"several millésimes \(2019; 2022\); say which"):
        read_ocs_ge(tmp_path, "occupation")
    read = read_ocs_ge(tmp_path, "occupation", millesimes=[2019])
    assert (read.millesimes, len(read.frame), read.report.sources[0].edition) == ((2019,), 2, "2019-01-01")
    assert read.delivery is not None
    assert read.delivery.departement == "32"
    with pytest.raises(LayerError, match="of 2024 is not there; millésimes found: 2019; 2022"):
        read_ocs_ge(tmp_path, "occupation", millesimes=[2024])


def test_years_that_disagree_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "OCS-GE_2-0__GPKG_LAMB93_D032_2019-01-01"
    folder.mkdir()
    write_gpkg(folder / "a.gpkg", OCCUPATION_SOL=frame_of({**STATE, "millesime": [2022] * 2}))
    with pytest.raises(DataError, match="column millesime holds 2022, and not 2019 as its name says"):
        read_ocs_ge(folder, "occupation")
    mixed = write_gpkg(tmp_path / "b.gpkg", OCCUPATION_SOL=frame_of({**STATE, "millesime": [2019, 2022]}))
    with pytest.raises(DataError, match="holds 2019, 2022; one delivery is of one millésime"):
        read_ocs_ge(mixed, "occupation")
    named = write_gpkg(tmp_path / "c.gpkg", DIFF_2016_2019=frame_of(DATED))
    with pytest.raises(DataError, match=r"different millésimes \(2019–2022; 2016–2019\)"):
        read_ocs_ge(named, "difference")
    back = write_gpkg(tmp_path / "d.gpkg", DIFF_2022_2019=frame_of(CHANGE))
    with pytest.raises(DataError, match="compares 2022 with 2019"):
        read_ocs_ge(back, "difference")


def test_a_change_that_is_neither_taken_nor_given_back_is_refused(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "a.gpkg", zan_evol=frame_of({**DATED, "artificialisation": [1, 2]}))
    with pytest.raises(DataError, match=r"artificialisation holds 2 \(1 rows\)"):
        read_ocs_ge(path, "artificialisation_difference")


def test_geometries_are_repaired_and_counted(tmp_path: Path) -> None:
    path = write_gpkg(tmp_path / "a.gpkg", OCCUPATION_SOL=frame_of(STATE, geometries=[bow_tie(), square(50.0)]))
    read = read_ocs_ge(path, "occupation")
    assert (read.report.repaired, read.frame.area.sum()) == (1, 150.0)


def test_a_zone_construite_delivered_twice_counts_once(tmp_path: Path) -> None:
    twice = frame_of({"ID": ["1", "2"]}, geometries=[square(), square()])
    read = read_ocs_ge(write_gpkg(tmp_path / "a.gpkg", ZONE_CONSTRUITE=twice), "zone_construite")
    assert (len(read.frame), read.report.duplicates) == (1, 1)


OVERSEAS = {
    5490: (-61.5, 16.2),
    32620: (-61.5, 16.2),
    2972: (-52.6, 4.9),
    2975: (55.5, -21.1),
    4471: (45.1, -12.8),
}


@pytest.mark.parametrize("epsg", list(OVERSEAS))
def test_a_delivery_overseas_is_read_in_its_own_crs(tmp_path: Path, epsg: int) -> None:
    place = gpd.GeoSeries(
        [shapely.Point(*gpd.GeoSeries([shapely.box(0, 0, 1, 1)]).centroid.iloc[0].coords[0])], crs=4326
    )
    longitude, latitude = {
        5490: (-61.5, 16.2),
        32620: (-61.5, 16.2),
        2972: (-52.6, 4.9),
        2975: (55.5, -21.1),
        4471: (45.1, -12.8),
    }[epsg]
    place = gpd.GeoSeries([shapely.Point(longitude, latitude)], crs=4326).to_crs(epsg)
    x, y = round(place.x[0]), round(place.y[0])
    frame = gpd.GeoDataFrame(
        STATE, geometry=[shapely.box(x, y, x + 10, y + 10), shapely.box(x + 10, y, x + 20, y + 10)], crs=epsg
    )
    read = read_ocs_ge(write_gpkg(tmp_path / "a.gpkg", OCCUPATION_SOL=frame), "occupation")
    assert (read.frame.crs.to_epsg(), read.frame.area.tolist()) == (epsg, [100.0, 100.0])


def test_a_delivery_without_crs_is_read_in_the_one_given(tmp_path: Path) -> None:
    pyogrio.write_dataframe(frame_of(STATE), tmp_path / "OCCUPATION_SOL.shp")
    (tmp_path / "OCCUPATION_SOL.prj").unlink()
    with pytest.raises(CrsError, match="--assume-crs"):
        read_ocs_ge(tmp_path, "occupation")
    assert len(read_ocs_ge(tmp_path, "occupation", assume_crs=2154).frame) == 2


NAMES = {
    "OCS-GE_2-0__SHP_LAMB93_D032_2019-01-01": Delivery(
        ("ocs_ge", "ocs_ge_zone_construite"), "32", (2019,), "SHP", "LAMB93", 2154, None
    ),
    "OCS-GE_2-0__GPKG_RGFG95UTM22_D973_2022-01-01.7z": Delivery(
        ("ocs_ge", "ocs_ge_zone_construite"), "973", (2022,), "GPKG", "RGFG95UTM22", 2972, None
    ),
    "OCS-GE_2-0_ARTIFICIALISATION_GPKG_LAMB93_D02A_2021-01-01": Delivery(
        ("ocs_ge_artificialisation",), "2A", (2021,), "GPKG", "LAMB93", 2154, None
    ),
    "OCS-GE_2-0_ARTIFICIALISATION_GPKG_RGAF09UTM20_D0971_2022-01-01": Delivery(
        ("ocs_ge_artificialisation",), "971", (2022,), "GPKG", "RGAF09UTM20", 5490, None
    ),
    "OCS-GE_2-0_DIFF_SHP_LAMB93_D01_2018-2021": Delivery(
        ("ocs_ge_difference",), "01", (2018, 2021), "SHP", "LAMB93", 2154, None
    ),
    "OCS-GE_2-0__SHP_LAMB93_D069_DIFF_2017-2020": Delivery(
        ("ocs_ge_difference",), "69", (2017, 2020), "SHP", "LAMB93", 2154, None
    ),
    "OCS-GE_2-0_DIFF-2019-2022_GPKG_LAMB93_D032_2024-06-01.7z": Delivery(
        ("ocs_ge_difference",), "32", (2019, 2022), "GPKG", "LAMB93", 2154, "2024-06-01"
    ),
    "OCS-GE-ARTIFICIALISATION_2-0_DIFF-2019-2022_GPKG_RGR92UTM40S_D974_2025-01-15": Delivery(
        ("ocs_ge_artificialisation_difference",), "974", (2019, 2022), "GPKG", "RGR92UTM40S", 2975, "2025-01-15"
    ),
    "ocs-ge_2-0_patchcorrectif_gpkg_rgm04utm38s_d976_2020-01-01.zip": Delivery(
        ("ocs_ge_patch",), "976", (2020,), "GPKG", "RGM04UTM38S", 4471, None
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "said"), NAMES.items(), ids=list(NAMES))
def test_the_name_of_a_delivery_says_what_it_is(name: str, said: Delivery, tmp_path: Path) -> None:
    assert delivery_of(name) == said
    assert delivery_of_path(tmp_path / name / "1_DONNEES" / "layer.gpkg") == said


@pytest.mark.parametrize("name", ["OCS-GE", "OCS-GE_2-0__DWG", "holidays_2019-01-01.zip", "D032", ""])
def test_any_other_name_says_nothing(name: str) -> None:
    assert delivery_of(name) is None


def test_the_names_of_every_product_of_the_catalogue_are_patterns() -> None:
    values = {
        "format": "GPKG",
        "crs_token": "LAMB93",
        "dep": "32",
        "dep3": "032",
        "yyyy": "2021",
        "y1": "2019",
        "y2": "2022",
    }
    others = dict.fromkeys(("revision", "territory", "mm", "dd", "bands", "region"), "28") | {"edition": "2024-06-01"}
    for product in load_catalog().products:
        for template in product.archive_names:
            found = delivery_of(template.format(**values, **others))
            assert found is not None, template
            assert product.product in found.products, template
            assert found.departement in {"32", None}

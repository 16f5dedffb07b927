"""Real change polygons of the OCS GE, 2015–2018, give the gain and loss that were published of their communes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import shapely
from ign_scene import states_in_words

from ocsge.archives import unpacked
from ocsge.catalog import recognise
from ocsge.commune_outlines import read_communes
from ocsge.errors import CodeError
from ocsge.partial_codes import pair_states
from ocsge.products.ocs_ge import OcsGeRead, read_ocs_ge
from ocsge.rules import load_rules

if TYPE_CHECKING:
    import geopandas as gpd

DATA = Path(__file__).parent / "data" / "arcachon"
ARCHIVE = DATA / "arcachon_2015_2018.zip"
RULES = load_rules()
ROUNDING_HA = 0.51
ANTHROPISED = "CS1.1."
"""Ground that the definition of 2021 counted as artificialised, whatever its usage."""


@pytest.fixture(scope="module")
def read() -> OcsGeRead:
    return read_ocs_ge(ARCHIVE, "difference")


@pytest.fixture(scope="module")
def communes() -> gpd.GeoDataFrame:
    with unpacked(ARCHIVE) as folder:
        return read_communes(recognise(folder), epsg=2154).frame


@pytest.fixture(scope="module")
def recoded(read: OcsGeRead, communes: gpd.GeoDataFrame) -> pd.DataFrame:
    """Changes cut at the outlines of the communes: one row a piece, both states by the matrix, area in ha."""
    changes = read.frame
    shapes, outlines = np.asarray(changes.geometry.values), np.asarray(communes.geometry.values)
    row, commune = shapely.STRtree(outlines).query(shapes, predicate="intersects")
    states = {
        name: pair_states(changes[f"cs_{name}"], changes[f"us_{name}"], RULES, unclassified="keep", where="Arcachon")
        for name in ("avant", "apres")
    }
    columns = {name: states_in_words(found).to_numpy()[row] for name, found in states.items()}
    columns |= {f"{name}_2021": changes[f"cs_{name}"].str.startswith(ANTHROPISED).to_numpy()[row] for name in states}
    table = pd.DataFrame(columns).assign(
        commune_code=communes["commune_code"].to_numpy()[commune],
        area_ha=shapely.area(shapely.intersection(shapes[row], outlines[commune])) / 10_000,
    )
    return table.astype({"avant_2021": "boolean", "apres_2021": "boolean"}).fillna(
        {"avant_2021": False, "apres_2021": False}
    )


def by_commune(rows: pd.DataFrame, communes: gpd.GeoDataFrame) -> pd.Series:
    return rows.groupby("commune_code")["area_ha"].sum().reindex(communes["commune_code"], fill_value=0.0)


def golden_of(recoded: pd.DataFrame, communes: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return one row a commune: the change polygons under both definitions, ha."""
    unknown = (recoded["avant"] == "non classé") | (recoded["apres"] == "non classé")
    parts = {
        "gain_2021_ha": recoded["apres_2021"],
        "loss_2021_ha": recoded["avant_2021"],
        "gain_matrix_ha": ~unknown & (recoded["avant"] == "non artif") & (recoded["apres"] == "artif"),
        "loss_matrix_ha": ~unknown & (recoded["avant"] == "artif") & (recoded["apres"] == "non artif"),
        "stays_artif_ha": ~unknown & (recoded["avant"] == "artif") & (recoded["apres"] == "artif"),
        "stays_non_artif_ha": ~unknown & (recoded["avant"] == "non artif") & (recoded["apres"] == "non artif"),
        "unclassified_ha": unknown,
    }
    columns = {name: by_commune(recoded[chosen], communes).round(4) for name, chosen in parts.items()}
    table = pd.DataFrame(columns).reset_index()
    table.insert(1, "nom", communes["nom"].to_numpy())
    return table


def test_the_delivery_is_read_with_its_faults_counted(read: OcsGeRead, communes: gpd.GeoDataFrame) -> None:
    assert (len(read.frame), read.millesimes) == (5266, (2015, 2018))
    assert read.report.repaired == 3
    assert len(communes) == 17
    nulls = read.frame[["cs_avant", "us_avant", "cs_apres", "us_apres"]].isna().sum()
    assert nulls.tolist() == [4, 4, 4, 4]


def test_the_gain_and_loss_of_each_commune_are_those_published(
    recoded: pd.DataFrame, communes: gpd.GeoDataFrame
) -> None:
    published = pd.read_csv(DATA / "published_figures.csv", dtype={"commune_code": str}).set_index("commune_code")
    found = golden_of(recoded, communes).set_index("commune_code").loc[published.index]
    assert len(published) == 9
    assert (found["gain_2021_ha"] - published["gain_2015_2018_ha"]).abs().max() <= ROUNDING_HA
    assert (found["loss_2021_ha"] - published["loss_2015_2018_ha"]).abs().max() <= ROUNDING_HA


def test_a_change_polygon_is_gain_or_loss_under_the_definition_of_2021_and_never_both(recoded: pd.DataFrame) -> None:
    assert (recoded["avant_2021"] ^ recoded["apres_2021"]).all()


def test_recoded_by_the_matrix_each_commune_has_the_golden_figures(
    recoded: pd.DataFrame, communes: gpd.GeoDataFrame
) -> None:
    golden = pd.read_csv(DATA / "golden.csv", dtype={"commune_code": str})
    pd.testing.assert_frame_equal(golden_of(recoded, communes), golden, check_dtype=False, atol=2e-4, rtol=0)


def test_the_parts_of_a_commune_sum_to_its_changes(recoded: pd.DataFrame, communes: gpd.GeoDataFrame) -> None:
    table = golden_of(recoded, communes)
    of_2021 = table["gain_2021_ha"] + table["loss_2021_ha"]
    matrix = table[[name for name in table if name.endswith("_matrix_ha") or name.startswith(("stays", "uncl"))]]
    np.testing.assert_allclose(matrix.sum(axis=1), of_2021, atol=5e-4)


def test_about_219_of_350_hectares_of_gain_are_new_artificialisation(read: OcsGeRead) -> None:
    before, after = (
        pair_states(read.frame[f"cs_{name}"], read.frame[f"us_{name}"], RULES, unclassified="keep", where="Arcachon")
        for name in ("avant", "apres")
    )
    gain = read.frame["cs_apres"].str.startswith(ANTHROPISED).fillna(False)
    area_ha = read.frame.area / 10_000
    assert area_ha[gain].sum() == pytest.approx(349.74, abs=0.01)
    new = gain & (states_in_words(before) == "non artif") & (states_in_words(after) == "artif")
    assert area_ha[new].sum() == pytest.approx(219, abs=0.5)


def test_partial_and_unknown_codes_are_counted_and_never_guessed(read: OcsGeRead) -> None:
    before, after = (
        pair_states(read.frame[f"cs_{name}"], read.frame[f"us_{name}"], RULES, unclassified="keep", where="Arcachon")
        for name in ("avant", "apres")
    )
    assert {cover for cover, _ in (*before.partial, *after.partial)} == {"CS2.1.1"}
    assert (sum(before.partial.values()), sum(after.partial.values())) == (79, 134)
    assert sum(before.unclassified.values()) == 4 + 5
    assert {usage for _, usage in before.unclassified} == {"null", "INDETERMINE"}
    with pytest.raises(CodeError, match=r"9 of 5266 rows .* INDETERMINE"):
        pair_states(read.frame["cs_avant"], read.frame["us_avant"], RULES, where="Arcachon")

"""The files that maps read: the village's car park in degrees, shared borders, escaped texts, equal bytes."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely.affinity import translate
from village import CAR_PARK_M2, CODE, FIRST, LAST, NOM, SIDE

from ocsge import map_files
from ocsge.errors import CrsError
from ocsge.french import area
from ocsge.map_files import COMMUNE_BYTES, FEW_BYTES, changes_geojson, communes_geojson, polygons_geojson
from ocsge.rules import load_rules

if TYPE_CHECKING:
    from ocsge.derivation import Derivation

EPSG = 2154
LEFT, BOTTOM = 650_000, 6_350_000
"""Somewhere in the Aveyron, where a metre is about 1.3e-5 degrees."""


def features(content: bytes) -> list[dict[str, Any]]:
    """Return the features of a gzipped map file."""
    found: list[dict[str, Any]] = json.loads(gzip.decompress(content))["features"]
    return found


def map_file(derivation: Derivation, when: str, name: str, *, code: str = CODE) -> bytes:
    kind = "millesimes" if "-" in when else "millesime"
    return (derivation.version / "maps" / f"commune_code={code}" / f"{kind}={when}" / name).read_bytes()


def part(derivation: Derivation, table: str, when: str) -> gpd.GeoDataFrame:
    kind = "millesimes" if "-" in when else "millesime"
    return gpd.read_parquet(derivation.version / table / f"commune_code={CODE}" / f"{kind}={when}" / "part.parquet")


def projected(found: list[dict[str, Any]]) -> gpd.GeoSeries:
    return gpd.GeoDataFrame.from_features(found, crs=4326).geometry.to_crs(EPSG)


def square(left: float, bottom: float, side: float = 100) -> shapely.Polygon:
    return shapely.box(LEFT + left, BOTTOM + bottom, LEFT + left + side, BOTTOM + bottom + side)


def states(geometries: list[shapely.Geometry], **columns: object) -> gpd.GeoDataFrame:
    """Return polygons of grass without use that are not artificialised, unless told otherwise."""
    law = load_rules()
    count = len(geometries)
    table: dict[str, object] = {
        "id": [f"{CODE}-{LAST}-{number:06d}" for number in range(1, count + 1)],
        "code_cs": [law.couverture_codes[-1]] * count,
        "code_us": [law.usage_codes[-1]] * count,
        "artif": [False] * count,
        "crit_seuil": [False] * count,
        "area_m2": [10_000.0] * count,
    }
    return gpd.GeoDataFrame({**table, **columns}, geometry=geometries, crs=EPSG)


def test_the_car_park_is_the_only_gain_of_the_village(village_pair: Derivation) -> None:
    (gain,) = features(map_file(village_pair, f"{FIRST}-{LAST}", "changes.geojson.gz"))
    said = gain["properties"]
    assert (said["f"], said["s"]) == ("gain", "3\u202f600\u202fm²")
    labels = {entry.code: entry.label_fr for entry in load_rules().couvertures}
    assert labels[said["cs1"]] != labels[said["cs2"]]
    shape = projected([gain]).iloc[0]
    assert shape.area == pytest.approx(CAR_PARK_M2, rel=0.02)
    left, bottom, right, top = part(village_pair, "polygons", str(LAST)).total_bounds
    assert (right - left, top - bottom) == pytest.approx((SIDE, SIDE), abs=2)
    # 60 m × 60 m, 10 m from the western and southern sides
    assert shape.bounds == pytest.approx((left + 10, bottom + 10, left + 70, bottom + 70), abs=1)


def test_a_piece_of_change_has_the_id_of_its_row(village_pair: Derivation) -> None:
    rows = part(village_pair, "changes", f"{FIRST}-{LAST}")
    assert rows["id"].is_unique
    assert rows["id"].iloc[0] == f"{CODE}-{FIRST}-{LAST}-000001"
    (gain,) = features(map_file(village_pair, f"{FIRST}-{LAST}", "changes.geojson.gz"))
    assert rows.set_index("id").loc[gain["properties"]["id"], ["change", "area_m2"]].tolist() == ["gain", CAR_PARK_M2]


def test_every_polygon_is_on_the_map_with_its_id_state_codes_and_area(village_pair: Derivation) -> None:
    rows = part(village_pair, "polygons", str(LAST)).set_index("id")
    found = {
        feature["properties"]["id"]: feature["properties"]
        for feature in features(map_file(village_pair, str(LAST), "polygons.geojson.gz"))
    }
    assert set(found) == set(rows.index)
    for name, said in found.items():
        row = rows.loc[name]
        assert (said["cs"], said["us"], said["s"]) == (row["code_cs"], row["code_us"], area(row["area_m2"]))
        assert said["e"] == {(True, False): "a", (False, False): "n"}[bool(row["artif"]), bool(row["crit_seuil"])]


def test_a_map_is_in_degrees_of_longitude_then_latitude(village_pair: Derivation) -> None:
    found = features(map_file(village_pair, str(LAST), "polygons.geojson.gz"))
    expected = part(village_pair, "polygons", str(LAST)).to_crs(4326).total_bounds
    assert gpd.GeoDataFrame.from_features(found).total_bounds == pytest.approx(expected, abs=2e-5)
    points = shapely.get_coordinates(gpd.GeoDataFrame.from_features(found).geometry)
    assert np.array_equal(points, np.round(points, 6))


def test_neighbours_still_share_their_border_once_simplified() -> None:
    wave = [(LEFT + 100 + 0.6 * np.sin(step), BOTTOM + step) for step in range(101)]
    west = shapely.Polygon([(LEFT, BOTTOM), *wave, (LEFT, BOTTOM + 100)])
    east = shapely.Polygon([(LEFT + 200, BOTTOM), *wave, (LEFT + 200, BOTTOM + 100)])
    shapes = projected(features(polygons_geojson(states([west, east]), rules=load_rules())))
    assert shapely.get_num_coordinates(shapes.to_numpy()).sum() < 102
    degrees = gpd.GeoDataFrame.from_features(
        features(polygons_geojson(states([west, east]), rules=load_rules()))
    ).geometry
    assert shapely.coverage_is_valid(degrees.to_numpy())
    assert shapes.area.sum() == pytest.approx(20_000, rel=1e-3)


@pytest.mark.parametrize(
    ("artif", "threshold", "letter"), [(True, False, "a"), (True, True, "as"), (False, True, "ns"), (False, False, "n")]
)
def test_a_state_says_whether_a_threshold_decided_it(artif: bool, threshold: bool, letter: str) -> None:
    table = states([square(0, 0)], artif=[artif], crit_seuil=[threshold])
    (feature,) = features(polygons_geojson(table, rules=load_rules()))
    assert feature["properties"]["e"] == letter


def test_texts_are_those_of_the_data_and_cannot_leave_their_quotes() -> None:
    hostile = '<img src=x onerror="alert(1)">&\n"}'
    table = states([square(0, 0)], id=[hostile], code_cs=[hostile], code_us=[hostile])
    (feature,) = features(polygons_geojson(table, rules=load_rules()))
    assert feature["properties"]["id"] == hostile
    (commune,) = features(communes_geojson([outline(CODE, square(0, 0))], stock_of(CODE, nom=hostile), pd.DataFrame()))
    assert commune["properties"]["nom"] == hostile


def test_a_polygon_without_shape_is_left_out_and_a_table_without_crs_is_refused() -> None:
    assert len(features(polygons_geojson(states([square(0, 0), None]), rules=load_rules()))) == 1
    assert features(polygons_geojson(states([]), rules=load_rules())) == []
    with pytest.raises(CrsError, match="coordinate reference system"):
        polygons_geojson(states([square(0, 0)]).set_crs(None, allow_override=True), rules=load_rules())


def test_without_change_the_file_holds_no_feature(village_still: Derivation) -> None:
    assert features(map_file(village_still, f"{FIRST}-{LAST}", "changes.geojson.gz")) == []


def test_what_lost_its_artificialisation_is_a_loss_and_the_rest_is_left_out() -> None:
    law = load_rules()
    rows = states([square(0, 0), square(100, 0), square(200, 0)], change=["loss", "none", "gain"])
    codes = {f"code_{kind}_{when}": rows[f"code_{kind}"] for kind in ("cs", "us") for when in (1, 2)}
    found = features(changes_geojson(rows.assign(**codes), rules=law))
    assert [feature["properties"]["f"] for feature in found] == ["perte", "gain"]
    assert set(found[0]["properties"]) == {"id", "f", "cs1", "us1", "cs2", "us2", "l1", "u1", "l2", "u2", "s"}


def test_equal_tables_give_equal_bytes(village_pair: Derivation) -> None:
    rows = part(village_pair, "polygons", str(LAST))
    content = map_file(village_pair, str(LAST), "polygons.geojson.gz")
    assert polygons_geojson(rows, rules=load_rules()) == content
    assert content[4:8] == bytes(4)  # no date in the header of gzip


def outline(code: str, shape: shapely.Geometry, *, epsg: int = EPSG) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"commune_code": [code]}, geometry=[shape], crs=epsg)


def stock_of(*codes: str, nom: str | None = NOM, stock_ha: float = 25, surface_ha: float = 100) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "commune_code": codes,
            "nom": nom,
            "millesime": LAST,
            "stock_ha": stock_ha,
            "part_pct": 100 * stock_ha / surface_ha,
        }
    )


def flow_of(*codes: str, net_ha: float = -3, surface_ha: float = 1500) -> pd.DataFrame:
    years = {"millesime_1": FIRST, "millesime_2": LAST}
    return pd.DataFrame(
        {"commune_code": codes, **years, "net_ha": net_ha, "net_ha_an": net_ha / 3, "surface_ha": surface_ha}
    )


def test_a_commune_has_the_figures_a_map_colours_it_by() -> None:
    (feature,) = features(communes_geojson([outline(CODE, square(0, 0))], stock_of(CODE), flow_of(CODE)))
    said = feature["properties"]
    # 3 ha less in 3 years: 1 ha a year of 1 500 ha of territory, that is 0.6667 of 1 000
    assert {name: said[name] for name in ("code", "nom", "m", "stock", "part", "p", "net", "net_an", "pour_mille")} == {
        "code": CODE,
        "nom": NOM,
        "m": LAST,
        "stock": 25,
        "part": 25,
        "p": f"{FIRST}-{LAST}",
        "net": -3,
        "net_an": -1,
        "pour_mille": -0.6667,
    }
    assert [said["t"], said["f"]] == [
        "2022\u202f: 25,0\u202fha artificialisés (25,0\u202f%)",
        "Solde 2019–2022\u202f: −3,0\u202fha, soit −1,00\u202fha par an",
    ]


def test_what_is_not_known_of_a_commune_is_null() -> None:
    unknown = stock_of(CODE, nom=None, stock_ha=np.nan)
    (feature,) = features(communes_geojson([outline(CODE, square(0, 0))], unknown, pd.DataFrame()))
    said = feature["properties"]
    assert [said[name] for name in ("nom", "stock", "part", "p", "net", "net_an", "pour_mille")] == [CODE, *[None] * 6]
    assert (said["t"], said["f"]) == ("2022\u202f: sans donnée", "")


def test_a_commune_without_measured_ground_has_no_rate() -> None:
    (feature,) = features(communes_geojson([outline(CODE, square(0, 0))], stock_of(CODE), flow_of(CODE, surface_ha=0)))
    assert feature["properties"]["pour_mille"] is None


def test_communes_of_several_systems_stand_on_one_map_each_once() -> None:
    reunion = outline("97401", shapely.box(340_000, 7_640_000, 341_000, 7_641_000), epsg=2975)
    twice = outline(CODE, square(0, 0))
    found = features(communes_geojson([twice, reunion, twice], stock_of(CODE, "97401"), pd.DataFrame()))
    by_code = {feature["properties"]["code"]: shapely.geometry.shape(feature["geometry"]) for feature in found}
    assert len(found) == 2
    assert by_code["97401"].centroid.y < 0 < by_code[CODE].centroid.y


def star(points: int = 20_000) -> shapely.Polygon:
    """Return an outline of many points."""
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radius = 5_000 + 400 * np.sin(40 * turn) + 100 * np.sin(900 * turn)
    return shapely.Polygon(np.column_stack([LEFT + radius * np.cos(turn), BOTTOM + radius * np.sin(turn)]))


def bytes_of(drawn: list[dict[str, Any]]) -> int:
    return sum(len(json.dumps(feature["geometry"], separators=(",", ":"))) for feature in drawn)


def test_one_outline_stays_close_to_its_polygons() -> None:
    whole = star()
    drawn = features(communes_geojson([outline(CODE, whole)], stock_of(CODE), pd.DataFrame()))
    assert COMMUNE_BYTES < bytes_of(drawn) <= FEW_BYTES
    # each of the 900 small waves is there: the area differs by less than a strip of a metre along the outline
    assert projected(drawn).iloc[0].symmetric_difference(whole).area < whole.length


def test_outlines_of_many_points_lose_as_many_as_it_takes_together() -> None:
    codes = [f"{12_001 + k}" for k in range(120)]
    stars = [outline(code, translate(star(2_000), 12_000 * k)) for k, code in enumerate(codes)]
    drawn = features(communes_geojson(stars, stock_of(*codes), pd.DataFrame()))
    assert COMMUNE_BYTES * len(codes) > FEW_BYTES
    assert bytes_of(drawn) <= COMMUNE_BYTES * len(codes)
    assert projected(drawn[:1]).iloc[0].area == pytest.approx(star(2_000).area, rel=0.1)


def test_the_map_of_communes_names_the_commune_of_the_version(village_alone: Derivation) -> None:
    (feature,) = features((village_alone.version / "communes.geojson.gz").read_bytes())
    row = village_alone.stock.iloc[0]
    assert feature["properties"]["stock"] == pytest.approx(row["stock_ha"], abs=1e-4)
    assert feature["properties"]["p"] is None
    assert projected([feature]).iloc[0].area == pytest.approx(SIDE**2, rel=0.02)


def test_polygons_of_very_many_points_lose_as_many_as_it_takes_and_still_share_their_borders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = star(4_000)
    halves = [whole.intersection(shapely.box(LEFT - 9e3, BOTTOM - 9e3, LEFT, BOTTOM + 9e3))]
    halves.append(whole.difference(halves[0]))
    table, law = states(halves), load_rules()
    points = len(shapely.get_coordinates(projected(features(polygons_geojson(table, rules=law)))))
    monkeypatch.setattr(map_files, "MOST_POINTS", points // 3)
    lighter = projected(features(polygons_geojson(table, rules=law)))
    assert len(shapely.get_coordinates(lighter)) <= points // 3
    assert lighter.iloc[0].intersection(lighter.iloc[1]).area < 1.0, "neighbours neither overlap nor part"
    assert lighter.union_all().area == pytest.approx(whole.area, rel=0.02)

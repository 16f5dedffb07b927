"""Cases a planner can read: ``tests/rules/*.yaml`` describe a small scene and what it must become.

A scene is a square in metres from its south-west corner. Layers are painted and classes read by the real stages, at
1 m: covers and usages → built ground → zone construite → minimum areas → composition → matrix → thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
import yaml
from engine_scenes import pieces_of_core

from ocsge.artificialise import artificialise
from ocsge.covers import cover_shapes
from ocsge.domain import Domain
from ocsge.engine import engine_of
from ocsge.grid import Grid, Window
from ocsge.partition import partition
from ocsge.regions.burn import burn
from ocsge.regions.pieces import stitched
from ocsge.regions.runs import Runs, runs_of_strips
from ocsge.regions.shapes import Channel, Shapes
from ocsge.regions.sweep import painted_runs
from ocsge.regions.windows import built_ground
from ocsge.regions.zone import built_cells, metre_window, zone_construite
from ocsge.rules import load_rules
from ocsge.tables import REASON_MARKERS
from ocsge.usage import usage_shapes

if TYPE_CHECKING:
    import pandas as pd

RULES = load_rules()
GRID = Grid(epsg=2154, pixels_per_m=1)
NUMBERING = "flair_inc_mask"
"""A numbering system that holds every class of the cases."""
FILES = sorted((Path(__file__).parent / "rules").glob("*.yaml"))

COLUMNS = MappingProxyType(
    {
        "bd_topo:batiment": {"nature": "Indifférenciée", "usage_1": "Indifférencié", "etat_de_l_objet": "En service"},
        "bd_topo:troncon_de_route": {
            "nature": "Route à 1 chaussée",
            "importance": "4",
            "largeur_de_chaussee": np.nan,
            "fictif": False,
            "position_par_rapport_au_sol": 0,
            "etat_de_l_objet": "En service",
        },
        "bd_topo:troncon_de_voie_ferree": {
            "nature": "Voie ferrée principale",
            "nombre_de_voies": np.nan,
            "position_par_rapport_au_sol": 0,
            "etat_de_l_objet": "En service",
        },
        "bd_topo:zone_d_activite_ou_d_interet": {
            "categorie": "",
            "nature": "",
            "nature_detaillee": "",
            "fictif": False,
        },
        "bd_topo:surface_hydrographique": {
            "nature": "Lac",
            "persistance": "Permanent",
            "position_par_rapport_au_sol": 0,
        },
        "rpg:parcelles_graphiques": {"code_cultu": "", "code_group": ""},
    }
)
"""Attributes that a case may leave out, by layer."""
KINDS = MappingProxyType(
    {
        "matrice": "matrix",
        "enclave gagnée": "threshold_case_1",
        "enclave perdue": "threshold_case_2",
        "bâti conservé": "threshold_case_3",
    }
)
"""Why a surface has its state, in the words of the cases and in those of the tables."""
YES_NO = MappingProxyType({True: "oui", False: "non"})


@dataclass(frozen=True)
class Case:
    """One scene and what is expected of it."""

    titre: str
    cote: int
    fond: str | None
    classes: list[dict[str, Any]]
    couches: list[dict[str, Any]]
    zone: list[float] | None
    attendu: list[dict[str, Any]]

    @classmethod
    def of(cls, case: dict[str, Any]) -> Case:
        known = {"titre", "source", "cote", "fond", "classes", "couches", "zone_construite", "attendu"}
        assert set(case) <= known, f"{case['titre']}: {set(case) - known}"
        assert case["source"], "a case says where its rule comes from"
        return cls(
            titre=case["titre"],
            cote=case.get("cote", 200),
            fond=case.get("fond"),
            classes=case.get("classes", []),
            couches=case.get("couches", []),
            zone=case.get("zone_construite"),
            attendu=case["attendu"],
        )


def cases() -> list[Any]:
    return [
        pytest.param(Case.of(case), id=f"{path.stem}: {case['titre']}")
        for path in FILES
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def ground_of(case: Case) -> Domain:
    square = shapely.box(0, 0, case.cote, case.cote)
    units = np.array([square], dtype=object)
    return Domain(
        grid=GRID,
        window=Window(row=-case.cote, col=0, height=case.cote, width=case.cote),
        territory=square,
        context=square,
        unit_codes=("12001",),
        unit_geometries=units,
        in_territory=np.array([True]),
        communes=gpd.GeoDataFrame({"commune_code": ["12001"]}, geometry=[square], crs=2154),
        perimetre=None,
    )


def layers_of(case: Case) -> dict[str, gpd.GeoDataFrame]:
    """Return the layers of a case; ``rectangle`` is xmin, ymin, xmax, ymax and ``axe`` a list of points."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for item in case.couches:
        layer = item["couche"]
        known = COLUMNS.get(layer, {})
        given = item.get("attributs", {})
        assert layer not in COLUMNS or set(given) <= set(known), f"{case.titre}: {given}"
        shape = shapely.LineString(item["axe"]) if "axe" in item else shapely.box(*item["rectangle"])
        rows.setdefault(layer, []).append({**known, **given, "geometry": shape})
    return {layer: gpd.GeoDataFrame(found, geometry="geometry", crs=2154) for layer, found in rows.items()}


def classes_of(case: Case) -> Runs | None:
    """Return the class runs of a case; without a ``fond`` there is no raster."""
    if case.fond is None:
        return None
    numbers = {c.name: c.numbers[NUMBERING] for c in RULES.cosia_classes}
    values = np.full((case.cote, case.cote), numbers[case.fond], dtype=np.uint8)
    for item in case.classes:
        xmin, ymin, xmax, ymax = item["rectangle"]
        values[case.cote - ymax : case.cote - ymin, xmin:xmax] = numbers[item["classe"]]
    return runs_of_strips([values], width=case.cote)


def zone_of(case: Case, built: Runs, domain: Domain, engine: Any) -> Runs:
    window = domain.window
    if case.zone is None:
        return zone_construite(built_cells(built, window=window, pixels_per_m=1), engine.zone)
    official = Shapes.from_geometries(
        np.array([shapely.box(*case.zone)], dtype=object), channel=Channel.ZONE, values=np.ones(1, dtype=np.uint16)
    )
    return painted_runs(burn(official, grid=GRID, window=window), channel=Channel.ZONE, width=window.width, unpainted=0)


def derived(case: Case) -> gpd.GeoDataFrame:
    """Return the decided polygons of a case."""
    domain, layers, classes = ground_of(case), layers_of(case), classes_of(case)
    window = domain.window
    engine = engine_of(RULES, GRID, numbering=NUMBERING if case.fond else None)
    shapes = Shapes.concatenated([domain.shapes(), cover_shapes(layers, RULES), usage_shapes(layers, RULES)])
    built = built_ground(classes, shapes, grid=GRID, window=window, core=window, engine=engine.windows)
    merged = pieces_of_core(
        classes,
        built,
        zone_of(case, built, domain, engine),
        shapes,
        grid=GRID,
        window=window,
        core=window,
        whole=window,
        zone_window=metre_window(window, 1),
        territory=np.array([False, True]),
        engine=engine.windows,
    )
    pieces = stitched([(window, merged.pieces)], window=window)
    part = partition(pieces, domain=domain, rules=RULES, composition=engine.composition)
    polygons = part.polygons
    # the square goes on all around in the mind of the reader: its edge is no edge of the analysis
    polygons["at_edge"] = False
    return gpd.GeoDataFrame(artificialise(polygons, part.adjacency, RULES), crs=2154)


def kind_of(row: pd.Series) -> str:
    return next((kind for kind, marker in REASON_MARKERS.items() if marker in row["reason"]), "matrix")


@pytest.mark.parametrize("case", cases())
def test_a_scene_becomes_what_its_case_says(case: Case) -> None:
    found = derived(case)
    assert found["area_m2"].sum() == case.cote**2
    for expected in case.attendu:
        rows = found[found.intersects(shapely.Point(expected["point"]))]
        assert len(rows) == 1, f"{expected['point']}: choose a point inside one polygon"
        row = rows.iloc[0]
        got = {
            "code_cs": row["code_cs"],
            "code_us": row["code_us"],
            "artificialise": YES_NO[bool(row["artif"])],
            "motif": next(french for french, kind in KINDS.items() if kind == kind_of(row)),
            "impermeable": YES_NO[bool(row["impermeable"])],
            "surface_m2": row["area_m2"],
            "categorie": str(row["decree_category"]),
            "exemption": row["exemption"] or "aucune",
            "ossature": YES_NO[bool(row["ossature"])],
        }
        wanted = {key: value for key, value in expected.items() if key != "point"}
        assert set(wanted) >= {"code_cs", "code_us", "artificialise", "motif"}
        assert {key: got[key] for key in wanted} == wanted, f"{expected['point']}: {row['reason']}"


def test_there_are_enough_cases_and_their_titles_are_all_different() -> None:
    titles = [param.id for param in cases()]
    assert len(titles) == len(set(titles)) >= 20

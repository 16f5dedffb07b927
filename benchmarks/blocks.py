"""The kinds of blocks of a benchmark scene: houses, dense centre, activity, park and equipment, fields,
wood, scrub."""

from __future__ import annotations

import math

import numpy as np
import shapely

from benchmarks.landscape import (
    BARE,
    BROADLEAF,
    BUILDING,
    CONIFER,
    CROPS,
    CROWN,
    FIELD,
    GREENHOUSE,
    GROUND,
    LAWN,
    LOOSE,
    PATCH,
    POOL,
    SEALED,
    SHRUB,
    STREAM,
    WATER,
    YARD,
    Block,
    Ground,
    Objects,
    Shape,
    add_water,
    corner,
    draw_building,
    shifted,
    turned,
)

HOUSES, CENTRE, ACTIVITY, EQUIPMENT = range(4)
URBAN_SHARES = (0.46, 0.22, 0.25, 0.07)
FIELDS, WOOD, SCRUB = range(3)
RURAL_SHARES = (0.72, 0.16, 0.12)


def draw_block(ground: Ground, i: int, j: int, out: Objects) -> None:
    """Draw the block whose south-west corner is (i, j)."""
    corners = np.array([corner(ground, *at) for at in ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))])
    block = Block(ground, corners, ground.stream(3, i, j))
    # kinds follow a low-discrepancy sequence within each half, so that small scenes hold the same mix as
    # large ones
    urban = ground.urban(i, j)
    place = sum(ground.urban(k, j) == urban for k in range(i))
    rank = (0.5 + place * 0.6180339887 + j * 0.7548776662 + ground.seed * 0.318) % 1.0
    if urban:
        kind = int(np.searchsorted(np.cumsum(URBAN_SHARES), rank))
        (_draw_houses, _draw_centre, _draw_activity, _draw_equipment)[min(kind, EQUIPMENT)](block, out)
    else:
        kind = int(np.searchsorted(np.cumsum(RURAL_SHARES), rank))
        (_draw_fields, _draw_wood, _draw_scrub)[min(kind, SCRUB)](block, out)


def _trees(block: Block, out: Objects, at: Shape, *, count: int, spread: float, radius: float) -> None:
    rng = block.rng
    for _ in range(count):
        cover = BROADLEAF if rng.random() < 0.86 else (CONIFER if rng.random() < 0.25 else SHRUB)
        size = radius * rng.uniform(0.5, 1.5) * (0.5 if cover == SHRUB else 1.0)
        where = (at[0] + rng.normal(0, spread), at[1] + rng.normal(0, spread))
        out.ellipse(CROWN, cover, where, size, rng.uniform(0.6, 1.0), rng.uniform(0, math.pi))


def _draw_street(block: Block, out: Objects, u: float) -> None:
    rng, line = block.rng, np.array([block.at(u, 0.0), block.at(u, 0.5), block.at(u, 1.0)])
    out.band(YARD, SEALED, line, 4.4)
    out.add(
        "troncon_de_route",
        shapely.LineString(np.round(line, 2)),
        nature="Route à 1 chaussée",
        importance="5",
        largeur_de_chaussee=None if rng.random() < 0.5 else float(rng.choice([4.0, 5.0, 6.0])),
        nombre_de_voies=1,
        position_par_rapport_au_sol="0",
        fictif=False,
    )


def _draw_houses(block: Block, out: Objects) -> None:
    out.quad(GROUND, LAWN, block.corners)
    width, height = block.size
    for street in (0.25, 0.75):
        _draw_street(block, out, street)
    lots = max(1, int(height / 27))
    for u, side in ((0.25, 1.0), (0.25, -1.0), (0.75, 1.0), (0.75, -1.0)):
        along = block.along(u)
        for lot in range(lots):
            _draw_lot(block, out, block.at(u, (lot + 0.5) / lots), along, side, height / lots, width / 4)


def _draw_lot(block: Block, out: Objects, street: Shape, along: Shape, side: float, front: float, depth: float) -> None:
    """Draw one plot: house, drive, terrace, shed, pool, kitchen garden, hedge and trees."""
    rng = block.rng
    if rng.random() < 0.05:
        return
    setback = min(rng.normal(15, 2), depth * 0.5)
    at = shifted(street, along, rng.normal(0, 1.5), side * setback)
    length, width = min(rng.uniform(10, 21), front * 0.75), rng.uniform(8.5, 13.5)
    direction = turned(along, rng.normal(0, 0.07))
    usage = str(rng.choice(["Résidentiel", "Indifférencié", "Commercial et services"], p=[0.66, 0.30, 0.04]))
    wing = 1.0 if rng.random() < 0.3 and length * width < 200 else 0.0
    draw_building(out, block, at, direction, length=length, width=width, usage=usage, wing=wing)
    drive = shifted(street, along, length * 0.35, side * setback * 0.5)
    out.rectangle(YARD, SEALED if rng.random() < 0.8 else LOOSE, drive, along, rng.uniform(4, 11), setback)
    if rng.random() < 0.6:
        court = shifted(street, along, -length * 0.3, side * 9)
        out.rectangle(PATCH, SEALED if rng.random() < 0.7 else LOOSE, court, direction, 15, 11)
    if rng.random() < 0.8:
        terrace = shifted(at, along, rng.normal(0, 3), side * (width * 0.5 + 2))
        out.rectangle(YARD, SEALED if rng.random() < 0.6 else LOOSE, terrace, along, rng.uniform(7, 15), 7)
    back = shifted(at, along, rng.uniform(-0.3, 0.3) * front, side * min(depth - setback - 4, 17))
    if rng.random() < 0.62:
        draw_building(
            out,
            block,
            back,
            direction,
            length=rng.uniform(5, 8.3),
            width=rng.uniform(4, 6),
            usage=str(rng.choice(["Annexe", "Indifférencié"])),
        )
    if rng.random() < 0.27:
        pool = shifted(back, along, 9, side * -4)
        out.rectangle(PATCH, SEALED, pool, direction, 11, 7)
        out.rectangle(YARD, POOL, pool, direction, rng.uniform(7, 10), rng.uniform(3.5, 5))
    if rng.random() < 0.45:
        garden = shifted(at, along, rng.normal(0, 8), side * rng.uniform(10, 24))
        out.ellipse(PATCH, LOOSE if rng.random() < 0.9 else BARE, garden, rng.uniform(4, 10), 0.7, rng.uniform(0, 3))
    if rng.random() < 0.5:
        hedge = shifted(street, along, front / 2, side * depth * 0.6)
        out.rectangle(CROWN, BROADLEAF if rng.random() < 0.6 else SHRUB, hedge, along, 2.2, depth * 0.7)
    _trees(block, out, back, count=int(rng.integers(3, 9)), spread=8, radius=3.9)
    if rng.random() < 0.3:
        thicket = shifted(at, along, rng.normal(0, 10), side * rng.uniform(14, 26))
        out.ellipse(CROWN, BROADLEAF, thicket, rng.uniform(5, 10), 0.6, rng.uniform(0, 3))


def _draw_centre(block: Block, out: Objects) -> None:
    rng = block.rng
    out.quad(GROUND, (SEALED, LOOSE, LAWN)[int(rng.choice(3, p=[0.66, 0.30, 0.04]))], block.corners)
    width, height = block.size
    _draw_street(block, out, 0.5)
    rows = max(1, int(height / 26))
    for u in (0.13, 0.37, 0.63, 0.87):
        along = block.along(u)
        for row in range(rows):
            at = shifted(block.at(u, (row + 0.5) / rows), along, rng.normal(0, 2), rng.normal(0, 2))
            if rng.random() < 0.16:
                out.ellipse(PATCH, LAWN, at, rng.uniform(10, 20), 0.8, rng.uniform(0, 3))
                _trees(block, out, at, count=6, spread=8, radius=3)
                continue
            usage = str(
                rng.choice(
                    ["Résidentiel", "Indifférencié", "Commercial et services", "Religieux"],
                    p=[0.6, 0.2, 0.18, 0.02],
                )
            )
            length, depth = rng.uniform(0.6, 0.97) * height / rows, rng.uniform(12, 0.12 * width + 14)
            draw_building(out, block, at, along, length=length, width=depth, usage=usage)
            if rng.random() < 0.6:
                court = shifted(at, along, rng.normal(0, 4), depth * 0.5 + rng.uniform(3, 8))
                out.ellipse(PATCH, LAWN if rng.random() < 0.6 else LOOSE, court, rng.uniform(4, 9), 0.7)
            if rng.random() < 0.5:
                _trees(block, out, shifted(at, along, 0, depth), count=5, spread=8, radius=2.8)


def _zone(block: Block, out: Objects, category: str, nature: str, detail: str | None, *, fictive: bool = False) -> None:
    out.add(
        "zone_d_activite_ou_d_interet",
        shapely.Polygon(np.round(block.part(0.05, 0.05, 0.95, 0.95), 2)),
        categorie=category,
        nature=nature,
        nature_detaillee=detail,
        fictif=fictive,
        toponyme=None,
    )


def _draw_activity(block: Block, out: Objects) -> None:
    rng = block.rng
    out.quad(GROUND, LAWN, block.corners)
    out.quad(FIELD, SEALED if rng.random() < 0.8 else LOOSE, block.part(0.05, 0.05, 0.95, 0.95))
    width, height = block.size
    industrial = rng.random() < 0.6
    if industrial:
        _zone(
            block,
            out,
            "Industriel et commercial",
            "Zone industrielle",
            "Zone artisanale",
            fictive=rng.random() < 0.2,
        )
    else:
        _zone(block, out, "Industriel et commercial", "Divers commercial", None)
    for row in range(3):
        for place in range(3):
            at = block.at((row + 0.5) / 3 + rng.normal(0, 0.01), (place + 0.5) / 3 + rng.normal(0, 0.01))
            along = turned(block.along((row + 0.5) / 3), rng.normal(0, 0.03))
            if rng.random() < 0.88:
                usage = "Industriel" if industrial else "Commercial et services"
                size = {"length": rng.uniform(0.15, 0.30) * height, "width": rng.uniform(0.13, 0.27) * width}
                draw_building(out, block, at, along, usage=usage, **size)
            verge = shifted(at, along, height / 6, rng.normal(0, width / 20))
            out.rectangle(PATCH, LAWN, verge, along, rng.uniform(4, 13), rng.uniform(0.1, 0.28) * width)
            _trees(block, out, verge, count=int(rng.integers(3, 11)), spread=width / 18, radius=2.9)
            if rng.random() < 0.35:
                out.ellipse(
                    PATCH,
                    LOOSE if rng.random() < 0.8 else BARE,
                    shifted(at, along, 5, width / 7),
                    width / 16,
                    0.6,
                )
            if rng.random() < 0.3:
                lot = out.rectangle(YARD, SEALED, shifted(at, along, -height / 7, 0), along, 22, 40)
                out.add("equipement_de_transport", lot, nature="Parking", nature_detaillee=None, fictif=False)


def _draw_equipment(block: Block, out: Objects) -> None:
    """Draw a park, a school, a sport ground or a cemetery, in the middle of lawns and trees."""
    rng = block.rng
    out.quad(GROUND, LAWN, block.corners)
    width, height = block.size
    scale, along = min(width, height) / 250, block.along(0.5)
    kind = int(rng.integers(4))
    if kind == 0:
        _zone(block, out, "Culture et loisirs", "Parc", None)
        out.ellipse(PATCH, WATER, block.at(0.4, 0.4), 22 * scale, 0.6)
    elif kind == 1:
        _zone(block, out, "Science et enseignement", "Enseignement primaire", "Ecole primaire")
        out.quad(PATCH, SEALED, block.part(0.3, 0.3, 0.7, 0.7))
    elif kind == 2:
        _zone(block, out, "Sport", "Complexe sportif couvert", "Gymnase", fictive=True)
    area = out.rectangle(PATCH, LOOSE, block.at(0.75, 0.75), along, 70 * scale, 55 * scale)
    if kind == 3:
        out.add("cimetiere", area, nature="Civil", nature_detaillee=None)
    pitch = out.rectangle(YARD, LAWN, block.at(0.25, 0.6), along, 105 * scale, 68 * scale)
    court = out.rectangle(YARD, SEALED, block.at(0.2, 0.2), along, 36 * scale, 18 * scale)
    out.add("terrain_de_sport", pitch, nature="Grand terrain de sport", nature_detaillee="Terrain de football")
    out.add("terrain_de_sport", court, nature="Terrain de tennis", nature_detaillee=None)
    for v in (0.2, 0.45):
        at = block.at(0.6, v)
        usage = "Sportif" if kind == 2 else "Indifférencié"
        draw_building(
            out,
            block,
            at,
            along,
            length=rng.uniform(20, 45) * scale,
            width=rng.uniform(12, 25) * scale,
            usage=usage,
        )
    path = np.array([block.at(0.02, 0.1), block.at(0.5, 0.5), block.at(0.98, 0.9)])
    out.band(PATCH, LOOSE, path, 2.2)
    out.ellipse(CROWN, BROADLEAF, block.at(0.85, 0.3), 40 * scale, 0.7, rng.uniform(0, 3))
    for _ in range(int(18 * scale) + 2):
        _trees(block, out, block.at(rng.random(), rng.random()), count=6, spread=7, radius=3.2)


def _draw_fields(block: Block, out: Objects) -> None:
    rng = block.rng
    out.quad(GROUND, LAWN, block.corners)
    across, down = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    for a in range(across):
        for b in range(down):
            u0, u1, v0, v1 = a / across, (a + 1) / across, b / down, (b + 1) / down
            inset = 0.02
            corners = block.part(u0 + inset, v0 + inset, u1 - inset, v1 - inset)
            rank = int(np.searchsorted(np.cumsum([c[3] for c in CROPS]), rng.random()))
            cover, crop, group, _ = CROPS[min(rank, len(CROPS) - 1)]
            field = out.quad(FIELD, cover, corners)
            if rng.random() < 0.88:
                out.add(
                    "parcelles_graphiques",
                    field,
                    surf_parc=round(field.area / 1e4, 2),
                    code_cultu=crop,
                    code_group=group,
                )
            if rng.random() < 0.55:
                _draw_hedge(block, out, u1, v0, v1)
    if rng.random() < 0.35:
        _draw_farm(block, out)
    if rng.random() < 0.12:
        pond = block.at(rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8))
        radius = rng.uniform(8, 22)
        out.ellipse(STREAM, WATER, pond, radius, 0.7)
        disk = shapely.affinity.scale(shapely.Point(pond).buffer(radius, quad_segs=6), 1.0, 0.7)
        permanent = "Permanent" if rng.random() < 0.7 else "Intermittent"
        add_water(out, shapely.set_precision(disk, 0.01), "Réservoir-bassin", permanent)


def _draw_hedge(block: Block, out: Objects, u: float, v0: float, v1: float) -> None:
    rng, (_, height) = block.rng, block.size
    u = min(u, 0.985)
    count = max(2, int((v1 - v0) * height / 5))
    for k in range(count):
        if rng.random() < 0.85:
            _trees(block, out, block.at(u, v0 + (v1 - v0) * (k + 0.5) / count), count=1, spread=0.8, radius=3.2)
    axis = shapely.LineString([block.at(u, v0 + 0.02), block.at(u, v1 - 0.02)])
    out.add("zone_de_vegetation", shapely.set_precision(axis.buffer(3, cap_style="flat"), 0.01), nature="Haie")


def _draw_farm(block: Block, out: Objects) -> None:
    rng = block.rng
    at, along = block.at(rng.uniform(0.15, 0.3), rng.uniform(0.25, 0.75)), block.along(0.2)
    out.ellipse(PATCH, LOOSE, at, 34, 0.8, rng.uniform(0, 3))
    out.ellipse(PATCH, SEALED, shifted(at, along, 5, 4), 18, 0.7)
    for k, forward in enumerate((-22.0, 0.0, 24.0)):
        place = shifted(at, along, forward, 14 * (-1) ** k)
        draw_building(out, block, place, along, length=rng.uniform(16, 34), width=rng.uniform(10, 18), usage="Agricole")
    home = shifted(at, along, 10, -22)
    draw_building(out, block, home, along, length=15, width=9, usage="Résidentiel")
    if rng.random() < 0.3:
        out.rectangle(BUILDING, GREENHOUSE, shifted(at, along, -45, 0), along, 30, 9)
    if rng.random() < 0.15:
        out.add("reservoir", shapely.Point(home).buffer(5, quad_segs=4), nature="Château d'eau")
    _trees(block, out, home, count=8, spread=12, radius=3)


def _draw_wood(block: Block, out: Objects) -> None:
    rng = block.rng
    out.quad(GROUND, LAWN, block.corners)
    conifers = rng.random() < 0.2
    wood = out.quad(FIELD, CONIFER if conifers else BROADLEAF, block.part(0.04, 0.05, 0.96, rng.uniform(0.6, 0.96)))
    mixed = "Forêt fermée mixte" if rng.random() < 0.2 else "Forêt fermée de feuillus"
    out.add("zone_de_vegetation", wood, nature="Forêt fermée de conifères" if conifers else mixed)
    for _ in range(14):
        at = block.at(rng.random(), rng.random())
        out.ellipse(
            PATCH,
            (SHRUB, LAWN, CONIFER)[int(rng.integers(3))],
            at,
            rng.uniform(5, 18),
            0.6,
            rng.uniform(0, 3),
        )


def _draw_scrub(block: Block, out: Objects) -> None:
    rng = block.rng
    out.quad(GROUND, LAWN, block.corners)
    scrub = out.quad(FIELD, SHRUB, block.part(0.05, 0.08, 0.9, 0.75))
    out.add("zone_de_vegetation", scrub, nature="Lande ligneuse")
    for _ in range(22):
        at = block.at(rng.random(), rng.random())
        out.ellipse(
            PATCH,
            (LAWN, BROADLEAF, BARE)[int(rng.integers(3))],
            at,
            rng.uniform(5, 20),
            0.6,
            rng.uniform(0, 3),
        )
    thicket = shapely.Polygon(np.round(block.part(0.3, 0.78, 0.6, 0.95), 2))
    out.quad(FIELD, BROADLEAF, block.part(0.3, 0.78, 0.6, 0.95))
    out.add("zone_de_vegetation", thicket, nature="Bois")

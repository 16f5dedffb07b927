"""Make ``benchmarks/data/gers.geojson.gz`` from the outlines of the communes of the Gers and the list of communes.

    python tools/embed_gers.py FOLDER

``FOLDER`` holds ``communes-32-gers.geojson`` (france-geojson, edition 2018 of ADMIN EXPRESS, simplified: for maps, not
for areas) and ``etalab_communes_v6.json`` (decoupage-administratif: population). Communes that no longer exist have no
population. The result is the same byte for byte on every run.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

TARGET = Path(__file__).parents[1] / "benchmarks" / "data" / "gers.geojson.gz"
DEPARTEMENT, REGION = "32", "76"


def features_of(folder: Path) -> list[dict[str, object]]:
    """Return one GeoJSON feature a commune, by code: code, name, population (null when unknown), outline."""
    outlines = json.loads((folder / "communes-32-gers.geojson").read_text(encoding="utf-8"))["features"]
    listed = json.loads((folder / "etalab_communes_v6.json").read_text(encoding="utf-8"))
    population = {
        row["code"]: row.get("population")
        for row in listed
        if row.get("departement") == DEPARTEMENT and row["type"] == "commune-actuelle"
    }
    rows = []
    for feature in sorted(outlines, key=lambda one: one["properties"]["code"]):
        code, nom = feature["properties"]["code"], feature["properties"]["nom"]
        known = {"code": code, "nom": nom, "population": population.get(code)}
        rows.append({"type": "Feature", "properties": known, "geometry": feature["geometry"]})
    return rows


def main() -> None:
    """Write the outlines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    whole = {"type": "FeatureCollection", "features": features_of(parser.parse_args().folder)}
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    print(f"{TARGET.name}: {len(whole['features'])} communes, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

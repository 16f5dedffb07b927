"""What a result depends on and where it comes from: the key of a run, its flags, provenance and credit."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING

import shapely

from ocsge.catalog import embedded_credits, load_catalog
from ocsge.store import artefact_key, code_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import geopandas as gpd

    from ocsge.catalog import Source
    from ocsge.domain import Domain
    from ocsge.editions import Remark
    from ocsge.inputs import ClassEvidence
    from ocsge.layers import ReadReport
    from ocsge.rules import Rules
    from ocsge.windowed_run import Found

NATIVE_RESOLUTION_M = 0.2
"""Pixel of CoSIA and of BD ORTHO; a coarser grid is a preview."""


def run_key(
    domain: Domain,
    sources: Sequence[Source],
    classes: ClassEvidence | None,
    rules: Rules,
    *,
    millesime: int,
    invalid: str,
    assume_crs: int | None,
    corrections: gpd.GeoDataFrame,
) -> str:
    """Return what the result depends on, as one key: data, rules, territory, grid, corrections; not tiling nor jobs."""
    said = corrections[["id", "code_cs", "code_us", "author", "date", "reason"]].to_numpy(object).tolist()
    ground = [hashlib.sha256(wkb).hexdigest() for wkb in shapely.to_wkb(corrections.geometry.values)]
    return artefact_key(
        rules=rules.fingerprint,
        sources=sorted(
            [source.layer, source.sha256, source.layer_name or "", source.edition or ""] for source in sources
        ),
        classes=None
        if classes is None
        else [classes.numbering, list(classes.sha256), classes.confusion_sha256, *_probability_sha256(classes)],
        resampled=classes is not None and any(tile.resampled for tile in classes.tiles),
        extent=extent_digest(domain),
        units=list(domain.unit_codes),
        territory=[bool(inside) for inside in domain.in_territory],
        grid=asdict(domain.grid),
        millesime=millesime,
        invalid=invalid,
        assume_crs=assume_crs,
        corrections=[[*texts, digest] for texts, digest in zip(said, ground, strict=True)],
    )


def run_flags(
    domain: Domain, classes: ClassEvidence | None, remarks: Sequence[Remark], *, official_zone: bool, anchored: bool
) -> list[str]:
    """Return what a reader of the stock must know of the whole run."""
    flags = []
    if domain.grid.resolution_m > NATIVE_RESOLUTION_M:
        flags.append("preview")
    if classes is None:
        flags.append("default_cover")
    if not official_zone:
        flags.append("derived_zone_construite")
    if anchored:
        flags.append("anchored")
    return [*flags, *dict.fromkeys(remark.flag for remark in remarks)]


def provenance_of(
    domain: Domain,
    rules: Rules,
    key: str,
    found: Found,
    sources: Sequence[Source],
    classes: ClassEvidence | None,
    remarks: Sequence[Remark],
    *,
    millesime: int,
    flags: Sequence[str],
    corrections: Sequence[dict[str, object]],
    no_interval: Mapping[str, str],
) -> dict[str, object]:
    """Return what a result was made from, as JSON values without time nor place: equal runs give equal bytes.

    ``no_interval`` says of each commune why its stock has no interval, "" when it has one.
    """
    reports = [*domain.reports, *(classes.reports if classes else ()), *found.inputs.reports]
    return {
        "key": key,
        "code_version": code_version(),
        "rules": described_rules(rules),
        "millesime": millesime,
        "communes": list(domain.communes["commune_code"]),
        "perimetre": domain.perimetre,
        "grid": asdict(domain.grid),
        "zone_construite": "official" if found.official_zone else "derived",
        "classes": None
        if classes is None
        else {
            "numbering": classes.numbering,
            "model": classes.model or None,
            "files": [tile.path.name for tile in classes.tiles],
            "sha256": list(classes.sha256),
            "confusion": None
            if classes.confusion is None
            else {
                "source": classes.confusion.source,
                "sha256": classes.confusion_sha256,
                "strata": "class and probability" if classes.levels else "class",
                **({"probability_sha256": _probability_sha256(classes)} if classes.levels else {}),
            },
        },
        "default_cover": rules.default_cover_code if classes is None else None,
        "sources": described_sources(sources),
        "layers": [described_report(report) for report in reports],
        "corrections": list(corrections),
        "no_interval": dict(no_interval),
        "flags": list(flags),
        "warnings": [
            *(classes.warnings if classes else ()),
            *losses_of(reports),
            *(remark.text for remark in remarks),
        ],
    }


def _probability_sha256(classes: ClassEvidence) -> list[str]:
    return [] if classes.levels is None else list(classes.levels.sha256)


def extent_digest(domain: Domain) -> str:
    """Return the sha256 of the ground of a run and of its units."""
    return hashlib.sha256(b"".join(shapely.to_wkb([domain.context, *domain.unit_geometries]))).hexdigest()


def described_rules(rules: Rules) -> dict[str, str]:
    """Return the fingerprint of rules as JSON values, and their date when one was chosen.

    The day of the run is left out: the same rows of another day give the same bytes.
    """
    return {"fingerprint": rules.fingerprint, **({"at": rules.at.isoformat()} if rules.at_chosen else {})}


def described_sources(sources: Sequence[Source]) -> list[dict[str, object]]:
    """Return sources as JSON values, without their folders: a result does not depend on where data lies."""
    return [
        {
            "layer": source.layer,
            "file": source.path.name,
            "product": source.product,
            "edition": source.edition,
            "sha256": source.sha256,
        }
        for source in sources
    ]


def described_report(report: ReadReport) -> dict[str, object]:
    """Return a reading report as JSON values, without the folders of the files."""
    row = report.as_dict()
    del row["sources"]
    return {**row, "files": [source.path.name for source in report.sources]}


def losses_of(reports: Iterable[ReadReport]) -> tuple[str, ...]:
    """Return what reading lost, one line a layer, each once."""
    return tuple(dict.fromkeys(text for report in reports for text in report.warnings()))


def credit_of(sources: Sequence[Source], classes: ClassEvidence | None) -> str:
    """Return the credit line of the sources and of the class raster or polygons: each product once, with editions.

    A shipped file that was generated, and a class raster that names its model, are no product of IGN and do not say so.
    """
    credits_ = {product.product: product.credit for product in load_catalog().products}
    generated = embedded_credits()
    editions: dict[str, set[str]] = {}
    for source in sources:
        if source.sha256 in generated:
            editions.setdefault(generated[source.sha256], set())
        elif source.product in credits_:
            editions.setdefault(credits_[source.product], set()).update(filter(None, [source.edition]))
    if classes is not None and classes.model:
        editions.setdefault(f"Classes du sol : modèle {classes.model}", set())
    elif classes is not None:
        editions.setdefault(credits_["cosia_raster" if classes.tiles else "cosia_vector"], set())
    return " ; ".join(
        f"{credit} (édition {', '.join(sorted(dates))})" if dates else credit for credit, dates in editions.items()
    )

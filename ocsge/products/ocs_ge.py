"""Read the OCS GE products of IGN, however they are delivered: folder, GeoPackage, shapefile or archive.

Names, fields and spellings are those of the catalogue; this module says which layer each product is, which columns hold
its codes, and of which millésime a delivery is: its name, its fields and its column ``millesime`` must agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from pyproj import CRS
from pyproj.exceptions import ProjError

from ocsge.archives import unpacked
from ocsge.catalog import Source, recognise
from ocsge.delivery_names import Delivery, delivery_of_path
from ocsge.errors import CatalogError, CrsError, DataError, LayerError
from ocsge.layers import ReadReport, read_layer
from ocsge.vector_files import probe_vector_layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import geopandas as gpd

    from ocsge.geometry_repair import Invalid
    from ocsge.layers import Bounds

_YEAR_IN_FIELD = re.compile(r"^(?:cs|us|artif)_(\d{4})$", re.IGNORECASE)
_YEAR_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d{2})(?!\d)")


@dataclass(frozen=True, slots=True)
class OcsGeProduct:
    """One product and how its columns are read."""

    layer: str
    """Canonical layer of the catalogue."""

    codes: tuple[tuple[str, str], ...]
    """Columns of cover and usage, one pair a state; none for a product without codes."""

    years: int
    """Number of millésimes its rows speak of."""


PRODUCTS: Mapping[str, OcsGeProduct] = MappingProxyType(
    {
        "occupation": OcsGeProduct("ocs_ge:occupation", (("code_cs", "code_us"),), 1),
        "zone_construite": OcsGeProduct("ocs_ge:zone_construite", (), 1),
        "difference": OcsGeProduct("ocs_ge:difference", (("cs_avant", "us_avant"), ("cs_apres", "us_apres")), 2),
        "artificialisation": OcsGeProduct("ocs_ge:artificialisation", (("code_cs", "code_us"),), 1),
        "artificialisation_difference": OcsGeProduct(
            "ocs_ge:artificialisation_difference", (("cs_avant", "us_avant"), ("cs_apres", "us_apres")), 2
        ),
        "patch": OcsGeProduct("ocs_ge:patch", (("cs_corr", "us_corr"),), 1),
    }
)
"""OCS GE products by name."""


@dataclass(frozen=True, slots=True)
class OcsGeRead:
    """A product as the stages take it, with what its delivery says of itself."""

    product: str
    """Name in :data:`PRODUCTS`."""

    frame: gpd.GeoDataFrame
    """Canonical columns of the catalogue and ``geometry`` (2D, valid); a null is unknown."""

    report: ReadReport
    """What reading met and did."""

    millesimes: tuple[int, ...]
    """Year of the state, or the two years compared, growing; empty when nothing tells."""

    delivery: Delivery | None
    """What the name of the archive or folder says; null when it is no name of the catalogue."""


def read_ocs_ge(
    path: Path,
    product: str | Sequence[str],
    *,
    millesimes: Sequence[int] | None = None,
    epsg: int | None = None,
    bounds: Bounds | None = None,
    invalid: Invalid = "repair",
    encoding: str | None = None,
    assume_crs: int | str | None = None,
) -> OcsGeRead:
    """Return the features of an OCS GE product, with its millésimes; areas are those of its CRS.

    A difference holds changes only: it is no state, and its rows do not cover a territory.

    Parameters
    ----------
    path
        File, folder searched with its subfolders, or archive (``.7z``, ``.zip``).
    product
        Name in :data:`PRODUCTS`; of several names, the first that the place holds.
    millesimes
        Years to take when the place holds several deliveries of the product; null takes the only ones there.
    epsg
        CRS to read into; null takes the one of the delivery.
    bounds
        xmin, ymin, xmax, ymax in ``epsg``; null reads everything.
    invalid, encoding, assume_crs
        As :func:`ocsge.layers.read_layer`.

    Raises
    ------
    CatalogError, LayerError
        When the product is not there, or a file has its name and not its fields; the fields found are listed.
    DataError
        When the years of the name, the fields and the rows disagree, or a value of ``artificialisation`` is no
        change.
    CrsError, GeometryError
        As ``read_layer``.
    """
    wanted = (product,) if isinstance(product, str) else tuple(product)
    with unpacked(path) as place:
        name, sources = _sources(place, wanted, given=path)
        read = read_ocs_ge_sources(
            sources,
            name,
            millesimes=millesimes,
            epsg=epsg,
            bounds=bounds,
            invalid=invalid,
            encoding=encoding,
            assume_crs=assume_crs,
        )
        shown = tuple(_as_given(source, place, path) for source in read.report.sources)
    return replace(read, report=replace(read.report, sources=shown))


def read_ocs_ge_sources(
    sources: Sequence[Source],
    product: str,
    *,
    millesimes: Sequence[int] | None = None,
    epsg: int | None = None,
    bounds: Bounds | None = None,
    invalid: Invalid = "repair",
    encoding: str | None = None,
    assume_crs: int | str | None = None,
) -> OcsGeRead:
    """Return the features of an OCS GE product from recognised sources, those of a workspace for instance.

    Parameters
    ----------
    sources
        Sources of any layer, unpacked; those of the product are read.
    product, millesimes, epsg, bounds, invalid, encoding, assume_crs
        As :func:`read_ocs_ge`.

    Raises
    ------
    DataError, CrsError, GeometryError
        As :func:`read_ocs_ge`.
    """
    about = PRODUCTS[product]
    ours = [source for source in sources if source.layer == about.layer]
    if not ours:
        raise LayerError(f"no source of {about.layer}; register one with `ocsge catalog add`")
    years, chosen = _chosen(ours, about, wanted=millesimes)
    read = read_layer(
        chosen,
        about.layer,
        bounds=bounds,
        epsg=epsg if epsg is not None else _epsg_of(chosen[0], assume_crs),
        millesime=None,
        invalid=invalid,
        encoding=encoding,
        assume_crs=assume_crs,
    )
    where = chosen[0].path
    _check_values(read.frame, where=where)
    return OcsGeRead(
        product=product,
        frame=read.frame,
        report=read.report,
        millesimes=_agreed_years(read.frame, years, where=where),
        delivery=delivery_of_path(where),
    )


def _sources(place: Path, products: Sequence[str], *, given: Path) -> tuple[str, list[Source]]:
    """Return the first of the products that a place holds, and its sources."""
    try:
        found = recognise(place)
    except CatalogError:
        if not place.is_file():
            raise
        # the name of a file handed over alone need not tell what it is: its fields must
        found = recognise(place, layer=PRODUCTS[products[0]].layer)
    for product in products:
        if sources := [source for source in found if source.layer == PRODUCTS[product].layer]:
            return product, sources
    wanted = " nor ".join(PRODUCTS[product].layer for product in products)
    others = ", ".join(sorted({source.layer for source in found}))
    raise LayerError(f"{given}: holds no {wanted}; layers found: {others}")


def _as_given(source: Source, place: Path, given: Path) -> Source:
    """Return a source of an archive under the archive's own path: the folder it was read from is gone."""
    return source if place == given else replace(source, path=given / source.path.relative_to(place))


def _chosen(
    sources: Sequence[Source], about: OcsGeProduct, *, wanted: Sequence[int] | None
) -> tuple[tuple[int, ...], list[Source]]:
    """Return the millésimes asked for, or the only ones there, and the sources that hold them."""
    where = sources[0].path
    told = [(_years_of(source, about), source) for source in sources]
    if wanted is not None:
        years = tuple(sorted(wanted))
        chosen = [source for found, source in told if found in {years, ()}]
        if not chosen:
            there = "; ".join(sorted({_text(found) for found, _ in told}))
            raise LayerError(f"{where}: {about.layer} of {_text(years)} is not there; millésimes found: {there}")
        return years, chosen
    known = sorted({found for found, _ in told if found})
    if len(known) > 1:
        raise LayerError(
            f"{where}: {about.layer} of several millésimes ({'; '.join(map(_text, known))}); say which one to read"
        )
    return (known[0] if known else ()), [source for _, source in told]


def _years_of(source: Source, about: OcsGeProduct) -> tuple[int, ...]:
    """Return the years that a source says it is of, growing: by its fields, its names, its delivery; else none.

    Raises
    ------
    DataError
        When its fields and names disagree, or compare a year with an earlier one.
    """
    fields = probe_vector_layer(source.path, source.layer_name).fields
    by_field = tuple(sorted({int(found[1]) for name in fields if (found := _YEAR_IN_FIELD.match(name))}))
    names = [source.layer_name or "", source.path.stem]
    by_name = next((years for name in names if len(years := _years_in(name)) == about.years), ())
    delivery = delivery_of_path(source.path)
    by_delivery = delivery.millesimes if delivery and len(delivery.millesimes) == about.years else ()
    told = [years for years in (by_field if len(by_field) == about.years else (), by_name, by_delivery) if years]
    if any(years != told[0] for years in told):
        raise DataError(
            f"{source.path} layer {source.layer_name}: its fields and names are of different millésimes "
            f"({'; '.join(dict.fromkeys(map(_text, told)))}); rename it or take it away"
        )
    if told and about.years > 1 and told[0][0] >= told[0][-1]:
        raise DataError(
            f"{source.path} layer {source.layer_name}: compares {told[0][0]} with {told[0][-1]}; the second "
            "millésime must be later"
        )
    return told[0] if told else ()


def _years_in(name: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(year) for year in _YEAR_IN_NAME.findall(name)))


def _agreed_years(frame: gpd.GeoDataFrame, years: tuple[int, ...], *, where: Path) -> tuple[int, ...]:
    if "millesime" not in frame or not len(years) < 2:
        return years
    written = sorted({int(year) for year in frame["millesime"].dropna().unique()})
    if len(written) > 1:
        raise DataError(
            f"{where}: its column millesime holds {', '.join(map(str, written))}; one delivery is of one millésime"
        )
    if written and years and written != [*years]:
        raise DataError(
            f"{where}: its column millesime holds {written[0]}, and not {years[0]} as its name says or as was asked; "
            "rename it or ask for the other"
        )
    return tuple(written) or years


def _check_values(frame: gpd.GeoDataFrame, *, where: Path) -> None:
    if "artificialisation" not in frame:
        return
    values = frame["artificialisation"].dropna()
    strange = values[~values.isin([-1, 1])]
    if len(strange):
        raise DataError(
            f"{where}: artificialisation holds {strange.iloc[0]:g} ({len(strange)} rows); it is −1 for land given back "
            "and 1 for land taken"
        )


def _epsg_of(source: Source, assume_crs: int | str | None) -> int:
    declared = probe_vector_layer(source.path, source.layer_name).crs or assume_crs
    if declared is None:
        raise CrsError(f"{source.path}: declares no CRS; give it with --assume-crs, for instance 2154")
    try:
        epsg = CRS.from_user_input(declared).to_epsg()
    except ProjError as error:
        raise CrsError(f"{source.path}: CRS {declared!r} is not known; give --assume-crs") from error
    if epsg is None:
        raise CrsError(f"{source.path}: its CRS has no EPSG code; say which one to read it into")
    return int(epsg)


def _text(years: Sequence[int]) -> str:
    return "–".join(map(str, years)) or "unknown"

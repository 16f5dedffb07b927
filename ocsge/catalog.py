"""Recognise data files as layers of the catalogue, and keep the list of a workspace's sources.

Recognition needs a name of the catalogue *and* the fields of that layer: a file with the name and without the
fields is refused with the list of the fields found, never read half.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ocsge.archives import ARCHIVE_EXTENSIONS
from ocsge.catalog_schema import Catalog, Column, Layer, Product, load_catalog
from ocsge.errors import CatalogError, LayerError, OutputError
from ocsge.resources import shipped_directory
from ocsge.territory import (
    check_commune_code,
    check_run_epsg,
    departement_of,
    load_millesimes,
    territory_epsg,
)
from ocsge.vector_files import EXTENSIONS, VectorLayer, list_vector_layers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Catalog",
    "Column",
    "Layer",
    "Product",
    "Source",
    "check_commune_code",
    "check_run_epsg",
    "check_source",
    "departement_of",
    "digest_of",
    "embedded_communes",
    "embedded_sources",
    "entry_of",
    "load_catalog",
    "load_millesimes",
    "recognise",
    "register",
    "registered_sources",
    "territory_epsg",
    "unregister",
]

RASTER_EXTENSIONS = (".tif", ".tiff", ".jp2", ".vrt", ".asc")
"""Raster files that are recognised, by name only."""

_SIDE_FILES = {".shp", ".dbf", ".shx", ".prj", ".cpg"}
_EDITION = re.compile(r"(?<!\d)((?:19|20)\d{2}-\d{2}-\d{2})(?!\d)")
_SOURCES = "sources.json"


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or one layer of it, that feeds a canonical layer."""

    layer: str
    """Canonical layer, for instance ``bd_topo:batiment``."""

    path: Path
    """Absolute path of the file."""

    layer_name: str | None
    """Layer inside the file; null for a raster."""

    product: str
    """Product of the catalogue that describes it."""

    edition: str | None
    """Date in the name of the file or of its folders (ISO); null when there is none."""

    sha256: str
    """Digest of the file (of all its parts, for a shapefile), hexadecimal."""


def digest_of(path: Path) -> str:
    """Return the sha256 of a file; of all its parts, for a shapefile."""
    parts = [path]
    if path.suffix.lower() == ".shp":
        parts = sorted(p for p in path.parent.glob(f"{path.stem}.*") if p.suffix.lower() in _SIDE_FILES)
    digest = hashlib.sha256()
    for part in parts:
        with part.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _edition(path: Path) -> str | None:
    for name in (path.stem, *(parent.name for parent in path.parents[:4])):
        if match := _EDITION.search(name):
            return match[1]
    return None


def _candidates(names: Iterable[str], catalog: Catalog, *, kind: str) -> list[tuple[Product, Layer]]:
    known = [name for name in names if name]
    return [
        (product, layer)
        for product in catalog.products
        if product.kind == kind
        for layer in product.layers
        if any(layer.is_named(name) for name in known)
    ]


def _match_vector(
    found: VectorLayer, names: tuple[str, ...], catalog: Catalog, *, layer: str | None
) -> tuple[Product, Layer] | None:
    """Return the entry that a layer of a file is, or null when the catalogue has none of its names."""
    candidates = next((entries for name in names if (entries := _candidates([name], catalog, kind="vector"))), [])
    if layer is not None:
        named = [entry for entry in candidates if entry[1].id == layer]
        candidates = named or [entry for entry in catalog.entries(layer) if entry[0].kind == "vector"]
    if not candidates:
        return None
    complete = [entry for entry in candidates if not entry[1].missing_from(found.fields)]
    if complete:
        return max(complete, key=lambda entry: len(entry[1].fields_of(found.fields)))
    product, nearest = min(candidates, key=lambda entry: len(entry[1].missing_from(found.fields)))
    raise LayerError(
        f"{found.path} layer {found.name}: {product.product} {nearest.id} needs "
        f"{', '.join(nearest.missing_from(found.fields))}; "
        f"fields found: {', '.join(found.fields) or 'none'}. "
        "Complete the file (a shapefile needs its .dbf), or take it away"
    )


def _recognise_file(path: Path, catalog: Catalog, *, layer: str | None) -> list[Source]:
    matches: list[tuple[Product, Layer, str | None]] = []
    if path.suffix.lower() in RASTER_EXTENSIONS:
        rasters = _candidates((path.stem, path.parent.name), catalog, kind="raster")
        if layer is not None:
            rasters = [entry for entry in catalog.entries(layer) if entry[0].kind == "raster"]
        matches += [(*entry, None) for entry in rasters[:1]]
    else:
        spatial = [found for found in list_vector_layers(path) if found.has_geometry]
        for found in spatial:
            # the name of the file tells when it holds one layer, and that layer's own name does not
            names = (found.name, path.stem) if len(spatial) == 1 else (found.name,)
            if entry := _match_vector(found, names, catalog, layer=layer):
                matches.append((*entry, found.name))
    if not matches:
        return []
    digest, edition = digest_of(path), _edition(path)
    return [
        Source(
            layer=entry.id,
            path=path,
            layer_name=name,
            product=product.product,
            edition=edition,
            sha256=digest,
        )
        for product, entry, name in matches
    ]


def _data_files(folder: Path) -> list[Path]:
    extensions = (*EXTENSIONS, *RASTER_EXTENSIONS)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in extensions
        and path.is_file()
        and not any(part == "__MACOSX" or part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _refusal(path: Path) -> CatalogError:
    if path.suffix.lower() not in EXTENSIONS:
        return CatalogError(f"{path}: no product has such a name; see `ocsge catalog list`, or name its --layer")
    found = "; ".join(f"{entry.name} ({', '.join(entry.fields) or 'no field'})" for entry in list_vector_layers(path))
    return CatalogError(
        f"{path}: no product has a layer of such a name. Layers and fields found: {found or 'none'}. "
        "See `ocsge catalog list`, or name its --layer"
    )


def recognise(path: Path, *, layer: str | None = None, catalog: Catalog | None = None) -> list[Source]:
    """Return the sources that a file, or every file of a folder, gives.

    Names are compared without case; ``__MACOSX`` folders and hidden files are left aside. In a folder, files
    with names that no product has are passed over (a delivery of BD TOPO holds sixty layers).

    Parameters
    ----------
    path
        Vector or raster file, or folder searched with its subfolders.
    layer
        Canonical layer of the file, when its name does not tell; null recognises by name.
    catalog
        Catalogue; the shipped one when null.

    Raises
    ------
    CatalogError
        When nothing is recognised, listing the layers and fields found.
    LayerError
        When a file has the name of a layer and not its fields, or is cut.
    """
    catalog = catalog or load_catalog()
    path = path.expanduser().absolute()
    if layer is not None:
        catalog.entries(layer)
    if path.is_dir():
        sources = [source for file in _data_files(path) for source in _recognise_file(file, catalog, layer=layer)]
        if not sources:
            raise CatalogError(f"{path}: no file of a known product in this folder; see `ocsge catalog list`")
        return sources
    if not path.is_file():
        raise CatalogError(f"{path}: no such file or folder")
    if path.suffix.lower() in ARCHIVE_EXTENSIONS:
        raise CatalogError(f"{path}: an archive; unpack it with `ocsge catalog unpack`, and give the folder it makes")
    sources = _recognise_file(path, catalog, layer=layer)
    if not sources:
        raise _refusal(path)
    return sources


def entry_of(source: Source, *, catalog: Catalog | None = None) -> Layer:
    """Return the entry of the catalogue that describes a source.

    Raises
    ------
    CatalogError
        When the product has no such layer any more.
    """
    product = (catalog or load_catalog()).product(source.product)
    entries = [entry for entry in product.layers if entry.id == source.layer]
    if not entries:
        raise CatalogError(f"{source.path}: product {product.product} has no layer {source.layer}; register it again")
    names = [name for name in (source.layer_name, source.path.stem) if name]
    return next((entry for entry in entries if any(entry.is_named(name) for name in names)), entries[0])


def check_source(source: Source) -> None:
    """Refuse a source whose file is gone or has changed since it was registered.

    Raises
    ------
    LayerError
        When the file is missing or its digest differs.
    """
    if not source.path.is_file():
        raise LayerError(f"{source.path}: no such file; register its new place with `ocsge catalog add`")
    if digest_of(source.path) != source.sha256:
        raise LayerError(f"{source.path}: changed since it was registered; run `ocsge catalog add` on it again")


def registered_sources(workspace: Path) -> tuple[Source, ...]:
    """Return the sources registered in a workspace, in the order of their layers; none when it has no list.

    Raises
    ------
    CatalogError
        When the list cannot be read.
    """
    path = workspace / _SOURCES
    if not path.exists():
        return ()
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["sources"]
        return tuple(Source(**{**row, "path": Path(row["path"])}) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CatalogError(f"{path}: cannot be read ({error}); delete it and register the sources again") from error


def _write_sources(workspace: Path, sources: Iterable[Source]) -> None:
    rows = [
        {
            "layer": source.layer,
            "path": str(source.path),
            "layer_name": source.layer_name,
            "product": source.product,
            "edition": source.edition,
            "sha256": source.sha256,
        }
        for source in sources
    ]
    path, partial = workspace / _SOURCES, workspace / f".{_SOURCES}.{os.getpid()}"
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as stream:
            json.dump({"sources": rows}, stream, ensure_ascii=False, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error}") from error


def register(workspace: Path, path: Path, *, layer: str | None = None) -> tuple[Source, ...]:
    """Add the sources of a file or folder to a workspace and return them; given again, they are replaced.

    Raises
    ------
    CatalogError, LayerError
        As ``recognise``; nothing is then written.
    OutputError
        When the list cannot be written.
    """
    added = recognise(path, layer=layer)
    replaced = {(source.path, source.layer_name) for source in added}
    kept = [source for source in registered_sources(workspace) if (source.path, source.layer_name) not in replaced]
    order = sorted([*kept, *added], key=lambda source: (source.layer, str(source.path), source.layer_name or ""))
    _write_sources(workspace, order)
    return tuple(added)


def unregister(workspace: Path, path: Path) -> tuple[Source, ...]:
    """Take the sources of a file, or of every file of a folder, from a workspace and return them; no file is touched.

    Raises
    ------
    CatalogError
        When nothing of the path is registered.
    OutputError
        When the list cannot be written.
    """
    place = path.expanduser().absolute()
    registered = registered_sources(workspace)
    removed = tuple(source for source in registered if source.path.is_relative_to(place))
    if not removed:
        raise CatalogError(f"{place}: not registered in {workspace}; see `ocsge catalog list --workspace {workspace}`")
    _write_sources(workspace, [source for source in registered if source not in removed])
    return removed


@lru_cache(maxsize=1)
def _embedded() -> tuple[dict[str, object], ...]:
    folder = shipped_directory("data_catalog") / "embedded"
    rows: list[dict[str, object]] = json.loads((folder / "index.json").read_text(encoding="utf-8"))["files"]
    return tuple(rows)


def embedded_communes() -> tuple[str, ...]:
    """Return the codes of the communes whose layers are shipped with the tool."""
    return tuple(code for row in _embedded() for code in _texts(row["communes"]))


def embedded_credits() -> dict[str, str]:
    """Return the credit of each shipped file that is no delivery of its product, by the digest of the file."""
    return {str(row["sha256"]): str(row["credit"]) for row in _embedded() if "credit" in row}


def credit_and_licence(source: Mapping[str, object], *, model: str | None = None) -> tuple[str | None, str | None]:
    """Return the credit and the licence of a file of a provenance; None for what nobody stated.

    A shipped file that was generated, and classes made by ``model``, are no product of IGN: they have no licence of it.
    """
    generated = embedded_credits().get(str(source.get("sha256")))
    if generated is not None:
        return generated, None
    if model:
        return f"Classes du sol : modèle {model}", None
    products = {product.product: product for product in load_catalog().products}
    product = products.get(str(source.get("product")))
    return (product.credit, product.licence) if product else (None, None)


def is_demonstration(digests: Iterable[object]) -> bool:
    """Return whether one of the files of these sha256 is a shipped file that was generated."""
    return not embedded_credits().keys().isdisjoint(map(str, digests))


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def embedded_sources(commune_codes: Iterable[str]) -> tuple[Source, ...]:
    """Return the shipped sources of the communes asked for; none for communes that are not shipped.

    Raises
    ------
    LayerError
        When a shipped file is damaged.
    ParameterError
        When a text is not an INSEE code.
    """
    codes = {check_commune_code(code) for code in commune_codes}
    folder = shipped_directory("data_catalog") / "embedded"
    sources: list[Source] = []
    for row in _embedded():
        if codes.isdisjoint(_texts(row["communes"])):
            continue
        for source in recognise(folder / str(row["file"])):
            if source.sha256 != row["sha256"]:
                raise LayerError(f"{source.path}: damaged, its digest differs; reinstall the package")
            sources.append(source)
    return tuple(sources)

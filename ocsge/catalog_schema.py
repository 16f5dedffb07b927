"""Shape of the files of ``data_catalog/``: products, layers, columns, and their names in deliveries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping  # noqa: TC003  pydantic reads annotations at run time
from functools import lru_cache
from pathlib import Path  # noqa: TC003  same
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ocsge.errors import CatalogError
from ocsge.resources import shipped_directory

ColumnType = Literal["text", "code", "number", "integer", "boolean", "date"]
GeometryKind = Literal["polygon", "line", "point", "none"]

_YEAR_FIELD = re.compile(r"^(?:cs|us|artif)_(\d{4})$")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Frozen):
    """A canonical column of a layer and the names and spellings it has in deliveries."""

    aliases: tuple[str, ...] = ()
    """Other names of the field, compared without case; ``{y1}``, ``{y2}`` are the years of a difference."""

    type: ColumnType = "text"
    """``code`` is text without spaces, in capitals; ``number`` and ``integer`` are read as float64."""

    optional: bool = False
    """Whether a delivery may lack the field: the column is then null."""

    null_values: tuple[str, ...] = ()
    """Spellings that mean unknown, such as ``NC`` or ``NR``."""

    zero_is_null: bool = False
    """Whether zero means unknown (widths and lanes of BD TOPO 2)."""

    spellings: Mapping[str, str | None] = Field(default_factory=dict)
    """Delivered value → canonical value; others stay as they are, unless ``otherwise`` says more."""

    otherwise: str | None = None
    """Canonical value of any value not listed in ``spellings``."""

    constant: str | None = None
    """Value of every row: the delivery has no such field, the file itself says it."""


class Layer(_Frozen):
    """One file or layer of a product and the canonical layer it feeds."""

    id: str
    """Canonical layer, for instance ``bd_topo:batiment``."""

    title: str
    geometry: GeometryKind
    patterns: tuple[str, ...]
    """Regular expressions searched in the lower-case name of the layer, or of the file."""

    columns: Mapping[str, Column] = Field(default_factory=dict)
    duplicates: Literal["row", "geometry"] = "row"
    """Whether an exact duplicate needs equal columns, or an equal geometry is enough."""

    @model_validator(mode="after")
    def _patterns_compile(self) -> Layer:
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"pattern {pattern!r} of {self.id} is not a regular expression: {error}") from error
        return self

    def is_named(self, name: str) -> bool:
        """Return whether a layer or file name (any case) is one of this layer's names."""
        return any(re.search(pattern, name.lower()) for pattern in self.patterns)

    def fields_of(self, found: Iterable[str]) -> dict[str, str]:
        """Return canonical column → field name, for the columns that ``found`` (fields of a file) holds."""
        by_name = {name.lower(): name for name in reversed(list(found))}
        years = sorted({match[1] for name in by_name if (match := _YEAR_FIELD.match(name))})
        fields = {}
        for canonical, column in self.columns.items():
            for alias in (canonical, *column.aliases):
                name = alias.lower()
                if "{y" in name:
                    if len(years) < 2:
                        continue
                    name = name.format(y1=years[0], y2=years[-1])
                if name in by_name and column.constant is None:
                    fields[canonical] = by_name[name]
                    break
        return fields

    def missing_from(self, found: Iterable[str]) -> tuple[str, ...]:
        """Return the required columns that none of the fields ``found`` gives."""
        fields = self.fields_of(found)
        return tuple(
            name
            for name, column in self.columns.items()
            if not column.optional and column.constant is None and name not in fields
        )


class Product(_Frozen):
    """A product of a producer: one file of ``data_catalog/``."""

    product: str
    title: str
    producer: str
    licence: str
    licence_url: str
    credit: str
    """Text that a map or a table made from the product must show."""

    documentation: str
    kind: Literal["vector", "raster"]
    formats: tuple[str, ...]
    crs: Mapping[str, int]
    """Territory → EPSG code of deliveries."""

    url_templates: tuple[str, ...] = ()
    archive_names: tuple[str, ...] = ()
    editions: str = ""
    edition_holds: Literal["past", "year"] | None = None
    """``past``: objects as they were up to the edition's date; ``year``: the state of the edition's year alone."""

    notes: str = ""
    shared_columns: Mapping[str, Column] = Field(default_factory=dict)
    """Columns that every layer of the product has."""

    layers: tuple[Layer, ...]

    @model_validator(mode="before")
    @classmethod
    def _share_columns(cls, raw: object) -> object:
        if isinstance(raw, dict) and isinstance(raw.get("shared_columns"), dict):
            shared = raw["shared_columns"]
            layers = [
                {**layer, "columns": {**shared, **(layer.get("columns") or {})}} if isinstance(layer, dict) else layer
                for layer in raw.get("layers") or ()
            ]
            return {**raw, "layers": layers}
        return raw


class Catalog(_Frozen):
    """Every product the tool can read.

    Examples
    --------
    >>> load_catalog().product("bd_topo_v3").credit
    'IGN – BD TOPO®'
    """

    products: tuple[Product, ...]
    directory: Path

    def product(self, name: str) -> Product:
        """Return a product by its name.

        Raises
        ------
        CatalogError
            When no file of the catalogue describes it.
        """
        for product in self.products:
            if product.product == name:
                return product
        known = ", ".join(product.product for product in self.products)
        raise CatalogError(f"unknown product {name!r}; the catalogue holds: {known}")

    def layer_ids(self) -> tuple[str, ...]:
        """Return the canonical layers, each once, in the order of the catalogue."""
        return tuple(dict.fromkeys(layer.id for product in self.products for layer in product.layers))

    def entries(self, layer: str) -> tuple[tuple[Product, Layer], ...]:
        """Return the (product, layer) pairs that feed a canonical layer.

        Raises
        ------
        CatalogError
            When the catalogue holds no such layer.
        """
        found = tuple((p, entry) for p in self.products for entry in p.layers if entry.id == layer)
        if not found:
            raise CatalogError(f"unknown layer {layer!r}; the catalogue holds: {', '.join(self.layer_ids())}")
        return found

    def columns(self, layer: str) -> dict[str, Column]:
        """Return the canonical columns of a layer, whatever the product that feeds it."""
        columns: dict[str, Column] = {}
        for _, entry in self.entries(layer):
            for name, column in entry.columns.items():
                columns.setdefault(name, column)
        return columns

    def geometry(self, layer: str) -> GeometryKind:
        """Return the kind of geometry of a canonical layer."""
        return self.entries(layer)[0][1].geometry


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {first['msg']}{more}"


def _load_product(path: Path) -> Product:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Product.model_validate(raw)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise CatalogError(f"{path.name}: cannot be read as YAML: {problem}; correct the file") from error
    except ValidationError as error:
        raise CatalogError(f"{path.name}: {_one_line(error)}; see data_catalog/README.md") from error


@lru_cache(maxsize=8)
def _load(directory: Path) -> Catalog:
    products = tuple(_load_product(path) for path in sorted(directory.glob("*.yaml")))
    if not products:
        raise CatalogError(f"{directory}: no product file (*.yaml) there")
    names = [product.product for product in products]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CatalogError(f"{directory}: product {twice[0]!r} is described by two files; keep one")
    kinds: dict[str, str] = {}
    for product in products:
        for layer in product.layers:
            if kinds.setdefault(layer.id, layer.geometry) != layer.geometry:
                raise CatalogError(
                    f"{product.product}.yaml: layer {layer.id} is {layer.geometry}, "
                    f"{kinds[layer.id]} in another product"
                )
    return Catalog(products=products, directory=directory)


def load_catalog(directory: Path | None = None) -> Catalog:
    """Return the catalogue of products, read from the YAML files of a directory.

    Parameters
    ----------
    directory
        Directory of product files; the shipped ``data_catalog/`` when null.

    Raises
    ------
    CatalogError
        When a file is not readable or not of the expected shape, naming the file and the key.
    """
    return _load((directory or shipped_directory("data_catalog")).resolve())

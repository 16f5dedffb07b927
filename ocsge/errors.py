"""Errors, each with the exit code the command line gives it.

::

    OcsgeError                  70  internal: a bug of ours
    ├── ParameterError           2  a parameter that cannot be used
    ├── PartialResultError       3  finished, but some communes failed
    ├── DataError               65  input data that cannot be used
    │   ├── RulesError              a row of rules/ or of an overlay
    │   ├── CatalogError            a file of data_catalog/, or a file no product recognises
    │   ├── LayerError              a vector layer: missing field, unreadable, empty
    │   ├── GeometryError           an invalid geometry, with --invalid stop
    │   ├── CrsError                missing, mixed or unusable coordinate reference system
    │   ├── CodeError               an unknown nomenclature code or class number
    │   └── RasterError             a raster that is truncated, misaligned or of the wrong type
    ├── OutputError             73  a result that cannot be written
    └── WorkspaceBusyError      75  another run holds the workspace

A message says what is wrong, where (file, layer, row or feature) and what to do, on one line.
"""

from __future__ import annotations


class OcsgeError(Exception):
    """Anything the package refuses or fails to do; ``exit_code`` is the process exit code."""

    exit_code = 70


class ParameterError(OcsgeError):
    """A parameter that cannot be used."""

    exit_code = 2


class PartialResultError(OcsgeError):
    """The run finished, but some of its communes or windows failed."""

    exit_code = 3


class DataError(OcsgeError):
    """Input data that cannot be used."""

    exit_code = 65


class RulesError(DataError):
    """A row of ``rules/`` or of an overlay directory that cannot be used."""


class CatalogError(DataError):
    """A file of ``data_catalog/`` that cannot be used, or a data file no product recognises."""


class LayerError(DataError):
    """A vector layer that cannot be used: missing field, unreadable file, wrong geometry type."""


class GeometryError(DataError):
    """An invalid geometry, when the caller asked to stop rather than repair."""


class CrsError(DataError):
    """A missing, mixed or unusable coordinate reference system."""


class CodeError(DataError):
    """An unknown nomenclature code or class number."""


class RasterError(DataError):
    """A raster that is truncated, misaligned or of the wrong type."""


class OutputError(OcsgeError):
    """A result that cannot be written."""

    exit_code = 73


class WorkspaceBusyError(OcsgeError):
    """Another run holds the workspace."""

    exit_code = 75

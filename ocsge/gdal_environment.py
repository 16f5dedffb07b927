"""Keep the GDAL and PROJ settings of another program (a QGIS shell) away from those of the wheels.

A shell that exports ``GDAL_DATA`` or ``PROJ_LIB`` points at the files of another version: coordinates are
then read with a foreign database, or refused. The libraries look at these variables when they start, so they
are dropped when this module is imported: import it before any reader.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

INHERITED = ("GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_DATA", "PROJ_LIB")
"""Variables that point GDAL or PROJ at files of another installation."""


def ignore_inherited_gdal(environment: MutableMapping[str, str] | None = None) -> tuple[str, ...]:
    """Remove the inherited GDAL and PROJ paths and return the names of those that were set.

    Parameters
    ----------
    environment
        Variables to clean; those of the process when null.
    """
    variables = os.environ if environment is None else environment
    return tuple(name for name in INHERITED if variables.pop(name, None) is not None)


ignore_inherited_gdal()

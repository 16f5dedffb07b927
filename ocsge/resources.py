"""Find what goes with the package (rules, data catalogue, dashboard), in a source checkout or in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped_directory(name: str) -> Path:
    """Return the path of a top-level directory that goes with the package: ``rules``, ``data_catalog`` or ``app``.

    A wheel carries them under ``ocsge/_shipped/``; a checkout has them beside the package.

    Raises
    ------
    FileNotFoundError
        When neither place holds the directory: the installation is incomplete.
    """
    for candidate in (_PACKAGE / "_shipped" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"{name}/ is missing from the installation of ocsge; reinstall the package")

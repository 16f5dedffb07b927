"""Read what a workspace keeps of tables that others publish: official figures, ENAF, membership."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsge.imports import Import, read_import
from ocsge.portal import OfficialFigures, official_figures

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Imports:
    """The imports of a workspace; each is None when nothing was imported."""

    workspace: Path
    """Folder of the workspace."""

    def stamp(self) -> str:
        """Return a text that changes when an import does: the key of what is computed from them."""
        files = sorted((self.workspace / "imports").glob("*.json"))
        return "+".join(f"{file.name}:{file.stat().st_mtime_ns}:{file.stat().st_size}" for file in files)

    def enaf(self) -> Import | None:
        """Return the consumption of ENAF, table ``ENAF``.

        Raises
        ------
        DataError
            When it is not what was imported.
        """
        return read_import(self.workspace, "enaf")

    def membership(self) -> Import | None:
        """Return the territories of communes, table ``MEMBERSHIP``; raises as :meth:`enaf`."""
        return read_import(self.workspace, "membership")

    def official(self) -> tuple[OfficialFigures, Import] | None:
        """Return the official figures and the file they come from; raises as :meth:`enaf`."""
        kept = read_import(self.workspace, "portal")
        return None if kept is None else (official_figures(kept.table, where=kept.file), kept)

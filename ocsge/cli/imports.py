"""``ocsge import``: keep official figures, ENAF or memberships in a workspace, for the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocsge.cli.options import RESULTS, workspace_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsge.imports import ImportKind

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _given(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its file and its workspace."""
    return click.argument("file", type=_FILE)(workspace_option(RESULTS)(command))


@click.group("import")
def imports() -> None:
    """Keep official figures, ENAF or memberships for the dashboard."""


@imports.command()
@_given
def portal(file: Path, workspace: Path) -> None:
    """Keep FILE, the national export of the artificialisation portal by commune, and check its identities."""
    from ocsge.portal import official_figures

    cells = _kept(file, workspace, "portal")
    for row in official_figures(cells, where=str(file)).broken.itertuples():
        click.echo(
            f"warning: {row.commune_code}: {row.column} is {row.given:g}, {row.expected:g} by {row.identity}", err=True
        )


@imports.command()
@_given
def enaf(file: Path, workspace: Path) -> None:
    """Keep FILE, Cerema's table of the consumption of ENAF by commune, in m²."""
    _kept(file, workspace, "enaf")


@imports.command()
@_given
def membership(file: Path, workspace: Path) -> None:
    """Keep FILE, the table of the territories each commune belongs to."""
    _kept(file, workspace, "membership")


def _kept(file: Path, workspace: Path, kind: ImportKind) -> Any:
    from ocsge.imports import import_file

    kept = import_file(file, workspace, kind=kind)
    communes = kept.table["commune_code"].nunique() if kind == "enaf" else len(kept.table)
    word = "commune" if communes == 1 else "communes"
    click.echo(f"{communes} {word} of {file.name} kept in {workspace / 'imports'}")
    return kept.table

"""``ocsge catalog``: which products the tool reads, and which files a workspace uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocsge.cli.options import NEW_FOLDER, workspace_option

if TYPE_CHECKING:
    from ocsge.catalog import Source

_WORKSPACE = workspace_option("Folder of the workspace.", default=None)
_REQUIRED_WORKSPACE = workspace_option("Folder of the workspace.", required=True)


@click.group()
def catalog() -> None:
    """Show the products, and register data files."""


@catalog.command("list")
@_WORKSPACE
def list_(workspace: Path | None) -> None:
    """List the layers of the catalogue, or the files registered in a workspace."""
    from rich.console import Console
    from rich.table import Table

    from ocsge.catalog import load_catalog, registered_sources

    if workspace is not None:
        _print_sources(registered_sources(workspace), title=f"Sources of {workspace}")
        return
    table = Table("layer", "geometry", "product", "title", title="Layers of the catalogue")
    for product in load_catalog().products:
        for layer in product.layers:
            table.add_row(layer.id, layer.geometry, product.product, layer.title)
    Console().print(table)


@catalog.command()
@click.argument("name")
def show(name: str) -> None:
    """Show a product (bd_topo_v3) or a layer (bd_topo:batiment): licence, columns, names in deliveries."""
    from rich.console import Console
    from rich.table import Table

    from ocsge.catalog import load_catalog

    products = load_catalog()
    pairs = (
        products.entries(name)
        if ":" in name
        else tuple((products.product(name), layer) for layer in products.product(name).layers)
    )
    console = Console()
    for name_of_product in dict.fromkeys(product.product for product, _ in pairs):
        entry = products.product(name_of_product)
        console.print(f"[bold]{entry.title}[/bold] ({entry.producer}) – {entry.licence}")
        console.print(f"credit: {entry.credit}\ndocumentation: {entry.documentation}\n{entry.notes}", markup=False)
    for product, layer in pairs:
        table = Table("column", "type", "required", "also named")
        for column, about in layer.columns.items():
            names = ", ".join(about.aliases) if about.constant is None else f"always {about.constant}"
            table.add_row(column, about.type, "" if about.optional or about.constant else "yes", names)
        console.print(f"\n[bold]{layer.id}[/bold] ({product.product}): {layer.title}")
        console.print(table)


@catalog.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@_REQUIRED_WORKSPACE
@click.option("--layer", default=None, help="Layer of the files, when their name does not tell.")
def add(paths: tuple[Path, ...], workspace: Path, layer: str | None) -> None:
    """Register files or folders as sources of a workspace; they are read where they stand."""
    from ocsge.catalog import register
    from ocsge.store import Workspace

    with Workspace(workspace).locked():  # two lists written at once would lose one
        added = [source for path in paths for source in register(workspace, path, layer=layer)]
    _print_sources(added, title=f"Registered in {workspace}")


@catalog.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@_REQUIRED_WORKSPACE
def remove(paths: tuple[Path, ...], workspace: Path) -> None:
    """Take files or folders from the sources of a workspace; the files themselves stay."""
    from ocsge.catalog import unregister
    from ocsge.store import Workspace

    with Workspace(workspace).locked():
        removed = [source for path in paths for source in unregister(workspace, path)]
    _print_sources(removed, title=f"Removed from {workspace}")


@catalog.command()
@_WORKSPACE
def check(workspace: Path | None) -> None:
    """Check the catalogue, the shipped data and the files of a workspace against their digests."""
    from ocsge.catalog import (
        check_source,
        embedded_communes,
        embedded_sources,
        load_catalog,
        registered_sources,
    )

    products = load_catalog()
    click.echo(f"catalogue: {len(products.products)} products, {len(products.layer_ids())} layers")
    shipped = embedded_sources(embedded_communes())
    click.echo(f"shipped: {len(shipped)} layers of {', '.join(embedded_communes())}, digest as expected")
    if workspace is not None:
        sources = registered_sources(workspace)
        for source in sources:
            check_source(source)
        click.echo(f"{workspace}: {len(sources)} sources, digests as registered")


@catalog.command()
@click.argument("archives", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--into",
    type=NEW_FOLDER,
    default=Path(),
    help="Folder in which each archive becomes a folder; the current one when absent.",
)
def unpack(archives: tuple[Path, ...], into: Path) -> None:
    """Unpack .7z or .zip deliveries, each into a folder of its name, after checking all they hold."""
    from ocsge.archives import unpack as unpack_archive

    for archive in archives:
        click.echo(str(unpack_archive(archive, into / archive.stem)))


def _print_sources(sources: tuple[Source, ...] | list[Source], *, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("layer", "product", "edition", "file", title=title)
    for source in sources:
        name = f" ({source.layer_name})" if source.layer_name not in {None, source.path.stem} else ""
        table.add_row(source.layer, source.product, source.edition or "", f"{source.path}{name}")
    Console().print(table)

"""``ocsge models``: which segmentation models exist, their cards, their files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocsge.cli.options import NEW_FOLDER
from ocsge.cli.table_output import warn
from ocsge.errors import ParameterError

if TYPE_CHECKING:
    from ocsge.segment.model_card import ModelCard
    from ocsge.segment.published import Published

MODEL = click.option("--model", help="Name of the model in the catalogue, for a file without a card.")

_WIDEST = 500
"""Columns of text beyond which a table is cut on any terminal."""


def require_torch() -> None:
    """Raise when torch is not installed, and say how to install it.

    Raises
    ------
    ParameterError
        Without torch.
    """
    try:
        import safetensors
        import torch
    except ImportError as error:
        raise ParameterError(
            f"the segmentation needs torch, which is not installed ({error.name}): make segment, or pip install "
            "'ocsge[segment]'"
        ) from error
    del safetensors, torch


@click.group()
def models() -> None:
    """List, download and check the models that segment orthophotos."""


@models.command("list")
def list_() -> None:
    """List the published models: bands, classes, accuracy that their producer states."""
    from rich.console import Console
    from rich.table import Table

    from ocsge.cli.printing import number
    from ocsge.segment.published import published_models

    table = Table("model", "bands", "classes", "OA %", "mIoU %", "runs here", title="Published models")
    for name, published in published_models().items():
        card = published.card
        table.add_row(
            name,
            "".join(band[0].upper() for band in card.bands),
            str(len(card.classes_won)),
            number(published.overall_accuracy, None),
            number(published.mean_iou, None),
            _runs_here(published),
        )
    console = Console()
    whole = console.measure(table, options=console.options.update(width=_WIDEST)).maximum
    console.width = max(console.width, whole)  # a name that is cut cannot be given to fetch
    console.print(table)
    console.print(
        "R, V, B, I, E, MM: rouge, vert, bleu, infrarouge, elevation, mns and mnt. – : not read. Their files are not "
        "shipped."
    )
    console.print("Shipped: demonstration (ocsge models show demonstration), which knows generated ground alone.")


@models.command()
@click.argument("name")
@click.option("--card", "as_card", is_flag=True, help="Print the card as JSON, as it stands beside a weights file.")
def show(name: str, as_card: bool) -> None:
    """Show a model: bands, normalisation, classes, licence, address, hash, accuracy, sources.

    NAME is one of the catalogue, demonstration for the shipped model, or a weights file with its card beside.
    """
    from ocsge.from_ortho import DEMONSTRATION, shipped_model
    from ocsge.segment.published import card_for, published_model

    file = shipped_model() if name == DEMONSTRATION else Path(name)
    published = None if file.is_file() else published_model(name)
    card = card_for(file) if published is None else published.card
    if as_card:
        click.echo(json.dumps(asdict(card), ensure_ascii=False, indent=1))
        return
    facts = {
        "architecture": f"{card.architecture} on {card.encoder}",
        "runs here": f"no: {published.unsupported}" if published is not None and published.unsupported else "yes",
        **_card_facts(card),
        **(_file_facts(file, card) if published is None else _published_facts(published)),
    }
    click.echo(f"{card.name} ({card.family})")
    for what, value in facts.items():
        click.echo(f"  {what}: {value}")
    _tell_demonstration(card)


def _tell_demonstration(card: ModelCard) -> None:
    from ocsge.demonstration_models import demonstration_warning

    warn([demonstration_warning(card.name)] if card.demonstration else [])


def _file_facts(file: Path, card: ModelCard) -> dict[str, str]:
    """Return what is known of weights on this machine."""
    return {
        "file": str(file),
        "size": f"{file.stat().st_size / 1e6:.1f} MB",
        "sha256": card.sha256 or "not stated: ocsge models check computes it",
        "confusion matrix": card.confusion["source"] if card.confusion else "none",
    }


def _published_facts(published: Published) -> dict[str, str]:
    """Return what the catalogue says of a model beside its card."""
    card = published.card
    return {
        "accuracy": f"OA {published.overall_accuracy} %, mIoU {published.mean_iou} %, {published.tested_on}"
        if published.tested_on
        else "not read",
        "file": published.url or "no address is known",
        "size": "unknown" if published.size_bytes is None else f"{published.size_bytes / 1e6:.1f} MB",
        "sha256": card.sha256
        or f"unknown: computed and recorded by ocsge models {'fetch' if published.url else 'check --write-card'}",
        "source": published.source,
    }


def _runs_here(published: Published) -> str:
    """Return whether a model runs here, in a word or two; and that its file cannot be fetched, where so."""
    if published.unsupported:
        return "no"
    return "yes" if published.url else "yes; no address"


def _card_facts(card: ModelCard) -> dict[str, str]:
    """Return what a card says, in words."""
    means = zip(card.bands, card.mean, card.std, strict=True)
    return {
        "bands": ", ".join(f"{band} ({mean:g} ± {std:g})" for band, mean, std in means),
        "elevation": card.elevation or "none",
        "head": f"{len(card.head_classes)} channels: {', '.join(card.head_classes)}",
        "answers": f"{len(card.classes_won)} classes: {', '.join(card.classes_won)}",
        "resolution": f"{card.resolution_m:g} m, patches of {card.patch_px} px",
        "trained on": card.trained_on,
        "licence": card.licence,
        "credit": card.credit,
    }


@models.command()
@click.argument("name")
@click.option("--into", type=NEW_FOLDER, default=Path("models"), show_default=True, help="Folder of the weights files.")
def fetch(name: str, into: Path) -> None:
    """Download a model of the catalogue and write its card beside; an interrupted download goes on where it stopped."""
    from ocsge.cli.printing import progress
    from ocsge.segment.download import download
    from ocsge.segment.model_card import card_beside, write_card
    from ocsge.segment.published import published_model

    published = published_model(name)
    if published.unsupported:
        raise ParameterError(f"{name} cannot be run here: {published.unsupported}; take another model")
    if not published.url:
        raise ParameterError(
            f"{name}: no address is known; ask its producer for the file, then ocsge models check FILE --model {name} "
            "--write-card"
        )
    path = into / published.file_name
    with progress(name) as moved:
        hashed = download(published.url, path, sha256=published.card.sha256, progress=moved)
    write_card(published.card.with_weights(sha256=hashed), card_beside(path))
    known = "as in the catalogue" if published.card.sha256 else "recorded in the card, the catalogue knows none"
    click.echo(f"{path}\n  sha256 {hashed} ({known})\n  card {card_beside(path)}\n  {published.card.licence}")


@models.command()
@click.argument("weights", type=click.Path(dir_okay=False, path_type=Path))
@MODEL
@click.option("--write-card", is_flag=True, help="Write the card of --model beside the file, with its hash.")
def check(weights: Path, model: str | None, write_card: bool) -> None:
    """Check that a weights file is whole and fits its card, weight by weight; say why not.

    WEIGHTS is a file, or demonstration for the shipped model.
    """
    require_torch()
    weights = _weights_file(weights)
    from ocsge.publish import file_sha256
    from ocsge.segment.checkpoint import load_model
    from ocsge.segment.model_card import card_beside
    from ocsge.segment.model_card import write_card as write
    from ocsge.segment.published import card_for, published_model

    hashed = file_sha256(weights)
    card = card_for(weights, model=model, sha256=hashed)
    network, card = load_model(weights, card=card)
    count = sum(parameter.numel() for parameter in network.parameters())
    click.echo(f"{weights}: fits {card.name}, every weight")
    if model is not None and not card.sha256 and published_model(model).card.sha256:
        click.echo("  another file than the published one, whose hash differs: a .ckpt, or weights trained further")
    click.echo(f"  {card.architecture} on {card.encoder}, {count / 1e6:.1f} M weights, sha256 {hashed}")
    for what, value in _card_facts(card).items():
        click.echo(f"  {what}: {value}")
    _tell_demonstration(card)
    if write_card:
        write(card.with_weights(sha256=hashed), card_beside(weights))
        click.echo(f"  card written: {card_beside(weights)}")


def _weights_file(weights: Path) -> Path:
    """Return the file that a path or the name of the shipped model stands for; say what to type for another name."""
    from ocsge.from_ortho import DEMONSTRATION, shipped_model
    from ocsge.segment.published import published_models

    if weights.is_file():
        return weights
    if str(weights) == DEMONSTRATION:
        return shipped_model()
    if published := published_models().get(str(weights)):
        raise ParameterError(
            f"{weights} is a name of the catalogue, a file is checked: ocsge models fetch {weights}, then ocsge models "
            f"check models/{published.file_name}; ocsge models show {weights} says what is known of it"
        )
    raise ParameterError(
        f"{weights}: no such file; give a weights file, or `demonstration` for the shipped model (ocsge models list)"
    )

"""Options that several commands take, each declared once: the same name, type and default everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_WORKSPACE = Path("ocsge-workspace")
RESULTS = "Folder that holds the results."
"""What the workspace is to a command that reads it."""

FILE = click.Path(exists=True, path_type=Path)
"""A file or folder that is there."""

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
"""A folder that is there."""

NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
"""A folder that may be made."""

NEW_FILE = click.Path(dir_okay=False, path_type=Path)
"""A file to write."""


def workspace_option(
    text: str = "Folder of the registered data and of the results.",
    *,
    default: Path | None = DEFAULT_WORKSPACE,
    required: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option ``--workspace``.

    Parameters
    ----------
    text
        What the command does with the folder.
    default
        Folder taken when the option is absent; None leaves it out.
    required
        Whether the option must be given; there is no default then.
    """
    # a default of None, when one is stated, is a value to click: it would do for a required option
    presence: dict[str, Any] = {"required": True} if required else {"default": default, "show_default": True}
    return click.option("--workspace", type=NEW_FOLDER, help=text, **presence)


def assume_crs_option(of_what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option ``--assume-crs``, for files that declare no CRS."""
    return click.option("--assume-crs", type=int, metavar="EPSG", help=f"CRS of {of_what} none.")


RULES = click.option("--rules", type=FOLDER, help="Overlay of rule tables.")
AT = click.option(
    "--at", type=click.DateTime(["%Y-%m-%d"]), help="Date of the rules (not of the imagery); today by default."
)
NUMBERING = click.option(
    "--numbering", help="Numbering system of the raster's classes (ocsge rules show cosia_classes)."
)
RESAMPLE = click.option(
    "--resample", is_flag=True, help="Accept a raster that does not lie on the grid (nearest pixel)."
)
INVALID = click.option(
    "--invalid",
    type=click.Choice(["repair", "stop"]),
    default="repair",
    show_default=True,
    help="What to do with invalid geometries.",
)
JOBS = click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Worker processes.")
THREADS = click.option(
    "--threads", type=click.IntRange(min=1), help="Threads, with one job; every core this process may use when absent."
)

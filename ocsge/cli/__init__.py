"""The ``ocsge`` command: each subcommand parses, makes one public call and prints.

Nothing heavy is imported before a subcommand runs, so ``ocsge --help`` is instant. Errors are one line on stderr and
the exit code of :mod:`ocsge.errors`.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from ocsge import __version__
from ocsge.errors import OcsgeError

_COMMANDS = {
    "demo": ("ocsge.cli.derive", "demo", "Derive the embedded commune (Olemps): 2019, 2022, flow."),
    "derive": ("ocsge.cli.derive", "derive", "Derive OCS GE polygons and the stock of artificialised land."),
    "app": ("ocsge.cli.app", "app", "Serve the dashboard of a workspace on this machine, in French."),
    "explain": ("ocsge.cli.explain", "explain", "Say why a place counts as artificialised or not."),
    "compare": ("ocsge.cli.compare", "compare", "Publish the agreement with IGN's artificialisation layer."),
    "territories": (
        "ocsge.cli.territories",
        "territories",
        "Sum by territory and PLU zone; compare with the portal.",
    ),
    "zan": ("ocsge.cli.zan", "zan", "Follow the consumption of ENAF against what the ZAN allows."),
    "import": ("ocsge.cli.imports", "imports", "Keep official figures, ENAF or memberships for the dashboard."),
    "train": ("ocsge.cli.training", "train", "Train a model on patches and masks, and judge it on ground apart."),
    "evaluate": ("ocsge.cli.training", "evaluate", "Judge a model on patches and masks that it has not learnt from."),
    "measure": ("ocsge.cli.measure", "measure", "Measure cover areas in any polygons, straight from a class raster."),
    "export": ("ocsge.cli.tables", "export", "Write the tables of a workspace: CSV, portal, XLSX."),
    "sql": ("ocsge.cli.tables", "sql", "Query the tables of a workspace in DuckDB."),
    "report": ("ocsge.cli.report", "report", "Write the printable report of a commune, in French."),
    "corrections": ("ocsge.cli.corrections", "corrections", "Correct the cover or usage of ground, reversibly."),
    "catalog": ("ocsge.cli.catalog", "catalog", "Show the products, and register data files."),
    "models": ("ocsge.cli.models", "models", "List, download and check the models that segment orthophotos."),
    "segment": ("ocsge.cli.segment", "segment", "Turn orthophotos into CoSIA rasters, by dalles of 10 km."),
    "rules": ("ocsge.cli.rules", "rules", "Show, check, compare the rules, and measure their effect."),
}


class _LazyGroup(click.Group):
    """A group that imports a subcommand when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ocsge")
def cli() -> None:
    """Derive OCS GE and measure artificialisation, commune by commune, offline."""


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with the code of :mod:`ocsge.errors`."""
    try:
        result: Any = cli.main(args=args, prog_name="ocsge", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"ocsge: {_one_line(error)}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing half-written is visible, run the same command to take it up again", err=True)
        sys.exit(130)
    except OcsgeError as error:
        click.echo(f"ocsge: {error}", err=True)
        for note in getattr(error, "__notes__", ()):
            click.echo(note, err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:  # noqa: BLE001  (a user never meets a traceback; the code says it is ours)
        click.echo(
            f"ocsge: internal error: {type(error).__name__}: {' '.join(str(error).split())}; please report it with the "
            "command that was run",
            err=True,
        )
        sys.exit(OcsgeError.exit_code)
    sys.exit(result if isinstance(result, int) else 0)


def _one_line(error: click.ClickException) -> str:
    """Return what is wrong with the command, and where its help is."""
    text = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return text if context is None else f"{text.removesuffix('.')}; see `{context.command_path} --help`"

"""Which options a command was given, so that none is silently ignored."""

from __future__ import annotations

import click
from click.core import ParameterSource


def refuse_given(*names: str, why: str) -> None:
    """Refuse options of the running command that were given and would change nothing.

    Parameters
    ----------
    names
        Names of parameters, as the command receives them.
    why
        Why they change nothing, and what to do.

    Raises
    ------
    click.UsageError
        Naming the options.
    """
    context = click.get_current_context()
    given = {name for name in names if was_given(name)}
    if given:
        options = [option.opts[0] for option in context.command.params if option.name in given]
        raise click.UsageError(f"{', '.join(options)}: {why}", ctx=context)


def was_given(name: str) -> bool:
    """Return whether the running command was given an option, rather than its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source not in {None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}

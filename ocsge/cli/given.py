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
    defaults = {None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}
    given = {name for name in names if context.get_parameter_source(name) not in defaults}
    if given:
        options = [option.opts[0] for option in context.command.params if option.name in given]
        raise click.UsageError(f"{', '.join(options)}: {why}", ctx=context)

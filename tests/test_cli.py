"""The command line: help at once, one line an error, the exit codes of the documentation."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

import ocsge.cli
from ocsge import __version__
from ocsge.cli import cli, main
from ocsge.cli.printing import command_line
from ocsge.errors import OcsgeError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAVY = ("numpy", "numba", "pandas", "geopandas", "shapely", "rasterio", "pyogrio", "matplotlib", "duckdb", "pyarrow")


def commands(group: click.Group = cli, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group."""
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield (*prefix, name)
            if isinstance(command, click.Group):
                yield from commands(command, (*prefix, name))


COMMANDS = list(commands())


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, list[str]]:
    """Return the exit code, what was printed, and the lines of stderr that say something."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    printed = capfd.readouterr()
    return int(stop.value.code or 0), printed.out, [line for line in printed.err.splitlines() if line]


def loaded_after(*arguments: str) -> tuple[set[str], str]:
    """Return the heavy modules loaded by a command in a fresh interpreter, and what it printed."""
    code = (
        "import json, sys\nfrom ocsge.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        f"finally:\n    print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    *text, last = done.stdout.splitlines()
    return set(json.loads(last)), "\n".join(text)


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("derive", "--help"), ("rules", "--help"), ("explain", "--help")]
)
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    heavy, text = loaded_after(*arguments)
    assert heavy == set()
    assert text


def test_the_help_lists_every_command_with_what_it_does() -> None:
    _, text = loaded_after("-h")
    for name in ("demo", "derive", "explain", "catalog", "rules"):
        assert re.search(rf"^  {name} +\w.*\.$", text, re.MULTILINE)


def test_the_words_of_the_list_are_those_of_the_commands() -> None:
    with click.Context(cli) as context:
        for name, (_, _, text) in ocsge.cli._COMMANDS.items():
            command = cli.get_command(context, name)
            assert command is not None
            assert command.name == name
            assert command.help
            assert command.help.splitlines()[0] == text
            assert text.endswith(".")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    code, text, errors = run(capfd, *words, "--help")
    assert (code, errors) == (0, [])
    assert text.startswith(f"Usage: ocsge {' '.join(words)}")
    assert len(text.splitlines()[2].strip()) > 20


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_has_help(words: tuple[str, ...]) -> None:
    command: click.Command | None = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None
    for option in command.params:
        assert isinstance(option, click.Argument) or option.help, f"{' '.join(words)} {option.name}"  # type: ignore[attr-defined]


def test_the_version_is_that_of_the_package(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "--version")[:2] == (0, f"ocsge, version {__version__}\n")


def test_no_command_prints_the_help(capfd: pytest.CaptureFixture[str]) -> None:
    code, _, errors = run(capfd)
    assert code == 2
    assert errors[0].startswith("Usage: ocsge ")
    assert any("derive" in line for line in errors)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("deriver",), "ocsge: No such command 'deriver'; see `ocsge --help`"),
        (("derive",), "ocsge: Missing option '--millesime'; see `ocsge derive --help`"),
        (("derive", "--annee", "2022"), "ocsge: No such option '--annee'; see `ocsge derive --help`"),
        (("derive", "2022"), "ocsge: Missing option '--millesime'; see `ocsge derive --help`"),
        (
            ("derive", "--millesime", "x"),
            "ocsge: Invalid value for '--millesime': 'x' is not a valid integer; see `ocsge derive --help`",
        ),
        (
            ("explain", "--commune", "12174", "--point", "here"),
            "ocsge: --point 'here': give two numbers separated by a comma, X,Y",
        ),
    ],
)
def test_a_wrong_command_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, errors = run(capfd, *arguments)
    assert (code, out) == (2, "")
    assert len(errors) == 1
    what, help_of = line.split(";") if ";" in line else (line, "")
    assert errors[0].replace("option: --annee", "option '--annee'").startswith(what)
    assert errors[0].endswith(help_of)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every command fail with an error."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "invoke", fail)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (OutputError("w: no space left"), 73, "ocsge: w: no space left"),
        (OcsgeError("a bug"), 70, "ocsge: a bug"),
        (
            ValueError("two\nlines"),
            70,
            "ocsge: internal error: ValueError: two lines; please report it with the command that was run",
        ),
        (KeyboardInterrupt(), 130, "interrupted; nothing half-written is visible, run the same command to take it up"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code_and_never_a_traceback(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, error)
    found, out, errors = run(capfd, "derive")
    assert (found, out, len(errors)) == (code, "", 1)
    assert errors[0].startswith(line)


def test_a_closed_pipe_is_no_error(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, BrokenPipeError())
    assert run(capfd, "rules", "show") == (0, "", [])


def test_a_check_that_finds_faults_exits_with_their_code(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "options.csv").write_text("name\nx\n")
    code, _, errors = run(capfd, "rules", "check", "--overlay", str(tmp_path))
    assert code == 65
    assert errors[-1].endswith("fault(s): nothing can be derived with these rules")


def test_the_installed_command_refuses_bad_data_in_one_line(tmp_path: Path) -> None:
    arguments = ("derive", "--commune", "12001", "--millesime", "2022", "--workspace", str(tmp_path / "w"))
    done = subprocess.run(
        [sys.executable, "-c", "from ocsge.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.strip() and "compiled once" not in line]
    assert done.returncode == 65
    assert len(lines) == 1
    assert lines[0].startswith("ocsge: ")
    assert "no data registered" in lines[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("typed", "on_path", "shown"),
    [
        (".venv/bin/ocsge", False, ".venv/bin/ocsge app --workspace 'my data'"),
        (".venv/bin/ocsge", True, "ocsge app --workspace 'my data'"),
        ("script.py", False, "ocsge app --workspace 'my data'"),
    ],
)
def test_a_printed_command_can_be_typed_where_it_was_printed(
    typed: str, on_path: bool, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ocsge"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) if on_path else "")
    monkeypatch.setattr("sys.argv", [typed, "demo"])
    assert command_line("app", "--workspace", "my data") == shown

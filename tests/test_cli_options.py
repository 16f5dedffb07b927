"""Options that several commands take, and how numbers are printed."""

from __future__ import annotations

import io
import re
from functools import partial
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
import rich.console

from ocsge.cli import cli, options
from ocsge.cli.printing import number, progress, surface

ROOT = Path(__file__).resolve().parent.parent
SHARED = ("--workspace", "--rules", "--at", "--assume-crs", "--numbering", "--invalid", "--resample", "--threads")


def options_named(name: str) -> list[tuple[str, click.Option]]:
    """Return the command and the declaration of every option of a name."""
    found: list[tuple[str, click.Option]] = []

    def walk(path: str, node: click.Command) -> None:
        found.extend((path, o) for o in node.params if isinstance(o, click.Option) and name in o.opts)
        if isinstance(node, click.Group):
            context = click.Context(node)
            for child_name in node.list_commands(context):
                child = node.get_command(context, child_name)
                assert child is not None
                walk(f"{path} {child_name}".strip(), child)

    walk("", cli)
    return found


@pytest.mark.parametrize("name", SHARED)
def test_an_option_of_several_commands_has_one_type_and_one_name(name: str) -> None:
    found = [option for path, option in options_named(name) if path != "territories sum"]
    assert len(found) > 1
    assert len({repr(option.type.to_info_dict()) for option in found}) == 1
    assert len({option.name for option in found}) == 1


@pytest.mark.parametrize("name", SHARED)
def test_an_option_of_several_commands_is_declared_in_one_place(name: str) -> None:
    files = [path.name for path in (ROOT / "ocsge" / "cli").glob("*.py") if f'"{name}"' in path.read_text("utf-8")]
    # a sum over territories looks for outlines in a folder that must be there; derive names what official refuses
    allowed = {"--workspace": {"territories.py"}, "--numbering": {"derive.py"}}.get(name, set())
    assert set(files) - allowed == {"options.py"}


def test_a_workspace_is_that_of_the_current_folder_but_for_the_demonstration_and_the_catalogue() -> None:
    defaults = {path: option.default for path, option in options_named("--workspace")}
    others = {path: default for path, default in defaults.items() if default != options.DEFAULT_WORKSPACE}
    assert others.pop("demo") == Path("demo")
    assert all(path.startswith("catalog ") or path == "territories sum" for path in others)


def test_a_required_workspace_has_no_default() -> None:
    required = {path for path, option in options_named("--workspace") if option.required}
    assert required == {"catalog add", "catalog remove"}


def test_thousands_are_apart_and_decimals_as_asked() -> None:
    assert number(1234567.891, 2) == "1 234 567.89"
    assert number(12, 0) == "12"
    assert number(-0.5, 1) == "-0.5"


def test_without_a_number_of_decimals_a_value_is_written_as_in_the_rules() -> None:
    assert [number(value, None) for value in (2500.0, 0.25, 2022)] == ["2500", "0.25", "2022"]


@pytest.mark.parametrize("unknown", [None, float("nan"), np.float64("nan"), pd.NA])
def test_an_unknown_number_is_a_dash_or_what_is_asked_never_0(unknown: object) -> None:
    assert number(unknown, 1) == "–"
    assert number(unknown, None, unknown="") == ""


def test_progress_says_nothing_when_stderr_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with progress("counting") as advance:
        advance("counting", 1, 2)
    printed = capfd.readouterr()
    assert (printed.out, printed.err.strip()) == ("", "")


@pytest.mark.parametrize(
    ("area_m2", "said"),
    [
        (16, "16 m²"),
        (999, "999 m²"),
        (1000, "0.10 ha"),
        (303_000, "30.30 ha"),
        (999_000, "99.90 ha"),
        (1e6, "1.00 km²"),
    ],
)
def test_an_area_is_never_said_as_zero(area_m2: float, said: str) -> None:
    assert surface(area_m2) == said


def test_a_count_is_shown_once_it_is_known_of_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(
        "rich.console.Console", partial(rich.console.Console, file=shown, force_terminal=True, width=80)
    )
    with progress("segmenting"):
        pass
    assert "segmenting" in shown.getvalue()
    assert "None" not in shown.getvalue()
    with progress("segmenting") as advance:
        advance("dalle 1 of 3", 2, 7)
    assert "2/7" in shown.getvalue()


def test_the_sentence_of_the_decree_is_written_once() -> None:
    said = [
        path.name
        for path in (ROOT / "ocsge").rglob("*.py")
        if re.search("pas une règle de constr", path.read_text("utf-8"))
    ]
    assert said == ["legal_notice.py"]

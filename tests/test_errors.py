"""Every error has an exit code of its own kind, and prints as one line."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from ocsge import errors
from ocsge.keep_going import CommunesFailedError

CODES = {
    "OcsgeError": 70,
    "ParameterError": 2,
    "PartialResultError": 3,
    "DataError": 65,
    "RulesError": 65,
    "CatalogError": 65,
    "LayerError": 65,
    "GeometryError": 65,
    "CrsError": 65,
    "CodeError": 65,
    "RasterError": 65,
    "OutputError": 73,
    "WorkspaceBusyError": 75,
}


def test_the_exit_codes_are_those_of_the_documentation() -> None:
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    assert {name: cls.exit_code for name, cls in classes.items()} == CODES


def test_the_tree_of_the_module_docstring_is_the_tree_of_the_classes() -> None:
    listed = re.findall(r"(\w+Error)\b", errors.__doc__ or "")
    assert listed == list(CODES)


def test_every_error_of_the_data_is_a_data_error() -> None:
    assert {cls.__name__ for cls in errors.DataError.__subclasses__()} == {n for n, c in CODES.items() if c == 65} - {
        "DataError"
    }


@pytest.mark.parametrize("name", CODES)
def test_an_error_crosses_a_process_border_whole(name: str) -> None:
    again = pickle.loads(pickle.dumps(getattr(errors, name)("dalle.tif: wrong")))  # noqa: S301
    assert (type(again).__name__, str(again), again.exit_code) == (name, "dalle.tif: wrong", CODES[name])


def test_a_run_with_failed_communes_is_a_partial_result() -> None:
    assert CommunesFailedError.exit_code == 3

"""The shape of the project: small modules, tested, instant to import, offline, complete once packed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ocsge"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAXIMUM_MODULE_LINES = 450
MAXIMUM_FUNCTION_LINES = 70
TESTED_SHARE = 0.8
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "core", "base", "manager", "service"}
IGNORED_FOLDERS = {".git", ".venv", "demo", "build", "dist", "ocsge-workspace"}

LOADS_EVERYTHING = """
import importlib, pkgutil, socket, sys

def refused(*_, **__):
    raise AssertionError("the network was asked for while importing")

socket.socket.connect = socket.socket.connect_ex = refused
socket.create_connection = socket.getaddrinfo = socket.gethostbyname = refused
import ocsge
for module in pkgutil.walk_packages(ocsge.__path__, "ocsge."):
    importlib.import_module(module.name)
    print(module.name)
"""


def text_files() -> list[Path]:
    """Return the files of the project that hold text, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.splitlines()]
    else:  # an archive of the sources, without its history
        paths = [p for p in ROOT.rglob("*") if not any(part in IGNORED_FOLDERS for part in p.relative_to(ROOT).parts)]
    return sorted(path for path in paths if path.is_file() and b"\0" not in path.read_bytes())


def code_lines(folder: Path) -> int:
    lines = (line.strip() for path in folder.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)]


def length_without_docstring(function: ast.FunctionDef) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def run_python(code: str, *, cwd: Path = ROOT, path: Path | None = None) -> str:
    environment = dict(os.environ) if path is None else {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pyproject() -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement.strip(), maxsplit=1)[0]).lower()


def test_tests_have_at_least_four_lines_for_five_of_code() -> None:
    tests, code = code_lines(ROOT / "tests"), code_lines(PACKAGE)
    assert tests >= TESTED_SHARE * code, f"{tests} lines of tests for {code} of code: {tests / code:.2f}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_is_short_and_so_are_its_functions(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAXIMUM_MODULE_LINES, f"{path.name}: {lines} lines"
    long = {f.name: length_without_docstring(f) for f in functions(path)}
    assert {name: n for name, n in long.items() if n > MAXIMUM_FUNCTION_LINES} == {}


def test_no_file_has_an_empty_name() -> None:
    parts = {(path, part) for path in MODULES for part in (path.stem, *path.relative_to(PACKAGE).parent.parts)}
    assert sorted(str(path) for path, part in parts if part in EMPTY_NAMES) == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = run_python("import sys, ocsge; print(*sys.modules)").split()
    assert "ocsge" in loaded
    assert {"numpy", "pandas", "numba", "geopandas", "click"}.isdisjoint(loaded)


def test_the_help_of_the_command_line_loads_nothing_heavy() -> None:
    code = "import sys\nfrom ocsge.cli import cli\ncli.main(['--help'], standalone_mode=False)\nprint(*sys.modules)"
    shown = run_python(code)
    assert "derive" in shown
    assert {"numpy", "pandas", "numba", "geopandas", "rich"}.isdisjoint(shown.split())


def test_public_names_of_the_package_stay_callable_whatever_was_imported_before() -> None:
    code = "import ocsge{}\nfor name in 2 * ocsge.__all__: print(name, callable(getattr(ocsge, name)))"
    for before in ("", ", ocsge.derive, ocsge.explain, ocsge.sensitivity"):
        shown = run_python(code.format(before)).splitlines()
        assert [line for line in shown if not line.endswith(" True")] == []
        assert len(shown) >= 14


def test_no_module_asks_for_the_network_when_imported() -> None:
    imported = run_python(LOADS_EVERYTHING).split()
    expected = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in MODULES}
    assert set(imported) == expected - {"ocsge"}


def test_no_file_names_a_place_of_one_machine() -> None:
    # the words are put together here, so that this file does not hold them
    places = "work|tmp|root|home"
    words = re.compile(rf"(?<![\w.}}$*)-])/(?:{places})/|\.\./{'sha' + 'red'}\b|\b{'sha' + 'red'}/")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if words.search(line)
    ]
    assert found == []


def test_no_file_holds_the_address_of_a_registry() -> None:
    address = re.compile(
        rf"https?://[^\s\"'`]*(?:{'py' + 'pi'}|{'/sim' + 'ple'}/|{'file' + 's'}\.{'python' + 'hosted'})"
    )
    index = re.compile(rf"--(?:extra-)?{'index' + '-url'}\s*=?\s*\S*//")
    found = []
    for path in text_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {hit}" for hit in (*address.findall(text), *index.findall(text))]
    assert found == []


def locked() -> dict[str, list[int]]:
    """Return the number of hashes of each pin of requirements.lock, by canonical name."""
    pins: dict[str, list[int]] = {}
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in filter(None, (line.strip() for line in text.splitlines())):
        assert re.match(r"[a-zA-Z0-9._-]+==\S+ ", line), f"requirements.lock: {line[:60]!r} is no exact pin"
        pins.setdefault(canonical(line), []).append(len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line)))
    return pins


def test_every_pin_has_its_hashes() -> None:
    assert {name for name, hashes in locked().items() if 0 in hashes} == set()


def test_every_dependency_is_pinned() -> None:
    project, build = pyproject()["project"], pyproject()["build-system"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"], *build["requires"]]  # type: ignore[misc,index,call-overload]
    assert {canonical(str(requirement)) for requirement in wanted} - set(locked()) == set()


def test_the_continuous_integration_runs_the_command_of_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "make test"
    assert "`make test`" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_make_help_lists_every_target() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = {line.split()[0] for line in shown.splitlines() if line}
    assert {"help", "demo", "test", "lint", "bench"} <= targets


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_rules_the_catalogue_and_every_module(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = [*(ROOT / "rules").iterdir(), *(p for p in (ROOT / "data_catalog").rglob("*") if p.is_file())]
    wanted = {f"ocsge/_shipped/{path.relative_to(ROOT).as_posix()}" for path in shipped}
    wanted |= {path.relative_to(ROOT).as_posix() for path in MODULES}
    assert wanted - names == set()
    assert {name for name in names if name.startswith(("tests/", "benchmarks/", "tools/"))} == set()


def test_the_wheel_finds_its_rules_and_data_away_from_the_sources(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(place)
    code = (
        "import ocsge, ocsge.catalog, ocsge.resources as r\n"
        "print(ocsge.__file__)\nprint(r.shipped_directory('rules'))\nprint(ocsge.load_rules().fingerprint)\n"
        "print(len(ocsge.catalog.embedded_sources(['12174'])))"
    )
    package, rules, fingerprint, sources = run_python(code, cwd=tmp_path, path=place).split()
    assert Path(package).is_relative_to(place)
    assert Path(rules).is_relative_to(place)
    assert fingerprint == run_python("import ocsge; print(ocsge.load_rules().fingerprint)").strip()
    assert int(sources) > 0

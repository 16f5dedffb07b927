"""The documentation says what is there: commands run, figures are those of the demonstration, all is described."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import yaml
from rasterio.transform import Affine

import ocsge
import ocsge.regions
from ocsge.cli import cli, main
from ocsge.rule_tables import TABLES
from ocsge.rules import load_rules
from ocsge.states import Execution, Measured, Request, measure
from ocsge.store import Workspace
from ocsge.tables import ARTIFICIALISED, CHANGE_MATRIX, CHANGES, FLOW, STOCK, STOCK_LONG, Schema

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "docs" / "results.md"
USER_DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS = [
    *USER_DOCUMENTS,
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / folder / "README.md" for folder in ("rules", "data_catalog", "data_catalog/embedded", "benchmarks")),
]
MODULES = sorted((ROOT / "ocsge").rglob("*.py"))
SLOW = {"ocsge rules sensitivity"}
"""Commands of minutes: their options are parsed, they have tests of their own."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    language: str
    text: str


@dataclass(frozen=True)
class Quoted:
    """A command of a document and the output it claims."""

    command: str
    output: str


def blocks(document: Path) -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [Block(language, text) for language, text in found]


def prose(document: Path) -> str:
    return re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def quoted_commands(document: Path) -> list[Quoted]:
    found = []
    for block in blocks(document):
        if block.language == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append(Quoted(command.partition("  #")[0].strip(), output))
    return found


COMMANDS = quoted_commands(README)
RUN = [
    quoted
    for quoted in COMMANDS
    if not quoted.command.startswith("cat ") and not quoted.command.startswith(tuple(SLOW))
]


def spoken(text: str) -> str:
    """Return a text without what may differ from run to run: layout and the id of a version."""
    text = re.sub(r"\b[0-9a-f]{16}\b|<id>", "VERSION", text)
    return re.sub(r"\s+", " ", re.sub("━+", "━", text)).strip()


def make_inputs(folder: Path) -> None:
    """Lay out what the README calls the reader's own: layers of Olemps, a perimeter, a small class raster, rules."""
    shipped = ROOT / "data_catalog" / "embedded" / "olemps.gpkg"
    for name in ("BDTOPO", "ADMIN_EXPRESS", "COSIA"):
        (folder / name).mkdir()
    shutil.copyfile(shipped, folder / "BDTOPO" / "bdtopo.gpkg")
    gpd.read_file(shipped, layer="commune").to_file(folder / "ADMIN_EXPRESS" / "commune.gpkg", layer="commune")
    square = gpd.GeoDataFrame(geometry=[shapely.box(664200, 6360400, 664600, 6360800)], crs=2154)
    square.to_file(folder / "quartier.gpkg")
    lawn = next(c.numbers["cosia_vector_numero"] for c in load_rules().cosia_classes if c.name == "Pelouse")
    profile = {"driver": "GTiff", "width": 2500, "height": 2500, "count": 1, "dtype": "uint8", "crs": "EPSG:2154"}
    transform = Affine(0.2, 0, 664150, 0, -0.2, 6360850)
    with rasterio.open(folder / "COSIA" / "dalle.tif", "w", transform=transform, compress="lzw", **profile) as file:
        file.write(np.full((2500, 2500), lawn, dtype=np.uint8), 1)
    for quoted in COMMANDS:
        if quoted.command.startswith("cat "):
            path = folder / quoted.command.removeprefix("cat ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(quoted.output, encoding="utf-8")


def typed(command: str) -> tuple[int, str]:
    """Run one quoted command in this process; return its exit code and what it printed."""
    words = shlex.split(command.replace("make demo", "ocsge demo"))
    assert words[0] == "ocsge", f"README: {command!r} is neither ocsge, make demo nor cat"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            main(words[1:])
        except SystemExit as end:
            return int(end.code or 0), printed.getvalue() + errors.getvalue()
    return 0, printed.getvalue()


@dataclass(frozen=True)
class Terminal:
    """The folder in which the README was followed, and what each command gave."""

    folder: Path
    results: dict[str, tuple[int, str]]


@pytest.fixture(scope="session")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    folder = tmp_path_factory.mktemp("readme")
    make_inputs(folder)
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        with contextlib.chdir(folder):
            results = {quoted.command: typed(quoted.command) for quoted in RUN}
    finally:
        os.environ.pop("COLUMNS")
        if columns is not None:
            os.environ["COLUMNS"] = columns
    return Terminal(folder, results)


def stock_of(terminal: Terminal, workspace: str) -> pd.Series:
    version = Workspace(terminal.folder / workspace).current()
    assert version is not None
    return (
        pd.read_csv(version / "stock.csv", dtype={"commune_code": str})
        .set_index("commune_code")
        .loc[["12174"]]
        .iloc[-1]
    )


def run_python(document: Path, folder: Path) -> str:
    """Run every Python block of a document, one after the other in one namespace; return what they print."""
    namespace: dict[str, object] = {}
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        for block in blocks(document):
            if block.language == "python":
                exec(block.text, namespace)  # noqa: S102
    return printed.getvalue()


@pytest.mark.parametrize("quoted", RUN, ids=[quoted.command for quoted in RUN])
def test_a_command_of_the_readme_runs_and_prints_what_the_readme_shows(quoted: Quoted, terminal: Terminal) -> None:
    code, output = terminal.results[quoted.command]
    assert code == 0, output
    assert spoken(quoted.output) in spoken(output), f"`{quoted.command}` now prints:\n{output}"


def test_the_readme_shows_the_demonstration_an_explanation_and_ones_own_data() -> None:
    commands = " ; ".join(quoted.command for quoted in COMMANDS)
    for needed in ("make demo", "ocsge explain", "ocsge catalog add", "--cosia", "--numbering", "--rules", *SLOW):
        assert needed in commands


@pytest.mark.parametrize("command", [quoted.command for quoted in COMMANDS if quoted.command.startswith(tuple(SLOW))])
def test_a_slow_command_of_the_readme_is_accepted_by_the_parser(command: str) -> None:
    words = shlex.split(command)[1:]
    node: click.Command = cli
    context = click.Context(cli)
    while isinstance(node, click.Group):
        name = words.pop(0)
        found = node.get_command(context, name)
        assert found is not None, f"README: `{command}`: there is no `{name}`"
        node = found
    assert node.make_context(node.name or "", words).params["millesime"] == 2022


def test_the_python_of_the_readme_prints_what_the_readme_shows(terminal: Terminal) -> None:
    shown = next(block.text for block in blocks(README) if block.language == "text")
    assert spoken(run_python(README, terminal.folder)) == spoken(shown)


def test_the_readers_of_the_results_page_work(terminal: Terminal) -> None:
    printed = run_python(RESULTS, terminal.folder)
    assert "12174" in printed
    assert "CS1.1.1.1" in printed


def test_the_stock_figures_of_the_readme_are_those_of_olemps(terminal: Terminal) -> None:
    demonstration, trial = stock_of(terminal, "demo"), stock_of(terminal, "trial")
    narrower = load_rules(changes={"zone_construite.dilation_m": 15.0})
    request = Request(communes=("12174",), millesimes=(2022,))
    found = measure(request, narrower, Workspace(terminal.folder / "narrower"), Execution())
    assert isinstance(found, Measured)
    real = {
        f"{value:.1f}" for value in (demonstration.stock_ha, trial.stock_ha, found.states[-1].stock["stock_ha"].iloc[0])
    }
    for document in (README, ROOT / "CHANGELOG.md"):
        claimed = set(re.findall(r"(\d+\.\d) ha\b", prose(document)))
        assert claimed <= real, f"{document.name} claims {sorted(claimed)} ha; Olemps gives {sorted(real)} ha"
    assert f"{demonstration.stock_ha:.1f}" in prose(README)


def test_the_registered_layers_give_the_very_stock_of_the_demonstration(terminal: Terminal) -> None:
    pd.testing.assert_series_equal(stock_of(terminal, "aveyron"), stock_of(terminal, "demo"))


def test_the_readme_pins_no_number_that_a_change_of_code_makes_stale() -> None:
    stale = r"versions/[0-9a-f]{16}|\d+ source files|\d+ passed"
    assert re.findall(stale, README.read_text(encoding="utf-8")) == []


def test_the_installed_command_says_its_version() -> None:
    script = Path(sys.executable).with_name("ocsge")
    shown = subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout
    assert shown.split()[-1] == ocsge.__version__


def test_the_readme_quotes_the_measured_tables() -> None:
    quoted = (
        README.read_text(encoding="utf-8").split("<!-- benchmark table -->")[1].split("<!-- /benchmark table -->")[0]
    )
    rows = [line for line in quoted.splitlines() if line.startswith("|")]
    measured = (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8").splitlines()
    assert len(rows) > 10
    assert [row for row in rows if row not in measured] == []


def all_commands() -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []

    def walk(path: str, node: click.Command) -> None:
        found.append((path, node))
        if isinstance(node, click.Group):
            context = click.Context(node)
            for name in node.list_commands(context):
                child = node.get_command(context, name)
                assert child is not None
                walk(f"{path} {name}", child)

    walk("ocsge", cli)
    return found


@pytest.mark.parametrize(("path", "command"), all_commands(), ids=[path for path, _ in all_commands()])
def test_a_command_and_its_options_are_helped_and_documented(path: str, command: click.Command) -> None:
    documented = "\n".join(document.read_text(encoding="utf-8") for document in USER_DOCUMENTS)
    assert (command.help or "").strip(), f"{path} has no help"
    assert path in documented, f"`{path}` is named in no document"
    for option in command.params:
        if isinstance(option, click.Option):
            assert (option.help or "").strip(), f"{path} {option.opts[0]} has no help"
            assert f"`{option.opts[0]}" in documented, f"{path} {option.opts[0]} is named in no document"


@pytest.mark.parametrize(
    "schema", [ARTIFICIALISED, STOCK, STOCK_LONG, CHANGES, FLOW, CHANGE_MATRIX], ids=lambda schema: schema.name
)
def test_every_column_of_a_table_is_described_with_its_unit(schema: Schema) -> None:
    rows = [line for line in RESULTS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    for name, column in schema.columns.items():
        described = [row for row in rows if f"`{name}`" in row.split("|")[1]]
        assert described, f"docs/results.md has no row for the column {name} of {schema.name}"
        if column.unit in {"ha", "%", "m²", "pixels"}:
            assert any(column.unit in row for row in described), f"docs/results.md: {name} lacks its unit {column.unit}"


def test_every_file_of_a_version_is_described(terminal: Terminal) -> None:
    version = Workspace(terminal.folder / "demo").current()
    assert version is not None
    text = RESULTS.read_text(encoding="utf-8")
    for path in version.rglob("*"):
        name = re.sub(r"^12174_20(19-2022|19|22)", "", path.name)
        assert not path.is_file() or name in text, f"docs/results.md does not name {path.name}"


def test_every_flag_of_a_stock_is_described(terminal: Terminal) -> None:
    text = RESULTS.read_text(encoding="utf-8")
    flags = str(stock_of(terminal, "demo")["flags"]).split("+")
    assert flags == ["default_cover", "derived_zone_construite", "anchored"]
    for flag in (*flags, "preview", "no_data"):
        assert f"| `{flag}` |" in text


@pytest.mark.parametrize("table", list(TABLES))
def test_a_rule_table_is_described(table: str) -> None:
    assert f"`{table}.csv`" in (ROOT / "rules" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "data_catalog").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_product_is_listed_in_the_catalogue_readme(path: Path) -> None:
    listed = f"`{path.name}`" in (ROOT / "data_catalog" / "README.md").read_text(encoding="utf-8")
    assert listed, f"data_catalog/README.md does not list {path.name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_public_names_of_a_module_begin_with_a_sentence(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named: list[tuple[str, str | None]] = [("module", ast.get_docstring(tree))]
    public = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    named += [(node.name, ast.get_docstring(node)) for node in public if not node.name.startswith("_")]
    missing = [name for name, text in named if not text]
    assert not missing, f"without docstring: {missing}"
    for name, text in named:
        # a first sentence may run over two lines; it ends where the first paragraph does, at the latest
        first = str(text).split("\n\n")[0].strip()
        assert not first[0].islower(), f"{name}: {first!r} does not begin a sentence"
        assert re.search(r"[.:](\s|$)", first), f"{name}: {first!r} is not a sentence"


def test_the_engine_page_and_the_package_name_every_module_of_the_engine() -> None:
    modules = {path.stem for path in (ROOT / "ocsge" / "regions").glob("[!_]*.py")}
    page = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")))
    assert modules <= page
    steps = (ocsge.regions.__doc__ or "").partition("::")[2]
    named = {name for line in steps.splitlines() for name in re.split(r", ", line.strip().split("  ")[0])}
    assert modules == named - {""}


def test_the_readme_names_a_module_for_each_part_of_the_work() -> None:
    rows = [
        line.split("|")[1] for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("| `ocsge/")
    ]
    named = set(re.findall(r"(\w+)(?:\.py|/)", " ".join(rows)))
    assert {"states", "regions", "official", "territories", "zan", "corrections", "store"} <= named


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if not re.match(r"https?:", target):
            assert (document.parent / target.partition("#")[0]).exists(), f"{document.name} links to {target}"


def test_paths_named_in_the_documents_exist() -> None:
    for document in (*USER_DOCUMENTS, ROOT / "CONTRIBUTING.md"):
        for path in re.findall(r"`((?:ocsge|rules|tests|data_catalog|benchmarks|docs)/[\w./]+)`", prose(document)):
            assert (ROOT / path).exists(), f"{document.name} names {path}"


def test_the_citation_file_can_be_read() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == ocsge.__version__
    assert citation["license"] == "Apache-2.0"
    assert {"title", "message", "authors"} <= set(citation)


def test_the_changelog_has_the_version() -> None:
    assert f"## {ocsge.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_picture_is_small() -> None:
    assert (ROOT / "docs" / "images" / "olemps.png").stat().st_size <= 150_000


def test_the_reader_is_told_what_a_result_is_not() -> None:
    for document in (README, ROOT / "docs" / "limits.md"):
        text = document.read_text(encoding="utf-8")
        assert "constructibilit" in text
        assert "ENAF" in text
        assert "low\nconfidence" in text or "low confidence" in text

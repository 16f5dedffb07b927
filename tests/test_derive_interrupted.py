"""A derivation killed at any moment leaves nothing broken in sight, and ends like one that was left alone."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd

from ocsge.derive import derive
from ocsge.publish import file_sha256
from ocsge.store import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.scene import Scene
    from tests.conftest import Registered

COMMUNE, KILLS, SEED = "32001", 15, 20231127
START = "import sys; from ocsge.cli import main; main(sys.argv[1:])"


def command(workspace: Path) -> list[str]:
    asked = ["derive", "--commune", COMMUNE, "--millesime", "2022", "--workspace", str(workspace), "--resolution", "1"]
    return [sys.executable, "-c", START, *asked]


def start(workspace: Path) -> subprocess.Popen[bytes]:
    """Start a derivation and return once it holds the workspace: from then on it writes."""
    (workspace / "lock.json").unlink(missing_ok=True)  # of a run that was killed
    child = subprocess.Popen(command(workspace), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None and not (workspace / "lock.json").exists():
        time.sleep(0.002)
    return child


def tree_digest(version: Path) -> str:
    """Return one sha256 of the names and bytes of every file of a version."""
    digest = hashlib.sha256()
    for path in sorted(version.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(version).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def assert_readable(workspace: Workspace) -> None:
    """Assert that a reader who comes now finds whole files only."""
    version = workspace.current()
    assert version is not None
    assert workspace.verify(version) == []
    for path in sorted(version.rglob("*")):
        if path.name == "part.parquet":
            assert len(gpd.read_parquet(path)) > 0
        elif path.suffix == ".parquet":
            assert len(pd.read_parquet(path, partitioning=None)) > 0
        elif path.suffix == ".gpkg":
            layer = f"artif_{path.stem.split('_')[1]}_{COMMUNE}"
            assert len(gpd.read_file(path, layer=layer)) > 0
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.name in {"stock.csv", "stock_long.csv"}:
            assert len(pd.read_csv(path)) > 0


def test_a_killed_derivation_leaves_whole_files_and_ends_with_the_same_bytes(
    tmp_path: Path, hamlet: Scene, registered: Registered
) -> None:
    pristine = registered(hamlet, tmp_path / "pristine")
    derive(communes=[COMMUNE], millesime=2018, workspace=pristine, resolution=1)
    alone = Workspace(shutil.copytree(pristine, tmp_path / "alone"))
    with start(alone.path) as child:
        began = time.monotonic()
        assert child.wait() == 0
    duration = time.monotonic() - began
    expected = alone.current()

    chance = random.Random(SEED)  # noqa: S311  (moments, not secrets)
    killed = Workspace(shutil.copytree(pristine, tmp_path / "killed"))
    interrupted = 0
    for _ in range(KILLS):
        if killed.current().name == expected.name:  # the last one had just published: begin again
            shutil.rmtree(killed.path)
            shutil.copytree(pristine, killed.path)
        with start(killed.path) as child:
            time.sleep(chance.uniform(0, duration))
            child.kill()
            interrupted += child.wait() != 0
        assert_readable(killed)
    assert interrupted > KILLS / 2

    assert subprocess.run(command(killed.path), capture_output=True, check=False).returncode == 0
    assert killed.current().name == expected.name
    assert tree_digest(killed.current()) == tree_digest(expected)
    assert not list(killed.path.rglob(".tmp-*"))
    assert {path.name for path in (killed.path / "versions").iterdir()} == {
        path.name for path in (alone.path / "versions").iterdir()
    }


def test_a_second_run_is_told_who_holds_the_workspace(tmp_path: Path, hamlet: Scene, registered: Registered) -> None:
    workspace = registered(hamlet, tmp_path / "workspace")
    with Workspace(workspace).locked():
        second = subprocess.run(command(workspace), capture_output=True, text=True, check=False)
    assert second.returncode == 75
    (line,) = [line for line in second.stderr.splitlines() if line.startswith("ocsge: ")]
    assert "is writing in this workspace" in line
    assert Workspace(workspace).current() is None

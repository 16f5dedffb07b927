"""A derivation killed at any moment leaves nothing broken in sight, and ends like one that was left alone."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import signal
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


def arguments(workspace: Path) -> list[str]:
    where = ["--workspace", str(workspace), "--resolution", "1"]
    return ["derive", "--commune", COMMUNE, "--millesime", "2022", *where]


def derive_in_full(workspace: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START, *arguments(workspace)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def derive_and_kill(workspace: Path, *, after_s: float) -> int:
    """Derive in a process of its own, killed ``after_s`` seconds after it holds the workspace; return its exit code."""
    (workspace / "lock.json").unlink(missing_ok=True)  # of a run that was killed
    command = [sys.executable, "-c", START, *arguments(workspace)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (workspace / "lock.json").exists():
            time.sleep(0.001)
        time.sleep(after_s)
        process.kill()
        return process.wait()


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
    assert derive_in_full(alone.path).returncode == 0
    duration = json.loads((alone.path / "journal.jsonl").read_text().splitlines()[-1])["duration_s"]
    expected = alone.current()

    chance = random.Random(SEED)  # noqa: S311  (moments, not secrets)
    killed = Workspace(shutil.copytree(pristine, tmp_path / "killed"))
    outcomes = []
    for _ in range(KILLS):
        if killed.current().name == expected.name:  # the last one had published before it died: begin again
            shutil.rmtree(killed.path)
            shutil.copytree(pristine, killed.path)
        outcomes.append(derive_and_kill(killed.path, after_s=chance.uniform(0, duration)))
        assert_readable(killed)
    assert set(outcomes) <= {0, -signal.SIGKILL}
    assert outcomes.count(-signal.SIGKILL) > KILLS / 2

    done = derive_in_full(killed.path)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if not line.startswith("warning: ")] == []
    assert killed.current().name == expected.name
    assert tree_digest(killed.current()) == tree_digest(expected)
    assert not list(killed.path.rglob(".tmp-*"))
    versions = [{path.name for path in (space.path / "versions").iterdir()} for space in (killed, alone)]
    assert versions[0] == versions[1]


def test_a_second_run_is_told_who_holds_the_workspace(tmp_path: Path, hamlet: Scene, registered: Registered) -> None:
    workspace = registered(hamlet, tmp_path / "workspace")
    with Workspace(workspace).locked():
        second = derive_in_full(workspace)
    assert second.returncode == 75
    (line,) = [line for line in second.stderr.splitlines() if line.startswith("ocsge: ")]
    assert "is writing in this workspace" in line
    assert Workspace(workspace).current() is None

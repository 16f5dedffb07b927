"""Territories that several files of tests derive or read.

``olemps`` and ``olemps_2018`` are the shipped commune at its native resolution, derived once a session into one
workspace: read them, never derive into that workspace. ``hamlet`` is a synthetic territory of 200 m × 200 m; without
its raster a derivation at 1 m takes less than a second: make a workspace with ``registered`` and derive at will.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

import pytest
import shell_environment  # noqa: F401  # before the package: importing that drops variables of the shell
from village import village

from benchmarks.scene import Scene, make_scene
from ocsge.catalog import register
from ocsge.derive import derive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ocsge.derivation import Derivation

OLEMPS = "12174"


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Give the process its main module back: Streamlit puts a page there in tests, which workers would then run."""
    ours = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = ours


class Registered(Protocol):
    """What the fixture ``registered`` returns."""

    def __call__(
        self, scene: Scene, workspace: Path, *, communes: Path | None = None, raster: bool = False
    ) -> Path: ...


@pytest.fixture(scope="session")
def olemps(tmp_path_factory: pytest.TempPathFactory) -> Derivation:
    """Olemps at 2022, 0.2 m, in a workspace of its own."""
    workspace = tmp_path_factory.mktemp("olemps") / "workspace"
    return derive(communes=[OLEMPS], millesime=2022, workspace=workspace)


@pytest.fixture(scope="session")
def olemps_2018(olemps: Derivation) -> Derivation:
    """Olemps at 2018, derived after 2022 into the same workspace."""
    return derive(communes=[OLEMPS], millesime=2018, workspace=olemps.version.parents[1])


@pytest.fixture(scope="session")
def olemps_pair(tmp_path_factory: pytest.TempPathFactory) -> Derivation:
    """Olemps at 2019 and 2022, the demonstration, in a workspace of its own."""
    workspace = tmp_path_factory.mktemp("olemps_pair") / "workspace"
    return derive(communes=[OLEMPS], millesime=(2019, 2022), workspace=workspace)


@pytest.fixture(scope="session")
def hamlet(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A scene of 0.04 km²; its only commune is 32001."""
    return make_scene(tmp_path_factory.mktemp("hamlet"), area_km2=0.04, seed=1)


@pytest.fixture(scope="session")
def registered() -> Registered:
    """Return a function that registers a scene in a workspace and returns the workspace."""

    def register_scene(scene: Scene, workspace: Path, *, communes: Path | None = None, raster: bool = False) -> Path:
        paths: Sequence[Path] = (scene.vectors, scene.rpg, communes or scene.communes)
        for path in (*paths, *(scene.rasters if raster else ())):
            register(workspace, path)
        return workspace

    return register_scene


@pytest.fixture(scope="session")
def village_pair(tmp_path_factory: pytest.TempPathFactory) -> Derivation:
    """The village at 2019 and 2022, with its car park; read it, never derive into its workspace."""
    return village(tmp_path_factory.mktemp("village_pair"))


@pytest.fixture(scope="session")
def village_alone(tmp_path_factory: pytest.TempPathFactory) -> Derivation:
    """The village at 2022 only."""
    return village(tmp_path_factory.mktemp("village_alone"), millesimes=(2022,))


@pytest.fixture(scope="session")
def village_still(tmp_path_factory: pytest.TempPathFactory) -> Derivation:
    """The village at 2019 and 2022 without any change."""
    return village(tmp_path_factory.mktemp("village_still"), changed=False)

"""The rule tables and the catalogue are found in a checkout and in an installed wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocsge import resources
from ocsge.resources import shipped_directory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("name", "holds"), [("rules", "matrix.csv"), ("data_catalog", "bd_topo_v3.yaml")])
def test_a_shipped_directory_holds_its_tables(name: str, holds: str) -> None:
    assert (shipped_directory(name) / holds).is_file()


def test_what_a_wheel_carries_is_found_before_what_stands_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "ocsge"
    (package / "_shipped" / "rules").mkdir(parents=True)
    (package.parent / "rules").mkdir()
    (package.parent / "data_catalog").mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert shipped_directory("rules") == package / "_shipped" / "rules"
    assert shipped_directory("data_catalog") == package.parent / "data_catalog"


def test_a_missing_directory_says_to_install_again() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere/ is missing.*reinstall the package"):
        shipped_directory("nowhere")

"""Heights of other ground are refused; heights that lack under a tile are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ortho_scenes import card_of, textured, varied_model, write_image

from ocsge.cli import main
from ocsge.errors import RasterError
from ocsge.grid import Window
from ocsge.segment.height_coverage import check_heights
from ocsge.segment.imagery import Imagery, open_imagery

if TYPE_CHECKING:
    from pathlib import Path

SIDE_M = 20.0
WEST, NORTH = 770_000.0, 6_280_000.0
CARD = card_of(("rouge", "elevation"))


def opened(folder: Path, *, heights: dict[str, tuple[float, float]], tiles: int = 1) -> Imagery:
    """Return tiles of imagery of 20 m, from west to east, and heights of 20 m at each (east, south) offset."""
    for k in range(tiles):
        write_image(folder / "rvb" / f"{k}.tif", textured(3, 100, 100), xmin=WEST + k * SIDE_M)
    for name, (east, south) in heights.items():
        metres = np.full((1, 20, 20), 4.0, np.float32)
        write_image(folder / "h" / name, metres, xmin=WEST + east, ymax=NORTH - south, resolution_m=1)
    return open_imagery([folder / "rvb"], elevation=[folder / "h"], card=CARD)


@pytest.mark.parametrize(
    ("offset", "met"),
    [
        ((0.0, 0.0), True),
        ((19.0, 0.0), True),  # a metre in common
        ((20.0, 0.0), False),  # the next tile: an edge is no ground
        ((0.0, 20.0), False),
        ((-20.0, 0.0), False),
        ((0.0, -19.0), True),
    ],
)
def test_heights_meet_imagery_when_they_have_ground_in_common(
    tmp_path: Path, offset: tuple[float, float], met: bool
) -> None:
    imagery = opened(tmp_path, heights={"a.tif": offset})
    west, north = WEST + offset[0], NORTH - offset[1]
    assert imagery.altitudes[0].bounds_mm().tolist() == [
        [1000 * west, 1000 * (north - SIDE_M), 1000 * (west + SIDE_M), 1000 * north]
    ]
    if met:
        assert check_heights(imagery, [imagery.window]) == ""
    else:
        with pytest.raises(RasterError, match=r"a\.tif: --elevation .* meets none of the imagery, which lies within"):
            check_heights(imagery, [imagery.window])


def test_tiles_of_imagery_without_heights_are_named_and_the_others_counted(tmp_path: Path) -> None:
    imagery = opened(tmp_path, heights={"a.tif": (0.0, 0.0)}, tiles=6)
    told = check_heights(imagery, [imagery.window])
    assert told.startswith("--elevation meets nothing of 5 tile(s) of imagery (1.tif, 2.tif, 3.tif and 2 more)")
    first = imagery.window
    only = Window(row=first.row, col=first.col, height=first.height, width=100)
    assert check_heights(imagery, [only]) == ""  # nothing else is answered


def test_what_is_answered_decides_not_what_is_given(tmp_path: Path) -> None:
    imagery = opened(tmp_path, heights={"a.tif": (0.0, 0.0)}, tiles=2)
    first = imagery.window
    east = Window(row=first.row, col=first.col + 100, height=first.height, width=100)
    with pytest.raises(RasterError, match="meets none of the imagery"):
        check_heights(imagery, [east])


def test_a_tile_in_two_windows_lacks_heights_once_and_by_its_part_that_meets_none(tmp_path: Path) -> None:
    imagery = opened(tmp_path, heights={"a.tif": (-10.0, 0.0)}, tiles=2)  # the western half of the first tile
    first = imagery.window
    halves = [Window(row=first.row, col=first.col + 50 * k, height=first.height, width=50) for k in range(4)]
    assert check_heights(imagery, halves[:1]) == ""
    assert check_heights(imagery, halves).startswith("--elevation meets nothing of 2 tile(s) of imagery (0.tif, 1.tif)")


def test_nothing_to_answer_lacks_no_height(tmp_path: Path) -> None:
    assert check_heights(opened(tmp_path, heights={"a.tif": (0.0, 0.0)}), []) == ""


def test_imagery_without_heights_lacks_none(tmp_path: Path) -> None:
    rvb = write_image(tmp_path / "rvb.tif", textured(3, 100, 100))
    imagery = open_imagery([rvb], card=card_of())
    assert check_heights(imagery, [imagery.window]) == ""


def test_the_command_refuses_heights_of_other_ground_with_the_code_of_bad_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(tmp_path, heights={"a.tif": (5_000.0, 0.0)})
    given = ("--rvb", tmp_path / "rvb", "--elevation", tmp_path / "h", "--model", varied_model(tmp_path, CARD))
    options = ("--out", tmp_path / "out", "--patch", "128", "--halo", "32", "--threads", "1", "--device", "cpu")
    with pytest.raises(SystemExit) as stopped:
        main(["segment", *map(str, (*given, *options))])
    assert stopped.value.code == 65
    assert "give the heights of its ground" in capsys.readouterr().err
    assert not (tmp_path / "out" / "classes").exists()

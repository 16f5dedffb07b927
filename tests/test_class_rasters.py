"""Rasters are written in whole blocks, once each, and say what they hold."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from ortho_scenes import FLAIR_CLASSES, card_of
from rasterio.errors import RasterioIOError

from ocsge.errors import OutputError
from ocsge.grid import Grid, Window
from ocsge.rules import load_rules
from ocsge.segment import class_rasters
from ocsge.segment.class_rasters import (
    BlockAssembler,
    NumberedClass,
    RasterSink,
    category_names,
    class_table,
    raster_kinds,
)
from ocsge.styles import class_polygons_style, class_raster_style

if TYPE_CHECKING:
    from pathlib import Path

RULES = load_rules(dt.date(2025, 6, 1))
GRID = Grid.at_resolution(epsg=2154, resolution_m=0.2)
CLASSES = [NumberedClass(0, "Bâtiment", "#CE7079"), NumberedClass(3, "Piscine", "#62D0FF")]
WINDOW = Window(row=-31_400_000, col=3_850_000, height=1100, width=700)


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    core=st.integers(1, 17),
    offset=st.tuples(st.integers(0, 16), st.integers(0, 16)),
    left_out=st.sets(st.integers(0, 60)),
    seed=st.integers(0, 99),
)
def test_every_block_is_given_once_and_holds_every_part(
    shape: tuple[int, int], core: int, offset: tuple[int, int], left_out: set[int], seed: int
) -> None:
    window = Window(row=100 + offset[0], col=200 + offset[1], height=shape[0], width=shape[1])
    random = np.random.default_rng(seed)
    image = random.integers(0, 250, (2, *shape), dtype=np.uint8)
    parts = window.tiles(core)
    random.shuffle(parts)
    expected, given_blocks = np.full_like(image, 255), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(class_rasters, "BLOCK_PX", 7)
        assembler = BlockAssembler(window, bands=2, fill=255)
        for position, part in enumerate(parts):
            if position in left_out:
                continue
            top, left = part.row - window.row, part.col - window.col
            place = np.s_[:, top : top + part.height, left : left + part.width]
            expected[place] = image[place]
            given_blocks.extend(assembler.add(part, image[place]))
        given_blocks.extend(assembler.rest())
    found = np.full_like(image, 255)
    for block, values in given_blocks:
        assert (block.row - window.row) % 7 == (block.col - window.col) % 7 == 0
        row, col = block.row - window.row, block.col - window.col
        found[:, row : row + block.height, col : col + block.width] = values
    assert (found == expected).all()
    assert len({block for block, _ in given_blocks}) == len(given_blocks)


def parsed(document: str) -> ET.Element:
    return ET.fromstring(document[document.index("<", 1) if document.startswith("<!") else 0 :])  # noqa: S314 (ours)


def sink(path: Path, name: str = "classes") -> RasterSink:
    table = class_table(card_of(), RULES)
    return RasterSink(path, kind=raster_kinds(table, "petit")[name], window=WINDOW, grid=GRID)


def test_what_was_never_given_is_no_data(tmp_path: Path) -> None:
    part = Window(row=WINDOW.row + 600, col=WINDOW.col + 10, height=30, width=40)
    with sink(tmp_path / "out" / "a.tif") as to:
        to.write(part, np.full((1, 30, 40), 7, np.uint8))
    with rasterio.open(tmp_path / "out" / "a.tif") as dataset:
        values = dataset.read(1)
        assert dataset.overviews(1) == [2, 4]
    assert (values[600:630, 10:50] == 7).all()
    assert (values == 255).sum() == 1100 * 700 - 30 * 40
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tif"]


def test_the_bytes_do_not_depend_on_the_order_of_the_parts(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 8, (1, WINDOW.height, WINDOW.width), dtype=np.uint8)
    digests = set()
    for name, parts in (("a", WINDOW.tiles(256)), ("b", WINDOW.tiles(256)[::-1]), ("c", WINDOW.tiles(300))):
        with sink(tmp_path / f"{name}.tif") as to:
            for part in parts:
                row, col = part.row - WINDOW.row, part.col - WINDOW.col
                to.write(part, image[:, row : row + part.height, col : col + part.width])
        digests.add((tmp_path / f"{name}.tif").read_bytes())
        assert len(to.sha256) == 64
    assert len(digests) == 1


def test_nothing_is_published_when_the_work_fails(tmp_path: Path) -> None:
    part = Window(row=WINDOW.row, col=WINDOW.col, height=30, width=40)
    with pytest.raises(ValueError, match="stop"), sink(tmp_path / "a.tif") as to:  # noqa: PT012
        to.write(part, np.zeros((1, 30, 40), np.uint8))
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_of_the_writer_reaches_who_gives_the_parts(tmp_path: Path) -> None:
    part = Window(row=WINDOW.row, col=WINDOW.col, height=600, width=600)
    with pytest.raises((OutputError, ValueError)), sink(tmp_path / "a.tif") as to:  # noqa: PT012
        for _ in range(20):
            to.write(part, np.zeros((3, 600, 600), np.uint8))  # three bands for one
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["while parts come", "once all have come"])
def test_a_disk_that_refuses_a_block_is_told_and_no_one_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    height = 512 if when == "while parts come" else 100

    def refused(*_):
        raise RasterioIOError("no space left on device")

    monkeypatch.setattr(RasterSink, "_put", refused)
    part = Window(row=WINDOW.row, col=WINDOW.col, height=height, width=512)
    with pytest.raises(OutputError, match=r"a\.tif: cannot be written \(no space left"), sink(tmp_path / "a.tif") as to:
        to.write(part, np.zeros((1, height, 512), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_raster_that_cannot_be_read_back_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optimise = RasterSink._optimise

    def cut_short(self, temporary):
        optimise(self, temporary)
        temporary.write_bytes(temporary.read_bytes()[:-200])

    monkeypatch.setattr(RasterSink, "_optimise", cut_short)
    part = Window(row=WINDOW.row, col=WINDOW.col, height=1100, width=700)
    noise = np.random.default_rng(0).integers(0, 8, (1, 1100, 700), dtype=np.uint8)
    with pytest.raises(OutputError, match="cannot be read back"), sink(tmp_path / "a.tif") as to:
        to.write(part, noise)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path) -> None:
    for name in (".working-a.tif.part", ".tmp-1-ff-a.tif", ".tmp-1-ff-b.tif"):
        (tmp_path / name).write_bytes(b"half")
    with sink(tmp_path / "a.tif"):
        pass
    # that of another dalle may be of a run that goes on
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-1-ff-b.tif", "a.tif"]


@pytest.mark.parametrize(
    ("head", "winning", "numbering", "numbers"),
    [
        (FLAIR_CLASSES, FLAIR_CLASSES[:12], "cosia_argmax_2023", (0, 1, 2, 4, 5, 7, 9, 10, 11, 17, 12, 13)),
        (FLAIR_CLASSES, FLAIR_CLASSES[:15], "cosia_argmax_2023", (0, 1, 2, 4, 5, 7, 9, 10, 11, 17, 12, 13, 3, 6, 8)),
        (FLAIR_CLASSES, (), "flair_inc_mask", tuple(range(1, 20))),
        (("Feuillu", "Bâtiment"), (), "cosia_argmax_2023", (9, 0)),
        (("toit", "bois", "eau"), ("eau", "toit"), None, (1, 3)),
    ],
)
def test_classes_are_numbered_by_their_names(
    head: tuple[str, ...], winning: tuple[str, ...], numbering: str | None, numbers: tuple[int, ...]
) -> None:
    card = card_of(head_classes=head, winning_classes=winning)
    table = class_table(card, RULES)
    assert table.numbering == numbering
    assert tuple(table.numbers.tolist()) == numbers
    assert tuple(c.name for c in table.classes) == card.classes_won


def test_colours_are_those_of_cosia_and_differ_for_classes_of_ones_own() -> None:
    cosia = class_table(card_of(head_classes=("Bâtiment", "Serre")), RULES)
    assert [c.colour for c in cosia.classes] == ["#CE7079", "#B9E2D4"]
    own = class_table(card_of(head_classes=tuple(f"classe {n}" for n in range(12))), RULES)
    assert len({c.colour for c in own.classes}) == 12


def test_a_name_stands_at_the_place_of_its_number() -> None:
    names = [c.text or "" for c in parsed(category_names(CLASSES).decode()).iter("Category")]
    assert names == ["Bâtiment", "", "", "Piscine"]


def test_qgis_paints_values_and_polygons_with_the_same_colours() -> None:
    raster = class_raster_style([(c.number, c.name, c.colour) for c in CLASSES]).qml
    entries = parsed(raster).iter("paletteEntry")
    assert [(e.get("value"), e.get("label"), e.get("color")) for e in entries] == [
        ("0", "Bâtiment", "#CE7079"),
        ("3", "Piscine", "#62D0FF"),
    ]
    polygons = class_polygons_style([(c.name, c.name, c.colour) for c in CLASSES]).qml
    root = parsed(polygons)
    assert [c.get("value") for c in root.iter("category")] == ["Bâtiment", "Piscine"]
    assert "206,112,121,255" in polygons

"""Confusion matrices beside rasters: what is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ocsge.errors import CodeError, DataError
from ocsge.products.confusion import Confusion, confusion_beside, read_confusion
from ocsge.rules import load_rules

RULES = load_rules()
NUMBERING = "cosia_vector_numero"
STATED = {
    "numbering": NUMBERING,
    "classes": [1, 3],
    "counts": [[48, 2], [5, 45]],
    "source": "100 points, Rodez, 2024",
}


def written(folder: Path, **changes: Any) -> Path:
    """Write a matrix; a key changed to None is left out."""
    path = folder / "matrix.json"
    stated = {key: value for key, value in {**STATED, **changes}.items() if value is not None}
    path.write_text(json.dumps(stated), encoding="utf-8")
    return path


def read(path: Path) -> Confusion:
    return read_confusion(path, rules=RULES, numbering=NUMBERING)


def test_a_matrix_is_read_with_rows_as_mapped_and_columns_as_the_reference(tmp_path: Path) -> None:
    found = read(written(tmp_path))
    assert found.classes == (1, 3)
    assert found.counts[0].tolist() == [48, 2]
    assert (found.numbering, found.source) == (NUMBERING, "100 points, Rodez, 2024")
    assert (found.model, found.design_effect) == ("", 1.0)


def test_the_matrix_shown_in_the_documentation_is_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "uncertainty.md").read_text(encoding="utf-8")
    path = tmp_path / "matrix.json"
    path.write_text(page.split("```json")[1].split("```")[0], encoding="utf-8")
    assert read(path).counts.sum() == 350


def test_model_and_design_effect_may_be_stated(tmp_path: Path) -> None:
    found = read(written(tmp_path, model="FLAIR-HUB", design_effect=2))
    assert (found.model, found.design_effect) == ("FLAIR-HUB", 2.0)


def test_the_matrix_of_a_raster_or_folder_stands_beside_it(tmp_path: Path) -> None:
    raster, folder = tmp_path / "CoSIA.tif", tmp_path / "dalles"
    folder.mkdir()
    assert confusion_beside(raster) is None
    for name in ("CoSIA.tif.confusion.json", "dalles.confusion.json"):
        (tmp_path / name).touch()
    assert confusion_beside(raster) == tmp_path / "CoSIA.tif.confusion.json"
    assert confusion_beside(folder) == tmp_path / "dalles.confusion.json"


def test_a_class_never_mapped_but_found_by_the_reference_is_kept(tmp_path: Path) -> None:
    assert read(written(tmp_path, counts=[[48, 2], [0, 0]])).counts[1].sum() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": None}, "has no counts; expected numbering, classes, counts, source"),
        ({"source": None, "numbering": None}, "has no numbering, source"),
        ({"cuonts": []}, "has the unknown key cuonts"),
        ({"numbering": "flair_hub"}, r"numbered by 'flair_hub', those of the raster by 'cosia_vector_numero'"),
        ({"classes": "1, 3"}, "give a list of class numbers"),
        ({"classes": []}, "give a list of class numbers"),
        ({"classes": [1, 3.0]}, "give a list of class numbers"),
        ({"counts": [[48, 2]]}, "counts is not a table of 2 rows of 2 counts"),
        ({"counts": [[48, 2], [5]]}, "counts is not a table of 2 rows of 2 counts"),
        ({"counts": {"1": 2}}, "counts is not a table of 2 rows of 2 counts"),
        ({"counts": [[48, -2], [5, 45]]}, "count -2 of ground mapped 1 and found 3 is not a whole number from 0"),
        ({"counts": [[48, 2], [0.5, 45]]}, "count 0.5 of ground mapped 3 and found 1"),
        ({"counts": [[48, 2], [True, 45]]}, "count True of ground mapped 3"),
        ({"counts": [[48, 0], [0, 0]]}, r"classes \[3\] have no sample at all; leave them out"),
        ({"design_effect": 0.5}, "design_effect 0.5: give a number from 1"),
        ({"design_effect": True}, "design_effect True"),
        ({"source": 12}, "source is not a text"),
        ({"model": ["a"]}, "model is not a text"),
    ],
)
def test_a_matrix_that_cannot_be_used_is_refused_with_what_and_where(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message) as refused:
        read(written(tmp_path, **changes))
    assert "matrix.json: " in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("classes", "message"),
    [([1, 99], r"class numbers \[99\] do not exist in the numbering system"), ([3, 3], r"\[3\] are stated twice")],
)
def test_an_unknown_or_repeated_class_is_refused(tmp_path: Path, classes: list[int], message: str) -> None:
    with pytest.raises(CodeError, match=message):
        read(written(tmp_path, classes=classes))


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[1]", "holds no table of keys"), ("\x00\xff", "not JSON")],
)
def test_a_file_that_holds_no_matrix_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "matrix.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message):
        read(path)


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: cannot be read: No such file"):
        read(tmp_path / "none.json")


LEVELS = [
    {"mapped": 3, "from": 0, "counts": [5, 15]},
    {"mapped": 3, "from": 200, "counts": [0, 30]},
]


def test_levels_tell_the_samples_of_a_class_by_probability(tmp_path: Path) -> None:
    found = read(written(tmp_path, levels=LEVELS))
    assert [(level.mapped, level.at_least, level.counts.tolist()) for level in found.of_class(3)] == [
        (3, 0, [5, 15]),
        (3, 200, [0, 30]),
    ]
    assert [(level.at_least, level.counts.tolist()) for level in found.of_class(1)] == [(0, [48, 2])]
    table = found.level_table()
    assert table[3, [1, 199, 200, 255]].tolist() == [0, 0, 1, 1]
    assert table[1].max() == 0


def test_a_matrix_without_levels_has_none(tmp_path: Path) -> None:
    found = read(written(tmp_path))
    assert found.levels == ()
    assert found.level_table().max() == 0


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (LEVELS[:1], r"levels of class 3 do not sum to its counts \[5, 45\]"),
        ([LEVELS[0], {**LEVELS[1], "counts": [1, 30]}], "levels of class 3 do not sum to its counts"),
        (LEVELS[::-1], r"levels of class 3 start at \[200, 0\]; give at most 8, from 0, growing"),
        ([{**LEVELS[0], "from": 10}, LEVELS[1]], r"levels of class 3 start at \[10, 200\]"),
        ([{**LEVELS[0], "from": 256}], "from 256 of class 3: give 0 to 255"),
        ([{**LEVELS[0], "mapped": 12}], "levels: mapped 12 is none of classes"),
        ([{**LEVELS[0], "counts": [5]}], "levels: class 3 has no 2 counts"),
        ([{**LEVELS[0], "counts": [5, -1]}], "count -1 of ground mapped 3 and found 3"),
        ([{"mapped": 3}], "give a list of counts, from, mapped each"),
        ({"3": [0, 200]}, "give a list of counts, from, mapped each"),
    ],
)
def test_levels_that_are_not_the_samples_of_the_matrix_are_refused(
    tmp_path: Path, levels: object, message: str
) -> None:
    path = written(tmp_path, levels=levels)
    with pytest.raises(DataError, match=message):
        read(path)

"""What the numbers of a mask mean to a head: stated by a file or by a numbering system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ocsge.errors import CodeError, DataError
from ocsge.rules import load_rules
from ocsge.segment.mask_classes import UNKNOWN, MaskClasses, classes_of_numbering, read_classes
from ocsge.segment.metrics import IGNORED

if TYPE_CHECKING:
    from pathlib import Path


def test_a_mask_is_read_by_a_table_of_256_numbers() -> None:
    classes = MaskClasses(("bati", "eau"), {7: 0, 8: 0, 3: 1, 0: IGNORED})
    mask = np.array([[7, 8, 3], [0, 9, 255]], dtype=np.uint8)
    assert classes.table[mask].tolist() == [[0, 0, 1], [IGNORED, UNKNOWN, UNKNOWN]]


def test_a_class_that_no_number_teaches_does_not_win() -> None:
    classes = MaskClasses(("bati", "eau", "neige"), {1: 1, 2: 0, 3: IGNORED})
    assert classes.winning == ("bati", "eau")


def test_flair_numbers_its_masks_from_1_and_flair_hub_from_0_in_another_order() -> None:
    inc, hub = (classes_of_numbering(load_rules(), name) for name in ("flair_inc_mask", "flair_hub"))
    assert sorted(inc.channels) == list(range(1, 20))
    assert sorted(hub.channels) == list(range(19))
    names = [[one.head_classes[one.channels[number]] for number in sorted(one.channels)] for one in (inc, hub)]
    assert set(names[0]) == set(names[1])
    assert names[0] != names[1]


def test_spaces_around_a_class_or_a_number_mean_nothing(tmp_path: Path) -> None:
    classes = read_classes(classes_file(tmp_path, "number,class\n 1 , bati \n2,bati\n"))
    assert (classes.head_classes, classes.channels) == (("bati",), {1: 0, 2: 0})


def test_a_file_that_excel_wrote_is_read(tmp_path: Path) -> None:
    assert read_classes(classes_file(tmp_path, "\ufeffnumber,class\n1,bâti\n")).head_classes == ("bâti",)


def test_an_ignored_class_that_a_file_does_not_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CodeError, match="ignored classes route are none of bati"):
        read_classes(classes_file(tmp_path, "number,class\n1,bati\n"), ignored=["route"])


def test_an_ignored_class_keeps_its_channel_and_never_wins() -> None:
    classes = classes_of_numbering(load_rules(), "flair_inc_mask", ignored=["Autre"])
    assert classes.channels[19] == IGNORED
    assert classes.head_classes[-1] == "Autre"
    assert "Autre" not in classes.winning


def test_an_unknown_ignored_class_is_refused_with_those_there_are() -> None:
    with pytest.raises(CodeError, match="ignored classes Foret are not in flair_inc_mask: Bâtiment"):
        classes_of_numbering(load_rules(), "flair_inc_mask", ignored=["Foret"])


def classes_file(folder: Path, text: str) -> Path:
    path = folder / "classes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_classes_of_ones_own_are_those_of_a_file_in_its_order(tmp_path: Path) -> None:
    path = classes_file(tmp_path, "number,class\n3,vigne\n1,bati\n2,vigne\n0,\n")
    classes = read_classes(path)
    assert classes.head_classes == ("vigne", "bati")
    assert classes.channels == {3: 0, 1: 1, 2: 0, 0: IGNORED}
    assert read_classes(path, ignored=["vigne"]).channels == {3: IGNORED, 1: 0, 2: IGNORED, 0: IGNORED}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("numero,classe\n1,bati\n", "expected rows with the columns number and class"),
        ("", "expected rows"),
        ("number,class\nun,bati\n", "line 2: 'un' is no class number"),
        ("number,class\n1,bati\n1,route\n", "line 3: the class number 1 is stated twice"),
        ("number,class\n300,bati\n", "masks hold 0 to 255"),
    ],
)
def test_a_file_of_classes_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_classes(classes_file(tmp_path, text))

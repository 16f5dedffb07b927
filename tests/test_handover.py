"""What a stage made is handed over in memory while its file is written, and read from the file when it is not held."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import pytest

from ocsge.errors import OutputError
from ocsge.handover import handed_over, keep, take
from ocsge.store import Workspace, artefact_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = artefact_key(window=1)


@dataclass
class Note:
    """A text that counts how often it was read back."""

    text: str
    read_back: ClassVar[list[str]] = []

    def save(self, path: Path) -> None:
        """Write the text."""
        path.write_text(self.text)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the text."""
        cls.read_back.append(path.read_text())
        return cls(path.read_text())


@pytest.fixture(autouse=True)
def nothing_read_back() -> None:
    Note.read_back.clear()


@pytest.fixture
def store(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_outside_a_block_the_file_is_written_and_read(store: Workspace) -> None:
    path = keep(store, "notes", KEY, lambda: Note("oak"))
    assert store.holds_whole(path, KEY)
    assert take(Note, path, store=store.path) == Note("oak")
    assert Note.read_back == ["oak"]


@pytest.mark.parametrize("beside", [True, False])
def test_within_a_block_the_same_object_comes_back_and_its_file_is_written(store: Workspace, beside: bool) -> None:
    note = Note("oak")
    with handed_over(store.path, beside=beside):
        path = keep(store, "notes", KEY, lambda: note)
        assert take(Note, path, store=store.path) is note
    assert store.holds_whole(path, KEY)
    assert path.read_text() == "oak"
    assert Note.read_back == []


def test_what_was_taken_for_the_last_time_is_read_from_its_file(store: Workspace) -> None:
    with handed_over(store.path, beside=True):
        path = keep(store, "notes", KEY, lambda: Note("oak"))
        take(Note, path, store=store.path, last=True)
        assert take(Note, path, store=store.path) == Note("oak")
    assert Note.read_back == ["oak"]


def test_a_reader_waits_for_the_file_that_is_being_written(store: Workspace) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Note):
        def save(self, path: Path) -> None:
            """Write the text once told to."""
            begun.set()
            assert go_on.wait(10)
            super().save(path)

    with handed_over(store.path, beside=True):
        path = keep(store, "notes", KEY, lambda: Slow("elm"))
        assert begun.wait(10)
        assert not path.exists()
        take(Slow, path, store=store.path, last=True)
        threading.Timer(0.05, go_on.set).start()
        assert take(Note, path, store=store.path).text == "elm"


def test_what_is_already_there_is_not_made_again(store: Workspace) -> None:
    path = keep(store, "notes", KEY, lambda: Note("oak"))

    def never() -> Note:
        """Fail when called."""
        raise AssertionError("made again")

    with handed_over(store.path, beside=True):
        assert keep(store, "notes", KEY, never) == path


class Refused(Note):
    """A text that the disk refuses."""

    def save(self, path: Path) -> None:
        """Fail as a full disk does."""
        raise OSError(28, "No space left on device", str(path))


def test_a_file_that_cannot_be_written_fails_the_block(store: Workspace) -> None:
    with pytest.raises(OutputError, match="no space left"), handed_over(store.path, beside=True):
        keep(store, "notes", KEY, lambda: Refused("ash"))


def refused_then(store: Workspace, next_stage: Callable[[Path], object]) -> None:
    """Make what the disk refuses, then go on to the next stage."""
    with handed_over(store.path, beside=True):
        next_stage(keep(store, "notes", KEY, lambda: Refused("ash")))


def test_a_full_disk_stops_the_next_stage_already(store: Workspace) -> None:
    read = []

    def next_stage(path: Path) -> None:
        """Ask for the file, which is not held any more."""
        take(Refused, path, store=store.path, last=True)
        read.append(take(Note, path, store=store.path))

    with pytest.raises(OutputError, match="no space left"):
        refused_then(store, next_stage)
    assert read == []


def test_the_error_of_the_work_is_the_one_that_is_raised(store: Workspace) -> None:
    def next_stage(path: Path) -> None:
        """Fail for a reason of its own."""
        raise ZeroDivisionError(path)

    with pytest.raises(ZeroDivisionError):
        refused_then(store, next_stage)


def test_what_one_workspace_holds_another_does_not(tmp_path: Path) -> None:
    one, other = Workspace(tmp_path / "one"), Workspace(tmp_path / "other")
    with handed_over(one.path, beside=False), handed_over(other.path, beside=False):
        path = keep(one, "notes", KEY, lambda: Note("oak"))
        assert take(Note, path, store=other.path) == Note("oak")
    assert Note.read_back == ["oak"]

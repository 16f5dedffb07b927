"""The workspace: whole files or none, one writer, immutable versions."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ocsge.errors import DataError, OcsgeError, OutputError, ParameterError, WorkspaceBusyError
from ocsge.publish import file_sha256, json_bytes, publish
from ocsge.store import Workspace, artefact_key, code_version, source_digest

NOBODY = 65534


def write_bytes(content: bytes):
    return lambda path: path.write_bytes(content)


def fill_with(**files: str):
    def fill(folder: Path) -> None:
        for name, text in files.items():
            publish(folder / f"{name}.txt", write_bytes(text.encode()))

    return fill


def temporaries(folder: Path) -> list[Path]:
    return list(folder.rglob(".tmp-*"))


def start(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "space")


@pytest.fixture
def read_only():
    """A folder that this process may not write, whoever runs the tests."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(NOBODY)
    yield folder
    if privileged:
        os.seteuid(0)
    folder.rmdir()


# --- one file


def test_a_published_file_has_its_bytes_and_returns_their_sha256(tmp_path):
    path = tmp_path / "new" / "a.txt"
    sha256 = publish(path, write_bytes(b"abc"))
    assert path.read_bytes() == b"abc"
    # The sha256 of "abc" is the first test vector of FIPS 180-2.
    assert sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    publish(path, write_bytes(b"old"))

    def fail(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        temporary.with_name(temporary.name + "-journal").write_bytes(b"")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(path, fail)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.txt", b"old")]


def test_a_file_that_cannot_be_read_back_is_not_published(tmp_path):
    def verify(path: Path) -> None:
        raise ValueError(f"{path.suffix} is unreadable")

    with pytest.raises(OutputError, match=r"a\.txt: written, but cannot be read back \(\.txt is unreadable\)"):
        publish(tmp_path / "a.txt", write_bytes(b"x"), verify=verify)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_exit_73_and_leaves_nothing(tmp_path):
    def fill_the_disk(temporary: Path) -> None:
        temporary.write_bytes(b"begun")
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(OutputError, match="no space left") as caught:
        publish(tmp_path / "a.txt", fill_the_disk)
    assert caught.value.exit_code == 73
    assert list(tmp_path.iterdir()) == []


def test_an_array_that_does_not_fit_on_the_disk_is_exit_73(tmp_path):
    def write_half(_: Path) -> None:
        raise OSError("1048576 requested and 4096 written")  # numpy.ndarray.tofile: no errno

    with pytest.raises(OutputError, match=r"no space left.*free some disk space") as stop:
        publish(tmp_path / "out.bin", write_half)
    assert stop.value.exit_code == 73
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder_is_exit_73(read_only):
    with pytest.raises(OutputError, match="choose a folder you may write to") as caught:
        publish(read_only / "a.txt", write_bytes(b"x"))
    assert caught.value.exit_code == 73
    with pytest.raises(OutputError, match="choose a folder"), Workspace(read_only / "space").locked():
        pass


def test_an_output_folder_that_is_a_file_is_exit_73(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        publish(tmp_path / "file" / "a.txt", write_bytes(b"x"))


def test_an_input_that_cannot_be_read_is_not_reported_as_an_output(tmp_path):
    def read_input(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/input.gpkg")

    with pytest.raises(PermissionError):
        publish(tmp_path / "a.txt", read_input)


def test_a_failing_disk_is_exit_73(tmp_path):
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OutputError, match="disk failed"):
        publish(tmp_path / "a.txt", fail)


def test_json_has_one_form_and_no_nan():
    assert json_bytes({"b": 1, "a": "é"}) == '{\n  "a": "é",\n  "b": 1\n}\n'.encode()
    with pytest.raises(ValueError, match="Out of range"):
        json_bytes(float("nan"))
    with pytest.raises(TypeError):
        json_bytes({1, 2})


# --- artefacts


def test_the_key_changes_with_a_parameter_and_not_with_their_order():
    key = artefact_key(rules="r", window=[0, 1])
    assert key == artefact_key(window=[0, 1], rules="r")
    assert key != artefact_key(window=[0, 2], rules="r")
    assert len(key) == 64
    assert code_version().startswith("0.")


def test_a_wheel_and_a_checkout_have_the_same_code_version(tmp_path):
    for layout in ("checkout", "wheel", "changed"):
        (tmp_path / layout / "cli").mkdir(parents=True)
        (tmp_path / layout / "cli" / "app.py").write_text("port = 8501\n")
    (tmp_path / "wheel" / "_shipped" / "app").mkdir(parents=True)
    (tmp_path / "wheel" / "_shipped" / "app" / "main.py").write_text("pages = 8\n")
    (tmp_path / "changed" / "cli" / "app.py").write_text("port = 8502\n")
    checkout, wheel, changed = (source_digest(tmp_path / layout) for layout in ("checkout", "wheel", "changed"))
    assert checkout == wheel != changed
    assert len(checkout) == 12


def test_an_artefact_is_made_once_then_reused(workspace):
    made = []

    def produce(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"result")

    key = artefact_key(a=1)
    first = workspace.artefact("regions", key, ".bin", produce)
    assert workspace.artefact("regions", key, ".bin", produce) == first
    assert len(made) == 1
    workspace.artefact("regions", artefact_key(a=2), ".bin", produce)
    assert len(made) == 2
    assert first.read_bytes() == b"result"


@pytest.mark.parametrize("damage", ["truncated", "manifest lost", "manifest cut", "other key"])
def test_a_damaged_artefact_is_made_again(workspace, damage):
    key = artefact_key(a=1)
    path = workspace.artefact("regions", key, ".json", write_bytes(b"whole"))
    manifest = path.with_name(path.name + ".json")
    if damage == "truncated":
        path.write_bytes(b"who")
    elif damage == "manifest lost":
        manifest.unlink()
    elif damage == "manifest cut":
        manifest.write_bytes(manifest.read_bytes()[:20])
    else:
        manifest.write_bytes(json_bytes({"key": "x", "sha256": file_sha256(path)}))
    again = workspace.artefact("regions", key, ".json", write_bytes(b"whole"))
    assert again.read_bytes() == b"whole"
    assert json.loads(manifest.read_bytes()) == {"key": key, "sha256": file_sha256(path)}


@pytest.mark.parametrize(("stage", "key"), [("../x", "k"), ("x", "../k"), ("", "k"), ("x", ".tmp-1-k")])
def test_an_artefact_cannot_leave_its_folder(workspace, stage, key):
    with pytest.raises(ParameterError, match="not a name for a cached file"):
        workspace.artefact(stage, key, ".bin", write_bytes(b""))


# --- versions


def test_a_new_workspace_has_no_version(workspace):
    assert workspace.current() is None


def test_a_version_is_named_by_its_content(workspace, tmp_path):
    version = workspace.publish_version(fill_with(stock="1"), key="k")
    other = Workspace(tmp_path / "other").publish_version(fill_with(stock="1"), key="k")
    assert workspace.current() == version
    assert version.name == other.name == file_sha256(version / "manifest.json")[:16]
    manifest = json.loads((version / "manifest.json").read_bytes())
    assert manifest == {
        "files": [{"path": "stock.txt", "bytes": 1, "sha256": file_sha256(version / "stock.txt")}],
        "key": "k",
    }
    assert workspace.verify(version) == []
    assert (version / "stock.txt").stat().st_mode & 0o222 == 0, "files of a version are read-only"


def test_publishing_the_same_content_twice_makes_one_version(workspace):
    first = workspace.publish_version(fill_with(stock="1"))
    workspace.publish_version(fill_with(stock="2"))
    inode = (first / "stock.txt").stat().st_ino
    assert workspace.publish_version(fill_with(stock="1")) == first == workspace.current()
    assert (first / "stock.txt").stat().st_ino == inode
    assert len(list((workspace.path / "versions").iterdir())) == 2


def test_a_damaged_version_is_found_and_published_again(workspace):
    version = workspace.publish_version(fill_with(a="1", b="2"))
    (version / "a.txt").chmod(0o644)
    (version / "a.txt").write_text("9")
    (version / "b.txt").unlink()
    assert workspace.verify(version) == ["a.txt", "b.txt"]
    assert workspace.publish_version(fill_with(a="1", b="2")) == version
    assert workspace.verify(version) == []
    (version / "manifest.json").unlink()
    assert workspace.verify(version) == ["manifest.json"]


def test_a_manifest_that_was_edited_is_found(workspace):
    version = workspace.publish_version(fill_with(a="1"))
    manifest = version / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes().replace(b'"key": ""', b'"key": "x"'))
    assert workspace.verify(version) == ["manifest.json"]


def test_carried_files_are_linked_and_the_others_are_dropped(workspace):
    first = workspace.publish_version(fill_with(keep="1", drop="2", both="3"))
    second = workspace.publish_version(
        fill_with(new="4", both="5"), carry=lambda path: path.name in {"keep.txt", "both.txt"}
    )
    names = sorted(path.name for path in second.iterdir())
    assert names == ["both.txt", "keep.txt", "manifest.json", "new.txt"]
    assert (second / "keep.txt").samefile(first / "keep.txt")
    assert ((first / "both.txt").read_text(), (second / "both.txt").read_text()) == ("3", "5")
    assert workspace.verify(first) == workspace.verify(second) == []


def test_carried_files_are_copied_where_links_are_refused(workspace, monkeypatch):
    first = workspace.publish_version(fill_with(keep="1"))

    def refuse(self, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(self))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    second = workspace.publish_version(fill_with(new="2"), carry=lambda _: True)
    assert (second / "keep.txt").read_text() == "1"
    assert not (second / "keep.txt").samefile(first / "keep.txt")


def test_a_damaged_carried_file_is_refused(workspace):
    first = workspace.publish_version(fill_with(keep="1"))
    (first / "keep.txt").chmod(0o644)
    (first / "keep.txt").write_text("2")
    with pytest.raises(DataError, match=r"keep\.txt: damaged in the current version"):
        workspace.publish_version(fill_with(new="2"), carry=lambda _: True)
    (first / "keep.txt").unlink()
    with pytest.raises(DataError, match=r"keep\.txt: missing"):
        workspace.publish_version(fill_with(new="2"), carry=lambda _: True)
    assert workspace.current() == first
    assert temporaries(workspace.path) == []


def test_a_failed_fill_leaves_current_as_it_was(workspace):
    first = workspace.publish_version(fill_with(a="1"))

    def fail(folder: Path) -> None:
        (folder / "a.txt").write_text("2")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="no space left"):
        workspace.publish_version(fail)
    with pytest.raises(OcsgeError, match="without any file"):
        workspace.publish_version(lambda _: None)
    assert workspace.current() == first
    assert temporaries(workspace.path) == []


@pytest.mark.parametrize("name", ["0123456789abcdef", "../../etc", ""])
def test_a_pointer_to_nothing_is_refused_with_a_remedy(workspace, name):
    workspace.path.mkdir()
    (workspace.path / "CURRENT").write_text(name)
    with pytest.raises(DataError, match="remove this file and run again"):
        workspace.current()


def test_pruning_keeps_the_last_ones_and_always_the_current(workspace):
    versions = [workspace.publish_version(fill_with(a=str(number))) for number in range(5)]
    assert workspace.publish_version(fill_with(a="0")) == versions[0]
    removed = workspace.prune(keep=2)
    assert sorted(removed) == sorted(version.name for version in versions[1:4])
    assert {path.name for path in (workspace.path / "versions").iterdir()} == {
        versions[0].name,
        versions[4].name,
    }
    assert workspace.prune(keep=1) == [versions[4].name]
    assert workspace.current() == versions[0]
    with pytest.raises(ParameterError):
        workspace.prune(keep=0)


# --- the lock

HOLD = """
import sys
from pathlib import Path
from ocsge.store import Workspace
with Workspace(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_with_exit_75_and_the_holder_named(workspace):
    holder = start(HOLD, workspace.path, stdin=subprocess.PIPE)
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(WorkspaceBusyError, match=f"process {holder.pid} is writing") as caught,
        workspace.locked(),
    ):
        pass
    assert caught.value.exit_code == 75
    (workspace.path / "lock.json").write_text("{")
    with pytest.raises(WorkspaceBusyError, match="another process is writing"):
        workspace.publish_version(fill_with(a="1"))
    holder.communicate("", timeout=20)
    assert holder.returncode == 0
    workspace.publish_version(fill_with(a="1"))


def test_the_lock_of_a_killed_run_is_free(workspace):
    holder = start(HOLD, workspace.path, stdin=subprocess.PIPE)
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate(timeout=20)
    assert (workspace.path / "lock.json").exists()
    with workspace.locked(), workspace.locked():
        assert json.loads((workspace.path / "lock.json").read_bytes())["pid"] == os.getpid()
    assert not (workspace.path / "lock.json").exists()


def test_leftovers_of_dead_runs_are_removed_and_those_of_live_ones_kept(workspace):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    cache = workspace.path / "cache" / "regions"
    version = workspace.path / "versions" / f".tmp-{dead.pid}-aa"
    for folder in (cache, version):
        folder.mkdir(parents=True)
    for name in (f".tmp-{dead.pid}-aa-k.bin", f".tmp-{os.getppid()}-bb-k.bin", "k.bin"):
        (cache / name).write_bytes(b"")
    (version / "half.txt").write_bytes(b"")
    with workspace.locked():
        pass
    assert sorted(path.name for path in cache.iterdir()) == [f".tmp-{os.getppid()}-bb-k.bin", "k.bin"]
    assert not version.exists()


# --- kill loops

PUBLISH_LOOP = """
import sys
from pathlib import Path
from ocsge.publish import publish
from ocsge.store import Workspace, artefact_key
workspace, rounds = Workspace(Path(sys.argv[1])), int(sys.argv[2])
def body(number):
    return bytes([number % 251]) * 300_000
def produce(number):
    return lambda path: path.write_bytes(body(number))
print("started", flush=True)
for round in range(rounds):
    made = [workspace.artefact("stage", artefact_key(n=n), ".bin", produce(n)) for n in range(20)]
    def fill(folder):
        for number, path in enumerate(made):
            publish(folder / f"part={number}" / "part.bin", produce(number + round % 3))
    workspace.publish_version(fill, carry=lambda path: False)
    workspace.prune(keep=2)
"""


def check_whole(workspace: Workspace) -> None:
    current = workspace.current()
    if current is not None:
        assert workspace.verify(current) == []
    for version in (workspace.path / "versions").glob("[0-9a-f]*"):
        assert workspace.verify(version) == []
    for file in (workspace.path / "cache" / "stage").glob("[0-9a-f]*.bin"):
        content = file.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_sha256(path) for path in folder.rglob("*") if path.is_file()}


def test_killed_at_any_instant_nothing_half_written_is_visible_and_a_rerun_gives_the_same_bytes(tmp_path):
    killed, calm = Workspace(tmp_path / "killed"), Workspace(tmp_path / "calm")
    for turn in range(10):
        child = start(PUBLISH_LOOP, killed.path, 10_000)
        assert child.stdout.readline() == "started\n"
        time.sleep(0.037 * turn)
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=20)
        assert child.returncode == -signal.SIGKILL
        check_whole(killed)
    for workspace in (killed, calm):
        child = start(PUBLISH_LOOP, workspace.path, 3)
        _, problems = child.communicate(timeout=60)
        assert (child.returncode, problems) == (0, "")
    check_whole(killed)
    assert tree(killed.path / "cache") == tree(calm.path / "cache")
    assert tree(killed.current()) == tree(calm.current())
    assert killed.current().name == calm.current().name
    assert temporaries(killed.path) == []


# --- the journal


def test_the_journal_takes_one_line_an_event_even_after_a_cut_one(workspace):
    workspace.record("start", command="ocsge derive")
    with (workspace.path / "journal.jsonl").open("a") as journal:
        journal.write('{"at": "20')
    with workspace.timed("derive", communes=["12174"]):
        pass
    with pytest.raises(DataError), workspace.timed("derive"):
        raise DataError("bad")
    lines = (workspace.path / "journal.jsonl").read_text().splitlines()
    assert lines[1] == '{"at": "20'
    events = [json.loads(line) for line in (lines[0], *lines[2:])]
    assert [event["event"] for event in events] == ["start", "derive", "derive"]
    assert [event.get("outcome") for event in events] == [None, "ok", "DataError"]
    assert events[1]["duration_s"] >= 0
    assert events[1]["communes"] == ["12174"]


def test_clearing_the_cache_leaves_the_published_version(tmp_path):
    workspace = Workspace(tmp_path / "w")
    artefact = workspace.artefact("regions", artefact_key(window=1), ".txt", lambda path: path.write_text("x"))
    version = workspace.publish_version(lambda folder: (folder / "stock.csv").write_text("y"))
    workspace.clear_cache()
    assert not artefact.exists()
    assert workspace.verify(version) == []

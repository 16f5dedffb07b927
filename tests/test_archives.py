"""Archives are unpacked whole or not at all, and a hostile one leaves nothing behind."""

from __future__ import annotations

import os
import stat
import zipfile
from typing import TYPE_CHECKING

import py7zr
import pytest

from ocsge import archives
from ocsge.archives import Limits, unpack, unpacked
from ocsge.errors import LayerError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"layer " * 1000
DEEP = "OCS-GE/1_DONNEES/OCCUPATION.gpkg"


def make(path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write an archive whose names no writer cleans."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with monkeypatch.context() as patch:
        patch.setattr(py7zr.py7zr, "check_archive_path", lambda _: True)
        patch.setattr(py7zr.SevenZipFile, "_sanitize_archive_arcname", lambda _, name: name)
        with py7zr.SevenZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(content, name)
    return path


@pytest.fixture(params=[".7z", ".zip"])
def suffix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused(archive: Path, *, limits: Limits | None = None) -> str:
    """Unpack an archive that must be refused; return the line, once sure that nothing was written."""
    before = sorted(archive.parents[1].rglob("*"))
    with pytest.raises(LayerError) as caught:
        unpack(archive, archive.parent / "out", limits=limits)
    assert sorted(archive.parents[1].rglob("*")) == before
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(str(archive))
    return line


def test_a_delivery_is_unpacked_with_its_folders(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {DEEP: CONTENT, "OCS-GE/README.txt": b"IGN", "OCS-GE/empty.csv": b""}
    out = unpack(make(tmp_path / f"a{suffix}", files, monkeypatch), tmp_path / "out" / "here")
    assert out == tmp_path / "out" / "here"
    assert {name: (out / name).read_bytes() for name in written(out)} == files
    assert written(tmp_path / "out") == [f"here/{name}" for name in sorted(files)]


def test_what_another_system_left_is_left_aside(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    remains = {"__MACOSX/._a.exe": b"x", "OCS/.DS_Store": b"x", "OCS/._a.gpkg": b"x", "OCS/a.gpkg": CONTENT}
    archive = make(tmp_path / f"a{suffix}", remains, monkeypatch)
    assert written(unpack(archive, tmp_path / "out")) == ["OCS/a.gpkg"]


@pytest.mark.parametrize(
    "name",
    ["../out.gpkg", "a/../../out.gpkg", "/etc/out.gpkg", "C:/out.gpkg", "..\\out.gpkg", "\\\\server\\out.gpkg"],
)
def test_a_name_that_leaves_the_folder_is_refused(
    tmp_path: Path, suffix: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    archive = make(tmp_path / "in" / f"a{suffix}", {"good.gpkg": CONTENT, name: CONTENT}, monkeypatch)
    assert "outside its folder" in refused(archive)


@pytest.mark.parametrize("name", ["setup.exe", "OCS/run.sh", "no_extension", "a.gpkg.py", "x.so"])
def test_a_kind_of_file_no_delivery_holds_is_refused(
    tmp_path: Path, suffix: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    archive = make(tmp_path / "in" / f"a{suffix}", {"good.gpkg": CONTENT, name: b"x"}, monkeypatch)
    assert "no kind of file" in refused(archive)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    archive = tmp_path / "in" / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("good.gpkg", CONTENT)
        link = zipfile.ZipInfo("link.gpkg")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    assert "is a link" in refused(archive)


def test_a_link_in_a_7z_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link.gpkg").symlink_to("/etc/passwd")
    with py7zr.SevenZipFile(tmp_path / "in" / "a.7z", "w") as file:
        file.write(tmp_path / "link.gpkg", "link.gpkg")
    assert "is a link" in refused(tmp_path / "in" / "a.7z")


def test_an_archive_that_swells_is_refused_before_a_byte_is_written(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    archive = make(tmp_path / "in" / f"a{suffix}", {"bomb.gpkg": bytes(8_000_000)}, monkeypatch)
    monkeypatch.setattr(archives, "_write_files", lambda *_: pytest.fail("something was written"))
    assert "more than 300 for one" in refused(archive)
    assert "more than 1000;" in refused(archive, limits=Limits(total_bytes=1000))


def test_an_archive_of_too_many_entries_is_refused(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    archive = make(tmp_path / "in" / f"a{suffix}", {f"{n}.csv": b"x" for n in range(5)}, monkeypatch)
    assert "5 entries" in refused(archive, limits=Limits(files=4))


def test_an_entry_that_holds_more_than_it_declares_is_refused_while_it_is_written(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    archive = make(tmp_path / "in" / f"a{suffix}", {"lie.gpkg": CONTENT}, monkeypatch)
    kind = archives._Zip if suffix == ".zip" else archives._SevenZip
    honest = kind.entries
    lying = [archives._Entry("lie.gpkg", 10, is_directory=False, is_special=False)]
    monkeypatch.setattr(kind, "entries", lambda self: lying if honest(self) else [])
    assert "more than the 10 bytes it declares" in refused(archive)


def test_a_zip_whose_list_lies_about_a_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    archive = tmp_path / "in" / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("lie.gpkg", CONTENT)
    size = len(CONTENT).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(size, (10).to_bytes(4, "little")))
    assert "cannot be unpacked" in refused(archive)


def test_names_that_meet_on_one_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    twice = make(tmp_path / "in" / "a.zip", {"a.gpkg": CONTENT, "A.GPKG": CONTENT}, monkeypatch)
    assert "twice" in refused(twice)
    both = make(tmp_path / "in" / "b.zip", {"a.gpkg": CONTENT, "a.gpkg/b.gpkg": CONTENT}, monkeypatch)
    assert "both a file and a folder" in refused(both)


def test_a_damaged_archive_is_refused(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    archive = make(tmp_path / "in" / f"a{suffix}", {"a.gpkg": os.urandom(5000)}, monkeypatch)
    whole = archive.read_bytes()
    archive.write_bytes(whole[:2000])
    assert "cannot be unpacked" in refused(archive)
    archive.write_bytes(whole[:1000] + bytes(50) + whole[1050:])
    assert "cannot be unpacked" in refused(archive)
    archive.write_bytes(b"")
    assert "cannot be unpacked" in refused(archive)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with py7zr.SevenZipFile(tmp_path / "in" / "a.7z", "w", password="secret") as file:  # noqa: S106
        file.writestr(CONTENT, "a.gpkg")
    assert "encrypted" in refused(tmp_path / "in" / "a.7z")


def test_an_archive_without_a_file_or_of_another_kind_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    assert "holds no file" in refused(make(tmp_path / "in" / "a.zip", {"__MACOSX/a.gpkg": b"x"}, monkeypatch))
    (tmp_path / "in" / "a.rar").write_bytes(b"Rar!")
    assert "not an archive that is opened" in refused(tmp_path / "in" / "a.rar")


def test_a_folder_that_exists_is_never_written_into(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make(tmp_path / f"a{suffix}", {"a.gpkg": CONTENT}, monkeypatch)
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        unpack(archive, tmp_path / "out")
    assert written(tmp_path / "out") == []


def test_a_disk_without_room_is_said_before_anything_is_written(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make(tmp_path / f"a{suffix}", {"a.gpkg": CONTENT}, monkeypatch)
    usage = type(os)("usage")
    usage.free = 10  # type: ignore[attr-defined]
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="6000 bytes to unpack and 10 free"):
        unpack(archive, tmp_path / "out")
    assert written(tmp_path) == [f"a{suffix}"]


def test_an_archive_is_read_from_a_folder_that_goes_away(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make(tmp_path / f"a{suffix}", {DEEP: CONTENT}, monkeypatch)
    with unpacked(archive) as folder:
        assert written(folder) == [DEEP]
    assert not folder.exists()
    with unpacked(tmp_path) as same:
        assert same == tmp_path
    assert archive.exists()

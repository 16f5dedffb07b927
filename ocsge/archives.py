"""Unpack ``.7z`` and ``.zip`` deliveries without trusting them: everything is checked before a file is visible.

The list of an archive is read first and refused whole at the first fault: a name that leaves the folder, a link, a kind
of file no delivery holds, a size no delivery has. Bytes are then counted while they are written, because a list may
lie. Files appear in a temporary folder, which takes its name once complete.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, BinaryIO, Protocol

from ocsge.errors import LayerError, OutputError
from ocsge.publish import TEMPORARY, flush, output_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ARCHIVE_EXTENSIONS = (".7z", ".zip")
"""Archives that are opened, by extension."""

_LAYERS = ".gpkg .shp .dbf .shx .prj .cpg .qpj .qix .sbn .sbx .geojson .fgb .parquet .tab .qml .sld .lyr .lyrx"
_RASTERS = ".tif .tiff .tfw .jp2 .j2w .asc .vrt .png .jpg .jpeg"
_TEXTS = ".csv .txt .md .md5 .sha256 .json .xml .xsd .html .htm .css .pdf .odt"
DELIVERED_EXTENSIONS = frozenset(f"{_LAYERS} {_RASTERS} {_TEXTS}".split())
"""Kinds of file that deliveries hold; anything else refuses the archive."""

_BLOCK = 1 << 20
_GIB = 1 << 30
_LEFT_ASIDE = {"__MACOSX", ".DS_Store"}
_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may not exceed; the largest deliveries of a département stay far below."""

    total_bytes: int = 64 * _GIB
    """Bytes of all its files."""

    ratio: int = 300
    """Bytes of all its files for one byte of archive."""

    files: int = 100_000
    """Number of its files and folders."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    """As the archive spells it."""

    size: int
    """Bytes, as the archive declares them."""

    is_directory: bool
    is_special: bool
    """Whether it is a link, a device or anything else than a file or a folder."""


class _Archive(Protocol):
    def entries(self) -> Sequence[_Entry]:
        """Return what the archive says it holds."""

    def write(self, sinks: dict[str, _Sink]) -> None:
        """Write the entries named, in one pass."""


class _Sink:
    """A file being written that counts its bytes and stops at the declared size."""

    def __init__(self, path: Path, entry: _Entry, archive: Path) -> None:
        self._path, self._entry, self._archive = path, entry, archive
        self._stream: BinaryIO | None = None
        self._written = 0

    def write(self, block: bytes | bytearray) -> int:
        """Write a block of bytes; refuse those beyond the declared size."""
        if self._stream is None:
            self._stream = self._path.open("xb")
        self._written += len(block)
        if self._written > self._entry.size:
            raise LayerError(
                f"{self._archive}: {self._entry.name!r} holds more than the {self._entry.size} bytes it declares; "
                "do not use this archive"
            )
        return self._stream.write(block)

    def finish(self) -> None:
        """Force the file to the disk; refuse one shorter than declared."""
        if self._stream is None:
            self._stream = self._path.open("xb")
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self.close()
        if self._written != self._entry.size:
            raise LayerError(
                f"{self._archive}: {self._entry.name!r} holds {self._written} bytes of the {self._entry.size} it "
                "declares; download the archive again"
            )

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()


class _Zip:
    def __init__(self, stream: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(stream)

    def entries(self) -> Sequence[_Entry]:
        """Return what the archive lists."""
        return [
            _Entry(
                name=info.orig_filename,
                size=info.file_size,
                is_directory=info.is_dir(),
                is_special=_is_special(info.external_attr >> 16),
            )
            for info in self._zip.infolist()
        ]

    def write(self, sinks: dict[str, _Sink]) -> None:
        """Write the wanted entries into their sinks."""
        for info in self._zip.infolist():
            if info.orig_filename not in sinks:
                continue
            with self._zip.open(info) as content:
                _copy(content, sinks[info.orig_filename])


def _copy(content: IO[bytes], sink: _Sink) -> None:
    while block := content.read(_BLOCK):
        sink.write(block)


def _is_special(mode: int) -> bool:
    kind = stat.S_IFMT(mode)
    return kind not in {0, stat.S_IFREG, stat.S_IFDIR}


class _SevenZip:
    def __init__(self, stream: BinaryIO) -> None:
        import py7zr  # noqa: PLC0415  (a tenth of a second, for archives only)

        # a stream rather than a path keeps the decompression in this thread, where its errors are raised
        self._seven = py7zr.SevenZipFile(stream, mode="r")
        if self._seven.needs_password():
            raise ValueError("it is encrypted")

    def entries(self) -> Sequence[_Entry]:
        """Return what the archive lists."""
        return [
            _Entry(
                name=info.filename,
                size=int(info.uncompressed or 0),
                # some writers keep no attributes: what has no bytes and no extension is a folder
                is_directory=bool(info.is_directory or (info.emptystream and not PurePosixPath(info.filename).suffix)),
                is_special=bool(info.is_symlink or info.is_junction) or _is_special(info.st_fmt or 0),
            )
            for info in self._seven.files
        ]

    def write(self, sinks: dict[str, _Sink]) -> None:
        """Write the wanted entries into their sinks."""
        from py7zr.io import Py7zIO, WriterFactory  # noqa: PLC0415

        class Counted(Py7zIO):
            """One entry as py7zr writes it: into the sink, which counts."""

            def __init__(self, sink: _Sink) -> None:
                self._sink = sink
                self._bytes = 0

            def write(self, s: bytes | bytearray) -> int:
                self._bytes += len(s)
                return self._sink.write(s)

            def read(self, size: int | None = None) -> bytes:  # noqa: ARG002
                return b""

            def seek(self, offset: int, whence: int = 0) -> int:  # noqa: ARG002
                return 0

            def flush(self) -> None:
                """Do nothing: the sink is flushed once complete."""

            def size(self) -> int:
                return self._bytes

        by_path = {PurePosixPath(name).as_posix(): sink for name, sink in sinks.items()}

        class Sinks(WriterFactory):
            """Gives py7zr the sink of each entry."""

            def create(self, filename: str) -> Counted:
                return Counted(by_path[PurePosixPath(filename).as_posix()])

        self._seven.extract(targets=list(sinks), factory=Sinks())


def _open(path: Path, stack: ExitStack) -> _Archive:
    suffix = path.suffix.lower()
    if suffix not in ARCHIVE_EXTENSIONS:
        raise LayerError(f"{path}: not an archive that is opened; give one of {', '.join(ARCHIVE_EXTENSIONS)}")
    try:
        stream = stack.enter_context(path.open("rb"))
    except OSError as error:
        raise LayerError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    return _Zip(stream) if suffix == ".zip" else _SevenZip(stream)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn whatever a decompressor raises on damaged bytes into one line."""
    try:
        yield
    except (LayerError, OSError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise LayerError(
            f"{path}: cannot be unpacked ({type(error).__name__}: {reason[:120]}); download the archive again"
        ) from error


def _place_of(entry: _Entry, archive: Path) -> PurePosixPath | None:
    """Return the relative place of an entry, or null when it is the remains of another system.

    Raises
    ------
    LayerError
        When the name is absolute, leaves the folder, or is no text.
    """
    slashed = entry.name.replace("\\", "/")
    place = PurePosixPath(slashed)
    if (
        not place.parts
        or place.is_absolute()
        or ".." in place.parts
        or _DRIVE.match(slashed)
        or _CONTROL.search(slashed)
    ):
        raise LayerError(
            f"{archive}: entry {entry.name!r} would be written outside its folder; do not use this archive"
        )
    if any(part in _LEFT_ASIDE or part.startswith("._") for part in place.parts):
        return None
    return place


def _checked(archive: Path, entries: Sequence[_Entry], limits: Limits) -> dict[PurePosixPath, _Entry]:
    """Return the files to write by their relative place, once every entry has passed."""
    if len(entries) > limits.files:
        raise LayerError(f"{archive}: {len(entries)} entries, more than {limits.files}; do not use this archive")
    files: dict[PurePosixPath, _Entry] = {}
    seen: set[str] = set()
    folders: set[str] = set()
    for entry in entries:
        if entry.is_special:
            raise LayerError(f"{archive}: entry {entry.name!r} is a link or a device; do not use this archive")
        place = _place_of(entry, archive)
        if place is None:
            continue
        folders.update(parent.as_posix().lower() for parent in place.parents)
        if entry.is_directory:
            continue
        if place.suffix.lower() not in DELIVERED_EXTENSIONS:
            raise LayerError(
                f"{archive}: entry {entry.name!r} is no kind of file that deliveries hold; unpack it by hand if you "
                "trust it"
            )
        if place.as_posix().lower() in seen:
            raise LayerError(f"{archive}: entry {entry.name!r} stands there twice; do not use this archive")
        seen.add(place.as_posix().lower())
        files[place] = entry
    if clash := sorted(seen & folders):
        raise LayerError(f"{archive}: {clash[0]!r} is both a file and a folder; do not use this archive")
    _check_size(archive, sum(entry.size for entry in entries), limits)
    if not files:
        raise LayerError(f"{archive}: holds no file; download the archive again")
    return files


def _check_size(archive: Path, declared: int, limits: Limits) -> None:
    packed = archive.stat().st_size
    if declared > limits.total_bytes:
        raise LayerError(
            f"{archive}: declares {declared} bytes, more than {limits.total_bytes}; do not use this archive, or raise "
            "the limit if you trust it"
        )
    if declared > limits.ratio * packed:
        raise LayerError(
            f"{archive}: {packed} bytes declare {declared}, more than {limits.ratio} for one; do not use this archive, "
            "or raise the limit if you trust it"
        )


def unpack(archive: Path, into: Path, *, limits: Limits | None = None) -> Path:
    """Unpack an archive into a new folder, all of it or nothing, and return the folder.

    ``__MACOSX`` and the hidden twins of macOS are left aside. Neither dates nor permissions are kept.

    Parameters
    ----------
    archive
        ``.7z`` or ``.zip`` file.
    into
        Folder to make; it must not exist.
    limits
        Sizes beyond which an archive is refused; those of :class:`Limits` when null.

    Raises
    ------
    LayerError
        When the archive is damaged, encrypted or hostile: a name that is absolute or leaves the folder, a link, an
        extension out of :data:`DELIVERED_EXTENSIONS`, sizes beyond the limits or beyond what is declared.
    OutputError
        When the folder exists, or the disk has no room.
    """
    limits = limits or Limits()
    if into.exists():
        raise OutputError(f"{into}: exists already; choose another folder or take it away")
    with ExitStack() as stack:
        with _readable(archive):
            opened = _open(archive, stack)
            files = _checked(archive, opened.entries(), limits)
        temporary = into.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{into.name}")
        try:
            into.parent.mkdir(parents=True, exist_ok=True)
            _check_room(into, sum(entry.size for entry in files.values()))
            with _readable(archive):
                _write_files(opened, files, temporary, archive)
            temporary.rename(into)
            flush(into.parent)
        except OSError as error:
            raise output_error(error, into) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return into


def _write_files(opened: _Archive, files: dict[PurePosixPath, _Entry], folder: Path, archive: Path) -> None:
    sinks = {}
    for place, entry in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        sinks[entry.name] = _Sink(path, entry, archive)
    try:
        opened.write(sinks)
        for sink in sinks.values():
            sink.finish()
    finally:
        for sink in sinks.values():
            sink.close()


def _check_room(into: Path, needed: int) -> None:
    free = shutil.disk_usage(into.parent).free
    if needed > free:
        raise OutputError(f"{into}: {needed} bytes to unpack and {free} free; make room or choose another disk")


@contextmanager
def unpacked(path: Path, *, limits: Limits | None = None) -> Iterator[Path]:
    """Give the folder of an archive's files while they are read; a path that is no archive is given as it is.

    Raises
    ------
    LayerError, OutputError
        As :func:`unpack`.
    """
    if path.suffix.lower() not in ARCHIVE_EXTENSIONS or path.is_dir():
        yield path
        return
    with TemporaryDirectory(prefix="ocsge-") as place:
        yield unpack(path, Path(place) / path.stem, limits=limits)

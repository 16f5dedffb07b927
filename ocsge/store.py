"""Keep the results of runs in a workspace: a folder whose visible files are always whole.

::

    workspace/
    ├── sources.json                 the registered data (written by ``catalog``)
    ├── lock, lock.json              held while a run writes; who holds it
    ├── CURRENT                      the id of the version that readers use
    ├── versions/<id>/…              results; never modified once visible
    │   └── manifest.json            path, bytes and sha256 of every file
    ├── cache/<stage>/<key><suffix>  intermediate artefacts of a run that has not ended
    │   └── <key><suffix>.json       their sha256
    └── journal.jsonl                times, durations and commands: the only place with a clock

The id of a version is the beginning of the sha256 of its manifest: equal results have equal ids, whatever the
day. A process may be killed at any instruction: what it had not published is under a name that starts with
``.tmp-``, which no reader looks at and which the next run removes. After a power cut a file of the cache alone may be
cut short: its digest says so, and it is made again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ocsge.errors import DataError, OcsgeError, ParameterError, WorkspaceBusyError
from ocsge.publish import TEMPORARY, file_sha256, flush, json_bytes, output_error, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MANIFEST = "manifest.json"
_NAME = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*")
_VERSION_ID = re.compile(r"[0-9a-f]{16}")
_NO_HARD_LINK = {errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}


@cache
def code_version() -> str:
    """Return the version of the package followed by a digest of its source files.

    A changed line of code changes every key: a cache never serves what older code computed.
    """
    return f"{metadata.version('ocsge')}+{source_digest(Path(__file__).parent)}"


def source_digest(package: Path) -> str:
    """Return the digest of the source files of a package, 12 hexadecimal digits, the same wherever it is installed.

    What a wheel carries beside the package (the dashboard, which computes no result) is left out: a checkout has it
    elsewhere.
    """
    digest = hashlib.sha256()
    names = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    for name in sorted(name for name in names if not name.startswith("_shipped/")):
        digest.update(name.encode() + b"\0" + names[name].read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def artefact_key(**parts: object) -> str:
    """Return the key of an artefact: the sha256 of everything it depends on, 64 hexadecimal digits.

    Parameters
    ----------
    **parts
        JSON values: fingerprint of the rules, parameters, sha256 of the inputs. The code version is added.

    Examples
    --------
    >>> artefact_key(rules="a", window=[0, 1]) == artefact_key(window=[0, 1], rules="a")
    True
    """
    return hashlib.sha256(json_bytes({"code": code_version(), "parts": parts})).hexdigest()


def _manifest_of(artefact: Path) -> Path:
    return artefact.with_name(f"{artefact.name}.json")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder of results with one writer at a time and any number of readers."""

    path: Path
    """The folder; made by the first write."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace for writing; re-entrant in the thread that holds it.

        Temporary files that dead runs left behind are removed on entering.

        Raises
        ------
        WorkspaceBusyError
            When another run holds it; the message names its process.
        OutputError
            When the folder cannot be made or written.
        """
        holder = self.path / "lock.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / "lock", timeout=0, is_singleton=True)
            nested = lock.is_locked
            lock.acquire()
        except Timeout as error:
            raise WorkspaceBusyError(self._busy(holder)) from error
        except OSError as error:
            raise output_error(error, self.path / "lock") from error
        try:
            if not nested:
                self._remove_leftovers()
                content = json_bytes({"pid": os.getpid(), "command": " ".join(sys.argv)})
                publish(holder, lambda temporary: temporary.write_bytes(content))
            yield
        finally:
            if not nested:
                with suppress(OSError):
                    holder.unlink()
            lock.release()

    def _busy(self, holder: Path) -> str:
        try:
            who = f"process {json.loads(holder.read_bytes())['pid']}"
        except (OSError, ValueError, KeyError):
            who = "another process"
        return f"{self.path}: {who} is writing in this workspace; wait for it to end or choose another workspace"

    def _remove_leftovers(self) -> None:
        """Remove what killed runs left; elsewhere than in versions, an orphan may still be writing."""
        for folder in self._versions().glob(f"{TEMPORARY}*"):
            shutil.rmtree(folder, ignore_errors=True)
        for pattern in (f"{TEMPORARY}*", f"cache/*/{TEMPORARY}*"):
            for file in self.path.glob(pattern):
                pid = file.name.removeprefix(TEMPORARY).partition("-")[0]
                if not (pid.isdigit() and _is_alive(int(pid))):
                    file.unlink(missing_ok=True)

    def artefact(
        self,
        stage: str,
        key: str,
        suffix: str,
        produce: Callable[[Path], object],
        *,
        verify: Callable[[Path], object] | None = None,
    ) -> Path:
        """Return the path of an intermediate file, made by ``produce`` unless a whole one is already there.

        Needs no lock: worker processes call it, and two that make the same key publish the same bytes.

        Parameters
        ----------
        stage, suffix
            Folder of the cache and ending of the name, such as ``"regions"`` and ``".arrays"``.
        key
            From :func:`artefact_key`.
        produce, verify
            As ``write`` and ``verify`` of :func:`publish`.
        """
        path = self.artefact_path(stage, key, suffix)
        if self.holds_whole(path, key):
            return path
        # no wait for the disk: a file that a power cut shortened has another digest, and is made again
        content = json_bytes({"key": key, "sha256": publish(path, produce, verify=verify, durable=False)})
        publish(_manifest_of(path), lambda temporary: temporary.write_bytes(content), durable=False)
        return path

    def artefact_path(self, stage: str, key: str, suffix: str) -> Path:
        """Return where an intermediate file is, or will be.

        Raises
        ------
        ParameterError
            When a part of its name is none.
        """
        for name in (stage, key + suffix):
            if not _NAME.fullmatch(name):
                raise ParameterError(f"{name!r}: not a name for a cached file; use letters, digits and . _ = -")
        return self.path / "cache" / stage / f"{key}{suffix}"

    def holds_whole(self, path: Path, key: str) -> bool:
        """Return whether the intermediate file of a key is there, with the bytes that were written."""
        with suppress(OSError, ValueError):
            return bool(json.loads(_manifest_of(path).read_bytes()) == {"key": key, "sha256": file_sha256(path)})
        return False

    def clear_cache(self) -> None:
        """Remove every intermediate artefact: a published result no longer needs them.

        Raises
        ------
        WorkspaceBusyError
            When another run holds the workspace.
        """
        with self.locked():
            shutil.rmtree(self.path / "cache", ignore_errors=True)

    def publish_version(
        self,
        fill: Callable[[Path], object],
        *,
        key: str = "",
        carry: Callable[[Path], bool] | None = None,
    ) -> Path:
        """Make a new immutable version, point ``CURRENT`` at it and return its folder.

        The same content gives the same folder: publishing twice makes one version.

        Parameters
        ----------
        fill
            Called with a temporary folder that holds the carried files; writes the others. A carried file
            shares its bytes with the older version: replace it (as ``export`` does), never write into it.
        key
            From :func:`artefact_key`; kept in the manifest.
        carry
            Called with the relative path of each file of the current version; true keeps it. None: no file.

        Raises
        ------
        DataError
            When a carried file no longer has the sha256 its manifest gives.
        OutputError
            When the disk is full or refuses a file; ``CURRENT`` then names what it named before.
        """
        with self.locked():
            folder = self._versions() / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}"
            try:
                folder.mkdir(parents=True)
                carried = self._carry(folder, carry)
                fill(folder)
                manifest = _manifest(folder, key, carried)
                (folder / _MANIFEST).write_bytes(manifest)
                _seal(folder)
                final = self._install(folder, hashlib.sha256(manifest).hexdigest()[:16])
            except OSError as error:
                raise output_error(error, self._versions()) from error
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            publish(self.path / "CURRENT", lambda temporary: temporary.write_text(f"{final.name}\n"))
            os.utime(final)
        return final

    def _carry(self, folder: Path, carry: Callable[[Path], bool] | None) -> dict[str, tuple[int, str]]:
        """Link the carried files into ``folder``; return inode and expected sha256 by relative path."""
        previous = self.current() if carry is not None else None
        if previous is None or carry is None:
            return {}
        carried = {}
        for entry in _entries(previous):
            relative = Path(entry["path"])
            if not carry(relative):
                continue
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                _link(previous / relative, target)
            except FileNotFoundError as error:
                raise DataError(f"{previous / relative}: missing from its version; derive it again") from error
            carried[entry["path"]] = (target.stat().st_ino, entry["sha256"])
        return carried

    def _install(self, folder: Path, version_id: str) -> Path:
        """Give a filled folder its final name, unless a whole version already has it; return that version."""
        final = self._versions() / version_id
        if final.exists():
            if not self.verify(final):
                return final
            final.rename(final.with_name(f"{folder.name}-damaged"))
            shutil.rmtree(final.with_name(f"{folder.name}-damaged"), ignore_errors=True)
        folder.rename(final)
        flush(final.parent)
        return final

    def current(self) -> Path | None:
        """Return the folder of the version that readers use; None when nothing has been published.

        Raises
        ------
        DataError
            When ``CURRENT`` names a version that is not there.
        """
        pointer = self.path / "CURRENT"
        try:
            name = pointer.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        folder = self._versions() / name
        if not _VERSION_ID.fullmatch(name) or not (folder / _MANIFEST).is_file():
            raise DataError(f"{pointer}: names version {name!r}, which is not there; remove this file and run again")
        return folder

    def verify(self, version: Path) -> list[str]:
        """Return the relative paths of the files of a version that are missing or changed, sorted."""
        try:
            content = (version / _MANIFEST).read_bytes()
            entries = _entries(version)
        except (OSError, DataError):
            return [_MANIFEST]
        broken = [] if hashlib.sha256(content).hexdigest()[:16] == version.name else [_MANIFEST]
        for entry in entries:
            file = version / entry["path"]
            if not file.is_file() or file.stat().st_size != entry["bytes"] or file_sha256(file) != entry["sha256"]:
                broken.append(entry["path"])
        return sorted(broken)

    def prune(self, *, keep: int = 3) -> list[str]:
        """Remove all but the ``keep`` last versions, never the current one; return the ids removed."""
        if keep < 1:
            raise ParameterError(f"keep {keep} versions: the current one always stays; give 1 or more")
        with self.locked():
            current = self.current()
            versions = [folder for folder in self._versions().glob("*") if _VERSION_ID.fullmatch(folder.name)]
            versions.sort(key=lambda folder: (folder == current, folder.stat().st_mtime_ns, folder.name), reverse=True)
            for folder in versions[keep:]:
                # Renamed first: a reader never sees a version with half of its files.
                doomed = folder.with_name(f"{TEMPORARY}{os.getpid()}-{folder.name}")
                folder.rename(doomed)
                shutil.rmtree(doomed, ignore_errors=True)
        return [folder.name for folder in versions[keep:]]

    def record(self, event: str, **fields: object) -> None:
        """Append one line to ``journal.jsonl``: the UTC time, the process, ``event`` and JSON ``fields``."""
        line = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "pid": os.getpid(),
            "event": event,
            **fields,
        }
        journal = self.path / "journal.jsonl"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with journal.open("a+b") as stream:
                stream.seek(max(stream.tell() - 1, 0))
                # A run killed in the middle of its line must not spoil the next one.
                start = b"" if stream.read(1) in {b"", b"\n"} else b"\n"
                stream.write(start + json.dumps(line, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            raise output_error(error, journal) from error

    @contextmanager
    def timed(self, event: str, **fields: object) -> Iterator[None]:
        """Record ``event`` with its duration in seconds and its outcome, ``ok`` or the name of the error."""
        start, outcome = time.monotonic(), "ok"
        try:
            yield
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            self.record(event, duration_s=round(time.monotonic() - start, 3), outcome=outcome, **fields)

    def _versions(self) -> Path:
        return self.path / "versions"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _link(source: Path, target: Path) -> None:
    """Give ``source`` a second name, or copy it where the file system has no hard links."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        shutil.copyfile(source, target)


def _entries(version: Path) -> list[dict[str, Any]]:
    """Return the entries of a version's manifest: path, bytes, sha256 of each file.

    Raises
    ------
    DataError
        When the manifest cannot be read.
    """
    manifest = version / _MANIFEST
    try:
        files: list[dict[str, Any]] = json.loads(manifest.read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{manifest}: cannot be read; remove CURRENT from the workspace and run again") from error
    return files


def _files(folder: Path) -> list[str]:
    """Return the relative paths of the files under a folder, sorted, with forward slashes."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _manifest(folder: Path, key: str, carried: dict[str, tuple[int, str]]) -> bytes:
    """Return the bytes of the manifest of a filled folder; refuse carried files that changed."""
    entries = []
    for relative in _files(folder):
        file = folder / relative
        sha256 = file_sha256(file)
        inode, expected = carried.get(relative, (0, ""))
        if file.stat().st_ino == inode and sha256 != expected:
            raise DataError(f"{relative}: damaged in the current version (its sha256 changed); derive it again")
        entries.append({"path": relative, "bytes": file.stat().st_size, "sha256": sha256})
    if not entries:
        raise OcsgeError("a version without any file: nothing to publish")
    return json_bytes({"files": entries, "key": key})


def _seal(folder: Path) -> None:
    """Force a folder to the disk, and make its files read-only: some viewers write into what they open."""
    for relative in _files(folder):
        file = folder / relative
        with suppress(PermissionError):
            file.chmod(0o444)
        flush(file)
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        flush(path)

"""Write one file so that no reader ever sees half of it.

Temporary file in the same folder → fsync → read back → rename → fsync of the folder. Files that are made again when
they are lost leave both fsync out: see ``durable`` of :func:`publish`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ocsge.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPORARY = ".tmp-"
"""Start of the names that no reader looks at; the process number follows."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CUT_ARRAY = re.compile(r"\d+ requested and \d+ written")
"""What numpy says, without an error number, when an array does not fit on the disk."""
_REFUSED = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
}


def json_bytes(value: object) -> bytes:
    """Return the one UTF-8 text of a JSON value: sorted keys, two-space indent, line feed at the end.

    Raises
    ------
    TypeError, ValueError
        For a value JSON has no form for: a set, a path, NaN, an infinity.
    """
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def publish(
    path: Path,
    write: Callable[[Path], object],
    *,
    verify: Callable[[Path], object] | None = None,
    durable: bool = True,
) -> str:
    """Write one file so that it is visible only once whole; return its sha256.

    Parameters
    ----------
    path
        The file to make or to replace; its folder is made when absent.
    write
        Called with a temporary path of the same folder and suffix; writes the whole file there.
    verify
        Called with the same path once the bytes are on the disk; raises when they cannot be read back.
    durable
        Wait for the disk, so that the file outlives a power cut. Not waited for by what is made again when it is lost
        and whose digest is checked before it is used: after a power cut such a file may be cut short under its name.

    Raises
    ------
    OutputError
        When the folder or the disk refuses the file, or ``verify`` does; nothing is left behind.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        if durable:
            flush(temporary)
        if verify is not None:
            _verified(verify, temporary, path)
        sha256 = file_sha256(temporary)
        temporary.replace(path)
        if durable:
            flush(path.parent)
    except OSError as error:
        raise output_error(error, path) from error
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                temporary.with_name(temporary.name + suffix).unlink()
    return sha256


def _verified(verify: Callable[[Path], object], temporary: Path, path: Path) -> None:
    try:
        verify(temporary)
    except Exception as error:
        raise OutputError(f"{path}: written, but cannot be read back ({error}); check the disk") from error


def flush(path: Path) -> None:
    """Force a file or the entries of a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _concerns(filename: Path, path: Path) -> bool:
    return filename in path.parents or filename.is_relative_to(path if path.is_dir() else path.parent)


def output_error(error: OSError, path: Path) -> Exception:
    """Return what a failed write of ``path`` should raise: an OutputError, or the error itself.

    It stays itself when it concerns another file (an input, read while writing) or is no refusal of the disk.
    """
    if isinstance(error.filename, str) and not _concerns(Path(error.filename), path):
        return error
    if error.errno in _FULL:
        return OutputError(f"{path}: no space left to write it ({error.strerror}); free some disk space and run again")
    if error.errno is None and _CUT_ARRAY.search(str(error)):
        return OutputError(f"{path}: no space left to write it ({error}); free some disk space and run again")
    # a folder that cannot even be made: /proc/here, or one that was removed meanwhile
    unmade = error.errno == errno.ENOENT and error.filename is not None and Path(error.filename) in path.parents
    if error.errno in _REFUSED or unmade:
        where = error.filename or path.parent
        return OutputError(f"{path}: cannot be written ({error.strerror}: {where}); choose a folder you may write to")
    if error.errno == errno.EIO:
        return OutputError(f"{path}: the disk failed while writing ({error.strerror}); check it and run again")
    return error

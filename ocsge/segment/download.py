"""Download a file to its place: resumable, checked against its hash, never half-written under its own name."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from ocsge.errors import DataError, OutputError
from ocsge.publish import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Progress = Callable[[str, int, int], None]

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 60
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 206, 416


def download(url: str, path: Path, *, sha256: str = "", progress: Progress | None = None) -> str:
    """Download a file and return its SHA-256.

    What was received stays beside in ``<name>.part``: the same call takes it up again. A file that stands there already
    is kept, and checked.

    Parameters
    ----------
    url
        An ``https`` or ``http`` address.
    path
        Where the file goes; its folder is made.
    sha256
        Expected hash; empty when unknown.
    progress
        Called with what, bytes received, bytes in all.

    Raises
    ------
    DataError
        When the address cannot be reached, the transfer breaks, or the hash is another one; the message names the
        address, to download by hand.
    OutputError
        When the file cannot be written.
    """
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{url}: is no web address; download the file by hand")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            part = path.with_name(f"{path.name}.part")
            _receive(url, part, by_hand=path, progress=progress)
            _refuse_other(part, sha256, url)
            part.replace(path)
        return _refuse_other(path, sha256, url)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _receive(url: str, part: Path, *, by_hand: Path, progress: Progress | None) -> None:
    """Receive what is missing of a file."""
    held = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={held}-"} if held else {})  # noqa: S310  (checked)
    advice = f"download {url} by hand to {by_hand}, then ocsge models check {by_hand}"
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310  (checked)
            if held and response.status != PARTIAL_CONTENT:
                held = 0  # the server sends the whole file again
            total = held + int(response.headers.get("Content-Length") or 0)
            with part.open("ab" if held else "wb") as file:
                while chunk := response.read(CHUNK_BYTES):
                    file.write(chunk)
                    held += len(chunk)
                    if progress is not None:
                        progress(by_hand.name, held, total)
    except urllib.error.HTTPError as error:
        if error.code == RANGE_NOT_SATISFIABLE:
            return  # all of it was received before; the hash will say
        raise DataError(f"{url}: the server answers {error.code} {error.reason}; {advice}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(f"cannot download ({reason}); run the same command to go on, or {advice}") from error
    if held < total:
        raise DataError(f"{url}: the transfer broke at {held} of {total} bytes; run the same command to go on")


def _refuse_other(path: Path, sha256: str, url: str) -> str:
    """Return the hash of a file; take away one that was just received and is another."""
    hashed = file_sha256(path)
    if sha256 and hashed != sha256:
        if path.suffix == ".part":
            path.unlink()
        raise DataError(
            f"{path}: SHA-256 {hashed}, expected {sha256}: not the file of the catalogue; take it away and download "
            f"{url} again"
        )
    return hashed

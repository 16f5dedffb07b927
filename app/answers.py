"""Answers of the routes: prepared bytes with their tag, or a plain French refusal that tells nothing of the machine."""

from __future__ import annotations

import gzip
import hashlib
import re
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

UNKNOWN = "Adresse inconnue."
GONE = "Carte absente de cette version\u202f; rechargez la page."
FOREVER = "private, max-age=31536000, immutable"
"""A version never changes: what is read from it may be kept as long as the browser wishes."""
BRIEF = "no-cache"
"""Kept, but asked for again: a file of the software changes with it."""
_LEVEL = 6
"""Of gzip: the highest takes twice the time for a hundredth of the bytes."""
_REFUSED = re.compile(r"q\s*=\s*0(\.0*)?")
"""Parameter of an encoding that a client does not want."""
_SAFE = {"X-Content-Type-Options": "nosniff"}


def refused(text: str = UNKNOWN) -> Response:
    """Return a 404 that nobody keeps."""
    return PlainTextResponse(text, status_code=404, headers={"Cache-Control": "no-store", **_SAFE})


async def answer(
    request: Request,
    read: Callable[[], bytes],
    *,
    tag: str,
    media_type: str,
    keep: str = FOREVER,
    gzipped: bool = False,
) -> Response:
    """Return the bytes of a file, or 304 when the client has them; a client without gzip gets them plain.

    What is slow (to read, to compress) runs beside the loop that answers everybody, and only for who needs it.

    Parameters
    ----------
    request
        Its method, ``If-None-Match`` and ``Accept-Encoding`` are looked at.
    read
        Gives the whole file; not called when the client has it.
    tag
        What tells these bytes from others, without quotes.
    media_type
        Of the plain file.
    keep
        How long the client may keep them.
    gzipped
        Whether ``read`` gives gzipped bytes.
    """
    compressed = accepts_gzip(request.headers.get("accept-encoding", ""))
    etag = f'"{tag}-gz"' if compressed else f'"{tag}"'
    headers = {"ETag": etag, "Cache-Control": keep, "Vary": "Accept-Encoding", **_SAFE}
    if holds(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    content = await run_in_threadpool(_encoded, read, gzipped=gzipped, compressed=compressed)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(content))
    body = b"" if request.method == "HEAD" else content
    return Response(body, media_type=media_type, headers=headers)


def squeezed(content: bytes) -> bytes:
    """Return bytes gzipped: equal bytes give equal bytes."""
    return gzip.compress(content, _LEVEL, mtime=0)


def tag_of(content: bytes) -> str:
    """Return what tells bytes of the software from others: a changed file of the same length has another tag."""
    return hashlib.sha256(content).hexdigest()[:16]


def _encoded(read: Callable[[], bytes], *, gzipped: bool, compressed: bool) -> bytes:
    content = read()
    if gzipped == compressed:
        return content
    return squeezed(content) if compressed else gzip.decompress(content)


def accepts_gzip(header: str) -> bool:
    """Return whether a client says that it reads gzip.

    Examples
    --------
    >>> accepts_gzip("gzip, br"), accepts_gzip("br, gzip;q=0"), accepts_gzip("")
    (True, False, False)
    """
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name in {"gzip", "*"}:
            return not any(_REFUSED.fullmatch(parameter) for parameter in parameters)
    return False


def holds(header: str, etag: str) -> bool:
    """Return whether ``If-None-Match`` names a tag; a proxy may have weakened it.

    Examples
    --------
    >>> holds('W/"1", "2"', '"1"'), holds("*", '"1"'), holds('"2"', '"1"')
    (True, True, False)
    """
    return header.strip() == "*" or etag in {part.strip().removeprefix("W/") for part in header.split(",")}

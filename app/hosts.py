"""Answer only who asks for this server by a name of its own, and only pages of this server.

A hostile site may make its name point to 127.0.0.1 in a visitor's browser, and read what answers there as its own (DNS
rebinding): such a request says the hostile name in its ``Host``. Another site that knows the address says its own name
in ``Origin``; Streamlit would look for the outer address of this machine on the network to compare them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

OF_THIS_MACHINE = ("127.0.0.1", "localhost")
"""Names by which this machine asks for itself."""
FOREIGN = "Hôte inconnu\u202f; voir l’option --host-name de ocsge app."


class OwnHosts:
    """Server that refuses, whatever the address, requests made by another name or from another site's page."""

    def __init__(self, app: ASGIApp, names: Iterable[str] = OF_THIS_MACHINE) -> None:
        self._app = app
        self._names = {name.lower().rstrip(".") for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 403; what is no request is passed on."""
        if scope["type"] in {"http", "websocket"} and not self._own(Headers(scope=scope)):
            refusal = PlainTextResponse(FOREIGN, status_code=403, headers={"Cache-Control": "no-store"})
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _own(self, headers: Headers) -> bool:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        places = [f"//{host}" for host in hosts] + origins
        return len(hosts) == 1 and all(host_name(place) in self._names for place in places)


def host_name(place: str) -> str | None:
    """Return the host that an address names, in lower case and without port; None when it names none.

    Examples
    --------
    >>> host_name("http://LOCALHOST:8501"), host_name("//a.example.fr."), host_name("null"), host_name("//a@b")
    ('localhost', 'a.example.fr', None, None)
    """
    try:
        parts = urlsplit(place)
        _ = parts.port  # a port that is no number raises
    except ValueError:
        return None
    if parts.hostname is None or "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        return None
    return parts.hostname.rstrip(".")

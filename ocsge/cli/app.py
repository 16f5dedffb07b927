"""``ocsge app``: serve the dashboard of a workspace on this machine."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ocsge.cli.options import RESULTS, workspace_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

ADDRESS = "127.0.0.1"
"""The dashboard answers this machine only; a reverse proxy lets others in (docs/deployment.md)."""

DEFAULT_PORT = 8501

_OPTIONS = {
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.showSidebarNavigation": "true",
    "client.toolbarMode": "minimal",
    "global.developmentMode": "false",
    "server.address": ADDRESS,
    "server.baseUrlPath": "",
    "server.enableAgentApi": "false",
    "server.enableCORS": "true",
    "server.enableStaticServing": "false",
    "server.enableXsrfProtection": "true",
    "server.fileWatcherType": "none",
    "server.headless": "true",
    "server.runOnSave": "false",
    "theme.base": "light",
    "theme.primaryColor": "#000091",
    "theme.font": "Arial, sans-serif",
    "theme.textColor": "#000000",
    "theme.codeTextColor": "#161616",  # captions are this at 60 %: anything paler falls below the contrast of 4.5
}
"""Every option that matters is set here: a file of the user's home must not change what the dashboard does."""

_OWN_NAMES = (ADDRESS, "localhost")
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)

_START_S, _PATIENCE_S, _PAUSE_S = 30, 5, 0.15
"""How long the server may take to answer, and to stop; and how long to wait before looking again."""


@click.command()
@workspace_option(RESULTS)
@click.option(
    "--port", type=click.IntRange(1024, 65535), default=DEFAULT_PORT, show_default=True, help="Port to answer on."
)
@click.option(
    "--host-name",
    "host_names",
    multiple=True,
    metavar="NAME",
    help="Name by which a reverse proxy lets others in; repeat for several. Any other name is refused.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the dashboard in the browser.")
def app(workspace: Path, port: int, host_names: tuple[str, ...], open_browser: bool) -> None:
    """Serve the dashboard of a workspace on this machine, in French."""
    sys.exit(serve(workspace, port=port, host_names=host_names, open_browser=open_browser))


def serve(workspace: Path, *, port: int, open_browser: bool, host_names: Sequence[str] = ()) -> int:
    """Serve a workspace until interrupted; return the exit code, 0: the server was asked to stop.

    Ctrl+C, the end of the terminal and a request to terminate stop the server too: none is left behind.

    Raises
    ------
    DataError, ParameterError
        When there is no such folder, a host name is none, or something else answers on the port.
    OcsgeError
        When the server ended by itself.
    """
    from ocsge.errors import DataError, ParameterError
    from ocsge.resources import shipped_directory

    if not workspace.is_dir():
        raise DataError(
            f"{workspace}: there is no such workspace; run `ocsge derive --workspace {workspace}` first, or "
            "`ocsge demo`"
        )
    for name in host_names:
        if not _HOST_NAME.fullmatch(name):
            raise ParameterError(f"--host-name {name}: give a host name alone, as artificialisation.example.fr")
    _check_free(port)
    script = shipped_directory("app") / "serve.py"
    address = f"http://{ADDRESS}:{port}"
    click.echo(f"{address}  (Ctrl+C to stop)")
    names = {"OCSGE_WORKSPACE": str(workspace.resolve()), "OCSGE_WORKSPACE_NAME": str(workspace)}
    command = server_command(script, port=port, host_names=host_names)
    try:
        with _stopping() as start:
            # the folder of the program is one where no other program leaves a .streamlit/config.toml
            server = start(command, env={**os.environ, **names}, cwd=script.parent)
            if open_browser:
                _open_when_up(server, address, port=port)
            return _exit_code(server.wait())
    except (KeyboardInterrupt, _Stopped):
        click.echo("stopped")
        return 0


def server_command(script: Path, *, port: int, host_names: Sequence[str] = ()) -> list[str]:
    """Return the command of the server, every option of which is given.

    Python keeps the current folder off its path (``-P``): what lies there must not pass for a module.
    """
    options = [
        *_OPTIONS.items(),
        ("server.port", str(port)),
        ("server.corsAllowedOrigins", f"http://{ADDRESS}:{port}"),
        *(("server.allowedHosts", name) for name in (*_OWN_NAMES, *host_names)),
    ]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(script), *(f"--{k}={v}" for k, v in options)]


def _check_free(port: int) -> None:
    """Refuse a port on which something else answers."""
    from ocsge.errors import ParameterError

    with socket.socket() as probe:
        if sys.platform == "win32":  # there, reusing an address would take it from who answers on it
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # a server that has just stopped leaves its port for a while
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise ParameterError(f"--port {port}: {error.strerror}; give another port") from error


def _exit_code(returned: int) -> int:
    """Return 0 for a server that ended well or that somebody asked to end.

    Raises
    ------
    OcsgeError
        When it failed or was killed.
    """
    from ocsge.errors import OcsgeError

    if returned in {0, -signal.SIGTERM, -signal.SIGINT}:
        return 0
    how = f"signal {-returned}" if returned < 0 else f"code {returned}"
    raise OcsgeError(f"the server of the dashboard ended by itself ({how}); see what it said above, and start it again")


class _Stopped(BaseException):
    """The launcher was asked to stop."""


@contextmanager
def _stopping() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Give what starts the server; stop it when the launcher is, with time to end by itself.

    A request to stop that comes while the server starts waits until it can be told: it would be left behind.
    """
    server: subprocess.Popen[bytes] | None = None
    asked = interruptible = False

    def stop(*_: object) -> None:
        nonlocal asked, interruptible
        asked, interrupts, interruptible = True, interruptible, False  # once: a second one must not stop the ending
        if interrupts:
            raise _Stopped

    def start(command: list[str], **given: Any) -> subprocess.Popen[bytes]:
        """Start the server, or end at once when that was asked meanwhile."""
        nonlocal server, interruptible
        server = subprocess.Popen(command, **given)  # noqa: S603  (our own command)
        interruptible = True
        if asked:
            raise _Stopped
        return server

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield start
    finally:
        interruptible = False
        if server is not None:
            _end(server)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _open_when_up(server: subprocess.Popen[bytes], address: str, *, port: int) -> None:
    """Open the browser once the server answers; say the address where there is none, or no answer."""
    end = time.monotonic() + _START_S
    while server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, port)) == 0:
                if not webbrowser.open(address):
                    click.echo(f"no browser could be opened; go to {address}", err=True)
                return
        if time.monotonic() > end:
            click.echo(f"no answer after {_START_S} s; go to {address} once the server is ready", err=True)
            return
        time.sleep(_PAUSE_S)

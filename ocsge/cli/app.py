"""``ocsge app``: serve the dashboard of a workspace on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ocsge.cli.options import RESULTS, workspace_option

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    "server.enableStaticServing": "false",
    "server.enableAgentApi": "false",
    "server.fileWatcherType": "none",
    "server.headless": "true",
    "server.runOnSave": "false",
    "theme.base": "light",
    "theme.primaryColor": "#000091",
    "theme.font": "Arial, sans-serif",
    "theme.textColor": "#000000",  # captions are this at 60 %: anything paler falls below the contrast of 4.5
}
"""Every option that matters is set here: a file of the user's home must not change what the dashboard does."""


_START_S, _PATIENCE_S, _PAUSE_S = 30, 5, 0.15
"""How long the server may take to answer, and to stop; and how long to wait before looking again."""


@click.command()
@workspace_option(RESULTS)
@click.option(
    "--port", type=click.IntRange(1024, 65535), default=DEFAULT_PORT, show_default=True, help="Port to answer on."
)
@click.option("--open", "open_browser", is_flag=True, help="Open the dashboard in the browser.")
def app(workspace: Path, port: int, open_browser: bool) -> None:
    """Serve the dashboard of a workspace on this machine, in French."""
    sys.exit(serve(workspace, port=port, open_browser=open_browser))


def serve(workspace: Path, *, port: int, open_browser: bool) -> int:
    """Serve a workspace until interrupted; return the exit code of the server, 0 when it was asked to stop.

    Ctrl+C, the end of the terminal and a request to terminate stop the server too: none is left behind.

    Raises
    ------
    DataError, ParameterError
        When there is no such folder, or something else answers on the port.
    """
    from ocsge.errors import DataError, ParameterError
    from ocsge.resources import shipped_directory

    if not workspace.is_dir():
        raise DataError(
            f"{workspace}: there is no such workspace; run `ocsge derive --workspace {workspace}` first, or "
            "`ocsge demo`"
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise ParameterError(f"--port {port}: {error.strerror}; give another port") from error
    script = shipped_directory("app") / "serve.py"
    address = f"http://{ADDRESS}:{port}"
    click.echo(f"{address}  (Ctrl+C to stop)")
    names = {"OCSGE_WORKSPACE": str(workspace.resolve()), "OCSGE_WORKSPACE_NAME": str(workspace)}
    command = server_command(script, port=port)
    server = subprocess.Popen(command, env={**os.environ, **names}, cwd=script.parent)  # noqa: S603  (our own command)
    try:
        with _stopping(server):
            if open_browser:
                _open_when_up(server, address, port=port)
            return server.wait()
    except (KeyboardInterrupt, _Stopped):
        click.echo("stopped")
        return 0


def server_command(script: Path, *, port: int) -> list[str]:
    """Return the command of the server, every option of which is given."""
    options = {**_OPTIONS, "server.port": str(port)}
    return [sys.executable, "-m", "streamlit", "run", str(script), *(f"--{k}={v}" for k, v in options.items())]


class _Stopped(BaseException):
    """The launcher was asked to stop."""


@contextmanager
def _stopping(server: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop the server when the launcher is; give it time to end by itself."""

    def stop(*_: object) -> None:
        raise _Stopped

    asked = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if server.poll() is None:
            server.terminate()
            try:
                server.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _open_when_up(server: subprocess.Popen[bytes], address: str, *, port: int) -> None:
    """Open the browser once the server answers; say the address where there is none."""
    end = time.monotonic() + _START_S
    while server.poll() is None and time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, port)) == 0:
                break
        time.sleep(_PAUSE_S)
    if server.poll() is None and not webbrowser.open(address):
        click.echo(f"no browser could be opened; go to {address}", err=True)

"""``ocsge app``: serve the dashboard of a workspace on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import click

ADDRESS = "127.0.0.1"
"""The dashboard answers this machine only; a reverse proxy lets others in (docs/deployment.md)."""

_OPTIONS = {
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.showSidebarNavigation": "true",
    "client.toolbarMode": "minimal",
    "global.developmentMode": "false",
    "server.address": ADDRESS,
    "server.enableStaticServing": "false",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "theme.base": "light",
    "theme.primaryColor": "#000091",
    "theme.font": "Arial, sans-serif",
    "theme.textColor": "#000000",  # captions are this at 60 %: anything paler falls below the contrast of 4.5
}
"""Every option that matters is set here: a file of the user's home must not change what the dashboard does."""


@click.command()
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("ocsge-workspace"),
    show_default=True,
    help="Folder of results.",
)
@click.option("--port", type=click.IntRange(1024, 65535), default=8501, show_default=True, help="Port to answer on.")
@click.option("--open", "open_browser", is_flag=True, help="Open the dashboard in the browser.")
def app(workspace: Path, port: int, open_browser: bool) -> None:
    """Serve the dashboard of a workspace on this machine, in French."""
    sys.exit(serve(workspace, port=port, open_browser=open_browser))


def serve(workspace: Path, *, port: int, open_browser: bool) -> int:
    """Serve a workspace until interrupted; return the exit code of the server.

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
    click.echo(f"http://{ADDRESS}:{port}  (Ctrl+C to stop)")
    options = {**_OPTIONS, "server.port": str(port), "server.headless": "false" if open_browser else "true"}
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += [f"--{name}={value}" for name, value in options.items()]
    environment = {**os.environ, "OCSGE_WORKSPACE": str(workspace.resolve())}
    server = subprocess.Popen(command, env=environment, cwd=script.parent)  # noqa: S603  (our own command)
    try:
        return server.wait()
    except KeyboardInterrupt:
        server.wait()
        return 0

"""``ocsge app`` serves this machine only, says what is wrong in one line and leaves no server behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from click.testing import CliRunner
from streamlit import config

from ocsge.cli import app as launcher
from ocsge.cli.app import ADDRESS, app, serve, server_command
from ocsge.errors import DataError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsge.derivation import Derivation

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def test_every_option_given_to_the_server_is_one_it_knows() -> None:
    given = dict(word.removeprefix("--").split("=", 1) for word in server_command(Path("serve.py"), port=8501)[5:])
    known = config.get_config_options()
    assert set(given) <= set(known)
    assert given["server.address"] == "127.0.0.1"
    assert given["browser.gatherUsageStats"] == given["server.enableAgentApi"] == "false"
    assert given["server.headless"] == "true"  # else the first run asks for an e-mail address
    assert given["client.showErrorDetails"] == "none"


def test_a_missing_workspace_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no such workspace; run `ocsge derive"):
        serve(tmp_path / "none", port=free_port(), open_browser=False)


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((ADDRESS, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ParameterError, match=f"--port {port}: .* give another port"):
            serve(tmp_path, port=port, open_browser=False)


@pytest.mark.parametrize("port", ["80", "70000", "x"])
def test_a_port_that_cannot_be_used_is_refused(port: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--workspace", str(tmp_path), "--port", port])
    assert result.exit_code == 2


@pytest.fixture
def launched(village_pair: Derivation, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    workspace = village_pair.version.parents[1]
    program = "import sys; from ocsge.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, "app", "--workspace", str(workspace), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_for(port)
        yield process, port
    finally:
        for child in children(process):
            child.kill()
        process.kill()
        process.communicate()


def wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the server did not start")


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_stopping_the_launcher_stops_the_server(name: str, launched: tuple[subprocess.Popen[str], int]) -> None:
    process, port = launched
    servers = children(process)
    assert servers
    listening = [c.laddr for server in servers for c in server.net_connections() if c.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    with urllib.request.urlopen(f"http://{ADDRESS}:{port}/_stcore/health") as answer:
        assert answer.status == 200
    process.send_signal(getattr(signal, name))
    assert process.wait(15) == 0
    _, alive = psutil.wait_procs(servers, timeout=5)
    assert not alive
    shown = process.stdout.read() if process.stdout else ""
    assert f"http://127.0.0.1:{port}  (Ctrl+C to stop)" in shown
    assert "Traceback" not in shown


def test_open_opens_the_browser_once_the_server_answers(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    opened: list[str] = []
    # a server that ends by itself stands for Streamlit: what is tested is the launcher
    answering = f"import socket, time; s = socket.socket(); s.bind(('{ADDRESS}', {port})); s.listen(); time.sleep(2)"
    monkeypatch.setattr(launcher, "server_command", lambda *_, **__: [sys.executable, "-c", answering])
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert serve(village_pair.version.parents[1], port=port, open_browser=True) == 0
    assert opened == [f"http://{ADDRESS}:{port}"]


def test_where_no_browser_opens_the_address_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    answering = f"import socket, time; s = socket.socket(); s.bind(('{ADDRESS}', {port})); s.listen(); time.sleep(2)"
    monkeypatch.setattr(launcher, "server_command", lambda *_, **__: [sys.executable, "-c", answering])
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    serve(tmp_path, port=port, open_browser=True)
    assert f"go to http://{ADDRESS}:{port}" in capsys.readouterr().err

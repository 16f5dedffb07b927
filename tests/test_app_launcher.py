"""``ocsge app`` serves this machine only, says what is wrong in one line and leaves no server behind."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from click.testing import CliRunner
from streamlit import config

from ocsge.cli import app as launcher
from ocsge.cli.app import ADDRESS, app, serve, server_command
from ocsge.errors import DataError, OcsgeError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsge.derivation import Derivation

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def options_given(*host_names: str) -> list[tuple[str, str]]:
    words = server_command(Path("serve.py"), port=8501, host_names=host_names)[6:]
    return [(name, value) for name, _, value in (word.removeprefix("--").partition("=") for word in words)]


def test_every_option_given_to_the_server_is_one_it_knows() -> None:
    given = dict(options_given())
    known = config.get_config_options()
    assert set(given) <= set(known)
    assert given["server.address"] == "127.0.0.1"
    assert given["browser.gatherUsageStats"] == given["server.enableAgentApi"] == "false"
    assert given["server.headless"] == "true"  # else the first run asks for an e-mail address
    assert given["client.showErrorDetails"] == "none"
    assert given["server.enableCORS"] == given["server.enableXsrfProtection"] == "true"
    assert (given["server.baseUrlPath"], given["server.corsAllowedOrigins"]) == ("", "http://127.0.0.1:8501")


def test_the_server_answers_to_this_machine_and_to_the_names_of_the_proxy() -> None:
    given = options_given("zan.example.fr", "sols.example.fr")
    names = [value for option, value in given if option == "server.allowedHosts"]
    assert names == ["127.0.0.1", "localhost", "zan.example.fr", "sols.example.fr"]


@pytest.mark.parametrize("name", ["*", "https://zan.example.fr", "zan.example.fr:443", "a b", "-x", ""])
def test_a_host_name_is_a_name_alone(name: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="give a host name alone"):
        serve(tmp_path, port=free_port(), open_browser=False, host_names=[name])


def test_the_current_folder_is_no_place_of_modules() -> None:
    assert server_command(Path("serve.py"), port=8501)[1:4] == ["-P", "-m", "streamlit"]


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


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no signal that a program can heed")
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


def status(port: int, path: str, **headers: str) -> int:
    given = {name: value.replace("PORT", str(port)) for name, value in headers.items()}
    with closing(http.client.HTTPConnection(ADDRESS, port, timeout=10)) as asking:
        asking.request("GET", path, headers=given)
        with asking.getresponse() as answer:
            return answer.status


def test_pages_maps_and_sockets_answer_only_to_their_own_name(launched: tuple[subprocess.Popen[str], int]) -> None:
    _, port = launched
    socket_wanted = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    asked = {"/": (200, {}), "/outils/mvt-worker.js": (200, {}), "/_stcore/stream": (101, socket_wanted)}
    for path, (welcome, headers) in asked.items():
        assert status(port, path, **headers) == welcome
        assert status(port, path, Host="localhost:PORT", Origin="http://localhost:PORT", **headers) == welcome
        assert status(port, path, Host="rebound.example:PORT", **headers) == 403
        assert status(port, path, Origin="http://elsewhere.example", **headers) == 403


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("ends", "code"),
    [("raise SystemExit(0)", 0), ("os.kill(os.getpid(), signal.SIGTERM)", 0)],
)
def test_a_server_that_was_asked_to_end_is_no_failure(
    ends: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, f"import os, signal; {ends}")
    assert serve(tmp_path, port=free_port(), open_browser=False) == code


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(("ends", "how"), [("raise SystemExit(1)", "code 1"), ("os.kill(os.getpid(), 9)", "signal 9")])
def test_a_server_that_fails_is_told_as_a_fault_of_ours(
    ends: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, f"import os; {ends}")
    with pytest.raises(OcsgeError, match=f"ended by itself .{how}.") as told:
        serve(tmp_path, port=free_port(), open_browser=False)
    assert told.value.exit_code == 70


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_request_to_stop_while_the_server_starts_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def interrupted(*given: Any, **named: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*given, **named))
        os.kill(os.getpid(), signal.SIGTERM)
        return started[0]

    stand_in(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(launcher.subprocess, "Popen", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    assert serve(tmp_path, port=free_port(), open_browser=False) == 0
    assert started[0].poll() == -signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before


def test_no_browser_opens_on_a_server_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    stand_in(monkeypatch, "import time; time.sleep(1.5)")
    monkeypatch.setattr(launcher, "_START_S", 0.5)
    monkeypatch.setattr("webbrowser.open", lambda _: pytest.fail("opened"))
    assert serve(tmp_path, port=port, open_browser=True) == 0
    assert f"no answer after 0.5 s; go to http://{ADDRESS}:{port}" in capsys.readouterr().err


def stand_in(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let a short program stand for Streamlit: what is tested is the launcher."""
    monkeypatch.setattr(launcher, "server_command", lambda *_, **__: [sys.executable, "-c", program])


def test_open_opens_the_browser_once_the_server_answers(
    village_pair: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    opened: list[str] = []
    answering = f"import socket, time; s = socket.socket(); s.bind(('{ADDRESS}', {port})); s.listen(); time.sleep(2)"
    stand_in(monkeypatch, answering)
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert serve(village_pair.version.parents[1], port=port, open_browser=True) == 0
    assert opened == [f"http://{ADDRESS}:{port}"]


def test_where_no_browser_opens_the_address_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    answering = f"import socket, time; s = socket.socket(); s.bind(('{ADDRESS}', {port})); s.listen(); time.sleep(2)"
    stand_in(monkeypatch, answering)
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    serve(tmp_path, port=port, open_browser=True)
    assert f"go to http://{ADDRESS}:{port}" in capsys.readouterr().err

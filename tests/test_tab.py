"""A watched tab of the benchmarks: what it receives and draws is counted by the page itself, and its loss is told."""

from __future__ import annotations

import http.server
import math
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from browser import MISSING, WITHOUT_CHROMIUM
from websockets.sync.server import serve

from benchmarks.tab import TabLostError, opened, tab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.server import ServerConnection

pytestmark = pytest.mark.skipif(MISSING, reason=WITHOUT_CHROMIUM)

PAGE = """<!doctype html><h1>Carte</h1>
<div data-testid="stApp" data-test-script-state="running"></div><canvas></canvas>
<script>
const app = document.querySelector("div"), socket = new WebSocket("ws://127.0.0.1:PORT");
socket.binaryType = "arraybuffer";
socket.onmessage = () => { app.dataset.testScriptState = "notRunning"; };
const gl = document.querySelector("canvas").getContext("webgl2"), program = gl.createProgram();
for (const [kind, text] of [
  [gl.VERTEX_SHADER, "#version 300 es\\nvoid main() { gl_Position = vec4(gl_VertexID, gl_InstanceID, 0, 1); }"],
  [gl.FRAGMENT_SHADER, "#version 300 es\\nprecision lowp float; out vec4 c; void main() { c = vec4(1, 0, 0, 1); }"],
]) {
  const shader = gl.createShader(kind);
  gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(program, shader);
}
gl.linkProgram(program); gl.useProgram(program);
gl.drawArrays(gl.TRIANGLES, 0, 300);
gl.drawArraysInstanced(gl.TRIANGLES, 0, 6, 200);
</script>"""
"""Draws 100 triangles at once, then 400: two a copy, 200 copies. Its script ends when a message has come."""


@contextmanager
def page_served(message: bytes) -> Iterator[str]:
    """Serve the page, and one message over its websocket; give its address."""

    def say(connection: ServerConnection) -> None:
        """Send the message and wait for the page to go."""
        connection.send(message)
        for _ in connection:
            pass

    socket = serve(say, "127.0.0.1", 0, max_size=None)
    html = PAGE.replace("PORT", str(socket.socket.getsockname()[1])).encode()

    class Answer(http.server.BaseHTTPRequestHandler):
        """Answers everything by the page."""

        def do_GET(self) -> None:
            """Send the page."""
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threads = [threading.Thread(target=one.serve_forever) for one in (socket, web)]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{web.server_port}/"
    finally:
        socket.shutdown()
        web.shutdown()
        web.server_close()
        for thread in threads:
            thread.join()


def test_a_page_counts_the_bytes_it_receives_and_the_corners_it_draws(tmp_path: Path) -> None:
    with page_served(bytes(3_000_000)) as url:
        found = opened(url, corners=2 * 3 * 200, picture=tmp_path / "page.png")
    assert found.socket_mb == 3.0
    assert 0 < found.drawn_s < 60
    assert 0 < found.ready_s < 60
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_never_drawn_takes_forever_though_the_page_is_ready() -> None:
    with page_served(b"1") as url:
        found = opened(url, corners=2 * 3 * 200 + 1, timeout_s=5)
    assert found.drawn_s == math.inf
    assert found.ready_s < 5
    assert found.socket_mb == 1e-6


def test_a_page_without_drawing_to_wait_for_is_ready_when_its_script_has_ended() -> None:
    with page_served(b"1234") as url:
        found = opened(url)
    assert (found.drawn_s, found.socket_mb) == (0, 4e-6)


def test_a_server_that_does_not_speak_leaves_the_page_unready() -> None:
    assert opened("http://127.0.0.1:9/", timeout_s=3).ready_s == math.inf


def test_the_loss_of_a_page_is_told_at_once() -> None:
    with tab(timeout_s=60) as page:
        page.call("Page.navigate", url="chrome://crash")
        with pytest.raises(TabLostError):
            page.wait_for("false")


def test_the_loss_of_the_browser_is_that_of_its_page() -> None:
    with tab(timeout_s=60) as page:
        with suppress(TabLostError):  # its answer may come before it has gone
            page.call("Browser.close")
        with pytest.raises(TabLostError):
            page.wait_for("false")

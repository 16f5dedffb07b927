"""The benchmark of the dashboard: what it judges and how it says so; its measures are its own to run."""

from __future__ import annotations

import math
import sys

import pytest

from benchmarks.dashboard import PAGES, Figure, map_figures, report
from benchmarks.tab import Opened
from tools.browser import free_port, running


def test_a_measure_meets_its_bar_up_to_the_bar_itself() -> None:
    assert Figure("server answers", 5.0, "s", 5).met
    assert not Figure("server answers", 5.01, "s", 5).met
    assert Figure("websocket", 1000.0, "MB").met


def test_the_report_has_a_line_a_measure_and_shouts_what_is_missed() -> None:
    figures = [Figure("quick", 0.5, "s", 3), Figure("slow", 12.3, "s", 6), Figure("weight", 3.21, "MB")]
    text = report([*figures, Figure("lost", math.inf, "s")], 30_000)
    assert "| quick | 0.50 s | 3 s | yes |  |" in text
    assert "| slow | 12 s | 6 s | **no** |  |" in text
    assert "| weight | 3.21 MB |  |  |  |" in text
    assert "| lost | never |  |  |  |" in text
    assert "30,000 polygons" in text


def test_a_map_stands_beside_the_naive_one_where_that_was_opened() -> None:
    ours, naive = Opened(ready_s=2, drawn_s=5, socket_mb=0.05), Opened(ready_s=20, drawn_s=math.inf, socket_mb=258.4)
    text = report(map_figures("7 communes", ours, naive, 6), 7)
    assert "| map of 7 communes drawn, cold | 5.00 s | 6 s | yes | never |" in text
    assert "| the same, until its script has ended | 2.00 s |  |  | 20 s |" in text
    assert "| the same, over the websocket | 0.05 MB |  |  | 258 MB |" in text
    assert [figure.naive for figure in map_figures("7 communes", ours, None, 6)] == [None] * 3


def test_every_page_is_measured() -> None:
    assert {"synthese", "carte", "comparer"} <= set(PAGES)


def test_a_server_is_waited_for_and_ended() -> None:
    port = free_port()
    serving = (
        "import http.server as h, sys\n"
        "class A(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers()\n"
        "h.HTTPServer(('127.0.0.1', int(sys.argv[1])), A).serve_forever()\n"
    )
    with running([sys.executable, "-c", serving, str(port)], port) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert 0 < server.up_s < 60
    with running([sys.executable, "-c", serving, str(port)], port):
        pass  # the port is free again: the first one has ended


def test_a_server_that_ends_at_once_is_told() -> None:
    port = free_port()
    with pytest.raises(RuntimeError, match="no answer"), running([sys.executable, "-c", "raise SystemExit(1)"], port):
        pass

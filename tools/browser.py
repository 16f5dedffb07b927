"""Serve a workspace and look at it with a browser: for screenshots, measures and tests.

Chromium draws in software, as on a machine without graphics card.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
PAGES = {path.stem: path for path in sorted((ROOT / "app" / "views").glob("*.py"))}
"""Script of each page, by name."""
MAIN = ROOT / "app" / "main.py"
LAPTOP, PHONE = (1366, 768), (390, 844)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""Path of the browser; None when the machine has none."""
FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
_READY = "() => document.querySelector('[data-testid=\"stApp\"]')?.dataset.testScriptState === 'notRunning'"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    url: str
    """Its address, without a slash at the end."""

    up_s: float
    """Seconds from the start of its process to its first answer."""


def free_port() -> int:
    """Return a port on which nothing answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(workspace: Path) -> Iterator[Server]:
    """Serve a workspace by ``ocsge app`` for as long as the block lasts.

    Raises
    ------
    RuntimeError
        When the server does not answer within a minute.
    """
    port = free_port()
    launcher = "import sys; from ocsge.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", launcher, "app", "--workspace", str(workspace), "--port", str(port)]
    with running(command, port) as server:
        yield server


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[Server]:
    """Run a server of pages for as long as the block lasts, its children included.

    Raises
    ------
    RuntimeError
        When it does not answer within a minute.
    """
    started = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(  # noqa: S603  (our own command)
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while not _answers(f"{url}/_stcore/health"):
            if process.poll() is not None or time.perf_counter() - started > 60:
                raise RuntimeError(f"{' '.join(command)}: no answer on port {port}")
            time.sleep(0.02)
        yield Server(url, time.perf_counter() - started)
    finally:
        end(process)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (our own server)
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children: they are a session of their own."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def chromium_path() -> str:
    """Return the path of Chromium.

    Raises
    ------
    RuntimeError
        When the machine has none.
    """
    if CHROMIUM is None:
        raise RuntimeError("no Chromium on the path; on Debian: apt-get install chromium")
    return CHROMIUM


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium for as long as the block lasts.

    Raises
    ------
    RuntimeError
        When the machine has none.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (who only serves does without)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        yield browser
        browser.close()


def empty_page(browser: Browser, *, size: tuple[int, int]) -> Page:
    """Return an empty page without any cache."""
    width, height = size
    return browser.new_context(viewport={"width": width, "height": height}, locale="fr-FR").new_page()


def wait_until_ready(page: Page, *, timeout_s: float = 60) -> None:
    """Wait until the page shows a title and its script has run."""
    page.wait_for_selector("h1, h2", timeout=timeout_s * 1000)
    page.wait_for_function(_READY, timeout=timeout_s * 1000)

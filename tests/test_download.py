"""A download is checked, resumed and never half-written under its name; offline, the address is told."""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ocsge.errors import DataError, OutputError
from ocsge.segment.download import download

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 4000
HASH = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A server of one file, and what it was asked."""

    url: str = ""
    breaks_at: int | None = None
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            served.asked.append(wanted)
            if self.path != "/w.pth":
                self.send_error(404)
                return
            start = int(re.findall(r"\d+", wanted)[0]) if wanted and served.ranges else 0
            if start >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            self.wfile.write(CONTENT[start : served.breaks_at])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}/w.pth"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield served
        server.shutdown()


def test_a_file_is_downloaded_to_its_place_and_hashed(site: Site, tmp_path: Path) -> None:
    moves: list[tuple[str, int, int]] = []
    path = tmp_path / "models" / "w.pth"
    assert download(site.url, path, sha256=HASH, progress=lambda *move: moves.append(move)) == HASH
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["w.pth"]
    assert moves[-1] == ("w.pth", len(CONTENT), len(CONTENT))


def test_a_broken_transfer_is_taken_up_where_it_stopped(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    site.breaks_at = 300_000
    with pytest.raises(DataError, match="run the same command to go on"):
        download(site.url, path, sha256=HASH)
    assert not path.exists()
    assert (tmp_path / "w.pth.part").stat().st_size == 300_000
    site.breaks_at = None
    assert download(site.url, path, sha256=HASH) == HASH
    assert site.asked == [None, "bytes=300000-"]
    assert path.read_bytes() == CONTENT


def test_a_server_without_ranges_is_asked_for_the_whole_again(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    (tmp_path / "w.pth.part").write_bytes(CONTENT[:1000])
    assert download(site.url, tmp_path / "w.pth", sha256=HASH) == HASH


def test_a_transfer_that_was_complete_is_only_checked(site: Site, tmp_path: Path) -> None:
    (tmp_path / "w.pth.part").write_bytes(CONTENT)
    assert download(site.url, tmp_path / "w.pth", sha256=HASH) == HASH
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


def test_another_content_is_refused_and_not_kept(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"SHA-256 {HASH}, expected 00"):
        download(site.url, tmp_path / "w.pth", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_stands_there_is_kept_and_checked(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(CONTENT)
    assert download(site.url, path, sha256=HASH) == download(site.url, path) == HASH
    assert site.asked == []
    path.write_bytes(b"other")
    with pytest.raises(DataError, match="take it away and download"):
        download(site.url, path, sha256=HASH)
    assert path.read_bytes() == b"other"


def test_an_address_that_is_gone_is_told_with_what_to_do(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"/gone: the server answers 404 Not Found; download .* by hand to .*w\.pth"):
        download(site.url.replace("w.pth", "gone"), tmp_path / "w.pth")


def test_offline_the_address_to_download_by_hand_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"cannot download \(.*\); .*download http://127\.0\.0\.1:9/w\.pth by hand"
    ) as refused:
        download("http://127.0.0.1:9/w.pth", tmp_path / "w.pth")
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 65


def test_only_web_addresses_are_followed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no web address"):
        download("file:///etc/hostname", tmp_path / "w.pth")


def test_a_folder_that_cannot_be_made_is_an_error_of_output(site: Site, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be written"):
        download(site.url, tmp_path / "models" / "w.pth")

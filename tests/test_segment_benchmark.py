"""The benchmark of the segmentation writes its page whatever ways were asked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import segment

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_page_is_written_when_no_way_of_ours_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "results.md"
    # no way at all: what follows the table is the same as after the usual way alone
    monkeypatch.setattr(sys, "argv", ["segment", "--side", "512", "--only", "none", "--out", str(out)])
    segment.main()
    page = out.read_text(encoding="utf-8")
    assert "Alone, on one thread: reading" in page
    assert "writing classes" not in page

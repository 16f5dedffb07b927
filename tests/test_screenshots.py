"""The pictures of the dashboard show the pages as they are: each was taken with the code that draws its page now."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tools import screenshots
from tools.screenshots import DIGESTS, IMAGES, MOST_BYTES, PAGES, SIZES, digest_of, image_of, optimised

if TYPE_CHECKING:
    from pathlib import Path

AGAIN = "the code of page {} changed since its screenshots were taken; run `python tools/screenshots.py {}`"


@pytest.mark.parametrize("page", PAGES)
def test_each_page_has_a_light_picture_on_a_laptop_and_on_a_phone(page: str) -> None:
    for ending, size in SIZES.items():
        path = image_of(page, ending)
        assert path.stat().st_size <= MOST_BYTES
        with Image.open(path) as picture:
            assert picture.size == size


@pytest.mark.parametrize("page", PAGES)
def test_the_pictures_of_a_page_are_of_the_code_that_draws_it(page: str) -> None:
    taken = json.loads(DIGESTS.read_text(encoding="utf-8"))
    assert taken.get(page) == digest_of(page), AGAIN.format(page, page)


def test_no_picture_is_of_a_page_that_is_gone() -> None:
    assert {path.name for path in IMAGES.glob("app_*.png")} == {
        image_of(page, ending).name for page in PAGES for ending in SIZES
    }
    assert set(json.loads(DIGESTS.read_text(encoding="utf-8"))) == set(PAGES)


@pytest.fixture
def small_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pages: one imports a module of ``app.ui``, which imports another; the other page imports nothing."""
    files = {
        "main.py": "",
        "pages/one.py": "from app.ui import first\n",
        "pages/two.py": "title = 1\n",
        "ui/first.py": "import app.ui.second\n",
        "ui/second.py": "number = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(screenshots, "ROOT", tmp_path)
    monkeypatch.setattr(screenshots, "PAGES", {name: tmp_path / f"app/pages/{name}.py" for name in ("one", "two")})
    return tmp_path / "app"


def test_a_comment_leaves_a_picture_current(small_app: Path) -> None:
    before = digest_of("one")
    (small_app / "ui" / "second.py").write_text("# why\nnumber = (1)\n")
    assert digest_of("one") == before


def test_a_change_of_what_a_page_imports_concerns_that_page_only(small_app: Path) -> None:
    before = digest_of("one"), digest_of("two")
    (small_app / "ui" / "second.py").write_text("number = 2\n")
    assert digest_of("one") != before[0]
    assert digest_of("two") == before[1]


def test_a_change_of_the_navigation_concerns_every_page(small_app: Path) -> None:
    before = digest_of("one"), digest_of("two")
    (small_app / "main.py").write_text("pages = 2\n")
    assert digest_of("one") != before[0]
    assert digest_of("two") != before[1]


def png(values: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(written, format="PNG")
    return written.getvalue()


def test_a_plain_picture_keeps_its_colours() -> None:
    values = np.zeros((50, 80, 3))
    values[:, 40:] = (0, 0, 145)
    back = np.asarray(Image.open(io.BytesIO(optimised(png(values)))).convert("RGB"))
    assert (back == values).all()


def test_a_busy_picture_loses_colours_not_size() -> None:
    y, x = np.mgrid[0:768, 0:1366]
    noise = np.random.default_rng(1).integers(0, 6, (768, 1366))
    values = np.stack([x / 8 + noise, y / 4 + noise, (x + y) / 12 + noise], axis=-1)
    assert len(png(values)) > MOST_BYTES
    reduced = optimised(png(values))
    assert len(reduced) <= MOST_BYTES
    assert Image.open(io.BytesIO(reduced)).size == (1366, 768)


def test_a_picture_that_cannot_be_light_is_refused() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1500, 1500, 3))
    with pytest.raises(ValueError, match="stays above"):
        optimised(png(noise))

"""Take a screenshot of each page of the dashboard on the demonstration, laptop and phone, into ``docs/images``.

    python tools/screenshots.py [--workspace FOLDER] [PAGE …]

Without a workspace the demonstration is derived into a temporary one. ``docs/images/pages.json`` keeps, of each page, a
digest of the code it is drawn by when its screenshots were taken: the script of the page and what it imports of
``app``, comments and layout left out. A test compares it with the code that stands there now.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tools.browser import LAPTOP, PAGES, PHONE, chromium, empty_page, served, wait_until_ready  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES = ROOT / "docs" / "images"
DIGESTS = IMAGES / "pages.json"
SIZES = {"": LAPTOP, "_telephone": PHONE}
"""End of an image's name → window it is taken in."""
MOST_BYTES = 150_000
COMMUNE = "12174"
_SETTLES_MS = 4000
"""Time that a map and its charts take to be drawn in software."""


def image_of(page: str, ending: str) -> Path:
    """Return the path of a page's image."""
    return IMAGES / f"app_{page}{ending}.png"


def digest_of(page: str) -> str:
    """Return the digest of the code that draws a page: its script, and every module of ``app`` that it imports."""
    seen: dict[Path, str] = {}
    waiting = [ROOT / "app" / "main.py", PAGES[page]]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        seen[path] = ast.dump(tree)
        waiting += _modules(tree)
    text = "\n".join(f"{path.relative_to(ROOT).as_posix()} {code}" for path, code in sorted(seen.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def _modules(tree: ast.Module) -> Iterator[Path]:
    """Return the files of ``app`` that a module imports."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            if name.startswith("app.") and path.is_file():
                yield path


def optimised(png: bytes) -> bytes:
    """Return a picture with as many colours, out of a palette, as its size allows.

    Raises
    ------
    ValueError
        When even 16 colours take more than ``MOST_BYTES``.
    """
    from PIL import Image  # noqa: PLC0415  (the test that compares digests does without)

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32, 16):
        written = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(written, format="PNG", optimize=True)
        if written.tell() <= MOST_BYTES:
            return written.getvalue()
    raise ValueError(f"a picture of {len(png):,} bytes stays above {MOST_BYTES:,}")


def take(workspace: Path, pages: tuple[str, ...]) -> None:
    """Write the images of pages, and their digests."""
    digests = json.loads(DIGESTS.read_text(encoding="utf-8")) if DIGESTS.is_file() else {}
    with served(workspace) as server, chromium() as browser:
        for page in pages:
            for ending, size in SIZES.items():
                window = empty_page(browser, size=size)
                window.goto(f"{server.url}/{'' if page == 'synthese' else page}?insee={COMMUNE}")
                wait_until_ready(window)
                window.wait_for_timeout(_SETTLES_MS)
                image_of(page, ending).write_bytes(optimised(window.screenshot()))
                window.context.close()
            digests[page] = digest_of(page)
            print(f"{page}: {digests[page][:12]}")
    known = {page: digests[page] for page in sorted(digests) if page in PAGES}
    DIGESTS.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Take the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", choices=[*PAGES, []], help="pages; every one by default")
    parser.add_argument("--workspace", type=Path, help="workspace of the demonstration, derived already")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = asked.workspace or Path(folder) / "demo"
        if not workspace.exists():
            launcher = "import sys; from ocsge.cli import main; sys.exit(main())"
            command = [sys.executable, "-c", launcher, "demo", "--workspace", str(workspace)]
            subprocess.run(command, check=True)  # noqa: S603  (our own command)
        take(workspace, tuple(asked.pages) or tuple(PAGES))


if __name__ == "__main__":
    main()

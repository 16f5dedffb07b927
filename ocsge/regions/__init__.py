"""The region engine: class evidence and burned layers → regions above their minimum areas → polygons.

Nothing pixel-sized is kept: rows become runs, runs become regions, regions a graph. The order of the steps::

    array_files  named arrays in one file
    shapes  polygons as flat arrays, each with the channel and value it paints
    burn    shapes → pixel intervals by an even-odd scanline at pixel centres
    runs    rows of a class raster as runs; cutting and joining windows of runs
    value_counts  burned zones × class runs → pixels of each class in each zone
    sweep   what every channel holds along a row, segment by segment
    spans   sets of pixels as spans of columns: closed, dilated, grouped
    built   built evidence closed, grouped, dissolved or grown
    zone    zone construite from the built ground, on a 1 m lattice
    evidence  class runs × intervals → runs that carry cover, usage, rule, commune
    bands   bands of rows, for threads
    labels  runs of one key → numbered connected regions
    graph   runs → connected regions → border graph
    joining  regions of the border graph made one
    unknown_cover  regions of unknown cover filled from their neighbours
    minimum_areas  undersized regions absorbed, in the order of their areas
    anchor  a second state that starts from the first: same evidence, same answer
    pieces  regions cut by commune, joined across windows
    composition  what a piece is made of decides its final cover
    adjacency  which pieces share a border, and how long it is
    corners, simplify, polygons  pieces → arcs shared by neighbours → polygons
    windows  the steps of one window, each from arrays to arrays
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path


def drop_stale_kernels(folder: Path = Path(__file__).parent) -> bool:
    """Remove compiled kernels of other sources; return whether there were any.

    The compiler's cache looks at the file of a kernel, not at the files of the kernels it calls: after an edit or an
    upgrade of one file, the others would keep the old code compiled into them.
    """
    cache = folder / "__pycache__"
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sorted(folder.glob("*.py")))).hexdigest()
    stamp = cache / "kernels.sha256"
    with suppress(OSError):  # a read-only installation has nothing of its own to remove
        if stamp.is_file() and stamp.read_text() == digest:
            return False
        stale = list(cache.glob("*.nb[ci]"))
        for file in stale:
            file.unlink(missing_ok=True)
        cache.mkdir(exist_ok=True)
        stamp.write_text(digest)
        return bool(stale)
    return False


drop_stale_kernels()

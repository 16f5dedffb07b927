"""Answer one dalle: reader threads → batches of patches → the network → cores → writers of whole blocks.

Memory holds the squares being read, the batch, and the blocks that are not yet whole: it does not grow with the raster.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
import torch

from ocsge.segment.area import AreaPixels
from ocsge.segment.class_rasters import RasterKind, RasterSink
from ocsge.segment.imagery import ImageryReader
from ocsge.segment.tiling import Patch, PatchGrid, Unit, common_window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ocsge.grid import Window
    from ocsge.segment.imagery import Imagery
    from ocsge.segment.inference import Segmenter, Wanted

    Pixels = NDArray[np.uint8] | NDArray[np.float32]

T = TypeVar("T")

UNIT_PX = 2600
"""Longest side of a square that is read at once: 3 × 3 patches of 1024, whose halos are then read 1.2 times."""

_READERS = {"cpu": 1, "cuda": 6}
"""Reader threads: a CPU answers more slowly than one thread reads, a GPU faster than several."""


class AnsweringThreads:
    """Threads that each answer patches alone on a CPU: one thread of torch a patch, several patches at once.

    Several threads in one product of bf16 add it up in another order, and 1 % of the pixels may change: so answered, a
    pixel depends on no number of threads nor of processes.

    Parameters
    ----------
    count
        Patches answered at once.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._mine = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="answer", initializer=_answer_alone)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._mine)  # a thread's own number, but also what threads started later begin with

    def start(self, work: Callable[[], T]) -> Callable[[], T]:
        """Start a piece of work and return the function that waits for what it returns."""
        return self._pool.submit(work).result


def _answer_alone() -> None:
    torch.get_num_threads()  # the first question sets what the thread begins with, and would undo what follows
    torch.set_num_threads(1)


@dataclass(frozen=True, slots=True)
class DalleWork:
    """What a dalle is made from; it can be sent to another process."""

    name: str
    window: Window
    """Pixels of its files."""
    imagery: Imagery
    patches: PatchGrid
    ground: bytes | None
    """Area of interest, WKB."""
    numbers: tuple[int, ...]
    """Number written for each class that may win, in the order of the head."""
    kinds: tuple[tuple[str, RasterKind], ...]
    """Rasters to write, by folder."""

    def kind(self, name: str) -> RasterKind:
        """Return one of its kinds of rasters."""
        return dict(self.kinds)[name]


@dataclass(slots=True)
class Answered:
    """What came of a dalle."""

    sha256: dict[str, str] = field(default_factory=dict)
    """Digest of each raster, by folder; empty when there was nothing to answer."""
    pixels: int = 0
    """Pixels answered."""
    histogram: list[int] = field(default_factory=lambda: [0] * 256)
    """Pixels of each class number."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A patch read and not yet answered."""

    part: Window
    """The core within the file."""
    pixels: Pixels
    keep: NDArray[np.bool_]
    """Which pixels of the part are answered."""
    inside: tuple[slice, slice]
    """Where the part lies in the core."""


def answer_dalle(
    work: DalleWork,
    *,
    segmenter: Segmenter,
    out: Path,
    threads: AnsweringThreads,
    progress: Callable[[int, int], None] | None = None,
) -> Answered:
    """Write the rasters of a dalle and return what came of it; nothing is written where there is nothing to answer.

    Parameters
    ----------
    work
        The dalle.
    segmenter
        The models.
    out
        Folder that holds a folder for each kind of raster.
    threads
        They answer on a CPU.
    progress
        Called with (squares done, squares in all).
    """
    answered = Answered()
    names = [name for name, _ in work.kinds]
    what: Wanted = "all" if "scores" in names else "top1" if "probability" in names else "class"
    numbers = np.array(work.numbers, dtype=np.uint8)
    on_gpu = segmenter.device.startswith("cuda")
    # a GPU has the next batch in hand before the answer to the last one is waited for, a CPU one a thread
    most = 1 if on_gpu else threads.count
    with ExitStack() as stack:
        sinks: list[RasterSink] = []
        flying: deque[tuple[list[_Waiting], Callable[[], NDArray[np.uint8]]]] = deque()

        def land() -> None:
            """Write the answer of the batch that was launched first."""
            batch, wait = flying.popleft()
            if not sinks:
                sinks.extend(stack.enter_context(_sink(work, name, kind, out)) for name, kind in work.kinds)
            for waiting, answer in zip(batch, wait(), strict=True):
                _write(waiting, answer, sinks, names, numbers, answered)

        for batch in _batches(work, segmenter.batch, segmenter.device, stack, progress):
            pixels: Pixels = np.stack([waiting.pixels for waiting in batch])  # type: ignore[assignment]
            launch = partial(segmenter.launch, pixels, halo_px=work.patches.halo_px, what=what)
            flying.append((batch, launch() if on_gpu else threads.start(partial(_answer, launch))))
            while len(flying) > most:
                land()
        while flying:
            land()
    answered.sha256 = {name: sink.sha256 for name, sink in zip(names, sinks, strict=False)}
    return answered


def _answer(launch: Callable[[], Callable[[], NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    return launch()()


def _sink(work: DalleWork, name: str, kind: RasterKind, out: Path) -> RasterSink:
    path = out / name / f"{work.name}.tif"
    return RasterSink(path, kind=kind, window=work.window, grid=work.imagery.grid)


def _write(
    waiting: _Waiting,
    answer: NDArray[np.uint8],
    sinks: list[RasterSink],
    names: list[str],
    numbers: NDArray[np.uint8],
    answered: Answered,
) -> None:
    answer = answer[(slice(None), *waiting.inside)]
    # a score of 0 would read as no data: a class that is next to impossible has 1 of 255
    scores = np.maximum(answer[2:], 1)
    rasters = {"classes": numbers[answer[:1]], "probability": answer[1:2], "scores": scores}
    for name, sink in zip(names, sinks, strict=True):
        values = rasters[name]
        sink.write(waiting.part, np.where(waiting.keep, values, np.uint8(sink.nodata)))
    kept = rasters["classes"][0][waiting.keep]
    answered.pixels += kept.size
    for number, count in enumerate(np.bincount(kept, minlength=256).tolist()):
        answered.histogram[number] += count


def _batches(
    work: DalleWork,
    size: int,
    device: str,
    stack: ExitStack,
    progress: Callable[[int, int], None] | None,
) -> Iterator[list[_Waiting]]:
    """Yield the patches to answer, ``size`` at a time, in the order of the grid; the last batch may be smaller."""
    batch: list[_Waiting] = []
    for waiting in _patches(work, device, stack, progress):
        batch.append(waiting)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _patches(
    work: DalleWork, device: str, stack: ExitStack, progress: Callable[[int, int], None] | None
) -> Iterator[_Waiting]:
    ground = None if work.ground is None else AreaPixels(work.ground, grid=work.imagery.grid)
    units = [unit for unit in work.patches.units(work.window, longest_px=UNIT_PX) if _cores(unit.patches, work, ground)]
    reader = stack.enter_context(ImageryReader(work.imagery))
    threads = _READERS["cuda" if device.startswith("cuda") else "cpu"]
    pool = stack.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="read"))
    ahead: deque[tuple[Unit, Future[tuple[Pixels, NDArray[np.bool_]]]]] = deque()
    stack.callback(lambda: [future.cancel() for _, future in ahead])
    waiting = iter(units)
    for done in range(len(units)):
        while len(ahead) <= threads and (unit := next(waiting, None)) is not None:
            ahead.append((unit, pool.submit(reader.read, unit.read)))
        unit, future = ahead.popleft()
        pixels, valid = future.result()
        yield from _cut(unit, pixels, valid, work, ground)
        if progress is not None:
            progress(done + 1, len(units))


def _cores(patches: tuple[Patch, ...], work: DalleWork, ground: AreaPixels | None) -> list[tuple[Patch, Window]]:
    """Return the patches that have something to answer, with the part of their core that the file holds."""
    found = []
    for patch in patches:
        part = common_window(patch.core, work.window)
        if part is not None and work.imagery.covers(part) and (ground is None or ground.meets(part)):
            found.append((patch, part))
    return found


def _cut(
    unit: Unit, pixels: Pixels, valid: NDArray[np.bool_], work: DalleWork, ground: AreaPixels | None
) -> Iterator[_Waiting]:
    """Yield the patches of a square that hold pixels to answer."""
    for patch, part in _cores(unit.patches, work, ground):
        row, col = part.row - unit.read.row, part.col - unit.read.col
        keep = valid[row : row + part.height, col : col + part.width]
        if ground is not None:
            keep = keep & ground.inside(part)
        if not keep.any():
            continue
        top, left = patch.read.row - unit.read.row, patch.read.col - unit.read.col
        down, right = part.row - patch.core.row, part.col - patch.core.col
        yield _Waiting(
            part=part,
            # copies: a patch that waits for its answer would else hold the whole square
            pixels=pixels[:, top : top + patch.read.height, left : left + patch.read.width].copy(),
            keep=keep.copy(),
            inside=(slice(down, down + part.height), slice(right, right + part.width)),
        )

"""Hand what a stage made to the next one in memory, while its file is written.

Stages exchange paths: a killed run resumes from the files, and other processes read them. Where one process derives a
whole domain (``windowed_run.shares_memory``), what was just made is still there: the next stage takes it as it is
instead of reading it back, and the file is written beside the work by a thread of its own. Whoever asks for a file that
is not held waits for it and reads it. What is held is never written into, by whoever made it or took it.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ocsge.store import Workspace

SUFFIX = ".arrays"


class Kept(Protocol):
    """What a stage makes: it writes itself to a file, and is read from it."""

    def save(self, path: Path) -> None:
        """Write it to ``path``."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""


K = TypeVar("K", bound=Kept)


class _Handover:
    """What is held of one workspace, and the files that are being written."""

    def __init__(self, *, beside: bool) -> None:
        self._held: dict[Path, Kept] = {}
        self._writes: dict[Path, Future[Path]] = {}
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="artefacts") if beside else None

    def hold(self, path: Path, made: Kept, write: Callable[[], Path]) -> None:
        """Hold what was made, and have its file written."""
        with self._lock:
            done = [future for future in self._writes.values() if future.done()]
            self._held[path] = made
        for future in done:
            future.result()  # a disk that is full stops the run at once, not at its end
        if self._writer is None:
            write()
            return
        with self._lock:
            self._writes[path] = self._writer.submit(write)

    def held(self, path: Path, *, last: bool) -> Kept | None:
        """Return what is held of a path, and forget it when it is taken for the last time."""
        with self._lock:
            return self._held.pop(path, None) if last else self._held.get(path)

    def wait_for(self, path: Path) -> None:
        """Wait until the file of a path is written, if it is being written."""
        with self._lock:
            write = self._writes.get(path)
        if write is not None:
            write.result()

    def close(self, *, failed: bool) -> None:
        """Wait for the files; when the run has failed, leave out those not begun."""
        if self._writer is not None:
            self._writer.shutdown(wait=True, cancel_futures=failed)
        self._held.clear()
        if not failed:
            for write in self._writes.values():
                write.result()


_OPEN: dict[Path, _Handover] = {}


@contextmanager
def handed_over(workspace: Path, *, beside: bool) -> Iterator[None]:
    """Hold in memory what the stages of a workspace make, for as long as the block lasts.

    Parameters
    ----------
    workspace
        Folder of the workspace.
    beside
        Write the files in a thread, while the work goes on; else before it does.

    Raises
    ------
    OutputError
        When a file could not be written.
    """
    opened = _OPEN[workspace] = _Handover(beside=beside)
    failed = True
    try:
        yield
        failed = False
    finally:
        del _OPEN[workspace]
        opened.close(failed=failed)


def keep(store: Workspace, stage: str, key: str, make: Callable[[], Kept]) -> Path:
    """Return the path of what ``make`` returns, made unless its file is already there, whole.

    Parameters
    ----------
    store, stage, key
        As :meth:`ocsge.store.Workspace.artefact`.
    make
        Called without arguments. What it returns is saved later, by another thread, and given to whoever takes it:
        nobody writes into it any more.

    Raises
    ------
    OutputError
        When this file, or one that was handed over before, could not be written; it names the file.
    """
    handover = _OPEN.get(store.path)
    if handover is None:
        return store.artefact(stage, key, SUFFIX, lambda path: make().save(path))
    path = store.artefact_path(stage, key, SUFFIX)
    if not store.holds_whole(path, key):
        made = make()
        handover.hold(path, made, lambda: store.artefact(stage, key, SUFFIX, made.save))
    return path


def take(kind: type[K], path: Path, *, store: Path, last: bool = False) -> K:
    """Return what was kept under a path: as it is held, else read from its file.

    Parameters
    ----------
    kind
        What it is.
    path
        Of :func:`keep`.
    store
        Folder of the workspace.
    last
        Nobody will ask for it in memory again.

    Raises
    ------
    OutputError
        When its file was waited for, and could not be written.
    """
    handover = _OPEN.get(store)
    if handover is not None:
        held = handover.held(path, last=last)
        if isinstance(held, kind):
            return held
        handover.wait_for(path)
    return kind.load(path)

"""Give each worker process of a run a GPU of its own, whatever items it is sent.

A worker holds a locked file as long as it lives; the system lets go of it when the worker dies, and the one that
replaces it takes the same GPU.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ocsge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_HELD: dict[Path, tuple[int, FileLock]] = {}
"""Place that this process holds in each run."""

_PAUSE_S = 0.125
_PATIENCE_S = 60.0
"""How long a place may take to be free: a worker that dies holds its own for a moment more."""


@dataclass(frozen=True, slots=True)
class WorkerGpus:
    """The places of the workers of a run; it can be sent to another process."""

    folder: Path
    """Folder of the run alone, on this machine."""
    workers: int
    gpus: int

    def device(self) -> str:
        """Return the GPU of this process, the same at every call: ``cuda:0``, ``cuda:1``, …, then again ``cuda:0``.

        Raises
        ------
        DataError
            When every place is held: more workers live than the run has.
        """
        if self.folder not in _HELD:
            _HELD[self.folder] = self._place()
        return f"cuda:{_HELD[self.folder][0] % self.gpus}"

    def _place(self) -> tuple[int, FileLock]:
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            for place in range(self.workers):
                lock = FileLock(self.folder / f"worker-{place}.lock")
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    continue
                return place, lock
            time.sleep(_PAUSE_S)
        raise DataError(f"{self.folder}: all {self.workers} workers of the run hold a GPU; run again with fewer --jobs")

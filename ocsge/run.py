"""Run one function over many items: one after the other, in threads of this process, or in several processes.

Stages exchange paths, not arrays: an item is a small description of the work (a window, the paths of its
inputs), the function writes its result in the workspace and returns its path. What crosses a process boundary
stays small, a lost worker costs one item, and an executor on a cluster can be added behind this signature.
The truth of what is done is in the workspace, not in the scheduler: running again reuses what is there.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from ocsge.errors import OcsgeError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.process import BaseProcess

T = TypeVar("T")
R = TypeVar("R")

MAXIMUM_DEATHS = 3
"""Workers an item may kill before it fails: once can be an accident of the machine, three times is not."""


def usable_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    stage: str,
    items: Sequence[T],
    fn: Callable[[T], R],
    *,
    jobs: int = 1,
    threads: int = 1,
    on_done: Callable[[int, int], None] | None = None,
) -> list[R]:
    """Return ``fn(item)`` of every item, in the order of the items.

    Parameters
    ----------
    stage
        Name of the stage, for messages.
    items
        With ``jobs`` above 1: picklable, and small (paths, not arrays).
    fn
        With ``jobs`` above 1: a function of a module, not a lambda nor a closure; it is called again for an
        item whose worker died, so its result must depend on the item only.
    jobs
        Worker processes; 1 = in this process.
    threads
        Threads of this process, when ``jobs`` is 1: the compiled kernels and GDAL run side by side in them, without
        the seconds and the memory that a process costs. A thread that crashes takes the process with it.
    on_done
        Called with (items finished, items in all) after each item.

    Raises
    ------
    OcsgeError
        The error of ``fn``, with stage and item named and the class (hence the exit code) kept; a plain
        :class:`OcsgeError` for any other exception, and for an item whose worker died three times.
    """
    if jobs < 1 or threads < 1:
        raise ParameterError(f"{jobs} jobs of {threads} threads: give 1 or more of each")
    progress: _Progress[R] = _Progress(stage=stage, total=len(items), on_done=on_done)
    if jobs > 1 and items:
        _in_processes(items, fn, min(jobs, len(items)), progress)
    elif threads > 1 and len(items) > 1:
        _in_threads(items, fn, min(threads, len(items)), progress)
    else:
        for position, item in enumerate(items):
            progress.settle(position, item, _attempt(fn, item))
    return progress.results()


_KEPT: list[tuple[list[ProcessPoolExecutor], set[BaseProcess]]] = []
"""Idle workers of the blocks of :func:`workers_kept`, and the processes there were before each block."""


@contextmanager
def workers_kept() -> Iterator[None]:
    """Keep worker processes from one stage to the next: starting one costs seconds. They end with the block."""
    _KEPT.append(([], set(multiprocessing.active_children())))
    try:
        yield
    finally:
        for pool in _KEPT.pop()[0]:
            pool.shutdown(wait=True, cancel_futures=True)


@dataclass(slots=True)
class _Outcome(Generic[R]):
    """What became of an item: a result, or an error (always one of ours, hence picklable)."""

    result: R | None = None
    error: OcsgeError | None = None


def _attempt(fn: Callable[[T], R], item: T) -> _Outcome[R]:
    try:
        return _Outcome(result=fn(item))
    except OcsgeError as error:
        return _Outcome(error=error)
    except Exception as error:  # noqa: BLE001 — turned into an outcome: it must survive pickling and name its item
        wrapped = OcsgeError(f"{type(error).__name__}: {error}")
        wrapped.add_note(traceback.format_exc())
        return _Outcome(error=wrapped)


@dataclass(slots=True)
class _Progress(Generic[R]):
    """Results so far; each item is settled exactly once."""

    stage: str
    total: int
    on_done: Callable[[int, int], None] | None
    done: dict[int, R] = field(default_factory=dict)

    def settle(self, position: int, item: object, outcome: _Outcome[R]) -> None:
        """Take the outcome of an item; raise its error at once."""
        if outcome.error is not None:
            named = f"{self.stage}, {str(item)[:200]}: {outcome.error}"
            outcome.error.args = (named, *outcome.error.args[1:])
            raise outcome.error
        self.done[position] = outcome.result  # type: ignore[assignment]  # fn may well return None
        if self.on_done is not None:
            self.on_done(len(self.done), self.total)

    def results(self) -> list[R]:
        """Return every result in item order."""
        return [self.done[position] for position in range(self.total)]


def _in_threads(items: Sequence[T], fn: Callable[[T], R], threads: int, progress: _Progress[R]) -> None:
    """Settle every item with ``threads`` threads; after an error or an interruption, no further item starts."""
    with ThreadPoolExecutor(threads, thread_name_prefix=progress.stage) as pool:
        running = {pool.submit(_attempt, fn, item): position for position, item in enumerate(items)}
        try:
            for future in as_completed(running):
                position = running[future]
                progress.settle(position, items[position], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _in_processes(items: Sequence[T], fn: Callable[[T], R], jobs: int, progress: _Progress[R]) -> None:
    """Settle every item with ``jobs`` workers.

    Each worker has a pool of its own: a pool loses all its items when one worker dies, without telling which
    item killed it. Alone, the culprit is known and the others go on.
    """
    kept, before = _KEPT[-1] if _KEPT else (None, set(multiprocessing.active_children()))
    waiting = deque(range(len(items)))
    deaths = [0] * len(items)
    idle = [kept.pop() if kept else _new_pool() for _ in range(jobs)]
    running: dict[Future[_Outcome[R]], tuple[int, ProcessPoolExecutor]] = {}
    try:
        while waiting or running:
            while waiting and idle:
                position, pool = waiting.popleft(), idle.pop()
                if (problem := _cannot_pass(fn, items[position])) is not None:
                    idle.append(pool)
                    progress.settle(position, items[position], problem)
                    continue
                try:
                    future = pool.submit(_attempt, fn, items[position])
                except BrokenProcessPool:  # the worker died while it waited: no item is to blame
                    pool.shutdown(wait=False)
                    pool = _new_pool()
                    future = pool.submit(_attempt, fn, items[position])
                running[future] = (position, pool)
            finished = wait(running, return_when=FIRST_COMPLETED).done
            for future in sorted(finished, key=lambda future: running[future][0]):
                position, pool = running.pop(future)
                outcome = _outcome(future)
                if outcome is not None:
                    idle.append(pool)
                    progress.settle(position, items[position], outcome)
                    continue
                pool.shutdown(wait=False)
                idle.append(_new_pool())
                deaths[position] += 1
                if deaths[position] < MAXIMUM_DEATHS:
                    waiting.append(position)
                else:
                    progress.settle(position, items[position], _dead())
        if kept is not None:
            kept.extend(idle)
            idle = []
    except BaseException:
        _kill(before)
        raise
    finally:
        for pool in (*idle, *(pool for _, pool in running.values())):
            pool.shutdown(wait=True, cancel_futures=True)


def _cannot_pass(fn: Callable[[T], R], item: T) -> _Outcome[R] | None:
    """Return the error of an item or function that no process can be given; a pool would break on it."""
    try:
        pickle.dumps((fn, item))
    except Exception as error:  # noqa: BLE001 — pickling may raise anything
        return _Outcome(error=OcsgeError(f"cannot pass between processes: {error}"))
    return None


def _outcome(future: Future[_Outcome[R]]) -> _Outcome[R] | None:
    """Return what a worker sent back; None when it died."""
    try:
        return future.result()
    except BrokenProcessPool:
        return None
    except Exception as error:  # noqa: BLE001 — a result that cannot be pickled
        return _Outcome(error=OcsgeError(f"cannot pass between processes: {error}"))


def _dead() -> _Outcome[R]:
    return _Outcome(
        error=OcsgeError(
            f"its worker process died {MAXIMUM_DEATHS} times (killed, or out of memory); "
            "run with fewer --jobs or more memory"
        )
    )


def _new_pool() -> ProcessPoolExecutor:
    # spawn: a forked child would inherit the threads' locks of numba, GDAL and DuckDB in any state.
    return ProcessPoolExecutor(
        max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
    )


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _kill(before: set[BaseProcess]) -> None:
    """Kill the workers started since ``before`` was taken: at once, whatever they are doing."""
    for process in multiprocessing.active_children():
        if process not in before:
            process.kill()

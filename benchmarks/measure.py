"""Measure a function or a command in a process of its own: wall time, processor time, peak memory.

The peak is the high-water mark of the child's own memory (``VmHWM``). ``ru_maxrss`` is not used for a
function: on Linux a child starts with the mark of the process that started it, so a large parent would hide a
small child.
"""

from __future__ import annotations

import multiprocessing
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run cost, and what it returned."""

    wall_s: float
    """Elapsed seconds, interpreter start and imports of the caller excluded for a function, included for a
    command."""

    cpu_s: float
    """Processor seconds, user and system, all threads."""

    peak_rss_mb: float
    """Highest resident memory, MB of 10⁶ bytes."""

    result: Any
    """What the function returned; the standard output of a command."""


def peak_rss_mb() -> float:
    """Return the highest resident memory of this process so far, MB of 10⁶ bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _run_function(pipe: Connection, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    wall, cpu = time.perf_counter(), _cpu_s(resource.RUSAGE_SELF)
    try:
        result = fn(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  (told to the parent, which raises it)
        pipe.send(error)
    else:
        wall, cpu = time.perf_counter() - wall, _cpu_s(resource.RUSAGE_SELF) - cpu
        pipe.send(Measurement(wall_s=wall, cpu_s=cpu, peak_rss_mb=peak_rss_mb(), result=result))
    pipe.close()


def _run_command(argv: Sequence[str]) -> tuple[float, float, float, str]:
    wall = time.perf_counter()
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = usage.ru_maxrss * unit / 1e6
    return time.perf_counter() - wall, usage.ru_utime + usage.ru_stime, peak, done.stdout


def _in_child(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Measurement:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_run_function, args=(theirs, fn, args, kwargs))
    child.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        child.join()
        raise RuntimeError(f"{fn.__name__}: the process ended with code {child.exitcode} and no result") from None
    finally:
        ours.close()
    child.join()
    if isinstance(answer, Exception):
        raise answer
    return answer


def measured(task: Callable[..., Any] | Sequence[str], *args: Any, **kwargs: Any) -> Measurement:
    """Run a task in a fresh child process and return what it cost.

    Parameters
    ----------
    task
        A function importable by name, called with ``args`` and ``kwargs`` (all of them, and the result,
        picklable), or the words of a command.

    Raises
    ------
    RuntimeError
        When the child ended without a result (killed for memory, for instance). An exception of the
        function is raised again here.
    """
    if callable(task):
        return _in_child(task, args, kwargs)
    inner = _in_child(_run_command, (list(task),), {})
    wall, cpu, peak, output = inner.result
    return Measurement(wall_s=wall, cpu_s=cpu, peak_rss_mb=peak, result=output)

"""Running items: order, errors, lost workers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from ocsge.errors import OcsgeError, ParameterError, RasterError
from ocsge.run import run, workers_kept

WORKERS = [{}, {"jobs": 2}, {"threads": 2}]
"""In this process, in two processes, in two threads."""


def double(number: int) -> int:
    return 2 * number


def slow_first(number: int) -> int:
    time.sleep(0.3 if number == 0 else 0.0)
    return number


def refuse_two(number: int) -> int:
    if number == 2:
        raise RasterError("tile.tif: truncated; copy it again")
    return number


def divide(number: int) -> float:
    return 1 / number


def die_once(item: tuple[str, int]) -> int:
    """Kill this worker at the first call with item 1, leaving a mark."""
    folder, number = item
    mark = Path(folder) / f"died-{number}"
    if number == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def poison(item: tuple[str, int]) -> int:
    """Kill every worker that takes item 1; count the deaths."""
    folder, number = item
    if number == 1:
        with (Path(folder) / "deaths").open("a") as deaths:
            deaths.write("died\n")
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def pid_of(_: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("workers", WORKERS)
def test_results_are_in_the_order_of_the_items(workers):
    done = []
    results = run("test", [0, 1, 2, 3], slow_first, **workers, on_done=lambda *count: done.append(count))
    assert results == [0, 1, 2, 3]
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_no_item_gives_no_result():
    assert run("test", [], double, jobs=4) == []


def test_one_job_runs_in_this_process_and_more_do_not():
    assert run("test", [1], pid_of) == [os.getpid()]
    assert os.getpid() not in run("test", [1, 2], pid_of, jobs=2)


def thread_of(barrier: threading.Barrier) -> str:
    barrier.wait(timeout=10)  # both items are there at once, or neither passes
    return threading.current_thread().name


def test_two_threads_work_side_by_side_in_this_process():
    names = run("test", [threading.Barrier(2)] * 2, thread_of, threads=2)
    assert len(set(names)) == 2
    assert threading.current_thread().name not in names


def test_after_an_error_no_thread_takes_another_item():
    taken = []

    def take(number: int) -> None:
        taken.append(number)
        if number == 0:
            raise RasterError("tile.tif: truncated; copy it again")
        time.sleep(0.2)

    with pytest.raises(RasterError):
        run("test", list(range(50)), take, threads=2)
    assert len(taken) < 10


@pytest.mark.parametrize("none", [{"jobs": 0}, {"threads": 0}])
def test_zero_workers_are_refused(none):
    with pytest.raises(ParameterError, match="give 1 or more of each"):
        run("test", [1], double, **none)


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_keeps_its_class_and_names_stage_and_item(workers):
    with pytest.raises(RasterError, match=r"^regions, 2: tile\.tif: truncated; copy it again$") as caught:
        run("regions", [1, 2, 3], refuse_two, **workers)
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("workers", WORKERS)
def test_an_unexpected_exception_is_an_internal_error_that_names_the_item(workers):
    with pytest.raises(OcsgeError, match=r"^regions, 0: ZeroDivisionError: division by zero") as caught:
        run("regions", [1, 0], divide, **workers)
    assert type(caught.value) is OcsgeError
    assert str(caught.value).endswith("division by zero")
    assert "in divide" in caught.value.__notes__[0], "the traceback of the worker goes along"


def test_the_item_of_a_killed_worker_is_done_again(tmp_path):
    items = [(str(tmp_path), number) for number in range(4)]
    assert run("regions", items, die_once, jobs=2) == [0, 1, 2, 3]
    assert (tmp_path / "died-1").exists()


def test_a_worker_killed_between_two_items_is_replaced_and_blames_no_item():
    killed = []

    def kill_all_once(_done: int, _total: int) -> None:
        if not killed:
            killed.extend(multiprocessing.active_children())
            for worker in killed:
                worker.kill()
            time.sleep(0.3)

    assert run("test", list(range(6)), double, jobs=2, on_done=kill_all_once) == [0, 2, 4, 6, 8, 10]
    assert killed


def test_an_item_that_kills_three_workers_fails_and_names_stage_and_item(tmp_path):
    with pytest.raises(OcsgeError, match=r"regions, \('.*', 1\): its worker process died 3 times") as caught:
        run("regions", [(str(tmp_path), number) for number in range(4)], poison, jobs=2)
    assert caught.value.exit_code == 70
    assert (tmp_path / "deaths").read_text().splitlines() == ["died"] * 3


def test_what_cannot_pass_between_processes_is_said():
    with pytest.raises(OcsgeError, match=r"test, [12]: cannot pass between processes"):
        run("test", [1, 2], lambda number: number, jobs=2)


DRIVER = """
import sys, time
from pathlib import Path
from ocsge.run import run
sys.path.insert(0, sys.argv[1])
from sleeper import sleep
if __name__ == "__main__":
    run("test", [sys.argv[1]] * 2, sleep, jobs=2)
"""
SLEEPER = """
import os, time
from pathlib import Path
def sleep(folder):
    (Path(folder) / f"pid-{os.getpid()}").touch()
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_survives_the_run_that_started_it(tmp_path, number):
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    (tmp_path / "driver.py").write_text(DRIVER)
    driver = subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py"), str(tmp_path)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 20
    while len(marks := list(tmp_path.glob("pid-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = [psutil.Process(int(mark.name.removeprefix("pid-"))) for mark in marks]
    sent = time.monotonic()
    driver.send_signal(number)
    driver.wait(timeout=10)
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert alive == []
    assert time.monotonic() - sent < 5, "at once, not after the item"
    assert driver.stderr.read().count("KeyboardInterrupt") <= 1
    driver.stderr.close()


def test_kept_workers_serve_the_next_stage_and_end_with_the_block():
    before = len(multiprocessing.active_children())
    with workers_kept():
        first = run("one", [1, 2], pid_of, jobs=2)
        second = run("two", [1, 2], pid_of, jobs=2)
        assert set(second) <= set(first)
        assert os.getpid() not in first
    assert len(multiprocessing.active_children()) == before

"""Each worker of a run has a GPU of its own, as long as it lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ocsge.errors import DataError
from ocsge.segment import worker_gpus
from ocsge.segment.worker_gpus import WorkerGpus

WORKER = """
import sys
from pathlib import Path
from ocsge.segment.worker_gpus import WorkerGpus
gpus = WorkerGpus(Path(sys.argv[1]), workers=3, gpus=2)
print(gpus.device(), gpus.device(), flush=True)
sys.stdin.readline()
"""


def worker(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_workers_share_the_gpus_and_the_heir_of_a_dead_one_takes_its_own(tmp_path: Path) -> None:
    living = [worker(tmp_path)]
    try:
        found = [said(living[0])]
        for _ in range(2):
            living.append(worker(tmp_path))
            found.append(said(living[-1]))
        # three workers on two GPUs, and the same at every call
        assert found == ["cuda:0 cuda:0", "cuda:1 cuda:1", "cuda:0 cuda:0"]
        living[1].kill()
        living[1].wait()
        living.append(worker(tmp_path))
        assert said(living[-1]) == "cuda:1 cuda:1"
    finally:
        for process in living:
            with process:
                process.kill()


def test_one_worker_too_many_is_told_and_waits_for_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_gpus, "_PATIENCE_S", 0.3)
    gpus = WorkerGpus(tmp_path, workers=1, gpus=1)
    assert gpus.device() == "cuda:0"
    with pytest.raises(DataError, match="all 1 workers of the run hold a GPU"):
        gpus._place()

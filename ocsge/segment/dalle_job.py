"""Make one dalle, or keep it when it was made the same way: rasters, then their companions, then the record, last.

The record (JSON) stands beside the class raster and says what the dalle was made of; without it, a raster is not taken
for whole.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING

import rasterio

from ocsge.products.class_probability import CLASSES, PROBABILITY
from ocsge.publish import file_sha256, json_bytes, publish
from ocsge.segment.checkpoint import load_model
from ocsge.segment.class_rasters import category_names
from ocsge.segment.dalle_run import AnsweringThreads, DalleWork, answer_dalle
from ocsge.segment.inference import Precision, Segmenter, Views
from ocsge.styles import class_raster_style

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from ocsge.segment.model_card import ModelCard
    from ocsge.segment.worker_gpus import WorkerGpus

SCORES = "scores"
"""Folder of the probabilities of every class; those of the classes and of their probability are known to readers."""

VECTOR = "vector"
"""Folder of the polygons."""


@dataclass(frozen=True, slots=True)
class Options:
    """What changes the pixels: a dalle made under others is made again."""

    patch_px: int
    halo_px: int
    precision: Precision
    augmentation: Views
    batch: int
    """Patches answered at once: products of another batch are added up in another order."""
    device: str
    """``cpu``, or ``cuda`` whichever it is."""
    probability: bool
    scores: bool
    area: str
    """Digest of the area of interest; empty without one."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How polygons are drawn and named."""

    numeros: tuple[tuple[str, int], ...]
    """Name and number of the classes of IGN's polygons."""
    tolerance_m: float


@dataclass(frozen=True, slots=True)
class DalleJob:
    """A dalle to answer, as it is sent to a worker process."""

    work: DalleWork
    weights: tuple[Path, ...]
    cards: tuple[ModelCard, ...]
    out: Path
    device: str
    threads: int
    """Patches answered at once on a CPU, a thread each: they change nothing of the pixels."""
    options: Options
    made_of: str
    """JSON of what the dalle is made of."""
    vector: Drawing | None
    """How to draw its polygons; None leaves them out."""
    gpus: WorkerGpus | None = None
    """Gives the worker its GPU; None where the device is told."""

    def __str__(self) -> str:
        return f"dalle {self.work.name}"


_READY: dict[str, Segmenter] = {}
"""Models of this process, made ready once for all its dalles; the last ones only."""


def _segmenter(job: DalleJob, device: str) -> Segmenter:
    options = job.options
    key = json.dumps([json.loads(job.made_of)["models"], device, asdict(options)])
    if key not in _READY:
        _READY.clear()
        ready = []
        for path, card in zip(job.weights, job.cards, strict=True):
            network, _ = load_model(path, card=card)
            ready.append(
                Segmenter.prepare(
                    network,
                    card,
                    device=device,
                    precision=options.precision,
                    augmentation=options.augmentation,
                    batch=options.batch,
                )
            )
        _READY[key] = ready[0] if len(ready) == 1 else Segmenter.ensemble(ready)
    return _READY[key]


def make_dalle(job: DalleJob, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Make a dalle and its polygons, or keep them; return what its JSON says, and whether it was kept."""
    record = _answered(job, progress)
    if job.vector is None or not record["files"]:
        return {**record, "vector": False}
    from ocsge.segment.vectorise import vector_classes, vectorise  # noqa: PLC0415  (compiled kernels, on request only)

    vectorise(
        job.out / CLASSES / f"{job.work.name}.tif",
        job.out / VECTOR / job.work.name,
        classes=vector_classes(job.work.kind(CLASSES).classes, dict(job.vector.numeros)),
        tolerance_m=job.vector.tolerance_m,
        sha256=record["files"][CLASSES],
    )
    return {**record, "vector": True}


def _answered(job: DalleJob, progress: Callable[[int, int], None] | None) -> dict[str, Any]:
    record = job.out / CLASSES / f"{job.work.name}.json"
    key = hashlib.sha256(job.made_of.encode()).hexdigest()
    kept = _kept(record, key, job.out)
    if kept is not None:
        return {**kept, "kept": True}
    record.unlink(missing_ok=True)  # from here on, nothing says that the dalle is whole
    _remove_polygons(job)  # of rasters that are no longer there
    started = time.monotonic()
    device = job.device if job.gpus is None else job.gpus.device()
    with AnsweringThreads(job.threads) as threads:
        segmenter = threads.start(partial(_segmenter, job, device))()
        answered = answer_dalle(job.work, segmenter=segmenter, out=job.out, threads=threads, progress=progress)
    for kind in {CLASSES, PROBABILITY, SCORES} - set(answered.sha256):
        (job.out / kind / f"{job.work.name}.tif").unlink(missing_ok=True)  # made otherwise, by an earlier run
    _write_companions(job)
    written = {
        **json.loads(job.made_of),
        "dalle": job.work.name,
        "key": key,
        "files": answered.sha256,
        "classes": [
            {"number": c.number, "name": c.name, "pixels": answered.histogram[c.number]}
            for c in job.work.kind(CLASSES).classes
        ],
        "pixels": answered.pixels,
        "device": device,
        "versions": {
            **{name: metadata.version(name) for name in ("ocsge", "torch", "numpy", "rasterio")},
            "gdal": rasterio.__gdal_version__,
        },
        "seconds": round(time.monotonic() - started, 3),
    }
    publish(record, lambda temporary: temporary.write_bytes(json_bytes(written)))
    return {**written, "kept": False}


def _kept(record: Path, key: str, out: Path) -> dict[str, Any] | None:
    """Return the record of a dalle that was made the same way and whose files are as they were written."""
    try:
        stated: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if stated["key"] != key:
            return None
        for kind, sha256 in stated["files"].items():
            if file_sha256(out / kind / f"{stated['dalle']}.tif") != sha256:
                return None
    except (OSError, ValueError, KeyError):
        return None
    return stated


def _remove_polygons(job: DalleJob) -> None:
    for suffix in (".json", ".gpkg", ".parquet", ".qml"):
        (job.out / VECTOR / f"{job.work.name}{suffix}").unlink(missing_ok=True)


def _write_companions(job: DalleJob) -> None:
    """Write the names and the style of the classes beside the raster, where GDAL and QGIS look for them."""
    classes = job.work.kind(CLASSES).classes
    raster = job.out / CLASSES / f"{job.work.name}.tif"
    beside, style_file = raster.with_name(f"{raster.name}.aux.xml"), raster.with_suffix(".qml")
    if not raster.is_file():
        beside.unlink(missing_ok=True)
        style_file.unlink(missing_ok=True)
        return
    names, style = category_names(classes), class_raster_style([(c.number, c.name, c.colour) for c in classes])
    publish(beside, lambda temporary: temporary.write_bytes(names))
    publish(style_file, lambda temporary: temporary.write_bytes(style.qml.encode()))

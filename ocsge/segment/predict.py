"""Turn imagery into class rasters, dalle by dalle: readers → network → writers.

A dalle of 10 km is the unit of files, of resuming and of sharing the work: it is published whole, then its JSON, and a
dalle whose JSON says that it was made from the same files, models and options is kept as it is.

What equals what: patches lie on an absolute grid, so a pixel has the same class whatever the extent, the area of
interest, the shard and the number of processes, as long as the imagery within the patch around it is the same. Files
are equal byte for byte when they hold the same pixels: the extent of a file is that of the imagery and of the area
within the dalle.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from ocsge.class_numbers import numbered_classes
from ocsge.errors import DataError, ParameterError, RasterError
from ocsge.products.class_probability import CLASSES, PROBABILITY
from ocsge.products.cosia import VECTOR_NUMBERING
from ocsge.publish import file_sha256, json_bytes
from ocsge.rules import load_rules
from ocsge.run import run, usable_cores
from ocsge.segment.area import AreaPixels, read_area
from ocsge.segment.class_rasters import ClassTable, class_table, make_folder, raster_kinds
from ocsge.segment.dalle_job import SCORES, VECTOR, DalleJob, Drawing, Options, make_dalle
from ocsge.segment.dalle_run import DalleWork
from ocsge.segment.height_coverage import check_heights
from ocsge.segment.inference import Precision, Views, choose_device, choose_precision
from ocsge.segment.model_confusion import write_confusion
from ocsge.segment.networks import build_network
from ocsge.segment.published import card_for
from ocsge.segment.tiling import PatchGrid, common_window, dalles_of
from ocsge.segment.worker_gpus import WorkerGpus
from ocsge.store import code_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from ocsge.grid import Window
    from ocsge.rules import Rules
    from ocsge.segment.area import Area
    from ocsge.segment.imagery import Imagery
    from ocsge.segment.model_card import ModelCard

PATCH_PX, HALO_PX = 1024, 128
"""Side of a patch and its halo, pixels: 1.8 times the pixels kept are answered, 4 times with patches of 512."""

_BATCH_ON_GPU = 8


@dataclass(frozen=True, slots=True)
class Segmented:
    """What a run made or kept."""

    folder: Path
    """Folder of the class rasters: what ``ocsge derive --cosia`` takes."""
    rasters: tuple[Path, ...]
    """One class raster a dalle, by name."""
    probabilities: tuple[Path, ...]
    """Top-1 probability of each dalle; none unless asked for."""
    scores: tuple[Path, ...]
    """Probability of every class of each dalle; none unless asked for."""
    vectors: tuple[Path, ...]
    """GeoPackage of the polygons of each dalle; none unless asked for."""
    kept: int
    """Dalles that an earlier run had made from the same files, models and options."""
    skipped: tuple[str, ...]
    """Dalles where nothing could be answered: no imagery, or out of the area."""
    models: tuple[ModelCard, ...]
    """Cards of the models."""
    numbering: str | None
    """Numbering system of the classes; None for classes of one's own."""
    device: str
    precision: str
    area_km2: float
    """Ground answered, kept dalles included."""
    seconds: float
    warning: str = ""
    """What the user should look at; nothing else stopped."""

    @property
    def model(self) -> ModelCard:
        """Card of the first model."""
        return self.models[0]


def segment_imagery(
    imagery: Imagery,
    *,
    weights: Path | Sequence[Path],
    cards: Sequence[ModelCard] | None = None,
    out: Path,
    area: Path | None = None,
    patch_px: int = PATCH_PX,
    halo_px: int = HALO_PX,
    batch: int | None = None,
    precision: Precision = "auto",
    device: str = "auto",
    augmentation: Views = "none",
    probability: bool = False,
    scores: bool = False,
    vector: bool = False,
    jobs: int = 1,
    threads: int | None = None,
    shard: tuple[int, int] = (1, 1),
    rules: Rules | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Segmented:
    """Classify imagery into one raster of classes a dalle of 10 km; dalles already made the same way are kept.

    Parameters
    ----------
    imagery
        What :func:`~ocsge.segment.imagery.open_imagery` gives for the model's card.
    weights
        File of weights, or several whose probabilities are averaged.
    cards
        Card of each; those beside the weights, or of their names in the catalogue, by default.
    out
        Folder of the results.
    area
        Vector file: only its polygons are answered; pixels are in when their centre is.
    patch_px, halo_px
        Side of a patch and context thrown away around it, pixels.
    batch
        Patches at once; 1 on a CPU, 8 on a GPU by default.
    precision, device, augmentation
        As in :meth:`~ocsge.segment.inference.Segmenter.prepare`.
    probability, scores
        Whether to write the probability of the class, and of every class.
    vector
        Whether to draw the polygons of each dalle.
    jobs
        Worker processes, each with its model; with ``cuda``, each keeps a GPU as long as it lives.
    threads
        Patches that a process answers at once on a CPU; by default the cores are shared among the processes.
    shard
        (k, n): answer the k-th of n parts of the dalles, for several machines or GPUs that share ``out``.
    rules
        Give the classes; those of today by default.
    progress
        Called with (stage, done, total).

    Raises
    ------
    ParameterError, DataError
        Options that cannot be used, models that cannot be averaged, weights that do not fit their card.
    RasterError
        When the area, or heights of a kind, meet none of the imagery.
    OutputError
        When a result cannot be written.
    """
    started = time.monotonic()
    paths = (weights,) if isinstance(weights, Path) else tuple(weights)
    cards, device, rules = _cards(paths, cards, imagery), choose_device(device), rules or load_rules()
    table = class_table(cards[0], rules)
    ground, digest = (None, "") if area is None else _ground(area, imagery)
    options = Options(
        patch_px=patch_px,
        halo_px=halo_px,
        precision=choose_precision(precision, device),
        augmentation=augmentation,
        batch=batch or (_BATCH_ON_GPU if device.startswith("cuda") else 1),
        device=device.partition(":")[0],
        probability=probability,
        scores=scores,
        area=digest,
    )
    _check_patches(cards, options)
    works, without_heights = _checked_works(imagery, ground, table, "+".join(card.name for card in cards), options)
    made_of = _made_of(paths, cards, table, options)
    items = [
        DalleJob(
            work=work,
            weights=paths,
            cards=cards,
            out=out,
            device=device,
            threads=threads or max(1, usable_cores() // jobs),
            options=options,
            made_of=json.dumps({**made_of, **_read_from(work)}, sort_keys=True),
            vector=_drawing(rules) if vector else None,
        )
        for work in works
    ]
    ours = _part(items, shard)
    make_folder(out / CLASSES)
    other_matrix = write_confusion(cards, table, rules, out / CLASSES)
    done = _run_all(ours, jobs=jobs, progress=progress)
    return _segmented(
        done,
        out,
        models=cards,
        numbering=table.numbering,
        device=device,
        precision=options.precision,
        area_km2=sum(one["pixels"] for one in done) * imagery.grid.pixel_area_m2 / 1e6,
        seconds=time.monotonic() - started,
        warning="; ".join(filter(None, [without_heights, other_matrix])),
    )


def _ground(area: Path, imagery: Imagery) -> tuple[Area, str]:
    """Return the area to answer and its digest; refuse one that the imagery does not meet."""
    ground, digest = read_area(area, epsg=imagery.grid.epsg)
    within = AreaPixels(ground.wkb, grid=imagery.grid)
    if not any(within.meets(part) for part in imagery.parts()):
        first = imagery.mosaics[0].tiles[0].path
        raise RasterError(
            f"{area}: the area meets none of the imagery ({first} and the other files given); give the tiles of its "
            "ground"
        )
    return ground, digest


def _part(items: list[DalleJob], shard: tuple[int, int]) -> list[DalleJob]:
    part, parts = shard
    if not 1 <= part <= parts:
        raise ParameterError(f"shard {part}/{parts}: give the k-th of n parts, such as 1/3")
    return items[part - 1 :: parts]


def _segmented(done: Sequence[Mapping[str, Any]], out: Path, **facts: Any) -> Segmented:
    """Return what a run made, from the records of its dalles."""
    found = [one for one in done if one["files"]]
    return Segmented(
        folder=out / CLASSES,
        rasters=_of_kind(out, found, CLASSES),
        probabilities=_of_kind(out, found, PROBABILITY),
        scores=_of_kind(out, found, SCORES),
        vectors=tuple(out / VECTOR / f"{one['dalle']}.gpkg" for one in found if one["vector"]),
        kept=sum(one["kept"] for one in done),
        skipped=tuple(one["dalle"] for one in done if not one["files"]),
        **facts,
    )


def _checked_works(
    imagery: Imagery, ground: Area | None, table: ClassTable, model: str, options: Options
) -> tuple[list[DalleWork], str]:
    """Return the dalles to answer, and a warning where their imagery has no height."""
    works = list(_works(imagery, ground, table, model, options))
    return works, check_heights(imagery, [work.window for work in works])


def _works(
    imagery: Imagery, ground: Area | None, table: ClassTable, model: str, options: Options
) -> Iterator[DalleWork]:
    """Yield the dalles that the imagery and the area meet."""
    limits: Window | None = imagery.window
    if ground is not None:
        limits = common_window(imagery.window, imagery.grid.window_of(ground.bounds))
    if limits is None:
        return
    kinds = raster_kinds(table, model)
    asked = ((CLASSES, True), (PROBABILITY, options.probability), (SCORES, options.scores))
    for dalle in dalles_of(limits, grid=imagery.grid):
        window = common_window(dalle.window, limits)
        if window is not None:
            yield DalleWork(
                name=dalle.name,
                window=window,
                imagery=imagery,
                patches=PatchGrid(patch_px=options.patch_px, halo_px=options.halo_px),
                ground=None if ground is None else ground.wkb,
                numbers=tuple(c.number for c in table.classes),
                kinds=tuple((name, kinds[name]) for name, wanted in asked if wanted),
            )


def _drawing(rules: Rules) -> Drawing:
    numeros = tuple((c.name, number) for c, number in numbered_classes(rules, VECTOR_NUMBERING))
    return Drawing(numeros=numeros, tolerance_m=rules.simplification["tolerance_m"])


def _cards(paths: Sequence[Path], given: Sequence[ModelCard] | None, imagery: Imagery) -> tuple[ModelCard, ...]:
    if not paths:
        raise ParameterError("no model is given; give --model")
    cards = tuple(card_for(path) for path in paths) if given is None else tuple(given)
    for card in cards:
        if card.bands != imagery.bands:
            raise DataError(
                f"model {card.name} reads {', '.join(card.bands)}; the imagery was opened for "
                f"{', '.join(imagery.bands)}: models that are averaged read the same bands"
            )
    return cards


def _check_patches(cards: Sequence[ModelCard], options: Options) -> None:
    """Refuse patches that a network cannot take, before anything is made."""
    grid = PatchGrid(patch_px=options.patch_px, halo_px=options.halo_px)
    with torch.device("meta"):
        strides = [int(getattr(build_network(card), "stride", 1)) for card in cards]
    for stride in strides:
        grid.check_stride(stride)


def _made_of(paths: Sequence[Path], cards: Sequence[ModelCard], table: ClassTable, options: Options) -> dict[str, Any]:
    """Return what every dalle of a run is made of, but its imagery."""
    return {
        "models": [
            {
                "name": card.name,
                "weights_sha256": file_sha256(path),
                "card_sha256": hashlib.sha256(json_bytes(asdict(card))).hexdigest(),
            }
            for path, card in zip(paths, cards, strict=True)
        ],
        "options": asdict(options),
        "class_table": asdict(table),
        "code": code_version(),
    }


def _read_from(work: DalleWork) -> dict[str, Any]:
    """Return what a dalle is read from and where it lies: another file, option, place or order makes it again.

    Files are those that its patches reach: a core over the edge of the dalle reads far beyond the halo.
    """
    imagery, window = work.imagery, work.window
    inputs = []
    for option, path in imagery.files(work.patches.reach(window)):
        stat = path.stat()
        inputs.append(
            {
                "file": path.name,
                "folder": str(path.resolve().parent),
                "read_as": option,
                "bytes": stat.st_size,
                "mtime_ns": stat.st_mtime_ns,
            }
        )
    return {
        "inputs": inputs,
        "bands_of": {mosaic.product: list(mosaic.bands) for mosaic in imagery.mosaics},
        "window": {**asdict(window), "epsg": imagery.grid.epsg, "resolution_m": imagery.grid.resolution_m},
    }


def _run_all(
    items: list[DalleJob], *, jobs: int, progress: Callable[[str, int, int], None] | None
) -> list[dict[str, Any]]:
    if jobs > 1 and len(items) > 1:
        report = None if progress is None else lambda done, total: progress("segmenting", done, total)
        with TemporaryDirectory(prefix="ocsge-workers-") as folder:
            if items[0].device == "cuda":
                gpus = WorkerGpus(Path(folder), workers=min(jobs, len(items)), gpus=torch.cuda.device_count())
                items = [replace(item, gpus=gpus) for item in items]
            return run("segment", items, make_dalle, jobs=min(jobs, len(items)), on_done=report)
    done = []
    for position, item in enumerate(items):
        shown = f"dalle {position + 1} of {len(items)}"
        done.append(make_dalle(item, progress=None if progress is None else partial(progress, shown)))
    return done


def _of_kind(out: Path, done: Sequence[Mapping[str, Any]], kind: str) -> tuple[Path, ...]:
    return tuple(out / kind / f"{one['dalle']}.tif" for one in done if kind in one["files"])

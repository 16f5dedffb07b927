"""Measure the segmentation beside the usual way, on the same machine, image and weights, in one run.

    python -m benchmarks.segment [--side 3072] [--threads 1] [--only usual,ours] [--out benchmarks/segment_results.md]

The image is generated (five bands, 0.2 m); the weights are random, of FLAIR-INC's U-Net on ResNet34, 5 → 19 channels:
time does not depend on them. Each way is a process of its own. Then what each choice brings: ours without it. Where
CUDA is usable, the same on the GPU, with the share of the bf16 peak that the network reaches.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
import torch
from rasterio.transform import Affine
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import measured
from benchmarks.usual_segmentation import segment_as_usual
from ocsge.grid import Window
from ocsge.products.cosia import raster_files
from ocsge.rules import load_rules
from ocsge.segment import dalle_run, inference
from ocsge.segment.checkpoint import load_model, save_model
from ocsge.segment.class_rasters import RasterSink, class_table, raster_kinds
from ocsge.segment.dalle_run import UNIT_PX
from ocsge.segment.families import head_classes, normalisation
from ocsge.segment.imagery import Imagery, ImageryReader, open_imagery
from ocsge.segment.inference import Segmenter
from ocsge.segment.model_card import ModelCard
from ocsge.segment.networks import build_network
from ocsge.segment.predict import segment_imagery
from ocsge.segment.published import card_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Measurement

RESULTS = Path(__file__).parent / "segment_results.md"
BANDS = ("rouge", "vert", "bleu", "infrarouge", "elevation")
PIXEL_M = 0.2
CORE_PX = 768
"""The image lies on multiples of it, and its side is one: no way answers more at the edges than another."""
CORNER = (CORE_PX * 5_000 * PIXEL_M, CORE_PX * 41_000 * PIXEL_M)
LIBRARIES = ("torch", "numpy", "rasterio")
PEERS = "usual"


@dataclass(frozen=True, slots=True)
class Way:
    """A way of segmenting: ours, or ours without one of its choices."""

    name: str
    patch_px: int = 1024
    halo_px: int = 128
    precision: str = "bf16"
    plain: bool = False
    """Neither norms nor normalisation are folded: autocast alone."""
    host: bool = False
    """Scores come back whole; softmax and argmax on the host."""
    alone: bool = False
    """Each patch is read by itself."""
    whole: bool = False
    """The decoder answers the halo too."""


OURS = Way("ours: 1024/128, bf16")
WAYS = (
    OURS,
    replace(OURS, name="patches of 512", patch_px=512),
    replace(OURS, name="patches of 1792", patch_px=1792),
    replace(OURS, name="fp32", precision="fp32"),
    replace(OURS, name="nothing folded", plain=True),
    replace(OURS, name="halo decoded too", whole=True),
    replace(OURS, name="softmax and argmax on the host", host=True),
    replace(OURS, name="each patch read by itself", alone=True),
    replace(
        OURS,
        name="512/128, fp32, nothing folded, host",
        patch_px=512,
        precision="fp32",
        plain=True,
        host=True,
        alone=True,
        whole=True,
    ),
)


def generated_image(side: int, seed: int = 0) -> np.ndarray:
    """Return blotches of several sizes and noise, (5, side, side) bytes."""
    random = np.random.default_rng(seed)
    image = np.full((len(BANDS), side, side), 105.0, dtype=np.float32)
    for size in (8, 32, 128, 512):
        coarse = random.normal(size=(len(BANDS), -(-side // size), -(-side // size))).astype(np.float32)
        image += 18 * np.kron(coarse, np.ones((size, size), dtype=np.float32))[:, :side, :side]
    image += random.normal(size=image.shape).astype(np.float32) * 6
    return np.clip(image, 1, 255).astype(np.uint8)


def write_scene(folder: Path, side: int) -> Path:
    """Write the image as one file of five bands, and as the products it would be delivered in."""
    image = generated_image(side)
    files = {"five": image, "rvb": image[:3], "irc": image[[3, 0, 1]], "elevation": image[4:]}
    for name, bands in files.items():
        profile = {
            "driver": "GTiff",
            "dtype": "uint8",
            "count": len(bands),
            "height": side,
            "width": side,
            "crs": "EPSG:2154",
            "transform": Affine(PIXEL_M, 0, CORNER[0], 0, -PIXEL_M, CORNER[1]),
            "compress": "deflate",
            "tiled": True,
            "blockxsize": 512,
            "blockysize": 512,
            "photometric": "minisblack",
        }
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as dataset:
            dataset.write(bands)
    return folder


def write_weights(folder: Path) -> Path:
    """Write the network of FLAIR-INC's five-band models with random weights, of a fixed seed."""
    torch.manual_seed(0)
    mean, std = normalisation("flair_inc", BANDS)
    card = ModelCard(
        name="random ResNet34 U-Net",
        family="flair_inc",
        architecture="unet",
        encoder="resnet34",
        bands=BANDS,
        mean=mean,
        std=std,
        elevation="height_uint8_20cm",
        head_classes=head_classes("flair_inc"),
        licence="Apache-2.0",
        credit="random",
    )
    path = folder / "random.safetensors"
    save_model(build_network(card).eval(), card, path)
    return path


def opened(folder: Path, weights: Path) -> Imagery:
    rasters = {name: [folder / f"{name}.tif"] for name in ("rvb", "irc", "elevation")}
    return open_imagery(**rasters, card=card_for(weights))


def as_usual(folder: Path, weights: Path, out: Path, device: str, threads: int) -> None:
    segment_as_usual(folder / "five.tif", weights, out.with_suffix(".tif"), device=device, threads=threads)


def as_ours(folder: Path, weights: Path, out: Path, device: str, threads: int, way: Way) -> None:
    """Segment our way, without what the way leaves out."""
    if way.plain:
        Segmenter.prepare = classmethod(_plain_prepare)  # type: ignore[method-assign,assignment]
    if way.host:
        Segmenter.decided = _decided_on_the_host  # type: ignore[method-assign]
    if way.whole:
        inference.decodes_core = lambda *_: False
    if way.alone:
        dalle_run.UNIT_PX = way.patch_px
    segment_imagery(
        opened(folder, weights),
        weights=weights,
        out=out,
        patch_px=way.patch_px,
        halo_px=way.halo_px,
        precision=way.precision,  # type: ignore[arg-type]
        device=device,
        threads=threads,
    )


def _plain_prepare(cls: type[Segmenter], network, card, *, device, precision, augmentation, batch):
    inference.fold_norms = lambda _: None
    inference.ResNetEncoder = type("NoEncoder", (), {})  # type: ignore[misc]
    member = inference.made_ready(network, card, device=device, precision=precision)
    return cls([member], card=card, device=device, augmentation=augmentation, batch=batch)


def _decided_on_the_host(self: Segmenter, x: torch.Tensor, *, halo_px: int, what: str) -> torch.Tensor:
    del what  # the class alone
    scores = self.members[0].logits(x).float().cpu().numpy().astype(np.float64)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    best = (scores / scores.sum(axis=1, keepdims=True)).argmax(axis=1).astype(np.uint8)
    height, width = best.shape[1:]
    return torch.from_numpy(best[:, None, halo_px : height - halo_px, halo_px : width - halo_px])


# ---- rates --------------------------------------------------------------------------------------------------------


def read_rate(folder: Path, weights: Path) -> tuple[float, int]:
    """Return the seconds that the reader takes for the whole image alone, and the bytes of its pixels."""
    imagery = opened(folder, weights)
    with ImageryReader(imagery) as reader:
        start = time.perf_counter()
        total = sum(reader.read(tile)[0].nbytes for tile in imagery.window.tiles(UNIT_PX))
        return time.perf_counter() - start, total


def write_rate(classes: Path, out: Path) -> float:
    """Return the seconds that writing a class raster takes alone, its overviews and statistics included."""
    with rasterio.open(raster_files(classes)[0]) as dataset:
        values = dataset.read()
        window = Window(row=0, col=0, height=dataset.height, width=dataset.width)
    card = ModelCard(
        name="w", family="flair_inc", architecture="unet", encoder="resnet34", bands=BANDS[:1], mean=(0.0,), std=(1.0,),
        head_classes=head_classes("flair_inc")[:15], licence="", credit="",
    )  # fmt: skip
    kind = raster_kinds(class_table(card, load_rules()), "w")["classes"]
    from ocsge.grid import Grid  # noqa: PLC0415

    start = time.perf_counter()
    with RasterSink(
        out / "w.tif", kind=kind, window=window, grid=Grid.at_resolution(epsg=2154, resolution_m=PIXEL_M)
    ) as sink:
        for tile in window.tiles(CORE_PX):
            sink.write(tile, values[:, tile.row : tile.bottom, tile.col : tile.right])
    return time.perf_counter() - start


def gpu_share(weights: Path, *, batch: int = 16, patch_px: int = 1024) -> tuple[float, float]:
    """Return the TFLOP/s of the network in bf16, and those of a large product of matrices, on the GPU."""
    network, card = load_model(weights)
    segmenter = Segmenter.prepare(network, card, device="cuda", precision="bf16", batch=batch)
    x = torch.zeros((batch, len(BANDS), patch_px, patch_px), dtype=torch.uint8, device="cuda")
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        segmenter.members[0].logits(x)
    flop = counter.get_total_flops()

    def rate(run: Callable[[], object], work: float, times: int = 20) -> float:
        with torch.inference_mode():
            for _ in range(3):
                run()
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(times):
                run()
            torch.cuda.synchronize()
        return work * times / (time.perf_counter() - start) / 1e12

    a = torch.randn((8192, 8192), device="cuda", dtype=torch.bfloat16)
    return rate(lambda: segmenter.members[0].logits(x), flop), rate(lambda: a @ a, 2 * 8192**3)


# ---- table --------------------------------------------------------------------------------------------------------


def table(folder: Path, weights: Path, *, side: int, device: str, threads: int, only: set[str]) -> list[str]:
    """Return the lines of the table for a device."""
    km2 = (side * PIXEL_M / 1000) ** 2
    lines = [
        f"| {device} | CPU-s/km² | wall s/km² | km²/h | peak MB | usual ÷ it |",
        "|---|---|---|---|---|---|",
    ]
    usual: Measurement | None = None

    def add(name: str, found: Measurement) -> None:
        ratio = "" if usual is None else f"{usual.cpu_s / found.cpu_s:.2f}"
        lines.append(
            f"| {name} | {found.cpu_s / km2:.1f} | {found.wall_s / km2:.1f} | {3600 * km2 / found.wall_s:.1f} "
            f"| {found.peak_rss_mb:.0f} | {ratio} |"
        )
        print(lines[-1], flush=True)

    if not only or PEERS in only:
        usual = measured(as_usual, folder, weights, folder / "usual", device, threads)
        add("the usual way: 512/128, fp32", usual)
    for position, way in enumerate(WAYS):
        if not only or way.name.split(":")[0] in only:
            out = folder / f"{device}{position}"
            add(
                way.name if way is OURS else f"– {way.name}",
                measured(as_ours, folder, weights, out, device, threads, way),
            )
    return lines


def about(side: int, threads: int) -> str:
    """Return what was measured, with which machine and versions."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    load = os.getloadavg()[0]
    return (
        f"`python -m benchmarks.segment --side {side} --threads {threads}`; {side} × {side} pixels of 0.2 m "
        f"({(side * PIXEL_M / 1000) ** 2:.3f} km²), five bands; U-Net on ResNet34, 5 → 19 channels, random weights. "
        f"{os.cpu_count()} cores ({model}), {threads} thread(s), load {load:.1f} at the start; Python "
        f"{platform.python_version()}, {versions}, GDAL {rasterio.__gdal_version__}."
    )


HEAD = """# Segmentation, measured

{about}

The usual way: patches of 512 with a margin of 128, one boundless read a patch, normalisation in float64 on the host,
fp32, scores brought back whole, softmax and argmax on the host, cores written across blocks
(`benchmarks/usual_segmentation.py`). Under ours, the same without one of its choices. CPU seconds are those of all
threads of the process, imports left out. The image lies on multiples of every core: at the edges of any other, whole
patches are answered for a part of them, by every way.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the segmentation beside the usual way.")
    parser.add_argument("--side", type=int, default=4 * CORE_PX, help="side of the image, pixels: a multiple of 1536")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="usual, or beginnings of names of ways, separated by commas")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    only = {name for name in given.only.split(",") if name}
    text = [HEAD.format(about=about(given.side, given.threads))]
    with tempfile.TemporaryDirectory() as name:
        folder = write_scene(Path(name), given.side)
        weights = write_weights(folder)
        devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        for device in devices:
            lines = table(folder, weights, side=given.side, device=device, threads=given.threads, only=only)
            text += ["\n".join(lines), ""]
        seconds, pixels = measured(read_rate, folder, weights).result
        mpx = given.side**2 / 1e6
        alone = (
            f"Alone, on one thread: reading {mpx / seconds:.0f} Mpx/s ({pixels / 1e6 / seconds:.0f} MB/s of five "
            "bands, deflate)"
        )
        written = folder / "cpu0" / "classes"
        if written.is_dir():  # only where our way was measured is there something to write again
            writing = measured(write_rate, written, folder).result
            alone += f"; writing classes {mpx / writing:.0f} Mpx/s, overviews and statistics included"
        text.append(f"{alone}.")
        if "cuda" in devices:
            network, peak = measured(gpu_share, weights).result
            text.append(
                f"{torch.cuda.get_device_name()}: the network runs at {network:.0f} TFLOP/s in bf16, "
                f"{network / peak:.0%} of the {peak:.0f} that a product of matrices reaches."
            )
    given.out.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    print(given.out)


if __name__ == "__main__":
    main()

"""Read weights files in each layout that IGN publishes, and give their weights the names of our networks.

===================  ==============================================================================================
file                 names of the weights
===================  ==============================================================================================
ours, ``.pth``       ``encoder.…``, ``decoder.…``, ``segmentation_head.0.…``
``.ckpt``            the same below ``model.seg_model.``, under ``state_dict``; also ``criterion.…``, left out
FLAIR-HUB            ``encoders.<MODALITY>.seg_model.…``, ``main_decoders.<TASK>.seg_model.decoder.…`` and
                     ``….segmentation_head.0.…``, ``fusion_handler.conv_f.…``; auxiliary decoders are left out
===================  ==============================================================================================

The content tells the format, not the suffix. No code of a file is ever run.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open

from ocsge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

State = dict[str, torch.Tensor]

FAMILY_KEY = "ocsge_family"
"""Metadata of the safetensors files written here: the family of the model."""

ENCLOSING = ("model.seg_model.", "seg_model.", "model.", "module.")
"""What training code sets before every name."""

TRAINING_ONLY = ("criterion.", "aux_decoders.")
"""Weights that training alone used."""

NEVER_READ = "decoder.fpn_stages.4."
"""A level of smp 0.4.0's UPerNet decoder that has weights and is never computed."""

MODALITIES = {"AERIAL_RGBI": "encoder", "DEM_ELEV": "elevation_encoder"}
"""Encoders of FLAIR-HUB that orthophotos and elevation feed, and their name here."""

LAND_COVER, CROP_TYPES = "COSIA", "LPIS"
"""What the name of a task of FLAIR-HUB holds."""

REDOWNLOAD = "truncated or damaged: download it again"


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of a file, under the names of our networks."""

    state: State
    """Weights by name, as stored."""

    family: str
    """Family that the file itself tells (FLAIR-HUB's layout, or our metadata); empty when it tells none."""


def read_weights(path: Path) -> Weights:
    """Return the weights of a file of any layout.

    Raises
    ------
    DataError
        Missing, truncated, a web page or a pointer in its stead, code among the weights, no weights at all, or a
        FLAIR-HUB model that needs more than orthophotos and elevation.
    """
    state, family = _stored(path)
    state = _without_enclosing({n: t for n, t in state.items() if not n.startswith(TRAINING_ONLY)})
    state = {n: t for n, t in state.items() if not n.startswith(TRAINING_ONLY)}
    if any(name.startswith("encoders.") for name in state):
        state, family = _from_flair_hub(state, path), "flair_hub"
    if "decoder.fpn_bottleneck.0.weight" in state:
        state = {n: t for n, t in state.items() if not n.startswith(NEVER_READ)}
    return Weights(state, family)


def _stored(path: Path) -> tuple[State, str]:
    """Return the weights as named in the file, and the family its metadata tells."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give the file of the weights") from error
    if start.startswith(b"version https://git-lfs"):
        raise DataError(f"{path}: is a Git LFS pointer, not the weights; download the file itself")
    if start.lstrip()[:1] == b"<":
        raise DataError(f"{path}: is a web page, not the weights; download the file itself")
    if start[8:9] == b"{":
        return _stored_safetensors(path)
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return _stored_pickle(path), ""
    raise DataError(f"{path}: is neither a safetensors file nor a file of torch; {REDOWNLOAD}")


def _stored_safetensors(path: Path) -> tuple[State, str]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
            return state, (file.metadata() or {}).get(FAMILY_KEY, "")
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: {REDOWNLOAD} ({_one_line(error)})") from error


def _stored_pickle(path: Path) -> State:
    try:
        # an open file: given a path, torch goes by its suffix; its doubts about old pickles are no news to a reader
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            held = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path}: holds code besides weights, which is never run ({_one_line(error)}); ask for a file of weights "
            "alone (safetensors, or torch.save of a state_dict)"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise DataError(f"{path}: {REDOWNLOAD} ({_one_line(error)})") from error
    if isinstance(held, Mapping):
        held = held.get("state_dict", held)
    if not isinstance(held, Mapping) or not held or not all(torch.is_tensor(value) for value in held.values()):
        raise DataError(f"{path}: holds no weights (no state_dict); give the file that training saved")
    return dict(held)


def _without_enclosing(state: State) -> State:
    """Return the weights without what encloses all their names."""
    for prefix in ENCLOSING:
        if state and all(name.startswith(prefix) for name in state):
            return _without_enclosing({name.removeprefix(prefix): tensor for name, tensor in state.items()})
    return state


def _from_flair_hub(state: State, path: Path) -> State:
    """Return the weights of a FLAIR-HUB model of imagery, and elevation if it has some, under our names."""
    modalities = _second_words(state, "encoders.")
    if strangers := [name for name in modalities if name not in MODALITIES]:
        raise DataError(
            f"{path}: needs {', '.join(strangers)} besides orthophotos, which are not read here; take a model of "
            "aerial imagery (ocsge models list)"
        )
    if "AERIAL_RGBI" not in modalities:
        raise DataError(f"{path}: has no encoder of orthophotos, only of {', '.join(modalities)}; take another model")
    tasks = _second_words(state, "main_decoders.")
    found = [task for task in tasks if LAND_COVER in task] or [task for task in tasks if CROP_TYPES not in task]
    if len(found) != 1:
        mapped = ", ".join(tasks) or "nothing"
        raise DataError(f"{path}: maps {mapped}, not land cover; take a model of land cover (ocsge models list)")
    renamed = {f"encoders.{name}.seg_model.": f"{MODALITIES[name]}." for name in modalities}
    renamed[f"main_decoders.{found[0]}.seg_model."] = ""
    if len(modalities) > 1:  # with one encoder, FLAIR-HUB stores convolutions of fusion and passes them by
        renamed["fusion_handler.conv_f."] = "fusion."
    dropped = ("fusion_handler.", "main_decoders.")
    taken: State = {}
    for name, tensor in state.items():
        prefix = next((p for p in renamed if name.startswith(p)), None)
        if prefix is not None:
            taken[renamed[prefix] + name.removeprefix(prefix)] = tensor
        elif not name.startswith(dropped):
            taken[name] = tensor
    return taken


def _second_words(state: State, prefix: str) -> list[str]:
    return sorted({name.split(".")[1] for name in state if name.startswith(prefix)})


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]

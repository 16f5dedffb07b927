"""Every published layout of weights is read; what is no set of weights is refused by name."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from segment_models import elevation_card, saved, small_card, small_network

from ocsge.errors import DataError
from ocsge.segment.layouts import State, read_weights

if TYPE_CHECKING:
    from pathlib import Path

TASK = "AERIAL_LABEL-COSIA"


def enclosed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def flair_hub(state: State, *, fusion: int = 0) -> State:
    """Return weights named as FLAIR-HUB does; ``fusion`` counts convolutions that one encoder stores without use."""
    named: State = {}
    for name, tensor in state.items():
        if name.startswith("encoder."):
            named[f"encoders.AERIAL_RGBI.seg_model.{name.removeprefix('encoder.')}"] = tensor
        elif name.startswith("elevation_encoder."):
            named[f"encoders.DEM_ELEV.seg_model.{name.removeprefix('elevation_encoder.')}"] = tensor
        elif name.startswith("fusion."):
            named[f"fusion_handler.conv_f.{name.removeprefix('fusion.')}"] = tensor
        else:
            named[f"main_decoders.{TASK}.seg_model.{name}"] = tensor
    named[f"main_decoders.{TASK}.seg_model.decoder.fpn_stages.4.skip_conv.0.weight"] = torch.zeros(42, 1, 1, 1)
    named[f"aux_decoders.AERIAL_RGBI__{TASK}.seg_model.segmentation_head.0.weight"] = torch.zeros(2, 8, 1, 1)
    named["criterion.weight"] = torch.ones(2)
    for side in range(fusion):
        named[f"fusion_handler.conv_f.{side}.bias"] = torch.zeros(16)
    return named


def same(found: State, expected: State) -> bool:
    return set(found) == set(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.fixture(scope="module")
def unet() -> State:
    return small_network(small_card()).state_dict()


@pytest.fixture(scope="module")
def upernet() -> State:
    return small_network(small_card("upernet")).state_dict()


@pytest.mark.parametrize("prefix", ["", "model.", "seg_model.", "model.seg_model.", "module.", "module.model."])
def test_bare_weights_and_weights_below_any_prefix_are_read(tmp_path: Path, unet: State, prefix: str) -> None:
    path = saved(tmp_path / "w.pth", enclosed(unet, prefix))
    assert same(read_weights(path).state, unet)


def test_a_lightning_checkpoint_is_read_without_its_criterion(tmp_path: Path, unet: State) -> None:
    state = {**enclosed(unet, "model.seg_model."), "criterion.weight": torch.ones(19)}
    path = saved(tmp_path / "w.ckpt", {"epoch": 84, "state_dict": state, "optimizer_states": [{"lr": 0.02}]})
    found = read_weights(path)
    assert same(found.state, unet)
    assert found.family == ""


def test_the_content_tells_the_format_whatever_the_suffix(tmp_path: Path, unet: State) -> None:
    save_file(unet, tmp_path / "w.pth")
    saved(tmp_path / "w.safetensors", unet)
    assert same(read_weights(tmp_path / "w.pth").state, unet)
    assert same(read_weights(tmp_path / "w.safetensors").state, unet)


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_flair_hub_file_of_imagery_is_read_without_what_it_never_uses(
    tmp_path: Path, upernet: State, prefix: str
) -> None:
    save_file(enclosed(flair_hub(upernet, fusion=4), prefix), tmp_path / "w.safetensors")
    found = read_weights(tmp_path / "w.safetensors")
    assert same(found.state, upernet)
    assert found.family == "flair_hub"


def test_a_flair_hub_file_of_imagery_and_elevation_keeps_its_fusion(tmp_path: Path) -> None:
    state = small_network(elevation_card()).state_dict()
    save_file(flair_hub(state), tmp_path / "w.safetensors")
    assert same(read_weights(tmp_path / "w.safetensors").state, state)


def test_the_land_cover_decoder_is_taken_where_crop_types_are_mapped_too(tmp_path: Path, upernet: State) -> None:
    state = flair_hub(upernet)
    state["main_decoders.ALL_LABEL-LPIS.seg_model.segmentation_head.0.bias"] = torch.zeros(23)
    save_file(state, tmp_path / "w.safetensors")
    assert same(read_weights(tmp_path / "w.safetensors").state, upernet)


def test_a_model_of_crop_types_alone_is_refused(tmp_path: Path, upernet: State) -> None:
    state = {name.replace(TASK, "ALL_LABEL-LPIS"): tensor for name, tensor in flair_hub(upernet).items()}
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="maps ALL_LABEL-LPIS, not land cover"):
        read_weights(tmp_path / "w.safetensors")


def test_a_model_that_needs_satellites_is_refused_by_their_name(tmp_path: Path, upernet: State) -> None:
    save_file({**flair_hub(upernet), "encoders.SENTINEL2_TS.in_conv.weight": torch.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="needs SENTINEL2_TS besides orthophotos"):
        read_weights(tmp_path / "w.safetensors")


def test_a_model_of_elevation_alone_is_refused(tmp_path: Path, upernet: State) -> None:
    state = {name.replace("AERIAL_RGBI.", "DEM_ELEV."): tensor for name, tensor in flair_hub(upernet).items()}
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="no encoder of orthophotos, only of DEM_ELEV"):
        read_weights(tmp_path / "w.safetensors")


class Harmful:
    """An object whose pickle runs code when it is read naively."""

    ran = False

    def __reduce__(self) -> tuple[object, ...]:
        return (setattr, (Harmful, "ran", True))


def test_code_among_the_weights_is_never_run(tmp_path: Path, unet: State) -> None:
    path = saved(tmp_path / "w.ckpt", {"state_dict": unet, "callbacks": Harmful()})
    with pytest.raises(DataError, match="holds code besides weights, which is never run") as refused:
        read_weights(path)
    assert "\n" not in str(refused.value)
    assert not Harmful.ran
    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(DataError, match="never run"):
        read_weights(path)
    assert not Harmful.ran


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("share", [0.2, 0.95])
def test_a_truncated_file_is_refused(tmp_path: Path, unet: State, name: str, share: float) -> None:
    path = tmp_path / name
    save_file(unet, path) if name.endswith("safetensors") else saved(path, unet)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match="truncated or damaged: download it again") as refused:
        read_weights(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:81", "is a Git LFS pointer, not the weights"),
        (b"<!doctype html><html>", "is a web page, not the weights"),
        (b"", "neither a safetensors file nor a file of torch"),
        (b"GIF89a", "neither a safetensors file nor a file of torch"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ", "holds no network|holds"),
    ],
)
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    if content.endswith(b"      "):
        assert read_weights(path).state == {}
        return
    with pytest.raises(DataError, match=said):
        read_weights(path)


@pytest.mark.parametrize("content", [{"epoch": 3}, {}, [1, 2], {"state_dict": {"a": 1}}])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(DataError, match="holds no weights"):
        read_weights(saved(tmp_path / "w.pth", content))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_weights(tmp_path / "none.pth")

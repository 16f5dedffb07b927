"""Weights fit their card to the last one, or are refused by name."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from segment_models import SMALL, elevation_card, pixels, saved, scores, small_card, small_network
from test_layouts import enclosed, flair_hub

from ocsge.errors import DataError
from ocsge.publish import file_sha256
from ocsge.segment.checkpoint import load_model, save_model
from ocsge.segment.model_card import read_card, write_card
from ocsge.segment.published import published_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("architecture", list(SMALL))
def test_a_saved_model_answers_the_same_once_loaded(tmp_path: Path, architecture: str) -> None:
    card = small_card(architecture)
    network = small_network(card)
    kept = save_model(network, card, tmp_path / "m.safetensors")
    loaded, found = load_model(tmp_path / "m.safetensors")
    assert found == kept == replace(card, sha256=file_sha256(tmp_path / "m.safetensors"))
    assert not loaded.training
    assert torch.equal(scores(network, pixels(card)), scores(loaded, pixels(card)))


def test_half_weights_are_half_the_size_and_nearly_the_same(tmp_path: Path) -> None:
    card = small_card()
    network = small_network(card)
    save_model(network, card, tmp_path / "full.safetensors")
    save_model(network, card, tmp_path / "half.safetensors", half=True)
    full, half = ((tmp_path / f"{name}.safetensors").stat().st_size for name in ("full", "half"))
    assert half < 0.6 * full
    loaded, _ = load_model(tmp_path / "half.safetensors")
    assert all(t.dtype in {torch.float32, torch.int64} for t in loaded.state_dict().values())
    torch.testing.assert_close(scores(loaded, pixels(card)), scores(network, pixels(card)), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_weights_are_for_whom_every_other_file_is(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        save_model(small_network(small_card()), small_card(), tmp_path / "m.safetensors")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {mode}


def layout(name: str, path: Path, state: dict[str, torch.Tensor]) -> Path:
    """Write the weights of a small U-Net in a layout that IGN publishes."""
    criterion = {"criterion.weight": torch.ones(2)}
    if name == "bare .pth":
        return saved(path, state)
    if name == "bare .pth with prefix":
        return saved(path, {**enclosed(state, "model.seg_model."), **criterion})
    if name == ".ckpt":
        return saved(path, {"state_dict": {**enclosed(state, "model.seg_model."), **criterion}, "epoch": 22})
    save_file(state, path)
    return path


@pytest.mark.parametrize("name", ["bare .pth", "bare .pth with prefix", ".ckpt", ".safetensors"])
def test_every_layout_of_flair_inc_loads_into_the_same_network(tmp_path: Path, name: str) -> None:
    card = small_card(family="flair_inc")
    network = small_network(card)
    path = layout(name, tmp_path / "weights", network.state_dict())
    loaded, _ = load_model(path, card=card)
    assert torch.equal(scores(loaded, pixels(card)), scores(network, pixels(card)))


@pytest.mark.parametrize("elevation", [False, True])
def test_the_layout_of_flair_hub_loads_into_the_same_network(tmp_path: Path, *, elevation: bool) -> None:
    card = elevation_card(family="flair_hub") if elevation else small_card("upernet", family="flair_hub")
    network = small_network(card)
    save_file(flair_hub(network.state_dict(), fusion=0 if elevation else 4), tmp_path / "hub.safetensors")
    loaded, _ = load_model(tmp_path / "hub.safetensors", card=card)
    assert torch.equal(scores(loaded, pixels(card)), scores(network, pixels(card)))


def test_the_contract_of_flair_hub_with_elevation_loads_and_no_other_elevation_does(tmp_path: Path) -> None:
    """The bands, normalisation and classes of the catalogue, on a small encoder."""
    contract = published_model("FLAIR-HUB_LC-L_swinbase-upernet").card
    card = replace(contract, encoder="swin_tiny", width=16)
    assert card.bands == ("infrarouge", "rouge", "vert", "mns", "mnt")
    network = small_network(card)
    path = tmp_path / "hub.safetensors"
    save_file(flair_hub(network.state_dict()), path)
    loaded, _ = load_model(path, card=card)
    assert torch.equal(scores(loaded, pixels(card)), scores(network, pixels(card)))
    imagery = replace(card, bands=card.bands[:3], mean=card.mean[:3], std=card.std[:3], elevation=None)
    with pytest.raises(DataError, match="bands 5, but 3 in the card"):
        load_model(path, card=imagery)
    with pytest.raises(DataError, match="contradict elevation 'height_uint8_20cm'"):
        replace(card, elevation="height_uint8_20cm")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"family": "flair_hub"}, "is of the family flair_inc, the card small-unet of flair_hub"),
        ({"architecture": "fpn"}, "architecture unet, but fpn in the card"),
        ({"encoder": "resnet34"}, "encoder resnet18, but resnet34 in the card"),
        ({"width": 16}, "width 8, but 16 in the card"),
        ({"head_classes": ("a", "b", "c")}, "classes 2, but 3 in the card"),
        ({"bands": ("rouge",), "mean": (1.0,), "std": (1.0,)}, "bands 3, but 1 in the card"),
        ({"sha256": "0" * 64}, "SHA-256 .*, the card small-unet says 000000000000…"),
    ],
)
def test_the_card_of_another_model_is_refused_by_name_and_told_what_to_do(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    card = small_card(family="flair_inc")
    save_model(small_network(card), card, tmp_path / "m.safetensors")
    with pytest.raises(DataError, match=said) as refused:
        load_model(tmp_path / "m.safetensors", card=replace(card, **changed))
    assert str(refused.value).startswith(f"{tmp_path / 'm.safetensors'}: ")
    assert "\n" not in str(refused.value)
    assert "--model NAME" in str(refused.value) or "download it again" in str(refused.value)


def test_weights_of_flair_hub_are_not_loaded_as_flair_inc(tmp_path: Path) -> None:
    card = small_card("upernet", family="flair_inc")
    save_file(flair_hub(small_network(card).state_dict()), tmp_path / "hub.safetensors")
    with pytest.raises(DataError, match="is of the family flair_hub, the card small-upernet of flair_inc"):
        load_model(tmp_path / "hub.safetensors", card=card)


def test_bare_weights_are_not_loaded_as_flair_hub_though_every_one_fits(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", small_network(small_card()).state_dict())
    load_model(path, card=small_card(family="flair_inc"))
    with pytest.raises(DataError, match="has not FLAIR-HUB's names of weights"):
        load_model(path, card=small_card(family="flair_hub"))


def test_the_decoder_of_another_version_is_refused_not_reinitialised(tmp_path: Path) -> None:
    card = small_card("upernet", family="flair_hub")
    state = small_network(card).state_dict()
    for before, after in {"fpn_bottleneck": "fusion_block", "fpn_stages": "fpn_lateral_blocks"}.items():
        state = {name.replace(before, after): tensor for name, tensor in state.items()}
    save_file(flair_hub(state), tmp_path / "hub.safetensors")
    with pytest.raises(DataError, match=r"upernet of another version of segmentation_models_pytorch than 0\.4\.0"):
        load_model(tmp_path / "hub.safetensors", card=card)


def test_an_encoder_that_is_not_built_is_refused_by_name(tmp_path: Path) -> None:
    state = small_network(small_card()).state_dict()
    other = {n: t for n, t in state.items() if not n.startswith("encoder.")}
    other["encoder.model.stem_0.weight"] = torch.zeros(96, 3, 4, 4)
    with pytest.raises(DataError, match="its encoder is convnext, which is not supported; a unet has resnet18"):
        load_model(saved(tmp_path / "convnext.pth", other), card=small_card())


def test_a_network_of_another_kind_is_refused_with_its_first_weights(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no network known here \(first weights: backbone\.weight\)"):
        load_model(saved(tmp_path / "w.pth", {"backbone.weight": torch.zeros(3)}), card=small_card())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("missing", r"lacks decoder\.blocks\.4\.conv2\.0\.weight; it does not fit"),
        ("left over", r"has weights too many: decoder\.center\.0\.weight"),
        ("shape", r"has other shapes: decoder\.blocks\.4\.conv2\.0\.weight"),
        ("not finite", r"has weights that are not finite: decoder\.blocks\.4\.conv2\.0\.weight"),
        ("many", r"lacks encoder\.layer4\.\S+, encoder\.layer4\.\S+, encoder\.layer4\.\S+ and \d+ more"),
    ],
)
def test_one_weight_that_does_not_fit_is_enough_and_is_named(tmp_path: Path, fault: str, said: str) -> None:
    state = dict(small_network(small_card()).state_dict())
    name = "decoder.blocks.4.conv2.0.weight"
    if fault == "missing":
        del state[name]
    elif fault == "left over":
        state["decoder.center.0.weight"] = torch.zeros(1)
    elif fault == "shape":
        state[name] = state[name][:, :, :1, :1]
    elif fault == "not finite":
        state[name] = torch.full_like(state[name], float("nan"))
    else:
        state = {n: t for n, t in state.items() if not n.startswith("encoder.layer4.1")}
        state["encoder.layer4.1.kept"] = torch.zeros(1)
    with pytest.raises(DataError, match=said):
        load_model(saved(tmp_path / "w.pth", state), card=small_card())


def test_a_truncated_file_says_so_and_not_that_its_hash_differs(tmp_path: Path) -> None:
    card = small_card()
    save_model(small_network(card), card, tmp_path / "m.safetensors")
    path = tmp_path / "m.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="truncated or damaged: download it again"):
        load_model(path)


def test_a_changed_weight_is_seen_by_the_hash(tmp_path: Path) -> None:
    card = small_card()
    path = tmp_path / "m.safetensors"
    save_model(small_network(card), card, path)
    state = load_file(path)
    state["segmentation_head.0.bias"] += 1
    save_file(state, path)
    with pytest.raises(DataError, match="SHA-256"):
        load_model(path)


def test_weights_without_a_card_say_how_to_get_one(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", small_network(small_card()).state_dict())
    with pytest.raises(DataError, match=r"no card beside it \(w\.json\); .*--model NAME"):
        load_model(path)
    write_card(small_card(), tmp_path / "w.json")
    assert load_model(path)[1] == small_card()


def test_the_card_is_written_as_a_person_reads_it(tmp_path: Path) -> None:
    card = small_card(head_classes=("Bâtiment", "Forêt"))
    save_model(small_network(card), card, tmp_path / "m.safetensors")
    text = (tmp_path / "m.json").read_text(encoding="utf-8")
    assert '"Bâtiment"' in text
    assert list(json.loads(text))[:3] == ["name", "family", "architecture"]
    assert read_card(tmp_path / "m.json").head_classes == ("Bâtiment", "Forêt")

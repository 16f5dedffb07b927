"""The networks have the form of the published ones, at any width, and answer at each pixel."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from segment_models import SMALL, elevation_card, pixels, scores, small_card, small_network

from ocsge.errors import DataError
from ocsge.segment.model_card import ModelCard
from ocsge.segment.networks import ARCHITECTURES, build_network
from ocsge.segment.networks.resnet import ResNetEncoder
from ocsge.segment.networks.swin import FORMS, join_windows, region_mask, relative_positions, split_windows
from ocsge.segment.published import published_models

ENTRY_BYTES = (340, 400)
"""What torch writes for each weight besides its numbers: its name, twice, its shape, alignment."""


def weight_bytes(network: torch.nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in network.state_dict().values())


@pytest.mark.parametrize("architecture", list(SMALL))
def test_a_network_answers_each_class_at_each_pixel(architecture: str) -> None:
    card = small_card(architecture)
    found = scores(small_network(card), pixels(card))
    assert found.shape == (2, 2, 64, 64)
    assert bool(torch.isfinite(found).all())


@pytest.mark.parametrize("architecture", list(SMALL))
def test_a_network_takes_sides_that_are_multiples_of_its_stride_and_need_not_be_equal(architecture: str) -> None:
    card = small_card(architecture)
    network = small_network(card)
    high = pixels(card, side=96)[:, :, :, :64]
    assert scores(network, high).shape == (2, 2, 96, 64)
    assert 64 % int(network.stride) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("architecture", list(SMALL))
def test_an_image_of_a_batch_is_answered_as_if_it_were_alone(architecture: str) -> None:
    card = small_card(architecture)
    network, x = small_network(card), pixels(card)
    torch.testing.assert_close(scores(network, x)[1:], scores(network, x[1:]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", list(SMALL))
def test_every_weight_of_a_network_is_trained(architecture: str) -> None:
    network = small_network(small_card(architecture)).train()
    network(pixels(small_card(architecture))).square().mean().backward()
    still = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert still == []


def test_a_network_is_built_for_any_bands_and_classes() -> None:
    card = small_card(bands=("rouge",), head_classes=("a", "b", "c", "d"))
    assert scores(small_network(card), pixels(card)).shape == (2, 4, 64, 64)


@pytest.mark.parametrize("name", [n for n, p in published_models().items() if p.size_bytes and not p.unsupported])
def test_a_published_file_has_the_size_of_the_weights_of_our_network(name: str) -> None:
    published = published_models()[name]
    assert published.size_bytes is not None
    with torch.device("meta"):
        network = build_network(published.card)
    least, most = ENTRY_BYTES
    assert least < (published.size_bytes - weight_bytes(network)) / len(network.state_dict()) < most


def test_one_more_band_is_one_more_layer_of_the_first_convolution_of_the_published_files() -> None:
    names = [f"FLAIR-INC_{bands}_15cl_resnet34-unet" for bands in ("rgb", "rgbi", "rgbie")]
    sizes = [published_models()[name].size_bytes or 0 for name in names]
    assert [after - before for before, after in pairwise(sizes)] == 2 * [64 * 7 * 7 * 4]


def test_a_dilated_encoder_keeps_the_side_of_its_last_features() -> None:
    for stride in (8, 16, 32):
        encoder = ResNetEncoder("resnet18", bands=3, width=8, output_stride=stride)
        assert encoder(torch.zeros(1, 3, 64, 64))[-1].shape[-1] == 64 // stride


def test_upernet_on_swin_base_has_the_millions_of_weights_that_its_model_card_states() -> None:
    card = published_models()["FLAIR-HUB_LC-A_RGB_swinbase-upernet"].card
    with torch.device("meta"):
        network = build_network(card)
    assert f"{sum(weight.numel() for weight in network.parameters()) / 1e6:.1f}" == "89.4"
    assert card.width == FORMS[card.encoder].width


def test_windows_are_joined_as_they_were_split() -> None:
    x = torch.arange(2 * 6 * 9 * 2).view(2, 6, 9, 2)
    windows = split_windows(x, 3)
    assert windows.shape == (2 * 2 * 3, 9, 2)
    assert windows[0, :, 0].tolist() == x[0, :3, :3, 0].flatten().tolist()
    assert torch.equal(join_windows(windows, 3, 6, 9), x)


def test_pairs_of_tokens_that_stand_alike_share_a_bias() -> None:
    positions = relative_positions(2).view(4, 4)
    assert positions.diagonal().tolist() == [4, 4, 4, 4]
    assert positions[0, 1] == positions[2, 3] == 3
    assert positions[1, 0] == 5
    assert sorted(set(positions.flatten().tolist())) == list(range(9))


def test_a_shift_keeps_apart_what_it_brings_together() -> None:
    mask = region_mask(4, 4, 2, 1)
    assert mask.shape == (4, 4, 4)
    assert not mask[0].any()
    assert mask[1].tolist() == [[0, -100, 0, -100], [-100, 0, -100, 0], [0, -100, 0, -100], [-100, 0, -100, 0]]
    assert (mask[3] == -100).sum() == 12


def test_a_swin_that_inferred_can_be_trained_after() -> None:
    card = small_card("upernet")
    network = small_network(card)
    scores(network, pixels(card))
    network(pixels(card)).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("architecture", list(SMALL))
def test_a_network_runs_in_bfloat16_and_channels_last(architecture: str) -> None:
    card = small_card(architecture)
    network = small_network(card)
    full = scores(network, pixels(card))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        short = scores(network.to(memory_format=torch.channels_last), pixels(card)).float()  # type: ignore[call-overload]
    assert (short - full).abs().mean() < 0.05 * full.abs().mean() + 0.01


def test_elevation_has_an_encoder_of_its_own_and_moves_the_answer() -> None:
    card = elevation_card()
    network, x = small_network(card), pixels(elevation_card())
    higher = x.clone()
    higher[:, 2] += 1
    assert not torch.allclose(scores(network, x), scores(network, higher))
    assert any(name.startswith("elevation_encoder.") for name in network.state_dict())


@pytest.mark.parametrize("bands", [("mns", "mnt"), ("mns", "mnt", "rouge"), ("rouge", "mnt", "mns")])
def test_elevation_elsewhere_than_after_the_imagery_is_refused(bands: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="takes imagery first, then mns, mnt"):
        build_network(small_card("upernet", bands=bands, elevation="surface_and_height_m"))


def test_an_unknown_architecture_or_encoder_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(DataError, match="deeplabv3, deeplabv3plus, fpn, unet, upernet"):
        build_network(ModelCard(**{**as_stated(), "architecture": "linknet"}))
    with pytest.raises(DataError, match="unet has no encoder 'swin_tiny'; one of resnet18, resnet34"):
        build_network(small_card(encoder="swin_tiny"))


def as_stated() -> dict[str, object]:
    card = small_card()
    return {name: getattr(card, name) for name in card.__dataclass_fields__}


def test_every_architecture_has_a_small_network_in_the_tests() -> None:
    assert {architecture for architecture, _, _ in SMALL.values()} == set(ARCHITECTURES)

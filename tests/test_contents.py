"""Names and shapes of weights tell their architecture, encoder, bands, classes and width."""

from __future__ import annotations

import pytest
import torch
from segment_models import SMALL, elevation_card, small_card, small_network

from ocsge.segment.contents import Contents, contents_of
from ocsge.segment.networks import build_network


@pytest.mark.parametrize("kind", list(SMALL))
def test_weights_tell_their_network(kind: str) -> None:
    state = small_network(small_card(kind)).state_dict()
    assert contents_of(state) == Contents(*SMALL[kind], bands=3, classes=2)


@pytest.mark.parametrize(
    ("encoder", "width"),
    [("swin_tiny", 96), ("swin_small", 96), ("swin_base", 128), ("swin_large", 192), ("swin_base", 32)],
)
def test_weights_tell_which_swin_they_are_of(encoder: str, width: int) -> None:
    with torch.device("meta"):
        state = build_network(small_card("upernet", encoder=encoder, width=width)).state_dict()
    assert contents_of(state).encoder == encoder
    assert contents_of(state).width == width


def test_the_bands_of_elevation_count_among_the_bands() -> None:
    assert contents_of(small_network(elevation_card()).state_dict()).bands == 3


@pytest.mark.parametrize("kind", list(SMALL))
def test_weights_that_lost_their_shape_tell_less_and_break_nothing(kind: str) -> None:
    state = {name: torch.zeros(()) for name in small_network(small_card(kind)).state_dict()}
    found = contents_of(state)
    assert found.architecture == SMALL[kind][0]
    assert (found.width, found.bands, found.classes) == (None, None, None)


@pytest.mark.parametrize(
    ("names", "architecture", "encoder"),
    [
        (["encoder.patch_embed1.proj.weight", "decoder.blocks.0.conv1.0.weight"], "unet", "mit of  blocks"),
        (["encoder.model.stem_0.weight", "decoder.fpn_bottleneck.0.weight"], "upernet", "convnext"),
        (["encoder.conv1.weight", "encoder.layer1.0.conv3.weight"], None, "resnet50 or deeper"),
        (["encoder.conv1.weight", "encoder.layer1.2.conv1.weight"], None, "resnet of 3 blocks"),
        (["encoder.model.patch_embed.proj.weight"], None, "swin of  blocks"),
        (
            ["decoder.psp.out_conv.0.weight", "decoder.fpn_lateral_blocks.0.conv_norm_relu.0.weight"],
            "upernet of another version of segmentation_models_pytorch than 0.4.0",
            None,
        ),
        (["backbone.weight"], None, None),
    ],
)
def test_what_is_not_built_here_is_named(names: list[str], architecture: str | None, encoder: str | None) -> None:
    found = contents_of({name: torch.zeros(8, 3, 1, 1) for name in names})
    assert (found.architecture, found.encoder) == (architecture, encoder)

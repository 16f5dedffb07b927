"""Outputs equal those of segmentation_models_pytorch 0.4.0 on the same weights, where it can be imported.

Its dependency torchvision is built for CUDA and cannot register its compiled operators beside a CPU torch; the networks
need none of them, so two are declared here, without code, for it to be imported. ``docs/models.md`` has the command.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from segment_models import scores, small_card

from ocsge.segment.networks import build_network
from ocsge.segment.networks.swin import FORMS

OPERATORS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
DECLARED = torch.library.Library("torchvision", "FRAGMENT")


def imported() -> Any:
    """Return segmentation_models_pytorch, or skip."""
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            DECLARED.define(name + OPERATORS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("segmentation_models_pytorch", exc_type=Exception)  # type: ignore[arg-type]


def differences(architecture: str, encoder: str, *, bands: int, side: int, **options: Any) -> tuple[float, float]:
    """Return the greatest difference of scores between smp's network and ours, of the same random weights.

    In float32, as a share of the greatest score; in float64, where rounding hides nothing.
    """
    smp = imported()
    width = FORMS[encoder].width if encoder in FORMS else 64
    classes = tuple(f"class {number}" for number in range(19))
    names = ("rouge", "vert", "bleu", "infrarouge")[:bands]
    card = small_card(architecture, encoder=encoder, width=width, bands=names, head_classes=classes)
    name = f"tu-{FORMS[encoder].timm_name}" if encoder in FORMS else encoder
    torch.manual_seed(0)
    theirs = smp.create_model(
        architecture, encoder_name=name, encoder_weights=None, in_channels=bands, classes=19, **options
    )
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # the norms become those of one batch: scores stay of the size that trained ones have
    scores(theirs.train(), torch.randn(2, bands, side, side))
    state = {n: t for n, t in theirs.state_dict().items() if not n.startswith("decoder.fpn_stages.4.")}
    ours = build_network(card)
    ours.load_state_dict(state)
    x = torch.randn(1, bands, side, side)
    expected, found = scores(theirs.eval(), x), scores(ours.eval(), x)
    single, greatest = float((expected - found).abs().max()), float(expected.abs().max())
    x = x.double()
    double = float((scores(theirs.double(), x) - scores(ours.double(), x)).abs().max())
    print(f"| {architecture} | {encoder} | {side} | {greatest:.1f} | {single:.1e} | {double:.1e} |")
    return single / greatest, double


@pytest.mark.parametrize("architecture", ["unet", "fpn", "deeplabv3", "deeplabv3plus"])
@pytest.mark.parametrize("encoder", ["resnet18", "resnet34"])
def test_a_network_on_a_resnet_answers_as_smp(architecture: str, encoder: str) -> None:
    single, double = differences(architecture, encoder, bands=4, side=128)
    assert single < 1e-5
    assert double < 1e-10


def test_a_unet_on_a_mix_transformer_answers_as_smp() -> None:
    single, double = differences("unet", "mit_b5", bands=3, side=128)
    assert single < 1e-5
    assert double < 1e-10


@pytest.mark.parametrize(("encoder", "side"), [("swin_tiny", 256), ("swin_small", 256), ("swin_base", 512)])
def test_upernet_on_a_swin_answers_as_smp(encoder: str, side: int) -> None:
    single, double = differences("upernet", encoder, bands=3, side=side, img_size=side)
    assert single < 1e-5
    assert double < 1e-10

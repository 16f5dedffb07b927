"""A network made ready answers as the plain network does, on any batch, and only with classes that may win."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from ortho_scenes import FLAIR_CLASSES, card_of, renamed, textured, varied_network

from ocsge.errors import DataError, ParameterError
from ocsge.segment.core_scores import core_scores, decodes_core
from ocsge.segment.inference import Segmenter, choose_device, choose_precision, fold_norms
from ocsge.segment.networks import build_network

if TYPE_CHECKING:
    from ocsge.segment.model_card import ModelCard


def plain_scores(network: torch.nn.Module, card: ModelCard, pixels: np.ndarray) -> torch.Tensor:
    """Return the scores as a reader of the card would compute them: normalise, then the network as it is."""
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (card.mean, card.std))
    with torch.inference_mode():
        return network((torch.from_numpy(pixels).float() - mean) / std)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.stack([textured(5, 128, 128, seed=seed) for seed in range(3)])


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return card_of(("rouge", "vert", "bleu", "infrarouge", "elevation"))


@pytest.fixture(scope="module")
def network(card: ModelCard) -> torch.nn.Module:
    return varied_network(card)


def test_folded_norms_leave_the_scores_as_they_were(
    network: torch.nn.Module, card: ModelCard, pixels: np.ndarray
) -> None:
    ready = Segmenter.prepare(network, card, precision="fp32").members[0]
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in ready.network.modules())
    with torch.inference_mode():
        found = ready.logits(torch.from_numpy(pixels))
    expected = plain_scores(network, card, pixels)
    # to the very edge of the patch: what surrounds it is the mean, as zeros are once normalised
    assert float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())


def test_preparing_a_network_leaves_it_as_it_was(card: ModelCard, pixels: np.ndarray) -> None:
    network = varied_network(card)
    before = plain_scores(network, card, pixels)
    Segmenter.prepare(network, card, precision="bf16")
    assert torch.equal(plain_scores(network, card, pixels), before)
    # nor does it stop a training that asks for an answer in between
    ready = Segmenter.prepare(network.train(), card).members[0]
    assert network.training
    assert not ready.network.training


def test_a_norm_after_a_sequence_that_ends_with_a_convolution_is_folded_too() -> None:
    torch.manual_seed(0)
    inner = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 3, groups=2), torch.nn.Conv2d(2, 4, 1))
    network = torch.nn.Sequential(inner, torch.nn.BatchNorm2d(4), torch.nn.ReLU()).eval()
    torch.nn.init.normal_(network[1].running_mean)
    x = torch.randn(1, 2, 8, 8)
    expected = network(x)
    fold_norms(network)
    assert isinstance(network[1], torch.nn.Identity)
    assert torch.allclose(network(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "encoder"),
    [("unet", "resnet34"), ("fpn", "resnet18"), ("deeplabv3", "resnet18"), ("deeplabv3plus", "resnet18")],
)
def test_every_network_on_a_resnet_answers_as_it_did_once_folded(
    architecture: str, encoder: str, pixels: np.ndarray
) -> None:
    card = card_of(architecture=architecture, encoder=encoder)
    torch.manual_seed(0)
    network = build_network(card).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.3)
    ready = Segmenter.prepare(network, card, precision="fp32").members[0]
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in ready.network.modules())
    expected = plain_scores(network, card, pixels[:1, :3])
    with torch.inference_mode():
        found = ready.logits(torch.from_numpy(np.ascontiguousarray(pixels[:1, :3])))
    assert float((found - expected).abs().max()) < 1e-3 * max(1, float(expected.abs().max()))


@pytest.mark.parametrize("halo_px", [64, 96, 128])
@pytest.mark.parametrize("encoder", ["resnet18", "resnet34"])
def test_decoding_the_core_alone_gives_the_scores_of_the_core(encoder: str, halo_px: int) -> None:
    card = card_of(encoder=encoder)
    network = varied_network(card)
    x = torch.randn(1, 3, 320, 384)
    with torch.inference_mode():
        whole, core = network(x), core_scores(network, x, halo_px=halo_px)
    expected = whole[..., halo_px:-halo_px, halo_px:-halo_px]
    assert core.shape == expected.shape
    assert float((core - expected).abs().max()) < 1e-4 * float(expected.abs().max())


def test_only_a_unet_on_a_resnet_with_a_halo_that_is_long_enough_decodes_the_core_alone() -> None:
    assert decodes_core(build_network(card_of()), 64)
    assert not decodes_core(build_network(card_of()), 32)
    assert not decodes_core(build_network(card_of(architecture="fpn")), 64)
    assert not decodes_core(build_network(card_of(encoder="mit_b0")), 64)


class TwiceNormed(torch.nn.Module):
    """A network whose modules do not run in the order they are declared in."""

    stride = 1

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 3, 1)
        self.norm = torch.nn.BatchNorm2d(3)
        self.last = torch.nn.Conv2d(3, 6, 1)
        torch.nn.init.normal_(self.norm.running_mean)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.first(x) ** 2))


def test_a_network_that_folding_would_change_is_left_unfolded() -> None:
    torch.manual_seed(0)
    card, network = card_of(), TwiceNormed().eval()
    pixels = textured(3, 8, 8)[None]
    ready = Segmenter.prepare(network, card, precision="fp32").members[0]
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in ready.network.modules())
    with torch.inference_mode():
        assert torch.allclose(ready.logits(torch.from_numpy(pixels)), plain_scores(network, card, pixels), atol=1e-4)


def test_the_class_is_the_best_score_and_the_probability_its_softmax(
    network: torch.nn.Module, card: ModelCard, pixels: np.ndarray
) -> None:
    best, probability = Segmenter.prepare(network, card, precision="fp32").classify(pixels)
    expected = torch.softmax(plain_scores(network, card, pixels), dim=1)
    top, index = expected.max(dim=1)
    assert set(np.unique(best)) == set(range(6))
    assert (best == index.numpy()).mean() > 0.9999
    assert np.abs(probability - 255 * top.numpy()).max() <= 0.6


def test_the_probabilities_of_all_classes_sum_to_one(
    network: torch.nn.Module, card: ModelCard, pixels: np.ndarray
) -> None:
    segmenter = Segmenter.prepare(network, card, precision="fp32")
    every = segmenter.probabilities(pixels, halo_px=32)
    assert every.shape == (3, 6, 64, 64)
    assert np.abs(every.sum(axis=1, dtype=int) - 255).max() <= 3
    assert np.abs(every.max(axis=1).astype(int) - segmenter.classify(pixels, halo_px=32)[1]).max() <= 1


def test_the_core_is_the_answer_without_its_halo(network: torch.nn.Module, card: ModelCard, pixels: np.ndarray) -> None:
    segmenter = Segmenter.prepare(network, card, precision="fp32")
    whole, core = segmenter.classify(pixels)[0], segmenter.classify(pixels, halo_px=32)[0]
    assert (core == whole[:, 32:-32, 32:-32]).all()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("batch", [2, 4])
def test_a_patch_is_answered_alike_in_any_batch(
    network: torch.nn.Module, card: ModelCard, pixels: np.ndarray, precision: str, batch: int
) -> None:
    alone = Segmenter.prepare(network, card, precision=precision).classify(pixels)
    together = Segmenter.prepare(network, card, precision=precision, batch=batch).classify(pixels)
    assert (alone[0] == together[0]).mean() > 0.9999
    assert together[0].shape == (3, 128, 128)


def test_bf16_agrees_with_fp32_but_where_two_classes_are_close(
    network: torch.nn.Module, card: ModelCard, pixels: np.ndarray
) -> None:
    exact = Segmenter.prepare(network, card, precision="fp32")
    quick = Segmenter.prepare(network, card, precision="bf16").classify(pixels)[0]
    second, best = np.sort(exact.probabilities(pixels).astype(int), axis=1)[:, -2:].swapaxes(0, 1)
    same = exact.classify(pixels)[0] == quick
    # random weights leave most pixels between two classes; those that are not are answered alike
    assert same.mean() > 0.8
    assert same[best - second > 16].mean() > 0.999


def test_a_class_that_the_model_was_not_trained_for_never_wins(pixels: np.ndarray) -> None:
    card = card_of(head_classes=FLAIR_CLASSES, winning_classes=(*FLAIR_CLASSES[:3], FLAIR_CLASSES[7]))
    network = varied_network(card)
    best, _ = Segmenter.prepare(network, card, precision="fp32").classify(pixels[:, :3])
    assert set(np.unique(best)) == {0, 1, 2, 7}
    assert Segmenter.prepare(network, card).probabilities(pixels[:, :3]).shape[1] == 4


@pytest.mark.parametrize(("augmentation", "turned"), [("flips", np.fliplr), ("rotations", np.rot90)])
def test_averaging_the_views_of_a_patch_makes_the_answer_turn_with_it(
    network: torch.nn.Module, card: ModelCard, pixels: np.ndarray, augmentation: str, turned: object
) -> None:
    segmenter = Segmenter.prepare(network, card, precision="fp32", augmentation=augmentation)
    image = pixels[0]
    there = np.stack([turned(band) for band in image])
    straight, moved = (segmenter.classify(i[None])[0][0] for i in (image, there))
    assert (turned(straight) == moved).mean() > 0.999
    plain = Segmenter.prepare(network, card, precision="fp32")
    once, again = (plain.classify(i[None])[0][0] for i in (image, there))
    assert (turned(once) == again).mean() < 0.99  # what the average removes was there


def test_an_ensemble_averages_the_probabilities_of_its_models(card: ModelCard, pixels: np.ndarray) -> None:
    cards = [renamed(card, name) for name in ("a", "b")]
    networks = [varied_network(c, seed=seed) for seed, c in enumerate(cards)]
    ready = [Segmenter.prepare(n, c, precision="fp32") for n, c in zip(networks, cards, strict=True)]
    found = Segmenter.ensemble(ready).probabilities(pixels)
    mean = sum(torch.softmax(plain_scores(n, card, pixels), dim=1) for n in networks) / 2
    assert np.abs(found - 255 * mean.numpy()).max() <= 0.6


def test_an_ensemble_takes_classes_by_name_whatever_their_order(card: ModelCard, pixels: np.ndarray) -> None:
    network = varied_network(card)
    turned = card_of(card.bands, head_classes=card.head_classes[::-1], name="turned")
    flipped = varied_network(turned)
    state = network.state_dict()
    for name in ("segmentation_head.0.weight", "segmentation_head.0.bias"):
        state[name] = state[name].flip(0)
    flipped.load_state_dict(state)
    one = Segmenter.prepare(network, card, precision="fp32")
    both = Segmenter.ensemble([one, Segmenter.prepare(flipped, turned, precision="fp32")])
    assert (both.classify(pixels)[0] == one.classify(pixels)[0]).mean() > 0.999


def test_models_that_do_not_agree_are_not_averaged(network: torch.nn.Module, card: ModelCard) -> None:
    other = card_of(card.bands, head_classes=FLAIR_CLASSES[:5], name="five")
    with pytest.raises(DataError, match="five cannot be averaged: classes"):
        Segmenter.ensemble([Segmenter.prepare(network, card), Segmenter.prepare(varied_network(other), other)])


def test_patches_that_the_model_cannot_take_are_refused(
    network: torch.nn.Module, card: ModelCard, pixels: np.ndarray
) -> None:
    segmenter = Segmenter.prepare(network, card)
    with pytest.raises(DataError, match="3 bands given, it reads rouge, vert, bleu, infrarouge, elevation"):
        segmenter.classify(pixels[:, :3])
    with pytest.raises(ParameterError, match="multiples of 32"):
        segmenter.classify(pixels[..., :100])
    with pytest.raises(ParameterError, match="augmentation 'twice' is unknown"):
        Segmenter.prepare(network, card, augmentation="twice")


def test_memory_that_runs_out_halves_the_batch_once(
    network: torch.nn.Module, card: ModelCard, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter.prepare(network, card, precision="fp32", batch=4)
    answer, largest = segmenter._answer, 2

    def short_of_memory(chunk, **options):
        if segmenter.batch > largest:
            raise torch.OutOfMemoryError("out of memory")
        return answer(chunk, **options)

    monkeypatch.setattr(segmenter, "_answer", short_of_memory)
    expected = Segmenter.prepare(network, card, precision="fp32").classify(pixels)[0]
    assert (segmenter.classify(pixels)[0] == expected).mean() > 0.9999
    assert segmenter.batch == 2
    largest = 1
    with pytest.raises(torch.OutOfMemoryError):
        segmenter.classify(pixels)


def test_auto_takes_what_is_there() -> None:
    there = torch.cuda.is_available()
    assert choose_device("auto") == ("cuda" if there else "cpu")
    assert choose_precision("fp32", "cpu") == "fp32"
    assert choose_precision("auto", "cpu") in {"fp32", "bf16"}
    if not there:
        with pytest.raises(ParameterError, match="no CUDA device"):
            choose_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:9", "mps"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [choose_device(there) for there in ("cpu", "cpu:0", "cuda", "cuda:1")] == ["cpu", "cpu", "cuda", "cuda:1"]
    with pytest.raises(
        ParameterError, match=f"--device {name}: (unknown; give auto|not usable here; there is cpu, cuda:0)"
    ):
        choose_device(name)

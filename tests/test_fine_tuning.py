"""A training that starts from another model keeps what was learnt, by the name of each band and class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from ocsge.errors import DataError
from ocsge.segment.fine_tuning import adapted_card, adapted_network
from ocsge.segment.networks import build_network
from tests.generated_patches import small_card

if TYPE_CHECKING:
    from ocsge.segment.model_card import ModelCard


def test_the_same_classes_in_another_order_are_another_head() -> None:
    learnt, card = small_card(head_classes=("a", "b")), small_card(head_classes=("b", "a"))
    found = adapted_network(card, filled(learnt, 0.25), learnt).state_dict()
    assert (found["segmentation_head.0.weight"] != 0.25).any()


def test_the_weights_started_from_are_left_as_they_were() -> None:
    learnt = small_card()
    network = filled(learnt, 0.25)
    new = adapted_network(small_card(), network, learnt)
    with torch.no_grad():
        for parameter in new.parameters():
            parameter.zero_()
    assert all((parameter == 0.25).all() for parameter in network.parameters())


def filled(card: object, value: float) -> torch.nn.Module:
    network = build_network(card)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network


def test_new_classes_keep_all_but_the_head() -> None:
    learnt = small_card(name="ancien")
    card = small_card(head_classes=("eau", "bati", "route"))
    found = adapted_network(card, filled(learnt, 0.25), learnt).state_dict()
    changed = {name for name, tensor in found.items() if tensor.is_floating_point() and (tensor != 0.25).any()}
    assert {name for name in changed if "running" not in name} == {
        "segmentation_head.0.weight",
        "segmentation_head.0.bias",
    }
    assert found["segmentation_head.0.weight"].shape[0] == 3


def test_the_same_classes_keep_the_head() -> None:
    learnt = small_card(name="ancien")
    found = adapted_network(small_card(), filled(learnt, 0.25), learnt).state_dict()
    assert (found["segmentation_head.0.weight"] == 0.25).all()


def test_a_new_head_depends_on_the_seed_alone() -> None:
    learnt, card = small_card(name="ancien"), small_card(head_classes=("a", "b", "c"))
    heads = [
        adapted_network(card, filled(learnt, 1.0), learnt, seed=seed).state_dict()["segmentation_head.0.weight"]
        for seed in (0, 0, 1)
    ]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_the_first_convolution_takes_each_band_by_its_name() -> None:
    learnt = small_card(name="ancien")
    network = build_network(learnt)
    with torch.no_grad():
        for place in range(3):
            network.encoder.conv1.weight[:, place] = place + 1.0  # type: ignore[union-attr,operator]
    card = small_card(bands=("infrarouge", "bleu", "rouge"))
    filters = adapted_network(card, network, learnt).state_dict()["encoder.conv1.weight"]
    assert [filters[:, place].unique().tolist() for place in range(3)] == [[0.0], [3.0], [1.0]]


def test_a_new_band_says_nothing_until_it_is_learnt() -> None:
    learnt, torch_seed = small_card(name="ancien"), torch.Generator().manual_seed(0)
    network = build_network(learnt).eval()
    card = small_card(bands=("rouge", "vert", "bleu", "infrarouge"), mean=(0.0,) * 4, std=(1.0,) * 4)
    x = torch.randn(1, 4, 32, 32, generator=torch_seed)
    found = adapted_network(card, network, learnt).eval()
    torch.testing.assert_close(found(x), network(x[:, :3]))


def test_bands_that_were_learnt_keep_their_normalisation() -> None:
    learnt = small_card(name="ancien", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    card = small_card(bands=("bleu", "infrarouge"), mean=(50.0, 60.0), std=(7.0, 8.0))
    found = adapted_card(card, learnt)
    assert (found.mean, found.std) == ((3.0, 60.0), (6.0, 8.0))


def test_weights_of_another_network_are_refused_by_what_differs() -> None:
    learnt = small_card(name="ancien")
    with pytest.raises(DataError, match="width 16, but the weights of ancien are of 8"):
        adapted_network(small_card(width=16), build_network(learnt), learnt)


def test_weights_that_know_no_band_of_the_new_model_are_refused() -> None:
    learnt = small_card(name="ancien")
    card = small_card(bands=("infrarouge",), mean=(1.0,), std=(1.0,))
    with pytest.raises(DataError, match="no band of infrarouge is known to ancien, which has rouge, vert, bleu"):
        adapted_network(card, build_network(learnt), learnt)


def upernet(*bands: str) -> ModelCard:
    """Return the card of a small UPerNet; MNS and MNT have an encoder of their own there."""
    return small_card(
        architecture="upernet",
        encoder="swin_tiny",
        bands=bands,
        mean=(0.0,) * len(bands),
        std=(1.0,) * len(bands),
        elevation="surface_and_height_m" if "mnt" in bands else None,
    )


@pytest.mark.parametrize("bands", [("bleu", "rouge", "mns", "mnt"), ("bleu", "rouge")])
def test_a_network_with_an_encoder_of_elevation_is_taken_up_with_other_imagery(bands: tuple[str, ...]) -> None:
    learnt, card = upernet("rouge", "mns", "mnt"), upernet(*bands)
    found = adapted_network(card, filled(learnt, 0.25), learnt).state_dict()
    filters = found["encoder.model.patch_embed.proj.weight"]
    assert [filters[:, place].unique().tolist() for place in range(2)] == [[0.0], [0.25]]
    if "mns" in bands:
        assert found["elevation_encoder.model.patch_embed.proj.weight"].unique().tolist() == [0.25]


def test_elevation_with_an_encoder_of_its_own_cannot_start_from_weights_that_have_none() -> None:
    learnt = upernet("rouge", "vert")
    with pytest.raises(DataError, match=r"reads mns, mnt with an encoder of their own, which essai \(rouge"):
        adapted_network(upernet("rouge", "mns", "mnt"), build_network(learnt), learnt)


def test_weights_that_do_not_fit_their_card_are_refused_by_name() -> None:
    learnt = small_card(name="ancien")
    with pytest.raises(DataError, match="weights of ancien do not fit at encoder"):
        adapted_network(
            small_card(encoder="resnet34"), build_network(learnt), small_card(name="ancien", encoder="resnet34")
        )

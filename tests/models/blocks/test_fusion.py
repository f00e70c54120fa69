"""Ante-RNN eq. 11-14."""

import torch
from torch import Tensor, nn

from models.blocks.fusion import AttentionFusion, DenseFusion, ProductFusion, SingleView

V, D = 4, 6
BOTH = torch.ones(V, 2, dtype=torch.bool)


def views() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(V, D), torch.randn(V, D)


def layers(given_E: Tensor, found: nn.Sequential) -> Tensor:
    """Dense layers by their weights, ReLU between them."""
    dense = [part for part in found if isinstance(part, nn.Linear)]
    for part in dense[:-1]:
        given_E = (part.weight @ given_E + part.bias).clamp(min=0)
    return dense[-1].weight @ given_E + dense[-1].bias


def test_equations_13_and_14_by_hand() -> None:
    image_VD, text_VD = views()
    model = AttentionFusion(D)
    item_VD, share_V2 = model(image_VD, text_VD, BOTH)
    for v in range(V):
        tower_2 = layers(torch.cat([image_VD[v], text_VD[v]]), model.tower).exp()
        s_v, s_t = (tower_2 / tower_2.sum()).tolist()
        torch.testing.assert_close(share_V2[v], torch.tensor([s_v, s_t]))
        both_E = torch.cat([(1 + s_v) * image_VD[v], (1 + s_t) * text_VD[v]])
        torch.testing.assert_close(item_VD[v], torch.tanh(model.dense.weight @ both_E + model.dense.bias))


def test_shares_are_over_the_views_that_are_there() -> None:
    image_VD, text_VD = views()
    present_V2 = torch.tensor([[True, True], [False, True], [True, False], [False, False]])
    image_VD, text_VD = image_VD * present_V2[:, :1], text_VD * present_V2[:, 1:]
    model = AttentionFusion(D)
    item_VD, share_V2 = model(image_VD, text_VD, present_V2)
    assert share_V2[1:].tolist() == [[0, 1], [1, 0], [0, 0]]
    alone_E = torch.cat([torch.zeros(D), 2 * text_VD[1]])
    torch.testing.assert_close(item_VD[1], torch.tanh(model.dense.weight @ alone_E + model.dense.bias))


def test_product_is_symmetric_and_takes_a_missing_view_as_ones() -> None:
    image_VD, text_VD = views()
    model = ProductFusion(D)
    item_VD, _ = model(image_VD, text_VD, BOTH)
    assert torch.equal(item_VD, image_VD * text_VD)
    assert torch.equal(model(text_VD, image_VD, BOTH)[0], item_VD)
    lacking_V2 = BOTH.clone()
    lacking_V2[0, 0] = lacking_V2[1, 1] = False
    found_VD, _ = model(image_VD, text_VD, lacking_V2)
    assert torch.equal(found_VD[0], text_VD[0])
    assert torch.equal(found_VD[1], image_VD[1])
    assert torch.equal(found_VD[2:], item_VD[2:])


def test_equation_12_by_hand() -> None:
    image_VD, text_VD = views()
    model = DenseFusion(D)
    item_VD, _ = model(image_VD, text_VD, BOTH)
    torch.testing.assert_close(item_VD[2], layers(torch.cat([image_VD[2], text_VD[2]]), model.layers).tanh())


def test_single_passes_the_one_view_on() -> None:
    image_VD, text_VD = views()
    assert torch.equal(SingleView(D)(image_VD, torch.zeros(V, D), BOTH)[0], image_VD)
    assert torch.equal(SingleView(D)(torch.zeros(V, D), text_VD, BOTH)[0], text_VD)

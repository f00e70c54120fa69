import pytest
import torch

from engine.training.catalog import Catalog
from models.blocks.pooled import Items, PooledView


def catalog() -> Catalog:
    """Four items whose pictures share a large mean; item 2 has none."""
    torch.manual_seed(0)
    image_NC = torch.randn(5, 3) * torch.tensor([1.0, 4.0, 1.0]) + 20
    image_NC[[0, 2]] = 0
    return Catalog(4, {"image": image_NC, "text": torch.zeros(5, 2)})


def test_vectors_are_standardised_over_the_items_that_have_them() -> None:
    view = PooledView(catalog(), "image", 3)
    with torch.no_grad():
        view.dense.weight.copy_(torch.eye(3))
    part_ND, present_N = view(None)
    assert present_N.tolist() == [False, True, False, True, True]
    here_XD = part_ND[present_N]
    torch.testing.assert_close(here_XD.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(here_XD.std(0, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    assert not part_ND[~present_N].any()
    assert set(view.state_dict()) == {"dense.weight", "standard.mean_C", "standard.scale_C"}


def test_some_items_are_as_they_are_among_all() -> None:
    items = Items(catalog(), ("image",), 6)
    item_U = torch.tensor([4, 0, 2])
    some, all_of = items(item_U), items(None)
    for one, every in zip([*some[0], *some[1]], [*all_of[0], *all_of[1]], strict=True):
        torch.testing.assert_close(one, every[item_U])
    assert some[1][1].tolist() == [True, False, True]


def test_what_is_missed_is_a_mean_over_channels_and_items_that_have_the_view() -> None:
    view = PooledView(catalog(), "image", 2)
    item_U, code_UD = torch.tensor([2, 3, 4]), torch.randn(3, 2)
    made_UC, given_NC = code_UD @ view.dense.weight, view.standard(view.table_NC)
    expected = (made_UC[1:] - given_NC[3:]).square().sum() / 6
    torch.testing.assert_close(view.missed(item_U, code_UD), expected)
    assert view.missed(torch.tensor([2]), code_UD[:1]).item() == 0


def test_a_view_that_no_item_has_is_refused() -> None:
    with pytest.raises(ValueError, match="no item has a vector of view 'text'"):
        PooledView(catalog(), "text", 2)

import pytest
import torch
from torch import nn

from engine.training.catalog import Ragged
from models.blocks.ragged import GRUParts, LinearParts, NoParts, Parts, Standard, places

ITEMS = torch.tensor([3, 0, 2, 1])


def words() -> Ragged:
    """Three items with 2, 0 and 4 words, and row 0 with none."""
    torch.manual_seed(0)
    return Ragged(torch.randn(6, 5).half(), torch.tensor([0, 0, 2, 2, 6]))


def padded(parts: Parts) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of the parts, and where they are."""
    return parts.padded_UXD, parts.valid_UX


def test_parts_of_some_items_lie_one_item_after_the_other() -> None:
    ragged = words()
    place_X, length_U = places(ragged, ITEMS)
    assert length_U.tolist() == [4, 0, 0, 2]
    assert place_X.tolist() == [2, 3, 4, 5, 0, 1]
    parts = Parts(ragged.value_XD[place_X].float(), length_U)
    assert parts.offset_U.tolist() == [0, 4, 4, 4, 6]
    part_UXD, valid_UX = padded(parts)
    expected_UXD, expected_UX = ragged.rows(ITEMS)
    assert torch.equal(part_UXD, expected_UXD)
    assert torch.equal(valid_UX, expected_UX)


def test_parts_of_rows_with_holes_are_those_that_there_are() -> None:
    torch.manual_seed(0)
    row_UXD = torch.randn(2, 3, 2, requires_grad=True)
    valid_UX = torch.tensor([[True, False, True], [False, True, False]])
    parts = Parts.of(row_UXD, valid_UX)
    assert torch.equal(parts.value_XD, row_UXD[valid_UX])
    assert parts.length_U.tolist() == [2, 1]
    parts.padded_UXD.sum().backward()
    assert torch.equal(row_UXD.grad, valid_UX[..., None].expand(2, 3, 2).float())


def test_what_all_parts_share_is_taken_off() -> None:
    torch.manual_seed(0)
    value_XD = torch.randn(500, 4) * torch.tensor([1.0, 5.0, 1e-4, 0.0]) + torch.tensor([0.0, 30.0, 3.0, 2.0])
    standard = Standard(value_XD)
    found_XD = standard(value_XD)
    torch.testing.assert_close(found_XD.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(found_XD.std(0, correction=0)[:2], torch.ones(2))
    assert found_XD[:, 2:].abs().max() < 0.01  # what hardly varies is not blown up
    assert set(standard.state_dict()) == {"mean_C", "scale_C"}


def test_linear_is_one_layer_over_each_part() -> None:
    model = LinearParts(words(), 3)
    part_UXD, valid_UX = padded(model(ITEMS))
    assert valid_UX.tolist() == [[True] * 4, [False] * 4, [False] * 4, [True, True, False, False]]
    for place, flat in ((0, slice(2, 6)), (3, slice(0, 2))):
        expected_XD = model.standard(model.ragged.value_XD[flat].float()) @ model.dense.weight.T + model.dense.bias
        torch.testing.assert_close(part_UXD[place][valid_UX[place]], expected_XD)
    assert not part_UXD[~valid_UX].any()


def test_gru_reads_each_text_both_ways_by_itself() -> None:
    model = GRUParts(words(), 3)
    part_UXD, valid_UX = padded(model(ITEMS))
    for place, flat in ((0, slice(2, 6)), (3, slice(0, 2))):
        both_XE = model.gru(model.standard(model.ragged.value_XD[flat].float())[None])[0][0]
        torch.testing.assert_close(part_UXD[place][valid_UX[place]], (both_XE[:, :3] + both_XE[:, 3:]) / 2)
    assert not part_UXD[~valid_UX].any()


@pytest.mark.parametrize("kind", [LinearParts, GRUParts])
def test_items_without_any_parts(kind: type[nn.Module]) -> None:
    part_UXD, valid_UX = padded(kind(words(), 3)(torch.tensor([0, 2])))
    assert part_UXD.shape[0] == 2
    assert not valid_UX.any()
    assert not part_UXD.any()


@pytest.mark.parametrize("kind", [LinearParts, GRUParts])
def test_gradients_reach_the_layer(kind: type[nn.Module]) -> None:
    model = kind(words(), 3)
    model(ITEMS).value_XD.pow(2).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.parameters())


def test_a_view_that_was_not_given_has_no_parts() -> None:
    part_UXD, valid_UX = padded(NoParts(3)(ITEMS))
    assert part_UXD.shape == (4, 0, 3)
    assert valid_UX.shape == (4, 0)

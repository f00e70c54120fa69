import pytest
import torch
from torch import nn

from models.blocks.crossing import Attend, LastItem, MixedLSTM, ParallelLSTM, SelfAndCross


def parts(views: int = 2) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Two rows of four events; the second row has no view before its third event, and its last is padding."""
    torch.manual_seed(3)
    there = torch.tensor([[True, False, True, True], [False, False, True, False]])
    valid = torch.tensor([[True] * 4, [True, True, True, False]])
    part = [torch.randn(2, 4, 6) * there[..., None] for _ in range(views)]
    return [*part, torch.randn(2, 4, 6) * valid[..., None]], [*[there] * views, valid]


SEQUENCES: list[nn.Module] = [
    SelfAndCross(2, 6, 5, 0, 0.0),
    SelfAndCross(2, 6, 5, 8, 0.0),
    ParallelLSTM(2, 6),
]


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_before_a_view_is_seen_its_state_is_zero(sequence: nn.Module) -> None:
    state, seen = sequence(*parts())
    for view in (0, 1):
        assert seen[view].tolist() == [[True] * 4, [False, False, True, True]]
        assert not state[view][1, :2].any()
        assert state[view][1, 2:].all()
    assert state[2].all()


@pytest.mark.parametrize("inner", [0, 8])
def test_an_event_that_is_not_there_is_not_attended_to(inner: int) -> None:
    layer = Attend(6, inner, 0.0)
    asking, other, there = torch.randn(1, 3, 6), torch.randn(1, 3, 6), torch.tensor([[True, False, True]])
    changed = other.clone()
    changed[0, 1] += 5
    torch.testing.assert_close(layer(asking, other, there), layer(asking, changed, there))
    assert not torch.allclose(layer(asking, other, there), layer(asking, changed, ~there), atol=1e-3)
    assert layer.shares(asking, other, there)[0, :, 1].tolist() == [0, 0, 0]


def test_bare_attention_is_a_weighed_sum_of_values() -> None:
    sequence = SelfAndCross(2, 6, 5, 0, 0.0)
    part, there = parts()
    last_B = torch.tensor([3, 2])
    state, _ = sequence(part, there)
    for one, traced in zip(state, sequence.traced(part, there, last_B), strict=True):
        assert traced.value_BLD is not None
        found = (traced.share_BL[:, None] @ traced.value_BLD)[:, 0]
        torch.testing.assert_close(found, one[torch.arange(2), last_B])


def test_shares_through_both_attentions_sum_to_one() -> None:
    sequence = SelfAndCross(2, 6, 5, 8, 0.0)
    for traced in sequence.traced(*parts(), torch.tensor([3, 2])):
        assert traced.value_BLD is None
        torch.testing.assert_close(traced.share_BL.sum(1), torch.ones(2))
    before = sequence.traced(*parts(), torch.tensor([3, 1]))
    assert [t.share_BL[1].sum().item() for t in before[:2]] == [0, 0]


@pytest.mark.parametrize("views", [0, 1])
def test_without_two_views_nothing_is_crossed(views: int) -> None:
    sequence = SelfAndCross(views, 6, 5, 0, 0.0)
    part, there = parts(views)
    state, _ = sequence(part, there)
    assert len(sequence.cross) == 0
    for layer, one, p, t in zip(sequence.own, state, part, there, strict=True):
        placed = p + sequence.slot_LD[:4]
        torch.testing.assert_close(one, layer(placed, placed, t))


def test_a_mixed_recurrence_is_cut_in_parts_and_the_last_item_is_itself() -> None:
    part, there = parts()
    mixed = MixedLSTM(2, 6)
    state, seen = mixed(part, there)
    torch.testing.assert_close(torch.cat(state, -1), mixed.layer(torch.cat(part, -1))[0])
    assert all(s is there[2] for s in seen)
    assert LastItem()(part, there) == (part, there)
    assert LastItem().traced(part, there, torch.tensor([0, 0])) == []

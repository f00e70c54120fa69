"""Scores above a target's and equal to it, counted."""

import pytest
import torch
from torch import Tensor

from engine.evaluation import counting
from engine.evaluation.counting import counts
from engine.evaluation.rank import rank
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.contract import Factored
from engine.training.interactions import Interactions
from engine.training.needs import Needs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_by_hand(dtype: torch.dtype) -> None:
    score_BN = torch.tensor(
        [[1.0, 2.0, 3.0, 2.0], [5.0, 5.0, 5.0, -torch.inf], [torch.nan, 0.0, 1.0, -1.0]], dtype=dtype
    )
    own_B = torch.tensor([2.0, 5.0, 0.0], dtype=dtype)
    greater_B, ties_B = counts(score_BN, own_B, torch.zeros(3, dtype=dtype))
    assert greater_B.tolist() == [1, 0, 1]
    assert ties_B.tolist() == [2, 3, 1]


def test_slack_makes_ties() -> None:
    score_BN = torch.tensor([[0.8, 0.95, 1.0, 1.05, 1.2]])
    for dtype in (torch.float32, torch.float64):
        greater_B, ties_B = counts(score_BN.to(dtype), torch.ones(1, dtype=dtype), torch.full((1,), 0.1, dtype=dtype))
        assert (greater_B.item(), ties_B.item()) == (1, 3)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("rows", [1, 3, 70])
def test_the_compiled_loop_counts_as_torch_does_on_any_threads(
    threads: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "WORTH", 100)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    torch.manual_seed(0)
    score_BN, own_B = torch.randn(rows, 900).round(decimals=1), torch.randn(rows).round(decimals=1)
    score_BN[:, 7] = torch.nan
    found = counts(score_BN, own_B, torch.zeros(rows))
    expected = counts(score_BN.double(), own_B.double(), torch.zeros(rows).double())
    assert torch.equal(torch.stack(found), torch.stack(expected))
    assert found[1].sum() > 0


class Constant(Factored):
    """Every item has the same vector, so that sums in another order are the only difference."""

    def __init__(self, items: int):
        super().__init__()
        torch.manual_seed(0)
        self.key_ND = torch.randn(1, 128).expand(items + 1, -1).contiguous()
        self.query_BD = torch.randn(64, 128)

    @property
    def needs(self) -> Needs:
        return Needs()

    def query(self, batch: Batch) -> Tensor:
        return self.query_BD[batch.user_B]

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.key_ND if item_U is None else self.key_ND[item_U]


def test_a_constant_scorer_ties_with_all_and_is_at_chance() -> None:
    items, user_C = 5000, torch.arange(1, 60)
    events = Interactions(user_C, user_C, user_C, torch.arange(-1, 60).clamp(min=0), 59, items)
    counts = rank(Constant(items), Cases(user_C, torch.zeros_like(user_C), user_C * 50), events, "kept")
    assert counts.greater.max() == 0
    assert counts.ties.min() == items - 1

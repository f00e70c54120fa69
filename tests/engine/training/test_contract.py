"""What the abilities of a model give it."""

from typing import final

import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.contract import Factored
from engine.training.needs import Needs


@final
class Table(Factored):
    """Keys out of a table; `asked` keeps whose were made, None for all."""

    def __init__(self, key_ND: Tensor):
        super().__init__()
        self.key_ND = key_ND
        self.asked: list[list[int] | None] = []

    @property
    def needs(self) -> Needs:
        return Needs()

    def query(self, batch: Batch) -> Tensor:
        return self.key_ND[batch.user_B] + 1

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        self.asked.append(None if item_U is None else item_U.tolist())
        return self.key_ND if item_U is None else self.key_ND[item_U]


def test_scores_are_inner_products_and_each_asked_item_is_made_once() -> None:
    model = Table(torch.randn(9, 3, generator=torch.Generator().manual_seed(1)))
    user_B = torch.tensor([2, 5])
    batch = Batch(user_B, torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, dtype=torch.long), user_B[:, None])
    item_BK = torch.tensor([[7, 1, 7], [4, 1, 7]])
    score_BK = model.score(batch, item_BK)
    assert model.asked == [[1, 4, 7]]
    for b in range(2):
        for k in range(3):
            torch.testing.assert_close(score_BK[b, k], (model.key_ND[user_B[b]] + 1) @ model.key_ND[item_BK[b, k]])
    torch.testing.assert_close(model.score_all(batch).gather(1, item_BK), score_BK)
    assert model.asked == [[1, 4, 7], None]

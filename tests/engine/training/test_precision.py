"""The precision of a run reaches the model's products."""

from pathlib import Path

import pytest
import torch

from engine.training.batch import Batch
from engine.training.contract import Learner
from engine.training.fit import Train, fit
from engine.training.needs import Needs
from tests.models.world import World


class Product(Learner):
    """Notes the type of its products."""

    def __init__(self, items: int):
        super().__init__()
        self.item_ND = torch.nn.Parameter(torch.randn(items + 1, 8))
        self.types: set[torch.dtype] = set()

    @property
    def needs(self) -> Needs:
        return Needs()

    def score(self, batch: Batch, item_BK: torch.Tensor) -> torch.Tensor:
        return self.item_ND[item_BK].sum(-1)

    def loss(self, batch: Batch) -> torch.Tensor:
        product_NN = self.item_ND @ self.item_ND.T
        self.types.add(product_NN.dtype)
        return product_NN.float().square().mean()


@pytest.mark.parametrize(("precision", "dtype"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_a_mixed_precision_multiplies_in_16_bits(tmp_path: Path, precision: str, dtype: torch.dtype) -> None:
    world = World([[1, 2, 3], [2, 3, 4]], 5)
    model = Product(world.items)
    settings = Train(epochs=1, batch_size=8, lr=0.01, weight_decay=0.0, clip=0.0, patience=1, precision=precision)
    fit(model, world.interactions(), lambda: 0.0, settings, 1, tmp_path / "run.pt")
    assert model.types == {dtype}
    assert model.item_ND.dtype is torch.float32

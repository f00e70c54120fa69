"""Pooled vectors of pictures and texts in the model's width. An item without one is zero, whatever was learnt."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.needs import View
from models.blocks.ragged import Standard


class PooledView(nn.Module):
    """W e of each item's standardised vector e, without a bias: a missing view is a zero block.

    The catalog keeps the vectors; the standard is folded into W, so that they are read once and never copied whole.
    """

    present_N: Tensor

    def __init__(self, catalog: Catalog, view: View, dim: int):
        super().__init__()
        self.table_NC = catalog.vector(view)
        self.register_buffer("present_N", catalog.present(view), persistent=False)
        if not self.present_N.any():
            raise ValueError(f"no item has a vector of view {view!r}: leave it out of the model's views, or make it")
        self.standard = Standard(self.table_NC[self.present_N])
        self.dense = nn.Linear(self.table_NC.shape[1], dim, bias=False)

    def forward(self, item_U: Tensor | None) -> tuple[Tensor, Tensor]:
        """view_UD and present_U of some items, or of all (None: U = N)."""
        table = self.table_NC if item_U is None else self.table_NC.index_select(0, item_U)
        present_U = self.present_N if item_U is None else self.present_N[item_U]
        view_UD: Tensor = self.standard.into(self.dense, table.to(self.dense.weight.dtype))
        return view_UD * present_U[:, None], present_U

    def missed(self, item_U: Tensor, code_UD: Tensor) -> Tensor:
        """||W^T code - e||², its mean over channels and over the items that have the view; the decoder is W itself."""
        here_U = self.present_N[item_U]
        given_UC = self.standard(self.table_NC[item_U[here_U]].to(self.dense.weight.dtype))
        total = F.mse_loss(code_UD[here_U] @ self.dense.weight, given_UC, reduction="sum")
        found: Tensor = total / max(given_UC.numel(), 1)
        return found


class Items(nn.Module):
    """Items as parts: their views, in order, then a row of numbers of their own."""

    def __init__(self, catalog: Catalog, views: tuple[View, ...], dim: int):
        super().__init__()
        self.views = nn.ModuleList(PooledView(catalog, view, dim) for view in views)
        self.row = nn.Embedding(catalog.items + 1, dim, padding_idx=0)
        nn.init.normal_(self.row.weight[1:], std=dim**-0.5)

    def forward(self, item_U: Tensor | None) -> tuple[list[Tensor], list[Tensor]]:
        """part_UD and there_U of each part, for some items or for all (None)."""
        rows_UD = self.row.weight if item_U is None else self.row(item_U)
        item = torch.arange(len(self.row.weight), device=rows_UD.device) if item_U is None else item_U
        found = [view(item_U) for view in self.views]
        return [part_UD for part_UD, _ in found] + [rows_UD], [there_U for _, there_U in found] + [item > 0]


def dimmed(batch: Batch, part: list[Tensor], views: tuple[View, ...]) -> list[Tensor]:
    """part_BLD of the events' items [views, row], each times the presence of the event and of its view."""
    seen = [batch.present(part_BLD, view) for part_BLD, view in zip(part, views, strict=False)]
    return [batch.present(part_BLD) for part_BLD in [*seen, part[-1]]]


def spread(part: Tensor, views: tuple[View, ...]) -> Tensor:
    """Columns [views, row] at their fixed places picture, text, row: [..., 3], zero where a view is not used."""
    at = [("image", "text").index(view) for view in views] + [2]
    return part.new_zeros(*part.shape[:-1], 3).index_copy(-1, torch.tensor(at, device=part.device), part)

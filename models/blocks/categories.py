"""What the categories of an item make of a vector: one matrix each, added or multiplied along the tree's paths."""

import torch
from torch import Tensor, nn

from engine.categories import Categories


class NoFeatures(nn.Module):
    """Vectors stay as they are."""

    def forward(self, value_XD: Tensor, row_X: Tensor, item_U: Tensor) -> Tensor:
        """The same vectors."""
        return value_XD


class _Features(nn.Module):
    """A matrix a category, near the identity; an item without categories leaves vectors as they are."""

    def __init__(self, categories: Categories, dim: int):
        super().__init__()
        self.categories = categories
        self.matrix_CDD = nn.Parameter(torch.eye(dim) + 0.1 * dim**-0.5 * torch.randn(len(categories.names), dim, dim))

    def forward(self, value_XD: Tensor, row_X: Tensor, item_U: Tensor) -> Tensor:
        """Each vector through the matrix of its row's item; rows are those of `item_U`."""
        if not len(value_XD):
            return value_XD
        item_V, row_U = torch.unique(item_U, return_inverse=True)
        matrix_VDD = self.matrices(item_V)
        owner_X = row_U[row_X]
        order_X = torch.argsort(owner_X, stable=True)
        count_V = torch.bincount(owner_X, minlength=len(item_V))
        place_X = torch.arange(len(owner_X), device=owner_X.device) - (count_V.cumsum(0) - count_V)[owner_X[order_X]]
        spread_VYD = value_XD.new_zeros(len(item_V), int(count_V.max()), value_XD.shape[1])
        where = (owner_X[order_X], place_X)
        mapped_VYD = spread_VYD.index_put(where, value_XD[order_X]) @ matrix_VDD.transpose(1, 2)
        back_X = torch.argsort(order_X)
        mapped_XD: Tensor = mapped_VYD[where][back_X]
        return mapped_XD

    def matrices(self, item_V: Tensor) -> Tensor:
        """One matrix an item, matrix_VDD."""
        raise NotImplementedError

    def _table(self) -> Tensor:
        """The matrices by category, the identity where there is none (0)."""
        eye_1DD = torch.eye(self.matrix_CDD.shape[1], device=self.matrix_CDD.device, dtype=self.matrix_CDD.dtype)[None]
        return torch.cat([eye_1DD, self.matrix_CDD])

    def _or_identity(self, total_VDD: Tensor, row_Y: Tensor) -> Tensor:
        has_V = torch.bincount(row_Y, minlength=len(total_VDD)) > 0
        return torch.where(has_V[:, None, None], total_VDD, self._table()[0])


class FlatFeatures(_Features):
    """Eq. 11: the sum over an item's categories, each once."""

    def matrices(self, item_V: Tensor) -> Tensor:
        path_YD, row_Y = self.categories.rows(item_V)
        some = path_YD > 0
        pair_P2 = torch.unique(torch.stack([row_Y[:, None].expand_as(path_YD)[some], path_YD[some]], 1), dim=0)
        total_VDD = self.matrix_CDD.new_zeros(len(item_V), *self.matrix_CDD.shape[1:])
        total_VDD = total_VDD.index_add(0, pair_P2[:, 0], self.matrix_CDD[pair_P2[:, 1] - 1])
        return self._or_identity(total_VDD, row_Y)


class PathFeatures(_Features):
    """Eq. 12: the product along a path, the root's matrix first applied; over several paths the mean."""

    def matrices(self, item_V: Tensor) -> Tensor:
        path_YD, row_Y = self.categories.rows(item_V)
        table = self._table()
        product_YDD = table[torch.zeros_like(row_Y)]
        for depth in range(path_YD.shape[1]):
            product_YDD = table[path_YD[:, depth]] @ product_YDD
        count_V = torch.bincount(row_Y, minlength=len(item_V)).clamp(min=1)
        total_VDD = product_YDD.new_zeros(len(item_V), *product_YDD.shape[1:]).index_add(0, row_Y, product_YDD)
        return self._or_identity(total_VDD / count_V[:, None, None], row_Y)

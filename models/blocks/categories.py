"""What the categories of an item make of a vector: one matrix each, added or multiplied along the tree's paths."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.training.catalog import Catalog
from engine.training.categories import Categories

Combine = Callable[[Categories, Tensor, Tensor], Tensor]


class NoFeatures(nn.Module):
    """Vectors stay as they are."""

    def forward(self, value_XD: Tensor, row_X: Tensor, item_U: Tensor) -> Tensor:
        """The same vectors."""
        return value_XD


class Features(nn.Module):
    """A matrix a category, at first near the identity; an item without categories leaves vectors as they are."""

    def __init__(self, categories: Categories, dim: int, combine: Combine):
        super().__init__()
        self.categories, self.combine = categories, combine
        self.matrix_CDD = nn.Parameter(torch.eye(dim) + 0.1 * dim**-0.5 * torch.randn(len(categories.names), dim, dim))

    def forward(self, value_XD: Tensor, row_X: Tensor, item_U: Tensor) -> Tensor:
        """Each vector through the matrix of its row's item; rows are those of `item_U`."""
        if not len(value_XD):
            return value_XD
        item_V, row_U = torch.unique(item_U, return_inverse=True)
        matrix_VDD = self.combine(self.categories, self.matrix_CDD, item_V)
        owner_X, order_X = row_U[row_X].sort(stable=True)
        count_V = torch.bincount(owner_X, minlength=len(item_V))
        place_X = torch.arange(len(owner_X), device=owner_X.device) - (count_V.cumsum(0) - count_V)[owner_X]
        spread_VYD = value_XD.new_zeros(len(item_V), int(count_V.max()), value_XD.shape[1])
        spread_VYD = spread_VYD.index_put((owner_X, place_X), value_XD[order_X])
        mapped_VYD = spread_VYD @ matrix_VDD.transpose(1, 2)
        mapped_XD: Tensor = mapped_VYD[owner_X, place_X][torch.argsort(order_X)]
        return mapped_XD


def flat(categories: Categories, matrix_CDD: Tensor, item_V: Tensor) -> Tensor:
    """Eq. 11: the sum over an item's categories, each once."""
    row_P, category_P = categories.once(item_V)
    total_VDD = matrix_CDD.new_zeros(len(item_V), *matrix_CDD.shape[1:])
    return _or_identity(total_VDD.index_add(0, row_P, matrix_CDD[category_P - 1]), row_P)


def hierarchical(categories: Categories, matrix_CDD: Tensor, item_V: Tensor) -> Tensor:
    """Eq. 12: the product along a path, the root's matrix first applied; over several paths the mean."""
    path_YD, row_Y = categories.rows(item_V)
    table = torch.cat([_identity(matrix_CDD)[None], matrix_CDD])  # 0, after a path's end, changes nothing
    product_YDD = table[torch.zeros_like(row_Y)]
    for depth in range(path_YD.shape[1]):
        product_YDD = table[path_YD[:, depth]] @ product_YDD
    count_V = torch.bincount(row_Y, minlength=len(item_V)).clamp(min=1)
    product_YDD = product_YDD.to(matrix_CDD.dtype)  # mixed precision makes 16 bits of it
    total_VDD = matrix_CDD.new_zeros(len(item_V), *matrix_CDD.shape[1:]).index_add(0, row_Y, product_YDD)
    return _or_identity(total_VDD / count_V[:, None, None], row_Y)


def _or_identity(total_VDD: Tensor, row_Y: Tensor) -> Tensor:
    has_V = torch.bincount(row_Y, minlength=len(total_VDD)) > 0
    return torch.where(has_V[:, None, None], total_VDD, _identity(total_VDD))


def _identity(matrix_CDD: Tensor) -> Tensor:
    return torch.eye(matrix_CDD.shape[-1], device=matrix_CDD.device, dtype=matrix_CDD.dtype)


FEATURES: dict[str, Callable[[Catalog, int], nn.Module]] = {
    "none": lambda catalog, dim: NoFeatures(),
    "flat": lambda catalog, dim: Features(catalog.categories, dim, flat),
    "hierarchical": lambda catalog, dim: Features(catalog.categories, dim, hierarchical),
}

"""Features by item id: one tensor a view, row i is item i, row 0 is zero."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.training.categories import Categories


@dataclass(frozen=True)
class Ragged:
    """Vectors of each item, as many as it has: value_XD flat, offset_N [items + 2]."""

    value_XD: Tensor
    offset_N: Tensor

    def rows(self, item_U: Tensor, limit: int = 0) -> tuple[Tensor, Tensor]:
        """The vectors of some items as value_UXD in 32 bits and valid_UX, padded to the longest (at most `limit`)."""
        start_U = self.offset_N[item_U]
        length_U = self.offset_N[item_U + 1] - start_U
        if limit:
            length_U = length_U.clamp(max=limit)
        width = max(int(length_U.max()) if len(length_U) else 0, 1)
        step_X = torch.arange(width, device=item_U.device)
        valid_UX = step_X < length_U[:, None]
        place_UX = (start_U[:, None] + step_X).clamp(max=max(len(self.value_XD) - 1, 0))
        return self.value_XD[place_UX].float() * valid_UX[..., None], valid_UX


class Catalog:
    """The views of the items of a data set, each loaded when it was asked for.

    `topics`: how many topics the profiles have (0: none). `vector(view)` [N, D] f32 with `present(view)` [N] for image,
    text and topics (the shares in the item's own text); `ragged(view)` for words and regions; `categories` are paths.
    N = items + 1.
    """

    def __init__(
        self,
        items: int,
        vectors: dict[str, Tensor] | None = None,
        ragged: dict[str, Ragged] | None = None,
        topics: int = 0,
        categories: Categories | None = None,
    ):
        self.items = items
        self.topics = topics
        self._vectors = vectors or {}
        self._ragged = ragged or {}
        self._categories = categories

    def vector(self, view: str) -> Tensor:
        """One vector an item [N, D], zeros where it has none."""
        if view not in self._vectors:
            raise KeyError(self._missing(view))
        return self._vectors[view]

    def present(self, view: str) -> Tensor:
        """Which items have the view [N] bool."""
        if view in self._vectors:
            return (self._vectors[view] != 0).any(dim=1)
        return self.ragged(view).offset_N.diff() > 0

    def ragged(self, view: str) -> Ragged:
        """The vectors of each item, as many as it has."""
        if view not in self._ragged:
            raise KeyError(self._missing(view))
        return self._ragged[view]

    @property
    def categories(self) -> Categories:
        """The items' categories."""
        if self._categories is None:
            raise KeyError(self._missing("categories"))
        return self._categories

    def width(self, view: str) -> int:
        """How wide a vector of the view is."""
        return self.vector(view).shape[1] if view in self._vectors else self.ragged(view).value_XD.shape[1]

    def knocked(self, view: str, how: Literal["shuffled", "constant"], seed: int) -> "Catalog":
        """The catalog with what a view tells of items taken out: the vectors change hands among the items that have
        them (drawn by the seed), or all of those items get the mean one.

        Raises:
            KeyError: the catalog has no such view.
        """
        item_P = self.present(view).nonzero()[:, 0]
        order_P = torch.randperm(len(item_P), generator=torch.Generator().manual_seed(seed)).to(item_P.device)
        if view in self._vectors:
            value_ND = self._vectors[view].clone()
            mean_D = value_ND[item_P].mean(0) if len(item_P) else value_ND[0]
            value_ND[item_P] = value_ND[item_P[order_P]] if how == "shuffled" else mean_D
            return self._but(self._vectors | {view: value_ND}, self._ragged)
        ragged = self.ragged(view)
        if how == "constant":
            offset_N = torch.cat([ragged.offset_N[:1], (ragged.offset_N.diff() > 0).cumsum(0)])
            mean_D = ragged.value_XD.float().mean(0).to(ragged.value_XD.dtype)
            changed = Ragged(mean_D.expand(len(item_P), -1).clone(), offset_N)
        else:
            whose_N = torch.arange(self.items + 1, device=item_P.device)
            whose_N[item_P] = item_P[order_P]
            length_N = ragged.offset_N.diff()[whose_N]
            offset_N = torch.cat([ragged.offset_N[:1], length_N.cumsum(0)])
            step_X = torch.arange(int(offset_N[-1]), device=item_P.device) - offset_N[:-1].repeat_interleave(length_N)
            changed = Ragged(ragged.value_XD[ragged.offset_N[whose_N].repeat_interleave(length_N) + step_X], offset_N)
        return self._but(self._vectors, self._ragged | {view: changed})

    def _but(self, vectors: dict[str, Tensor], ragged: dict[str, Ragged]) -> "Catalog":
        return Catalog(self.items, vectors, ragged, self.topics, self._categories)

    def _missing(self, view: str) -> str:
        return f"no view {view!r} in the catalog; it has {sorted([*self._vectors, *self._ragged])}"

"""FDSA: self-attention over items and, beside it, over their features (Zhang et al., IJCAI 2019).

f_i = sum_k alpha_k a_k over the item's features (each of its categories, its picture, its text), where alpha =
softmax of w . a_k over them. Two causal transformers read E[i] and f_i, each with slots of its own; score =
drop(LN(W [O_i; O_f] + b)) . E[i].

**Departs from the paper:** a reconstruction, as the source could not be read. Every position of a window is learnt
from, not one prefix a row. Each category of an item is a feature by itself, so that attention has something to choose
among where there is one kind; the paper weighs kinds. Slots are counted from a row's first event. The loss is a softmax
over the catalogue unless `objective: bce` (the paper's) is asked. An item without features is zero to the second one.
Candidates do not use their features, as in the paper.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Learner, Weights
from engine.training.needs import Needs, View
from models.blocks.objective import Rivals, compare
from models.blocks.pooled import PooledView
from models.blocks.transformer import Encoder, Layers, embedded, stacked


class Config(Layers, Rivals):
    """Both transformers, what the second reads and what is learnt by."""

    norm: Literal["pre", "post"] = Field("pre", description="Pre-LN blocks, or BERT's")
    features: tuple[Literal["categories", "image", "text"], ...] = Field(
        ("categories",), min_length=1, description="what an item has besides itself, pictures and texts as vectors"
    )
    objective: Literal["full", "chunked", "sampled", "bce", "gbce"] = Field(
        "chunked", description="full, chunked, sampled: softmax; bce, gbce: over negatives"
    )

    @property
    def needs(self) -> Needs:
        return self.draws(self.objective, self.length, views=frozenset[View](self.features))


def build(config: Config, catalog: Catalog, users: int) -> "FDSA":
    """Two encoders of one form; the items' embeddings are also the output."""
    items = Encoder(config, stacked(config, config.norm), config.norm)
    embedding = embedded(catalog.items, config.dim)
    features = Encoder(config, stacked(config, config.norm), config.norm)
    views = [view for view in ("image", "text") if view in config.features]
    named = Named(catalog, config.dim) if "categories" in config.features else None
    return FDSA(config, embedding, Features(catalog, tuple(views), named, config.dim), items, features)


class Named(nn.Module):
    """A row of numbers a category; an item has those of all steps of its paths, each once."""

    def __init__(self, catalog: Catalog, dim: int):
        super().__init__()
        self.categories = catalog.categories
        self.row = embedded(len(self.categories.names), dim)

    def forward(self, item_U: Tensor) -> tuple[Tensor, Tensor]:
        """vector_YD of each category of each item, and the place in `item_U`, place_Y."""
        place_Y, category_Y = self.categories.once(item_U)
        return self.row(category_Y), place_Y


class Features(nn.Module):
    """What is known of items, weighed by attention among the features of each."""

    def __init__(self, catalog: Catalog, views: tuple[View, ...], named: Named | None, dim: int):
        super().__init__()
        self.kinds, self.named = views, named
        self.views = nn.ModuleList(PooledView(catalog, view, dim) for view in views)
        for dense in (module for module in self.views.modules() if isinstance(module, nn.Linear)):
            nn.init.normal_(dense.weight, std=0.02 * dense.in_features**-0.5)  # as small as a row of numbers is
        self.vote = nn.Linear(dim, 1, bias=False)  # a bias would move all weights alike

    def forward(self, item_U: Tensor) -> tuple[Tensor, Tensor]:
        """part_VUD, what each view, then all categories together give to f, and share_VU of the attention."""
        place_U = torch.arange(len(item_U), device=item_U.device)
        found = []
        for view in self.views:
            vector_UD, there_U = view(item_U)
            found.append((vector_UD[there_U], place_U[there_U]))
        if self.named is not None:
            found.append(self.named(item_U))
        vector_XD, place_X = torch.cat([v for v, _ in found]), torch.cat([p for _, p in found])
        kind_X = torch.cat([torch.full_like(p, n) for n, (_, p) in enumerate(found)])
        logit_X = self.vote(vector_XD)[:, 0]
        top_U = torch.full_like(place_U, -torch.inf, dtype=logit_X.dtype)
        top_U = top_U.scatter_reduce(0, place_X, logit_X.detach(), "amax")
        weight_X = (logit_X - top_U[place_X]).exp()
        total_U = weight_X.new_zeros(len(item_U)).index_add(0, place_X, weight_X)
        share_X, slot_X = weight_X / total_U[place_X], kind_X * len(item_U) + place_X
        part = vector_XD.new_zeros(len(found) * len(item_U), vector_XD.shape[1])
        part = part.index_add(0, slot_X, share_X[:, None] * vector_XD)
        share = share_X.new_zeros(len(part)).index_add(0, slot_X, share_X)
        return part.view(len(found), len(item_U), -1), share.view(len(found), len(item_U))


@final
class FDSA(Learner, Factored, Explainer):
    """Attention is shown as it is, never as the reason: residuals carry what it does not weigh."""

    def __init__(self, config: Config, embedding: nn.Embedding, features: Features, items: Encoder, second: Encoder):
        super().__init__()
        self.config, self.embedding, self.features = config, embedding, features
        self.items, self.second = items, second
        self.join, self.norm = nn.Linear(2 * config.dim, config.dim), nn.LayerNorm(config.dim)
        self.dropout = nn.Dropout(config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def states(self, batch: Batch) -> Tensor:
        """The state after each event, state_BLD. One of presence 0 keeps its slots, and its share of attention."""
        item_BLD = batch.present(self.embedding(batch.item_BL))
        both_BLE = torch.cat([self.items(item_BLD), self.second(self._told(batch)[0])], -1)
        state_BLD: Tensor = self.dropout(self.norm(self.join(both_BLE)))
        return state_BLD

    def _told(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """f_BLD of each event's item, and share_VBL of its views and categories in it."""
        item_U, where_BL = torch.unique(batch.item_BL, return_inverse=True)
        part_VUD, share_VU = self.features(item_U)
        part = [F.embedding(where_BL, part_UD) for part_UD in part_VUD]
        seen = [batch.present(part_BLD, view) for part_BLD, view in zip(part, self.features.kinds, strict=False)]
        whole_BLD = torch.stack([*seen, *part[len(seen) :]]).sum(0)
        return batch.present(whole_BLD), share_VU[:, where_BL]

    def loss(self, batch: Batch) -> Tensor:
        return compare(self.config.objective, self.states(batch), self.keys(), batch, self.config)

    def query(self, batch: Batch) -> Tensor:
        return batch.last(self.states(batch))

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.embedding.weight if item_U is None else self.embedding(item_U)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """How much the last state of the items' transformer attends to each event in the last block; and how much of
        the features' attention each event's picture and text have (what is left is its categories').
        """
        share_BL = batch.last(self.items.shares(batch.present(self.embedding(batch.item_BL))))
        found = [Weights(share_BL, "history", "share", faithful=False, valid=batch.valid_BL)]
        kinds = self.features.kinds
        if not kinds:
            return found
        share_VBL = self._told(batch)[1]
        value_BL2, valid_BL2 = share_BL.new_zeros(*share_BL.shape, 2), batch.valid_BL.new_zeros(*share_BL.shape, 2)
        for n, (view, pooled) in enumerate(zip(kinds, self.features.views, strict=True)):
            at = ("image", "text").index(view)
            value_BL2[..., at], valid_BL2[..., at] = share_VBL[n], pooled.present_N[batch.item_BL]  # type: ignore[index]
        return [*found, Weights(value_BL2, "view", "gate", False, valid_BL2, batch.item_BL)]

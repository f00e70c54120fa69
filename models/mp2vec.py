"""Meta-Prod2Vec: items in a row foretell each other, and each other's categories (Vasile et al., RecSys 2016).

With L(y|x) the skip-gram loss of foretelling y from x, the loss is L(J|I) + `metadata` · (L(M|I) + L(J|M) + L(M|M) +
L(I|M)): an item I and one of its categories M foretell the items J, and the categories, of the `window` events before
and after; the categories foretell their own item. Items and categories are one vocabulary, from which what is drawn
comes by occurrence to the power `power`. Without `metadata` it is Prod2Vec. `nearness: mean` is the paper's: a
candidate's score is the mean of its cosines with what the person has done.

**Departs from the paper:** `nearness: foretold` is the default, as in item2vec, which says why. The paper has one
category an item; here every category on an item's paths is one, and each pair of events draws one of either item's, so
that an item with many of them weighs no more. Those of more than `common` of the items (roots) are left out: foretold
from themselves they would drown the rest. One `metadata` for all four terms, the IARN paper's alpha of .1. The window
is not shrunk at random. The person's score is the IARN paper's reading, over the last `length` events. It is learnt by
the loop of `blocks/skipgram.py`; gensim weighs no pairs. An item that was not in training is the mean of its
categories' vectors, or where it has none what it is in item2vec.
"""

from collections.abc import Iterator
from typing import Annotated, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.choices import combinations
from engine.training.contract import Explainer, Factored, Tuned, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings
from models.blocks import skipgram
from models.blocks.category_tokens import CategoryTokens
from models.blocks.chosen import Chosen
from models.blocks.cosine import Near, Nearness
from models.blocks.shared_settings import Dim, Length

PART = 1 << 16  # events whose pairs are made at a time

Weight = Annotated[float, Field(ge=0, le=1)]


class Config(Settings):
    """Of lists validation chooses."""

    dim: Dim = 64
    length: Length = 20
    nearness: Nearness = "foretold"
    window: int = Field(5, ge=1, description="events before and after that an event foretells")
    negatives: int = Field(10, ge=1, description="tokens drawn for each pair")
    power: float = Field(0.75, ge=-2, le=2, description="exponent of how often a token occurs in how often it is drawn")
    metadata: Weight | Annotated[tuple[Weight, ...], Field(min_length=1)] = Field(
        0.1, description="weight of the four terms of categories; 0: Prod2Vec; or a list to choose from"
    )
    common: float = Field(0.5, gt=0, le=1, description="share of the items above which a category is left out")
    rho: float = Field(1e-3, ge=0, le=1, description="share of all events above which items are thinned; 0: never")
    epochs: int = Field(20, ge=1, description="passes over the events")
    lr: float = Field(0.025, gt=0, le=1, description="first rate; it falls evenly to almost none")

    @property
    def choices(self) -> list[dict[str, float]]:
        """The weights of the categories to try."""
        return combinations(metadata=self.metadata)

    @property
    def needs(self) -> Needs:
        return Needs(length=self.length, ahead=0, views=frozenset({"categories"}))


def build(config: Config, catalog: Catalog, users: int) -> "MP2Vec":
    """The model, not yet solved."""
    return MP2Vec(config, CategoryTokens.of(catalog.categories, catalog.items, config.common))


@final
class MP2Vec(Chosen, Tuned, Factored, Explainer):
    """The person is what the row's history says, so somebody who came after training has a score too."""

    def __init__(self, config: Config, metadata: CategoryTokens):
        super().__init__()
        self.config, self.metadata = config, metadata
        self.near = Near(len(metadata.size_N) - 1, config.dim, config.nearness)
        self.offer(config.choices)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def solve(self, train: Interactions) -> None:
        config, weight, metadata = self.config, self.chosen["metadata"], self.metadata
        rng = np.random.default_rng(int(torch.randint(2**62, ())))  # so that the run's seed draws
        user_E, item_E = train.user_E.cpu().numpy(), train.item_E.cpu().numpy()
        count_N = np.bincount(item_E, minlength=len(self.near.key_NE))

        def epoch() -> Iterator[tuple[skipgram.Pairs, float]]:
            stays_E = skipgram.kept(count_N, item_E, config.rho, rng)
            user_S, item_S = user_E[stays_E], item_E[stays_E]
            order_S = rng.permutation(len(item_S))
            for start in range(0, len(order_S), PART):
                own_P = order_S[start : start + PART]
                pairs = told(user_S, item_S, own_P, config.window, metadata, weight, rng)
                mixed_P = rng.permutation(len(pairs[0]))
                yield tuple(part[mixed_P] for part in pairs), min(start + PART, len(order_S)) / len(order_S)  # type: ignore[misc]

        counts_V = metadata.counts(count_N) if weight else np.pad(count_N, (0, metadata.tokens - len(count_N)))
        steps = skipgram.Steps(config.negatives, config.lr, config.epochs)
        table_X = skipgram.noise(counts_V, config.power)
        both = skipgram.vectors(metadata.tokens, config.dim, table_X, steps, rng, epoch)
        items, trained_N = len(count_N), count_N > 0
        known_N = trained_N | (metadata.size_N > 0) if weight else trained_N
        tables = [np.where(trained_N[:, None], t[:items], metadata.means(t) if weight else 0) for t in both]
        drawn_N = np.bincount(table_X, minlength=metadata.tokens)[:items]
        self.near.put(*map(torch.from_numpy, (*tables, known_N, drawn_N.astype(np.float32))))

    def query(self, batch: Batch) -> Tensor:
        return self.near.query(batch)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.near.keys(item_U)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event adds to the score; the sum is the score."""
        return self.near.reasons(batch, item_B)


def told(
    user_S: np.ndarray,
    item_S: np.ndarray,
    own_P: np.ndarray,
    window: int,
    metadata: CategoryTokens,
    weight: float,
    rng: np.random.Generator,
) -> skipgram.Pairs:
    """All pairs in which events at places own_P (of users user_S, in their order) foretell: each with its weight."""
    shift_W = np.concatenate([np.arange(-window, 0), np.arange(1, window + 1)])
    place_Q, other_Q = np.repeat(own_P, 2 * window), (own_P[:, None] + shift_W).ravel()
    inside_Q = (other_Q >= 0) & (other_Q < len(item_S))
    inside_Q &= user_S[other_Q.clip(0, len(item_S) - 1)] == user_S[place_Q]
    own_Q, next_Q, item_P = item_S[place_Q[inside_Q]], item_S[other_Q[inside_Q]], item_S[own_P]
    if weight == 0:
        return own_Q, next_Q, np.ones(len(own_Q), np.float32)
    by_own_Q, by_next_Q, by_item_P = (metadata.drawn(i, rng) for i in (own_Q, next_Q, item_P))
    source = [own_Q, own_Q, by_own_Q, by_own_Q, by_item_P]  # J|I, M|I, J|M, M|M, I|M
    target = [next_Q, by_next_Q, next_Q, by_next_Q, item_P]
    source_P, target_P = np.concatenate(source), np.concatenate(target)
    weight_P = np.where(np.arange(len(source_P)) < len(own_Q), 1.0, weight).astype(np.float32)
    there_P = (source_P > 0) & (target_P > 0)
    return source_P[there_P], target_P[there_P], weight_P[there_P]

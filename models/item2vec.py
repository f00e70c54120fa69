"""Item2Vec: items that the same people chose lie near each other (Barkan and Koenigstein, MLSP 2016).

A person's items are a set, in which each item foretells every other: (1/K) sum over i and j != i of ln s(u_i . v_j) +
sum over N drawn items k of ln s(-u_i . v_k), drawn by training events to the power `power`. An occurrence of an item of
share f is dropped with probability 1 - sqrt(rho / f). `nearness: mean` is the paper's: only u counts, by its direction,
and a candidate's score is the mean of its cosines with what the person has done.

**Departs from the paper:** `nearness: foretold`, the default, scores j by the mean of u_i . v_j + ln q_j, with q_j the
probability of a draw, which is the log-probability that was learnt. Cosines know nothing of popularity, and vectors of
rare items, which hardly moved, point where all do: ranking a whole catalogue by them fell below popularity. Of the K -
1 partners of each occurrence a pass draws `partners`, weighed by (K - 1) / K: the same objective, at a cost that grows
with the events and not with the squares of the sets. It is learnt by the loop of `blocks/skipgram.py`, a step a pair at
a falling rate as word2vec does; gensim has neither the 1/K nor sets of more than 10,000, and its subsampling is another
formula. The paper ranks items for an item; the person's score is the IARN paper's reading, over the last `length`
events. The largest cosine with any past item is not offered: it is no product with one vector a person, and ranking
would cost a history's length as much. An item that was not in training scores the mean of the others' cosines, or is
foretold as the least likely one.
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
from models.blocks.chosen import Chosen
from models.blocks.cosine import Near, Nearness
from models.blocks.shared_settings import Dim, Length

PART = 1 << 18  # occurrences whose partners are drawn at a time

Power = Annotated[float, Field(ge=-2, le=2)]
Share = Annotated[float, Field(ge=0, le=1)]


class Config(Settings):
    """Of lists validation chooses."""

    dim: Dim = 64
    length: Length = 20
    nearness: Nearness = "foretold"
    negatives: int = Field(15, ge=1, description="items drawn for each pair")
    partners: int = Field(5, ge=1, description="other items of the set that each occurrence meets in a pass")
    power: Power | Annotated[tuple[Power, ...], Field(min_length=1)] = Field(
        0.75, description="exponent of an item's training events in how often it is drawn; or a list to choose from"
    )
    rho: Share | Annotated[tuple[Share, ...], Field(min_length=1)] = Field(
        1e-3, description="share of all occurrences above which items are thinned; 0: never; or a list to choose from"
    )
    epochs: int = Field(20, ge=1, description="passes over the occurrences")
    lr: float = Field(0.025, gt=0, le=1, description="first rate; it falls evenly to almost none")

    @property
    def choices(self) -> list[dict[str, float]]:
        """Combinations of the lists."""
        return combinations(power=self.power, rho=self.rho)

    @property
    def needs(self) -> Needs:
        return Needs(length=self.length, ahead=0)


def build(config: Config, catalog: Catalog, users: int) -> "Item2Vec":
    """The model, not yet solved."""
    return Item2Vec(config, catalog.items)


@final
class Item2Vec(Chosen, Tuned, Factored, Explainer):
    """The person is what the row's history says, so somebody who came after training has a score too."""

    def __init__(self, config: Config, items: int):
        super().__init__()
        self.config = config
        self.near = Near(items, config.dim, config.nearness)
        self.offer(config.choices)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def solve(self, train: Interactions) -> None:
        tokens, chosen = len(self.near.key_NE), self.chosen
        rng = np.random.default_rng(int(torch.randint(2**62, ())))  # so that the run's seed draws
        set_O2 = torch.unique(torch.stack([train.user_E, train.item_E], 1), dim=0).cpu().numpy()
        user_O, item_O = np.ascontiguousarray(set_O2[:, 0]), np.ascontiguousarray(set_O2[:, 1])
        count_N = np.bincount(item_O, minlength=tokens)

        def epoch() -> Iterator[tuple[skipgram.Pairs, float]]:
            stays_O = skipgram.kept(count_N, item_O, chosen["rho"], rng)
            return partners(user_O[stays_O], item_O[stays_O], self.config.partners, rng)

        steps = skipgram.Steps(self.config.negatives, self.config.lr, self.config.epochs)
        table_X = skipgram.noise(count_N, chosen["power"])
        tables = skipgram.vectors(tokens, self.config.dim, table_X, steps, rng, epoch)
        drawn_N = np.bincount(table_X, minlength=tokens)
        self.near.put(*map(torch.from_numpy, (*tables, count_N > 0, drawn_N.astype(np.float32))))

    def query(self, batch: Batch) -> Tensor:
        return self.near.query(batch)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.near.keys(item_U)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event adds to the score; the sum is the score."""
        return self.near.reasons(batch, item_B)


def partners(
    user_O: np.ndarray, item_O: np.ndarray, count: int, rng: np.random.Generator
) -> Iterator[tuple[skipgram.Pairs, float]]:
    """Each occurrence, in random order, with `count` others of its set (user_O rising), weighed by (K - 1) / K."""
    size_U = np.bincount(user_O)
    first_U = np.cumsum(size_U) - size_U
    order_O = rng.permutation(np.flatnonzero(size_U[user_O] > 1))
    for start in range(0, len(order_O), PART):
        place_P = np.repeat(order_O[start : start + PART], count)
        size_P, first_P = size_U[user_O[place_P]], first_U[user_O[place_P]]
        step_P = rng.integers(1, size_P)
        other_P = first_P + (place_P - first_P + step_P) % size_P
        weight_P = ((size_P - 1) / size_P).astype(np.float32)
        yield (item_O[place_P], item_O[other_P], weight_P), min(start + PART, len(order_O)) / len(order_O)

"""Small worlds with every view, and what the laws ask of a model in them."""

from pathlib import Path

import numpy as np
import polars as pl
import torch

import models
from engine.tables.arrays import category_paths, event_columns
from engine.tables.params import read_yaml
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.categories import Categories
from engine.training.contract import Recommender
from engine.training.fit import Train
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from engine.training.sampling import Negatives, Shared
from tests.models.variants import TINY, VARIANTS


def section(name: str, variant: str = "") -> Choice:
    """The model's section in params.yaml, or a variant of its tiny form."""
    if not variant:
        return Choice(name=name, settings=read_yaml(Path("params.yaml"))["models"][name])
    return Choice(name=name, settings=TINY[name] | VARIANTS[name][variant])


def built(name: str, variant: str, world: "World", seed: int = 1) -> Recommender:
    """A variant with the parameters of a seed."""
    torch.manual_seed(seed)
    return models.build(section(name, variant), world.catalog, world.users)


class World:
    """Users with histories of items, times, topics and ratings, and a catalog with every view (some items lack some).

    A rating is 1, and 2 more from people with an odd number, and 2 more for the first half of the items.
    """

    def __init__(self, histories: list[list[int]], items: int, seed: int = 0):
        generator = np.random.default_rng(seed)
        self.items, self.users, self.topics = items, len(histories), 4
        user = np.repeat(np.arange(1, self.users + 1), [len(h) for h in histories])
        flat = np.concatenate(histories)
        hours = np.concatenate([np.cumsum(generator.integers(1, 60, len(h))) for h in histories])
        self.frame = pl.DataFrame(
            {
                "user": pl.Series(user, dtype=pl.UInt32),
                "item": pl.Series(flat, dtype=pl.UInt32),
                "rating": pl.Series(1 + 2 * (user % 2 == 1) + 2 * (2 * flat <= items), dtype=pl.Float32),
                "time": pl.Series((1_500_000_000 + 3600 * hours) * 1_000_000).cast(pl.Datetime("us", "UTC")),
            }
        ).with_row_index("event", offset=1)
        self.topic = np.zeros((len(user) + 1, self.topics), dtype=np.float16)
        self.topic[1:] = generator.dirichlet(np.ones(self.topics), len(user))
        self.catalog = self._catalog(generator)

    def _catalog(self, generator: np.random.Generator) -> Catalog:
        vectors = {}
        for view, width in (("image", 6), ("text", 5)):
            vectors[view] = torch.from_numpy(generator.normal(size=(self.items + 1, width)).astype(np.float32))
            vectors[view][0] = 0
        ragged = {}
        for view, width in (("regions", 6), ("words", 5)):
            length_N = generator.integers(1, 5, self.items + 1)
            length_N[[0, 2]] = 0  # item 2 has neither picture nor words
            value_XD = generator.normal(size=(length_N.sum(), width)).astype(np.float16)
            offset_N = np.concatenate([[0], np.cumsum(length_N)])
            ragged[view] = Ragged(torch.from_numpy(value_XD), torch.from_numpy(offset_N))
        vectors["image"][2] = vectors["text"][2] = 0
        share_NT = np.random.default_rng(self.items).dirichlet(np.full(4, 0.5), self.items + 1)
        vectors["topics"] = torch.from_numpy(share_NT.astype(np.float32))
        vectors["topics"][[0, 2]] = 0
        paths = [[["all", f"kind {i % 3}"], [f"own {i % 4}"]] if i != 2 else None for i in range(1, self.items + 1)]
        table = pl.DataFrame({"item": range(1, self.items + 1), "categories": paths})
        return Catalog(self.items, vectors, ragged, self.topics, Categories.of(*category_paths(table), self.items))

    def interactions(self, last: int = 0) -> Interactions:
        """All events, or all but each user's `last` ones."""
        kept = self.frame.filter(pl.int_range(pl.len()).over("user") < pl.len().over("user") - last)
        return Interactions.of(event_columns(kept), self.items, self.topic)

    def lengths(self) -> torch.Tensor:
        """How many events each user has."""
        return torch.from_numpy(
            self.frame.group_by("user", maintain_order=True).len()["len"].to_numpy().astype(np.int64)
        )


def rows(world: World, needs: Needs, targets: bool = False) -> Batch:
    """A row a user: the history without its last event; with targets and what is drawn for them where asked."""
    events = world.interactions()
    user_B = torch.arange(1, world.users + 1)
    stop_B = world.lengths() - 1
    if not targets:
        return events.before(user_B, stop_B, needs)
    start_B = events.offset_U[user_B]
    if needs.pairs or not needs.length:
        return drawn(world, needs, events.pairs(start_B + (stop_B if needs.pairs else 0), needs))
    batch = events.targets(start_B, start_B + stop_B, needs)
    return drawn(world, needs, batch)


def drawn(world: World, needs: Needs, batch: Batch) -> Batch:
    """The batch with the negatives and shared items that a model needs."""
    generator = torch.Generator().manual_seed(3)
    assert batch.target_BL is not None
    if needs.negatives:
        shape = (*batch.target_BL.shape, needs.negatives)
        batch = batch.but(negative_BLK=Negatives(world.interactions()).draw(batch.user_B, shape, generator))
    shared = Shared(world.interactions(), needs.shared_power)
    return shared.draw(batch, needs.shared, generator) if needs.shared else batch


def train(epochs: int, lr: float = 0.03, rows: int = 32, save: float = 1e9) -> Train:
    """Settings of a short run that never stops early."""
    return Train(epochs=epochs, batch_size=rows, lr=lr, weight_decay=0.0, clip=5.0, patience=epochs, every=1, save=save)

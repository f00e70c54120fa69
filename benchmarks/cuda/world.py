"""Made histories and catalogues in the shape of real ones, drawn from a seed by numpy."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.catalog import Catalog, Ragged
from engine.training.categories import Categories
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from engine.training.sampling import Negatives, Shared


@dataclass(frozen=True)
class Shape:
    """How many people and items, events a person, and how wide what is known of an item is."""

    people: int
    items: int
    shortest: int
    longest: int
    events: int = 0  # in all, where histories are drawn from a skewed distribution
    words: int = 20
    word_width: int = 32
    regions: int = 12
    region_width: int = 64
    image_width: int = 512
    topics: int = 26


DEMO = Shape(800, 600, 20, 120)
MOVIELENS_1M = Shape(6_040, 3_416, 20, 2_300, events=1_000_000)
SMALL = Shape(24, 40, 5, 14, words=4, word_width=6, regions=3, region_width=6, image_width=6, topics=4)


class World:
    """Interactions with times, ratings and topic profiles, and a catalog with every view, on a device."""

    def __init__(self, shape: Shape, device: torch.device, seed: int = 1):
        random = np.random.default_rng(seed)
        self.shape, self.device = shape, device
        length_U = self._lengths(random)
        user_E = np.repeat(np.arange(1, shape.people + 1), length_U)
        events = len(user_E)
        popularity = 1 / (np.arange(1, shape.items + 1) + 20.0)
        gap_E = random.integers(1, 90_000, events)
        columns = {
            "user": user_E,
            "item": random.choice(shape.items, events, p=popularity / popularity.sum()) + 1,
            "event": np.arange(1, events + 1),
            "time": 1_500_000_000
            + gap_E.cumsum()
            - np.repeat((gap_E.cumsum() - gap_E)[length_U.cumsum() - length_U], length_U),
            "rating": random.integers(1, 6, events).astype(np.float32),
        }
        topic_ET = random.dirichlet(np.full(shape.topics, 0.3), events + 1).astype(np.float16)
        self.events = Interactions.of(columns, shape.items, topic_ET, str(device))
        self.catalog = self._catalog(random)

    def _lengths(self, random: np.random.Generator) -> np.ndarray:
        shape = self.shape
        if not shape.events:
            return random.integers(shape.shortest, shape.longest + 1, shape.people)
        weight = random.lognormal(0, 1.0, shape.people)
        length_U: np.ndarray = np.clip(
            weight / weight.sum() * shape.events * 1.02, shape.shortest, shape.longest
        ).astype(int)
        return length_U

    def _catalog(self, random: np.random.Generator) -> Catalog:
        shape, rows = self.shape, self.shape.items + 1
        vectors = {}
        for view, width in (("image", shape.image_width), ("text", shape.word_width)):
            value_ND = random.normal(size=(rows, width)).astype(np.float32)
            value_ND[[0, 2]] = 0  # item 2 has neither picture nor words
            vectors[view] = torch.from_numpy(value_ND).to(self.device)
        share_NT = random.dirichlet(np.full(shape.topics, 0.3), rows).astype(np.float32)
        share_NT[[0, 2]] = 0
        vectors["topics"] = torch.from_numpy(share_NT).to(self.device)
        ragged = {}
        for view, most, width in (
            ("regions", shape.regions, shape.region_width),
            ("words", shape.words, shape.word_width),
        ):
            length_N = random.integers(1, most + 1, rows)
            length_N[[0, 2]] = 0
            value_XD = random.normal(size=(length_N.sum(), width)).astype(np.float16)
            offset_N = np.concatenate([[0], np.cumsum(length_N)])
            ragged[view] = Ragged(
                torch.from_numpy(value_XD).to(self.device), torch.from_numpy(offset_N).to(self.device)
            )
        paths = [path for i in range(1, rows) for path in (["all", f"kind {i % 18}"], [f"own {i % 40}"])]
        item = np.repeat(np.arange(1, rows), 2)
        categories = Categories.of(item, paths, shape.items, str(self.device))
        return Catalog(shape.items, vectors, ragged, shape.topics, categories)

    def last(self) -> Cases:
        """Every person's last event as a case."""
        user_C = torch.arange(1, self.shape.people + 1, device=self.device)
        position_C = self.events.offset_U.diff()[user_C] - 1
        return Cases(user_C, position_C, self.events.item_E[self.events.offset_U[user_C] + position_C])

    def asked(self, needs: Needs, people: int) -> Batch:
        """The histories of the first people before their last event, as rows that are ranked."""
        cases = self.last()
        return self.events.before(cases.user_C[:people], cases.position_C[:people], needs)

    def learnt(self, needs: Needs, people: int) -> Batch:
        """The histories of the first people as rows that are learnt from, with what is drawn for them."""
        events, generator = self.events, torch.Generator().manual_seed(3)
        user_B = torch.arange(1, people + 1, device=self.device)
        start_B, length_B = events.offset_U[user_B], events.offset_U.diff()[user_B]
        if needs.pairs or not needs.length:
            batch = events.pairs(start_B + (length_B - 1 if needs.pairs else 0), needs)
        else:
            batch = events.targets(start_B, start_B + length_B - needs.ahead, needs)
        assert batch.target_BL is not None
        if needs.negatives:
            shape = (*batch.target_BL.shape, needs.negatives)
            batch = batch.but(negative_BLK=Negatives(events).draw(batch.user_B, shape, generator))
        return Shared(events, needs.shared_power).draw(batch, needs.shared, generator) if needs.shared else batch


def moved(value: Any, device: torch.device) -> Any:
    """A dataclass of tensors, or of such dataclasses, on another device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return replace(
        value, **{each.name: moved(getattr(value, each.name), device) for each in fields(value) if each.init}
    )

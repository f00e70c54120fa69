"""Small worlds with every view, and every variant of every model that the laws run over."""

import pkgutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

import models
from engine.tables.arrays import category_paths, event_columns
from engine.tables.params import read_yaml
from engine.tables.settings import Choice
from engine.training.batch import Batch, Interactions
from engine.training.catalog import Catalog, Ragged
from engine.training.categories import Categories
from engine.training.contract import Recommender
from engine.training.fit import Train
from engine.training.needs import Needs
from engine.training.sampling import Negatives, Shared

FOUND = sorted(m.name for m in pkgutil.iter_modules(models.__path__) if not m.ispkg)

# Small enough to learn in a second; the rest of a section is the default of its Config.
TINY: dict[str, dict[str, Any]] = {
    "popularity": {},
    "bpr_mf": {"dim": 8, "regularisation": 0.0},
    "gru4rec": {"dim": 16, "length": 8, "dropout": 0.0, "shared": 6},
    "sasrec": {"dim": 16, "inner": 16, "length": 8, "dropout": 0.0, "shared": 6, "negatives": 3},
    "ante_rnn": {"dim": 16, "length": 8, "dropout": 0.0, "shared": 6},
    "mahn": {"dim": 8, "length": 8, "dropout": 0.0, "shared": 6, "negatives": 3, "objective": "bpr"},
    "min_net": {
        "dim": 16,
        "inner": 16,
        "length": 8,
        "dropout": 0.0,
        "shared": 6,
        "negatives": 4,
        "objective": "bce_popular",
    },
    "iris": {"dim": 16, "hidden": 7, "length": 8},
    "biases": {"user_damping": 1, "item_damping": 1, "length": 8},
    "iarn": {"dim": 6, "hidden": 8, "inner": 8, "length": 8, "item_length": 6, "dropout": 0.0},
}

TIED = {"tied_content_head": True}  # of ante_rnn
AUXILIARY = {"translation": 0.1, "contrast": 0.1, "form": "logistic", "detach": False}  # of min_net

# Every variant that a model has, as overrides of its tiny section. A model without an entry fails the laws.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "popularity": {"plain": {}},
    "bpr_mf": {"plain": {}, "negatives": {"negatives": 3}, "regularised": {"regularisation": 0.001}},
    "gru4rec": {
        "chunked": {"objective": "chunked"},
        "full": {"objective": "full"},
        "sampled": {"objective": "sampled"},
        "bpr_max": {"objective": "bpr_max", "elu": 0.5},
        "bpr_max_straight": {"objective": "bpr_max", "elu": 0},
        "untied": {"tied": False},
        "layers": {"layers": 2},
    },
    "sasrec": {
        "chunked": {"objective": "chunked"},
        "full": {"objective": "full"},
        "sampled": {"objective": "sampled"},
        "bce": {"objective": "bce", "negatives": 3},
        "official": {"norm": "official"},
        "heads": {"heads": 4},
    },
    "ante_rnn": {
        "whole": {},
        "product": {"fusion": "product"},
        "mlp": {"fusion": "mlp"},
        "text_only": {"image": "none", "fusion": "single"},
        "image_only": {"image": "mean", "text": "none", "fusion": "single"},
        "mean_views": {"image": "mean", "text": "mean"},
        "gru_words": {"words": "gru"},
        "no_context": {"context": "off"},
        "mean_context": {"context": "mean"},
        "gap": {"times": ["gap"]},
        "hour_of_week": {"times": ["hour_of_week"]},
        "no_times": {"times": []},
        "chunked": {"loss": "chunked"},
        "sampled": {"loss": "sampled"},
        "paper_gru": {"readings": {"gru": "paper"}},
        "tied": {"readings": TIED},
        "tied_full": {"readings": TIED, "loss": "full"},
        "tied_sampled": {"readings": TIED, "loss": "sampled"},
        "tied_product": {"readings": TIED, "fusion": "product"},
        "tied_text_only": {"readings": TIED, "image": "none", "fusion": "single"},
        "tied_image_only": {"readings": TIED, "image": "mean", "text": "none", "fusion": "single"},
        "tied_mean_text": {"readings": TIED, "text": "mean"},
    },
    "mahn": {
        "cat_cat": {},
        "add_add": {"first": "sum", "second": "sum"},
        "add_cat": {"first": "sum"},
        "cat_add": {"second": "sum"},
        "no_image": {"views": ["text"]},
        "no_text": {"views": ["image"]},
        "no_views": {"views": []},
        "open": {"gates": "open"},
        "first_layer": {"scored": "first"},
        "no_reconstruction": {"reconstruction": 0.0},
        "full": {"objective": "full"},
        "chunked": {"objective": "chunked"},
        "sampled": {"objective": "sampled"},
    },
    "min_net": {
        "whole": {},
        "printed_attention": {"inner": 0},
        "printed_sum": {"inner": 0, "fusion": "sum"},
        "no_translation": {"translation": "none"},
        "own_translation": {"translation": "own"},
        "last": {"sequence": "last"},
        "no_image": {"views": ["text"]},
        "no_text": {"views": ["image"]},
        "no_views": {"views": []},
        "product": {"fusion": "product"},
        "sum": {"fusion": "sum"},
        "parallel_lstm": {"sequence": "parallel_lstm"},
        "mixed_lstm": {"sequence": "mixed_lstm"},
        "next_alone": {"auxiliary": AUXILIARY | {"translation": 0.0, "contrast": 0.0}},
        "next_and_translation": {"auxiliary": AUXILIARY | {"contrast": 0.0}},
        "next_and_contrast": {"auxiliary": AUXILIARY | {"translation": 0.0}},
        "printed_contrast": {"auxiliary": AUXILIARY | {"form": "printed"}},
        "detached": {"auxiliary": AUXILIARY | {"detach": True}},
        "bce": {"objective": "bce", "negatives": 3},
        "bce_popular": {"objective": "bce_popular"},
        "full": {"objective": "full"},
        "chunked": {"objective": "chunked"},
        "sampled": {"objective": "sampled"},
    },
    "iris": {
        "multimodal": {"fusion": "shared"},
        "added": {"fusion": "added"},
        "image": {"fusion": "image"},
        "text": {"fusion": "text"},
        "tanh": {"unit": "tanh"},
        "relu": {"unit": "relu"},
        "zeros": {"missing": "zeros"},
        "as_given": {"standard": False},
        "item_bias": {"item_bias": True, "alpha": 0.5},
        "softmax": {"beta": 1.0, "negatives": 2},
        "sum": {"beta": 0.0},
        "others": {"history": "others"},
        "others_image": {"history": "others", "fusion": "image"},
    },
}

# Models whose history is a set: of what is one step from it they cannot tell first from last for certain.
UNORDERED = {"iris"}
VARIANTS["biases"] = {
    "both": {},
    "user": {"of": "user"},
    "item": {"of": "item"},
    "mean": {"of": "none"},
    "history": {"person": "history"},
    "user_history": {"of": "user", "person": "history"},
    "choices": {"person": "history", "length": [3, 8], "user_damping": [0.5, 1]},
}
VARIANTS["iarn"] = {
    "iarn_flat": {"features": "flat"},
    "iarn_hierarchical": {"features": "hierarchical"},
    "iarn_plain": {"features": "none"},
    "tagm_backbone": {"features": "none", "gate": "own"},
    "rnn_backbone": {"features": "none", "gate": "none"},
    "lstm_backbone": {"features": "none", "gate": "none", "cell": "lstm"},
    "without_ratings": {"ratings": False},
    "official": {"readings": {"scale": 2.0, "summary": 0.25, "activation": "softplus"}},
    "ranking": {"loss": "ranking", "negatives": 3},
    "ranking_without_ratings": {"loss": "ranking", "ratings": False, "features": "none"},
    "ranking_tagm": {"loss": "ranking", "gate": "own", "features": "none"},
    "ranking_lstm": {"loss": "ranking", "gate": "none", "cell": "lstm", "features": "none"},
}

CASES = [(name, variant) for name in FOUND for variant in VARIANTS.get(name, {})]


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
    return Shared(world.interactions()).draw(batch, needs.shared, generator) if needs.shared else batch


def train(epochs: int, lr: float = 0.03, rows: int = 32, save: float = 1e9) -> Train:
    """Settings of a short run that never stops early."""
    return Train(epochs=epochs, batch_size=rows, lr=lr, weight_decay=0.0, clip=5.0, patience=epochs, every=1, save=save)

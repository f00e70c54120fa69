"""A small made world on disk, with every table that a model may need, and models with weights in it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import torch
from ruamel.yaml import YAML

import models
from engine.tables import files, store
from engine.tables.arrays import lists
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.schema import Table
from engine.tables.schemas import (
    CASES,
    ITEMS,
    REGIONS,
    SPLIT,
    TOPIC_HISTORY,
    TOPIC_ITEMS,
    TOPIC_WORDS,
    USERS,
    VECTORS,
    WORDS,
)
from engine.tables.settings import Choice
from engine.training import weights
from engine.training.contract import Prepared, Recommender, Solver
from engine.training.source import Data
from engine.training.source import load as load_data
from engine.training.trained_on import trained_on
from serving.api import Predictor, load
from tests.models.variants import TINY, VARIANTS
from tests.models.world import World

TITLES = {3: "The Twin", 4: "the twin", 5: "Heat (1995)", 6: "Heatwave", 7: "Say \x1b[31mred", 8: "Alien; Again"}
ABOUT = {"decay": 0.1, "window": "day", "method": "lda", "count": 4, "unit": "day"}


@dataclass(frozen=True)
class Shop:
    """`world` as tables under a layout."""

    world: World
    layout: Layout
    params: Path

    def fitted(self, name: str, variant: str = "") -> Predictor:
        """A model with weights: solved for, or with its first parameters shaken; its door."""
        choice = self.choice(name, variant)
        results = self.layout.root / "results" / f"{name}-{variant}"
        layout = Layout(self.layout.root, "temporal", results=results)
        if not layout.weights.exists():
            needs = models.configure(choice).needs
            data = load_data(layout, needs, "valid", "cpu")
            torch.manual_seed(1)
            model = made_ready(models.build(choice, data.catalog, data.users), data)
            learned = weights.Learned.of(name, models.configure(choice), trained_on(layout, needs))
            weights.save(model.state_dict(), learned, layout.weights)
        params = results / "params.yaml"
        found = read_yaml(self.params)
        found["models"][name] = choice.settings
        with params.open("w") as file:
            YAML(typ="safe").dump(found, file)
        return load(self.layout.root, params=params, model=name, results=results, device="cpu")

    def choice(self, name: str, variant: str = "") -> Choice:
        """A section of the tiny form."""
        return Choice(name=name, settings=TINY[name] | VARIANTS[name].get(variant, {}))


def made_ready(model: Recommender, data: Data) -> Recommender:
    """As it would rank after a training that nobody waited for."""
    if isinstance(model, Solver):
        model.solve(data.train)
    if isinstance(model, Prepared):
        model.prepare(data.train)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


@cache
def world() -> World:
    """Twelve people with 5 to 10 acts on 15 items, none twice by one person; item 2 has neither picture nor words."""
    draws = np.random.default_rng(7)
    return World([draws.permutation(np.arange(1, 16))[:n].tolist() for n in [5, 10, 6, 7, 7, 9, 5, 6, 8, 5, 6, 10]], 15)


def written(root: Path) -> Shop:
    """The world's tables in a folder."""
    made, layout = world(), Layout(root, "temporal")
    split = made.frame.with_columns(
        position=pl.int_range(pl.len()).over("user").cast(pl.UInt32), left=pl.len().over("user").cast(pl.Int64)
    ).with_columns(left=pl.col("left") - pl.col("position").cast(pl.Int64))
    part = pl.when(pl.col("left") == 1).then(pl.lit("test")).when(pl.col("left") == 2).then(pl.lit("valid"))
    split = split.with_columns(part=part.otherwise(pl.lit("train")))
    put(split, layout.split, SPLIT, {"items": made.items, "users": made.users})
    asked = split.filter(pl.col("part") != "train").with_row_index("case", offset=1)
    put(asked.with_columns(target="item", candidates=pl.lit(None, CASES.columns["candidates"])), layout.cases, CASES)
    people = range(1, made.users + 1)
    put(pl.DataFrame({"user": people, "raw": [f"p{u}" for u in people]}), layout.users, USERS)
    titles = [TITLES.get(i, None if i == 1 else f"Film {i}") for i in range(1, made.items + 1)]
    items = pl.DataFrame({"item": range(1, made.items + 1), "raw": [f"f{i}" for i in range(1, made.items + 1)]})
    kinds = [[["all", f"kind {i % 3}"]] for i in range(1, made.items + 1)]
    ids = pl.lit(None, ITEMS.columns["ids"])
    put(items.with_columns(title=pl.Series(titles), categories=pl.Series(kinds), ids=ids), layout.items, ITEMS)
    _features(made, layout)
    _topics(split, made, layout)
    params = root / "params.yaml"
    files.write_text(Path("params.yaml").read_text(), params)
    return Shop(made, layout, params)


def put(frame: pl.DataFrame, path: Path, table: Table, meta: dict[str, object] | None = None) -> None:
    """Write a table with the columns of its schema."""
    kinds = [
        pl.col(name).cast(kind) if "ANY" not in str(kind) else pl.col(name) for name, kind in table.columns.items()
    ]
    store.write(frame.select(kinds), path, table, meta)


def _features(made: World, layout: Layout) -> None:
    item = pl.Series("item", range(1, made.items + 1), dtype=pl.UInt32)
    for view, path in (("image", layout.image), ("text", layout.text)):
        value_ND = made.catalog.vector(view)[1:].numpy().astype(np.float16)
        store.write(pl.DataFrame({"item": item, "vector": value_ND}), path, VECTORS)
    for view, path, table in (("words", layout.words, WORDS), ("regions", layout.regions, REGIONS)):
        ragged = made.catalog.ragged(view)
        length_N = ragged.offset_N.diff()[1:].numpy()
        column = lists(ragged.value_XD.numpy(), length_N)
        if table is WORDS:
            token = [[f"Word{(i + w) % 7}" for w in range(n)] for i, n in enumerate(length_N, 1)]
            span = [[[w, w + 1] for w in range(n)] for n in length_N]
            more = {"token": pl.Series(token, dtype=WORDS.columns["token"])}
            more |= {"span": pl.Series(span, dtype=WORDS.columns["span"]), "word": column}
        else:
            box = [[[0.0, 0.0, 0.5, (m + 1) / 10] for m in range(n)] for n in length_N]
            more = {"box": pl.Series(box, dtype=REGIONS.columns["box"])}
            score = pl.Series([[1.0] * n for n in length_N], dtype=REGIONS.columns["score"])
            more |= {"score": score, "region": column}
        store.write(pl.DataFrame({"item": item, **more}), path, table)


def _topics(split: pl.DataFrame, made: World, layout: Layout) -> None:
    draws = np.random.default_rng(5)
    share = pl.Array(pl.Float32, 4)
    spoken = [i for i in range(1, made.items + 1) if i != 2]
    items = pl.DataFrame({"item": spoken, "share": draws.dirichlet(np.ones(4), len(spoken)).astype(np.float32)})
    store.write(items.cast({"item": pl.UInt32}), layout.topic_items, TOPIC_ITEMS, ABOUT)
    keys = split.select("user", window=pl.col("time").dt.truncate("1d")).unique().sort("user", "window")
    drawn = pl.Series("share", draws.dirichlet(np.ones(4), keys.height).astype(np.float32), dtype=share)
    store.write(keys.with_columns(drawn), layout.topic_history, TOPIC_HISTORY, ABOUT)
    words = pl.DataFrame({"topic": [1, 2, 3, 4], "rank": [1] * 4, "word": list("abcd"), "weight": [0.5] * 4})
    store.write(words.cast(dict(TOPIC_WORDS.columns)), layout.topic_words, TOPIC_WORDS, ABOUT)

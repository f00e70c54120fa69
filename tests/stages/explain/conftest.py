"""A small world with everything that a page can meet: markup in texts, no picture, a broken one, no text, no title."""

import io
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor

from engine.tables import schemas, store
from engine.tables.layout import Layout
from engine.training.batch import Batch
from engine.training.contract import CatalogScorer, Explainer, Weights
from engine.training.needs import Needs

HOSTILE = '<script>alert("title")</script>'
TEXTS = {
    1: "A storm at sea breaks the ship",
    2: '"><img src=http://example.org/x.png onerror=alert(1)> storm & calm',
    3: None,
    4: "Two lovers meet in Rome",
    5: "A cook saves the harbour",
    6: "The sea gives nothing back",
}
ITEMS, TOPICS, REGIONS, TOLD = 6, 3, 2, 4
START = datetime(2024, 1, 1, 20, tzinfo=UTC)


class Toy(CatalogScorer, Explainer):
    """Likes items near those of the history, and weighs everything that can be weighed."""

    def __init__(self) -> None:
        super().__init__()
        self.near_NN = -(torch.arange(ITEMS + 1)[:, None] - torch.arange(ITEMS + 1)).abs().float()

    @property
    def needs(self) -> Needs:
        return Needs(length=4)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)

    def score_all(self, batch: Batch) -> Tensor:
        return batch.present(self.share(batch)[..., None] * self.near_NN[batch.item_BL]).sum(1)

    def share(self, batch: Batch) -> Tensor:
        weight_BL = batch.valid_BL * torch.arange(1.0, batch.item_BL.shape[1] + 1)
        return weight_BL / weight_BL.sum(1, keepdim=True).clamp(min=1)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        told = torch.tensor([len(TEXTS.get(i) or "") > 0 for i in range(ITEMS + 1)])
        found = []
        for about, faithful in ((batch.item_BL, True), (item_B, False)):
            valid = told[about][..., None].expand(*about.shape, TOLD)
            value = torch.tensor([0.7, 0.1, 0.1, 0.1]) * valid
            found.append(Weights(value, "word", "share", faithful, valid, about))
            seen = (about > 0)[..., None].expand(*about.shape, REGIONS)
            found.append(Weights(torch.tensor([-0.4, 0.8]) * seen, "region", "signed", faithful, seen, about))
        there = (batch.item_BL > 0)[..., None].expand(*batch.item_BL.shape, 2)
        found.append(Weights(torch.tensor([0.25, 0.75]) * there, "view", "share", True, there, batch.item_BL))
        known = (item_B > 0)[:, None].expand(-1, 3)
        found.append(Weights(torch.tensor([-0.75, 1.5, 0.25]) * known, "view", "signed", True, known, item_B))
        pair = told[item_B][:, None, None].expand(len(item_B), TOLD, REGIONS)
        shares = torch.tensor([[0.1, 0.6], [0.2, 0.2], [0.7, 0.1], [0.0, 0.1]])
        found.append(Weights(shares * pair, "word_region", "share", False, pair, item_B))
        topic_BT = torch.tensor([0.2, 0.5, 0.3]).expand(len(item_B), -1)
        found.append(Weights(topic_BT, "topic", "share", True, torch.ones_like(topic_BT).bool()))
        found.append(Weights(self.share(batch), "history", "share", True, batch.valid_BL))
        return found


class ToyOfEvents(Toy):
    """Weighs what is inside an item by where it stands in the history, so that no two events weigh alike."""

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        own = []
        for weights in super().explain(batch, item_B):
            if weights.about is None or weights.about.ndim == 1:
                own.append(weights)
                continue
            tenth_BL = torch.arange(1, weights.about.shape[1] + 1) / 10
            value = torch.zeros_like(weights.value)
            value[..., 0], value[..., 1] = tenth_BL, 1 - tenth_BL
            if weights.over == "region":
                value[..., 0] *= -1
            own.append(replace(weights, value=value * weights.valid))
        return own


@dataclass(frozen=True)
class Small:
    """The small world's tables, where the layout says, and what the stage writes."""

    layout: Layout

    @property
    def page(self) -> str:
        """What was written."""
        return self.layout.page.read_text(encoding="utf-8")

    @property
    def metrics(self) -> dict[str, float]:
        """metrics/explain.json."""
        found: dict[str, float] = json.loads(self.layout.metric("explain").read_text())
        return found


def picture(item: int, width: int = 400) -> bytes:
    """A plain poster, its colour by its item."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, width * 3 // 2), (40 * item, 90, 250 - 40 * item)).save(buffer, "PNG")
    return buffer.getvalue()


def frame(table: schemas.Table, width: int = 1, /, **columns: Any) -> pl.DataFrame:
    """Columns as a table; arrays of any width get `width`."""
    types: dict[str, Any] = {}
    for name, kind in table.columns.items():
        text = str(kind)
        types[name] = {
            "Array(Float32, shape=(1,))": pl.Array(pl.Float32, width),
            "Array(Float16, shape=(1,))": pl.Array(pl.Float16, width),
            "List(Array(Float16, shape=(1,)))": pl.List(pl.Array(pl.Float16, width)),
        }.get(text, kind)
    return pl.DataFrame(columns, schema=types)


def spans(text: str) -> list[tuple[int, int]]:
    """The first words of a text."""
    found, at = [], 0
    for word in text.split()[:TOLD]:
        at = text.index(word, at)
        found.append((at, at + len(word)))
        at += len(word)
    return found


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """Three people over six items; person-2 has one act before the test case, person-3 has seen the most."""
    return written_world(tmp_path, {1: [1, 2, 3, 4], 2: [5, 6], 3: [6, 5, 4, 3, 2]})


@pytest.fixture
def repeats(tmp_path: Path) -> Small:
    """The small world, where person-1 comes back to item 1 and then to item 2."""
    return written_world(tmp_path, {1: [1, 2, 1, 2], 2: [5, 6], 3: [6, 5, 4, 3, 2]})


def written_world(root: Path, acts: dict[int, list[int]]) -> Small:
    """The tables of some people's items in the order of time, the last of which is the test case."""
    user = [u for u, items in acts.items() for _ in items]
    position = [n for items in acts.values() for n in range(len(items))]
    item = [i for items in acts.values() for i in items]
    time = [START + timedelta(days=8 * n, minutes=u) for u, n in zip(user, position, strict=True)]
    last = {u: len(items) - 1 for u, items in acts.items()}
    part = ["test" if p == last[u] else "train" for u, p in zip(user, position, strict=True)]
    told = {i: text for i, text in TEXTS.items() if text}
    tokens = {i: [text[a:b] for a, b in spans(text)] for i, text in told.items()}
    images = [picture(i) for i in (1, 2, 3, 4)] + [b"<html>not a picture"]
    written: dict[str, tuple[schemas.Table, pl.DataFrame]] = {
        "users": (schemas.USERS, frame(schemas.USERS, user=[1, 2, 3], raw=["person-1", "person-2", "person-3"])),
        "items": (
            schemas.ITEMS,
            frame(
                schemas.ITEMS,
                item=range(1, 7),
                raw=[str(i) for i in range(1, 7)],
                title=["Storm", HOSTILE, "Silent", "Rome", "Cook", None],
                categories=[[]] * 6,
                ids=[[]] * 6,
            ),
        ),
        "catalog": (
            schemas.CATALOG,
            frame(
                schemas.CATALOG,
                item=range(1, 7),
                title=[None] * 6,
                text=[TEXTS[i] for i in range(1, 7)],
                status=["ok", "ok", "missing", "ok", "ok", "ok"],
                picture=["ok"] * 5 + ["failed: 404"],
                source=["test"] * 6,
            ),
        ),
        "split": (
            schemas.SPLIT,
            frame(
                schemas.SPLIT,
                user=user,
                position=position,
                item=item,
                time=time,
                part=part,
                rating=[None] * len(user),
            ),
        ),
        "cases": (
            schemas.CASES,
            frame(
                schemas.CASES,
                case=[1, 2, 3],
                part=["test"] * 3,
                user=[1, 2, 3],
                position=[last[u] for u in acts],
                target=[acts[u][-1] for u in acts],
                candidates=[None] * 3,
            ),
        ),
        "words": (
            schemas.WORDS,
            frame(
                schemas.WORDS,
                4,
                item=list(told),
                token=list(tokens.values()),
                span=[spans(text) for text in told.values()],
                word=[np.eye(4)[: len(t)].tolist() for t in tokens.values()],
            ),
        ),
        "regions": (
            schemas.REGIONS,
            frame(
                schemas.REGIONS,
                4,
                item=range(1, 7),
                box=[[[0.0, 0.0, 1.0, 0.5], [0.0, 0.5, 1.0, 1.0]]] * 6,
                score=[[1.0, 1.0]] * 6,
                region=[np.eye(4)[:2].tolist()] * 6,
            ),
        ),
        "image": (schemas.VECTORS, frame(schemas.VECTORS, 4, item=[1], vector=[[1.0, 0, 0, 0]])),
        "text": (schemas.VECTORS, frame(schemas.VECTORS, 4, item=[1], vector=[[1.0, 0, 0, 0]])),
        "topic_history": (
            schemas.TOPIC_HISTORY,
            frame(
                schemas.TOPIC_HISTORY,
                TOPICS,
                user=[1, 1, 1, 2],
                window=[datetime(2024, 1, day, tzinfo=UTC) for day in (1, 8, 15)] + [datetime(2024, 1, 1, tzinfo=UTC)],
                share=[[0.1, 0.8, 0.1], [0.2, 0.1, 0.7], [0.3, 0.3, 0.4], [1.0, 0.0, 0.0]],
            ),
        ),
        "topic_items": (schemas.TOPIC_ITEMS, frame(schemas.TOPIC_ITEMS, TOPICS, item=[1], share=[[0.2, 0.5, 0.3]])),
        "topic_words": (
            schemas.TOPIC_WORDS,
            frame(
                schemas.TOPIC_WORDS,
                topic=[1, 1, 2, 2, 3, 3],
                rank=[1, 2] * 3,
                word=["cook", "harbour", "storm", "<i>sea</i>", "love", "rome"],
                weight=[0.5, 0.4] * 3,
            ),
        ),
        "truth": (schemas.TRUTH, pl.DataFrame(schema=dict(schemas.TRUTH.columns))),
    }
    layout = Layout(root, "temporal")
    for name, (table, rows) in written.items():
        meta = {"split": {"items": ITEMS, "users": 3}, "topic_history": {"window": "week", "decay": 0.2}}.get(name, {})
        store.write(rows, getattr(layout, name), table, meta)
    shard = frame(
        schemas.IMAGES,
        item=range(1, 6),
        image=images,
        format=["PNG"] * 5,
        width=[400] * 5,
        height=[600] * 5,
        sha256=["0"] * 5,
    )
    store.write_shards([shard], layout.images, schemas.IMAGES)
    layout.weights.parent.mkdir()
    return Small(layout)

"""One history to its first items with their sentences, and an item to its weights."""

from datetime import datetime

import torch
from torch import Tensor

from engine.evaluation.item_parts import item_influence
from engine.evaluation.question import Question
from engine.evaluation.readings import LEADING, read
from engine.evaluation.top import top_of
from engine.training.batch import Batch
from engine.training.contract import Explainer, Weights
from serving.answers import Explanation, Recommendation
from serving.history import History, Muted
from serving.model import Model
from serving.one_at_a_time import one_at_a_time
from serving.reasons import Reader
from serving.sentences import sentences
from serving.why import stands

RIVALS = 10  # among which an item is compared by a model that scores no whole catalogue


@one_at_a_time
def recommended(
    model: Model, history: History, top: int, at: datetime | None, muted: Muted, reasons: bool
) -> tuple[Recommendation, ...]:
    """The first `top` items; fewer where fewer are left."""
    batch = model.asked(history, at, muted)
    item_K, score_K = _first(model, history, batch, top, at)
    told: list[str | None] = [None] * len(item_K)
    if reasons:
        told = sentences(model, batch, item_K, item_K)
    found = []
    for rank, (code, score, because) in enumerate(zip(item_K.tolist(), score_K.tolist(), told, strict=True), 1):
        item = model.names.item(code)
        found.append(Recommendation(item.item, item.title, rank, score, because))
    return tuple(found)


@one_at_a_time
def explained(model: Model, history: History, code: int, at: datetime | None, muted: Muted) -> Explanation:
    """The weights of one item after one history."""
    batch = model.asked(history, at, muted)
    item_B, item = torch.tensor([code], device=model.device), model.names.item(code)
    rival_K, _ = _first(model, history, batch, RIVALS, at)
    reader = _reader(model, history, batch, at)
    asked = Question(model.net, batch, item_B, model.catalog, rival_K[None])
    weights = [*read(asked, LEADING), *item_influence(asked)]
    here = stands(model, [history], code, RIVALS, at, muted)
    return Explanation(
        item.item,
        item.title,
        int(here.rank_B[0]),
        float(here.score_B[0]),
        sentences(model, batch, item_B, rival_K)[0],
        tuple(map(reader.reading, weights)),
        tuple(map(reader.reading, _own(model, batch, item_B))),
    )


def _first(model: Model, history: History, batch: Batch, top: int, at: datetime | None) -> tuple[Tensor, Tensor]:
    known = model.rows.left_out([history.before(at)], model.seen)
    item_BK, score_BK = top_of(model.net, batch, known, model.events.items, min(top, model.events.items))
    there_K = item_BK[0] > 0
    return item_BK[0][there_K], score_BK[0][there_K]


@torch.no_grad()
def _own(model: Model, batch: Batch, item_B: Tensor) -> list[Weights]:
    return model.net.explain(batch, item_B) if isinstance(model.net, Explainer) else []


def _reader(model: Model, history: History, batch: Batch, at: datetime | None) -> Reader:
    read = int(batch.length_B[0])
    now = set(history.before(at).acts)
    places = [place for place, act in enumerate(history.acts) if act in now]
    return Reader(model.names, model.labels, model.catalog, batch.item_BL[0].tolist(), places[len(places) - read :])

"""A model to reasons: what it recommends after each history, and the weights of what it was made from, as a table."""

from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from engine.evaluation.history_erasure import best_items
from engine.evaluation.item_parts import item_influence
from engine.evaluation.question import Question
from engine.evaluation.readings import LEADING, read
from engine.tables.schemas import REASONS
from engine.training.bar import bar
from engine.training.batch import Batch
from engine.training.cases import Cases, Seen
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Recommender, Weights
from engine.training.interactions import Interactions
from stages.explain.labels import Labels, with_labels

COLUMNS = {name: kind for name, kind in REASONS.columns.items() if name != "label"} | {"word_of": pl.UInt32}
INFLUENCE = "influence"  # the reading that is every model's; all others are a model's own weights
OWN = {"share": "attention", "gate": "gate", "signed": "contribution"}
ROWS = 64  # cases explained at once


@dataclass(frozen=True)
class Recommendations:
    """The best items of each case, score and reasons; `reasons` is a REASONS table, in the order of the cases."""

    item_BK: Tensor
    score_BK: Tensor
    reasons: pl.DataFrame


@dataclass(frozen=True)
class Asked:
    """The items to explain after each case's history (0: none), their scores, and the items that a model which scores
    no whole catalogue compares them with.
    """

    item_BK: Tensor
    score_BK: Tensor
    among_BK: Tensor


@torch.no_grad()
def recommend_with_reasons(
    model: Recommender, events: Interactions, cases: Cases, top: int, seen: Seen, catalog: Catalog, labels: Labels
) -> Recommendations:
    """The `top` recommendations after each case's history, each with its influences and the model's own weights."""
    model.eval()
    item_BK, score_BK = best_items(model, events, cases, top, seen)
    table = reason_rows(model, events, cases, Asked(item_BK, score_BK, item_BK), catalog)
    return Recommendations(item_BK, score_BK, with_labels(table, labels))


@torch.no_grad()
def reason_rows(model: Recommender, events: Interactions, cases: Cases, asked: Asked, catalog: Catalog) -> pl.DataFrame:
    """A REASONS table without labels (`COLUMNS`), in the order of the cases; an item's rank is its place in `asked`."""
    frames = [pl.DataFrame(schema=COLUMNS)]
    for first in bar(range(0, len(cases), ROWS), "read reasons"):
        some = slice(first, first + ROWS)
        batch = events.before(cases.user_C[some], cases.position_C[some], model.needs)
        position_BL = positions_of(events, batch)
        for k in range(asked.item_BK.shape[1]):
            item_B, score_B = asked.item_BK[some, k], asked.score_BK[some, k]
            for reading, found in readings(model, batch, item_B, catalog, asked.among_BK[some]):
                rows = _reason_rows(found, batch, position_BL, item_B, score_B, k + 1)
                frames.append(rows.with_columns(reading=pl.lit(reading)).select(list(COLUMNS)))
    table = pl.concat(frames).filter(pl.col("item") > 0)
    place = pl.DataFrame({"user": cases.user_C.cpu().numpy()}, schema={"user": pl.UInt32}).with_row_index("case")
    return table.join(place, on="user", maintain_order="left").sort("case", "rank", maintain_order=True).drop("case")


def readings(
    model: Recommender, batch: Batch, item_B: Tensor, catalog: Catalog, among_BK: Tensor
) -> list[tuple[str, Weights]]:
    """What each part of a history, and of the item itself, does to one item a row, and the model's own weights, each
    under its own name.
    """
    asked = Question(model, batch, item_B.clamp(min=1), catalog, among_BK)
    found = [(INFLUENCE, one) for one in [*read(asked, LEADING), *item_influence(asked)]]
    own = model.explain(batch, item_B) if isinstance(model, Explainer) else []
    return found + [(own_name(one), one) for one in own]


def own_name(weights: Weights) -> str:
    """What a model's own weights are called."""
    return weights.name or ("profile" if weights.over == "topic" and weights.kind == "share" else OWN[weights.kind])


def positions_of(events: Interactions, batch: Batch) -> Tensor:
    """The position of each event of a batch within its user's events, from 0: an item acted on twice has two."""
    place_E = torch.arange(len(events), device=events.event_E.device)
    position_N = place_E.new_zeros(int(events.event_E.max()) + 1)  # by the event's number
    position_N[events.event_E] = place_E - events.offset_U[events.user_E]
    return position_N[batch.event_BL]


def _reason_rows(
    reason: Weights, batch: Batch, position_BL: Tensor, item_B: Tensor, score_B: Tensor, rank: int
) -> pl.DataFrame:
    """One reason of one recommendation a row: its valid parts in order, numbered from 1 (history: by item)."""
    value, valid, word_of = reason.value, reason.valid, None
    if reason.over == "word_region" and not value.shape[-2]:
        value, valid = value.sum(dim=-2), valid.any(dim=-2)  # none of these items has a word: no pair is left
    elif reason.over == "word_region":
        # a pair has no number of its own: each region is kept with the word that it weighs most
        value, word_of = value.masked_fill(~valid, -torch.inf).max(dim=-2)
        valid = valid.any(dim=-2)
    at = valid.nonzero()
    row = at[:, 0]
    part = batch.item_BL[row, at[:, 1]] if reason.over == "history" else at[:, -1] + 1
    part = part if reason.part is None else reason.part[valid]
    about = torch.zeros_like(row) if reason.about is None else reason.about[tuple(at[:, :-1].T)]
    columns = {
        "user": batch.user_B[row],
        "item": item_B[row],
        "rank": torch.full_like(row, rank),
        "score": score_B[row],
        "about": about,
        "part": part,
        "word_of": torch.zeros_like(row) if word_of is None else word_of[valid] + 1,
        "weight": value[valid].float(),
    }
    of_history = reason.over in ("history", "gate") if reason.about is None else reason.about.ndim == 2
    if of_history:
        columns["position"] = position_BL[row, at[:, 1]]
    frame = pl.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})
    position = [] if of_history else [pl.lit(None).alias("position")]
    said = [pl.lit(getattr(reason, name)).alias(name) for name in ("over", "kind", "faithful")]
    given = [pl.col(name).cast(kind) for name, kind in COLUMNS.items() if name != "reading"]
    return frame.with_columns(*said, *position).select(given)

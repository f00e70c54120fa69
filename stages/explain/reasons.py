"""A model to reasons: what it recommends after each history, and the weights of what it was made from, as a table."""

from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from engine.evaluation.history_erasure import best_items
from engine.tables.schemas import REASONS
from engine.training.batch import Batch
from engine.training.cases import Cases, Seen
from engine.training.contract import Explainer, Recommender, Weights
from engine.training.interactions import Interactions

VIEWS = {1: "picture", 2: "text", 3: "row"}  # the order in which models weigh views
COLUMNS = {name: kind for name, kind in REASONS.columns.items() if name != "label"} | {"word_of": pl.UInt32}


@dataclass(frozen=True)
class Labels:
    """What parts are called: item → title; (item, word number) → word; topic number → its first words."""

    titles: pl.DataFrame
    words: pl.DataFrame
    topics: dict[int, str]


@dataclass(frozen=True)
class Recommendations:
    """The best items of each case, score and reasons; `reasons` is a REASONS table, in the order of the cases."""

    item_BK: Tensor
    score_BK: Tensor
    reasons: pl.DataFrame


def word_labels(frame: pl.DataFrame) -> pl.DataFrame:
    """A words table (item, token) as one row a word: about, part (from 1), label."""
    numbered = frame.select(
        pl.col("item").alias("about"),
        pl.int_ranges(1, pl.col("token").list.len().cast(pl.Int64) + 1, dtype=pl.UInt32).alias("part"),
        pl.col("token").alias("label"),
    )
    return numbered.filter(pl.col("part").list.len() > 0).explode("part", "label")


@torch.no_grad()
def recommend_with_reasons(
    model: Recommender, events: Interactions, cases: Cases, top: int, seen: Seen, labels: Labels
) -> Recommendations:
    """The `top` recommendations after each case's history; with reasons where the model gives them."""
    model.eval()
    item_BK, score_BK = best_items(model, events, cases, top, seen)
    batch = events.before(cases.user_C, cases.position_C, model.needs)
    position_BL = positions_of(events, batch)
    frames = [pl.DataFrame(schema=COLUMNS)]
    if isinstance(model, Explainer):
        for k in range(item_BK.shape[1]):
            weights = model.explain(batch, item_BK[:, k])
            frames += [_reason_rows(w, batch, position_BL, item_BK[:, k], score_BK[:, k], k + 1) for w in weights]
    table = pl.concat(frames).filter(pl.col("item") > 0)
    place = pl.DataFrame({"user": cases.user_C.cpu().numpy()}, schema={"user": pl.UInt32}).with_row_index("case")
    table = table.join(place, on="user", maintain_order="left").sort("case", "rank", maintain_order=True).drop("case")
    return Recommendations(item_BK, score_BK, with_labels(table, labels))


def positions_of(events: Interactions, batch: Batch) -> Tensor:
    """The position of each event of a batch within its user's events, from 0: an item acted on twice has two."""
    place_E = torch.arange(len(events), device=events.event_E.device)
    position_N = place_E.new_zeros(int(events.event_E.max()) + 1)  # by the event's number
    position_N[events.event_E] = place_E - events.offset_U[events.user_E]
    return position_N[batch.event_BL]


def with_labels(table: pl.DataFrame, labels: Labels) -> pl.DataFrame:
    """The rows with their labels: titles, words, topics' first words, views; a region has none."""
    word = labels.words.rename({"label": "word"})
    title = labels.titles.select(pl.col("item").alias("part"), pl.col("title"))
    topic, view = _label_column(labels.topics, "topic"), _label_column(VIEWS, "view")
    # a region's best word comes as `word_of`, its number in the item's text
    joined = (
        table.join(title, on="part", how="left", maintain_order="left")
        .join(topic, on="part", how="left", maintain_order="left")
        .join(view, on="part", how="left", maintain_order="left")
        .with_columns(pl.when(pl.col("over") == "word_region").then("word_of").otherwise("part").alias("at"))
        .join(word, left_on=["about", "at"], right_on=["about", "part"], how="left", maintain_order="left")
    )
    over = pl.col("over")
    label = (
        pl.when(over.is_in(["history", "gate"])).then("title")
        .when(over == "topic").then("topic")
        .when(over == "view").then("view")
        .when(over.is_in(["word", "word_region"])).then("word")
    )  # fmt: skip
    return joined.with_columns(label.alias("label")).select(list(REASONS.columns))


def _label_column(names: dict[int, str], column: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"part": list(names), column: list(names.values())}, schema={"part": pl.UInt32, column: pl.String}
    )


def _reason_rows(
    reason: Weights, batch: Batch, position_BL: Tensor, item_B: Tensor, score_B: Tensor, rank: int
) -> pl.DataFrame:
    """One reason of one recommendation a row: its valid parts in order, numbered from 1 (history: by item)."""
    value, valid, word_of = reason.value, reason.valid, None
    if reason.over == "word_region":
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
    return frame.with_columns(*said, *position).select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())

"""What everyone would be shown now, from all that they did, and because of what."""

import logging
from collections.abc import Iterator
from itertools import chain
from typing import Annotated

import numpy as np
import polars as pl
import torch
from pydantic import Field
from torch import Tensor

import models
from engine.evaluation.cause import causes
from engine.evaluation.erasure import select_rows
from engine.evaluation.question import Question
from engine.evaluation.top import top
from engine.evaluation.wording import Wording
from engine.tables import files, raw_ids, store
from engine.tables.command import run
from engine.tables.domain_words import DomainWords
from engine.tables.layout import Layout
from engine.tables.naming import naming
from engine.tables.raw_ids import RawId
from engine.tables.schemas import ITEMS, RECOMMENDATIONS, USERS
from engine.tables.settings import Choice, Record
from engine.training.bar import bar
from engine.training.cases import Seen
from engine.training.contract import Recommender
from engine.training.fit import accelerator
from engine.training.source import Data, load
from engine.training.trained_on import trained_on

log = logging.getLogger(__name__)

PEOPLE = 256  # at a time
ROWS = 256  # items of people that are given a reason at a time


class Recommend(Record):
    """For whom, how many, and how many of them with a reason."""

    top: int = Field(10, ge=1, description="items a person")
    people: tuple[RawId, ...] = Field((), description="raw ids of those who are asked for; none: everyone")
    because: Annotated[int, Field(ge=0)] = Field(
        10, description="how many of a person's items get a sentence that says why, checked; fewer are faster, 0: none"
    )


class Params(Record):
    """What the stage reads of params.yaml."""

    model: Choice = Field(description="the chosen model and its section")
    seen: Seen = Field(description="whether what a person had before is left out")
    recommend: Recommend = Field(Recommend(), description="for whom, how many, and why")
    words: DomainWords = Field(DomainWords(), description="what the data set's things are called")
    device: str = Field("auto", description="auto, cpu or cuda")


def main(params: Params, layout: Layout) -> None:
    """Write the top items of now for everyone, or those named, as Parquet and CSV."""
    settings, device, needs = params.recommend, accelerator(params.device), models.configure(params.model).needs
    data = load(layout, needs, "test", device)
    model = models.restore(params.model, data.catalog, data.users, layout.weights, trained_on(layout, needs), device)
    names = store.read(layout.users, USERS, ["user", "raw"])
    wording = Wording(naming(layout, needs.views, needs.topics), params.words, device)
    chosen = people(names, settings.people)
    user_C = torch.from_numpy(chosen["user"].to_numpy().astype(np.int64)).to(device)
    length_C = data.events.offset_U[user_C + 1] - data.events.offset_U[user_C]
    parts = [
        shown(model, data, user_C[part], length_C[part], settings, params.seen, wording)
        for part in bar(list(_parts(len(user_C), PEOPLE)), "recommend")
    ]
    items = store.read(layout.items, ITEMS, ["item", "raw", "title"])
    table = named(pl.concat(parts), chosen, items)
    store.write(table, layout.recommendations, RECOMMENDATIONS)
    files.write_text(table.write_csv(), layout.recommendations_csv)
    log.info("%d people, %d items each; reasons: %d", chosen.height, settings.top, table["because"].count())


def people(names: pl.DataFrame, asked: tuple[str | int, ...]) -> pl.DataFrame:
    """Everyone, or those asked for by raw id, in the order of the data.

    Raises:
        ValueError: nobody has such an id, or several may be meant; names it.
    """
    if not asked:
        return names
    return names.filter(pl.col("raw").is_in(raw_ids.named(asked, names["raw"].to_list(), "recommend.people")))


def shown(
    model: Recommender,
    data: Data,
    user_B: Tensor,
    length_B: Tensor,
    settings: Recommend,
    seen: Seen,
    wording: Wording,
) -> pl.DataFrame:
    """user, rank, item, score by code, and the sentence that says why; null where nothing can be said."""
    item_BK, score_BK = top(model, user_B, length_B, data.events, settings.top, seen)
    batch, item_BR = data.events.before(user_B, length_B, model.needs), item_BK[:, : settings.because]
    said = [[None] * settings.top for _ in user_B]
    for part in _parts(len(user_B), max(1, ROWS // max(settings.because, 1))) if settings.because else ():
        some = torch.arange(len(user_B), device=user_B.device)[part]
        asked = Question.of_each(model, select_rows(batch, some), item_BR[some], data.catalog, item_BK[some])
        told = wording.sentences(causes(asked, wording.nameable), asked.batch.item_BL, asked.item_B)
        for place, sentence in enumerate(told):
            said[part.start + place // item_BR.shape[1]][place % item_BR.shape[1]] = sentence
    columns = {
        "user": user_B[:, None].expand_as(item_BK),
        "rank": torch.arange(1, settings.top + 1, device=item_BK.device).expand_as(item_BK),
        "item": item_BK,
        "score": score_BK,
    }
    frame = pl.DataFrame({name: value.flatten().cpu().numpy() for name, value in columns.items()})
    return frame.with_columns(pl.Series("because", list(chain.from_iterable(said)), pl.String)).filter(
        pl.col("item") > 0
    )


def named(found: pl.DataFrame, names: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Codes as raw ids and titles."""
    table = found.with_columns(pl.col("user", "item").cast(pl.UInt32))
    table = table.join(names.rename({"raw": "person"}), on="user", how="left", maintain_order="left")
    table = table.join(items.rename({"raw": "thing"}), on="item", how="left", maintain_order="left")
    return table.select(
        user="person",
        rank=pl.col("rank").cast(pl.UInt32),
        item="thing",
        title="title",
        score=pl.col("score").cast(pl.Float32),
        because="because",
    )


def _parts(rows: int, size: int) -> Iterator[slice]:
    return (slice(first, first + size) for first in range(0, rows, size))


if __name__ == "__main__":
    run(main)

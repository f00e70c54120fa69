"""Histories as if some events had not been."""

from collections.abc import Callable, Mapping
from dataclasses import fields

import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.needs import View

Parts = Mapping[View, Tensor]


def select_rows(batch: Batch, row_B: Tensor) -> Batch:
    """Some rows of a batch, as often as they are asked for."""
    whole = ("shared_S", "expected_S", "audience", "profiles", "part_presence")
    rowwise = {f.name: getattr(batch, f.name) for f in fields(batch) if f.name not in whole}
    found = {name: None if value is None else value[row_B] for name, value in rowwise.items()}
    return batch.but(**found, part_presence=_each(batch.part_presence, lambda value_BL: value_BL[row_B]))


def erase_events(batch: Batch, gone_BL: Tensor) -> Batch:
    """The rows as if some of their events had not been, with the topics that the others then have; where a batch does
    not say what topics were made of they stay as they were.
    """
    keep_BL = batch.valid_BL & ~gone_BL
    order_BL = kept_first(keep_BL)
    kept_BL = keep_BL.gather(1, order_BL)
    found: dict[str, Tensor | None] = {"length_B": keep_BL.sum(1)}
    for name in ("item_BL", "event_BL", "time_BL", "rating_BL"):
        value_BL = getattr(batch, name)
        found[name] = None if value_BL is None else value_BL.gather(1, order_BL) * kept_BL
    if batch.topic_BLT is not None:
        topic_BLT = _topics(batch, batch.topic_BLT, gone_BL)
        index_BLT = order_BL[..., None].expand_as(batch.topic_BLT)
        found["topic_BLT"] = topic_BLT.gather(1, index_BLT) * kept_BL[..., None]
    if batch.presence_BL is not None:
        found["presence_BL"] = batch.presence_BL.gather(1, order_BL)
    row_B1 = torch.arange(len(order_BL), device=order_BL.device)[:, None]
    return batch.but(**found, part_presence=_each(batch.part_presence, lambda value_BL: value_BL[row_B1, order_BL]))


def _topics(batch: Batch, topic_BLT: Tensor, gone_BL: Tensor) -> Tensor:
    """The topics right after each event that is kept, made without those that are gone."""
    if batch.profiles is None:
        return topic_BLT
    anew_BLT = batch.profiles.without(batch.event_BL.cpu().numpy(), (gone_BL & batch.valid_BL).cpu().numpy())
    return torch.from_numpy(anew_BLT).to(topic_BLT)


def kept_first(keep_BL: Tensor) -> Tensor:
    """The places of each row, those that are kept before the others, each in their order."""
    return (~keep_BL).long().argsort(dim=1, stable=True)


def _each(parts: Parts | None, change: Callable[[Tensor], Tensor]) -> Parts | None:
    return None if parts is None else {view: change(value) for view, value in parts.items()}

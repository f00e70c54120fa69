"""What each event, word, region, view and topic of a history does to an item's score: gradient × input, for any model.

The derivative, where all is present, of the item's log-probability by the presences: one forward and one backward pass
for a whole batch (gradient × input of Shrikumar et al. 2016, taken at what the model makes of an event or a part).
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from engine.evaluation.alike import Alike
from engine.evaluation.question import Question, log_probability
from engine.evaluation.rate import rates
from engine.training.batch import Batch
from engine.training.contract import CatalogScorer, Recommender, Weights
from engine.training.needs import View
from engine.training.presence import Presence

OVER = ("history", "item_history", "word", "region", "view", "topic")
ItemPart = Literal["word", "region"]
VIEWS: dict[ItemPart, View] = {"word": "words", "region": "regions"}
PARTS: dict[View, str] = {"words": "word", "regions": "region", "topics": "topic"}
WHOLE: tuple[tuple[View, View], ...] = (("image", "regions"), ("text", "words"))  # what else a view may be read from


def influence(asked: Question, over: Collection[str] = OVER) -> list[Weights]:
    """The influence of all that the model reads on the log-probability of one item a row, or on its rating.

    The log-softmax is over the catalog, or over the item and `among_BK` where a model does not score the catalog. Over
    "view" the last axis is picture, text; over "topic" [B, L, T] are the shares of the profile right after each event.
    What a model does not read is left out: one without histories gives an empty list. What the batch dims already
    speaks so much less. `faithful` is False: the weights are made from the score, not the score from them. 0 on
    padding.

    Raises:
        ValueError: the model scores no whole catalog and there is no `among_BK`.
    """
    model, among_BK = asked.model, asked.among_BK
    model.eval()
    alike = Alike.of(model, asked.batch, asked.same_B)
    once = replace(asked, batch=alike.once(asked.batch), item_B=asked.item_B[alike.first_U])
    ones = [one for one in all_present(once) if one.over in over]
    if not ones:
        return []
    # cuDNN's recurrences have a backward pass in training alone
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        given = dimmed(once.batch, ones, rivals(model, among_BK))
        value_B = log_probability(model, given, asked.item_B, among_BK, alike.place_B)
        slopes = alike.slopes(value_B, [one.value for one in ones])
    return [alike.spread(one, slope) for one, slope in zip(ones, slopes, strict=True)]


def all_present(asked: Question) -> list[Weights]:
    """A presence of 1, to be derived by, for all that the model reads: events, parts and views of their items, and the
    acts of others on the item asked. As weights, so that each says what it is over and where there is anything.
    """
    model, batch, item_B, catalog = asked.model, asked.batch, asked.item_B, asked.catalog
    needs, item_BL = model.needs, batch.item_BL
    if not needs.length:
        return []
    dtype = next((p.dtype for p in model.parameters()), torch.get_default_dtype())

    def one(over: str, valid: Tensor, about: Tensor | None = None, part: Tensor | None = None) -> Weights:
        ones = torch.ones(valid.shape, dtype=dtype, device=valid.device, requires_grad=True)
        return Weights(ones, over, "signed", False, valid, about, part)  # type: ignore[arg-type]

    found = [one("history", batch.valid_BL)]
    if batch.audience is not None and batch.now_B is not None:
        start_B, stop_B = batch.audience.cut(item_B, batch.now_B, needs.item_length)
        place_BM = start_B[:, None] + torch.arange(needs.item_length, device=item_B.device)
        valid_BM = place_BM < stop_B[:, None]
        person_BM = batch.audience.user_E[(place_BM * valid_BM)] * valid_BM
        found.append(one("item_history", valid_BM, item_B, person_BM))
    if batch.topic_BLT is not None and item_BL.numel():
        found.append(one("topic", batch.topic_BLT > 0, item_BL))
    for view, over in PARTS.items():
        if view in needs.views and view != "topics" and item_BL.numel():
            length_BL = catalog.ragged(view).offset_N.diff()[item_BL]
            step_P = torch.arange(int(length_BL.max()), device=item_BL.device)
            found.append(one(over, step_P < length_BL[..., None], item_BL))
    sources = [next((v for v in views if v in needs.views), None) for views in WHOLE]
    if any(sources):
        seen = [torch.zeros_like(batch.valid_BL) if v is None else catalog.present(v)[item_BL] for v in sources]
        found.append(one("view", torch.stack(seen, -1), item_BL))
    return found


def rivals(model: Recommender, among_BK: Tensor | None) -> int:
    """How many items the asked one is scored beside, by name."""
    return 0 if among_BK is None or rates(model) or isinstance(model, CatalogScorer) else among_BK.shape[1]


def presence(ones: list[Weights], rivals: int = 0) -> Presence:
    """Weights as what a batch carries; the acts of others on `rivals` further candidates are all there."""
    value = {one.over: one.value for one in ones}
    parts = {view: value[over] for view, over in PARTS.items() if over in value}
    if "view" in value:
        parts |= {view: value["view"][..., place] for place, (view, _) in enumerate(WHOLE)}
    own_BM = value.get("item_history")
    others = None
    if own_BM is not None:
        others = torch.cat([own_BM[:, None], own_BM.new_ones(len(own_BM), rivals, own_BM.shape[1])], 1)
    return Presence(presence_BL=value.get("history"), part_presence=parts or None, audience_presence_BKM=others)


def dimmed(batch: Batch, ones: list[Weights], rivals: int) -> Batch:
    """The batch in which parts speak so much less, by the value of each."""
    return batch.but(**vars(batch.dimmed(presence(ones, rivals))))

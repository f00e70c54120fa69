"""How often the heaviest part is a true cause, by every reading: one value a case.

The next act that happened is explained, not a recommendation, as its cause is what the truth tells of. Only what leaves
something to find counts: some of the weighed parts true and some not.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.influence import VIEWS, WHOLE
from engine.evaluation.item_parts import leaving_parts_out
from engine.evaluation.question import Question
from engine.evaluation.readings import Reading, read
from engine.training.bar import bar
from engine.training.cases import Cases
from engine.training.contract import CatalogScorer, Explainer, Recommender, Weights
from engine.training.source import Data
from stages.explain.hits import Hits
from stages.explain.known_causes import KnownCauses
from stages.explain.reasons import positions_of

ROWS = 64  # cases explained at once
INSIDE = (*VIEWS, "view")  # what there is inside an item


@torch.no_grad()
def cause_hits(
    model: Recommender, data: Data, cases: Cases, causes: KnownCauses, readings: Mapping[Reading, Collection[str]]
) -> Hits:
    """The hits of the model's own weights and of readings, each over what it is asked: "history"; "topic", in all acts
    together; "word", "region" and "view" of the acts that are true causes; `next_word` and its like: own weights of the
    item acted on next, and of a model that reads no history what its score loses with each word or region.
    """
    hits = Hits()
    if not causes.by_event:
        return hits
    for first in bar(range(0, len(cases), ROWS), "hold against known causes"):
        user_B, position_B, item_B = (c[first : first + ROWS] for c in (cases.user_C, cases.position_C, cases.target_C))
        batch = data.events.before(user_B, position_B, model.needs)
        next_B = list(zip(user_B.tolist(), position_B.tolist(), strict=True))
        item_BL, valid_BL = _array(batch.item_BL), _array(batch.valid_BL)
        true_BL = np.stack([np.isin(item_BL[row], causes.earlier(*of)) for row, of in enumerate(next_B)]) & valid_BL
        among = None if isinstance(model, CatalogScorer) else every_item(data, len(item_B))
        within = torch.from_numpy(true_BL).to(item_B.device)
        asked = Question(model, batch, item_B, data.catalog, among, within)
        said = _said(asked, readings)
        weighed = {name: _array(one.value.double()) for name, one in said if one.over == "history"}
        weighed["newest"] = np.broadcast_to(np.arange(valid_BL.shape[1], dtype=np.float64), valid_BL.shape)
        for row, (user, _) in enumerate(next_B):
            hits.note("history", user, {n: v[row] for n, v in weighed.items()}, (true_BL[row], valid_BL[row]))
        _note_topics(hits, {name: one for name, one in said if one.over == "topic"}, next_B, causes)
        position_BL = _array(positions_of(data.events, batch))
        places = list(_places(next_B, true_BL, item_BL, position_BL))
        next_places = [((row,), *of, int(item_B[row])) for row, of in enumerate(next_B)]
        for kind in INSIDE:
            _note_inside(
                hits, kind, {n: one for n, one in said if one.over == kind and one.value.ndim == 3}, places, causes
            )
            of_next = {n: one for n, one in said if one.over == kind and one.value.ndim == 2}
            _note_inside(hits, kind, of_next, next_places, causes)
    return hits


def _said(asked: Question, readings: Mapping[Reading, Collection[str]]) -> list[tuple[str, Weights]]:
    """The model's own weights and the readings, by name."""
    model = asked.model
    own = model.explain(asked.batch, asked.item_B) if isinstance(model, Explainer) else []
    said = [(f"own_{one.kind}", one) for one in own]
    for reading, over in readings.items() if model.needs.length else ():
        said += [(reading, one) for one in read(asked, reading, over)]
    if not model.needs.length:
        told = {one.over for one in own if one.value.ndim == 2}
        said += [("leave_one_out", leaving_parts_out(asked, over)) for over in VIEWS if over in told]
    return said


Place = tuple[tuple[int, ...], int, int, int]  # where in the weights; whose event, its position, its item


def _places(
    next_B: list[tuple[int, int]], true_BL: np.ndarray, item_BL: np.ndarray, position_BL: np.ndarray
) -> Iterator[Place]:
    """The acts that are true causes."""
    for row, place in zip(*true_BL.nonzero(), strict=True):
        yield (row, place), next_B[row][0], int(position_BL[row, place]), int(item_BL[row, place])


def _note_inside(hits: Hits, over: str, said: dict[str, Weights], places: Sequence[Place], causes: KnownCauses) -> None:
    """The hits inside some items, by every reading that weighs there."""
    true = {"word": causes.true_words, "region": causes.true_regions, "view": causes.true_views}[over]
    values = {name: _array(one.value.double()) for name, one in said.items()}
    for at, user, position, item in places if said else []:
        width = min(len(WHOLE) if over == "view" else value.shape[-1] for value in values.values())
        valid_P = np.logical_and.reduce([_array(one.valid[at])[:width] for one in said.values()])
        true_P = true(user, position, item)[:width]
        known = (np.pad(true_P, (0, width - len(true_P))), valid_P)
        name = over if len(at) == 2 else f"next_{over}"
        hits.note(name, user, {n: value[at][:width] for n, value in values.items()}, known)


def _note_topics(hits: Hits, said: dict[str, Weights], next_B: list[tuple[int, int]], causes: KnownCauses) -> None:
    """The hits of the topics, each by what it does in all acts together."""
    if not said:
        return
    values = {name: _array(_together(one.value.double() * one.valid)) for name, one in said.items()}
    valid_BT = np.logical_and.reduce([_array(_together(one.valid)) > 0 for one in said.values()])
    for row, (user, position) in enumerate(next_B):
        true_T = causes.true_topic(user, position, valid_BT.shape[1])
        hits.note("topic", user, {name: value[row] for name, value in values.items()}, (true_T, valid_BT[row]))


def _together(value: Tensor) -> Tensor:
    return value.sum(1) if value.ndim == 3 else value


def every_item(data: Data, rows: int) -> Tensor:
    """All items a row, to compare with where a model scores no whole catalogue."""
    item_N = torch.arange(1, data.events.items + 1, device=data.events.item_E.device)
    return item_N.expand(rows, -1)


def _array(value: Tensor) -> np.ndarray:
    found: np.ndarray = value.detach().cpu().numpy()
    return found

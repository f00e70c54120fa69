"""What may be said of each recommendation: the acts without which its score falls, what of them, and a sentence."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.evaluation.cause import TRIED, Causes, Telling, causes
from engine.evaluation.question import Question
from engine.evaluation.wording import Wording
from engine.training.bar import bar
from engine.training.cases import Cases
from engine.training.catalog import Catalog
from engine.training.contract import Recommender
from engine.training.interactions import Interactions
from stages.explain.reasons import ROWS, positions_of

LED = 3  # acts of a recommendation that are shown with their pictures and words
ACT = "\N{OBJECT REPLACEMENT CHARACTER}"  # in a sentence, where the act that it names is called


@dataclass(frozen=True)
class NamedAct:
    """Of an act: words of its text, or else its "picture" or "text" as `view`, without which alone the score falls."""

    words: list[str]
    view: str


@dataclass(frozen=True)
class Checked:
    """What was tried of one recommendation.

    `falls`: by the act's position, how far the item's log-probability falls without this act alone, of those that
    weigh most. `named`: the first of those that speak for it and without which it falls, the heaviest first.
    `sentence`: made of the first of them, `ACT` in the place of its title, or of what outweighs it (a topic, a
    category, what others did), or of the item itself where the model reads no history; None where nothing that was
    tried lowers it.
    """

    sentence: str | None
    falls: dict[int, float]
    named: dict[int, NamedAct]


@torch.no_grad()
def checked_acts(
    model: Recommender,
    events: Interactions,
    cases: Cases,
    item_BK: Tensor,
    catalog: Catalog,
    wording: Wording,
    shown: int,
) -> dict[tuple[int, int], Checked]:
    """By user and rank; `shown`: acts tried of each, none where the model reads no history."""
    found: dict[tuple[int, int], Checked] = {}
    model.eval()
    unnamed = replace(wording, names=replace(wording.names, title_N=[ACT] * len(wording.names.title_N)))
    for first in bar(range(0, len(cases), ROWS), "check what is said"):
        some = slice(first, first + ROWS)
        batch = events.before(cases.user_C[some], cases.position_C[some], model.needs)
        position_BL, user_B = positions_of(events, batch), cases.user_C[some].tolist()
        if model.needs.length and not batch.item_BL.shape[1]:
            continue
        asked = Question.of_each(model, batch, item_BK[some], catalog)
        if model.needs.length:
            position_RL = position_BL.repeat_interleave(item_BK.shape[1], dim=0)
            rows = _rows(Telling.of(asked, wording.nameable), position_RL, unnamed, shown)
        else:
            told = wording.sentences(causes(asked, wording.nameable), asked.batch.item_BL, asked.item_B)
            rows = [Checked(sentence, {}, {}) for sentence in told]
        ranked = [(user, rank) for user in user_B for rank in range(1, item_BK.shape[1] + 1)]
        items = item_BK[some].flatten().tolist()
        found |= {at: row for at, item, row in zip(ranked, items, rows, strict=True) if item}
    return found


def _rows(telling: Telling, position_BL: Tensor, wording: Wording, shown: int) -> list[Checked]:
    """Each row's; `wording` calls every act `ACT`."""
    fall_BL = _falls(telling, shown)
    first_B = telling.first(fall_BL)
    lead_BA = _speaking(telling.weight_BL, fall_BL, first_B)
    inside = [telling.inside(place_B) for place_B in lead_BA.T]
    asked, told = telling.away.asked, replace(inside[0], place_B=first_B, wide=telling.wide(first_B))
    said = wording.sentences(told, asked.batch.item_BL, asked.item_B)
    named = [_named(causes, wording) for causes in inside]
    tried_BL = ~fall_BL.isnan()
    return [
        Checked(
            sentence=said[row],
            falls=dict(zip(position_L[tried_L].tolist(), fall_L[tried_L].tolist(), strict=True)),
            named={int(position_L[p]): named[a][row] for a, p in enumerate(lead_A.tolist()) if p >= 0},
        )
        for row, (position_L, fall_L, tried_L, lead_A) in enumerate(
            zip(position_BL, fall_BL, tried_BL, lead_BA, strict=True)
        )
    ]


def _falls(telling: Telling, shown: int) -> Tensor:
    """fall_BL of the acts that weigh most for or against, and of those that a sentence may name; nan of the others."""
    weight_BL = telling.weight_BL
    there_BL, places = weight_BL.isfinite(), weight_BL.shape[1]
    heavy_BA = weight_BL.abs().masked_fill(~there_BL, -1.0).topk(min(shown, places), dim=1).indices
    place_BA = torch.cat([weight_BL.topk(min(TRIED, places), dim=1).indices, heavy_BA], 1)
    fall_BL = torch.full_like(weight_BL, torch.nan)
    for place_B in place_BA.T:
        fall_BL = fall_BL.scatter(1, place_B[:, None], telling.away.act(place_B)[:, None].to(fall_BL.dtype))
    return fall_BL.masked_fill(~there_BL, torch.nan)


def _speaking(weight_BL: Tensor, fall_BL: Tensor, first_B: Tensor) -> Tensor:
    """The places of the heaviest acts that speak for the item and lower it by their absence, lead_BA; -1 no more."""
    key_BL = weight_BL.masked_fill(~((weight_BL > 0) & (fall_BL > 0)), -torch.inf)
    row_R = (first_B >= 0).nonzero()[:, 0]
    key_BL[row_R, first_B[row_R]] = torch.inf  # the act of the sentence leads
    key_BA, place_BA = key_BL.topk(min(LED, key_BL.shape[1]), dim=1)
    return place_BA.masked_fill(key_BA == -torch.inf, -1)


def _named(causes: Causes, wording: Wording) -> list[NamedAct]:
    """One a row."""
    rows = zip(causes.term_BW.tolist(), causes.picture_B.tolist(), causes.text_B.tolist(), strict=True)
    words = wording.names.words
    return [
        NamedAct([words[term] for term in terms if term], "picture" if picture else "text" if text else "")
        for terms, picture, text in rows
    ]

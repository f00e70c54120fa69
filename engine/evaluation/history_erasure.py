"""Model and explanation to erasure tests: what an item's score does when the history that explains it is gone."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.rate import rates
from engine.evaluation.top import top as highest
from engine.measures import faithfulness
from engine.measures.faithfulness import Flags, Floats
from engine.training.bar import bar
from engine.training.batch import Batch
from engine.training.cases import Cases, Seen
from engine.training.contract import CatalogScorer, Explainer, Recommender, Weights
from engine.training.interactions import Interactions

ROWS = 256  # erased histories scored at once


@dataclass(frozen=True)
class Erasures:
    """One value a case [C] for each way of erasing k events, and how weights agree with leaving one out.

    Ways: `heaviest`, `lightest` and `random` of the weighed events, `leave_one_out` (those whose own absence lowers the
    score most), `keep_heaviest` and `keep_random` (all of the history but k). `drop` and `move` are in standard
    deviations of the case's scores over the catalogue, counted from their mean; `rank` is the item's rank then.
    """

    case_C: np.ndarray
    item_C: np.ndarray
    faithful: bool
    drop: dict[str, Floats]
    move: dict[str, Floats]
    rank: dict[str, Floats]
    agreement_C: Floats


@torch.no_grad()
def scores(model: Recommender, batch: Batch, items: int) -> Tensor:
    """score_BN of every item, column 0 (padding) -inf."""
    if isinstance(model, CatalogScorer):
        score_BN = model.score_all(batch).float().clone()
    else:
        item_BN = torch.arange(items + 1, device=batch.user_B.device).expand(len(batch.user_B), -1)
        score_BN = model.score(batch, item_BN).float().clone()
    score_BN[:, 0] = -torch.inf
    return score_BN


def best_items(model: Recommender, events: Interactions, cases: Cases, top: int, seen: Seen) -> tuple[Tensor, Tensor]:
    """The best items and their scores [B, top] after each case's history; fewer where the catalogue is smaller.

    Of equal scores the lower code comes first. Where an item could not be recommended any more (all others were seen)
    it is 0 and its score -inf.
    """
    return highest(model, cases.user_C, cases.position_C, events, min(top, events.items), seen)


def excluded_items(events: Interactions, cases: Cases, seen: Seen) -> Tensor:
    """Which items [B, N] are no recommendations after each case's history: padding, and what was seen if excluded."""
    excluded_BN = torch.zeros(len(cases), events.items + 1, dtype=torch.bool, device=events.item_E.device)
    excluded_BN[:, 0] = True
    if seen == "excluded":
        for row, (user, position) in enumerate(zip(cases.user_C.tolist(), cases.position_C.tolist(), strict=True)):
            first = int(events.offset_U[user])
            excluded_BN[row, events.item_E[first : first + position]] = True
    return excluded_BN


def history_weights(reasons: list[Weights]) -> Weights | None:
    """The reason over the history's events, rather one that the score was computed from; None where there is none."""
    found = [r for r in reasons if r.over == "history"]
    return next((r for r in found if r.faithful), found[0] if found else None)


@torch.no_grad()
def history_erasures(
    model: Recommender, events: Interactions, cases: Cases, seen: Seen, erase: int, seed: int
) -> Erasures | None:
    """Erase `erase` events of each case's history and look at the item that the model would have recommended.

    Cases with fewer than 2 `erase` weighed events are left out; None where no case is left, or nothing weighs events,
    and of a model of ratings: how far one moves is told by `claims`, where the catalogue need not be scored.
    """
    model.eval()
    if not isinstance(model, Explainer) or rates(model):
        return None
    rng = np.random.default_rng(seed)
    parts = []
    for first in bar(range(0, len(cases), ROWS), "erase acts"):
        some = slice(first, first + ROWS)
        part = Cases(cases.user_C[some], cases.position_C[some], cases.target_C[some])
        found = _part(model, events, part, seen, erase, rng)
        if found is not None:
            parts.append(replace(found, case_C=found.case_C + first))
    if not parts:
        return None
    return Erasures(
        np.concatenate([e.case_C for e in parts]),
        np.concatenate([e.item_C for e in parts]),
        parts[0].faithful,
        _joined([e.drop for e in parts]),
        _joined([e.move for e in parts]),
        _joined([e.rank for e in parts]),
        np.concatenate([e.agreement_C for e in parts]),
    )


def _joined(parts: list[dict[str, Floats]]) -> dict[str, Floats]:
    return {way: np.concatenate([part[way] for part in parts]) for way in parts[0]}


def _part(
    model: Recommender, events: Interactions, cases: Cases, seen: Seen, erase: int, rng: np.random.Generator
) -> Erasures | None:
    assert isinstance(model, Explainer)
    item_B = best_items(model, events, cases, 1, seen)[0][:, 0]
    batch = events.before(cases.user_C, cases.position_C, model.needs)
    reason = history_weights(model.explain(batch, item_B))
    if reason is None:
        return None
    row_B = ((reason.valid.sum(1) >= 2 * erase) & (item_B > 0)).nonzero()[:, 0]
    if not len(row_B):
        return None
    batch, item_B = select_rows(batch, row_B), item_B[row_B]
    weight_BL, valid_BL = reason.value[row_B].double().cpu().numpy(), reason.valid[row_B].cpu().numpy()
    effect_BL = _leave_one_out(model, batch, item_B, valid_BL, events.items)
    history_BL = batch.valid_BL.cpu().numpy()
    heavy_BL = faithfulness.heaviest(weight_BL, valid_BL, erase)
    ways = {
        "heaviest": heavy_BL,
        "lightest": faithfulness.lightest(weight_BL, valid_BL, erase),
        "random": faithfulness.drawn(valid_BL, erase, rng),
        "leave_one_out": faithfulness.heaviest(effect_BL, valid_BL, erase),
        "keep_heaviest": history_BL & ~heavy_BL,
        "keep_random": history_BL & ~faithfulness.drawn(valid_BL, erase, rng),
    }
    drop, move, rank = _erase(model, batch, item_B, ways, excluded_items(events, cases, seen)[row_B])
    agreement_B = faithfulness.agreement(weight_BL, effect_BL, valid_BL)
    return Erasures(row_B.cpu().numpy(), item_B.cpu().numpy(), reason.faithful, drop, move, rank, agreement_B)


def _erase(
    model: Recommender, batch: Batch, item_B: Tensor, ways: dict[str, Flags], excluded_BN: Tensor
) -> tuple[dict[str, Floats], dict[str, Floats], dict[str, Floats]]:
    """Drops, moves and ranks by way; `rank` has the undisturbed one too, as `whole`."""
    items = excluded_BN.shape[1] - 1
    whole_BN = scores(model, batch, items)
    spread_B = spread(whole_BN)
    whole_B = centred(whole_BN, item_B) / spread_B
    drop, move, rank = {}, {}, {"whole": ranks(whole_BN, item_B, excluded_BN)}
    for way, gone_BL in ways.items():
        erased_BN = scores(model, erase_events(batch, torch.from_numpy(gone_BL).to(item_B.device)), items)
        erased_B = centred(erased_BN, item_B) / spread_B
        drop[way] = faithfulness.drop(whole_B, erased_B)
        move[way] = faithfulness.moved(whole_B, erased_B)
        rank[way] = ranks(erased_BN, item_B, excluded_BN)
    return drop, move, rank


def spread(score_BN: Tensor) -> Floats:
    """The standard deviation of each row's scores over the catalogue."""
    found: Floats = score_BN[:, 1:].double().std(dim=1).clamp(min=1e-12).cpu().numpy()
    return found


def centred(score_BN: Tensor, item_B: Tensor) -> Floats:
    """Each row's score of one item, counted from the mean over the catalogue."""
    own_B = score_BN.gather(1, item_B[:, None])[:, 0]
    found: Floats = (own_B - score_BN[:, 1:].double().mean(dim=1)).cpu().numpy()
    return found


def ranks(score_BN: Tensor, item_B: Tensor, excluded_BN: Tensor) -> Floats:
    """The rank of one item a row among those that are not excluded; ties count half."""
    own_B1 = score_BN.gather(1, item_B[:, None])
    ties_B = ((score_BN == own_B1) & ~excluded_BN).sum(1) - 1
    found: Floats = (1 + ((score_BN > own_B1) & ~excluded_BN).sum(1) + ties_B / 2).double().cpu().numpy()
    return found


def _leave_one_out(model: Recommender, batch: Batch, item_B: Tensor, valid_BL: Flags, items: int) -> Floats:
    """What the absence of each weighed event alone takes from the item's centred score [B, L]."""
    effect_BL = np.zeros(valid_BL.shape)
    whole_B = centred(scores(model, batch, items), item_B)
    row_X, place_X = valid_BL.nonzero()
    for first in range(0, len(row_X), ROWS):
        row_R, place_R = row_X[first : first + ROWS], place_X[first : first + ROWS]
        rows = torch.from_numpy(row_R).to(item_B.device)
        gone_RL = np.zeros((len(row_R), valid_BL.shape[1]), dtype=bool)
        gone_RL[np.arange(len(row_R)), place_R] = True
        erased = erase_events(select_rows(batch, rows), torch.from_numpy(gone_RL).to(item_B.device))
        effect_BL[row_R, place_R] = whole_B[row_R] - centred(scores(model, erased, items), item_B[rows])
    return effect_BL

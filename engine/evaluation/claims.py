"""Rankings of the acts of a history put to the test: what erasing by each does, and whether each hangs on the model."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.erasure import erase_events, kept_first
from engine.evaluation.mean_item import makes_vectors
from engine.evaluation.probe import Probe, probes
from engine.evaluation.question import Question
from engine.evaluation.readings import Reading, rankings
from engine.evaluation.redrawn import redrawn
from engine.measures import claims, faithfulness
from engine.measures.claims import SHARE, SHARES
from engine.measures.faithfulness import Flags, Floats
from engine.training.batch import Batch
from engine.training.cases import Cases, Seen
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Recommender
from engine.training.interactions import Interactions

MOST = 10  # acts that go one after another, until the item is no longer first
DRAWS = 4  # other items that stand in an act's place

Measures = dict[str, Floats]


@dataclass(frozen=True)
class RankingTests:
    """One value a case [C] by the name of a ranking, then of a measure, and whose case each is.

    `gone` and `kept` by share in percent: how far the score falls without the heaviest acts, or with only them, in
    standard deviations of the case's scores, or how far a rating moves, in those of the ratings that were given;
    `comprehensiveness` and `sufficiency`: their means over the shares. Of
    the heaviest `SHARE`: `rank` afterwards, `necessity`, `sufficiency_of_few` (0 or 1), and the falls where acts are
    not dropped but `silenced` (presence 0), have `another` item's content, have that of one of `DRAWS` others, in the
    mean of the falls (`others_in_the_mean`), or are the mean item (`mean_item`; not where a model makes no vector of an
    act). `deciding`: how many acts must go until the item is not first (`MOST` + 1: more). `gini`, `entropy`: of the
    weights.
    `redrawn`: Spearman's correlation with the ranking by a model of redrawn parameters; `nearby`: with that of the
    same acts where another one is not there.
    """

    user_C: np.ndarray
    found: dict[str, Measures]

    @staticmethod
    def joined(user_C: list[np.ndarray], blocks: list[dict[str, Measures]]) -> "RankingTests":
        """Of blocks of cases, one after the other."""
        found = {
            name: {measure: np.concatenate([block[name][measure] for block in blocks]) for measure in measures}
            for name, measures in blocks[0].items()
        }
        return RankingTests(np.concatenate(user_C), found)


@torch.no_grad()
def examine(
    model: Recommender,
    data: tuple[Interactions, Catalog],
    cases: Cases,
    seen: Seen,
    readings: Collection[Reading],
    seed: int,
) -> RankingTests | None:
    """Every ranking of `rankings`, for the item that stands first after each case's history; of a model of ratings for
    the rating of what came next, by the sizes of the weights.

    Cases with fewer than 2 acts, or nothing to recommend, are left out; None where none is left.
    """
    rng, parts, users = np.random.default_rng(seed), [], []
    for probe in probes(model, data[0], cases, seen, "test acts"):
        parts.append(_block(probe, data[1], readings, rng))
        users.append(probe.batch.user_B.cpu().numpy())
    if not parts:
        return None
    return RankingTests.joined(users, parts)


def _block(
    probe: Probe, catalog: Catalog, readings: Collection[Reading], rng: np.random.Generator
) -> dict[str, Measures]:
    """Each ranking's measures over the rows of a block."""
    device, valid_BL = probe.item_B.device, probe.batch.valid_BL

    def question(batch: Batch) -> Question:
        return Question(probe.model, batch, probe.item_B, catalog, probe.every_item())

    def ranked(batch: Batch) -> dict[str, Floats]:
        own = probe.model.explain(batch, probe.item_B) if isinstance(probe.model, Explainer) else []
        found = rankings(
            question(batch), own, readings, lambda there: torch.from_numpy(rng.random(there.shape)).to(device)
        )
        return {name: probe.ranked(_array(weight.double())) for name, weight in found.items()}

    whole = ranked(probe.batch)
    with redrawn(probe.model, int(rng.integers(2**31))):
        other = ranked(probe.batch)
    away_BL = torch.from_numpy(faithfulness.drawn(_array(valid_BL), 1, rng)).to(device)
    near_batch = erase_events(probe.batch, away_BL)
    near, order_BL = ranked(near_batch), _array(kept_first(valid_BL & ~away_BL))
    item_DBL = rng.integers(1, probe.excluded_BN.shape[1], (DRAWS, *valid_BL.shape))
    mean, there_BL = makes_vectors(question(probe.batch)), _array(valid_BL)
    found = {}
    for name, weight_BL in whole.items():
        left_BL = np.take_along_axis(weight_BL, order_BL, 1)
        found[name] = _erased(probe, weight_BL, there_BL) | _replaced(probe, weight_BL, item_DBL, mean)
        found[name] |= {
            "deciding": claims.deciding(_ranks(probe, weight_BL, there_BL), len(weight_BL), MOST),
            "gini": claims.gini(weight_BL, there_BL),
            "entropy": claims.entropy(weight_BL, there_BL),
            "redrawn": faithfulness.steadiness(weight_BL, other[name], there_BL),
            "nearby": faithfulness.steadiness(left_BL, near[name], _array(near_batch.valid_BL)),
        }
    return found


def _erased(probe: Probe, weight_BL: Floats, valid_BL: Flags) -> Measures:
    """Curves and their areas, rank, necessity and sufficiency."""
    found: Measures = {}
    for share in SHARES:
        heavy_BL = claims.heaviest_share(weight_BL, valid_BL, share)
        gone_B, rank_B = probe.without(heavy_BL)
        kept_B, alone_B = probe.without(valid_BL & ~heavy_BL)
        found |= {f"gone_{share * 100:g}": gone_B, f"kept_{share * 100:g}": kept_B}
        if share == SHARE:
            found |= {"rank": rank_B, "necessity": claims.necessary(rank_B)}
            found["sufficiency_of_few"] = claims.sufficient(alone_B)
    return found | claims.areas(found)


def _replaced(probe: Probe, weight_BL: Floats, item_DBL: np.ndarray, mean: bool) -> Measures:
    """The heaviest acts silenced, or with the content of other items, or of the mean one where it can be had."""
    batch, device = probe.batch, probe.item_B.device
    heavy_BL = torch.from_numpy(claims.heaviest_share(weight_BL, _array(batch.valid_BL), SHARE)).to(device)
    silent_BL = torch.where(heavy_BL, 0.0, torch.ones(heavy_BL.shape, device=device))
    fall_DB = np.stack(
        [
            probe.after(batch.but(item_BL=torch.where(heavy_BL, torch.from_numpy(item_BL).to(device), batch.item_BL)))[
                0
            ]
            for item_BL in item_DBL
        ]
    )
    silenced_B = probe.after(batch.but(presence_BL=silent_BL))[0]
    found = {"silenced": silenced_B, "another": fall_DB[0], "others_in_the_mean": fall_DB.mean(0)}
    return found | ({"mean_item": probe.with_mean_item(silent_BL)} if mean else {})


def _ranks(probe: Probe, weight_BL: Floats, valid_BL: Flags) -> Callable[[np.ndarray, int], Floats]:
    """The ranks of some rows without so many of their heaviest acts."""

    def rank(row_R: np.ndarray, count: int) -> Floats:
        return probe.some(row_R).without(faithfulness.heaviest(weight_BL[row_R], valid_BL[row_R], count))[1]

    return rank


def _array(value: Tensor) -> np.ndarray:
    found: np.ndarray = value.cpu().numpy()
    return found

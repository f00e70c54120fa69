"""Rankings of the parts of past acts, and of the topics followed, put to the test: what silencing does to a score."""

from collections.abc import Callable, Collection, Iterable
from functools import partial

import numpy as np
import torch

from engine.evaluation.claims import MOST, Measures, RankingTests
from engine.evaluation.parts_of_acts import Part, PartsOfActs, reads
from engine.evaluation.probe import probes
from engine.evaluation.readings import INSIDE, Reading
from engine.evaluation.redrawn import deals, least, redrawn
from engine.measures import claims, faithfulness
from engine.measures.claims import SHARE
from engine.measures.faithfulness import Flags, Floats
from engine.training.cases import Cases, Seen
from engine.training.catalog import Catalog
from engine.training.contract import Recommender
from engine.training.interactions import Interactions

ACTS = 2  # of a case, the parts of which are left out one by one


@torch.no_grad()
def examine_parts(
    model: Recommender,
    data: tuple[Interactions, Catalog],
    cases: Cases,
    seen: Seen,
    readings: Collection[Reading],
    over: Part,
    seed: int,
) -> RankingTests | None:
    """Every ranking of the words, regions or views inside the acts, or of the topics, for the item that stands first.

    The rankings: the model's own weights (`own_share` and its like) where it has some, the readings that are asked
    inside of items (`INSIDE`), `random`; over what all of them weigh. In every act with two parts or more the heaviest
    share of its parts is silenced (presence 0), one at least (`gone_S`), or all but that share (`kept_S`), or one alone
    (`heaviest_one`, `lightest_one`): falls as of acts, with the measures that acts have; those that are of one ranking
    (`redrawn`, `nearby`, `gini`, `entropy`) are of each act, in the mean over a case's acts. `deciding`: how many parts
    of every act. Topics are ranked once a case, by what each does in all acts, and leave the profile at all of them;
    each alone is left out too (`leave_one_out`), and `renormalised` is the fall where the other topics share what the
    heaviest had. None where the model reads none, or no case has such an act.
    """
    if not reads(model, over):
        return None
    asked = [one for one in readings if one in INSIDE or (over == "topic" and one == "leave_one_out")]
    found = probes(model, data[0], cases, seen, f"test the {over}s of acts", 1)
    return _joined((PartsOfActs(probe, data[1], over) for probe in found), asked, seed)


@torch.no_grad()
def examine_left_out(
    model: Recommender,
    data: tuple[Interactions, Catalog],
    cases: Cases,
    seen: Seen,
    readings: Collection[Reading],
    over: Part,
    seed: int,
) -> RankingTests | None:
    """The same of the `ACTS` acts of each case that weigh most by the leading reading, with `leave_one_out` among the
    rankings: a score a part, which of all acts would be too many. None where it is not asked for.
    """
    if not reads(model, over) or "leave_one_out" not in readings:
        return None
    asked = [one for one in readings if one in (*INSIDE, "leave_one_out")]
    found = probes(model, data[0], cases, seen, f"leave {over}s out", 1)
    return _joined((PartsOfActs.of_heaviest(probe, data[1], over, ACTS) for probe in found), asked, seed)


def _joined(blocks: Iterable[PartsOfActs], readings: Collection[Reading], seed: int) -> RankingTests | None:
    rng, parts, users = np.random.default_rng(seed), [], []
    for of in blocks:
        found, row_R = _block(of, readings, rng)
        parts.append(found)
        users.append(of.probe.batch.user_B.cpu().numpy()[row_R])
    return RankingTests.joined(users, parts) if sum(map(len, users)) else None


def _block(
    of: PartsOfActs, readings: Collection[Reading], rng: np.random.Generator
) -> tuple[dict[str, Measures], np.ndarray]:
    """Each ranking's measures over the cases of a block that have an act to choose from, and which these are."""
    weight, valid_BLP = of.weighed(of.probe.batch, readings)
    valid_BLP = valid_BLP & (valid_BLP.sum(2, keepdims=True) > 1)
    others = []
    for _ in range(deals(of.over)):
        with redrawn(of.probe.model, int(rng.integers(2**31))):
            others.append(of.weighed(of.probe.batch, readings)[0])
    near, near_BLP, order_BL = of.nearby(readings, valid_BLP.shape[2], rng)
    for some in (weight, *others, near):
        some["random"] = rng.random(near_BLP.shape if some is near else valid_BLP.shape)

    def kept(value_BLP: np.ndarray) -> np.ndarray:
        return value_BLP if of.over == "topic" else np.take_along_axis(value_BLP, order_BL[..., None], 1)

    row_R = np.flatnonzero(valid_BLP.any((1, 2)))
    found = {}
    for name, weight_BLP in weight.items():
        steady = [_steady(of.over, weight_BLP, other[name], valid_BLP) for other in others]
        measures = _erased(of, weight_BLP, valid_BLP) | {
            "redrawn": np.mean(steady, axis=0),
            "nearby": _steady(of.over, kept(weight_BLP), near[name], kept(valid_BLP) & near_BLP),
            "gini": _in_the_mean(claims.gini, weight_BLP, valid_BLP),
            "entropy": _in_the_mean(claims.entropy, weight_BLP, valid_BLP),
        }
        found[name] = {measure: value_B[row_R] for measure, value_B in measures.items()}
    return found, row_R


def _erased(of: PartsOfActs, weight_BLP: Floats, valid_BLP: Flags) -> Measures:
    """Falls where parts are silent, their areas, ranks, and how many decide."""
    shape, flat = valid_BLP.shape, (-1, valid_BLP.shape[2])

    def rank(row_R: np.ndarray, count: int) -> Floats:
        gone_XP = faithfulness.heaviest(weight_BLP[row_R].reshape(flat), valid_BLP[row_R].reshape(flat), count)
        return of.without(gone_XP.reshape(-1, *shape[1:]), row_R)[1]

    by_act = (weight_BLP.reshape(flat), valid_BLP.reshape(flat))
    found = claims.curves(lambda gone_XP: of.without(gone_XP.reshape(shape)), *by_act)
    found["deciding"] = claims.deciding(rank, shape[0], min(MOST, shape[2]))
    if of.over == "topic":
        found["renormalised"] = of.shared_out(claims.heaviest_share(*by_act, SHARE).reshape(shape))
    return found


def _steady(over: str, weight_BLP: Floats, other_BLP: Floats, valid_BLP: Flags) -> Floats:
    """NaN where no act has three parts that are weighed, or two views."""
    return _in_the_mean(partial(faithfulness.steadiness, least=least(over)), weight_BLP, other_BLP, valid_BLP)


def _in_the_mean(measure: Callable[..., Floats], *value_BLP: np.ndarray) -> Floats:
    """A measure of each act, in the mean over the acts of a row where it is known."""
    found_X = measure(*(value.reshape(-1, value.shape[2]) for value in value_BLP))
    found_BL = found_X.reshape(value_BLP[0].shape[:2])
    known_BL = np.isfinite(found_BL)
    mean_B = np.where(known_BL, found_BL, 0).sum(1) / np.maximum(known_BL.sum(1), 1)
    return np.where(known_BL.any(1), mean_B, np.nan)

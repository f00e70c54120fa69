"""Rankings of the words or regions of past acts put to the test: what silencing by each does to an item's score."""

from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from engine.evaluation.claims import Measures, RankingTests
from engine.evaluation.influence import VIEWS, ItemPart, all_present
from engine.evaluation.probe import Probe, probes
from engine.evaluation.question import Question
from engine.evaluation.readings import INSIDE, Reading, read
from engine.evaluation.redrawn import redrawn
from engine.measures import claims, faithfulness
from engine.measures.faithfulness import Flags, Floats
from engine.training.cases import Cases, Seen
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Recommender
from engine.training.interactions import Interactions
from engine.training.needs import View
from engine.training.presence import Presence


@torch.no_grad()
def examine_parts(
    model: Recommender,
    data: tuple[Interactions, Catalog],
    cases: Cases,
    seen: Seen,
    readings: Collection[Reading],
    over: ItemPart,
    seed: int,
) -> RankingTests | None:
    """Every ranking of the words, or regions, inside the acts, for the item that stands first after each history.

    The rankings: the model's own weights (`own_share` and its like) where it has some, the readings that are asked
    inside of items (`INSIDE`), `random`; over what all of them weigh. In every act with two parts or more the heaviest
    share of its parts is silenced (presence 0), one at least (`gone_S`), or all but that share (`kept_S`), or one alone
    (`heaviest_one`, `lightest_one`): falls as of acts, with `comprehensiveness`, `sufficiency`, `rank` and
    `necessity` as there; `redrawn`: Spearman's correlation within each act, in the mean over a case's acts.
    None where the model reads none, or no case has such an act.
    """
    rng, parts, users = np.random.default_rng(seed), [], []
    if VIEWS[over] not in model.needs.views:
        return None
    for probe in probes(model, data[0], cases, seen, f"test {VIEWS[over]} of acts", 1):
        found, row_R = _block(probe, data[1], [one for one in readings if one in INSIDE], over, rng)
        parts.append(found)
        users.append(probe.batch.user_B.cpu().numpy()[row_R])
    if not sum(map(len, users)):
        return None
    return RankingTests.joined(users, parts)


def _block(
    probe: Probe, catalog: Catalog, readings: Collection[Reading], over: ItemPart, rng: np.random.Generator
) -> tuple[dict[str, Measures], np.ndarray]:
    """Each ranking's measures over the cases of a block that have an act to choose from, and which these are."""
    weight, valid_BLP = _weighed(probe, catalog, readings, over)
    valid_BLP = valid_BLP & (valid_BLP.sum(2, keepdims=True) > 1)
    with redrawn(probe.model, int(rng.integers(2**31))):
        other, _ = _weighed(probe, catalog, readings, over)
    for some in (weight, other):
        some["random"] = rng.random(valid_BLP.shape)
    row_R = np.flatnonzero(valid_BLP.any((1, 2)))
    found = {name: _erased(probe, VIEWS[over], value_BLP, valid_BLP) for name, value_BLP in weight.items()}
    for name, measures in found.items():
        measures["redrawn"] = _steady(weight[name], other[name], valid_BLP)
    return {name: {m: value_B[row_R] for m, value_B in measures.items()} for name, measures in found.items()}, row_R


def _weighed(
    probe: Probe, catalog: Catalog, readings: Collection[Reading], over: ItemPart
) -> tuple[dict[str, Floats], Flags]:
    """weight_BLP of each ranking, and what all of them weigh."""
    asked = Question(probe.model, probe.batch, probe.item_B, catalog, probe.every_item())
    (whole,) = (one for one in all_present(asked) if one.over == over)
    own = probe.model.explain(probe.batch, probe.item_B) if isinstance(probe.model, Explainer) else []
    said = {f"own_{one.kind}": one for one in own if one.over == over and one.value.ndim == 3}
    said |= {reading: read(asked, reading, (over,))[0] for reading in readings}
    width, valid_BLP = whole.value.shape[2], whole.valid
    for one in said.values():
        valid_BLP = valid_BLP & _wide(one.valid, width)
    return {name: _array(_wide(one.value.double(), width)) for name, one in said.items()}, _array(valid_BLP)


def _erased(probe: Probe, view: View, weight_BLP: Floats, valid_BLP: Flags) -> Measures:
    """Falls where parts are silent, their areas, and the rank without the heaviest tenth."""
    shape, flat = valid_BLP.shape, (-1, valid_BLP.shape[2])
    weight_XP, valid_XP = weight_BLP.reshape(flat), valid_BLP.reshape(flat)

    def without(gone_XP: Flags) -> tuple[Floats, Floats]:
        there = torch.from_numpy(~gone_XP.reshape(shape)).to(probe.item_B.device, torch.float32)
        return probe.after(probe.batch.but(**vars(probe.batch.dimmed(Presence(part_presence={view: there})))))

    return claims.curves(without, weight_XP, valid_XP)


def _steady(weight_BLP: Floats, other_BLP: Floats, valid_BLP: Flags) -> Floats:
    """NaN where no act has three parts that are weighed."""
    flat = (-1, valid_BLP.shape[2])
    found_X = faithfulness.steadiness(weight_BLP.reshape(flat), other_BLP.reshape(flat), valid_BLP.reshape(flat))
    found_BL = found_X.reshape(valid_BLP.shape[:2])
    known_BL = np.isfinite(found_BL)
    return np.where(known_BL.any(1), np.where(known_BL, found_BL, 0).sum(1) / np.maximum(known_BL.sum(1), 1), np.nan)


def _wide(value_BLP: Tensor, width: int) -> Tensor:
    """As wide as the longest item: what is beyond it is padding."""
    return pad(value_BLP[..., :width], (0, max(width - value_BLP.shape[2], 0)))


def _array(value: Tensor) -> np.ndarray:
    found: np.ndarray = value.cpu().numpy()
    return found

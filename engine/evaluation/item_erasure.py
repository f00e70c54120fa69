"""The model's own weights of the asked item's words or regions put to the test: what the score is without them."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.claims import Measures, RankingTests
from engine.evaluation.erasure import select_rows
from engine.evaluation.history_erasure import scores
from engine.evaluation.part_erasure import VIEWS, Over
from engine.evaluation.probe import Probe, probes
from engine.evaluation.redrawn import redrawn
from engine.measures import claims, faithfulness
from engine.measures.faithfulness import Flags, Floats
from engine.training.batch import Batch
from engine.training.cases import Cases, Seen
from engine.training.catalog import Catalog, Ragged
from engine.training.contract import Explainer, Recommender, Weights
from engine.training.interactions import Interactions

PARTS = 1 << 16  # that the mean is taken from


@torch.no_grad()
def examine_item(
    model: Recommender, data: tuple[Interactions, Catalog], cases: Cases, seen: Seen, over: Over, seed: int
) -> RankingTests | None:
    """Rankings of the words, or regions, of the item that stands first after each history.

    The rankings: the model's own weights (`own_share` and its like), `leave_one_out` (how far the score falls without
    each part alone), `random`. What is gone has the mean vector of the catalogue's words, or regions: zeros would be
    far out to a model that counts from the mean. Falls, ranks and areas are those of parts inside acts; no other
    item's score changes. None where the model gives no such weights, or no case's item has two of them.
    """
    if not isinstance(model, Explainer) or VIEWS[over] not in model.needs.views:
        return None
    ragged, rng, parts, users = data[1].ragged(VIEWS[over]), np.random.default_rng(seed), [], []
    for probe in probes(model, data[0], cases, seen, f"test the item's {VIEWS[over]}", 0):
        told = _own(model, probe, over)
        if not told:
            return None
        row_R = (told[0].valid.sum(1) > 1).nonzero()[:, 0].cpu().numpy()
        if len(row_R):
            parts.append(_block(probe.some(row_R), ragged, over, rng))
            users.append(probe.batch.user_B.cpu().numpy()[row_R])
    if not parts:
        return None
    return RankingTests.joined(users, parts)


@torch.no_grad()
def leaving_parts_out(model: Recommender, batch: Batch, item_B: Tensor, ragged: Ragged, own: Weights) -> Weights:
    """How far each asked item's score falls without each of the parts (words, or regions) that own weights are of."""
    valid_BP = own.valid.cpu().numpy()
    asked = _Asked(model, batch, item_B, ragged, valid_BP)
    fall_PB = [asked.falls(one_P & valid_BP) for one_P in np.eye(valid_BP.shape[1], dtype=bool)]
    return replace(own, value=torch.stack(fall_PB, 1), kind="signed", faithful=True)


def _block(probe: Probe, ragged: Ragged, over: Over, rng: np.random.Generator) -> dict[str, Measures]:
    """Each ranking's measures over the rows of a block."""
    said = _own(probe.model, probe, over)
    valid_BP = said[0].valid.cpu().numpy()
    erasing = _Erasing(probe, ragged, valid_BP)
    with redrawn(probe.model, int(rng.integers(2**31))):
        other = _array(_own(probe.model, probe, over))
    weight = _array(said) | {"random": rng.random(valid_BP.shape)}
    falls = [erasing.without(one_P & valid_BP)[0] for one_P in np.eye(valid_BP.shape[1], dtype=bool)]
    weight["leave_one_out"] = np.stack(falls, 1)
    found = {name: claims.curves(erasing.without, value_BP, valid_BP) for name, value_BP in weight.items()}
    for name, value_BP in other.items():
        found[name]["redrawn"] = faithfulness.steadiness(weight[name], value_BP, valid_BP)
    for name, measures in found.items():
        measures.setdefault("redrawn", np.full(len(valid_BP), np.nan))
        measures |= {"gini": claims.gini(weight[name], valid_BP), "entropy": claims.entropy(weight[name], valid_BP)}
    return found


class _Erasing:
    """Scores of a block's items by what is left of each; the others' stay."""

    def __init__(self, probe: Probe, ragged: Ragged, valid_BP: Flags):
        self.probe, self.asked = probe, _Asked(probe.model, probe.batch, probe.item_B, ragged, valid_BP)
        self.score_BN = scores(probe.model, probe.batch, probe.excluded_BN.shape[1] - 1)

    def without(self, gone_BP: Flags) -> tuple[Floats, Floats]:
        """Falls and ranks where some parts of each row's item are the mean one."""
        changed_BN = self.score_BN.clone()
        changed_BN[torch.arange(len(changed_BN)), self.probe.item_B] -= self.asked.falls(gone_BP)
        return self.probe.by_scores(changed_BN)


class _Asked:
    """The score of each row's item, some of whose parts are the mean one. A row whose score is the same without any of
    them does not hang on them, and is not asked again.
    """

    def __init__(self, model: Recommender, batch: Batch, item_B: Tensor, ragged: Ragged, valid_BP: Flags):
        self.model, self.item_B, self.value_XD = model, item_B, ragged.value_XD
        some_XD = ragged.value_XD[:: max(len(ragged.value_XD) // PARTS, 1)]
        self.mean_D = some_XD.float().mean(0).to(some_XD.dtype)
        self.start_B = ragged.offset_N[item_B]
        self.turns = [(row_R, select_rows(batch, row_R)) for row_R in _turns(model, item_B)]
        self.read_B = torch.ones_like(item_B, dtype=torch.bool)
        self.own_B = torch.zeros(len(item_B), device=item_B.device)
        self.own_B = self._without(np.zeros_like(valid_BP))
        self.read_B = self.falls(valid_BP) != 0

    def falls(self, gone_BP: Flags) -> Tensor:
        """How far each score goes down where some parts are gone, fall_B."""
        return self.own_B - self._without(gone_BP)

    def _without(self, gone_BP: Flags) -> Tensor:
        score_B, gone = self.own_B.clone(), torch.from_numpy(gone_BP).to(self.own_B.device)
        for row_R, batch in self.turns:
            if bool(self.read_B[row_R].any()):
                which_X, part_X = gone[row_R].nonzero(as_tuple=True)
                places = self.start_B[row_R][which_X] + part_X
                score_B[row_R] = self._changed(batch, self.item_B[row_R], places)
        return score_B

    def _changed(self, batch: Batch, item_R: Tensor, place_X: Tensor) -> Tensor:
        """The catalogue's own table is changed and put back: every model that reads it holds it."""
        kept_XD = self.value_XD[place_X].clone()
        self.value_XD[place_X] = self.mean_D
        try:
            return self.model.score(batch, item_R[:, None])[:, 0].float()
        finally:
            self.value_XD[place_X] = kept_XD


def _turns(model: Recommender, item_B: Tensor) -> list[Tensor]:
    """Rows that can be asked together: parts are changed where all read them, so that rows of one item take turns, and
    each row is alone where histories are read, which may hold the others' items.
    """
    if model.needs.length:
        return list(torch.split(torch.arange(len(item_B), device=item_B.device), 1))
    turn_B = (item_B == item_B[:, None]).tril(-1).sum(1)
    return [(turn_B == turn).nonzero()[:, 0] for turn in range(int(turn_B.max()) + 1)]


def _own(model: Recommender, probe: Probe, over: Over) -> list[Weights]:
    """The weights over the asked items' parts; those of the history's items have an axis more."""
    told = model.explain(probe.batch, probe.item_B) if isinstance(model, Explainer) else []
    return [one for one in told if one.over == over and one.value.ndim == 2]


def _array(told: list[Weights]) -> dict[str, Floats]:
    return {f"own_{one.kind}": one.value.double().cpu().numpy() for one in told}

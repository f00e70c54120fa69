"""The model's own weights of the asked item's words or regions put to the test: what the score is without them."""

import numpy as np
import torch

from engine.evaluation.claims import Measures, RankingTests
from engine.evaluation.history_erasure import scores
from engine.evaluation.influence import VIEWS, ItemPart
from engine.evaluation.item_parts import ItemsWithout
from engine.evaluation.probe import Probe, probes
from engine.evaluation.question import Question
from engine.evaluation.redrawn import redrawn
from engine.measures import claims, faithfulness
from engine.measures.faithfulness import Flags, Floats
from engine.training.cases import Cases, Seen
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Recommender, Weights
from engine.training.interactions import Interactions


@torch.no_grad()
def examine_item(
    model: Recommender, data: tuple[Interactions, Catalog], cases: Cases, seen: Seen, over: ItemPart, seed: int
) -> RankingTests | None:
    """Rankings of the words, or regions, of the item that stands first after each history.

    The rankings: the model's own weights (`own_share` and its like), `leave_one_out` (how far the score falls without
    each part alone), `random`. What is gone has the mean vector of the catalogue's words, or regions: zeros would be
    far out to a model that counts from the mean. Falls, ranks and areas are those of parts inside acts; no other
    item's score changes. None where the model gives no such weights, or no case's item has two of them.
    """
    if not isinstance(model, Explainer) or VIEWS[over] not in model.needs.views:
        return None
    rng, parts, users = np.random.default_rng(seed), list[dict[str, Measures]](), []
    for probe in probes(model, data[0], cases, seen, f"test the item's {VIEWS[over]}", 0):
        told = _own(model, probe, over)
        if not told:
            return None
        row_R = (told[0].valid.sum(1) > 1).nonzero()[:, 0].cpu().numpy()
        if len(row_R):
            parts.append(_block(probe.some(row_R), data[1], over, rng))
            users.append(probe.batch.user_B.cpu().numpy()[row_R])
    return RankingTests.joined(users, parts) if parts else None


def _block(probe: Probe, catalog: Catalog, over: ItemPart, rng: np.random.Generator) -> dict[str, Measures]:
    """Each ranking's measures over the rows of a block."""
    said = _own(probe.model, probe, over)
    valid_BP = said[0].valid.cpu().numpy()
    erasing = _Erasing(probe, catalog, over)
    with redrawn(probe.model, int(rng.integers(2**31))):
        other = _array(_own(probe.model, probe, over))
    weight = _array(said) | {"random": rng.random(valid_BP.shape)}
    weight["leave_one_out"] = erasing.items.each().double().cpu().numpy()
    found = {name: claims.curves(erasing.without, value_BP, valid_BP) for name, value_BP in weight.items()}
    for name, value_BP in other.items():
        found[name]["redrawn"] = faithfulness.steadiness(weight[name], value_BP, valid_BP)
    for name, measures in found.items():
        measures.setdefault("redrawn", np.full(len(valid_BP), np.nan))
        measures |= {"gini": claims.gini(weight[name], valid_BP), "entropy": claims.entropy(weight[name], valid_BP)}
    return found


class _Erasing:
    """Scores of a block's items by what is left of each; the others' stay."""

    def __init__(self, probe: Probe, catalog: Catalog, over: ItemPart):
        self.probe = probe
        self.items = ItemsWithout(Question(probe.model, probe.batch, probe.item_B, catalog), over)
        self.score_BN = scores(probe.model, probe.batch, probe.excluded_BN.shape[1] - 1)

    def without(self, gone_BP: Flags) -> tuple[Floats, Floats]:
        """Falls and ranks where some parts of each row's item are the mean one."""
        changed_BN, gone = self.score_BN.clone(), torch.from_numpy(gone_BP).to(self.score_BN.device)
        changed_BN[torch.arange(len(changed_BN)), self.probe.item_B] -= self.items.falls(gone)
        return self.probe.by_scores(changed_BN)


def _own(model: Recommender, probe: Probe, over: ItemPart) -> list[Weights]:
    """The weights over the asked items' parts; those of the history's items have an axis more."""
    told = model.explain(probe.batch, probe.item_B) if isinstance(model, Explainer) else []
    return [one for one in told if one.over == over and one.value.ndim == 2]


def _array(told: list[Weights]) -> dict[str, Floats]:
    return {f"own_{one.kind}": one.value.double().cpu().numpy() for one in told}

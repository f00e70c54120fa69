"""The model's own weights of the asked item's parts put to the test: what the score is without them."""

import numpy as np
import torch

from engine.evaluation.claims import MOST, Measures, RankingTests
from engine.evaluation.history_erasure import scores
from engine.evaluation.influence import VIEWS, ItemPart
from engine.evaluation.item_parts import ItemsWithout
from engine.evaluation.parts_of_score import Addend, PartsOfScore, addends
from engine.evaluation.probe import Probe, probes
from engine.evaluation.question import Question
from engine.evaluation.redrawn import deals, least, redrawn
from engine.measures import claims, faithfulness
from engine.measures.faithfulness import Flags, Floats
from engine.training.cases import Cases, Seen
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Recommender, Weights
from engine.training.interactions import Interactions

Asked = ItemPart | Addend


@torch.no_grad()
def examine_item(
    model: Recommender, data: tuple[Interactions, Catalog], cases: Cases, seen: Seen, over: Asked, seed: int
) -> RankingTests | None:
    """Rankings of the words, regions, views, topics or categories of the item that stands first after each history.

    The rankings: the model's own weights (`own_share` and its like), `leave_one_out` (how far the score falls without
    each part alone), `random`. A word, or region, that is gone has the mean vector of the catalogue's: zeros would be
    far out to a model that counts from the mean. A view, topic or category that is gone adds to the score what the
    mean item's does (`PartsOfScore`, with `untold`). Falls, ranks and areas are those of parts inside acts; no other
    item's score changes. None where the model gives no such weights, or no case's item has two of them.
    """
    if not isinstance(model, Explainer) or any(one == over and v not in model.needs.views for one, v in VIEWS.items()):
        return None
    rng, parts, users = np.random.default_rng(seed), list[dict[str, Measures]](), []
    for probe in probes(model, data[0], cases, seen, f"test the item's {over}s", 0):
        told = _own(model, probe, over)
        if not told:
            return None
        row_R = (told[0].valid.sum(1) > 1).nonzero()[:, 0].cpu().numpy()
        if len(row_R):
            parts.append(_block(probe.some(row_R), data[1], over, rng))
            users.append(probe.batch.user_B.cpu().numpy()[row_R])
    return RankingTests.joined(users, parts) if parts else None


def _block(probe: Probe, catalog: Catalog, over: Asked, rng: np.random.Generator) -> dict[str, Measures]:
    """Each ranking's measures over the rows of a block."""
    said = _own(probe.model, probe, over)
    valid_BP = said[0].valid.cpu().numpy()
    erasing = _Erasing(probe, catalog, over)
    others = []
    for _ in range(deals(over)):
        with redrawn(probe.model, int(rng.integers(2**31))):
            others.append(_array(_own(probe.model, probe, over), probe))
    own = _array(said, probe)
    weight = own | {"random": rng.random(valid_BP.shape)}
    weight["leave_one_out"] = probe.ranked(erasing.parts.each().double().cpu().numpy())
    found = {}
    for name, weight_BP in weight.items():
        steady = [
            faithfulness.steadiness(weight_BP, other[name], valid_BP, least(over)) for other in others if name in own
        ]
        found[name] = claims.curves(erasing.without, weight_BP, valid_BP) | {
            "deciding": erasing.deciding(weight_BP, valid_BP),
            "redrawn": np.mean(steady, axis=0) if steady else np.full(len(valid_BP), np.nan),
            "gini": claims.gini(weight_BP, valid_BP),
            "entropy": claims.entropy(weight_BP, valid_BP),
        }
        if isinstance(erasing.parts, PartsOfScore) and name in own:
            found[name]["untold"] = erasing.parts.untold_B.cpu().numpy()
    return found


class _Erasing:
    """Scores of a block's items by what is left of each; the others' stay."""

    def __init__(self, probe: Probe, catalog: Catalog, over: Asked):
        self.probe = probe
        self.score_BN = scores(probe.model, probe.batch, probe.excluded_BN.shape[1] - 1)
        self.parts: ItemsWithout | PartsOfScore
        if over == "word" or over == "region":
            self.parts = ItemsWithout(Question(probe.model, probe.batch, probe.item_B, catalog), over)
        else:
            self.parts = PartsOfScore.of(probe.model, probe.batch, probe.item_B, over, self.score_BN)

    def without(self, gone_BP: Flags) -> tuple[Floats, Floats]:
        """Falls and ranks where some parts of each row's item are the mean one."""
        changed_BN, gone = self.score_BN.clone(), torch.from_numpy(gone_BP).to(self.score_BN.device)
        changed_BN[torch.arange(len(changed_BN)), self.probe.item_B] -= self.parts.falls(gone).to(changed_BN.dtype)
        return self.probe.by_scores(changed_BN)

    def deciding(self, weight_BP: Floats, valid_BP: Flags) -> Floats:
        """How many parts must be, heaviest first, until the item is not first."""

        def rank(row_R: np.ndarray, count: int) -> Floats:
            gone_BP = np.zeros_like(valid_BP)
            gone_BP[row_R] = faithfulness.heaviest(weight_BP[row_R], valid_BP[row_R], count)
            rank_B = self.without(gone_BP)[1]
            left_R: Floats = rank_B[row_R]
            return left_R

        return claims.deciding(rank, len(weight_BP), min(MOST, valid_BP.shape[1]))


def _own(model: Recommender, probe: Probe, over: Asked) -> list[Weights]:
    """The weights over the asked items' parts; those of the history's items have an axis more."""
    if over != "word" and over != "region":
        one = addends(model, probe.batch, probe.item_B, over)
        return [] if one is None else [one]
    told = model.explain(probe.batch, probe.item_B) if isinstance(model, Explainer) else []
    return [one for one in told if one.over == over and one.value.ndim == 2]


def _array(told: list[Weights], probe: Probe) -> dict[str, Floats]:
    return {f"own_{one.kind}": probe.ranked(one.value.double().cpu().numpy()) for one in told}

"""Rankings of what others did to the asked item put to the test: what its score is where some of it never was."""

from collections.abc import Collection

import numpy as np
import torch

from engine.evaluation.acts_of_others import Others, places
from engine.evaluation.claims import Measures, RankingTests
from engine.evaluation.erasure import kept_first
from engine.evaluation.probe import probes
from engine.evaluation.readings import INSIDE, Reading
from engine.evaluation.redrawn import redrawn
from engine.measures import claims, faithfulness
from engine.measures.claims import SHARE
from engine.training.cases import Cases, Seen
from engine.training.catalog import Catalog
from engine.training.contract import Recommender
from engine.training.interactions import Interactions


@torch.no_grad()
def examine_audience(
    model: Recommender,
    data: tuple[Interactions, Catalog],
    cases: Cases,
    seen: Seen,
    readings: Collection[Reading],
    seed: int,
) -> RankingTests | None:
    """Rankings of the last acts of others on the item that stands first after each history, or whose rating is asked.

    The rankings: the model's own weights and gates, the readings that are asked inside of items (`INSIDE`),
    `leave_one_out`, `newest`, `random`. What is gone never was, and nothing older comes in its place; no other item's
    score changes. Falls, ranks and areas are those of the acts of a history, `silenced` where the heaviest have
    presence 0. None where the model reads no such acts, or no case's item has two.
    """
    if not model.needs.item_length:
        return None
    asked = [one for one in readings if one in (*INSIDE, "leave_one_out")]
    rng, parts, users = np.random.default_rng(seed), list[dict[str, Measures]](), []
    for probe in probes(model, data[0], cases, seen, "test acts of others", 1):
        row_R = (places(probe)[1].sum(1) > 1).nonzero()[:, 0].cpu().numpy()
        if len(row_R):
            parts.append(_block(Others(probe.some(row_R), data[1]), asked, rng))
            users.append(probe.batch.user_B.cpu().numpy()[row_R])
    return RankingTests.joined(users, parts) if parts else None


def _block(of: Others, readings: Collection[Reading], rng: np.random.Generator) -> dict[str, Measures]:
    """Each ranking's measures over the rows of a block."""
    valid_BM, none_BM = of.valid_BM, np.zeros_like(of.valid_BM)
    whole = of.weighed(readings, none_BM)
    with redrawn(of.probe.model, int(rng.integers(2**31))):
        other = of.weighed(readings, none_BM)
    away_BM = faithfulness.drawn(valid_BM, 1, rng)
    near, order_BM = of.weighed(readings, away_BM), kept_first(torch.from_numpy(valid_BM & ~away_BM)).numpy()
    for some in (whole, other, near):
        some |= {"newest": np.broadcast_to(np.arange(valid_BM.shape[1]), valid_BM.shape)}
        some |= {"random": rng.random(valid_BM.shape)}
    left_BM = np.take_along_axis(valid_BM & ~away_BM, order_BM, 1)
    found = {}
    for name, weight_BM in whole.items():
        found[name] = claims.curves(of.without, weight_BM, valid_BM) | {
            "silenced": of.silenced(claims.heaviest_share(weight_BM, valid_BM, SHARE)),
            "deciding": of.deciding(weight_BM),
            "redrawn": faithfulness.steadiness(weight_BM, other[name], valid_BM),
            "nearby": faithfulness.steadiness(np.take_along_axis(weight_BM, order_BM, 1), near[name], left_BM),
            "gini": claims.gini(weight_BM, valid_BM),
            "entropy": claims.entropy(weight_BM, valid_BM),
        }
    return found

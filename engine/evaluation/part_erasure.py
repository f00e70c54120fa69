"""Model and explanation to erasure tests inside the items: what blanking words or regions of the history does."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.erasure import blanked
from engine.evaluation.history_erasure import best_items, centred, scores, spread
from engine.measures import faithfulness
from engine.measures.faithfulness import Floats
from engine.training.batch import Batch
from engine.training.cases import Cases, Seen
from engine.training.catalog import Ragged
from engine.training.contract import Explainer, Recommender, Weights
from engine.training.interactions import Interactions

Over = Literal["word", "region"]
WAYS = ("heaviest", "lightest", "random")


@torch.no_grad()
def part_erasures(
    model: Recommender, events: Interactions, cases: Cases, seen: Seen, parts: Ragged, over: Over, seed: int
) -> dict[str, Floats] | None:
    """Drops of the recommended item's score [C] by way, when one part of each item of the history is blanked.

    `parts` is the very table that the model was built with; it is as before afterwards. The part is each item's
    heaviest, lightest or any; units are those of `history_erasures`. None where nothing inside the history is weighed.
    """
    model.eval()
    if not isinstance(model, Explainer):
        return None
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for case in range(len(cases)):
        one = Cases(*(value[case : case + 1] for value in (cases.user_C, cases.position_C, cases.target_C)))
        item_B = best_items(model, events, one, 1, seen)[0][:, 0]
        batch = events.before(one.user_C, one.position_C, model.needs)
        reason = _weighed(model.explain(batch, item_B), over)
        if reason is None or not int(item_B[0]):
            continue
        whole_BN = scores(model, batch, events.items)
        whole, unit = centred(whole_BN, item_B), spread(whole_BN)
        for way, place_X in _places(reason, parts, rng).items():
            with blanked(parts, place_X):
                found[way].append(_drop(model, batch, item_B, events.items, whole, unit))
    return {way: np.array(values) for way, values in found.items()} if found["heaviest"] else None


def _weighed(reasons: list[Weights], over: Over) -> Weights | None:
    inside = [r for r in reasons if r.over == over and r.about is not None and r.about.ndim == 2]
    return next((r for r in inside if bool((r.valid.sum(-1) > 1).any())), None)


def _places(reason: Weights, parts: Ragged, rng: np.random.Generator) -> dict[str, Tensor]:
    """The places in the flat table of one part of each item with a choice between parts."""
    assert reason.about is not None
    valid_LP = reason.valid[0].cpu().numpy()
    valid_LP = valid_LP & (valid_LP.sum(1) > 1)[:, None]
    weight_LP = reason.value[0].double().cpu().numpy()
    chosen = {
        "heaviest": faithfulness.heaviest(weight_LP, valid_LP, 1),
        "lightest": faithfulness.lightest(weight_LP, valid_LP, 1),
        "random": faithfulness.drawn(valid_LP, 1, rng),
    }
    first_L1 = parts.offset_N[reason.about[0]][:, None]
    step_P = torch.arange(valid_LP.shape[1], device=first_L1.device)
    return {way: (first_L1 + step_P)[torch.from_numpy(flags).to(first_L1.device)] for way, flags in chosen.items()}


def _drop(model: Recommender, batch: Batch, item_B: Tensor, items: int, whole: Floats, unit: Floats) -> float:
    erased = centred(scores(model, batch, items), item_B)
    return float(faithfulness.drop(whole / unit, erased / unit)[0])

"""Whether the weights mean what they say: what erasing the heaviest does, and how often it is a true cause."""

import numpy as np

from engine.evaluation.history_erasure import history_erasures
from engine.evaluation.part_erasure import Over, part_erasures
from engine.measures.significance import randomisation
from engine.tables.arrays import case_columns
from engine.training.cases import Cases, Seen
from engine.training.contract import Explainer, Recommender
from engine.training.needs import View
from engine.training.source import Data
from stages.explain.known_causes import KnownCauses, heaviest_against_causes

PARTS: dict[Over, View] = {"word": "words", "region": "regions"}


def faithfulness_metrics(
    model: Recommender, data: Data, causes: KnownCauses, counts: tuple[int, int, int], seen: Seen, seed: int
) -> dict[str, float]:
    """The keys of metrics/explain.json, over test cases drawn by the seed.

    `counts`: cases (0: all), events erased from each, cases whose words and regions are blanked too.
    """
    most, erase, inside = counts
    count = min(most or data.table.height, data.table.height)
    rows = np.sort(np.random.default_rng(seed).choice(data.table.height, count, replace=False)).tolist()
    cases = Cases.of(case_columns(data.table[rows]), data.events.item_E.device.type)
    metrics = {"explains": float(isinstance(model, Explainer))}
    metrics |= _history(model, data, cases, erase, seen, seed)
    few = Cases(*(value[:inside] for value in (cases.user_C, cases.position_C, cases.target_C)))
    metrics |= _parts(model, data, few, seen, seed)
    return metrics | heaviest_against_causes(model, data.events, cases, causes)


def _history(model: Recommender, data: Data, cases: Cases, erase: int, seen: Seen, seed: int) -> dict[str, float]:
    """What erasing events of the history does."""
    erased = history_erasures(model, data.events, cases, seen, erase, seed)
    if erased is None:
        return {}
    metrics = {"probe_cases": float(len(erased.case_C)), "probe_faithful": float(erased.faithful)}
    for name in ("drop", "move", "rank"):
        metrics |= {f"{name}_{way}": float(value.mean()) for way, value in getattr(erased, name).items()}
    if len(erased.case_C) > 1:
        metrics["drop_heaviest_random_p"] = randomisation(erased.drop["heaviest"], erased.drop["random"], seed=seed).p
    if not np.isnan(erased.agreement_C).all():
        metrics["agreement"] = float(np.nanmean(erased.agreement_C))
    return metrics


def _parts(model: Recommender, data: Data, cases: Cases, seen: Seen, seed: int) -> dict[str, float]:
    """What blanking one word or region of every item of the history does."""
    metrics: dict[str, float] = {}
    for over, view in PARTS.items():
        if view in model.needs.views:
            drops = part_erasures(model, data.events, cases, seen, data.catalog.ragged(view), over, seed) or {}
            metrics |= {f"drop_{over}_{way}": float(value.mean()) for way, value in drops.items()}
            metrics |= {f"move_{over}_{way}": float(abs(value).mean()) for way, value in drops.items()}
    return metrics

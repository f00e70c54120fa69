"""Whether the weights mean what they say: what erasing the heaviest does, and how often it is a true cause."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.evaluation.claims import RankingTests
from engine.evaluation.history_erasure import history_erasures
from engine.evaluation.parts_of_acts import Part
from engine.evaluation.readings import INSIDE, Reading
from engine.measures.significance import randomisation
from engine.tables.arrays import case_columns
from engine.training.cases import Cases, Seen
from engine.training.contract import Explainer, Recommender
from engine.training.source import Data
from stages.explain.cause_hits import cause_hits
from stages.explain.claims import claims_of
from stages.explain.hits import Hits
from stages.explain.known_causes import KnownCauses

Counts = tuple[int, int, int, int]
Sections = dict[str, Any]


@dataclass(frozen=True)
class Faithfulness:
    """`explain` and `claims`: the files of metrics, in sections; `curves`: how far scores fall by share and reading, a
    CSV; `areas`: comprehensiveness by reading, a CSV.
    """

    explain: Sections
    claims: Sections
    curves: str
    areas: str


def faithfulness_metrics(
    model: Recommender,
    data: Data,
    causes: KnownCauses,
    counts: Counts,
    readings: Collection[Reading],
    asked: tuple[Seen, int],
) -> Faithfulness:
    """Over test cases drawn by the seed; `asked`: whether what was seen can be recommended, and the seed.

    `counts`: cases (0: all), events erased from each, cases whose words and regions are silenced too, cases held
    against known causes (0: all).
    """
    (most, erase, inside, known), (seen, seed) = counts, asked
    cases = drawn_cases(data, most, seed)
    few = Cases(*(value[:inside] for value in (cases.user_C, cases.position_C, cases.target_C)))
    explains = {"explains": float(isinstance(model, Explainer))}
    tested = claims_of(model, data, (cases, few), seen, readings, seed)
    erased = _history(model, data, cases, erase, seen, seed) | _parts(tested.parts)
    hits = cause_hits(model, data, drawn_cases(data, known, seed), causes, asked_over(readings))
    more = dict(tested.sections)
    more |= {"truth": {over: _tests(hits, over, seed) for over in hits.found}} if hits.found else {}
    move = {name: value for name, value in erased.items() if name.startswith("move_")}
    more |= {"move": _nested(move)["move"]} if move else {}
    shown = {name: value for name, value in erased.items() if name not in move}
    explain = explains | _nested(shown) | ({"truth": _means(hits)} if hits.found else {})
    return Faithfulness(explain, more, tested.curves, tested.areas)


def asked_over(readings: Collection[Reading]) -> dict[Reading, tuple[str, ...]]:
    """Over what each reading is held against known causes: over more than acts where it does not cost too much."""
    return {one: ("history", "word", "region", "view", "topic") if one in INSIDE else ("history",) for one in readings}


def drawn_cases(data: Data, count: int, seed: int) -> Cases:
    """So many test cases (0: all), drawn by the seed."""
    count = min(count or data.table.height, data.table.height)
    rows = np.sort(np.random.default_rng(seed).choice(data.table.height, count, replace=False)).tolist()
    return Cases.of(case_columns(data.table[rows]), data.events.item_E.device.type)


def _nested(flat: dict[str, float]) -> Sections:
    """drop_heaviest as drop: {heaviest}; names without a section stay."""
    found: Sections = {}
    for name, value in flat.items():
        section, _, rest = name.partition("_")
        if rest:
            found.setdefault(section, {})[rest] = value
        else:
            found[name] = value
    return found


def _means(hits: Hits) -> Sections:
    table = hits.table()
    return {
        over: {name: mean for name, (mean, _, _) in names.items()} | {"cases": names["chance"][2]}
        for over, names in table.items()
    }


def _tests(hits: Hits, over: str, seed: int) -> Sections:
    """Half of the 95 % interval of each reading, and its p against what it has to beat."""
    found: Sections = {name: {"half": half} for name, (_, half, _) in hits.table()[over].items()}
    for (one, other), p in hits.tests(over, seed).items():
        found[one][f"p_{other}"] = p
    return found


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


def _parts(parts: dict[Part, RankingTests]) -> dict[str, float]:
    """What silencing one word, region or view of every act, or one topic of all, does: the one that is
    heaviest, or lightest, by the model's own weights, the heaviest by each reading, any.
    """
    metrics: dict[str, float] = {}
    for over, tests in parts.items():
        drops = {name: measures["heaviest_one"] for name, measures in tests.found.items()}
        for own in [name for name in drops if name.startswith("own_")][:1]:
            drops |= {"heaviest": drops[own], "lightest": tests.found[own]["lightest_one"]}
        drops = {name: value_C for name, value_C in drops.items() if not name.startswith("own_")}
        metrics |= {f"drop_{over}_{way}": float(value_C.mean()) for way, value_C in drops.items()}
        metrics |= {f"move_{over}_{way}": float(abs(value_C).mean()) for way, value_C in drops.items()}
    return metrics

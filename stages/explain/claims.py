"""Rankings of acts put to the test, as sections and as curves: which beat chance, and which are told to say nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.evaluation.audience_erasure import examine_audience
from engine.evaluation.claims import RankingTests, examine
from engine.evaluation.item_erasure import Asked, examine_item
from engine.evaluation.part_erasure import examine_left_out, examine_parts
from engine.evaluation.parts_of_acts import Part
from engine.evaluation.readings import Reading
from engine.measures import claims
from engine.measures.claims import SHARES
from engine.measures.significance import holm, randomisation
from engine.training.cases import Cases, Seen
from engine.training.contract import Recommender
from engine.training.source import Data

UNTOLD = 1.0  # of how far scores differ: parts that leave as much untold do not tell them
STAYS = 0.7  # of a correlation with the ranking by redrawn parameters: from here on a ranking is not the model's
JUDGED = "comprehensiveness"
RIVALS = ("random", "newest")  # and the model's own weights
EVERY = 4  # of the cases in which parts are silenced, that in which they are left out one by one


SECTIONS: dict[Part, str] = {"word": "words", "region": "regions", "view": "views", "topic": "topics"}
LEFT_OUT: dict[Part, str] = {over: f"{name}_left_out" for over, name in SECTIONS.items() if over != "topic"}
OF_ITEM: dict[Asked, str] = {"word": "item_words", "region": "item_regions"}
OF_ITEM |= {"view": "item_views", "topic": "item_topics", "category": "item_categories"}


@dataclass(frozen=True)
class Claims:
    """What is written: `sections` by ranking, `curves` and `areas` of the acts as CSV; `parts`: tests inside acts."""

    sections: dict[str, Any]
    curves: str
    areas: str
    parts: dict[Part, RankingTests]


def claims_of(
    model: Recommender, data: Data, asked: tuple[Cases, Cases], seen: Seen, readings: Collection[Reading], seed: int
) -> Claims:
    """The tests of every ranking, over some cases of the acts and over others of what is inside them, of the asked
    item's parts and of what others did to it; nothing of acts where the model reads no history.
    """
    world = (data.events, data.catalog)
    inside = {over: examine_parts(model, world, asked[1], seen, readings, over, seed) for over in SECTIONS}
    parts = {over: tests for over, tests in inside.items() if tests is not None}
    found = {"acts": examine(model, world, asked[0], seen, readings, seed)}
    found |= {SECTIONS[over]: tests for over, tests in parts.items()}
    some = fewer(asked[1])
    found |= {name: examine_left_out(model, world, some, seen, readings, over, seed) for over, name in LEFT_OUT.items()}
    found |= {name: examine_item(model, world, asked[1], seen, over, seed) for over, name in OF_ITEM.items()}
    found["item_history"] = examine_audience(model, world, asked[1], seen, readings, seed)
    tested = {name: tests for name, tests in found.items() if tests is not None}
    if not tested:
        return Claims({}, "share\n", "reading,comprehensiveness\n", {})
    sections = {name: section(tests, seed) for name, tests in tested.items()}
    counts = {name: float(len(tests.user_C)) for name, tests in tested.items()}
    of_acts = sections.get("acts", {})
    share_rows = [
        ",".join([f"{share:g}", *(f"{of_acts[name][f'gone_{share * 100:g}']:.6g}" for name in of_acts)])
        for share in SHARES
    ]
    area_rows = [f"{name},{measures[JUDGED]:.6g}" for name, measures in of_acts.items()]
    return Claims(
        sections | {"tested": {"cases": counts.pop("acts", 0.0), **counts}},
        "\n".join([",".join(["share", *of_acts]), *share_rows, ""]),
        "\n".join([f"reading,{JUDGED}", *area_rows, ""]),
        parts,
    )


def fewer(cases: Cases) -> Cases:
    """Those in which parts are left out one by one."""
    return Cases(*(value[::EVERY] for value in (cases.user_C, cases.position_C, cases.target_C)))


def section(tests: RankingTests, seed: int) -> dict[str, dict[str, float]]:
    """By ranking the means, the tests against what it has to beat, and whether it is told to say nothing."""
    found = {name: means(tests, name) for name in tests.found}
    for (one, other), p in against(tests, seed).items():
        found[one][f"p_{other}"] = p
    for measures in found.values():
        measures["says_nothing"] = float(says_nothing(measures, found["random"][JUDGED]))
    return found


def means(tests: RankingTests, name: str) -> dict[str, float]:
    """The mean of each measure over the cases where it is known, and half of an interval of what is judged by."""
    found = {}
    for measure, value_C in tests.found[name].items():
        known_C = np.isfinite(value_C)
        if known_C.any():
            found[measure] = float(value_C[known_C].mean())
    half = claims.half_interval(tests.found[name][JUDGED], tests.user_C)
    return found | ({f"{JUDGED}_half": half} if np.isfinite(half) else {})


def against(tests: RankingTests, seed: int) -> dict[tuple[str, str], float]:
    """p of each ranking against what it has to beat by comprehensiveness: paired over people, two-sided, by Holm."""
    sums = {name: claims.by_group(measures[JUDGED], tests.user_C) for name, measures in tests.found.items()}
    rivals = [name for name in sums if name in RIVALS or name.startswith("own_")]
    pairs = [(one, other) for one in sums for other in rivals if one not in (other, *RIVALS)]
    if not pairs or len(sums[rivals[0]]) < 2:
        return {}
    return dict(
        zip(pairs, holm([randomisation(sums[one], sums[other], seed=seed).p for one, other in pairs]), strict=True)
    )


def says_nothing(section: dict[str, float], at_random: float) -> bool:
    """A ranking that parameters which know nothing give too, or by which erasing does no more than at random; or parts
    whose sum is not how scores differ.
    """
    beats = section.get("p_random", 1.0) < 0.05 and section[JUDGED] > max(at_random, 0.0)
    return section.get("redrawn", 0.0) >= STAYS or section.get("untold", 0.0) >= UNTOLD or not beats

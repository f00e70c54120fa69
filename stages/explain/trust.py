"""How far the reasons can be trusted, as the page shows it: the reading that it leads with first, beside its rivals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.evaluation.readings import LEADING
from engine.measures.claims import SHARES
from stages.explain.claims import UNTOLD
from stages.explain.ranking_names import INSIDE, LEADS, LED, NAMES, OF_ASKED, OF_ITEM, OVER

JUDGED = "comprehensiveness"
Sections = Mapping[str, Any]


@dataclass(frozen=True)
class TrustRow:
    """A ranking by name, its figure, and what is to be said of it."""

    name: str
    value: float
    note: str = ""


@dataclass(frozen=True)
class KnownCauses:
    """How often each ranking's heaviest part is a true cause, in how many cases, and how often a blind draw's is."""

    over: str
    rows: list[TrustRow]
    chance: float
    cases: int


@dataclass(frozen=True)
class Trust:
    """`erased`: how far the score falls without the heaviest acts by each ranking, in `cases` cases, the mean over
    `shares`; `untested`: the reading that leads is not among them. `own`: falls by what is erased, for the model's own
    weights alone. `inside`: falls where what weighs most inside of each act, or the heaviest topics, were silent;
    `of_item`: without the heaviest words, regions, views, topics or categories of the recommended item itself;
    `others`: without the heaviest acts of others on it, in `others_cases`. `rating`: it is how far a rating moves.
    """

    cases: int
    erased: list[TrustRow]
    untested: bool
    own: dict[str, list[TrustRow]]
    known: list[KnownCauses]
    inside: dict[str, list[TrustRow]]
    of_item: dict[str, list[TrustRow]]
    others: list[TrustRow]
    others_cases: int
    rating: bool
    shares: str = ", ".join(f"{100 * share:g}" for share in SHARES)


def trust(explain: Sections, claims: Sections, rating: bool = False) -> Trust:
    """From the sections of metrics/explain.json and metrics/claims.json; `rating`: of a model of ratings."""
    acts = claims.get("acts", {})
    return Trust(
        cases=int(claims.get("tested", {}).get("cases", 0)),
        erased=_judged(acts),
        untested=bool(acts) and LEADING not in acts,
        own=_own(explain.get("drop", {})),
        known=[
            KnownCauses(
                called,
                [TrustRow(_called(name, leading), found[name]) for name in in_order(found, leading)],
                found["chance"],
                int(found["cases"]),
            )
            for over, called in OVER.items()
            if (found := explain.get("truth", {}).get(over))
            for leading in (OF_ITEM if over.startswith("next_") else LEADING,)
        ],
        inside={called: _judged(found) for parts, called in INSIDE.items() if (found := claims.get(parts))},
        of_item={
            parts: _judged(found, OF_ITEM if parts in LED and not found[OF_ITEM]["says_nothing"] else "")
            for parts in OF_ASKED
            if (found := claims.get(f"item_{parts}"))
        },
        others=_judged(claims.get("item_history", {})),
        others_cases=int(claims.get("tested", {}).get("item_history", 0)),
        rating=rating,
    )


def _judged(rankings: Sections, leading: str = LEADING) -> list[TrustRow]:
    return [
        TrustRow(_called(one, leading), rankings[one][JUDGED], _note(one, rankings[one]))
        for one in in_order(rankings, leading)
    ]


def _called(name: str, leading: str) -> str:
    return LEADS if name == leading else NAMES[name]


def in_order(found: Sections, leading: str = LEADING) -> list[str]:
    """The rankings among some names: the one that leads, what it has to beat, the others."""
    own = sorted(name for name in found if name.startswith("own_"))
    order = list(dict.fromkeys([leading, "newest", "random", *own, *NAMES]))
    return [name for name in order if name in found]


def _note(name: str, section: Sections) -> str:
    if name in ("newest", "random") or not section["says_nothing"]:
        return ""
    if section.get("untold", 0.0) >= UNTOLD:
        return "explains nothing here: what it says of an item is not how scores differ"
    return "explains nothing here: no better than a random draw, or the same for a model of redrawn parameters"


def _own(drop: Sections) -> dict[str, list[TrustRow]]:
    """Falls by what is erased of the model's own weights: one act, one word, region or view of every act."""
    found = {}
    ways = {"heaviest": "the heaviest", "random": "one at random", "lightest": "the lightest"}
    for over, prefix in (("act", ""), *((part, f"{part}_") for part in ("word", "region", "view", "topic"))):
        rows = [TrustRow(name, drop[prefix + way]) for way, name in ways.items() if prefix + way in drop]
        if over == "act" and "leave_one_out" in drop:
            rows.append(TrustRow("the one whose absence costs most", drop["leave_one_out"]))
        if rows:
            found[over] = rows
    return found

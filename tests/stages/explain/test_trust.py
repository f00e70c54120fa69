"""The section on trust: the reading that leads comes first, its rivals next; also for a model without own weights."""

import html
from typing import Any

import pytest
import torch
from torch import Tensor

import models
from engine.evaluation.part_erasure import ACTS
from engine.evaluation.readings import READINGS
from engine.training.batch import Batch
from engine.training.contract import CatalogScorer
from engine.training.needs import Needs
from stages.explain.__main__ import main
from stages.explain.ranking_names import LEADS, NAMES
from stages.explain.trust import trust
from tests.stages.explain.conftest import Toy
from tests.stages.explain.test_explain import params


class Plain(CatalogScorer):
    """The toy's scores without reasons of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.toy = Toy()

    @property
    def needs(self) -> Needs:
        return Needs(length=4)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.toy.score(batch, item_BK)

    def score_all(self, batch: Batch) -> Tensor:
        return self.toy.score_all(batch)


def section(area: float, says_nothing: bool = False) -> dict[str, float]:
    return {"comprehensiveness": area, "says_nothing": float(says_nothing)}


CLAIMS: dict[str, Any] = {
    "acts": {
        "own_share": section(0.5, says_nothing=True),
        "gradient": section(1.5),
        "integrated": section(2.0),
        "newest": section(1.0, says_nothing=True),
        "random": section(0.1, says_nothing=True),
    },
    "tested": {"cases": 7.0},
}


def test_the_reading_that_leads_stands_first_and_its_rivals_next() -> None:
    found = trust({}, CLAIMS)
    assert [row.name for row in found.erased] == [
        LEADS,
        *(NAMES[name] for name in ("newest", "random", "own_share", "gradient")),
    ]
    assert [row.value for row in found.erased] == [2.0, 1.0, 0.1, 0.5, 1.5]
    assert found.cases == 7
    assert not found.untested
    assert found.shares == "1, 5, 10, 20, 50"


def test_every_reading_that_can_be_tested_has_a_name_on_the_page() -> None:
    acts = {reading: section(1.0) for reading in READINGS}
    found = trust({}, {"acts": acts, "tested": {"cases": 7.0}}).erased
    assert len(found) == len(READINGS)
    assert len({row.name for row in found}) == len(READINGS)


def test_only_a_reading_is_told_that_it_explains_nothing() -> None:
    notes = {row.name: row.note for row in trust({}, CLAIMS).erased}
    told = [name for name, note in notes.items() if note]
    assert told == [NAMES["own_share"]], "the newest acts and a draw know nothing of the model anyway"


def test_weights_of_the_items_own_parts_are_judged_too() -> None:
    rankings = {
        "random": section(0.1, says_nothing=True),
        "leave_one_out": section(0.4),
        "own_share": section(0.0, says_nothing=True),
    }
    found = trust({}, {"item_words": rankings})
    assert set(found.of_item) == {"words"}
    rows = [(row.name, row.value, bool(row.note)) for row in found.of_item["words"]]
    random, own = NAMES["random"], NAMES["own_share"]
    assert rows == [(LEADS, 0.4, False), (random, 0.1, False), (own, 0.0, True)]
    silent = trust({}, {"item_words": rankings | {"leave_one_out": section(0.0, says_nothing=True)}})
    assert [row.name for row in silent.of_item["words"]] == [random, own, NAMES["leave_one_out"]], (
        "no page leads with it"
    )
    assert not trust({}, CLAIMS).of_item


def test_parts_of_acts_and_of_the_item_are_judged_by_kind() -> None:
    rankings = {
        "random": section(0.1, says_nothing=True),
        "own_share": section(0.3),
        "integrated": section(0.5),
    }
    found = trust({}, {"topics": rankings, "views": rankings | {"own_share": section(0.2, says_nothing=True)}})
    assert list(found.inside) == ["views", "topics"]
    assert [(row.name, row.value) for row in found.inside["topics"]] == [
        (LEADS, 0.5),
        (NAMES["random"], 0.1),
        (NAMES["own_share"], 0.3),
    ]
    assert [row.name for row in found.inside["views"] if row.note] == [NAMES["own_share"]]


def test_of_the_item_s_views_the_model_s_own_weights_are_shown_and_an_untrue_sum_is_told() -> None:
    rankings = {
        "random": section(0.1, says_nothing=True),
        "leave_one_out": section(0.4),
        "own_signed": section(0.4, says_nothing=True) | {"untold": 1.2},
    }
    found = trust({}, {"item_views": rankings}).of_item["views"]
    assert [row.name for row in found] == [NAMES[name] for name in ("random", "own_signed", "leave_one_out")]
    assert "not how scores differ" in found[1].note


def test_of_the_next_item_s_parts_leaving_each_out_leads() -> None:
    known = {"own_share": 0.4, "leave_one_out": 0.6, "chance": 0.1, "cases": 9}
    found = trust({"truth": {"next_word": known, "word": known | {"integrated": 0.9}}}, {})
    rows = {one.over: [row.name for row in one.rows] for one in found.known}
    assert rows["a word of the next item"] == [LEADS, NAMES["own_share"]]
    assert rows["a word of an earlier act"] == [LEADS, NAMES["own_share"], NAMES["leave_one_out"]]


def test_where_the_reading_that_leads_was_not_tested_that_is_said() -> None:
    acts = {name: value for name, value in CLAIMS["acts"].items() if name != "integrated"}
    assert trust({}, {"acts": acts}).untested
    assert not trust({}, {}).untested


def test_what_others_did_and_parts_left_out_stand_by_their_names() -> None:
    left_out = {name: CLAIMS["acts"][name] for name in ("integrated", "random")}
    sections = {"item_history": CLAIMS["acts"], "words_left_out": left_out, "tested": {"item_history": 7.0}}
    found = trust({}, sections, rating=True)
    assert [row.name for row in found.others] == [row.name for row in trust({}, {"acts": CLAIMS["acts"]}).erased]
    assert (found.others_cases, found.rating, found.erased) == (7, True, [])
    assert {name: [row.name for row in rows] for name, rows in found.inside.items()} == {
        f"words of the {ACTS} acts that weigh most": [LEADS, NAMES["random"]]
    }
    assert not trust({}, {}).others


def test_known_causes_are_told_by_kind_with_chance_and_cases() -> None:
    truth = {
        "word": {"own_share": 0.9, "gradient": 0.8, "chance": 0.1, "cases": 3},
        "history": {"own_share": 0.7, "integrated": 0.94, "newest": 0.69, "chance": 0.13, "cases": 5},
    }
    acts, words = trust({"truth": truth}, {}).known
    assert (acts.over, acts.chance, acts.cases) == ("an earlier act", 0.13, 5)
    assert [row.value for row in acts.rows] == [0.94, 0.69, 0.7]
    assert (words.over, [row.value for row in words.rows]) == ("a word of an earlier act", [0.9, 0.8])


def test_falls_of_own_weights_are_told_by_what_was_erased() -> None:
    drop = {"heaviest": 0.6, "random": 0.1, "lightest": 0.0, "leave_one_out": 1.0, "word_heaviest": 0.4}
    own = trust({"drop": drop | {"keep_heaviest": 0.9, "heaviest_random_p": 0.01}}, {}).own
    assert [row.value for row in own["act"]] == [0.6, 0.1, 0.0, 1.0]
    assert [row.value for row in own["word"]] == [0.4]
    assert set(own) == {"act", "word"}


@pytest.mark.parametrize("model", [Toy(), Plain()])
def test_every_model_that_reads_histories_has_figures_of_erasing(
    model: CatalogScorer, small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "configure", lambda choice: model)
    monkeypatch.setattr(models, "restore", lambda *args: model)
    torch.manual_seed(1)
    main(params(), small.layout)
    erased = html.unescape(small.page.split('<section class="erased">')[1].split("</section>")[0])
    first = erased.split('<th scope="row">')[1]
    assert first.startswith(LEADS)
    assert NAMES["newest"] in erased
    assert (NAMES["own_share"] in erased) == isinstance(model, Toy)
    assert ("The model's own weights by one act" in erased) == isinstance(model, Toy)
    main(params(readings=["gradient"]), small.layout)
    assert "was not tested: explain.readings does not name it" in small.page

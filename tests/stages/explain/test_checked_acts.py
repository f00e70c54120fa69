"""What the page names was taken away before, and the score fell; what does not pass stands folded, as not confirmed."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor

import models
from engine.evaluation.wording import Wording
from engine.tables import schemas, store
from engine.tables.arrays import case_columns
from engine.tables.domain_words import DomainWords
from engine.tables.naming import naming
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.contract import Recommender, Weights
from engine.training.needs import Needs
from engine.training.source import load
from stages.explain.__main__ import main
from stages.explain.checked_acts import ACT, Checked, checked_acts
from tests.stages.explain.conftest import Small, Toy
from tests.stages.explain.test_explain import Page, params


class Spoilt(Toy):
    """Gives `gain` to item 4 as soon as one of some items was never acted on, whatever their presence."""

    def __init__(self, *items: int, gain: float = 9.0) -> None:
        super().__init__()
        self.items, self.gain = items, gain

    def score_all(self, batch: Batch) -> Tensor:
        score_BN = super().score_all(batch)
        for item in self.items:
            score_BN[:, 4] += self.gain * (batch.item_BL != item).all(1)
        return score_BN


class Summed(Spoilt):
    """Items 1, 2 and 3 speak for item 4, the later the more."""

    def score_all(self, batch: Batch) -> Tensor:
        gain_N = torch.tensor([0.0, 0.3, 0.4, 0.5, 0, 0, 0])
        given_B = batch.present(gain_N[batch.item_BL][..., None])[..., 0].sum(1)
        return super().score_all(batch) + 9 * given_B[:, None] * (torch.arange(7) == 4)


class Reader(Toy):
    """Item 5's words "cook" and "saves" speak for item 6; `jealous`: silenced words do so all the more."""

    def __init__(self, jealous: bool = False) -> None:
        super().__init__()
        self.jealous = jealous

    @property
    def needs(self) -> Needs:
        return Needs(length=4, views=frozenset({"words"}))

    def score_all(self, batch: Batch) -> Tensor:
        word_BLP = torch.tensor([0.0, 2.0, 1.0, 0.0]) * (batch.item_BL == 5)[..., None]
        parts = batch.part_presence or {}
        if "words" in parts:
            shown_BLP = torch.nn.functional.pad(parts["words"], (0, 4))[..., :4]
            word_BLP = word_BLP * shown_BLP
        text_BL1 = batch.present(word_BLP.sum(-1, keepdim=True), "text")
        given_B = batch.present(text_BL1)[..., 0].sum(1)
        if self.jealous and "words" in parts:
            given_B = given_B + 9.0 * (parts["words"] == 0).flatten(1).any(1)
        return super().score_all(batch) + given_B[:, None] * (torch.arange(7) == 6)


class Late(Toy):
    """Its weights are drawn beside the score, but for its topics."""

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        return [replace(one, faithful=one.over == "topic") for one in super().explain(batch, item_B)]


class Unfolded(HTMLParser):
    """The text that stands in no details, or in their summaries alone."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.depth, self.summary = "", 0, False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag == "details"
        self.summary = self.summary or tag == "summary"

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "details"
        self.summary = self.summary and tag != "summary"

    def handle_data(self, data: str) -> None:
        if not self.depth or (self.summary and self.depth == 1):
            self.text += data


def stage(world: Small, monkeypatch: pytest.MonkeyPatch, model: Recommender, **explain: Any) -> str:
    """The page of a model."""
    monkeypatch.setattr(models, "configure", lambda choice: model)
    monkeypatch.setattr(models, "restore", lambda *args: model)
    main(params(**explain), world.layout)
    return world.page


def found(world: Small, model: Recommender, item_B: list[int], shown: int = 10) -> dict[tuple[int, int], Checked]:
    """What is checked of one item a person, before the test case of each."""
    data = load(world.layout, model.needs, "test", "cpu")
    wording = Wording(naming(world.layout, model.needs.views, model.needs.topics), DomainWords(picture="poster"))
    cases = Cases.of(case_columns(data.table), "cpu")
    return checked_acts(model, data.events, cases, torch.tensor(item_B)[:, None], data.catalog, wording, shown)


def log_probability(history: list[int], item: int, model: Toy) -> float:
    """By the model's own scores of a history."""
    batch = Batch(torch.zeros(1).long(), torch.tensor([history]), torch.tensor([len(history)]), torch.tensor([history]))
    return float(model.score_all(batch)[0, 1:].log_softmax(0)[item - 1])


def influences(world: Small, rank: int = 1, user: int = 1) -> dict[int, float]:
    """By position, as the stage wrote them."""
    rows = store.read(world.layout.reasons, schemas.REASONS)
    rows = rows.filter(pl.col("user") == user, pl.col("rank") == rank, pl.col("reading") == "influence")
    return dict(rows.filter(pl.col("over") == "history").select("position", "weight").iter_rows())


def test_falls_are_those_of_histories_without_the_act(small: Small) -> None:
    checked = found(small, Toy(), [4, 4, 1])
    whole = log_probability([1, 2, 3], 4, Toy())
    without = [log_probability([2, 3], 4, Toy()), log_probability([1, 3], 4, Toy()), log_probability([1, 2], 4, Toy())]
    falls = checked[1, 1].falls
    assert sorted(falls) == [0, 1, 2]
    assert [falls[n] for n in range(3)] == pytest.approx([whole - other for other in without], abs=1e-5)
    assert set(checked) == {(1, 1), (2, 1), (3, 1)}
    assert sorted(checked[2, 1].falls) == [0], "person-2 did one thing"


def test_who_can_be_recommended_nothing_is_told_nothing(small: Small) -> None:
    assert set(found(small, Toy(), [4, 0, 1])) == {(1, 1), (3, 1)}


def test_an_act_that_lowers_nothing_by_its_absence_is_not_named(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    page = stage(small, monkeypatch, Toy(), users=["person-1"], top=1)
    weight = influences(small)
    assert weight[2] == max(weight.values()) > 0, "the heaviest is item 3"
    assert "Because of <bdi>Silent</bdi>." in page
    spoilt = stage(small, monkeypatch, Spoilt(3), users=["person-1"], top=1)
    assert influences(small)[2] == pytest.approx(weight[2], abs=1e-6), "its influence is the same"
    assert "Because of <bdi>Silent" not in spoilt
    because = spoilt.split('<ol class="because">')[1].split("</ol>")[0] if '<ol class="because">' in spoilt else ""
    assert "Silent" not in because
    row = spoilt.split('<table class="acts">')[1].split("<bdi>Silent</bdi>")[1].split("<tr>")[0]
    assert "not confirmed" in row
    assert row.count("<td>") == 3


def test_an_act_that_speaks_against_is_named_where_the_score_rises_without_it(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = stage(small, monkeypatch, Toy(), users=["person-1"], top=1)
    assert influences(small)[0] < 0
    assert "Most against it speaks <bdi>" in page
    page = stage(small, monkeypatch, Spoilt(1, 2, gain=-9.0), users=["person-1"], top=1)
    assert influences(small)[0] < 0
    assert "Most against it speaks" not in page


def test_where_no_act_alone_lowers_the_score_the_page_says_so(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    page = stage(small, monkeypatch, Spoilt(1, 2, 3), users=["person-1"], top=1)
    speaking = sum(weight > 0 for weight in influences(small).values())
    assert speaking
    text = " ".join(Page(page).text.split())
    assert "most for it " in text
    assert "not lower its score by being left out alone." in text
    assert '<p class="said">' not in page
    assert '<ol class="because">' not in page
    assert page.count("not confirmed</small>") == speaking


def test_every_recommendation_has_its_sentence_and_names_what_was_confirmed(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = stage(small, monkeypatch, Toy(), top=3)
    heroes = page.split('<li class="hero')[1:]
    assert len(heroes) == 3 + 3 + 2, "person-3 has seen all but two"
    assert all(hero.count('<p class="said') == 1 for hero in heroes)
    for hero in heroes:
        rows = re.findall(r"<tr><th><bdi>(.*?)</bdi>.*?<td>(.*?)<td>.*?<td>(\S+)", hero)
        confirmed = {title for title, weight, change in rows if float(weight) > 0 and float(change) < 0}
        named = re.findall(r'<p class="name"><bdi>(.*?)</bdi>', hero)
        assert set(named) == confirmed
        said = re.findall(r'<p class="said">Because of <bdi>(.*?)</bdi>', hero)
        assert said == named[:1], "the heaviest of them"
    assert any(re.findall(r'<p class="said">', hero) for hero in heroes)


def test_words_beside_an_act_were_silenced_and_the_score_fell(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = found(small, Reader(), [4, 6, 1])[2, 1]
    assert checked.sentence == f"because of {ACT}, for its words “cook” and “saves”"
    assert [(named.words, named.view) for named in checked.named.values()] == [(["cook", "saves"], "")]
    page = stage(small, monkeypatch, Reader(), users=["person-2"], top=1)
    assert "Because of <bdi>Cook</bdi>, for its words “cook” and “saves”." in page
    assert "its words <i>cook</i>, <i>saves</i>" in page
    page = stage(small, monkeypatch, Reader(jealous=True), users=["person-2"], top=1)
    assert "Because of <bdi>Cook</bdi>, for its text." in page
    assert "its words" not in page
    assert "its text</p>" in page


def test_the_act_of_a_sentence_is_shown_though_others_weigh_more(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    page = stage(small, monkeypatch, Summed(3), users=["person-1"], top=1, history=1)
    assert sorted(influences(small), key=influences(small).__getitem__) == [0, 1, 2]
    hostile = "&lt;script&gt;alert(&#34;title&#34;)&lt;/script&gt;"
    assert f"Because of <bdi>{hostile}</bdi>." in page
    because = page.split('<ol class="because">')[1].split("</ol>")[0]
    assert re.findall(r'<p class="name"><bdi>(.*?)</bdi>', because) == [hostile, "Storm"]
    assert page.count("not confirmed</small>") == 1


def test_weights_that_are_drawn_afterwards_stand_in_what_is_folded_alone(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = stage(small, monkeypatch, Late(), users=["person-1"])
    main_part = page.split("<main>")[1].split('<article class="trust">')[0]
    unfolded = Unfolded(main_part).text
    for name in ("attention", "contribution", "drawn afterwards"):
        assert name in main_part
        assert name not in unfolded, name
    assert "Drawn afterwards: of what was acted on" in main_part
    assert "Drawn afterwards: picture and text over these items" in main_part
    late = main_part.split("Drawn afterwards: of what was acted on")[1].split("</table>")[0]
    assert re.findall(r"<td>([\d.]+)", late) == ["0.500", "0.333", "0.167"] or "0.500" in late
    assert "change without it alone" not in late

"""What a person is shown is what the stage writes and what evaluate ranks; what is edited, moved or muted counts."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest
import torch

from engine.evaluation.erasure import erase_events
from engine.evaluation.question import log_probability
from engine.evaluation.rank import rank
from engine.evaluation.sentence import of_item, of_view
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import RECOMMENDATIONS
from engine.training.source import load as load_data
from serving.api import History, Muted, Predictor, Refused
from serving.standing import all_scores
from stages.recommend import __main__ as recommend
from tests.serving.shop import Shop

MODELS = [
    ("bpr_mf", ""), ("popularity", ""), ("ease", ""), ("sasrec", ""), ("gru4rec", ""), ("ante_rnn", "whole"),
    ("mahn", "cat_cat"), ("iarn", "ranking"), ("iarn", "iarn_flat"), ("hyperrec", ""), ("caser", ""), ("timesvd", ""),
    ("mlam", "whole"), ("vbpr", "both"), ("jrl", "words"), ("ctr", "plain"), ("ctr_bpr", "plain"), ("hievh", "tree"),
]  # fmt: skip
UNREAD = ("bpr_mf", "timesvd", "mlam", "vbpr", "jrl", "ctr", "ctr_bpr", "hievh")  # people by a row alone, no history
every = pytest.mark.parametrize(("name", "variant"), MODELS)
READING = [case for case in MODELS if case[0] not in ("popularity", *UNREAD)]
reading = pytest.mark.parametrize(("name", "variant"), READING)


def scores(asked: Predictor, history: History, at: datetime | None = None) -> torch.Tensor:
    model = asked._model
    return all_scores(model.net, model.asked(history, at, Muted()), model.events.items)[0, 1:]


@every
def test_a_person_gets_what_the_stage_writes(shop: Shop, name: str, variant: str) -> None:
    asked = shop.fitted(name, variant)
    layout = Layout(shop.layout.root, "temporal", results=shop.layout.root / "results" / f"{name}-{variant}")
    settings = recommend.Recommend(top=4, because=4)
    choice = shop.choice(name, variant)
    recommend.main(recommend.Params(model=choice, seen="excluded", recommend=settings, device="cpu"), layout)
    table = store.read(layout.recommendations, RECOMMENDATIONS)
    for user in ("p1", "p2", "p12"):
        found, expected = asked.recommend(asked.person(user), 4), table.filter(pl.col("user") == user)
        assert [one.item for one in found] == expected["item"].to_list()
        assert [one.rank for one in found] == expected["rank"].to_list()
        assert [one.score for one in found] == pytest.approx(expected["score"].to_list(), rel=1e-4, abs=1e-5)
        assert [one.because for one in found] == expected["because"].to_list()


@every
def test_a_rank_is_that_of_evaluate(shop: Shop, name: str, variant: str) -> None:
    asked = shop.fitted(name, variant)
    model = asked._model
    data = load_data(model.layout, model.needs, "test", "cpu")
    counts = rank(model.net, data.cases, data.events)
    for row, user in enumerate(data.table["user"].to_list()[:4]):
        whole = asked.person(f"p{user}")
        target = whole.acts[-1]
        history = whole if name in UNREAD else whole.without([len(whole.acts) - 1])
        found = asked.explain(history, target.item, at=target.time).rank
        assert 1 + counts.greater[row] <= found <= 1 + counts.greater[row] + counts.ties[row]


@reading
def test_an_act_that_is_taken_away_has_not_been(shop: Shop, name: str, variant: str) -> None:
    asked = shop.fitted(name, variant)
    history = asked.person("p2")
    shorter = history.without([8])
    assert [act.item for act in shorter.acts] == [act.item for n, act in enumerate(history.acts) if n != 8]
    assert not torch.allclose(scores(asked, shorter), scores(asked, history))
    gone = history.acts[8].item
    assert gone in {one.item for one in asked.recommend(shorter, 15)}  # it was not had, so that it can be shown
    assert gone not in {one.item for one in asked.recommend(history, 15)}
    if name == "ante_rnn":
        return  # its topics follow
    model = asked._model
    gone_BL = torch.zeros(1, 10, dtype=torch.bool)
    batch = model.asked(history, None, Muted())
    gone_BL[0, 8 - (len(history.acts) - batch.item_BL.shape[1])] = True
    if batch.item_BL.shape[1] == len(history.acts):
        erased = erase_events(batch, gone_BL[:, : batch.item_BL.shape[1]])
        torch.testing.assert_close(all_scores(model.net, erased, 15)[0, 1:], scores(asked, shorter))


@pytest.mark.parametrize(("name", "variant"), [("ante_rnn", "whole"), ("iarn", "ranking"), ("hyperrec", "")])
def test_a_model_that_reads_times_sees_an_act_moved(shop: Shop, name: str, variant: str) -> None:
    asked = shop.fitted(name, variant)
    history = asked.person("p2")
    last = history.acts[-1].time
    assert last is not None
    moved = history.moved(6, last + timedelta(hours=5))
    assert [act.item for act in moved.acts][-1] == history.acts[6].item
    assert len(moved.acts) == len(history.acts)
    assert not torch.allclose(scores(asked, moved), scores(asked, history))


@reading
def test_what_was_done_later_has_not_been(shop: Shop, name: str, variant: str) -> None:
    asked = shop.fitted(name, variant)
    history = asked.person("p2")
    moment = history.acts[6].time
    assert moment is not None
    found = scores(asked, history, at=moment)
    torch.testing.assert_close(found, scores(asked, replace(history, acts=history.acts[:6]), at=moment))
    assert not torch.allclose(found, scores(asked, history))
    shown = {one.item for one in asked.recommend(history, 15, at=moment)}
    assert {act.item for act in history.acts[6:]} <= shown
    with pytest.raises(Refused, match="needs an act at least before"):
        asked.recommend(history, at=history.acts[0].time)


@pytest.mark.parametrize(("name", "variant"), [case for case in READING if case[0] not in ("caser", "ante_rnn")])
def test_somebody_new_with_the_same_acts_is_shown_the_same(shop: Shop, name: str, variant: str) -> None:
    asked = shop.fitted(name, variant)
    history = asked.person("p3")
    new = asked.history(
        [act.item for act in history.acts],
        times=[act.time for act in history.acts if act.time],
        ratings=[act.rating for act in history.acts if act.rating],
    )
    assert new.user is None
    assert new.acts == history.acts
    same = torch.allclose(scores(asked, new), scores(asked, history), atol=1e-5)
    assert same == (name != "hyperrec")  # which knows what its people were after in training


@pytest.mark.parametrize("name", ["bpr_mf", "caser", "timesvd"])
def test_a_model_that_knows_people_by_rows_refuses_somebody_new(shop: Shop, name: str) -> None:
    asked = shop.fitted(name)
    new = replace(asked.person("p3"), user=None)
    with pytest.raises(Refused, match=f"{name} knows each person by a row of its own"):
        asked.recommend(new)
    edited = asked.person("p3").without([0])
    if name == "caser":
        assert asked.recommend(edited, 3)
    else:
        with pytest.raises(Refused, match="reads no history: an act that is taken away or moved changes nothing"):
            asked.recommend(edited)


def test_popularity_serves_anybody(shop: Shop) -> None:
    asked = shop.fitted("popularity")
    assert [one.item for one in asked.recommend(replace(asked.person("p3"), user=None), 3)] == [
        one.item for one in asked.recommend(asked.person("p3"), 3)
    ]


@pytest.mark.parametrize(("name", "variant"), [("ease", ""), ("ante_rnn", "whole"), ("iarn", "ranking")])
def test_what_is_named_lowers_the_chance_where_it_is_left_out(shop: Shop, name: str, variant: str) -> None:
    asked = shop.fitted(name, variant)
    model = asked._model
    named = 0
    for user in ("p2", "p6", "p12"):
        history = asked.person(user)
        found = asked.recommend(history, 5)
        rivals = torch.tensor([[model.names.code(one.item) for one in found]])
        for one in found:
            if one.because is None:
                continue
            named += 1
            if re.match(r"because (you keep|of others|of \d+ \S+ of “)", one.because):
                continue  # no act is named
            batch = model.asked(history, None, Muted())
            act = re.split(", (?:whose|for (?:its|the)) ", one.because)[0].removeprefix("because of ")
            codes = {code for code in range(1, 16) if model.names.item(code).title == act}
            gone_BL = torch.tensor([[code in codes for code in batch.item_BL[0].tolist()]])
            item_B = torch.tensor([model.names.code(one.item)])
            with torch.no_grad():
                before = log_probability(model.net, batch, item_B, rivals)
                after = log_probability(model.net, erase_events(batch, gone_BL), item_B, rivals)
            assert after < before
    assert named >= 5


def test_what_is_named_of_an_item_itself_lowers_its_score_where_it_is_the_mean(shop: Shop) -> None:
    """Of a model that reads no history: the region that a sentence names."""
    asked = shop.fitted("mlam", "image")
    model = asked._model
    ragged, named = model.catalog.ragged("regions"), 0
    for user in ("p2", "p6", "p12"):
        history = asked.person(user)
        for one in asked.recommend(history, 5):
            if one.because is None:
                continue
            named += 1
            (regions,) = asked.explain(history, one.item).influence
            heaviest = max(regions.parts, key=lambda part: part.weight)
            assert one.because == of_item((), heaviest.box, model.words)
            code, batch = model.names.code(one.item), model.asked(history, None, Muted())
            place, kept_XD = int(ragged.offset_N[code]) + heaviest.part - 1, ragged.value_XD.clone()  # type: ignore[operator]
            with torch.no_grad():
                before = model.net.score(batch, torch.tensor([[code]]))
                ragged.value_XD[place] = kept_XD.mean(0)
                after = model.net.score(batch, torch.tensor([[code]]))
                ragged.value_XD.copy_(kept_XD)
            assert after < before
    assert named >= 5


@pytest.mark.parametrize(
    ("name", "variant", "said"),
    [
        ("vbpr", "both", r"for its (picture|text)"),
        ("jrl", "words", r"for what was learnt of its (picture|text)"),
        ("ctr", "plain", r"because it is about “[abcd]”"),
        ("ctr_bpr", "plain", r"because it is about “[abcd]”"),
        ("hievh", "tree", r"because it is one of the items of “kind [012]”"),
        ("popularity", "", "because many have acted on it"),
    ],
)
def test_a_part_of_the_item_is_named_where_no_history_is_read(shop: Shop, name: str, variant: str, said: str) -> None:
    asked = shop.fitted(name, variant)
    told = [one.because for user in ("p2", "p6", "p12") for one in asked.recommend(asked.person(user), 5)]
    named = [because for because in told if because]
    assert len(named) >= (1 if name == "popularity" else 5)
    assert all(re.fullmatch(said, because) for because in named)
    first = asked.recommend(asked.person("p6"), 1)[0]
    assert asked.explain(asked.person("p6"), first.item).because == first.because


def test_a_picture_is_named_only_where_the_score_is_lower_with_the_mean_one(shop: Shop) -> None:
    """The catalogue's own table is changed and the model scores again, for what is said and for what is not."""
    asked = shop.fitted("vbpr", "both")
    model, silent = asked._model, 0
    for user in ("p2", "p6", "p12"):
        history = asked.person(user)
        batch = model.asked(history, None, Muted())
        for one in asked.recommend(history, 5):
            code, falls = model.names.code(one.item), {}
            for picture, view in ((True, "image"), (False, "text")):
                table_NC, there_N = model.catalog.vector(view), model.catalog.present(view)
                kept_NC = table_NC.clone()
                with torch.no_grad():
                    before = float(model.net.score(batch, torch.tensor([[code]])))
                    table_NC[code] = kept_NC[there_N].mean(0)
                    falls[of_view(picture, True, model.words)] = before - float(
                        model.net.score(batch, torch.tensor([[code]]))
                    )
                    table_NC.copy_(kept_NC)
            heaviest = max(falls, key=falls.__getitem__)
            assert one.because == (heaviest if falls[heaviest] > 1e-6 else None)
            silent += one.because is None
    assert silent < 15


def test_a_topic_s_part_says_at_which_act_it_is_weighed(shop: Shop) -> None:
    asked = shop.fitted("ante_rnn", "whole")
    history = asked.person("p2")
    (topics,) = (one for one in asked.explain(history, "f1").influence if one.over == "topic")
    places = {part.place for part in topics.parts}
    assert len(places) > 1
    assert len({(part.place, part.part) for part in topics.parts}) == len(topics.parts)
    for part in topics.parts:
        assert part.place is not None
        assert part.item == history.acts[part.place].item
    own = shop.fitted("ctr", "plain")
    (shares,) = own.explain(own.person("p2"), "f1").own
    assert {(part.place, part.item) for part in shares.parts} == {(None, None)}, "no act is weighed there"

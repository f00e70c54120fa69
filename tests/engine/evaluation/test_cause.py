"""What may be named as a cause, on a model of which every part's effect is known; and the sentences made of it."""

import pytest
import torch
from torch import Tensor

from engine.evaluation.cause import Nameable, causes
from engine.evaluation.question import Question
from engine.evaluation.sentence import of_audience, of_category, of_topic, part_of_picture, sentence
from engine.evaluation.taken_away import TakenAway
from engine.evaluation.wide_cause import wide_causes
from engine.tables.domain_words import DomainWords
from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.contract import CatalogScorer, Weights
from engine.training.needs import Needs

ITEMS, ASKED = 6, 6
FILMS = DomainWords(item="film", items="films", picture="poster", text="plot", act="watched")
OFFSETS = [0, 0, 3, 5, 5, 7, 7]  # of the words of padding and items 1 to 6 …
WORDS = {1: [1, 2, 1], 2: [3, 1], 4: [4, 2]}  # … by number; items 3, 5 and 6 have none


class Known(CatalogScorer):
    """What each act itself, its picture and its words give to the asked item; `spoilt` acts do more by not being."""

    def __init__(
        self, act: dict[int, float], picture: dict[int, float], word: dict[int, float], spoilt: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.act_N, self.picture_N = (torch.tensor([of.get(i, 0.0) for i in range(ITEMS + 1)]) for of in (act, picture))
        self.word_NP = torch.tensor([[word.get(t, 0.0) for t in (WORDS.get(i, []) + [0] * 3)[:3]] for i in range(7)])
        self.spoilt, self.jealous, self.enough = spoilt, False, dict[int, float]()

    @property
    def needs(self) -> Needs:
        return Needs(length=5, views=frozenset({"words", "image"}))

    def score_all(self, batch: Batch) -> Tensor:
        item_BL, parts = batch.item_BL, batch.part_presence or {}
        word_BLP = self.word_NP[item_BL]
        if "words" in parts:
            width = min(parts["words"].shape[-1], 3)  # no text is longer
            word_BLP = word_BLP[..., :width] * parts["words"][..., :width]
        text_BL1 = batch.present(word_BLP.sum(-1, keepdim=True), "text")
        picture_BL1 = batch.present(self.picture_N[item_BL][..., None], "image")
        given_B = batch.present(self.act_N[item_BL][..., None] + text_BL1 + picture_BL1).sum((1, 2))
        for spoilt in self.spoilt:
            given_B = given_B + 9.0 * (item_BL != spoilt).all(1)
        for act, gain in self.enough.items():
            there_BL = batch.present(torch.ones(*item_BL.shape, 1))[..., 0] * (item_BL == act)
            given_B = given_B + gain * (2 * there_BL).clamp(max=1).sum(1)
        for part in parts.values() if self.jealous else ():
            given_B = given_B + 9.0 * (part == 0).flatten(1).any(1)
        return torch.nn.functional.pad(given_B[:, None], (ASKED, 0))

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)


CATALOG = Catalog(
    ITEMS,
    {"image": torch.ones(ITEMS + 1, 1)},
    {"words": Ragged(torch.ones(7, 1), torch.tensor([*OFFSETS, 7]))},
)
TERM_X = torch.tensor([1, 2, 1, 3, 1, 4, 2])  # items 1: three words, 2: two, 4: two


def batch_of(*histories: list[int]) -> Batch:
    longest = max(map(len, histories))
    item_BL = torch.tensor([each + [0] * (longest - len(each)) for each in histories])
    length_B = torch.tensor([len(each) for each in histories])
    return Batch(user_B=torch.arange(len(histories)), item_BL=item_BL, length_B=length_B, event_BL=item_BL)


def asked(model: Known, *histories: list[int], term_X: Tensor | None = TERM_X):  # type: ignore[no-untyped-def]
    batch = batch_of(*histories)
    item_B = torch.full((len(histories),), ASKED)
    return causes(Question(model, batch, item_B, CATALOG, item_B[:, None]), Nameable(term_X))


def test_the_offsets_of_this_world_are_those_of_its_words() -> None:
    assert [len(WORDS.get(i, [])) for i in range(1, 7)] == (torch.tensor([*OFFSETS[1:], 7]).diff()).tolist()


def test_the_heaviest_act_is_named_with_its_heaviest_words_each_once() -> None:
    found = asked(Known({1: 1.0, 2: 0.5}, {}, {1: 0.4, 2: 0.6, 3: -1.0}), [2, 1, 3], [3, 5, 1])
    assert found.place_B.tolist() == [1, 2]
    assert found.term_BW.tolist() == [[1, 2], [1, 2]], "word 1 stands twice: 0.8 against 0.6"
    assert found.acts_BW.tolist() == [[2, 1], [1, 1]], "word 1 stands in the text of item 2, too"
    assert not found.picture_B.any()
    assert not found.text_B.any(), "the words say it already"


def test_an_act_without_which_the_item_would_gain_is_never_named_but_the_next_one_is() -> None:
    model = Known({1: 3.0, 3: 2.0, 5: -1.0}, {}, {}, spoilt=(1,))
    assert asked(model, [1, 3, 5], [1, 5], [5, 5], [1, 3]).place_B.tolist() == [1, -1, -1, 1]


def test_an_act_of_which_half_would_do_is_weighed_by_all_that_it_gives() -> None:
    model = Known({3: 1.0}, {}, {})
    model.enough = {1: 3.0}  # at its whole presence a little less takes nothing: the slope there is 0
    assert asked(model, [1, 3]).place_B.tolist() == [0]


def test_at_most_three_are_tried() -> None:
    model = Known({1: 5.0, 2: 4.0, 3: 3.0, 5: 2.0}, {}, {}, spoilt=(1, 2, 3))
    assert asked(model, [1, 2, 3, 5]).place_B.tolist() == [-1]


@pytest.mark.parametrize(
    ("picture", "word", "named"),
    [
        ({1: 2.0}, {1: 0.1}, "picture"),
        ({1: 0.1}, {1: 2.0}, "word"),
        ({1: -3.0}, {1: -2.0}, "nothing"),
        ({1: 2.0}, {1: -2.0}, "picture"),
    ],
)
def test_what_of_the_act_counts_more_is_named(picture: dict[int, float], word: dict[int, float], named: str) -> None:
    found = asked(Known({1: 9.0}, picture, word), [3, 1])
    assert found.place_B.tolist() == [1]
    assert (bool(found.picture_B), bool(found.term_BW.any())) == (named == "picture", named == "word")


def test_a_text_whose_words_are_not_to_be_named_is_named_as_a_whole() -> None:
    model = Known({1: 1.0}, {}, {1: 1.0})
    for term_X in (None, torch.zeros_like(TERM_X)):
        found = asked(model, [1, 3], term_X=term_X)
        assert found.text_B.tolist() == [True]
        assert not found.term_BW.any()


def test_words_that_speak_against_the_item_are_not_named() -> None:
    found = asked(Known({1: 1.0}, {}, {1: 2.0, 2: -0.5}), [1])
    assert found.term_BW.tolist() == [[1, 0]]


@pytest.mark.parametrize(("picture", "word"), [({1: 2.0}, {}), ({}, {1: 2.0})])
def test_a_part_without_which_the_item_would_gain_is_not_named(
    picture: dict[int, float], word: dict[int, float]
) -> None:
    model = Known({1: 9.0}, picture, word)
    before = asked(model, [1])
    model.jealous = True
    after = asked(model, [1])
    assert bool(before.picture_B | before.term_BW.any(1))
    assert after.place_B.tolist() == [0]
    assert not bool(after.picture_B | after.term_BW.any(1) | after.text_B)


def test_what_is_muted_already_is_no_reason() -> None:
    model, batch = Known({1: 0.1, 3: 1.0}, {1: 5.0}, {}), batch_of([1, 3])
    item_B = torch.tensor([ASKED])
    assert causes(Question(model, batch, item_B, CATALOG, item_B[:, None])).place_B.tolist() == [0]
    muted = batch.but(part_presence={"image": torch.tensor([[0.0, 1.0]])})
    assert causes(Question(model, muted, item_B, CATALOG, item_B[:, None])).place_B.tolist() == [1]


def test_who_did_nothing_has_no_reason() -> None:
    found = asked(Known({1: 1.0}, {}, {}), [0])
    assert found.place_B.tolist() == [-1]


def test_sentences() -> None:
    assert sentence("Heat") == "because of Heat"
    assert sentence("Heat", [("pupil", 2), ("exam", 5)]) == "because of Heat, for its words “pupil” and “exam”"
    often = "because of Heat, whose words “pupil” and “exam” you keep coming back to"
    assert sentence("Heat", [("pupil", 3), ("exam", 5)]) == often
    assert sentence("Heat", [("exam", 3)]) == "because of Heat, whose word “exam” you keep coming back to"
    assert sentence("Heat", picture=True, names=FILMS) == "because of Heat, for its poster"
    assert sentence("Heat", text=True) == "because of Heat, for its text"
    assert sentence("Heat", text=True, names=FILMS) == "because of Heat, for its plot"
    lower = "because of Heat, for the lower left of its poster"
    assert sentence("Heat", picture=True, names=FILMS, region="the lower left") == lower
    assert of_topic("pupil, exam") == "because you keep coming back to “pupil, exam”"
    assert of_category("noir", 4, FILMS) == "because of 4 films of “noir” that you watched"
    assert of_audience(FILMS) == "because of others who watched this film"
    assert of_audience(DomainWords()) == "because of others who acted on this item"


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((0.0, 0.0, 0.3, 0.3), "the upper left"),
        ((0.7, 0.7, 1.0, 1.0), "the lower right"),
        ((0.4, 0.4, 0.6, 0.6), "the middle"),
        ((0.0, 0.0, 1.0, 0.3), "the upper part"),
        ((0.0, 0.3, 0.3, 0.7), "the left side"),
        ((0.0, 0.0, 1.0, 0.6), ""),
    ],
)
def test_a_region_is_called_by_where_it_lies(box: tuple[float, ...], said: str) -> None:
    assert part_of_picture(box) == said


class Pictured(Known):
    """Two regions in each picture, those of item 2 the other way round, and topics of each act, give what is known."""

    def __init__(self, region: tuple[float, float], topic: tuple[float, float] = (0.0, 0.0)) -> None:
        super().__init__({1: 1.0}, {}, {})
        self.region_NM = torch.zeros(ITEMS + 1, 2)
        self.region_NM[1:3] = torch.tensor([region, region[::-1]])
        self.topic_T, self.spoilt_part = torch.tensor(topic), ""
        self.all_or_none = False  # whether it gains by losing its second topic at some acts and not at all of them

    @property
    def needs(self) -> Needs:
        return Needs(length=5, views=frozenset({"regions"}), topics=True)

    def score_all(self, batch: Batch) -> Tensor:
        parts = batch.part_presence or {}
        region_BLM = self.region_NM[batch.item_BL] * parts.get("regions", torch.ones(1))
        assert batch.topic_BLT is not None
        topic_BLT = batch.topic_BLT * self.topic_T * parts.get("topics", torch.ones(1))
        picture_BL1 = batch.present(region_BLM.sum(-1, keepdim=True), "image")
        given_B = batch.present(self.act_N[batch.item_BL][..., None] + picture_BL1).sum((1, 2)) + topic_BLT.sum((1, 2))
        if self.all_or_none and "topics" in parts:
            gone_BL = (parts["topics"][..., 1] == 0) & batch.valid_BL
            given_B = given_B + 9.0 * (gone_BL.any(1) & ~(gone_BL | ~batch.valid_BL).all(1))
        if self.spoilt_part in parts:
            given_B = given_B + 9.0 * (parts[self.spoilt_part] == 0).flatten(1).any(1)  # type: ignore[index]
        return torch.nn.functional.pad(given_B[:, None], (ASKED, 0))


REGIONS = Catalog(ITEMS, ragged={"regions": Ragged(torch.ones(12, 1), torch.tensor([0, *range(0, 13, 2)]))})


def pictured(model: Pictured, **names: object):  # type: ignore[no-untyped-def]
    batch = batch_of([1, 3]).but(topic_BLT=torch.full((1, 2, 2), 0.5))
    item_B = torch.tensor([ASKED])
    return causes(Question(model, batch, item_B, REGIONS, item_B[:, None]), Nameable(**names))  # type: ignore[arg-type]


def test_of_the_picture_the_region_that_speaks_most_is_named_where_it_holds() -> None:
    found = pictured(Pictured((0.5, 2.0)), regions=True)
    assert (found.place_B.tolist(), found.picture_B.tolist(), found.region_B.tolist()) == ([0], [True], [1])
    assert pictured(Pictured((0.5, 2.0))).region_B.tolist() == [-1], "where regions have no names none is"
    spoilt = Pictured((0.5, 2.0))
    spoilt.spoilt_part = "regions"  # its absence would help the item
    found = pictured(spoilt, regions=True)
    assert (found.picture_B.tolist(), found.region_B.tolist()) == ([True], [-1])


def test_a_region_is_read_from_ones_own_history_whoever_else_is_asked_about() -> None:
    batch = batch_of([3], [3], [1], [2]).but(topic_BLT=torch.full((4, 1, 2), 0.5))
    item_B = torch.full((4,), ASKED)
    two_of_one = torch.tensor([0, 0, 1, 2])  # the first two rows are one person's, whose act has no picture
    question = Question(Pictured((0.5, 2.0)), batch, item_B, REGIONS, item_B[:, None], same_B=two_of_one)
    assert causes(question, Nameable(regions=True)).region_B.tolist() == [-1, -1, 1, 0]


def test_some_rows_of_a_question_are_alike_where_they_were() -> None:
    batch = batch_of([3], [3], [1], [2], [2])
    item_B = torch.full((5,), ASKED)
    within_BL = torch.tensor([[True], [True], [False], [True], [False]])
    question = Question(
        Known({}, {}, {}), batch, item_B, CATALOG, item_B[:, None], within_BL, torch.tensor([0, 0, 1, 2, 2])
    )
    some = question.some(torch.tensor([4, 1, 3]))
    assert some.same_B is not None
    assert some.within_BL is not None
    assert some.same_B.tolist() == [1, 0, 1]
    assert some.within_BL[:, 0].tolist() == [False, True, True]
    assert some.batch.item_BL[:, 0].tolist() == [2, 3, 2]


def test_a_topic_is_said_where_it_outweighs_the_act_and_its_absence_lowers_the_score() -> None:
    assert pictured(Pictured((0.0, 0.0), (0.5, 3.0)), topics=True).wide.topic_B.tolist() == [2]
    assert pictured(Pictured((0.0, 0.0), (0.5, 3.0))).wide.topic_B.tolist() == [0]
    assert pictured(Pictured((0.0, 0.0), (0.1, 0.2)), topics=True).wide.topic_B.tolist() == [0], "the act is heavier"
    spoilt = Pictured((0.0, 0.0), (0.5, 3.0))
    spoilt.spoilt_part = "topics"
    assert pictured(spoilt, topics=True).wide.topic_B.tolist() == [0]
    strict = Pictured((0.0, 0.0), (0.5, 3.0))
    strict.all_or_none = True
    assert pictured(strict, topics=True).wide.topic_B.tolist() == [2], "it is taken away at every act"


def test_acts_of_the_items_own_category_are_said_where_several_do_what_none_does_alone() -> None:
    category_N = torch.tensor([0, 1, 1, 1, 2, 0, 1])  # the asked item's is 1
    every = {1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0, 5: 1.0}

    def alike(model: Known, *history: int) -> list[int]:
        batch, item_B = batch_of(list(history)), torch.tensor([ASKED])
        asked = Question(model, batch, item_B, CATALOG, item_B[:, None])
        return causes(asked, Nameable(None, category_N)).wide.alike_B.tolist()

    assert alike(Known(every, {}, {}), 1, 4, 2, 3) == [3]
    assert alike(Known(every, {}, {}), 1, 2, 4) == [0], "two are no habit"
    assert alike(Known(every | {1: 3.0}, {}, {}), 1, 2, 3) == [0], "one act stands out"
    assert alike(Known(every, {}, {}), 5, 5, 5) == [0], "another category is not alike"
    assert alike(Known(every, {}, {}, spoilt=(1,)), 1, 2, 3) == [0], "without them it would gain"
    category_N = torch.tensor([0, 0, 0, 0, 2, 1, 0])
    assert alike(Known(every, {}, {}), 1, 2, 3) == [0], "what has no category is alike to nothing"


class Falls(TakenAway):
    """An item's score falls without what is said, or not."""

    def __init__(self, batch: Batch, lower: bool) -> None:
        self.asked, self.lower = Question(Known({}, {}, {}), batch, torch.full((1,), ASKED), CATALOG), lower

    def audience(self) -> Tensor:
        return torch.tensor([0.1 if self.lower else -0.1])

    def topic(self, topic_B: Tensor) -> Tensor:
        return torch.tensor([0.1])


@pytest.mark.parametrize(("lower", "others", "topic", "said"), [
    (True, 0.5, 0.2, (True, 0)),
    (False, 0.5, 0.2, (False, 0)),
    (True, 0.05, 0.05, (False, 0)),
    (True, 0.5, 3.0, (False, 1)),
])  # fmt: skip
def test_what_others_did_is_said_where_it_is_the_heaviest(
    lower: bool, others: float, topic: float, said: tuple[bool, int]
) -> None:
    batch = batch_of([1, 3])
    value = {"item_history": torch.full((1, 4), others), "topic": torch.full((1, 2, 1), topic / 2)}
    value["history"] = torch.tensor([[1.0, 0.0]])
    found = {o: Weights(v, o, "signed", False, torch.ones_like(v).bool()) for o, v in value.items()}  # type: ignore[arg-type]
    wide = wide_causes(found, Falls(batch, lower), torch.tensor([1.0]))
    assert (bool(wide.audience_B[0]), int(wide.topic_B[0])) == said

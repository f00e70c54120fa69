"""Topics: planted ones found, the unigram beaten or a warning, nothing fitted from after the training part."""

import json
import os
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix

from engine.tables import arrays, schemas, store
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.settings import checked
from engine.training.source import _topics as load_topics
from stages.topics import __main__ as topics
from stages.topics import online_vb
from stages.topics.documents import Vocabulary, count_words, events_by_window, held_out
from stages.topics.online_vb import Fitted, OnlineVB, fit
from stages.topics.quality import perplexity, split_words, top_words, unigram, unigram_perplexity
from stages.topics.settings import Topics
from stages.topics.window_quality import coherence_by_window, perplexity_by_window
from stages.topics.words import tokenizer

HISTORY = "topics/history.parquet"
FITTED = (
    "topics/items.parquet",
    "topics/words.parquet",
    "topics/snapshots.parquet",
    "metrics/topics.json",
    "metrics/plots/topics.csv",
)
MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
GENRES = ("storm ship sail harbour wave", "kiss rose wedding letter heart", "robot laser planet engine orbit")
VOCABULARY = {"minimum_letters": 3, "minimum_items": 2, "maximum_share": 1.0}
VB = {
    "chunk": 32,
    "offset": 8,
    "rate_decay": 0.7,
    "passes": 3,
    "iterations": 50,
    "topic_prior": 0.1,
    "word_prior": 0.1,
    "seeds": 2,
}
GIBBS = {
    "batch": 32,
    "iterations": 20,
    "burn_in": 10,
    "forgetting": 0.0,
    "topic_prior": 0.1,
    "word_prior": 0.1,
    "fold_in": 20,
}


def params(seed: int = 1, vb: dict[str, Any] | None = None, **changes: Any) -> topics.Params:
    settings = {"method": "online_vb", "count": 3, "window": "week", "decay": 0.2, "held_out": 0.2, "top": 4}
    settings |= {
        "relevance": 1.0,
        "vocabulary": VOCABULARY,
        "online_vb": VB | (vb or {}),
        "gibbs": GIBBS,
        "snapshots": 3,
    }
    return topics.Params.model_validate({"topics": settings | changes, "seed": seed})


def catalog(items: int = 30) -> pl.DataFrame:
    """Item i tells of genre i mod 3; the last has no text."""
    draws = np.random.default_rng(3)
    text = [" ".join(draws.choice(GENRES[i % 3].split(), 12)) for i in range(1, items)] + [None]
    columns = {"item": range(1, items + 1), "title": [None] * items, "text": text, "status": ["ok"] * items}
    rows = {**columns, "picture": ["missing"] * items, "source": ["made"] * items}
    return pl.DataFrame(rows, schema=dict(schemas.CATALOG.columns))


def split(users: int = 40, weeks: int = 5, timed: bool = True) -> pl.DataFrame:
    """Each user has a genre a week, three acts; the last week is valid and test."""
    draws = np.random.default_rng(5)
    rows = []
    for user in range(1, users + 1):
        for week in range(weeks):
            genre = int(draws.integers(3))
            for act in range(3):
                item = int(draws.integers(1, 10)) * 3 + genre - 2
                part = "train" if week < weeks - 1 else ("valid" if act == 0 else "test")
                time = MONDAY + timedelta(weeks=week, hours=act) if timed else None
                rows.append((user, week * 3 + act, item, time, part, None))
    return pl.DataFrame(rows, schema=dict(schemas.SPLIT.columns), orient="row")


def at(folder: Path) -> Layout:
    return Layout(folder, "temporal")


def made(folder: Path, settings: topics.Params, events: pl.DataFrame, texts: pl.DataFrame | None = None) -> Path:
    layout = at(folder)
    store.write(catalog() if texts is None else texts, layout.catalog, schemas.CATALOG)
    store.write(events, layout.split, schemas.SPLIT)
    topics.main(settings, layout)
    return folder


def read(folder: Path, name: str) -> pl.DataFrame:
    known = {"history": schemas.TOPIC_HISTORY, "items": schemas.TOPIC_ITEMS, "words": schemas.TOPIC_WORDS}
    known["snapshots"] = schemas.TOPIC_SNAPSHOTS
    return store.read(folder / "topics" / f"{name}.parquet", known[name])


@pytest.fixture(scope="module", params=["online_vb", "gibbs"])
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("plain"), params(method=request.param), split())


def method(folder: Path) -> str:
    return str(store.meta(at(folder).topic_history)["method"])


def test_planted_topics_are_found(plain: Path) -> None:
    words = read(plain, "words")
    found = [set(group["word"]) for _, group in words.group_by("topic", maintain_order=True)]
    overlap = np.array([[len(one & set(genre.split())) for genre in GENRES] for one in found])
    row, column = linear_sum_assignment(-overlap)
    assert overlap[row, column].tolist() == [4, 4, 4]
    assert words["rank"].to_list() == [1, 2, 3, 4] * 3
    assert words["topic"].unique().sort().to_list() == [1, 2, 3]


def test_items_and_histories_follow_what_was_told(plain: Path) -> None:
    items, history = read(plain, "items"), read(plain, "history")
    assert items["item"].to_list() == list(range(1, 30))
    share_IT = arrays.vectors(items["share"])
    np.testing.assert_allclose(share_IT.sum(1), 1, atol=1e-5)
    genre = items["item"].to_numpy() % 3
    assert len({(g, int(t)) for g, t in zip(genre, share_IT.argmax(1), strict=True)}) == 3
    assert history.height == 40 * 5
    assert history["window"].dt.weekday().unique().to_list() == [1]
    first = split().filter((pl.col("user") == 7) & (pl.col("position") < 3))["item"][0]
    seen = history.filter((pl.col("user") == 7) & (pl.col("window") == MONDAY))["share"][0].to_numpy()
    assert seen.argmax() == share_IT[first - 1].argmax()
    assert method(plain) in ("online_vb", "gibbs")
    assert store.meta(at(plain).topic_history) == {
        "method": method(plain), "count": 3, "decay": 0.2, "window": "week", "unit": "week"
    }  # fmt: skip


def test_the_reading_beats_the_unigram(plain: Path) -> None:
    reading = json.loads(at(plain).metric("topics").read_text())
    assert reading["perplexity"] < 0.6 * reading["unigram_perplexity"]
    assert reading["unigram_perplexity"] == pytest.approx(15, rel=0.1)
    assert reading["vocabulary"] == 15
    assert reading["topics"] == 3
    assert reading["documents"] + reading["held_out_documents"] == 40 * 4
    assert reading["held_out_documents"] > 10
    assert reading["tokens"] + reading["held_out_tokens"] == 40 * 4 * 3 * 12
    assert reading["coherence"] <= 0
    assert reading["windows"] == 4


def test_windows_make_up_the_whole(plain: Path) -> None:
    reading = json.loads(at(plain).metric("topics").read_text())
    windows = pl.read_csv(at(plain).plot("topics"))
    assert windows["window"].to_list() == ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22"]
    assert windows["documents"].sum() == reading["held_out_documents"]
    for name in ("perplexity", "unigram_perplexity"):
        nats = (windows["words"] * windows[name].log()).sum() / windows["words"].sum()
        assert np.exp(nats) == pytest.approx(reading[name])
    assert windows["perplexity"].n_unique() == 4
    assert reading["windows_under_unigram"] == 1
    assert (windows["coherence"] < 0.7).all()


def test_a_window_by_hand() -> None:
    keys = pl.DataFrame({"user": [1, 2, 1, 2], "window": [1, 1, 2, 3]})
    nats_2D = np.array([[2.0, 4.0, 5.0, 0.0], [1.0, 2.0, 9.0, 0.0]])
    found = perplexity_by_window(keys, np.array([1.0, 2.0, 5.0, 0.0]), nats_2D)
    assert found.rows() == [
        (1, 2, 3, pytest.approx(np.exp(2)), pytest.approx(np.exp(1))),
        (2, 1, 5, pytest.approx(np.exp(1)), pytest.approx(np.exp(1.8))),
    ]
    # window 1: items 1 and 2; word 0 in both, word 1 in one; word 2 leads the second topic and occurs nowhere
    word_NV = csr_matrix(np.array([[0, 0, 0], [3, 1, 0], [1, 0, 0], [0, 0, 5]]))
    done = pl.DataFrame({"item": [1, 2, 2, 3], "window": [1, 1, 1, 9]})
    coherent = coherence_by_window(pl.Series([1, 2]), done, word_NV, np.array([[0, 1], [2, 0]]))
    assert coherent.to_list() == [pytest.approx(0.0), None]  # log((1 + 1) / 2)
    coherent = coherence_by_window(pl.Series([1]), done, word_NV, np.array([[1, 0]]))
    assert coherent.to_list() == [pytest.approx(np.log(2))]  # log((1 + 1) / 1)


def test_snapshots_end_in_the_topics_as_they_are(plain: Path) -> None:
    found, words, reading = read(plain, "snapshots"), read(plain, "words"), at(plain).metric("topics").read_text()
    last = found.filter(pl.col("documents") == found["documents"].max())
    assert found["documents"].n_unique() == 3
    assert found.height == 9
    assert last["documents"][0] == json.loads(reading)["documents"]
    assert last["words"].to_list() == words.group_by("topic", maintain_order=True).agg("word")["word"].to_list()
    assert found.group_by("documents").agg(pl.col("share").sum())["share"].to_list() == pytest.approx([1, 1, 1])
    assert found["window"].is_sorted()
    assert last["window"].to_list() == [MONDAY + timedelta(weeks=3)] * 3


def test_the_last_pass_alone_is_watched() -> None:
    word_DV = csr_matrix(np.random.default_rng(1).integers(0, 3, (40, 12)).astype(np.float64))
    told: list[int] = []
    settings = OnlineVB(**VB | {"chunk": 10, "passes": 3})
    fit(word_DV, [f"word{v}" for v in range(12)], 2, settings, 1, lambda documents, _: told.append(documents))
    assert told == [10, 20, 30, 40]


def test_halves_are_parts_of_what_was_said() -> None:
    """Rows whose columns are in no order, as a product of sparse matrices leaves them."""
    word_DV = csr_matrix(
        (np.array([9.0, 1.0, 5.0], np.float32), np.array([2, 0, 1]), np.array([0, 2, 3])), shape=(2, 3)
    )
    for part in split_words(word_DV, 1):
        assert part.data.min() > 0
        assert (part.toarray() <= [[1, 0, 9], [0, 5, 0]]).all()


@pytest.mark.parametrize("name", ["online_vb", "gibbs"])
def test_it_warns_where_topics_say_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Words at random, and nobody acts on what another acted on: there is nothing to find."""
    draws = np.random.default_rng(1)
    letters = np.array([a + b + a for a in "bcdfghjk" for b in "aeiou"])
    noise = catalog().with_columns(text=pl.Series([" ".join(draws.choice(letters, 40)) for _ in range(30)]))
    own = split(users=30, weeks=2).with_columns(item=pl.col("user"))
    tiny = {"word_prior": 0.001, "topic_prior": 0.01}
    settings = {
        "method": name,
        "count": 12,
        "vb": tiny | {"seeds": 1},
        "gibbs": GIBBS | {"word_prior": 1e-6, "batch": 1, "forgetting": 0.99},
    }
    found = made(tmp_path, params(**settings), own, noise)
    reading = json.loads(at(found).metric("topics").read_text())
    assert reading["perplexity"] > reading["unigram_perplexity"]
    assert "NOT LOWER" in caplog.text
    assert f"topics.{name}." in caplog.text


def test_the_same_seed_leaves_the_same_bytes(plain: Path, tmp_path: Path) -> None:
    again = made(tmp_path / "again", params(method=method(plain)), split())
    other = made(tmp_path / "other", params(seed=2, method=method(plain)), split())
    for name in (HISTORY, *FITTED):
        assert (plain / name).read_bytes() == (again / name).read_bytes(), name
    assert at(plain).topic_items.read_bytes() != at(other).topic_items.read_bytes()


def test_nothing_fitted_sees_what_came_after_train(plain: Path, tmp_path: Path) -> None:
    """Other items in valid and test: same topics, same items, same reading, same histories of the weeks before."""
    later = pl.col("part") != "train"
    moved = split().with_columns(item=pl.when(later).then(30 - pl.col("item")).otherwise("item").cast(pl.UInt32))
    other = made(tmp_path, params(method=method(plain)), moved)
    for name in FITTED:
        assert (plain / name).read_bytes() == (other / name).read_bytes(), name
    before = pl.col("window") < MONDAY + timedelta(weeks=4)
    assert read(plain, "history").filter(before).equals(read(other, "history").filter(before))
    assert not read(plain, "history").equals(read(other, "history"))


def test_a_document_hangs_on_its_own_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    word_DV = csr_matrix(np.random.default_rng(4).poisson(0.4, (60, 40)).astype(np.float32))
    fitted = fit(word_DV, [f"w{v}" for v in range(40)], 6, OnlineVB.model_validate(VB), 1)
    together = fitted.shares(word_DV, "all")
    alone = np.concatenate([fitted.shares(word_DV[d], "one") for d in (5, 3)])
    np.testing.assert_array_equal(together[[5, 3]], alone)
    monkeypatch.setattr(online_vb, "BATCH", 7)
    np.testing.assert_array_equal(together, fitted.shares(word_DV, "in batches"))
    assert fitted.shares(word_DV[:0], "none").shape == (0, 6)


def test_words_that_come_late_are_learned() -> None:
    """A stream that changes its words: gensim's defaults lose the late ones for good, and with them the bound."""
    draws = np.random.default_rng(2)
    early, late = draws.poisson(2.0, (64, 20)), draws.poisson(2.0, (64, 20))
    word_DV = csr_matrix(np.block([[early, np.zeros((64, 20))], [np.zeros((64, 20)), late]]))
    settings = OnlineVB.model_validate(VB | {"chunk": 16, "passes": 1})
    fitted = fit(word_DV, [f"w{v}" for v in range(40)], 4, settings, 1)
    mass_V = fitted.shares(word_DV, "all").sum(0) @ fitted.word_TV
    assert mass_V[20:].sum() / mass_V.sum() == pytest.approx(0.5, abs=0.1)


def test_one_topic_is_the_unigram() -> None:
    told = count_words(catalog(), Vocabulary.model_validate(VOCABULARY), 30)
    _, word_DV = told.documents(events_by_window(split(), "week"))
    read_DV, score_DV = split_words(word_DV, 1)
    assert (read_DV + score_DV - word_DV).nnz == 0
    assert score_DV.sum() == pytest.approx(word_DV.sum() / 2, rel=0.1)
    one = fit(word_DV, told.words, 1, OnlineVB.model_validate(VB | {"passes": 20}), 1)
    expected = unigram_perplexity(unigram(word_DV, 0.1), score_DV)
    assert perplexity(one, read_DV, score_DV) == pytest.approx(expected, rel=0.01)


def test_perplexity_by_hand() -> None:
    class Known(Fitted):
        def __init__(self) -> None:
            self.word_TV = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])

        def shares(self, word_DV: csr_matrix, title: str) -> np.ndarray:
            return np.array([[1.0, 0.0], [0.5, 0.5]], np.float32)

    score_DV = csr_matrix(np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 1.0]]))
    expected = (0.5**2 * 0.5 * 0.25) ** (-1 / 4)
    assert perplexity(Known(), score_DV, score_DV) == pytest.approx(expected)
    assert unigram(score_DV, 1.0).tolist() == pytest.approx([3 / 7, 2 / 7, 2 / 7])


def test_relevance_leaves_out_what_every_topic_says() -> None:
    word_TV = np.array([[0.6, 0.4, 1e-9], [0.6, 1e-9, 0.4]])
    everywhere_V = np.array([0.6, 0.2, 0.2])
    assert top_words(word_TV, everywhere_V, 1.0, 1).tolist() == [[0], [0]]
    assert top_words(word_TV, everywhere_V, 0.2, 1).tolist() == [[1], [2]]


def test_words_are_letters_and_often_enough() -> None:
    text = ["The SHIP's 12 sails; ship", "a ship of État", "État, rarely", None, "   ", "ship", *["nothing"] * 24]
    told = count_words(catalog().with_columns(text=pl.Series(text)), Vocabulary.model_validate(VOCABULARY), 40)
    assert told.words == ["ship", "état"]
    assert told.word_NV.shape[0] == 41
    assert told.word_NV[1].toarray().ravel().tolist() == [2.0, 0.0]


def test_documents_are_in_order_of_time() -> None:
    told = count_words(catalog(), Vocabulary.model_validate(VOCABULARY), 30)
    keys, word_DV = told.documents(events_by_window(split(users=3), "week"))
    assert keys["window"].is_sorted()
    mine = split(users=3).filter((pl.col("user") == 2) & (pl.col("position") < 3))["item"].to_list()
    expected = sum(told.word_NV[item] for item in mine)
    row = keys.with_row_index().filter((pl.col("user") == 2) & (pl.col("window") == MONDAY))["index"][0]
    np.testing.assert_array_equal(word_DV[row].toarray(), expected.toarray())


def test_holding_out_hangs_on_the_document_alone() -> None:
    keys = pl.DataFrame({"user": range(2000), "window": [MONDAY] * 2000})
    kept = held_out(keys, 0.1, 1)
    assert kept.mean() == pytest.approx(0.1, abs=0.03)
    np.testing.assert_array_equal(held_out(keys[500:], 0.1, 1), kept[500:])
    assert (held_out(keys, 0.1, 2) != kept).any()


def test_events_without_times_give_items_alone(tmp_path: Path) -> None:
    found = made(tmp_path, params(), split(timed=False))
    assert read(found, "history").height == 0
    assert read(found, "snapshots")["window"].to_list() == [None] * 3
    assert pl.read_csv(at(found).plot("topics")).height == 1
    assert read(found, "items").height == 29
    assert json.loads(at(found).metric("topics").read_text())["documents"] <= 40
    assert store.meta(at(found).topic_history)["unit"] == "event"


def test_none_writes_empty_tables(tmp_path: Path) -> None:
    found = made(tmp_path, params(method="none"), split())
    assert [read(found, name).height for name in ("history", "items", "words", "snapshots")] == [0] * 4
    assert pl.read_csv(at(found).plot("topics")).height == 0
    assert json.loads(at(found).metric("topics").read_text()) == {"topics": 0}
    assert store.meta(at(found).topic_items)["count"] == 0


@pytest.mark.parametrize(
    ("place", "value"),
    [("method", "lda"), ("count", 0), ("decay", -1), ("held_out", 1.5), ("top", 1), ("relevance", 2), ("snapshots", 0)],
)
def test_settings_are_refused_by_name(place: str, value: object) -> None:
    good = params().topics.model_dump()
    with pytest.raises(ValueError, match=rf"params\.yaml: topics\.{place}: .*found {value!r}"):
        checked(Topics, good | {place: value}, "topics")


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="item 5 stands 2 times"):
        made(tmp_path, params(), split(), pl.concat([catalog(), catalog()[4:5]]).sort("item"))
    with pytest.raises(ValueError, match=r"none to fit; lower topics\.held_out"):
        made(tmp_path, params(held_out=1.0), split())
    half = split().with_columns(time=pl.when(pl.col("user") > 1).then("time"))
    with pytest.raises(ValueError, match="15 of 600 events have no time"):
        made(tmp_path, params(), half)
    assert not at(tmp_path).topic_words.exists()


SAME = "kiss kiss storm"


@pytest.mark.parametrize(
    ("text", "vocabulary", "why"),
    [
        (None, {}, "no item has a text"),
        ("12 of it", {}, r"no word of 3 letters; .*minimum_letters can be lower"),
        (SAME, {"maximum_share": 0.2}, r"2 of 2 words stand in more than 20% of the texts \(.*maximum_share can"),
        (SAME, {"minimum_items": 31}, r"2 of 2 words stand in fewer than 31 texts \(.*minimum_items can"),
        ("cars cars", {}, "'cars' is the one word in 30 texts"),
    ],
)
def test_what_left_no_topics_is_named_and_stops_no_model_that_needs_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None, vocabulary: dict[str, Any], why: str
) -> None:
    texts = catalog().with_columns(text=pl.lit(text, pl.String))
    found = made(tmp_path, params(vocabulary=VOCABULARY | vocabulary), split(), texts)
    assert [read(found, name).height for name in ("history", "items", "words", "snapshots")] == [0] * 4
    assert json.loads(at(found).metric("topics").read_text()) == {"topics": 0}
    assert re.search(why, caplog.text)
    assert ("minimum_items" in caplog.text) == ("minimum_items" in vocabulary)
    assert re.search(why, store.meta(at(found).topic_items)["why"])
    with pytest.raises(KeyError, match=why):
        load_topics(at(found), split())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        # a first rate above 1 made words weigh less than nothing, and shares that are no numbers
        (
            {"topics": {"online_vb": {"offset": 0.5}}},
            r"offset: Input should be greater than or equal to 1 \(found 0\.5",
        ),
        ({"topics": {"gibbs": {"word_prior": float("inf")}}}, "word_prior: Input should be a finite number"),
        ({"seed": 2**32}, r"seed: Input should be less than 4294967296"),
        ({"seed": -1}, r"seed: Input should be greater than or equal to 0"),
    ],
)
def test_settings_that_make_no_topics_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=rf"params\.yaml: .*{why}"):
        checked(topics.Params, {"topics": {}, "seed": 1} | changes, "contents.demo")


def test_the_least_damped_first_step_gives_topics(tmp_path: Path) -> None:
    found = made(tmp_path, params(vb={"offset": 1}), split())
    assert (read(found, "words")["weight"] > 0).all()
    assert np.allclose(arrays.vectors(read(found, "history")["share"]).sum(1), 1, atol=1e-6)


def test_nobody_acts_on_an_item_with_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    silent = split().with_columns(item=pl.lit(30, pl.UInt32))
    made(tmp_path, params(), silent)
    assert "no event of the training part is of an item with words" in caplog.text


def test_scripts_without_blanks_give_pairs_of_letters() -> None:
    words = tokenizer(3)
    assert " ".join(words("侦探在雨夜。 Tokyo東京タワー a1b")) == "侦探 探在 在雨 雨夜 Tokyo 東京 京タ タワ ワー"
    assert words("夜, ab, été") == ["夜", "été"]
    assert words("हिन्दी भाषा") == ["हिन्दी"]  # vowel signs belong to the word; भाषा has two letters
    assert words("e\u0301te\u0301") == ["e\u0301te\u0301"]
    assert words("ไทย") == ["ไท", "ทย"]
    assert words("plain words, as ever") == ["plain", "words", "ever"]


def test_a_word_is_one_however_it_is_written() -> None:
    ways = ["Caf\u00e9 fine", "cafe\u0301 \ufb01ne", "ca\u00adf\u00e9 \uff26\uff29\uff2e\uff25", "tea"]
    told = count_words(catalog(4).with_columns(text=pl.Series(ways)), Vocabulary(minimum_items=3, maximum_share=1), 4)
    assert told.words == ["caf\u00e9", "fine"]
    korean = "\ud55c\uad6d\uc5b4"
    parts = unicodedata.normalize("NFD", korean)  # seven signs for three syllables
    told = count_words(
        catalog(4).with_columns(text=pl.Series([f"{korean} word", f"{parts} word", korean, parts])),
        Vocabulary(minimum_items=2, maximum_share=1),
        4,
    )
    assert told.words == ["word", korean]


def test_topics_of_chinese_texts_are_of_words_not_clauses() -> None:
    draws = np.random.default_rng(1)
    parts = [["侦探", "海盗", "医生"], ["雨夜", "港口", "山谷"], ["寻找", "守护", "离开"]]
    text = ["".join("，".join(draws.choice(part) for part in parts) for _ in range(3)) + "。" for _ in range(40)]
    told = count_words(catalog(40).with_columns(text=pl.Series(text)), Vocabulary(maximum_share=0.9), 40)
    assert {"侦探", "雨夜", "寻找"} <= set(told.words)
    assert all(len(word) == 2 for word in told.words)


def test_without_held_out_words_it_says_that_it_did_not_check(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = made(tmp_path, params(held_out=0.0), split())
    assert "NOT CHECKED" in caplog.text
    assert "perplexity" not in json.loads(at(found).metric("topics").read_text())


@pytest.mark.skipif("WHYREC_REAL" not in os.environ, reason="WHYREC_REAL is not set: no real MovieLens here")
@pytest.mark.parametrize("name", ["online_vb", "gibbs"])
def test_seventy_topics_of_real_weeks_beat_plain_frequencies(tmp_path: Path, name: str) -> None:
    real = Path(os.environ["WHYREC_REAL"]) / "data"
    films = (
        pl.read_csv(real / "movies_with_overview.csv").unique("movieId", maintain_order=True).with_row_index("item", 1)
    )
    acted = pl.read_csv(real / "ml-latest-small/ratings.csv").join(films, on="movieId").sort("userId", "timestamp")
    rank = pl.int_range(pl.len()).over("userId")
    events = acted.select(
        user=pl.col("userId").cast(pl.UInt32),
        position=rank.cast(pl.UInt32),
        item=pl.col("item").cast(pl.UInt32),
        time=pl.from_epoch("timestamp").cast(schemas.SPLIT.columns["time"]),
        part=pl.when(rank < 0.8 * pl.len().over("userId")).then(pl.lit("train")).otherwise(pl.lit("test")),
        rating=pl.col("rating").cast(pl.Float32),
    )
    texts = films.select(
        "item", "title", text="overview", status=pl.lit("ok"), picture=pl.lit("missing"), source=pl.lit("real")
    )
    settings = read_yaml(Path("params.yaml"))["contents"]["demo"]["topics"]
    settings |= {"method": name, "count": 70, "window": "week"}
    found = made(tmp_path, topics.Params.model_validate({"topics": settings, "seed": 1}), events, texts)
    reading = json.loads(at(found).metric("topics").read_text())
    assert reading["perplexity"] < 0.9 * reading["unigram_perplexity"]

"""The stage whole: a table of reasons, a page that stands by itself, metrics; for models that explain and do not."""

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import models
from engine.evaluation.readings import own_weights
from engine.tables import schemas, store
from engine.tables.settings import Choice, checked
from engine.training import weights
from engine.training.catalog import Catalog
from engine.training.contract import Weights
from engine.training.source import load
from engine.training.trained_on import trained_on
from models.blocks.crossing import SEQUENCES
from stages.explain.__main__ import Explain, Params, main
from stages.explain.explained_cases import last_cases
from stages.explain.page import SCRIPT
from stages.explain.ranking_names import LEADS, NAMES
from stages.explain.weighed import Reading, Whole, group_reasons
from tests.stages.explain.conftest import TEXTS, Toy, written_world

EXPLAIN = {"users": 3, "top": 2, "history": 10, "picture": 60, "topics": 2, "cases": 0, "erase": 1, "inside": 2}
OUTSIDE = {"src", "href", "action", "srcset", "poster", "data"}


class Page(HTMLParser):
    """What a browser would see: tags, where they point, texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in OUTSIDE]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.text += data


def params(model: str = "toy", settings: dict[str, Any] | None = None, **explain: Any) -> Params:
    section = {"model": Choice(name=model, settings=settings or {}), "seen": "excluded", "device": "cpu", "seed": 1}
    return checked(Params, section | {"explain": EXPLAIN | explain}, "explain")


@pytest.fixture
def toy(small: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The small world with the toy model in the place of models.restore."""
    monkeypatch.setattr(models, "configure", lambda choice: Toy())
    monkeypatch.setattr(models, "restore", lambda *args: Toy())
    return small


def test_the_page_needs_nothing_else_and_runs_its_own_script_alone(toy: Any) -> None:
    main(params(), toy.layout)
    page = Page(toy.page)
    (script,) = re.findall(r"<script>(.*?)</script>", toy.page, re.DOTALL)
    assert script.strip() == SCRIPT.read_text().strip()
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'" in toy.page
    assert page.tags.count("script") == 1
    assert not page.handlers
    assert page.addresses
    assert all(address.startswith("#") for address in page.addresses)
    assert all(found.startswith("data:image/webp;base64,") for found in re.findall(r"url\(([^)]*)", toy.page))
    assert "@import" not in toy.page
    assert {address[1:] for address in page.addresses} <= set(page.ids)
    assert not {"img", "link", "iframe", "object", "base"} & set(page.tags)


def test_a_title_has_its_element_to_itself_so_that_marks_of_direction_end_with_it(toy: Any) -> None:
    main(params(), toy.layout)
    for title in ("Storm", "Silent", "Cook"):
        shown = re.findall(f"(.){title}(..)", re.sub(r'"[^"]*"', "", toy.page))
        assert len(shown) > 2
        assert set(shown) == {(">", "</")}
    assert "came next: <b><bdi>Rome</bdi></b>, which" in toy.page


def test_titles_texts_and_topics_are_shown_as_they_are_not_run(toy: Any) -> None:
    main(params(), toy.layout)
    text = Page(toy.page).text
    assert '<script>alert("title")</script>' in text
    assert "onerror=alert(1)> storm & calm" in text
    assert "<i>sea</i>" in text


def rewritten(world: Any, name: str, table: schemas.Table, **columns: Any) -> None:
    """A table of the world with some columns set; a value stands for every row."""
    path = getattr(world.layout, name)
    rows, about = store.read(path, table), store.meta(path)
    literal = {key: pl.lit(value, table.columns[key]) for key, value in columns.items()}
    store.write(rows.with_columns(**literal), path, table, about)


def test_whatever_a_table_says_is_shown_and_not_run(toy: Any) -> None:
    def script(where: str) -> str:
        return f'<script>alert("{where}")</script>'

    rewritten(toy, "users", schemas.USERS, raw=script("user"))
    rewritten(toy, "catalog", schemas.CATALOG, status=script("status"), picture=script("picture"))
    rewritten(toy, "topic_words", schemas.TOPIC_WORDS, word=script("topic"))
    rewritten(toy, "words", schemas.WORDS, token=[script("word")] * 4)
    truth = {"position": [3], "user": [1], "item": [4], "cause": [script("cause")], "earlier": [[2]]}
    truth |= {"topic": [script("truth")], "words": [[script("true word")]], "object": [script("object")], "box": [None]}
    store.write(pl.DataFrame(truth, schema=dict(schemas.TRUTH.columns)), toy.layout.truth, schemas.TRUTH)
    main(params(), toy.layout)
    page = Page(toy.page)
    assert page.tags.count("script") == 1
    for where in ("user", "status", "picture", "topic", "word", "title", "cause", "truth", "true word", "object"):
        assert script(where) in page.text, where


def test_control_characters_reach_neither_the_page_nor_the_terminal(
    toy: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    control = "\x1b[31m\x07\x00\x9b\x7f"
    rewritten(toy, "users", schemas.USERS, raw=f"who{control}")
    rewritten(toy, "items", schemas.ITEMS, title=f"title{control}")
    text = pl.Series([f"{control}{value}" if value else None for value in TEXTS.values()])
    rewritten(toy, "catalog", schemas.CATALOG, text=text, picture=f"failed: {control}")
    rewritten(toy, "topic_words", schemas.TOPIC_WORDS, word=f"topic{control}")
    main(params(), toy.layout)
    for shown in (toy.page, capsys.readouterr().out):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    assert "title\ufffd[31m\ufffd" in toy.page


def test_a_very_long_title_name_or_text_is_cut_for_showing(toy: Any) -> None:
    rewritten(toy, "items", schemas.ITEMS, title="T" + "&" * 10**6)
    rewritten(toy, "users", schemas.USERS, raw="U" * 10**6)
    rewritten(toy, "topic_words", schemas.TOPIC_WORDS, word="W" * 10**5)
    texts = pl.Series([f"{value} {'long ' * 10**5}" if value else None for value in TEXTS.values()])
    rewritten(toy, "catalog", schemas.CATALOG, text=texts, picture="P" * 10**5)
    main(params(), toy.layout)
    assert len(toy.page) < 10**6
    page = Page(toy.page)
    assert f"T{'&' * 198}…" in page.text
    assert "T" + "&" * 199 not in page.text
    assert 'title="T' + "&amp;" * 1998 + "…" in toy.page
    assert "A storm at sea breaks the ship long" in page.text
    table = store.read(toy.layout.reasons, schemas.REASONS)
    assert table["label"].str.len_chars().max() == 200


def test_a_persons_name_ends_its_own_marks_of_direction(toy: Any) -> None:
    rewritten(toy, "users", schemas.USERS, raw="\u202ewho")
    main(params(), toy.layout)
    assert toy.page.count("\u202ewho") >= 10
    assert toy.page.count("<bdi>\u202ewho</bdi>") == toy.page.count("\u202ewho")


def test_what_is_missing_is_said(toy: Any) -> None:
    main(params(), toy.layout)
    text = Page(toy.page).text
    assert "no text (missing)" in text
    assert "no picture (failed: 404)" in text
    assert "picture not readable" in text
    assert "item 6 (no title)" in text


def test_the_table_holds_every_reason_with_its_name(toy: Any) -> None:
    main(params(), toy.layout)
    table = store.read(toy.layout.reasons, schemas.REASONS)
    own = table.filter(pl.col("user") == 1)
    assert own["rank"].unique().sort().to_list() == [1, 2]
    assert set(own["item"]) == {4, 5}
    first = own.filter(rank=1, reading="influence")
    assert first.select("over", "kind", "faithful").unique().rows() == [("history", "signed", False)]
    # of score = sum of share * nearness, the log-softmax's derivative by each act's presence, midway in four steps
    near_LN = torch.tensor([1.0, 2, 3])[:, None] / 6 * Toy().near_NN[[1, 2, 3]][:, 1:]
    slopes_SL = [
        near_LN[:, 3] - (near_LN * (near_LN.sum(0) * p).softmax(0)).sum(1) for p in (0.125, 0.375, 0.625, 0.875)
    ]
    slope_L = torch.stack(slopes_SL).mean(0)
    assert first["position"].to_list() == [0, 1, 2]
    assert first["weight"].to_list() == pytest.approx(slope_L.tolist(), abs=1e-6)
    assert own.filter(reading="influence", rank=2).height == 3
    first = own.filter(pl.col("rank") == 1, pl.col("reading") != "influence")
    assert set(first["item"]) == {4}
    assert set(first.filter(over="topic")["reading"]) == {"profile"}
    names = dict(first.filter(pl.col("over") != "topic").select("kind", "reading").iter_rows())
    assert names == {"share": "attention", "signed": "contribution"}

    def rows(over: str, about: int = 0) -> list[tuple[Any, ...]]:
        found = first.filter((pl.col("over") == over) & (pl.col("about") == about))
        return [(p, label, round(w, 3)) for p, label, w in found.select("part", "label", "weight").iter_rows()]

    assert rows("history") == [(1, "Storm", 0.167), (2, '<script>alert("title")</script>', 0.333), (3, "Silent", 0.5)]
    assert rows("word", 4) == [(1, "Two", 0.7), (2, "lovers", 0.1), (3, "meet", 0.1), (4, "in", 0.1)]
    assert rows("word", 1)[0] == (1, "A", 0.7)
    assert rows("word", 3) == []
    assert rows("region", 4) == [(1, None, -0.4), (2, None, 0.8)]
    assert rows("word_region", 4) == [(1, "meet", 0.7), (2, "Two", 0.6)]
    assert rows("topic") == [(1, "cook, harbour", 0.2), (2, "storm, <i>sea</i>", 0.5), (3, "love, rome", 0.3)]
    assert rows("view", 2) == [(1, "picture", 0.25), (2, "text", 0.75)]
    words = first.filter(pl.col("over") == "word").group_by("about").agg(pl.col("faithful").first())
    marks = dict(words.iter_rows())
    assert marks[4] is False
    assert marks[1] is True


def test_what_each_view_adds_to_a_score_is_drawn_with_its_sign(toy: Any) -> None:
    main(params(users=["person-1"]), toy.layout)
    adds = toy.page.split("What each view adds to the score")[1].split("</table>")[0]
    assert "used by the score" in adds
    row = r'<th><bdi>(.*?)</bdi><td><i(.*?) style="width:(.*?)%"></i><td>(.*?)\n'
    rows = re.findall(row, adds, re.DOTALL)
    assert rows[:2] == [("picture", ' class="minus"', "50", "-0.750"), ("text", "", "100", "+1.500")]
    assert rows[2:] == [("the item&#39;s own row", "", "17", "+0.250")]
    assert toy.page.count("What each view adds") == 2, "for each of the two recommendations"
    # an act's shares of its views stay shares
    assert "picture 25&#8239;% · text 75&#8239;%" in toy.page


def test_an_item_acted_on_twice_keeps_the_weights_of_each_event(repeats: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.stages.explain.conftest import ToyOfEvents

    monkeypatch.setattr(models, "configure", lambda choice: ToyOfEvents())
    monkeypatch.setattr(models, "restore", lambda *args: ToyOfEvents())
    main(params(users=["person-1"], top=6).model_copy(update={"seen": "kept"}), repeats.layout)
    inside = repeats.page.split("Inside the items that weigh most")[1].split("<section>")[0]
    # the history is item 1, item 2, item 1 again, and their pictures weigh 10, 20 and 30 %; the heaviest comes first
    table = store.read(repeats.layout.reasons, schemas.REASONS).filter(rank=1)
    weights = table.filter(reading="influence").sort(pl.col("weight").abs(), descending=True)
    assert weights.filter(part=1).height == 2
    assert weights["weight"].abs().n_unique() == 3
    cards = inside.split('<div class="card">')[1:]
    called = {1: "Storm", 2: "&lt;script&gt;alert(&#34;title&#34;)&lt;/script&gt;"}
    assert [re.findall('<bdi>(.*?)</bdi>.*?figure">(.*?)<', card)[0] for card in cards] == [
        (called[part], f"{weight:.2f}") for part, weight in weights.select("part", "weight").iter_rows()
    ]
    place = weights["position"].to_list()
    assert [re.findall(r"picture \d+&#8239;% · text \d+&#8239;%", card)[0] for card in cards] == [
        f"picture {10 * p + 10}&#8239;% · text {90 - 10 * p}&#8239;%" for p in place
    ]
    assert [re.findall(r"([\d.]+) <i>A</i> ·", card) for card in cards] == [
        [f"{0.1 * p + 0.1:.3f}"] if part == 1 else [] for p, part in zip(place, weights["part"], strict=True)
    ]
    assert [re.findall(r"2 from (\S+) to (\S+?)<", card)[0] for card in cards] == [
        (f"-0.{p + 1}0", f"+0.{9 - p}0") for p in place
    ]
    # over the history: .1 / 6 + .2 / 3 + .3 / 2
    assert "picture 23&#8239;% · text 77&#8239;%" in repeats.page.split('class="views"')[1]
    # the recommended item, which the history holds too, keeps what was weighed inside it as a candidate
    first = repeats.page.split('class="hero')[1]
    assert "<h4>Storm</h4>" in first
    assert "drawn afterwards" in first.split("Words")[1].split("</div>")[0]
    assert '<mark class="s4">A<' in first
    history = table.filter(over="history", reading="attention")
    assert history.select("position", "part").rows() == [(0, 1), (1, 2), (2, 1)]
    assert history["weight"].to_list() == pytest.approx([1 / 6, 1 / 3, 1 / 2])
    assert table.filter(over="view", kind="share", part=1)["position"].to_list() == [0, 1, 2]
    assert table.filter(over="view", kind="signed")["position"].null_count() == 3


def test_the_known_cause_of_an_event_is_that_of_its_own_time(repeats: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.stages.explain.conftest import ToyOfEvents

    monkeypatch.setattr(models, "configure", lambda choice: ToyOfEvents())
    monkeypatch.setattr(models, "restore", lambda *args: ToyOfEvents())
    truth = {
        "user": [1] * 4,
        "position": range(4),
        "item": [1, 2, 1, 2],
        "cause": ["passing"] * 4,
        "earlier": [[], [], [], [1]],
        "topic": [None] * 4,
        "words": [["storm"], None, ["A"], None],
        "object": [None] * 4,
        "box": [None] * 4,
    }
    store.write(pl.DataFrame(truth, schema=dict(schemas.TRUTH.columns)), repeats.layout.truth, schemas.TRUTH)
    main(params().model_copy(update={"seen": "kept"}), repeats.layout)
    # both events of item 1 led to the next. "storm" weighs most in both: it is the first one's cause, not the second's
    found = repeats.metrics["truth"]["word"]
    assert (found["own_share"], found["cases"]) == (0.5, 2)


def test_a_place_among_frozen_candidates_is_not_one_of_the_catalogue(toy: Any) -> None:
    main(params(users=["person-1"]), toy.layout)
    assert "compared with" not in toy.page
    cases = store.read(toy.layout.cases, schemas.CASES)
    few = cases.with_columns(candidates=pl.Series([[6], [6], [6]], dtype=cases.schema["candidates"]))
    store.write(few, toy.layout.cases, schemas.CASES, store.meta(toy.layout.cases))
    main(params(users=["person-1"]), toy.layout)
    assert "at rank 1 of 2 that it was compared with; what is recommended below is of the whole" in toy.page


def test_reasons_are_marked_and_the_heaviest_word_is_the_darkest(toy: Any) -> None:
    main(params(users=["person-1"]), toy.layout)
    assert '<mark class="s4">Two</mark> lovers' in toy.page
    words = toy.page.split('<span class="what">Words')[1].split("</div>")[0]
    assert "attention · drawn afterwards" in words
    assert '<i>Two</i> <span class="figure">0.700</span>, <i>lovers</i>' in words
    assert "of 4, the even share 0.250" in words
    # all weights in figures, in what a keyboard or a finger unfolds
    assert '<p class="told">0.700 <i>Two</i> · 0.100 <i>lovers, meet, in</i></p>' in words
    for mark in re.findall(r"<mark[^>]*>", toy.page):
        assert "tabindex" not in mark
    assert "2 from -0.40 to +0.80" in toy.page
    assert "picture 25&#8239;% · text 75&#8239;%" in toy.page
    inside = toy.page.split("Inside the items that weigh most")[1]
    assert "attention · used by the score" in inside
    assert "drawn afterwards" not in inside
    assert 'class="box minus l2"' in toy.page
    assert '<span class="muted">goes with</span> <i>Two</i>' in toy.page
    assert "Hit" in toy.page
    assert "at rank 1 of 3" in toy.page


def test_the_window_of_the_next_act_is_not_drawn(toy: Any) -> None:
    main(params(users=["person-1"]), toy.layout)
    chart = toy.page.split('class="chart"')[1].split("</svg>")[0]
    # three windows lie before the act of 25 January, each with a dot for two topics
    assert chart.count("h0") == 6
    earlier = store.read(toy.layout.split, schemas.SPLIT).with_columns(pl.col("time") - pl.duration(days=7))
    store.write(earlier, toy.layout.split, schemas.SPLIT, {"items": 6, "users": 3})
    main(params(users=["person-1"]), toy.layout)
    assert toy.page.split('class="chart"')[1].split("</svg>")[0].count("h0") == 4


def test_without_a_line_no_topic_has_a_colour(toy: Any) -> None:
    main(params(users=["person-2"]), toy.layout)
    topics = toy.page.split('<ul class="topics">')[1].split("</ul>")[0]
    assert "Too few windows" in toy.page
    assert topics.count('<i class="t0">') == 3, "two, and the rest"
    assert "the rest: 1 topic</summary>" in topics
    assert re.findall(r'figure">(\d+)&#8239;%', topics) == ["50", "30", "20"]
    assert "storm" in topics


def test_the_same_seed_leaves_the_same_bytes(toy: Any) -> None:
    main(params(), toy.layout)
    written = [toy.layout.reasons, toy.layout.page, *map(toy.layout.metric, ("explain", "claims"))]
    written += map(toy.layout.plot, ("erasure", "readings"))
    before = [path.read_bytes() for path in written]
    main(params(), toy.layout)
    assert [path.read_bytes() for path in written] == before


def test_readings_are_numbers_in_sections(toy: Any) -> None:
    main(params(), toy.layout)
    metrics = toy.metrics
    assert metrics["users"] == 3
    assert metrics["explains"] == 1
    assert metrics["probe"] == {"cases": 2, "faithful": 1}
    assert {"heaviest", "lightest", "random", "leave_one_out"} <= set(metrics["drop"])
    assert metrics["rank"]["whole"] == 1
    assert set(metrics) == {"users", "explains", "probe", "drop", "rank", "agreement"}
    claims = json.loads(toy.layout.metric("claims").read_text())
    assert set(claims) == {"acts", "item_views", "move", "tested"}
    assert claims["item_views"]["own_signed"]["says_nothing"] == 1, "of every item the same, so that none falls"
    assert set(claims["acts"]) == {"own_share", "gradient", "integrated", "leave_one_out", "newest", "random"}
    assert claims["tested"]["cases"] == 2
    assert claims["acts"]["newest"]["redrawn"] == 1
    # two acts to judge by are too few, and the newest is told nothing of the model whatever it does
    assert all(section["says_nothing"] == 1 for section in claims["acts"].values())
    curves = [line.split(",") for line in toy.layout.plot("erasure").read_text().splitlines()]
    assert curves[0] == ["share", "own_share", "gradient", "integrated", "leave_one_out", "newest", "random"]
    assert [row[0] for row in curves[1:]] == ["0.01", "0.05", "0.1", "0.2", "0.5"]
    place = curves[0].index("gradient")
    assert float(curves[3][place]) == pytest.approx(claims["acts"]["gradient"]["gone_10"], rel=1e-5)
    areas = dict(line.split(",") for line in toy.layout.plot("readings").read_text().splitlines()[1:])
    assert float(areas["newest"]) == pytest.approx(claims["acts"]["newest"]["comprehensiveness"], rel=1e-5)


def test_the_truth_stands_beside_where_it_is_known(toy: Any) -> None:
    truth = {
        "user": [1] * 4,
        "position": range(4),
        "item": [1, 2, 3, 4],
        "cause": ["passing"] * 4,
        "earlier": [[], [1], [], [1]],
        "topic": ["love"] * 4,
        "words": [["storm"], None, None, ["lovers", "Rome"]],
        "object": [None, None, None, "anchor"],
        "box": [None, None, None, [0.1, 0.5, 0.9, 1.0]],
    }
    store.write(pl.DataFrame(truth, schema=dict(schemas.TRUTH.columns)), toy.layout.truth, schemas.TRUTH)
    main(params(), toy.layout)
    text = " ".join(Page(toy.page).text.split())
    assert "Rome was chosen by a passing interest for love: the picture shows anchor." in text
    assert "It goes back to Storm." in text
    assert 'class="truebox"' in toy.page
    found = toy.metrics["truth"]
    # the heaviest act is the newest (item 3), the cause is the oldest of three
    assert (found["history"]["own_share"], found["history"]["newest"], found["history"]["cases"]) == (0, 0, 1)
    assert found["history"]["chance"] == pytest.approx(1 / 3)
    assert {"gradient", "integrated"} < set(found["history"])
    # the heaviest word of item 4 is "Two", true is "lovers", one of four words
    assert found["next_word"] == {"own_share": 0, "chance": 0.25, "cases": 1}
    # the lower region weighs most and holds the object's box
    assert found["next_region"] == {"own_signed": 1, "chance": 0.5, "cases": 1}
    # of the true cause among the acts, item 1: the heaviest word is "A", true is "storm"
    assert (found["word"]["own_share"], found["word"]["cases"]) == (0, 1)
    # where the protocol moved events, an event's place does not tell which one it is
    split = store.read(toy.layout.split, schemas.SPLIT)
    store.write(split, toy.layout.split, schemas.SPLIT, store.meta(toy.layout.split) | {"in_order": False})
    main(params(), toy.layout)
    assert "was chosen by" not in Page(toy.page).text
    assert "truth" not in toy.metrics


def kept(small: Any, name: str, settings: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    config = models.configure(Choice(name=name, settings=settings))
    weights.save(state, weights.Learned.of(name, config, trained_on(small.layout, config.needs)), small.layout.weights)


def test_a_model_without_reasons_still_gets_a_page_that_says_so(small: Any) -> None:
    item_NE = torch.tensor([[0.0, 5, 1, 2, 3, 4, 6], [0.0, 1, 2, 3, 4, 5, 6]]).T.contiguous()
    kept(small, "bpr_mf", {"dim": 1}, {"user_UD": torch.ones(4, 1), "item_NE": item_NE})
    main(params("bpr_mf", {"dim": 1}), small.layout)
    text = Page(small.page).text
    assert "This model gives no reasons of its own. Below is what each person acted on" in text
    assert '<p class="said">' not in small.page
    assert "The sea gives nothing back" in text
    assert "item 6 (no title)" in text
    assert "used by the score" not in text
    assert "drawn afterwards" not in text
    assert "influence" not in re.sub(r"<style>.*?</style>", "", small.page, flags=re.DOTALL)
    assert 'class="chart"' in small.page
    table = store.read(small.layout.reasons, schemas.REASONS)
    assert table.height == 0
    assert small.metrics == {"explains": 0, "users": 3}


def test_what_is_said_of_an_item_itself_stands_on_the_page(small: Any) -> None:
    """Of popularity items 1, 5 and 6 have more than the mean count, 3.5."""
    kept(small, "popularity", {}, {"count_N": torch.tensor([0.0, 5, 1, 2, 3, 4, 6])})
    main(params("popularity", top=3), small.layout)
    shown = small.page.split('<article class="trust">')[0].split("<h4")[1:]
    said = {one.split(">")[1].split("<")[0]: "Because many have acted on it." in one for one in shown}
    assert {title for title, is_said in said.items() if is_said} == {"Storm", "Cook", "item 6 (no title)"}
    assert len(said) > 3
    text = Page(small.page).text
    assert "What is said of each recommendation was found by scoring it again without it." in text
    assert "Nothing here says why" not in text
    assert "Checked What the sentence names of the recommended item itself" in text


def explain_ante_rnn(small: Any) -> None:
    """The stage on a model as it starts."""
    section = {"dim": 8, "length": 4, "window": 2, "triplet": {"items": 4}}
    choice = Choice(name="ante_rnn", settings=section)
    catalog = load(small.layout, models.configure(choice).needs, "test", torch.device("cpu")).catalog
    torch.manual_seed(1)
    kept(small, "ante_rnn", section, models.build(choice, catalog, 3).state_dict())
    main(params("ante_rnn", section), small.layout)


def test_gates_and_what_others_did_stand_on_the_page_of_a_model_of_ratings(tmp_path: Path) -> None:
    world = written_world(tmp_path, {1: [1, 2, 3, 4], 2: [4, 5, 6], 3: [4, 5, 6, 3, 2]})
    split = store.read(world.layout.split, schemas.SPLIT)
    rated = split.with_columns(rating=pl.int_range(pl.len()).mod(5).add(1).cast(pl.Float32))
    store.write(rated, world.layout.split, schemas.SPLIT, store.meta(world.layout.split))
    section = {"dim": 4, "hidden": 4, "inner": 4, "item_length": 3, "features": "none"}
    choice = Choice(name="iarn", settings=section)
    torch.manual_seed(1)
    kept(world, "iarn", section, models.build(choice, Catalog(6), 3).state_dict())
    main(params("iarn", section, inside=3), world.layout)
    claims = json.loads(world.layout.metric("claims").read_text())
    # of the targets item 4 alone was acted on by two others before
    assert claims["tested"] == {"cases": 3, "item_history": 1}
    asked = {"own_gate", "own_step_gate", "gradient", "integrated", "leave_one_out", "newest", "random"}
    assert set(claims["acts"]) == set(claims["item_history"]) == asked
    assert "rank" not in claims["acts"]["own_gate"]
    assert world.metrics == {"explains": 1, "users": 3}
    text = Page(world.page).text
    assert "in standard deviations of the ratings that were given" in text
    assert "over the catalogue" not in text
    others = html.unescape(world.page.split('<section class="others">')[1].split("</section>")[0])
    assert others.split('<th scope="row">')[1].startswith(LEADS)
    for name in asked - {"integrated"}:
        assert NAMES[name] in others
    assert "In 1 test cases the heaviest of the last acts of others" in others


def test_every_own_weight_of_acts_has_a_name_on_the_page() -> None:
    valid = torch.ones(1, 1, dtype=torch.bool)
    parts = [Weights(valid.float(), "gate", "share", False, valid, name=name) for name in SEQUENCES.values()]
    assert len(own_weights(parts, ("history", "gate"))) == 3
    assert set(own_weights(parts, ("history", "gate"))) < set(NAMES)


def test_ante_rnn_goes_all_the_way(small: Any) -> None:
    explain_ante_rnn(small)
    table = store.read(small.layout.reasons, schemas.REASONS)
    assert set(table["over"]) == {"history", "word", "region", "word_region", "topic", "view"}
    assert "used by the score" in Page(small.page).text
    assert small.metrics["probe"]["cases"] == 2
    claims = json.loads(small.layout.metric("claims").read_text())
    assert claims["move"]["word_heaviest"] > 0
    assert claims["move"]["region_heaviest"] > 0
    inside = {"words": 2, "regions": 2, "views": 2, "topics": 2}
    left_out = {f"{parts}_left_out": 1 for parts in ("words", "regions", "views")}
    assert claims["tested"] == {"cases": 2, **inside, **left_out, "item_words": 1, "item_regions": 2}
    assert set(claims["words_left_out"]) == {"own_share", "gradient", "integrated", "leave_one_out", "random"}
    assert "Words of the 2 acts that weigh most" in small.page
    assert set(claims["views"]) == {"own_share", "gradient", "integrated", "random"}
    assert set(claims["topics"]) == {"own_share", "gradient", "integrated", "leave_one_out", "random"}
    assert "renormalised" in claims["topics"]["own_share"]
    assert "Silencing what weighs most inside the acts" in small.page
    assert set(claims["item_words"]) == {"own_share", "leave_one_out", "random"}
    assert claims["item_words"]["own_share"]["comprehensiveness"] == pytest.approx(0, abs=1e-6), (
        "its head scores by rows, not by what is read"
    )
    kinds = (("words", "own_share", "word"), ("regions", "own_signed", "region"), ("views", "own_share", "view"))
    for part, own, over in kinds:
        assert set(claims[part]) == {own, "gradient", "integrated", "random"}
        assert {"p_random", f"p_{own}", "says_nothing"} <= set(claims[part]["integrated"])
        drop, section = small.metrics["drop"], claims[part]
        assert drop[f"{over}_heaviest"] == section[own]["heaviest_one"]
        assert drop[f"{over}_integrated"] == section["integrated"]["heaviest_one"]
        assert f"{over}_{own}" not in drop


def explain_mlam(small: Any) -> tuple[pl.DataFrame, str]:
    """The table of reasons and the page of one that reads words and regions and no history."""
    section = {"dim": 4, "sentence": 0}
    choice = Choice(name="mlam", settings=section)
    catalog = load(small.layout, models.configure(choice).needs, "test", torch.device("cpu")).catalog
    torch.manual_seed(2)
    model = models.build(choice, catalog, 3)
    for parameter in model.parameters():
        parameter.data.normal_()
    kept(small, "mlam", section, model.state_dict())
    main(params("mlam", section), small.layout)
    return store.read(small.layout.reasons, schemas.REASONS), small.page


def test_a_model_that_reads_no_history_has_its_weights_of_the_item_tested_and_told(small: Any) -> None:
    _, page = explain_mlam(small)
    claims = json.loads(small.layout.metric("claims").read_text())
    assert set(claims["tested"]) == {"cases", "item_words", "item_regions", "item_views"}
    for part in ("item_words", "item_regions"):
        falls = {name: one["comprehensiveness"] for name, one in claims[part].items()}
        assert set(falls) == {"own_share", "leave_one_out", "random"}
        assert falls["leave_one_out"] > 0
    text = Page(page).text
    assert "Without what the item itself says and shows" in text
    assert "Erasing what weighs most" not in text


def test_the_page_of_a_model_without_a_history_leads_with_what_each_word_and_region_of_the_item_takes(
    small: Any,
) -> None:
    reasons, page = explain_mlam(small)
    led = reasons.filter(pl.col("reading") == "influence")
    assert set(led["over"]) == {"word", "region"}
    assert led.select("about", "item").filter(pl.col("about") != pl.col("item")).height == 0
    assert led["position"].null_count() == led.height
    own = reasons.filter(pl.col("reading") == "attention")
    keys = ["user", "rank", "over", "part"]
    assert set(led.select(keys).rows()) == set(own.select(keys).rows())
    assert led["weight"].max() > 0
    assert led["weight"].min() < 0
    text = Page(page).text
    assert "For its word" in text or "For the" in text or "For its poster" in text
    for item in page.split('<li class="hero')[1:]:
        shown = item.split("</li>")[0]
        if "The model's own weights inside this" in shown:
            before, folded = shown.split("The model's own weights inside this")
            assert '<span class="mark influence">' in before
            assert '<span class="mark used">attention' not in before
            assert '<span class="mark used">attention' in folded
    assert "The model's own weights inside this" in page
    assert "What each view adds to the score" in page.split("The model's own weights inside this")[0]


def test_the_words_that_a_sentence_names_of_an_item_speak_for_it(small: Any) -> None:
    reasons, page = explain_mlam(small)
    led = reasons.filter(pl.col("reading") == "influence", pl.col("over") == "word")
    said = [line.split("</p>")[0] for line in page.split('<p class="said">')[1:]]
    assert said
    words = {word.lower() for word in led.filter(pl.col("weight") > 0)["label"]}
    for sentence in said:
        for word in sentence.split("“")[1:]:
            assert word.split("”")[0] in words


def test_words_and_regions_are_held_against_known_causes_by_the_leading_reading_too(small: Any) -> None:
    truth = {"user": [1] * 4, "position": range(4), "item": [1, 2, 3, 4], "cause": ["passing"] * 4}
    truth |= {"earlier": [[], [], [], [1]], "topic": [None] * 4, "words": [["storm"], None, None, None]}
    truth |= {"object": ["sea", None, None, None], "box": [[0.0, 0.0, 1.0, 0.5], None, None, None]}
    store.write(pl.DataFrame(truth, schema=dict(schemas.TRUTH.columns)), small.layout.truth, schemas.TRUTH)
    explain_ante_rnn(small)
    found = small.metrics["truth"]
    assert set(found["history"]) == {
        "own_share",
        "gradient",
        "integrated",
        "leave_one_out",
        "newest",
        "chance",
        "cases",
    }
    assert set(found["word"]) == {"own_share", "gradient", "integrated", "chance", "cases"}
    assert set(found["region"]) == {"own_signed", "gradient", "integrated", "chance", "cases"}


def test_of_several_reasons_over_the_same_the_influence_leads_and_what_is_drawn_after_comes_last() -> None:
    row = {"user": 1, "item": 2, "rank": 1, "score": 0.5, "over": "history", "about": 0, "label": "x"}
    row |= {"position": 3, "part": 7}
    several = [
        ("attention", "share", False, 0.5),
        ("contribution", "signed", True, -2.0),
        ("relevance", "share", True, 1.0),
        ("influence", "signed", False, 0.25),
    ]
    keys = ("reading", "kind", "faithful", "weight")
    rows = [row | dict(zip(keys, one, strict=True)) for one in several]
    frame = pl.DataFrame(rows, schema_overrides=dict(schemas.REASONS.columns)).select(list(schemas.REASONS.columns))
    found = group_reasons(frame)[1][Whole("history")]
    assert [(one.reading, one.kind, one.parts) for one in found] == [
        (Reading("influence", "influence"), "signed", [(3, "x", 0.25)]),
        (Reading("contribution", "used"), "signed", [(3, "x", -2.0)]),
        (Reading("relevance", "used"), "share", [(3, "x", 1.0)]),
        (Reading("attention", "after"), "share", [(3, "x", 0.5)]),
    ]


def table(users: int = 20) -> pl.DataFrame:
    user = [u for u in range(1, users + 1) for _ in range(3)]
    rows = {"case": range(1, len(user) + 1), "part": ["test"] * len(user), "user": user}
    rows |= {"position": [5, 6, 7] * users, "target": [1] * len(user), "candidates": [None] * len(user)}
    return pl.DataFrame(rows, schema=dict(schemas.CASES.columns))


def test_people_are_drawn_by_the_seed_at_their_last_case() -> None:
    names = {u: f"p{u}" for u in range(1, 21)}
    first, again, other = (last_cases(table(), names, 5, seed)["user"].to_list() for seed in (1, 1, 2))
    assert first == again == sorted(set(first))
    assert len(first) == 5
    assert first != other
    assert set(last_cases(table(), names, 5, 1)["position"]) == {7}
    assert last_cases(table(), names, 50, 1).height == 20


def test_people_are_asked_for_by_name_in_order() -> None:
    names = {u: str(100 + u) for u in range(1, 22)}
    assert last_cases(table(), names, ("107", 103), 1)["user"].to_list() == [7, 3]
    assert last_cases(table(), names, ("107", 107), 1)["user"].to_list() == [7]
    with pytest.raises(ValueError, match=r"explain\.users: nobody is called 'nobody' \(1 of 3 unknown\)"):
        last_cases(table(), names, ("nobody", 105, 121), 1)
    told = r"explain\.users: 1 of 2 have no test case, the first is '121'; such have e\.g\. '101'"
    with pytest.raises(ValueError, match=told):
        last_cases(table(), names, (105, 121), 1)
    for wrong in (-1, True):
        with pytest.raises(ValueError, match=r"explain\.users: Input should be"):
            checked(Explain, {"users": wrong}, "explain")


def test_no_case_is_refused(toy: Any) -> None:
    store.write(pl.DataFrame(schema=dict(schemas.CASES.columns)), toy.layout.cases, schemas.CASES)
    with pytest.raises(ValueError, match="has no test cases"):
        main(params(), toy.layout)
    assert not toy.layout.page.exists()

"""A page of fifty people stays under 5 MB, in a world of the demo's kind; what each act's topics do is one table."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import models
from engine.tables import store
from engine.tables.arrays import lists
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.schemas import CATALOG, REGIONS, SPLIT, TOPIC_HISTORY, TOPIC_ITEMS, TOPIC_WORDS, WORDS
from engine.tables.settings import Choice, checked
from engine.training import weights
from engine.training.source import load
from engine.training.trained_on import trained_on
from stages.crawl import __main__ as crawl
from stages.explain import __main__ as explain
from stages.explain.person import summed_over_acts
from stages.explain.weighed import Reading, Reason, Whole
from stages.ingest import __main__ as ingest
from stages.split import __main__ as split

ROOT = Path(__file__).parents[3]
PEOPLE, FILMS, TOPICS, GRID = 50, 240, 26, (4, 3)
LARGEST = 5_000_000


def test_what_a_topic_does_is_summed_over_the_acts() -> None:
    influence, own = Reading("influence", "influence"), Reading("profile", "used")
    reasons = {
        Whole("topic", 7, 0): [Reason(influence, "signed", [(1, "sea", 0.5), (2, "love", -0.25)])],
        Whole("topic", 7, 3): [Reason(influence, "signed", [(1, "sea", 0.25)]), Reason(own, "share", [(1, "sea", 1)])],
        Whole("category", 4): [Reason(influence, "signed", [(1, "war", 0.5)])],
        Whole("word", 7, 0): [Reason(influence, "signed", [(1, "ship", 0.5)])],
    }
    found = {(whole.over, reason.reading.name): (whole, reason) for whole, reason in summed_over_acts(reasons)}
    assert found["topic", "influence"][0] == Whole("topic")
    assert list(found["topic", "influence"][1].parts) == [(1, "sea", 0.75), (2, "love", -0.25)]
    assert found["topic", "profile"][0] == Whole("topic", 7, 3)
    assert found["category", "influence"][0] == Whole("category", 4)
    assert found["word", "influence"][0] == Whole("word", 7, 0)
    assert len(found) == 4


@pytest.fixture(scope="module")
def fifty(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The demo's world with fifty people: its posters, plots and acts; what networks and topics would make is drawn."""
    layout = Layout(tmp_path_factory.mktemp("fifty") / "demo", "temporal", readings=tmp_path_factory.mktemp("metrics"))
    params = read_yaml(ROOT / "params.yaml")
    section = params["datasets"]["demo"] | {"films": FILMS, "people": PEOPLE}
    ingest.main(ingest.Params(dataset=Choice(name="demo", settings=section), seed=1), layout)
    crawl.main(checked(crawl.Params, {"crawl": {"services": []}, "services": params["services"]}, "crawl"), layout)
    split.main(split.Params(protocol=Choice(name="temporal", settings=params["protocols"]["temporal"]), seed=1), layout)
    drawn_features(layout, np.random.default_rng(1))
    return layout


def drawn_features(layout: Layout, draws: np.random.Generator) -> None:
    """Vectors at the places where the words and the cells of a grid are; topics of 26 in every week that has acts."""
    texts = store.read(layout.catalog, CATALOG)["text"].to_list()
    spans = [[match.span() for match in re.finditer(r"\w+", text)][:64] for text in texts]
    length_N = np.array([len(found) for found in spans])
    word = lists(draws.normal(size=(length_N.sum(), 32)).astype(np.float16), length_N)
    tokens = [[text[a:b] for a, b in found] for text, found in zip(texts, spans, strict=True)]
    item = pl.Series("item", range(1, FILMS + 1), dtype=pl.UInt32)
    span = pl.Series("span", spans, dtype=WORDS.columns["span"])
    store.write(pl.DataFrame({"item": item, "token": tokens, "span": span, "word": word}), layout.words, WORDS)
    rows, columns = GRID
    cells = [[x / columns, y / rows, (x + 1) / columns, (y + 1) / rows] for y in range(rows) for x in range(columns)]
    box = pl.Series("box", [cells] * FILMS, dtype=REGIONS.columns["box"])
    score = pl.Series("score", [[1.0] * len(cells)] * FILMS, dtype=REGIONS.columns["score"])
    vector = draws.normal(size=(FILMS * len(cells), 64)).astype(np.float16)
    region = lists(vector, np.full(FILMS, len(cells)))
    store.write(pl.DataFrame({"item": item, "box": box, "score": score, "region": region}), layout.regions, REGIONS)
    about = {"decay": 0.2, "window": "week", "method": "drawn", "count": TOPICS, "unit": "week"}
    share = draws.dirichlet(np.full(TOPICS, 0.1), FILMS).astype(np.float32)
    store.write(pl.DataFrame({"item": item, "share": share}), layout.topic_items, TOPIC_ITEMS, about)
    weeks = store.read(layout.split, SPLIT).select("user", window=pl.col("time").dt.truncate("1w"))
    weeks = weeks.unique().sort("user", "window")
    each = draws.dirichlet(np.full(TOPICS, 0.1), weeks.height).astype(np.float32)
    kept = weeks.with_columns(pl.Series("share", each, dtype=pl.Array(pl.Float32, TOPICS)))
    store.write(kept, layout.topic_history, TOPIC_HISTORY, about)
    names = [(topic, rank, f"word{topic}of{rank}", 0.1) for topic in range(1, TOPICS + 1) for rank in range(1, 5)]
    store.write(pl.DataFrame(names, dict(TOPIC_WORDS.columns), orient="row"), layout.topic_words, TOPIC_WORDS)


def words_in_figures(page: str) -> int:
    """The texts whose words are weighed, each of which tells the weights of all of them where they unfold."""
    texts = re.findall(r'<details class="figures"><summary>(.*?)</summary>\n<p class="told">(.*?)</p>', page, re.DOTALL)
    assert len(texts) == page.count('<details class="figures">')
    for summary, told in texts:
        count = int(re.findall(r'class="muted">of (\d+)', summary)[0])
        groups = re.findall(r"-?\d\.\d{3} <i>(.*?)</i>", told)
        assert sum(len(group.split(", ")) for group in groups) == count > 12
    return len(texts)


@pytest.mark.timeout(300)
def test_fifty_people_stay_under_five_megabytes(fifty: Layout) -> None:
    params = read_yaml(ROOT / "params.yaml")
    choice = Choice(name="ante_rnn", settings=params["models"]["ante_rnn"])
    data = load(fifty, models.configure(choice).needs, "test", "cpu")
    torch.manual_seed(1)
    model = models.build(choice, data.catalog, data.users)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    learned = weights.Learned.of("ante_rnn", models.configure(choice), trained_on(fifty, model.needs))
    weights.save(model.state_dict(), learned, fifty.weights)
    asked = params["explain"] | {"users": PEOPLE, "cases": 1, "inside": 0, "readings": ["gradient"]}
    words = params["datasets"]["demo"]["words"]
    section = {"model": choice, "seen": "excluded", "explain": asked, "words": words, "device": "cpu", "seed": 1}
    explain.main(checked(explain.Params, section | {"explain": asked | {"causes": 1}}, "explain"), fifty)
    page = fifty.page.read_text(encoding="utf-8")
    assert page.count("<article id=") == PEOPLE
    assert len(re.findall(r"url\(data:image/webp", page)) > FILMS / 2
    recommended = page.count('<li class="hero')
    assert recommended == PEOPLE * asked["top"]
    assert page.count('<span class="what">Topics</span>') == recommended, "one table each, not one an act"
    assert page.count('<p class="said') == recommended, "a sentence each, or that there is none"
    assert words_in_figures(page) > recommended
    assert len(page.encode()) < LARGEST

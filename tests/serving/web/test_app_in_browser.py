"""The web app in a real browser: an act taken away, moved, a word muted, why not, two models, the keyboard alone."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from serving.api import Muted, Predictor
from serving.web.app import application
from serving.web.desk import Desk
from serving.web.pictures import Pictures
from tests.serving.shop import Shop
from tests.serving.web.conftest import HOSTILE, WORDS, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route

WAIT = 120_000  # milliseconds


class Opened:
    """The app in a tab, with what the browser complained about and whom it asked."""

    def __init__(self, tab: "Page", address: str):
        self.tab = tab
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        tab.set_default_timeout(WAIT)
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: self.complaints.append("a dialog opened"))
        tab.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        tab.goto(address)
        self.show("p2")

    def show(self, user: str) -> None:
        """Choose a person."""
        self.tab.get_by_label("A person of the data").fill(user)
        self.tab.get_by_role("button", name="Show", exact=True).click()
        heading = self.tab.get_by_role("heading", name=f"What {user} watched")
        try:
            heading.wait_for()
        except Exception as error:
            said = (
                self.tab.locator("#message").inner_text(),
                self.tab.get_by_label("A person of the data").input_value(),
            )
            raise AssertionError(f"{said} {self.complaints}") from error

    def shown(self, model: str, expected: list[str]) -> None:
        """Wait until a model's column has these titles, in order."""
        self.tab.wait_for_function(
            "([model, titles]) => JSON.stringify([...document.querySelectorAll(`[data-model=${model}] .item b`)]"
            ".map((title) => title.textContent)) === JSON.stringify(titles)",
            arg=[model, expected],
        )


@pytest.fixture
def opened(address: str, chromium: "Browser") -> Iterator[Opened]:
    tab = chromium.new_page(viewport={"width": 1200, "height": 900}, locale="en-GB", timezone_id="Asia/Tokyo")
    found = Opened(tab, address)
    yield found
    tab.close()
    assert found.complaints == []
    assert found.hosts == {urlsplit(address).netloc}


def titles(model: Predictor, user: str, *gone: int, muted: Muted | None = None) -> list[str]:
    found = model.recommend(model.person(user).without(gone), 10, muted=muted or Muted())
    return [one.title for one in found]


def test_an_act_that_is_taken_away_changes_both_lists_and_can_be_put_back(
    opened: Opened, predictors: dict[str, Predictor]
) -> None:
    before = {name: titles(model, "p2") for name, model in predictors.items()}
    after = {name: titles(model, "p2", 9) for name, model in predictors.items()}
    assert all(before[name] != after[name] for name in predictors)
    for name in predictors:
        opened.shown(name, before[name])
    opened.tab.locator("#acts li").first.get_by_role("button", name="Take away").click()
    for name in predictors:
        opened.shown(name, after[name])
    assert "9 of 10" in opened.tab.locator("#past-title").inner_text()
    opened.tab.locator("#acts li.gone").get_by_role("button", name="Put back").click()
    for name in predictors:
        opened.shown(name, before[name])


def test_where_nothing_is_left_to_recommend_it_is_said(opened: Opened, predictors: dict[str, Predictor]) -> None:
    def none_left(route: "Route") -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"recommendations": []})

    for name, model in predictors.items():
        opened.shown(name, titles(model, "p2"))
    opened.tab.route("**/recommend", none_left)
    opened.tab.locator("#acts li").first.get_by_role("button", name="Take away").click()
    for name in predictors:
        opened.shown(name, [])
        column = opened.tab.locator(f"[data-model={name}]")
        column.get_by_text("Nothing is left to recommend.").wait_for(timeout=20_000)
        assert column.locator("ol").count() == 0


def test_an_act_that_is_moved_in_time_changes_the_list(opened: Opened, predictors: dict[str, Predictor]) -> None:
    model = predictors["ante_rnn"]
    history = model.person("p2")
    opened.shown("ante_rnn", titles(model, "p2"))
    assert opened.tab.get_by_text("Times are in UTC").is_visible()
    first, last = history.acts[0], history.acts[-1]
    assert first.time is not None
    assert last.time is not None
    later = last.time.replace(second=0, microsecond=0, year=last.time.year + 1)
    opened.tab.locator('[data-place="0"] input').fill(later.strftime("%Y-%m-%dT%H:%M"))
    opened.shown("ante_rnn", [one.title for one in model.recommend(history.moved(0, later))])
    row = opened.tab.locator('[data-place="0"]')
    row.get_by_text(first.time.strftime("moved from %Y-%m-%d %H:%M")).wait_for()
    assert opened.tab.get_by_text("moved from").locator("visible=true").count() == 1
    assert "10 of 10, 1 moved" in opened.tab.locator("#past-title").inner_text()
    opened.tab.get_by_role("button", name=f"Put back the time of {first.title}", exact=True).click()
    opened.shown("ante_rnn", titles(model, "p2"))
    assert row.locator("input").input_value() == first.time.strftime("%Y-%m-%dT%H:%M")
    assert opened.tab.get_by_text("moved from").locator("visible=true").count() == 0
    assert opened.tab.locator("#past-title").inner_text().endswith("10 of 10")


def asked_why(opened: Opened, model: Predictor) -> "tuple[Locator, Locator]":
    """The model's column, and its reasons of the first recommendation, opened."""
    opened.shown("ante_rnn", titles(model, "p2"))
    column = opened.tab.locator("[data-model=ante_rnn]")
    column.get_by_role("button", name="Why").first.click()
    return column, column.locator(".why").first


def test_a_person_whom_nobody_knows_changes_nothing(opened: Opened, predictors: dict[str, Predictor]) -> None:
    tab, model = opened.tab, predictors["ante_rnn"]
    opened.shown("ante_rnn", titles(model, "p2"))
    tab.get_by_label("A person of the data").fill("p22")
    tab.get_by_role("button", name="Show", exact=True).click()
    tab.get_by_text("nobody is called 'p22'; nearest are p2").wait_for()
    first = model.person("p2").acts[-1].title
    tab.get_by_role("button", name=f"Take away {first}").first.click()
    tab.get_by_role("heading", name="What p2 watched: 9 of 10").wait_for()
    opened.shown("ante_rnn", titles(model, "p2", 9))
    assert any("422" in complaint for complaint in opened.complaints)
    opened.complaints.clear()  # of the browser, that one question was refused


def test_reasons_are_shown_and_a_word_and_a_region_can_be_muted(
    opened: Opened, predictors: dict[str, Predictor]
) -> None:
    model, tab = predictors["ante_rnn"], opened.tab
    column, why = asked_why(opened, model)
    why.wait_for()
    assert why.locator(".mark").first.inner_text() == "influence"
    explained = model.explain(model.person("p2"), model.recommend(model.person("p2"))[0].item)
    acts = next(reading for reading in explained.influence if reading.over == "history").parts
    heaviest = max(acts, key=lambda part: abs(part.weight))
    assert why.locator("tbody th").first.inner_text() == heaviest.label
    word = why.locator("[aria-label^='Mute the word']").first
    said = word.inner_text().split()[0]
    word.click()
    opened.shown("ante_rnn", titles(model, "p2", muted=Muted((said,))))
    assert tab.evaluate("document.activeElement.textContent") == f"muted: word {said} ✕"
    tab.locator("[data-model=ease] .deaf", has_text="reads no words").wait_for()
    opened.shown("ease", titles(predictors["ease"], "p2"))
    assert column.locator(".deaf").count() == 0
    column.locator(".why").get_by_role("button", name="mute region").first.click()
    tab.locator("#muted li").nth(1).wait_for()
    tab.locator("#muted li").nth(1).get_by_role("button").click()
    tab.locator("#muted li").nth(0).get_by_role("button").click()
    opened.shown("ante_rnn", titles(model, "p2"))


def test_every_word_and_every_region_that_has_an_influence_can_be_muted(
    opened: Opened, predictors: dict[str, Predictor]
) -> None:
    model, tab = predictors["ante_rnn"], opened.tab
    _, why = asked_why(opened, model)
    explained = model.explain(model.person("p2"), model.recommend(model.person("p2"))[0].item)
    by = {reading.over: reading.parts for reading in explained.influence}
    words: Counter[str] = Counter()
    for part in by["word"]:
        words[part.label.casefold()] += part.weight  # type: ignore[assignment]
    assert len({part.label.casefold() for part in by["word"] if part.weight}) == 7
    assert min(words.values()) < 0, "none speaks against it, so that none is folded away"
    why.get_by_text("all 7 words").click()
    folded = why.locator("details", has_text="all 7 words").get_by_role("button")
    folded.nth(6).wait_for()
    order = sorted(words, key=lambda word: -abs(words[word]))
    shown = [f"{word} {words[word]:.3f}".replace("-0.000", "0.000") for word in order]
    assert [one.lower().replace("-0.000", "0.000") for one in folded.all_inner_texts()] == shown
    against = min(words, key=lambda word: words[word])
    folded.nth(order.index(against)).click()
    opened.shown("ante_rnn", titles(model, "p2", muted=Muted((against,))))
    tab.locator("#muted button").click()
    opened.shown("ante_rnn", titles(model, "p2"))
    regions = {(part.item, part.part) for part in by["region"] if part.weight}
    assert len({item for item, _ in regions}) > 1
    why.get_by_text("all regions of").click()
    buttons = why.locator("details", has_text="all regions of").get_by_role("button", name="Mute region")
    buttons.last.wait_for()
    assert buttons.count() == len(regions)
    said = str(buttons.last.get_attribute("aria-label"))
    number, title = said.removeprefix("Mute region ").split(" of ", 1)
    (item,) = {act.item for act in model.person("p2").acts if act.title == title}
    buttons.last.click()
    opened.shown("ante_rnn", titles(model, "p2", muted=Muted(regions=((item, int(number)),))))


def test_influence_of_every_kind_is_shown(opened: Opened, predictors: dict[str, Predictor]) -> None:
    model, tab = predictors["ante_rnn"], opened.tab
    opened.shown("ante_rnn", titles(model, "p2"))
    tab.locator("[data-model=ante_rnn]").get_by_role("button", name="Why").first.click()
    why = tab.locator("[data-model=ante_rnn] .why").first
    why.wait_for()
    explained = model.explain(model.person("p2"), model.recommend(model.person("p2"))[0].item)
    by = {reading.over: reading.parts for reading in explained.influence}
    assert set(by) == {"history", "word", "region", "view", "topic"}
    for over, told in (("view", "views"), ("topic", "topics")):
        sums: Counter[str] = Counter()
        for part in by[over]:
            sums[part.label] += part.weight  # type: ignore[assignment]
        table = why.locator(f"p:text-is('{told}') + table")
        heaviest = max(sums, key=lambda label: abs(sums[label]))
        assert table.locator("th").first.inner_text() == heaviest
        assert float(table.locator(".figure").first.inner_text()) == pytest.approx(sums[heaviest], abs=6e-4)


def test_why_not_is_answered_for_each_model(opened: Opened, predictors: dict[str, Predictor]) -> None:
    had = {act.item for act in predictors["ease"].person("p4").acts}
    missing = next(f"f{n}" for n in range(1, 16) if f"f{n}" not in had and n not in (3, 4))
    opened.show("p4")
    opened.tab.get_by_label("Why not this one?").fill(missing)
    opened.tab.get_by_role("button", name="Ask").click()
    for name, model in predictors.items():
        told = model.why_not(model.person("p4"), missing).told
        answer = opened.tab.locator(f"[data-model={name}] .answer", has_text=told)
        answer.wait_for()
        assert answer.count() == 1


def test_reasons_that_could_not_be_had_are_asked_for_at_the_next_press(
    opened: Opened, predictors: dict[str, Predictor]
) -> None:
    opened.shown("ante_rnn", titles(predictors["ante_rnn"], "p2"))
    why = opened.tab.locator("[data-model=ante_rnn]").get_by_role("button", name="Why").first
    busy = {"error": "too many wait", "nearest": []}
    opened.tab.route("**/explain", lambda route: route.fulfill(status=503, json=busy), times=1)
    why.click()
    opened.tab.get_by_text("too many wait").wait_for()
    opened.complaints.clear()  # of the browser, that one question was refused
    why.click()
    opened.tab.locator("[data-model=ante_rnn] .why").wait_for()


def test_somebody_new_by_the_keyboard_alone(opened: Opened, predictors: dict[str, Predictor]) -> None:
    tab, model = opened.tab, predictors["ante_rnn"]
    tab.get_by_label("A person of the data").focus()
    for _ in range(2):
        tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Somebody new"
    tab.keyboard.press("Enter")
    tab.wait_for_function("() => document.activeElement.id === 'title'")
    tab.keyboard.type("heatwave")
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="+ Heatwave").wait_for()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expected = [one.title for one in model.recommend(model.history(["f6"]))]
    opened.shown("ante_rnn", expected)
    tab.evaluate("[1, 2].forEach(() => document.querySelector('#found button').click())")  # faster than an answer
    opened.shown("ante_rnn", [one.title for one in model.recommend(model.history(["f6"] * 3))])
    # what nobody is called is said, and nothing else changes
    tab.get_by_label("A person of the data").fill("nobody")
    tab.keyboard.press("Enter")
    tab.locator("#message", has_text="nobody is called 'nobody'").wait_for()
    opened.complaints[:] = [one for one in opened.complaints if "422" not in one]


def test_hostile_titles_are_text_and_nothing_is_wider_than_a_phone(opened: Opened) -> None:
    tab = opened.tab
    tab.set_viewport_size({"width": 390, "height": 800})
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        tab.get_by_text(HOSTILE).first.wait_for()
        tab.locator("[data-model=ante_rnn]").get_by_role("button", name="Why").first.click()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.locator("[data-model=ease] .item").first.wait_for()
    assert tab.locator("img[src='x']").count() == 0
    assert tab.title() == "What next, and why? whyrec"


def test_a_model_without_a_history_shows_what_the_item_itself_says_and_shows(
    stocked: Shop, chromium: "Browser"
) -> None:
    model = stocked.fitted("mlam", "whole")
    first = model.recommend(model.person("p2"), 1)[0]
    influence = {one.over: one for one in model.explain(model.person("p2"), first.item).influence}
    desk = Desk({"mlam": model})
    app = application(desk, Pictures(model, stocked.layout.images), WORDS, ["127.0.0.1", "localhost"], 64)
    with served(app) as address:
        tab = chromium.new_page(viewport={"width": 1200, "height": 900})
        opened = Opened(tab, address)
        opened.shown("mlam", titles(model, "p2"))
        tab.get_by_role("button", name="Why").first.click()
        why = tab.locator(".why").first
        why.get_by_text("its own words").wait_for()
        word = max(influence["word"].parts, key=lambda part: abs(part.weight)).label.lower()
        assert why.get_by_role("row", name=word).count() >= 1
        why.get_by_text("its own regions").wait_for()
        assert why.locator(".pictured rect").count() == min(3, len(influence["region"].parts))
        assert why.get_by_role("button", name="Mute").count() == 0, "there is no act in which to mute them"
        assert tab.get_by_text(first.because or "", exact=True).count() >= 1
        tab.close()
    assert opened.complaints == []

"""The page of reasons in a real browser: search, sort, one person after another, keyboard alone, phone width, dark."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import models
from stages.explain.__main__ import main
from tests.stages.explain.conftest import HOSTILE, Toy
from tests.stages.explain.test_checked_acts import Late, Spoilt
from tests.stages.explain.test_explain import params

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


# every text that is to be seen, as [contrast with what lies behind it, the text]; WCAG 2.2
CONTRASTS = """() => {
  const parts = (colour) => { const [r, g, b, a = 1] = colour.match(/[0-9.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = (colour) => {
    const [r, g, b] = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => over(parts(getComputedStyle(one).backgroundColor), behind(one.parentElement));
  const behind = (one) => (one ? ground(one) : [255, 255, 255, 1]);
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const text = [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    if (!text || one.closest("svg, script, option") || !one.checkVisibility()) continue;
    const below = behind(one);
    const [low, high] = [light(below), light(over(parts(getComputedStyle(one).color), below))].sort((a, b) => a - b);
    found.push([(high + 0.05) / (low + 0.05), text]);
  }
  return found;
}"""


class Opened:
    """The page in a tab, with what the browser complained about and asked for."""

    def __init__(self, tab: "Page", address: str) -> None:
        self.tab = tab
        self.complaints: list[str] = []
        self.asked: list[str] = []
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: self.complaints.append("a dialog opened"))
        tab.on("request", lambda request: self.asked.append(request.url.split(":")[0]))
        tab.goto(address)

    def people(self) -> list[str]:
        """Whose sections are to be seen, in order."""
        return self.tab.locator("article.person:visible h2").all_inner_texts()

    def named(self) -> list[str]:
        """Who is listed above, in order."""
        return self.tab.locator("nav a:visible").all_inner_texts()


def opened_page(world: Any, monkeypatch: pytest.MonkeyPatch, browser: "Browser", model: Toy, **how: Any) -> Opened:
    """The page of a model in a tab of a phone's width; `how`: of the tab."""
    monkeypatch.setattr(models, "configure", lambda choice: model)
    monkeypatch.setattr(models, "restore", lambda *args: model)
    main(params(), world.layout)
    return Opened(browser.new_page(viewport={"width": 390, "height": 800}, **how), world.layout.page.as_uri())


@pytest.fixture
def opened(small: Any, monkeypatch: pytest.MonkeyPatch, chromium: "Browser") -> Iterator[Opened]:
    found = opened_page(small, monkeypatch, chromium, Toy())
    yield found
    found.tab.close()
    assert found.complaints == []
    assert set(found.asked) <= {"file", "data"}


def test_people_are_switched_and_listed_anew_without_a_request(opened: Opened) -> None:
    tab = opened.tab
    assert opened.people() == ["person-1"]
    tab.get_by_role("button", name="Next").click()
    assert opened.people() == ["person-2"]
    tab.locator("nav a", has_text="person-3").click()
    tab.locator("article.person:visible h2", has_text="person-3").wait_for()
    assert opened.people() == ["person-3"]
    tab.get_by_label("all at once").check()
    assert opened.people() == ["person-1", "person-2", "person-3"]
    tab.get_by_label("Sort").select_option("acts")  # person-3 did 4 things before, the others 3 and 1
    assert opened.people() == ["person-3", "person-1", "person-2"]
    assert [name.split()[0] for name in opened.named()] == ["person-3", "person-1", "person-2"]


def test_people_are_found_by_name_and_by_title(opened: Opened) -> None:
    tab = opened.tab
    tab.get_by_label("Search").fill("PERSON-2")
    assert opened.people() == ["person-2"]
    assert tab.locator("output").inner_text() == "1 of 3 people"
    tab.get_by_label("Search").fill("silent")
    listed = [name.split()[0] for name in opened.named()]
    assert "person-1" in listed
    assert "person-2" not in listed
    tab.get_by_label("Search").fill("no such thing")
    assert opened.people() == []


def test_the_keyboard_alone_reaches_the_weights_of_words(opened: Opened) -> None:
    tab = opened.tab
    folded = tab.locator("details.folded summary").first
    folded.focus()
    tab.keyboard.press("Enter")
    summary = tab.locator("details.folded[open] details.figures summary").first
    for _ in range(5):
        if summary.evaluate("one => one === document.activeElement"):
            break
        tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    told = tab.locator("details.folded[open] details.figures[open] .told").first
    assert told.inner_text().startswith("0.700 Two")


def test_a_hostile_title_is_text_and_nothing_is_wider_than_a_phone(opened: Opened) -> None:
    tab = opened.tab
    tab.get_by_label("all at once").check()
    assert tab.get_by_text(HOSTILE).first.is_visible()
    assert tab.locator("script").count() == 1
    for details in tab.locator("details").all():
        details.evaluate("one => { one.open = true }")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_script_that_is_not_the_page_s_own_is_not_run(small: Any, opened: Opened) -> None:
    html = small.page.replace("</main>", "<script>document.title = 'taken over'</script></main>")
    small.layout.page.write_text(html)
    opened.tab.reload()
    assert opened.tab.title().startswith("Why these?")
    assert len(opened.complaints) == 1
    assert "Content Security Policy" in opened.complaints.pop()


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(250, 249, 246)"), ("dark", "rgb(23, 22, 19)")])
def test_the_page_follows_the_scheme_and_every_text_stands_out(
    small: Any, monkeypatch: pytest.MonkeyPatch, chromium: "Browser", scheme: str, paper: str
) -> None:
    tab = opened_page(small, monkeypatch, chromium, Toy(), color_scheme=scheme).tab
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    tab.get_by_label("all at once").check()
    for details in tab.locator("details").all():
        details.evaluate("one => { one.open = true }")
    contrasts = tab.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert any(text.startswith("Because of") for _, text in contrasts)
    assert [text for ratio, text in contrasts if ratio < 4.5] == []
    tab.close()


def test_every_recommendation_shows_one_sentence_at_once(opened: Opened) -> None:
    tab = opened.tab
    tab.get_by_label("all at once").check()
    heroes = tab.locator("li.hero").all()
    assert len(heroes) == 6
    for hero in heroes:
        (said,) = hero.locator(".said").all()
        assert said.is_visible()
        led = hero.locator(".because .name bdi").all_inner_texts()
        assert said.inner_text() == (f"Because of {led[0]}." if led else "Nothing that was acted on speaks for it.")
    assert tab.locator(".said:not(.none)").count() > 2


def test_where_nothing_alone_lowers_a_score_that_is_read_and_the_acts_are_folded(
    small: Any, monkeypatch: pytest.MonkeyPatch, chromium: "Browser"
) -> None:
    tab = opened_page(small, monkeypatch, chromium, Spoilt(1, 2, 3)).tab
    hero = tab.locator("article:visible li.hero").first
    assert "not lower its score by being left out alone" in hero.locator(".said").inner_text()
    assert hero.locator(".because").count() == 0
    mark = hero.get_by_text("not confirmed").first
    assert not mark.is_visible()
    hero.get_by_text("All the weights of what was acted on").click()
    assert mark.is_visible()
    tab.close()


def test_what_is_drawn_afterwards_is_seen_only_where_it_is_unfolded(
    small: Any, monkeypatch: pytest.MonkeyPatch, chromium: "Browser"
) -> None:
    tab = opened_page(small, monkeypatch, chromium, Late()).tab
    person = tab.locator("article.person:visible")
    marks = person.locator(".mark.after")
    assert marks.count() > 5
    assert [mark.inner_text() for mark in marks.all() if mark.is_visible()] == []
    assert "attention" not in person.inner_text()
    folded = person.locator("details.folded", has_text="of what was acted on").first
    folded.locator("summary").first.press("Enter")
    assert folded.locator(".mark.after").inner_text() == "attention · drawn afterwards"
    assert "0.500" in folded.locator("table").inner_text()
    tab.close()

"""The page of reasons in a real browser: search, sort, one person after another, keyboard alone, phone width."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import models
from stages.explain.__main__ import main
from tests.stages.explain.conftest import HOSTILE, Toy
from tests.stages.explain.test_explain import params

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


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


@pytest.fixture
def opened(small: Any, monkeypatch: pytest.MonkeyPatch, chromium: "Browser") -> Iterator[Opened]:
    monkeypatch.setattr(models, "configure", lambda choice: Toy())
    monkeypatch.setattr(models, "restore", lambda *args: Toy())
    main(params(), small.layout)
    tab = chromium.new_page(viewport={"width": 390, "height": 800})
    found = Opened(tab, small.layout.page.as_uri())
    yield found
    tab.close()
    assert found.complaints == []
    assert set(found.asked) <= {"file", "data"}


def test_people_are_switched_and_listed_anew_without_a_request(opened: Opened) -> None:
    tab = opened.tab
    assert opened.people() == ["person-1"]
    tab.get_by_role("button", name="Next").click()
    assert opened.people() == ["person-2"]
    tab.locator("nav a", has_text="person-3").click()
    tab.wait_for_function("document.querySelector('article:not([hidden]) h2').textContent == 'person-3'")
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

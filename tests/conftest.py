"""What all tests share: which go to one process together, and that none silences what others listen to."""

import logging
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's go together, and of the laws a model's, so that what they share is made once."""
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        model = params.get("name", "") if "models" in item.path.parts else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{item.path.stem} {model}".strip()))


@pytest.fixture(autouse=True)
def logging_is_on() -> Iterator[None]:
    """Benchmarks turn it off for good, as commands may."""
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    """A browser without a window; skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium on this machine: pages are not tried in a browser")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()

"""What all tests share: which go to one process together, and that none silences what others listen to."""

import logging
import pkgutil
import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import models

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MODELS = {found.name for found in pkgutil.iter_modules(models.__path__)}
LONGEST = ("test_end_to_end", "test_tutorial")


class ByFile(LoadScopeScheduling):
    """A file's tests go to one process, and of the laws a model's, so that what they share is made once.

    By pytest-xdist's own hook: its marks of groups do nothing under pytest 9.2, whose nodes have no `_nodeid`.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        model = re.search(r"\[([a-z_0-9]+)-", test) if file.startswith("tests/models/") else None
        return f"{file} {model[1]}" if model and model[1] in MODELS else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """How tests are handed out, whatever --dist says."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes in one process begins first."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


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

"""What all tests share: which go to one process together, and that none silences what others listen to."""

import logging
from collections.abc import Iterator

import pytest


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

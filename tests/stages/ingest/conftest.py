"""The sections of params.yaml, with what a test changes in them."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.tables.params import read_yaml
from engine.tables.settings import Choice, Record, checked
from stages.ingest.__main__ import Params

Section = Callable[..., Params]


@pytest.fixture
def section() -> Section:
    """`section("movielens", folder=…)`: the params of ingest for that dataset."""
    datasets = read_yaml(Path("params.yaml"))["datasets"]

    def make(name: str, seed: int = 1, **changes: Any) -> Params:
        settings = datasets[name] | changes
        return Params(dataset=Choice(name=name, settings=settings), seed=seed)

    return make


def settings_of(params: Params, module: ModuleType) -> Record:
    """The section as the source's own settings."""
    settings = {name: value for name, value in params.dataset.settings.items() if name != "source"}
    return checked(module.Settings, settings, "test")

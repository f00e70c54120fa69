"""Progress is drawn on a terminal, and nothing is where there is none."""

import io

import pytest
import rich
from rich.console import Console

from engine.training.bar import bar


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_drawn_on_a_terminal_alone(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = io.StringIO()
    monkeypatch.setattr(rich, "_console", Console(file=drawn, force_terminal=terminal))
    assert list(bar(range(3), "test acts")) == [0, 1, 2]
    assert ("test acts" in drawn.getvalue()) == terminal
    assert bool(drawn.getvalue()) == terminal

"""A stage as a command: what stops it, and with which status."""

import pytest

from engine.tables.command import command
from engine.tables.lacking import STATUS, Lacking


def test_what_the_data_lacks_has_a_status_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, command("train"):
        raise Lacking("the model reads ratings,\x1b and these events have none")
    assert ended.value.code == STATUS == 3
    said = capsys.readouterr().err
    assert said.startswith("train: the model reads ratings,\\x1b and these events have none\n")


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("no"), OSError("no"), FloatingPointError("no")])
def test_all_else_that_is_refused_ends_with_its_message(error: Exception) -> None:
    with pytest.raises(SystemExit) as ended, command("train"):
        raise error
    assert str(ended.value.code).startswith("train: no\n")

import io
from pathlib import Path

import pytest
from rich.console import Console

from stages.ingest.reading import progress
from stages.ingest.reading.stream import Limits, blocks


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_counts_the_bytes_of_all_files_and_only_in_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=120)
    monkeypatch.setattr(progress, "get_console", lambda: console)
    monkeypatch.setattr("rich.progress.get_console", lambda: console)
    files = [tmp_path / "a", tmp_path / "b"]
    for file in files:
        file.write_bytes(b"one line\n" * 1_000)
    with progress.reading_bar(files) as wrap:
        read = [block.text for file in files for block in blocks(file, Limits(gigabytes=1, megabytes=1), wrap)]
    assert b"".join(read) == b"one line\n" * 2_000
    assert ("2 files" in screen.getvalue() and "18.0/18.0 kB" in screen.getvalue()) == terminal
    assert terminal or not screen.getvalue()

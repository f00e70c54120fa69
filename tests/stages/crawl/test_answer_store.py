import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stages.crawl.answer_store import Answer, AnswerStore
from stages.crawl.failures import CrawlStopped


def test_an_answer_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "answers.sqlite"
    with closing(AnswerStore(path)) as answers:
        answers.put("http://x/1", "picture", Answer(404, b"\x00\xff", "note"))
    with closing(AnswerStore(path)) as answers:
        assert answers.get("http://x/1", "picture") == Answer(404, b"\x00\xff", "note")
        assert answers.get("http://x/2", "picture") is None


def test_a_killed_process_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    program = (
        "import sys; from pathlib import Path; from stages.crawl.answer_store import Answer, AnswerStore\n"
        "answers = AnswerStore(Path(sys.argv[1]))\n"
        "for n in range(10**9): answers.put(str(n), 'json', Answer(200, b'x' * 15000)); print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(200):
            last = process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    with closing(AnswerStore(path)) as answers:
        assert int(last) == 199
        assert all(answers.get(str(n), "json") == Answer(200, b"x" * 15000) for n in range(200))


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_bytes(b"these are notes of mine, " * 100)
    with pytest.raises(ValueError, match=r"answers\.sqlite: cannot keep answers there.*move it away"):
        AnswerStore(path)
    assert path.read_bytes().startswith(b"these are notes of mine")


def test_a_store_that_fails_on_the_way_stops_the_crawl_in_words(tmp_path: Path) -> None:
    """Damaged inside; a full disk; a folder in its place."""
    path = tmp_path / "answers.sqlite"
    with closing(AnswerStore(path)) as store:
        for n in range(9):
            store.put(str(n), "json", Answer(200, b"x" * 3000))
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(CrawlStopped, match=r"answers\.sqlite: cannot keep answers there: .*full; free some disk"):
            store.put("9", "json", Answer(200, b"x" * 30000))
        assert store.get("8", "json") == Answer(200, b"x" * 3000)
    data = path.read_bytes()
    path.write_bytes(data[:8192] + b"\xaa" * (len(data) - 8192))
    with closing(AnswerStore(path)) as store, pytest.raises(CrawlStopped, match=r"malformed; move it away to start"):
        store.get("8", "json")
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(CrawlStopped, match=r"folder\.sqlite: cannot keep answers there: unable to open .*is it a file"):
        AnswerStore(tmp_path / "folder.sqlite")


def test_an_address_gives_json_and_a_picture_each_for_itself(tmp_path: Path) -> None:
    with closing(AnswerStore(tmp_path / "answers.sqlite")) as store:
        store.put("http://x/1", "json", Answer(200, b"{}"))
        assert store.get("http://x/1", "picture") is None
        store.put("http://x/1", "picture", Answer(200, b"P6", "{}"))
        assert store.get("http://x/1", "json") == Answer(200, b"{}")


def test_a_file_from_before_there_were_kinds_is_taken_over_and_healed(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    size = '{"width": 2}'
    rows = [("http://x/film", 200, "", b"{}"), ("http://x/1.jpg", 200, size, b"P6"), ("http://x/no", 404, "", b"")]
    with closing(sqlite3.connect(path)) as old:
        old.execute("CREATE TABLE answers (address TEXT PRIMARY KEY, status INTEGER, note TEXT, body BLOB)")
        old.executemany("INSERT INTO answers VALUES (?, ?, ?, ?)", rows)
        old.commit()
    for _ in range(2):
        with closing(AnswerStore(path)) as store:
            assert store.get("http://x/film", "json") == Answer(200, b"{}")
            assert store.get("http://x/film", "picture") is None, "JSON that was once taken for a picture"
            assert store.get("http://x/1.jpg", "picture") == Answer(200, b"P6", size)
            assert store.get("http://x/1.jpg", "json") is None
            assert store.get("http://x/no", "json") == store.get("http://x/no", "picture") == Answer(404, b"")

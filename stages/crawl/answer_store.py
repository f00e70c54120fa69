"""What the services answered, kept as it comes, so that a killed crawl asks for nothing twice."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stages.crawl.failures import CrawlStopped

Kind = Literal["json", "picture"]

_TABLE = (
    "CREATE TABLE IF NOT EXISTS kept (address TEXT NOT NULL, kind TEXT NOT NULL, status INTEGER NOT NULL,"
    " metadata TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (address, kind))"
)
# before there were kinds, only whole pictures had a note; a 404 may be of either kind
_FROM_ANSWERS = (
    "INSERT OR IGNORE INTO kept SELECT address, 'picture', status, note, body FROM answers"
    " WHERE note <> '' OR status = 404",
    "INSERT OR IGNORE INTO kept SELECT address, 'json', status, note, body FROM answers WHERE note = ''",
    "DROP TABLE answers",
)
_CURES = {  # by SQLite's words; what is left is damage
    "full": "free some disk and run it again: what was kept stays",
    "unable to open": "may this user write there, and is it a file?",
    "readonly": "may this user write there?",
    "locked": "another crawl works with it: let it end, then run it again",
}


@dataclass(frozen=True)
class Answer:
    """An accepted answer (HTTP 200 or 404); `metadata` is of a picture: its format, size and digest as JSON."""

    status: int
    body: bytes
    metadata: str = ""


class AnswerStore:
    """Answers by address (base and path, never a key) and kind, in one SQLite file; each is committed when kept.

    The kind is what was asked for: what an address gave as JSON is never taken for a picture. A process killed at any
    moment loses nothing that was kept; a power cut may lose the last few, and never the file.

    Raises:
        CrawlStopped: here and in each method: it is no such database, it is damaged, the disk is full.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        with self._working():
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            with self._working():
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.execute(_TABLE)
                self._convert()
        except CrawlStopped:
            self._connection.close()
            raise

    def get(self, address: str, kind: Kind) -> Answer | None:
        """The answer kept for `address`, or None."""
        query = "SELECT status, body, metadata FROM kept WHERE address = ? AND kind = ?"
        with self._working():
            row = self._connection.execute(query, (address, kind)).fetchone()
        return None if row is None else Answer(*row)

    def put(self, address: str, kind: Kind, answer: Answer) -> None:
        """Store `answer` durably."""
        row = (address, kind, answer.status, answer.metadata, answer.body)
        with self._working():
            self._connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the file, when nobody reads or writes."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Alone with the database; where it fails the crawl ends, since nothing more could be kept."""
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            cure = next((cure for words, cure in _CURES.items() if words in str(error)), "move it away to start anew")
            raise CrawlStopped(f"{self.path}: cannot keep answers there: {error}; {cure}") from None

    def _convert(self) -> None:
        if self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'answers'").fetchone():
            self._connection.execute("BEGIN IMMEDIATE")
            for statement in _FROM_ANSWERS:
                self._connection.execute(statement)
            self._connection.execute("COMMIT")

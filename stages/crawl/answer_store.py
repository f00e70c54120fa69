"""What the services answered, kept as it comes, so that a killed crawl asks for nothing twice."""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """An accepted answer (HTTP 200 or 404): `note` is what its reader found out, e.g. a picture's size as JSON."""

    status: int
    body: bytes
    note: str = ""


class Answers:
    """Answers by address (base and path, never a key), in one SQLite file, each committed before `keep` returns.

    A process killed at any moment loses nothing that was kept; a power cut may lose the last few, and never the file.

    Raises:
        ValueError: the file is not such a database.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS answers"
                " (address TEXT PRIMARY KEY, status INTEGER NOT NULL, note TEXT NOT NULL, body BLOB NOT NULL)"
            )
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise ValueError(f"{path}: cannot keep answers there: {error}; move it away to start anew") from None

    def find(self, address: str) -> Answer | None:
        """The answer kept for `address`, or None."""
        query = "SELECT status, body, note FROM answers WHERE address = ?"
        with self._lock:
            row = self._connection.execute(query, (address,)).fetchone()
        return None if row is None else Answer(*row)

    def keep(self, address: str, answer: Answer) -> None:
        """Store `answer` durably."""
        row = (address, answer.status, answer.note, answer.body)
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

"""Digests of files, each read again only when it has changed."""

import hashlib
import json
from pathlib import Path
from typing import Any

from engine.tables import files


class Digests:
    """SHA-256 of files, kept in the file `path`. One that cannot be read is made anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before, self._now = _kept(path), dict[str, dict[str, Any]]()

    def of(self, path: Path) -> tuple[int, str]:
        """A file's size in bytes and its digest.

        Raises:
            OSError: it cannot be read.
        """
        stat, name = path.stat(), str(path.absolute())
        # a copy can carry the time of what it replaces, but not when it came to lie there
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        kept = self._before.get(name, {})
        digest = kept["sha256"] if kept.get("state") == state else _sha256(path)
        self._now[name] = {"state": state, "sha256": digest}
        return stat.st_size, digest

    def save(self) -> None:
        """Keep them, those of files that were not asked for as well."""
        files.write_json(self._before | self._now, self.path)


def _kept(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: kept for name, kept in found.items() if isinstance(kept, dict) and "sha256" in kept}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

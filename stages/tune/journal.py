"""The file that all trials are kept in, one entry a line; a kill in the middle of a line spoils it for none."""

from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

_STEP = 1 << 16  # bytes that are looked through at a time for the end of a line


def open_journal(path: Path) -> JournalStorage:
    """The file as optuna reads it. A last line without its end, which a killed process left, is taken away first: what
    is written next would go on in it, and no search in this file could be read again.

    Raises:
        ValueError: another line is no entry; names the file.
    """
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()  # so that nobody is just writing
    try:
        _cut_unfinished(path)
    finally:
        lock.release()
    try:
        return JournalStorage(JournalFileBackend(str(path), lock))
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is damaged and its trials cannot be read ({error}); move it away, or name another folder by --out"
        ) from None


def _cut_unfinished(path: Path) -> None:
    with path.open("a+b") as file:
        end = file.tell()
        while end:
            start = max(end - _STEP, 0)
            file.seek(start)
            place = file.read(end - start).rfind(b"\n")
            if place >= 0:
                file.truncate(start + place + 1)
                return
            end = start
        file.truncate(0)

"""Files that are written whole or not at all, which of them were opened, and the folder for what survives a kill."""

import errno
import fcntl
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"  # stands before what is drawn: torch writes all but the last ending into its files
FULL = 1 << 16  # a disk with fewer free bytes is full, whatever a library's error says

_opened: dict[str, set[str]] = {"read": set(), "written": set()}


def reading(path: Path) -> Path:
    """`path`, noted as read."""
    _opened["read"].add(str(path))
    return path


def writing(path: Path) -> Path:
    """`path`, noted as written."""
    _opened["written"].add(str(path))
    return path


def opened() -> dict[str, list[str]]:
    """What this process read and wrote through the store so far: a test holds it against dvc.yaml."""
    return {kind: sorted(paths) for kind, paths in _opened.items()}


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place, synced to the disk, when the block ends well.

    It is removed when the block does not; what a killed process left in the folder is removed first.

    Raises:
        OSError: names `path` where the disk is full.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}{UNFINISHED}.", dir=_beside(path))
    temporary = Path(name)
    try:
        with _locked(handle, path):
            yield temporary
            temporary.chmod(0o644)
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """The same for a folder."""
    with scratch_folder(path) as scratch:
        new = scratch / "new"
        new.mkdir()
        yield new
        if path.exists():
            os.replace(path, scratch / "old")
        os.replace(new, path)
        _sync(path.parent)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` for what is needed on the way; it is removed, also when its process was killed."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}{UNFINISHED}.", dir=_beside(path)))
    try:
        with _locked(os.open(scratch, os.O_RDONLY), path):
            yield scratch
    finally:
        shutil.rmtree(scratch)


def _beside(path: Path) -> Path:
    """The folder of `path`, which is noted as written, without what killed processes left there."""
    folder = writing(path).parent
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f".*{UNFINISHED}.*"):
        _remove_unlocked(left)
    return folder


@contextmanager
def _locked(handle: int, path: Path) -> Iterator[None]:
    """An open temporary file or folder is locked while it is worked on, so that it is not taken for a leftover."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    except Exception as error:
        if "No space left" in str(error) or shutil.disk_usage(path.parent).free < FULL:
            raise OSError(errno.ENOSPC, "no space left on the disk; free some and run it again", str(path)) from error
        raise
    finally:
        os.close(handle)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else works in `folder` meanwhile.

    Raises:
        ValueError: somebody does.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{folder}: another run does the same right now; let it end, then run it again") from None
        yield
    finally:
        os.close(handle)


def _remove_unlocked(left: Path) -> None:
    try:
        handle = os.open(left, os.O_RDONLY)
    except FileNotFoundError:
        return  # its process has just ended
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    except BlockingIOError:
        pass  # somebody works on it
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(value: dict[str, Any], path: Path) -> None:
    """A reading, keys sorted, floats to ten digits so that the same run leaves the same bytes.

    A float that is not finite is written as null: JSON has no NaN. Sections may lie in sections.
    """
    write_text(json.dumps(_digits(value), indent=1, sort_keys=True, allow_nan=False) + "\n", path)


def _digits(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _digits(inner) for key, inner in value.items()}
    if isinstance(value, float):
        return round(value, 10) if math.isfinite(value) else None
    return value


def write_text(text: str, path: Path) -> None:
    """Write a text whole."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cache(*parts: str) -> Path:
    """A folder under `${DVC_ROOT:-.}/.cache`: outside DVC, so what lies there survives a kill."""
    path = Path(os.environ.get("DVC_ROOT", "."), ".cache", *parts)
    path.mkdir(parents=True, exist_ok=True)
    return path

"""Files that are written whole or not at all, which of them were opened, and the folder for what survives a kill."""

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    """A temporary path beside `path` that takes its place when the block ends well, and is removed when it does not."""
    writing(path).parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(value: dict[str, Any], path: Path) -> None:
    """A reading, keys sorted, floats to ten digits so that the same run leaves the same bytes.

    A float that is not finite is written as null: JSON has no NaN.
    """
    rounded = {key: _digits(v) if isinstance(v, float) else v for key, v in value.items()}
    write_text(json.dumps(rounded, indent=1, sort_keys=True, allow_nan=False) + "\n", path)


def _digits(value: float) -> float | None:
    return round(value, 10) if math.isfinite(value) else None


def write_text(text: str, path: Path) -> None:
    """Write a text whole."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cache(*parts: str) -> Path:
    """A folder under `${DVC_ROOT:-.}/.cache`: outside DVC, so what lies there survives a kill."""
    path = Path(os.environ.get("DVC_ROOT", "."), ".cache", *parts)
    path.mkdir(parents=True, exist_ok=True)
    return path

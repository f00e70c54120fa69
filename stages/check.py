"""Whether the settings that params.yaml chooses are right, and which raw files the data set names."""

import difflib
import hashlib
import importlib
import json
import logging
import reprlib
from pathlib import Path
from typing import Any

from engine.tables import files
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.params import declared, places, read_yaml
from engine.tables.settings import Record, checked

log = logging.getLogger(__name__)

SCALARS = ("dataset", "content", "protocol", "model")


class Params(Record):
    """params.yaml, whole."""

    params: dict[str, Any]


def main(params: Params, layout: Layout) -> None:
    """Refuse a wrong name or setting before any other stage runs; note size and digest of the raw files.

    Settings that were found right are not looked at again until they, or the code, change.
    """
    names(params.params)
    pipeline = read_yaml(Path("dvc.yaml"))
    passed = files.cache("check") / _digest(params.params, pipeline)
    if not passed.exists():
        sections(params.params, pipeline)
        files.write_text("", passed)
    found = raw_files(params.params)
    files.write_json({"files": found}, layout.sources)
    log.info("settings are right; %d raw files", len(found))


def names(params: dict[str, Any]) -> None:
    """Refuse a scalar that names no section.

    Raises:
        ValueError: the scalar, what was found, the names that exist and the one that is nearest.
    """
    for scalar in SCALARS:
        name, there = params.get(scalar), params.get(f"{scalar}s", {})
        if not isinstance(there, dict):
            raise ValueError(f"params.yaml: {scalar}s is {reprlib.repr(there)}, expected sections")
        if not isinstance(name, str) or name not in there:
            near = difflib.get_close_matches(str(name), map(str, there), 1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"params.yaml: {scalar} is {name!r}{meant} There are {', '.join(sorted(map(str, there)))}")


def sections(params: dict[str, Any], pipeline: dict[str, Any]) -> None:
    """Check every section that a stage reads, as the stage itself would.

    Raises:
        ValueError: the stage's own error.
    """
    for stage in pipeline["stages"]:
        if stage == "check":
            continue
        module = importlib.import_module(module_name(stage))
        found = checked(module.Params, declared(stage, params, pipeline), places(stage, params, pipeline))
        if hasattr(module, "settings"):
            module.settings(found)  # what a section chosen by name holds


def module_name(stage: str) -> str:
    """Where a stage's `main`, `Params` and `settings` are."""
    folder = Path(__file__).with_name(stage)
    return f"stages.{stage}.__main__" if folder.is_dir() else f"stages.{stage}"


def raw_files(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Name, size and digest of each raw file of the chosen data set; none for made and downloaded ones."""
    ingest = importlib.import_module(module_name("ingest"))
    chosen = declared("ingest", params, read_yaml(Path("dvc.yaml")))
    paths: list[Path] = ingest.raw_files(checked(ingest.Params, chosen, "ingest"))
    known = files.cache("check") / "digests.json"
    before = _noted(known)
    found, noted = [], {}
    for path in paths:
        if not path.is_file():  # a pipe or a device would never end
            raise ValueError(f"{path}: a folder, a pipe or a device; name a plain file")
        stat = path.stat()
        # a copy can carry the time of what it replaces, but not when it came to lie there
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        kept = before.get(str(path.absolute()), {})
        sha = kept["sha256"] if kept.get("state") == state else _sha256(path)
        noted[str(path.absolute())] = {"state": state, "sha256": sha}
        found.append({"name": path.name, "size": stat.st_size, "sha256": sha})
    files.write_json(before | noted, known)
    return found


def _noted(path: Path) -> dict[str, dict[str, Any]]:
    """Digests of an earlier run; none where they cannot be read: they are made anew."""
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


def _digest(params: dict[str, Any], pipeline: dict[str, Any]) -> str:
    """Of the settings and of all code, by size and time of its files."""
    code = [p for floor in ("engine", "models", "stages") for p in sorted(Path(floor).rglob("*.py"))]
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in code]
    return hashlib.sha256(repr((params, pipeline, stats)).encode()).hexdigest()[:20]


if __name__ == "__main__":
    run(main)

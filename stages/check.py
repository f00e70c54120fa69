"""Whether the settings that params.yaml chooses are right, and which raw files the data set names."""

import difflib
import hashlib
import importlib
import logging
import reprlib
from pathlib import Path
from typing import Any

from rich.progress import track

from engine.tables import files
from engine.tables.command import run
from engine.tables.digests import Digests
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
            meant = f"; did you mean {near[0]!r}?" if near else "."
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
            try:
                module.settings(found)  # what a section chosen by name holds
            except ValueError as error:
                raise ValueError(f"{error}{_other_content(stage, params)}") from None


def _other_content(stage: str, params: dict[str, Any]) -> str:
    """What reads the pictures of other data than the demo, where they are read as the demo's."""
    if stage in ("regions", "images") and params["content"] == "demo" and params["dataset"] != "demo":
        return f"; contents.demo is for {stage} of the demo: content=real has trained networks, content=none reads none"
    return ""


def module_name(stage: str) -> str:
    """Where a stage's `main`, `Params` and `settings` are."""
    folder = Path(__file__).with_name(stage)
    return f"stages.{stage}.__main__" if folder.is_dir() else f"stages.{stage}"


def raw_files(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Name, size and digest of each raw file of the chosen data set, and of the pictures that it names, all together;
    none for made and downloaded ones.
    """
    ingest = importlib.import_module(module_name("ingest"))
    chosen = checked(ingest.Params, declared("ingest", params, read_yaml(Path("dvc.yaml"))), "ingest")
    digests, found = Digests(files.cache("check") / "digests.json"), []
    for path in ingest.raw_files(chosen):
        if not path.is_file():  # a pipe or a device would never end
            raise ValueError(f"{path}: a folder, a pipe or a device; name a plain file")
        size, sha256 = digests.of(path)
        found.append({"name": path.name, "size": size, "sha256": sha256})
    if pictures := ingest.pictures(chosen):
        found.append(_together(pictures, digests))
    digests.save()
    return found


def _together(pictures: dict[str, Path], digests: Digests) -> dict[str, Any]:
    """Pictures by the paths that name them, as one entry: a digest of all their paths and digests."""
    all_of_them, total = hashlib.sha256(), 0
    for name, path in track(sorted(pictures.items()), "pictures", transient=True):
        size, sha256 = digests.of(path)
        all_of_them.update(f"{name}\0{sha256}\n".encode())
        total += size
    return {"name": "pictures", "files": len(pictures), "size": total, "sha256": all_of_them.hexdigest()}


def _digest(params: dict[str, Any], pipeline: dict[str, Any]) -> str:
    """Of the settings and of all code, by size and time of its files."""
    code = [p for floor in ("engine", "models", "stages") for p in sorted(Path(floor).rglob("*.py"))]
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in code]
    return hashlib.sha256(repr((params, pipeline, stats)).encode()).hexdigest()[:20]


if __name__ == "__main__":
    run(main)

"""params.yaml for a stage: read as DVC reads it (YAML 1.2), cut to what dvc.yaml declares, frozen and checked."""

import argparse
import inspect
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.logging import RichHandler
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


class Record(BaseModel):
    """A frozen section of params.yaml; a key that it does not know is refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Choice(Record):
    """A section chosen by a scalar, e.g. `models.${model}`: the scalar's value and the section as it stands."""

    name: str
    settings: dict[str, Any]


R = TypeVar("R", bound=Record)


def checked(record: type[R], settings: dict[str, Any], where: str) -> R:
    """`settings` as a `record`.

    Raises:
        ValueError: each wrong key with its place, what was found and which keys there are.
    """
    try:
        return record.model_validate(settings)
    except ValidationError as error:
        lines = []
        for e in error.errors():
            place = ".".join([where, *map(str, e["loc"])])
            known = f"; known keys: {', '.join(sorted(record.model_fields))}" if e["type"] == "extra_forbidden" else ""
            lines.append(f"{place}: {e['msg']} (found {e['input']!r}){known}")
        raise ValueError("params.yaml: " + "\n".join(lines)) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML 1.2 file, so that 1e-3 is a number."""
    try:
        found = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise ValueError(f"{path} does not parse: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected sections, found {type(found).__name__}")
    return found


def lookup(params: dict[str, Any], key: str) -> Any:
    """The value at a dotted key.

    Raises:
        KeyError: names the part that is not there and what is.
    """
    found: Any = params
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            there = sorted(found) if isinstance(found, dict) else repr(found)
            raise KeyError(f"params.yaml has no {part!r} in {key!r}; it has {there}")
        found = found[part]
    return found


def override(params: dict[str, Any], assignment: str) -> None:
    """Set `key.to.value=5` in place; the key must exist already."""
    key, _, text = assignment.partition("=")
    if not _:
        raise ValueError(f"{assignment!r}: an override is written key=value, e.g. models.sasrec.dim=32")
    lookup(params, key)
    *parents, last = key.split(".")
    place = params
    for parent in parents:
        place = place[parent]
    place[last] = YAML(typ="safe").load(text)


def declared(stage: str, params: dict[str, Any], pipeline: dict[str, Any]) -> dict[str, Any]:
    """What dvc.yaml lets `stage` read: scalars and sections by their last fixed name.

    `datasets.${dataset}` arrives as `dataset: Choice`, `datasets.${dataset}.crawl` as `crawl`.
    """
    if stage not in pipeline["stages"]:
        raise KeyError(f"dvc.yaml has no stage {stage!r}; it has {sorted(pipeline['stages'])}")
    found: dict[str, Any] = {}
    for entry in pipeline["stages"][stage].get("params", []):
        chosen = re.fullmatch(r"\w+\.\$\{(\w+)\}", entry)
        key = re.sub(r"\$\{(\w+)\}", lambda m: str(lookup(params, m[1])), entry)
        value = lookup(params, key)
        if chosen:
            found[chosen[1]] = Choice(name=key.rsplit(".", 1)[1], settings=value)
        else:
            found[key.rsplit(".", 1)[-1]] = value
    return found


def cache(*parts: str) -> Path:
    """A folder under `${DVC_ROOT:-.}/.cache`: outside DVC, so what lies there survives a kill."""
    path = Path(os.environ.get("DVC_ROOT", "."), ".cache", *parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def run(main: Callable[..., None]) -> None:
    """Make a stage's `main(params, path, …)` a command: `python -m stages.x --path … [key=value …]`.

    Paths come from the command line (dvc.yaml writes it), params from params.yaml, cut to what dvc.yaml declares.
    """
    logging.basicConfig(level="INFO", format="%(message)s", datefmt="%X", handlers=[RichHandler(show_path=False)])
    signature = inspect.signature(main, eval_str=True)
    record = signature.parameters["params"].annotation
    paths = [name for name in signature.parameters if name != "params"]
    stage = sys.modules["__main__"].__spec__.name.removesuffix(".__main__").split(".")[1]  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(prog=f"python -m stages.{stage}", description=inspect.getdoc(main))
    for name in paths:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True, metavar="PATH")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="a param to set for this run")
    arguments = parser.parse_args()
    try:
        params = read_yaml(Path("params.yaml"))
        for assignment in arguments.overrides:
            override(params, assignment)
        found = declared(stage, params, read_yaml(Path("dvc.yaml")))
        main(checked(record, found, stage), **{name: getattr(arguments, name) for name in paths})
    except (ValueError, KeyError, FileNotFoundError) as error:
        if os.environ.get("WHYREC_TRACE"):
            raise
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        sys.exit(f"{stage}: {message}\n(set WHYREC_TRACE=1 for the whole trace)")

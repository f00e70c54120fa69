"""What can be set: `python -m stages.settings models.sasrec` explains a section of params.yaml, without a name all."""

import argparse
import importlib
import types
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic_core import PydanticUndefined
from rich.console import Console
from rich.table import Table as Sheet

import models
from engine.tables.command import refusals
from engine.tables.params import lookup, read_yaml
from engine.tables.settings import Choice, Record
from engine.training.schedule import Train

HEADS = ("setting", "in params.yaml", "default", "may be", "what it is")
PARTS = ("regions", "images", "text", "topics")  # of a section of `contents`, each of the stage of its name
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def names(params: dict[str, Any]) -> list[str]:
    """Every section, by its dotted name.

    Raises:
        KeyError, ValueError: one that others stand in is not there, or no stage reads one of `contents`.
    """
    found = [f"{name}{part}" for name in _inside(params, "datasets") for part in ("", ".crawl")]
    found += _inside(params, "services")
    parts = [part for name in _inside(params, "contents") for part in _inside(params, name)]
    if wrong := [part for part in parts if part.rpartition(".")[2] not in PARTS]:
        raise KeyError(f"params.yaml: {wrong[0]}: no stage reads it; a section of contents has {', '.join(PARTS)}")
    found += [*parts, *_inside(params, "protocols"), "train", "evaluate", "recommend", "explain"]
    return found + _inside(params, "models")


def _inside(params: dict[str, Any], key: str) -> list[str]:
    if not isinstance(found := lookup(params, key), dict):
        raise ValueError(f"params.yaml: {key} is {found!r}, expected sections")
    return [f"{key}.{name}" for name in found]


def record(section: str, params: dict[str, Any]) -> type[Record]:
    """The class that checks a section.

    Raises:
        KeyError: params.yaml has no such section; names those there are.
    """
    if section not in names(params):
        raise KeyError(f"params.yaml has no section {section!r}; there are {', '.join(names(params))}")
    kind, *rest = section.split(".")
    found: type[Record]
    match kind:
        case "models":
            found = models.find(rest[0]).Config
        case "train":
            found = Train
        case "contents" | "evaluate" | "recommend" | "explain":
            found = _stage(part := section.split(".")[-1]).Params.model_fields[part].annotation
        case "services":
            found = _stage("crawl").Params.model_fields[kind].annotation.model_fields[rest[0]].annotation
        case "datasets" if rest[1:]:
            found = _stage("crawl").Params.model_fields["crawl"].annotation
        case _:
            owner = {"datasets": "ingest", "protocols": "split"}[kind]
            found = _stage(owner).record(Choice(name=rest[0], settings=params[kind][rest[0]]))
    return found


def rows(of: type[Record], values: dict[str, Any], under: str = "") -> Iterator[tuple[str, str, str, str, str]]:
    """A row a setting under HEADS; those of a section within it by their dotted names."""
    for name, field in of.model_fields.items():
        value, inner = values.get(name), _section(field.annotation)
        default = "" if field.default is PydanticUndefined or inner else _shown(field.default)
        may = " ".join([_kind(field.annotation), *_bounds(field.metadata)])
        given = "" if name not in values or inner else _shown(value)
        yield f"{under}{name}", given, default, may, field.description or ""
        if inner:
            yield from rows(inner, value or {}, f"{under}{name}.")


def _stage(name: str) -> types.ModuleType:
    folder = Path(__file__).with_name(name)
    return importlib.import_module(f"stages.{name}.__main__" if folder.is_dir() else f"stages.{name}")


def _section(kind: Any) -> type[Record] | None:
    return kind if isinstance(kind, type) and issubclass(kind, Record) else None


def _kind(kind: Any) -> str:
    """A type in words: int with its bounds, one of its values, a list of those."""
    if get_origin(kind) is Annotated:
        inner, *more = get_args(kind)
        told = [part for one in more for part in _bounds(getattr(one, "metadata", [one]))]
        return " ".join([_kind(inner), *told])
    if _section(kind) or get_origin(kind) is dict:
        return "a section"
    if get_origin(kind) is Literal:
        return ", ".join(_shown(value) for value in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_kind(part) for part in get_args(kind))
    if get_origin(kind) in (tuple, list, frozenset):
        inner = [_kind(part) for part in get_args(kind) if part is not Ellipsis]
        return f"list of {' and '.join(dict.fromkeys(inner))}"
    return str(getattr(kind, "__name__", kind))


def _bounds(metadata: Iterable[Any]) -> list[str]:
    return [f"{sign} {getattr(one, name)}" for one in metadata for name, sign in BOUNDS.items() if hasattr(one, name)]


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_shown, value)) or "(none)"
    return "''" if value == "" else str(value).lower() if isinstance(value, bool) else str(value)


def _markdown(section: str, lines: Sequence[tuple[str, ...]]) -> str:
    table = [HEADS, ("---",) * len(HEADS), *lines]
    return "\n".join([f"## `{section}`", "", *(f"| {' | '.join(row)} |" for row in table)])


def main() -> None:
    """Print the settings of a section, or of all."""
    parser = argparse.ArgumentParser(prog="python -m stages.settings", description=__doc__)
    parser.add_argument("section", nargs="?", help="e.g. models.sasrec, train, contents.demo.text; none: all")
    parser.add_argument("--markdown", action="store_true", help="as docs/settings.md has it")
    given = parser.parse_args()
    console = Console()
    with refusals("settings"):
        params = read_yaml(Path("params.yaml"))
        for section in [given.section] if given.section else names(params):
            lines = list(rows(record(section, params), lookup(params, section)))
            if given.markdown:
                print(_markdown(section, lines), end="\n\n")
                continue
            sheet = Sheet(*HEADS, title=section)
            for line in lines:
                sheet.add_row(*line)
            console.print(sheet)


if __name__ == "__main__":
    main()

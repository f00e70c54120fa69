"""Paths of categories from a cell: parted by separators, or written as a list of JSON, Python or Parquet."""

import ast
import io
import json
import re
import tokenize
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

_PATH, _STEP = "\x1e", "\x1f"  # between paths, between steps: no name holds them
_LIST = re.compile(r"""\s*(\[\s*(["'\[{\]]|-?\d+\s*[,\]])|\{|\[[^\]]*,)""")


def from_lists(path: Path, name: str, kind: pl.DataType) -> pl.Expr:
    """A Parquet column of lists (of names, or of lists of steps) as text that `paths` reads.

    Raises:
        ValueError: what the lists hold is no text.
    """
    outer = pl.col(name)
    if isinstance(kind, pl.Array):
        outer, kind = outer.arr.to_list(), pl.List(kind.inner)
    inner: Any = getattr(kind, "inner", kind)
    nested = isinstance(inner, pl.List | pl.Array)
    leaf = getattr(inner, "inner", inner)
    if not isinstance(kind, pl.List) or leaf != pl.String:
        raise ValueError(f"{path}: column {name!r} holds {kind}; it should be text, lists of text, or lists of those")
    element = pl.element()
    steps = (element.arr if isinstance(inner, pl.Array) else element.list).join(_STEP) if nested else element
    return (_PATH + outer.list.eval(steps).list.join(_PATH, ignore_nulls=True)).alias(name)


def paths(cells: pl.Series, path: str, step: str) -> pl.Series:
    """Each cell's paths, root first, each once; an empty separator parts nothing. Null stays null.

    Raises:
        ValueError: a cell begins as a list does and is none; it shows the cell.
    """
    known = {cell: _read(cell) for cell in cells.unique().drop_nulls() if _LIST.match(cell)}
    if known:
        cells = cells.replace(known)
    text = pl.col(cells.name)
    plain = text.str.replace_all(path, _PATH, literal=True) if path else text
    plain = plain.str.replace_all(step, _STEP, literal=True) if step else plain
    plain = pl.when(text.str.starts_with(_PATH)).then(text).otherwise(plain)
    name = pl.element().str.strip_chars()
    steps = pl.element().str.split(_STEP).list.eval(name.filter(name != "")).list.join(_STEP)
    each = plain.str.split(_PATH).list.eval(steps).list.eval(pl.element().filter(pl.element() != ""))
    found = each.list.unique(maintain_order=True).list.eval(pl.element().str.split(_STEP))
    return cells.to_frame().select(found).to_series()


def _read(cell: str) -> str:
    """A list as text whose separators no name holds."""
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        found = _literal(cell)
    each = [_steps(entry) for entry in found] if isinstance(found, list) else [None]
    if None in each:
        raise ValueError(
            f"{cell[:80]!r} begins as a list and is none of names, of lists of names, or of objects with a name; "
            "write names with a separator between them"
        )
    return "".join(_PATH + _STEP.join(steps or []) for steps in each) or _PATH


def _steps(entry: Any) -> list[str] | None:
    if isinstance(entry, dict):
        entry = entry.get("name")
    names = [entry] if isinstance(entry, str) else entry
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _literal(cell: str) -> Any:
    """A Python list; None where it is none, or where names stand side by side, which Python would join to one."""
    try:
        found = ast.literal_eval(cell.strip())
        kinds = [token.type for token in tokenize.generate_tokens(io.StringIO(cell.strip()).readline)]
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError, tokenize.TokenError):
        return None
    beside = any(a == b == tokenize.STRING for a, b in pairwise(kinds))
    return None if beside else found

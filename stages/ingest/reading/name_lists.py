"""A JSON object of ids and their lists of names, `{"1": ["rock", "live"], "2": []}`: what items belong to."""

import json
from codecs import BOM_UTF8
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from stages.ingest.reading import plain_text
from stages.ingest.reading.columns import Column, Tally, judged

COLUMNS = {"item": Column("id", "id"), "categories": Column("list", "categories", optional=True)}


def read(tally: Tally) -> pl.DataFrame:
    """item and categories, a list a cell as text of JSON, each name once; bad entries go to the tally.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds something else.
    """
    found = _object(tally.path)
    tally.unit = "entry"
    rows = []
    for place, (item, names) in enumerate(found.items(), 1):
        if isinstance(names, list) and all(type(name) in (str, int) for name in names):
            rows.append((place, item, json.dumps(list(dict.fromkeys(map(str, names)))) if names else None))
        else:
            tally.add(place, f"of {item!r} is {str(names)[:40]}, no list of names")
    cells = pl.DataFrame(rows, {"place": pl.Int64, "id": pl.String, "list": pl.String}, orient="row")
    return judged(cells, cells["place"], COLUMNS, tally)


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    plain_text.refuse_other(path)
    try:
        data = path.read_bytes().removeprefix(BOM_UTF8)
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{path}: no JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError(f'{path}: a JSON {type(found).__name__}; it should be ids and lists of names, {{"1": ["a"]}}')
    named = Counter(item for item, _ in json.loads(data, object_pairs_hook=list))
    if twice := [item for item, count in named.items() if count > 1]:
        raise ValueError(f"{path}: {len(twice)} ids have several entries, e.g. {twice[0]!r}; keep one for each")
    return found

"""What is said of a view that a model needs and that is empty."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import REGIONS, VECTORS
from engine.training.source import _catalog, views


@pytest.mark.parametrize(
    ("view", "meta", "why"),
    [
        ("regions", {"pictures": 7, "unread": 7}, "all 7 pictures could not be read"),
        ("regions", {"pictures": 7, "unread": 0, "empty": 7}, "all 7 pictures show nothing that the detector"),
        ("regions", {"pictures": 0, "unread": 0}, "these items have no pictures"),
        ("regions", {"detector": "none"}, "the table is empty; set contents.<content>.regions.detector to make it"),
        ("image", {"pictures": 3, "unread": 3}, "all 3 pictures could not be read"),
        ("text", {"texts": 2, "wordless": 2}, "all 2 texts have no word"),
        ("text", {"encoder": "none"}, "set contents.<content>.text.encoder to make it"),
    ],
)
def test_an_empty_view_is_refused_with_its_cause(tmp_path: Path, view: str, meta: dict[str, Any], why: str) -> None:
    paths, table = views(Layout(tmp_path, "temporal")), REGIONS if view == "regions" else VECTORS
    store.write(pl.DataFrame(schema=dict(table.columns)), paths[view], table, meta)
    with pytest.raises(KeyError, match=why):
        _catalog(paths, 9, frozenset({view}))

"""What is said of a view that a model needs and that is empty."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import REGIONS, TOPIC_ITEMS, VECTORS
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
        ("topics", {"method": "none"}, "the table is empty; set contents.<content>.topics.method to make it"),
        ("topics", {"count": 0, "why": "no item has a text"}, "no item has a text"),
    ],
)
def test_an_empty_view_is_refused_with_its_cause(tmp_path: Path, view: str, meta: dict[str, Any], why: str) -> None:
    paths, table = views(Layout(tmp_path, "temporal")), {"regions": REGIONS, "topics": TOPIC_ITEMS}.get(view, VECTORS)
    store.write(pl.DataFrame(schema=dict(table.columns)), paths[view], table, meta)
    with pytest.raises(KeyError, match=why):
        _catalog(paths, 9, frozenset({view}))


def test_the_topics_of_items_are_a_view_by_item(tmp_path: Path) -> None:
    paths = views(Layout(tmp_path, "temporal"))
    share_N3 = pl.Series("share", [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]], pl.Array(pl.Float32, 3))
    frame = pl.DataFrame([pl.Series("item", [2, 3], pl.UInt32), share_N3])
    store.write(frame, paths["topics"], TOPIC_ITEMS, {"method": "online_vb"})
    catalog = _catalog(paths, 4, frozenset({"topics"}))
    assert catalog.vector("topics").tolist() == [[0, 0, 0], [0, 0, 0], [0.5, 0.25, 0.25], [0, 1, 0], [0, 0, 0]]
    assert catalog.present("topics").tolist() == [False, False, True, True, False]
    assert catalog.width("topics") == 3

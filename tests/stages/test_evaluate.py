"""The oracle stands beside a model only where an event's place says which event it is."""

from pathlib import Path

import polars as pl

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import ORACLE, SPLIT
from stages.evaluate import _oracle


def test_no_oracle_where_the_protocol_moved_events(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "temporal")
    known = pl.DataFrame([(1, 0, 3, 0, 9)], schema=dict(ORACLE.columns), orient="row")
    store.write(known, layout.oracle, ORACLE)
    split = pl.DataFrame([(1, 0, 5, None, "test", None)], schema=dict(SPLIT.columns), orient="row")
    for meta, height in (({}, 1), ({"in_order": True}, 1), ({"in_order": False}, 0)):
        store.write(split, layout.split, SPLIT, meta)
        assert _oracle(layout).height == height

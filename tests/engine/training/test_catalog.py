"""Features by item id, from the tables."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.tables import store
from engine.tables.arrays import category_paths
from engine.tables.schema import Table
from engine.tables.schemas import REGIONS, VECTORS, WORDS
from engine.training.catalog import Catalog, Ragged
from engine.training.categories import Categories
from engine.training.needs import View
from engine.training.source import _catalog as read_catalog


def put(path: Path, table: Table, rows: dict[str, Any], width: int) -> Path:
    schema: dict[str, Any] = dict(table.columns)
    vector = pl.Array(pl.Float16, width)
    schema |= {c: vector for c in ("vector",) if c in schema} | {
        c: pl.List(vector) for c in ("word", "region") if c in schema
    }
    store.write(pl.DataFrame(rows, schema=schema), path, table)
    return path


@pytest.fixture
def paths(tmp_path: Path) -> dict[View, Path]:
    vectors = {"item": [1, 3], "vector": [[1.0, 2.0], [0.5, 0.0]]}
    words = {
        "item": [1, 2],
        "token": [["a", "b"], []],
        "span": [[[0, 1], [2, 3]], []],
        "word": [[[1.0, 0.0, 2.0], [3.0, 1.0, 0.0]], []],
    }
    regions = {"item": [2], "box": [[[0.0, 0.0, 1.0, 1.0]]], "score": [[0.9]], "region": [[[7.0, 8.0]]]}
    return {
        "image": put(tmp_path / "image.parquet", VECTORS, vectors, 2),
        "text": put(tmp_path / "text.parquet", VECTORS, {"item": [], "vector": []}, 2),
        "words": put(tmp_path / "words.parquet", WORDS, words, 3),
        "regions": put(tmp_path / "regions.parquet", REGIONS, regions, 2),
    }


def test_row_i_is_item_i_and_row_0_is_zero(paths: dict[View, Path]) -> None:
    catalog = read_catalog(paths, 4, frozenset({"image"}))
    assert catalog.vector("image").tolist() == [[0, 0], [1, 2], [0, 0], [0.5, 0], [0, 0]]
    assert catalog.present("image").tolist() == [False, True, False, True, False]
    assert catalog.width("image") == 2


def test_words_and_regions_are_as_many_as_an_item_has(paths: dict[View, Path]) -> None:
    catalog = read_catalog(paths, 4, frozenset({"words", "regions"}))
    value_UXD, valid_UX = catalog.ragged("words").rows(torch.tensor([1, 2, 0]))
    assert value_UXD.tolist() == [[[1, 0, 2], [3, 1, 0]], [[0] * 3] * 2, [[0] * 3] * 2]
    assert valid_UX.tolist() == [[True, True], [False, False], [False, False]]
    assert catalog.ragged("regions").rows(torch.tensor([2]))[0].tolist() == [[[7, 8]]]
    assert catalog.present("words").tolist() == [False, True, False, False, False]
    assert (catalog.width("words"), catalog.width("regions")) == (3, 2)


def test_only_the_asked_views_are_read(paths: dict[View, Path]) -> None:
    catalog = read_catalog(paths | {"words": Path("nowhere")}, 4, frozenset({"image"}), topics=3)
    assert (catalog.items, catalog.topics) == (4, 3)
    with pytest.raises(KeyError, match=r"no view 'words' in the catalog; it has ..image"):
        catalog.ragged("words")
    with pytest.raises(KeyError, match="no view 'text'"):
        catalog.vector("text")


def test_a_view_whose_stage_was_skipped_is_refused_with_the_setting_to_change(paths: dict[View, Path]) -> None:
    with pytest.raises(KeyError, match=r"no view 'text' .* set contents\.<content>\.text\.encoder"):
        read_catalog(paths, 4, frozenset({"text"}))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused_by_view_and_item(tmp_path: Path, bad: float) -> None:
    image = put(tmp_path / "image.parquet", VECTORS, {"item": [1, 3], "vector": [[1.0, 2.0], [bad, 0.0]]}, 2)
    with pytest.raises(ValueError, match=r"image\.parquet: the image of item 3 has a number that is not finite"):
        read_catalog({"image": image}, 4, frozenset({"image"}))
    words = {"item": [1, 2, 4], "token": [["a"], [], ["b", "c"]], "span": [[[0, 1]], [], [[0, 1], [2, 3]]]}
    held = put(tmp_path / "words.parquet", WORDS, words | {"word": [[[1.0]], [], [[0.0], [bad]]]}, 1)
    with pytest.raises(ValueError, match=r"words\.parquet: the words of item 4 has a number"):
        read_catalog({"words": held}, 4, frozenset({"words"}))


def test_an_item_beyond_the_events_is_refused(paths: dict[View, Path]) -> None:
    with pytest.raises(ValueError, match="item 3 is beyond the 2 items"):
        read_catalog(paths, 2, frozenset({"image"}))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.data(), st.integers(0, 4))
def test_ragged_rows_are_a_plain_loops(lengths: list[int], data: st.DataObject, limit: int) -> None:
    value_XD = torch.arange(2.0 * sum(lengths)).reshape(-1, 2).half()
    offset_N = torch.from_numpy(np.concatenate([[0, 0], np.cumsum(lengths)]))
    asked = data.draw(st.lists(st.integers(0, len(lengths)), min_size=1, max_size=6))
    if not len(value_XD):
        return
    value_UXD, valid_UX = Ragged(value_XD, offset_N).rows(torch.tensor(asked), limit)
    for row, item in enumerate(asked):
        own = value_XD[offset_N[item] : offset_N[item + 1]].tolist()
        own = own[:limit] if limit else own
        assert value_UXD[row][valid_UX[row]].tolist() == own
        assert (value_UXD[row][~valid_UX[row]] == 0).all()
    assert value_UXD.dtype == torch.float32


def test_a_view_is_knocked_out_among_those_who_have_it() -> None:
    image_ND = torch.arange(18.0).view(6, 3)
    image_ND[[0, 2]] = 0
    words = Ragged(torch.arange(16.0).view(8, 2), torch.tensor([0, 0, 3, 3, 4, 6, 8]))  # item 2 has none
    catalog = Catalog(5, {"image": image_ND}, {"words": words}, 4)
    shuffled = catalog.knocked("image", "shuffled", 1).vector("image")
    assert bool((shuffled[[0, 2]] == 0).all())
    assert not torch.equal(shuffled, image_ND)
    assert sorted(map(tuple, shuffled.tolist())) == sorted(map(tuple, image_ND.tolist()))
    assert torch.equal(catalog.knocked("image", "shuffled", 1).vector("image"), shuffled)
    drawn = {str(catalog.knocked("image", "shuffled", seed).vector("image").tolist()) for seed in range(6)}
    assert len(drawn) > 2, "the seed draws who gets what"
    constant = catalog.knocked("image", "constant", 1).vector("image")
    assert torch.equal(constant[[1, 3, 4, 5]], image_ND[[1, 3, 4, 5]].mean(0).expand(4, -1))
    assert bool((constant[[0, 2]] == 0).all())
    assert torch.equal(catalog.vector("image"), image_ND)

    def parts(knocked: Catalog) -> list[list[list[float]]]:
        offset_N = knocked.ragged("words").offset_N.tolist()
        return [knocked.ragged("words").value_XD[a:b].tolist() for a, b in pairwise(offset_N)]

    found = [parts(catalog.knocked("words", "shuffled", seed)) for seed in range(6)]
    for changed in found:
        assert changed[0] == changed[2] == []
        assert sorted(changed) == sorted(parts(catalog))
    assert any([len(part) for part in changed] != [len(part) for part in parts(catalog)] for changed in found)
    assert parts(catalog.knocked("words", "constant", 1)) == [[], [[7.0, 8.0]], [], *[[[7.0, 8.0]]] * 3]
    assert catalog.knocked("words", "constant", 1).topics == 4
    with pytest.raises(KeyError, match="no view 'text'"):
        catalog.knocked("text", "shuffled", 1)


def test_what_is_not_knocked_out_stays() -> None:
    words = Ragged(torch.ones(3, 2), torch.tensor([0, 0, 1, 3]))
    tree = Categories.of(*category_paths(pl.DataFrame({"item": [1, 2], "categories": [[["a", "b"]], None]})), 2)
    catalog = Catalog(2, {"image": torch.ones(3, 4), "text": torch.ones(3, 5)}, {"words": words}, 4, tree)
    for view in ("image", "words"):
        for how in ("shuffled", "constant"):
            knocked = catalog.knocked(view, how, 1)  # type: ignore[arg-type]
            assert knocked.categories is tree
            assert (knocked.items, knocked.topics, knocked.width("text"), knocked.width("words")) == (2, 4, 5, 2)


def test_a_category_that_stands_in_several_paths_is_met_once() -> None:
    """Items 1 {a > b, c > a}, 2 none, 3 {b}, asked in another order and one of them twice."""
    tree = Categories.of(np.array([1, 1, 3]), [["a", "b"], ["c", "a"], ["b"]], 3)
    row_P, category_P = tree.once(torch.tensor([3, 2, 1, 3]))
    named = [tree.names[category - 1] for category in category_P.tolist()]
    assert list(zip(row_P.tolist(), named, strict=True)) == [(0, "b"), (2, "a"), (2, "b"), (2, "c"), (3, "b")]
    assert [len(found) for found in tree.once(torch.tensor([0, 2]))] == [0, 0]

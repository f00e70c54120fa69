from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import PCA

from engine.features.device import to_half
from engine.features.projection import Moments, reduced_groups
from engine.tables import arrays, store
from engine.tables.schemas import VECTORS, WORDS


def rows(start: int, value_UD: np.ndarray) -> pl.DataFrame:
    item = np.arange(start, start + len(value_UD), dtype=np.uint32)
    return pl.DataFrame({"item": item, "vector": to_half(value_UD, "here")})


def drawn_XD(count: int = 300, width: int = 12) -> np.ndarray:
    random = np.random.default_rng(4)
    return random.normal(size=(count, width)) * np.geomspace(9, 0.1, width) @ random.normal(size=(width, width)) + 3


def test_components_are_those_of_sklearn() -> None:
    value_XD = drawn_XD()
    moments = Moments()
    for part in np.array_split(value_XD, 7):
        moments.add(part)
    mean_D, basis_DW, kept = moments.components(4)
    peer = PCA(4).fit(value_XD)
    np.testing.assert_allclose(mean_D, peer.mean_, rtol=1e-5)
    np.testing.assert_allclose(np.abs((basis_DW * peer.components_.T).sum(0)), 1, atol=1e-5)
    assert kept == pytest.approx(peer.explained_variance_ratio_.sum())


def test_a_table_is_reduced_and_says_so(tmp_path: Path) -> None:
    value_XD = drawn_XD()
    meta: dict[str, Any] = {"seed": 1}
    with reduced_groups(tmp_path / "v.parquet", VECTORS, "vector", 3, meta) as put:
        put(rows(1, value_XD[:100]))
        put(rows(101, value_XD[100:]))
    found = store.read(tmp_path / "v.parquet", VECTORS)
    wanted = PCA(3).fit_transform(value_XD)
    vector_UD = arrays.vectors(found["vector"]).astype(np.float64)
    assert vector_UD.shape == (300, 3)
    assert found["item"].to_list() == list(range(1, 301))
    for column in range(3):
        assert abs(np.corrcoef(vector_UD[:, column], wanted[:, column])[0, 1]) > 0.999
    noted = store.meta(tmp_path / "v.parquet")
    assert noted["width"] == 3
    assert noted["seed"] == 1
    assert 0.5 < noted["variance"] < 1
    assert [path.name for path in tmp_path.iterdir()] == ["v.parquet"]


def test_lists_are_reduced_as_lists(tmp_path: Path) -> None:
    value_XD = to_half(drawn_XD(10), "here")
    length_U = np.array([4, 1, 5])
    frame = pl.DataFrame(
        {
            "item": np.array([2, 3, 9], np.uint32),
            "token": [["a"] * n for n in length_U],
            "span": arrays.lists(np.zeros((10, 2), np.uint32), length_U),
            "word": arrays.lists(value_XD, length_U),
        }
    )
    with reduced_groups(tmp_path / "w.parquet", WORDS, "word", 2, {}) as put:
        put(frame)
    flat, offsets = arrays.ragged(store.read(tmp_path / "w.parquet", WORDS)["word"])
    assert flat.shape == (10, 2)
    assert np.diff(offsets).tolist() == [4, 1, 5]


def test_more_components_than_there_are_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="width 13: there are 300 vectors of 12; at most 12"),
        reduced_groups(tmp_path / "v.parquet", VECTORS, "vector", 13, {}) as put,
    ):
        put(rows(1, drawn_XD()))
    assert list(tmp_path.iterdir()) == []


def test_no_vector_gives_an_empty_table_whatever_the_width(tmp_path: Path) -> None:
    with reduced_groups(tmp_path / "v.parquet", VECTORS, "vector", 13, {"unread": 2}) as put:
        assert put is not None
    assert store.read(tmp_path / "v.parquet", VECTORS).height == 0
    assert store.meta(tmp_path / "v.parquet") == {"unread": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["v.parquet"]


@pytest.mark.parametrize("many", [1, 300])
def test_vectors_that_are_all_the_same_have_no_components(tmp_path: Path, many: int) -> None:
    with (
        pytest.raises(ValueError, match=rf"width 1: all {many} vectors are the same.* width 0 keeps them"),
        reduced_groups(tmp_path / "v.parquet", VECTORS, "vector", 1, {}) as put,
    ):
        put(rows(1, np.tile(drawn_XD(1), (many, 1))))
    assert list(tmp_path.iterdir()) == []


def test_what_sixteen_bits_do_not_hold_is_refused() -> None:
    for bad in (1e6, 1e-7):
        with pytest.raises(ValueError, match=r"item 5 on: vectors up to .* do not fit 16 bits"):
            to_half(np.full((2, 3), bad), "item 5 on")
    for large in (1e6, -1e6):
        with pytest.raises(ValueError, match="up to 1e"):
            to_half(np.array([[0.5, large, -0.5]]), "item 5 on")
    assert to_half(-np.ones((2, 3)), "item 5 on").tolist() == [[-1] * 3] * 2


def test_row_groups_in_disorder_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    def disorder() -> None:
        with store.groups(tmp_path / "v.parquet", VECTORS, {}) as put:
            put(rows(10, drawn_XD(5)))
            put(rows(1, drawn_XD(5)))

    with pytest.raises(ValueError, match="sorted by"):
        disorder()
    assert list(tmp_path.iterdir()) == []


def test_no_rows_make_an_empty_table(tmp_path: Path) -> None:
    with store.groups(tmp_path / "v.parquet", VECTORS, {"n": 0}) as put:
        assert put is not None
    assert store.read(tmp_path / "v.parquet", VECTORS).height == 0
    assert store.meta(tmp_path / "v.parquet") == {"n": 0}
    assert store.height(tmp_path / "v.parquet") == 0

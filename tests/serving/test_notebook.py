"""The notebook of the first hour runs from its first cell to its last, on a small world in place of the demo."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient
from PIL import Image

from engine.tables import store
from engine.tables.schemas import IMAGES
from tests.serving.shop import Shop, written

BOOK = Path(__file__).parents[2] / "docs" / "first_hour.ipynb"
LARGEST = 300_000  # bytes, with what stands under the cells


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The small shop, every item of which but one has a picture."""
    shop = written(tmp_path_factory.mktemp("pictured"))
    buffer = io.BytesIO()
    Image.new("RGB", (100, 150), "teal").save(buffer, "PNG")
    item = [i for i in range(1, shop.world.items + 1) if i != 2]
    columns = {"item": item, "image": [buffer.getvalue()] * len(item), "format": ["PNG"] * len(item)}
    sizes = {"width": [100] * len(item), "height": [150] * len(item), "sha256": ["0"] * len(item)}
    store.write_shards([pl.DataFrame(columns | sizes, schema=dict(IMAGES.columns))], shop.layout.images, IMAGES)
    return shop


def shown(cell: Any) -> str:
    """What a cell printed."""
    return "".join(output.get("text", "") for output in cell.get("outputs", []))


def pictures(cell: Any) -> list[bytes]:
    """The PNGs under a cell."""
    found = (output.get("data", {}).get("image/png") for output in cell.get("outputs", []))
    return [base64.b64decode(data) for data in found if data]


def test_the_notebook_runs_on_a_small_world(pictured: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pictured.fitted("ante_rnn", "whole")
    book = nbformat.read(BOOK, as_version=4)
    settings = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(settings) == 1
    results = pictured.layout.root / "results" / "ante_rnn-whole"
    given = (str(pictured.layout.root), str(results / "params.yaml"), "ante_rnn", str(results))
    settings[0].source = f"DATA, PARAMS, MODEL, RESULTS = {given!r}\nPERSON, TOP = 'p2', 4"
    monkeypatch.setenv("PYTHONWARNINGS", "error::UserWarning")
    NotebookClient(
        book, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(BOOK.parent)}}
    ).execute()
    told = {n: shown(cell) for n, cell in enumerate(book.cells) if cell.cell_type == "code"}
    first = asked.recommend(asked.person("p2"), 4)
    listed = next(text for text in told.values() if text.startswith("1. "))
    assert [f"{one.rank}. {one.title} ({one.score:.2f})" in listed for one in first] == [True] * 4
    why = next(text for text in told.values() if text.startswith("history\n"))
    assert {"history", "word", "region", "topic"} <= set(re.findall(r"^(\w+)$", why, re.M))
    answer = asked.why_not(asked.person("p2"), first[-1].item, limit=5, top=4)
    assert any(answer.told in text for text in told.values())
    assert any(text.startswith("without ") and text.count("before:") == 4 for text in told.values())
    assert sum(len(pictures(cell)) for cell in book.cells) == 3


def test_what_is_kept_under_the_cells_is_small_and_whole() -> None:
    book = nbformat.read(BOOK, as_version=4)
    nbformat.validate(book)
    assert BOOK.stat().st_size < LARGEST
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run from the top, in order"
    assert {output.output_type for cell in cells for output in cell.outputs} == {"stream", "execute_result"}
    assert all(cell.outputs for cell in cells if re.search(r"print\(|side_by_side\(\[", cell.source))
    drawn = [Image.open(io.BytesIO(data)) for cell in cells for data in pictures(cell)]
    assert len(drawn) == 3
    assert all(len(picture.convert("RGB").getcolors(1 << 20) or []) > 16 for picture in drawn)

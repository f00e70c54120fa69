import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.tables.schemas import CATALOG, IMAGES
from engine.tables.store import read, read_shards
from stages.crawl.__main__ import main
from stages.crawl.services.item_content import NOT_ASKED, ItemContent
from tests.stages.crawl.conftest import ABROAD, Service, params, tables


def test_a_picture_that_was_given_is_not_asked_for(service: Service, ask: Callable[..., ItemContent]) -> None:
    found = ask(ABROAD | {"service": "addresses"}, {"address": f"{service.host}/1.jpg"}, picture=False)
    assert found.picture_status == NOT_ASKED
    assert service.asked == []


def test_every_odd_picture_of_the_real_folder_comes_in_or_is_failed(service: Service, tmp_path: Path) -> None:
    """The whole stage, from addresses to the table: what loads is there byte for byte, nothing else is."""
    if not (real := os.environ.get("WHYREC_REAL")):
        pytest.skip("set WHYREC_REAL to the folder with data/odd_images/")
    folder = Path(real, "data", "odd_images")
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert len(manifest) > 100
    rows = []
    for item, name in enumerate(manifest, 1):
        service.says(f"/{item}", (200, (folder / name).read_bytes()))
        rows.append((item, name, name, [], [{"service": "address", "id": f"{service.host}/{item}"}]))
    differs = ABROAD | {"allowed": "127.0.0.1", "failed": 1, "retries": 0, "megabytes": 10}
    layout = tables(tmp_path, rows)
    main(params("addresses", addresses=differs), layout)
    catalog = read(layout.catalog, CATALOG)
    pictures = {row["item"]: row for part in read_shards(layout.images, IMAGES) for row in part.to_dicts()}
    for item, name, status in zip(catalog["item"], catalog["title"], catalog["picture"], strict=True):
        told = manifest[name]
        assert (status == "ok") == told["loads"] == (item in pictures), f"{name}: {status}"
        assert status == "ok" or status.startswith("failed: bad picture: "), name
        if item in pictures:
            assert pictures[item]["image"] == (folder / name).read_bytes()
            assert pictures[item]["format"] == told["format"]

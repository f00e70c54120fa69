import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.crawl.failures import CrawlStopped
from stages.crawl.services.item_content import OK, ItemContent, Status
from tests.stages.crawl.conftest import ABROAD, KEY, Service, jpeg

Look = Callable[..., ItemContent]


@pytest.fixture
def look(service: Service, ask: Callable[..., ItemContent]) -> Look:
    def call(pin: str = "7", picture: bool = True, **more: Any) -> ItemContent:
        section = ABROAD | {"service": "pinterest", "base": f"{service.host}/v5", "size": "600x"} | more
        return ask(section, {"pinterest": pin}, picture)

    return call


def sizes(service: Service, *names: str) -> dict[str, Any]:
    return {name: {"width": 600, "height": None, "url": f"{service.host}/p/{name}.jpg"} for name in names}


def pin(service: Service, **more: Any) -> dict[str, Any]:
    media = {"media_type": "image", "images": sizes(service, "150x150", "600x")}
    return {"id": "7", "title": " A pin ", "description": "Two\nlines", "alt_text": None, "media": media} | more


def test_words_and_the_picture_of_the_size(service: Service, look: Look) -> None:
    service.says("/v5/pins/7", (200, pin(service)))
    service.says("/p/600x.jpg", (200, jpeg()))
    assert look() == ItemContent("pinterest", OK, OK, "A pin", "A pin\nTwo lines", f"{service.host}/p/600x.jpg")
    assert service.paths() == ["/v5/pins/7", "/p/600x.jpg"]
    assert service.asked[0][1] == {}
    assert service.asked[0][2]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in str(service.asked[1])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"title": None, "description": "", "alt_text": "Seen"}, "Seen"),
        ({"title": "Same", "description": "Same ", "alt_text": "Other"}, "Same\nOther"),
        ({"title": None, "description": None}, ""),
    ],
)
def test_words(service: Service, look: Look, given: dict[str, Any], words: str) -> None:
    service.says("/v5/pins/7", (200, pin(service, **given)))
    found = look(picture=False)
    assert found.text == words
    assert found.text_status == (OK if words else Status("missing", "no words"))
    assert found.picture_status == Status("missing", "not asked")


def test_other_media(service: Service, look: Look) -> None:
    service.says("/p/600x.jpg", (200, jpeg()))
    part = {"images": sizes(service, "600x")}
    for media, state in (
        ({"media_type": "video", "duration": None, **part}, OK),
        ({"media_type": "multiple_images", "items": [{"title": "x"}, part, {}]}, OK),
        ({"media_type": "multiple_mixed", "items": [{"item_type": "video"}]}, Status("missing", "no picture")),
        ({"media_type": "image", "images": {}}, Status("missing", "no picture")),
        (None, Status("missing", "no picture")),
        ({"media_type": "image", "images": sizes(service, "1200x")}, Status("missing", "no picture of size 600x")),
    ):
        service.says("/v5/pins/7", (200, pin(service, media=media)))
        assert look().picture_status == state, media
        Path(os.environ["DVC_ROOT"], "pinterest.sqlite").unlink()


def test_not_found_is_missing(service: Service, look: Look) -> None:
    service.says("/v5/pins/7", (404, {"code": 50, "message": "Pin not found."}))
    assert look().text_status == look().picture_status == Status("missing", "not found")
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("reply", "why", "asked"),
    [
        ((404, b"<html>"), "not the JSON expected", 2),
        ((200, {"id": 7}), "not the JSON expected", 2),
        ((429, {"code": 8, "message": "Too many"}, {"Retry-After": "0"}), "HTTP 429", 2),
        ((403, {"code": 7, "message": "Not yours."}), "HTTP 403", 1),
        ((400, {"code": 1, "message": "Bad."}), "HTTP 400", 1),
    ],
)
def test_errors(service: Service, look: Look, reply: Any, why: str, asked: int) -> None:
    service.says("/v5/pins/7", reply)
    assert look(retries=1).text_status == Status("failed", why)
    assert len(service.asked) == asked


def test_a_wrong_token_stops_and_is_named(service: Service, look: Look) -> None:
    service.says("/v5/pins/7", (401, {"code": 2, "message": f"Authentication failed: {KEY}"}))
    with pytest.raises(CrawlStopped, match=r"Pinterest refuses .* PINTEREST_ACCESS_TOKEN \(HTTP 401") as caught:
        look()
    assert KEY not in str(caught.value)
    assert len(service.asked) == 1


def test_an_odd_id_is_failed_unasked(service: Service, look: Look) -> None:
    assert str(look("../boards/7").text_status) == "failed: the pinterest id is not a number"
    assert service.asked == []


def test_the_sizes_are_those_of_the_published_description() -> None:
    if not (real := os.environ.get("WHYREC_REAL")):
        pytest.skip("set WHYREC_REAL to the folder with api/pinterest_v5_read_pins.json")
    from stages.crawl.services.pinterest import PinterestSettings

    told = json.loads(Path(real, "api", "pinterest_v5_read_pins.json").read_text())
    known = PinterestSettings.model_json_schema()["properties"]["size"]["enum"]
    assert set(known) == set(told["components"]["schemas"]["ImageSize"]["properties"])


def test_an_answer_that_names_another_id_is_kept_and_asked_once(service: Service, look: Look) -> None:
    service.says("/v5/pins/7", (200, {"id": "8", "title": "Other"}))
    assert look().text_status == look().picture_status == Status("missing", "not found: the answer names another id")
    assert look().unknown
    assert len(service.asked) == 1


@pytest.mark.parametrize(("raw", "known"), [("7.0", "7"), (" 007", "7"), ("813744226420795884", "813744226420795884")])
def test_an_id_that_lost_its_form_is_repaired(service: Service, look: Look, raw: str, known: str) -> None:
    service.says(f"/v5/pins/{known}", (200, pin(service, id=known)))
    assert look(raw, picture=False).title == "A pin"


def test_an_id_that_lost_its_digits_is_none(service: Service, look: Look) -> None:
    assert str(look("813744226420795904.0").text_status) == "failed: the pinterest id is not a number"
    assert service.asked == []

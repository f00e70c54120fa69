import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from stages.crawl.failures import CrawlStopped
from stages.crawl.fetcher import Fetcher
from stages.crawl.services.item_content import OK, ItemContent, ItemRequest, Status
from stages.crawl.services.tmdb import Tmdb, TmdbSettings
from tests.stages.crawl.conftest import Service, jpeg, params

Look = Callable[..., ItemContent]


@pytest.fixture
def look(fetch: Callable[..., Fetcher], settings: Callable[..., TmdbSettings]) -> Look:
    def call(film: str | None, picture: bool = True, **more: Any) -> ItemContent:
        tmdb = Tmdb(settings(**more), fetch(**more))
        return tmdb.look_up(ItemRequest(1, {"tmdb": film} if film is not None else {"imdb": "tt1"}, picture))

    return call


def bomb(side: int) -> bytes:
    """A whole PNG of side x side pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (side * (side // 8 + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_overview_and_poster(service: Service, look: Look) -> None:
    service.film(7, overview="  A plot & more\n")
    found = look("7")
    assert found == ItemContent("tmdb", OK, OK, "Film 7", "A plot & more", f"{service.host}/t/p/w342/7.jpg")
    assert service.paths() == ["/3/configuration", "/3/movie/7", "/t/p/w342/7.jpg"]
    assert service.asked[1][1]["language"] == "en-US"


def test_a_poster_that_was_given_is_not_asked_for(service: Service, look: Look) -> None:
    service.film(7)
    assert look("7", picture=False).text_status is OK
    assert "/t/p/w342/7.jpg" not in service.paths()


@pytest.mark.parametrize("overview", [None, "", " \n"])
def test_no_overview_and_no_poster_are_missing(service: Service, look: Look, overview: str | None) -> None:
    service.film(7, overview=overview, poster_path=None)
    found = look("7")
    assert (found.text_status, found.picture_status) == (
        Status("missing", "no overview"),
        Status("missing", "no poster"),
    )
    assert str(found.text_status) == "missing"


@pytest.mark.parametrize("film", [None, ""])
def test_an_item_without_a_tmdb_id_is_missing_unasked(service: Service, look: Look, film: str | None) -> None:
    found = look(film)
    assert (found.text_status, found.source) == (Status("missing", "no tmdb id"), "tmdb: no id")
    assert service.paths() == []


@pytest.mark.parametrize("film", ["../configuration", "7?x=1", "seven", "٧", "7" * 13])
def test_an_odd_id_is_failed_unasked(service: Service, look: Look, film: str) -> None:
    assert str(look(film).text_status) == "failed: the tmdb id is not a number"
    assert service.paths() == []


def test_not_found_is_missing(service: Service, look: Look) -> None:
    assert look("7").text_status == Status("missing", "not found")
    service.film(8)
    service.says("/t/p/w342/8.jpg", (404, b"<h1>File not Found</h1>"))
    found = look("8")
    assert (found.text_status, found.picture_status, found.picture_address) == (
        OK,
        Status("missing", "poster not found"),
        "",
    )


@pytest.mark.parametrize(
    "reply",
    [
        (404, b"<html>no such page</html>"),
        (200, []),
        (200, {}),
        (200, b"[" * 100_000),
        (200, {"id": 8, "overview": 5}),
    ],
)
def test_what_is_not_this_film_is_garbage(service: Service, look: Look, reply: Any) -> None:
    service.film(8)
    service.before("/3/movie/8", reply, reply)
    assert look("8").text == "Plot 8."
    service.says("/3/movie/8b", reply)
    service.says("/3/movie/9", reply)
    found = look("9", retries=1)
    assert found.text_status.outcome == found.picture_status.outcome == "failed"
    assert found.text_status.reason == "not the JSON expected"


@pytest.mark.parametrize(
    "path",
    [
        "7.jpg",
        "/../7.jpg",
        "/..",
        "//evil.example/7.jpg",
        "http://evil.example/7.jpg",
        "/a/7.jpg",
        "/7.jpg?x=1",
        "/%2e",
    ],
)
def test_an_unsafe_poster_path_is_not_asked_for(service: Service, look: Look, path: str) -> None:
    service.film(7, poster_path=path)
    found = look("7")
    assert (found.text_status, str(found.picture_status)) == (OK, "failed: unsafe picture path")
    assert service.paths() == ["/3/configuration", "/3/movie/7"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>not an image</html>", "cannot identify"),
        (jpeg()[:-200], "bad picture"),
        (b"", "no bytes"),
        (bomb(10_000), "10000 x 10000 pixels; at most"),
        (bomb(20_000), "pixels"),
        (b"\xff" * 1_100_000, "more than 1 megabytes"),
    ],
)
def test_a_bad_picture_is_failed_and_the_text_stays(service: Service, look: Look, body: bytes, why: str) -> None:
    service.film(7)
    service.says("/t/p/w342/7.jpg", (200, body, {"Content-Type": "image/jpeg"}))
    found = look("7", retries=1)
    assert (found.text_status, found.picture_status.outcome) == (OK, "failed")
    assert why in found.picture_status.reason
    service.film(7)
    assert look("7").picture_status == OK


def test_a_lone_surrogate_is_no_text(service: Service, look: Look) -> None:
    service.film(7)
    service.says("/3/movie/7", (200, json.dumps({"id": 7, "overview": "a \ud800 b", "poster_path": None}).encode()))
    assert look("7").text == "a ? b"


def test_configuration(service: Service, look: Look) -> None:
    with pytest.raises(CrawlStopped, match=r"services.tmdb.size: found 'w1'; TMDb has posters of \['w92', 'w342'\]"):
        look("7", size="w1")
    service.film(7)
    assert look("7", base=f"{service.base}/").text_status == OK, "a slash at the end of the base does not matter"
    with pytest.raises(CrawlStopped, match=r"/4/configuration: HTTP 404; set services.tmdb.base"):
        look("7", base=f"{service.host}/4")
    assert look("7", base=f"{service.base}", images=f"{service.host}/t/p/").picture_status == OK


def test_a_still_of_a_film(service: Service, look: Look) -> None:
    service.film(7, backdrop_path="/still.jpg")
    service.says("/t/p/w300/still.jpg", (200, jpeg()))
    found = look("7", kind="backdrop", size="w300")
    assert (found.picture_status, found.picture_address) == (OK, f"{service.host}/t/p/w300/still.jpg")
    assert "/t/p/w342/7.jpg" not in service.paths()
    service.film(8)
    assert look("8", kind="backdrop", size="w300").picture_status == Status("missing", "no backdrop")
    with pytest.raises(CrawlStopped, match=r"services.tmdb.size: found 'w342'; TMDb has backdrops of \['w300'\]"):
        look("7", kind="backdrop")


def test_a_mirror_of_the_pictures_needs_no_configuration(service: Service, look: Look) -> None:
    service.film(7)
    assert look("7", images=f"{service.host}/t/p").picture_status == OK
    assert "/3/configuration" not in service.paths()


@pytest.mark.parametrize(
    ("key", "value"), [("sise", 1), ("rate", 0), ("workers", 0), ("base", "ftp://x"), ("failed", 2), ("kind", "still")]
)
def test_wrong_settings_are_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=key):
        params("tmdb", tmdb={key: value})


def test_an_answer_that_names_another_id_is_kept_and_asked_once(service: Service, look: Look) -> None:
    service.says("/3/movie/7", (200, {"id": 8, "overview": "Other"}))
    assert (
        look("7").text_status == look("7").picture_status == Status("missing", "not found: the answer names another id")
    )
    assert look("7").unknown
    assert service.paths() == ["/3/configuration", "/3/movie/7"]


@pytest.mark.parametrize("raw", ["7.0", "007", " 7 ", "7.000"])
def test_an_id_that_lost_its_form_is_repaired(service: Service, look: Look, raw: str) -> None:
    service.film(7)
    assert look(raw).text == "Plot 7."


def test_a_configuration_leads_to_public_hosts_alone(service: Service, look: Look) -> None:
    service.film(7)
    pictures = f"http://localhost:{service.http.server_port}/t/p/"
    images = {"secure_base_url": pictures, "poster_sizes": ["w342"]}
    service.says("/3/configuration", (200, {"images": images}))
    found = look("7", retries=0)
    assert (found.text_status, str(found.picture_status)) == (OK, "failed: not a public host")
    assert "/t/p/w342/7.jpg" not in service.paths()
    assert look("7", images=pictures).picture_status == OK, "what a user sets may be private"

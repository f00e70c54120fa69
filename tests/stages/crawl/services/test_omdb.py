import json
import logging
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stages.crawl.answer_store import AnswerStore
from stages.crawl.failures import CrawlStopped
from stages.crawl.services.item_content import OK, ItemContent, Status
from tests.stages.crawl.conftest import ABROAD, KEY, Service, jpeg

Look = Callable[..., ItemContent]
NONE = Status("missing", "not found")


@pytest.fixture
def look(service: Service, ask: Callable[..., ItemContent]) -> Look:
    def call(film: str | None = "tt7", picture: bool = True, **more: Any) -> ItemContent:
        section = ABROAD | {"service": "omdb", "base": f"{service.host}/omdb"} | more
        return ask(section, {"imdb": film} if film is not None else {"tmdb": "1"}, picture)

    return call


def film(service: Service, **more: Any) -> dict[str, Any]:
    plain = {"imdbID": "tt7", "Title": "Seven", "Plot": "A plot.", "Poster": f"{service.host}/p/7.jpg"}
    return plain | {"Response": "True", "Year": "1995"} | more


def test_plot_and_poster(service: Service, look: Look) -> None:
    service.says("/omdb/", (200, film(service)))
    service.says("/p/7.jpg", (200, jpeg()))
    assert look() == ItemContent("omdb", OK, OK, "Seven", "A plot.", f"{service.host}/p/7.jpg")
    assert service.paths() == ["/omdb/", "/p/7.jpg"]
    assert service.asked[0][1] == {"i": "tt0000007", "plot": "full", "apikey": KEY}
    assert KEY not in str(service.asked[1])
    look()
    assert len(service.asked) == 2, "both are kept"


def test_not_available_is_missing(service: Service, look: Look) -> None:
    service.says("/omdb/", (200, film(service, Plot="N/A", Poster="N/A")))
    found = look()
    assert (found.text_status, found.picture_status) == (Status("missing", "no plot"), Status("missing", "no poster"))
    assert look(picture=False).picture_status == Status("missing", "not asked")


@pytest.mark.parametrize("error", ["Movie not found!", "Incorrect IMDb ID.", "Error getting data."])
def test_unknown_films_are_said_with_200_and_kept(service: Service, look: Look, error: str) -> None:
    service.says("/omdb/", (200, {"Response": "False", "Error": error}))
    assert (look().text_status, look().picture_status) == (NONE, NONE)
    assert look().unknown
    assert len(service.asked) == 1


def test_an_answer_that_names_another_id_is_kept_and_asked_once(service: Service, look: Look) -> None:
    service.says("/omdb/", (200, film(service, imdbID="tt8")))
    other = Status("missing", "not found: the answer names another id")
    assert (look().text_status, look().picture_status, look().text) == (other, other, "")
    assert look().unknown
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("raw", "known"),
    [
        ("114709", "tt0114709"), ("tt114709", "tt0114709"), ("tttt0114709", "tt0114709"), ("TT0114709", "tt0114709"),
        ("114709.0", "tt0114709"), (" tt0114709 ", "tt0114709"), ("tt10872600", "tt10872600"),
        ("10872600", "tt10872600"),
    ],
)  # fmt: skip
def test_an_id_that_lost_its_form_is_repaired(service: Service, look: Look, raw: str, known: str) -> None:
    service.says("/omdb/", (200, film(service, imdbID=known, Poster="N/A")))
    assert look(raw).text == "A plot."
    assert service.asked[0][1]["i"] == known


def test_a_poster_that_is_the_api_itself_is_no_picture(service: Service, look: Look, tmp_path: Path) -> None:
    own = f"{service.host}/omdb/?i=tt0000007&plot=full"
    service.says("/omdb/", (200, film(service, Poster=own)))
    found = look(retries=0)
    assert (found.text_status, found.picture_status.outcome) == (OK, "failed")
    assert "bad picture" in found.picture_status.reason
    assert look(retries=0) == found
    with closing(AnswerStore(tmp_path / "omdb.sqlite")) as store:
        assert store.get(own, "json") is not None
        assert store.get(own, "picture") is None


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ((200, {"Response": "False", "Error": "Out of \x1b[31m order"}), r"OMDb says 'Out of \x1b[31m order'"),
        ((200, b"<!doctype html>"), "not the JSON expected"),
        ((200, []), "not the JSON expected"),
        ((404, b"<html>"), "not the JSON expected"),
        ((404, {"Response": "False", "Error": "Movie not found!"}), "HTTP 404"),
        ((500, b""), "HTTP 500"),
    ],
)
def test_what_is_no_answer_is_tried_again_and_never_kept(service: Service, look: Look, reply: Any, why: str) -> None:
    service.says("/omdb/", reply)
    found = look(retries=1)
    assert (found.text_status, found.picture_status) == (Status("failed", why), Status("failed", why))
    assert len(service.asked) == 2
    service.says("/omdb/", reply, (200, film(service, Poster="N/A")))
    assert look().text == "A plot."


def test_a_spent_quota_stops_until_tomorrow(service: Service, look: Look) -> None:
    service.says("/omdb/", (401, {"Response": "False", "Error": "Request limit reached!"}))
    with pytest.raises(
        CrawlStopped, match=r"as often as it does in a day.*OMDB_API_KEY.*again tomorrow.*kept"
    ) as caught:
        look()
    assert len(service.asked) == 1
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("body", [{"Response": "False", "Error": "Invalid API key!"}, b"<html>", {}, [1], b"[" * 10**5])
def test_a_wrong_key_stops_and_is_named(service: Service, look: Look, body: Any) -> None:
    service.says("/omdb/", (401, body))
    with pytest.raises(CrawlStopped, match=r"OMDb refuses the key in the environment variable OMDB_API_KEY \(HTTP 401"):
        look()
    assert len(service.asked) == 1


@pytest.mark.parametrize("number", ["tt", "1e5", "tt1.5", "-7", "tt7&apikey=x", "tt٧", "../tt7"])
def test_an_odd_id_is_failed_unasked(service: Service, look: Look, number: str) -> None:
    assert str(look(number).text_status) == "failed: the imdb id is not tt and a number"
    assert look(None).source == "omdb: no id"
    assert service.asked == []


def test_a_poster_from_elsewhere_comes_from_public_hosts_alone(service: Service, look: Look) -> None:
    port = service.http.server_port
    for poster in (f"http://localhost:{port}/p/7.jpg", f"http://[::ffff:127.0.0.1]:{port}/p", "file:///etc/passwd"):
        service.says("/omdb/", (200, film(service, imdbID="tt8", Poster=poster)))
        found = look("tt8", retries=0)
        assert (found.text_status, found.picture_status.outcome) == (OK, "failed")
        assert found.picture_status.reason in ("not a public host", "not a web address")
        Path(os.environ["DVC_ROOT"], "omdb.sqlite").unlink()
    assert set(service.paths()) == {"/omdb/"}


def test_the_key_stays_out_of_logs_and_files(
    service: Service, look: Look, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    service.says("/omdb/", (429, {}, {"Retry-After": "0"}), (200, film(service)))
    service.says("/p/7.jpg", (302, b"", {"Location": "/p/8.jpg"}))
    service.says("/p/8.jpg", (200, jpeg()))
    assert look().picture_status == OK
    assert any("/p/8.jpg" in record.getMessage() for record in caplog.records)
    assert KEY not in caplog.text
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.glob("omdb.sqlite*"))


def test_every_real_record_is_read(service: Service, look: Look) -> None:
    if not (real := os.environ.get("WHYREC_REAL")):
        pytest.skip("set WHYREC_REAL to the folder with data/omdb_ml100k.jsonl")
    for line in Path(real, "data", "omdb_ml100k.jsonl").read_text().splitlines()[::40]:
        record = json.loads(line)["omdb"]
        service.says("/omdb/", (200, record))
        found = look(record["imdbID"], picture=False)
        assert (found.text_status is OK) == (record["Plot"] != "N/A")
        assert found.title == record["Title"].strip()


@pytest.fixture
def look_for(service: Service, ask: Callable[..., ItemContent]) -> Look:
    section = ABROAD | {"service": "omdb", "base": f"{service.host}/omdb"}
    return lambda title, **ids: ask(section, {"title": title, **ids}, True)


def test_a_film_without_an_id_is_asked_for_by_title_and_year(service: Service, look_for: Look) -> None:
    service.says("/omdb/", (200, film(service, Title="The Usual Suspects", Poster="N/A")))
    found = look_for("Usual Suspects, The (1995)")
    assert (found.source, found.text, found.text_status) == ("omdb by title", "A plot.", OK)
    wanted = {"t": "The Usual Suspects", "y": "1995", "type": "movie", "plot": "full", "apikey": KEY}
    assert [asked for _, asked, *_ in service.asked] == [wanted]


def test_a_film_of_another_year_is_not_the_one(service: Service, look_for: Look) -> None:
    service.says("/omdb/", (200, film(service, Year="1996")))
    found = look_for("Seven (1995)")
    assert found.text_status == Status("missing", "not found: by title there is a film of another year")
    assert found.text == ""


def test_a_film_found_under_another_name_is_marked(service: Service, look_for: Look) -> None:
    service.says("/omdb/", (200, film(service, Title="Se7en")))
    service.says("/p/7.jpg", (200, jpeg()))
    found = look_for("Seven (1995)")
    assert found.source == "omdb by title (doubtful: it is called 'Se7en')"
    assert (found.text_status, found.picture_status) == (Status("ok", "doubtful"), Status("ok", "doubtful"))
    assert str(found.text_status) == "ok"


def test_names_in_brackets_are_asked_for_in_turn(service: Service, look_for: Look) -> None:
    none = {"Response": "False", "Error": "Movie not found!"}
    service.says("/omdb/", (200, none), (200, film(service, Title="La Vita", Poster="N/A")))
    found = look_for("Life, A (Vita, La) (1995)")
    assert [asked["t"] for _, asked, *_ in service.asked] == ["A Life", "La Vita"]
    assert (found.source, found.text_status) == ("omdb by title", OK)


def test_a_title_without_a_year_is_not_asked_for(service: Service, look_for: Look) -> None:
    assert look_for("unknown").text_status == Status("missing", "no imdb id, and no year behind the title")
    assert service.asked == []


def test_what_another_releases_id_may_have_wrong_is_marked(service: Service, look_for: Look) -> None:
    service.says("/omdb/", (200, film(service, Poster="N/A")))
    found = look_for("Seven (1994)", imdb="tt7", doubtful="Se7en (1995)")
    assert found.source == "omdb (doubtful: Se7en (1995))"
    assert found.text_status == Status("ok", "doubtful")

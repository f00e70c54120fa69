import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.features.pictures.pictures import inspect
from engine.tables.layout import Layout
from engine.tables.schemas import CATALOG, IMAGES, WORDS
from engine.tables.settings import checked
from engine.tables.store import read, read_shards
from stages import text
from stages.crawl.__main__ import main
from stages.crawl.answer_store import AnswerStore
from stages.crawl.chosen_services import Params, chosen_services
from stages.crawl.failures import CrawlStopped
from stages.crawl.services.tmdb import TmdbSettings

from .conftest import ABROAD, KEY, PARAMS, Handler, Service, give, jpeg, params, tables

Crawl = Callable[..., Layout]


@pytest.fixture
def crawl(tmp_path: Path, settings: Callable[..., TmdbSettings]) -> Crawl:
    """Crawls items 1 … count (`share` of them are one film), gives the layout of what came out."""

    def call(count: int, out: str = "out", chosen: Params | None = None, share: int = 1, **more: Any) -> Layout:
        films = [(n - 1) // share + 1 for n in range(1, count + 1)]
        ids = [[{"service": "tmdb", "id": str(n)}, {"service": "imdb", "id": f"tt{n:07}"}] for n in films]
        layout = tables(tmp_path / out, [(n, str(n), f"Title {n}", [], ids[n - 1]) for n in range(1, count + 1)])
        main(chosen or params("tmdb", tmdb=settings(**more).model_dump()), layout)
        return layout

    return call


def contents(layout: Layout) -> dict[str, bytes]:
    return files(layout.root)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def films(service: Service, count: int) -> None:
    for number in range(1, count + 1):
        service.film(number)
    service.film(3, overview="")
    service.film(5, poster_path=None)
    del service.scripts["/3/movie/6"]


def test_a_crawl(service: Service, crawl: Crawl) -> None:
    films(service, 40)
    out = crawl(40)
    catalog = read(out.catalog, CATALOG)
    assert catalog["item"].to_list() == list(range(1, 41))
    assert catalog.row(0) == (1, "Title 1", "Plot 1.", "ok", "ok", "tmdb")
    assert catalog.row(2) == (3, "Title 3", None, "missing", "ok", "tmdb")
    assert catalog.row(5) == (6, "Title 6", None, "missing", "missing", "tmdb")
    pictures = pl.concat(list(read_shards(out.images, IMAGES)))
    assert pictures["item"].to_list() == [n for n in range(1, 41) if n not in (5, 6)]
    assert pictures.row(0) == (1, jpeg(1), *vars(inspect(jpeg(1))).values())
    assert json.loads(out.metric("crawl").read_text()) == {
        "items": 40, "text_ok": 38, "text_missing": 2, "text_failed": 0,
        "picture_ok": 38, "picture_missing": 2, "picture_failed": 0,
        "why": {
            "text missing: no overview": 1, "text missing: not found": 1,
            "picture missing: no poster": 1, "picture missing: not found": 1,
        },
    }  # fmt: skip


def test_faults_on_the_way_change_nothing(
    service: Service, crawl: Crawl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films(service, 40)
    plain = contents(crawl(40, "plain"))
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "another"))
    faults = [(500, b"oops"), (429, {}, {"Retry-After": "0"}), (200, b"<html>portal</html>"), Handler.reset]
    for number in range(7, 40):
        service.before(f"/3/movie/{number}", faults[number % 4], faults[number % 3])
        service.before(f"/t/p/w342/{number}.jpg", faults[number % 3], (200, jpeg(), None, 100))
    assert contents(crawl(40, "faulty")) == plain


def test_a_second_crawl_asks_for_nothing_and_needs_no_key(
    service: Service, crawl: Crawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    films(service, 20)
    first = contents(crawl(20))
    asked = len(service.asked)
    monkeypatch.delenv("TMDB_API_KEY")
    assert contents(crawl(20)) == first
    assert len(service.asked) == asked


def test_failures_are_marked_and_asked_for_again_next_time(service: Service, crawl: Crawl) -> None:
    films(service, 20)
    service.says("/3/movie/7", (500, b""))
    service.says("/t/p/w342/8.jpg", (200, b"<html>"))
    out = crawl(20, failed=0.1)
    catalog = read(out.catalog, CATALOG)
    assert catalog.row(6)[2:] == (None, "failed: HTTP 500", "failed: HTTP 500", "tmdb")
    assert catalog["status"][7] == "ok"
    assert catalog["picture"][7].startswith("failed: bad picture")
    assert json.loads(out.metric("crawl").read_text())["why"]["text failed: HTTP 500"] == 1
    service.film(7)
    service.film(8)
    asked = len(service.asked)
    again = read(crawl(20, failed=0.1).catalog, CATALOG)
    assert again["status"][6] == again["picture"][7] == "ok"
    assert sorted(set(service.paths()[asked:])) == ["/3/movie/7", "/t/p/w342/7.jpg", "/t/p/w342/8.jpg"]


def test_too_many_failures_fail_the_stage_and_keep_what_came(service: Service, crawl: Crawl, tmp_path: Path) -> None:
    films(service, 20)
    for number in (1, 10, 20):
        service.says(f"/3/movie/{number}", (500, b""))
    why = r"tmdb: 3 of 20 items failed, more than its setting `failed` allows \(10.0%\): 3 x HTTP 500; run.*answers"
    with pytest.raises(CrawlStopped, match=why):
        crawl(20, failed=0.1)
    assert not (tmp_path / "out" / "catalog.parquet").exists()
    for number in (1, 10, 20):
        service.film(number)
    before = set(service.paths())  # the last item may fail before its neighbour's picture is asked for
    asked = len(service.asked)
    crawl(20, failed=0.1)
    again, lacked = set(service.paths()[asked:]), {f"/3/movie/{n}" for n in (1, 10, 20)}
    assert again & before == lacked
    assert again >= lacked | {f"/t/p/w342/{n}.jpg" for n in (1, 10, 20)}


def test_what_is_under_way_at_a_stop_is_kept(service: Service, crawl: Crawl, tmp_path: Path) -> None:
    asked = threading.Event()

    def slow(handler: Handler) -> None:
        asked.set()
        time.sleep(0.7)
        handler.say(200, {"id": 1, "overview": "Slow.", "poster_path": None})

    def refuse(handler: Handler) -> None:
        asked.wait(5)
        handler.say(401, {})

    service.says("/3/movie/1", slow)
    service.says("/3/movie/2", refuse)
    with pytest.raises(CrawlStopped, match="TMDB_API_KEY"):
        crawl(2, workers=2)
    with closing(AnswerStore(tmp_path / ".cache/http/tmdb/answers.sqlite")) as store:
        assert store.get(f"{service.base}/movie/1?language=en-US", "json") is not None


@pytest.mark.parametrize(("share", "broken", "ends"), [(0.1, 1, True), (0.1, 2, False), (0.0, 1, False)])
def test_one_item_may_always_fail_unless_none_may(
    service: Service, crawl: Crawl, share: float, broken: int, ends: bool
) -> None:
    films(service, 6)
    for number in range(1, broken + 1):
        service.says(f"/3/movie/{number}", (500, b""))
    if ends:
        assert read(crawl(6, failed=share).catalog, CATALOG)["status"][0] == "failed: HTTP 500"
        return
    with pytest.raises(CrawlStopped, match=f"{broken} of 6 items failed.*set `failed` higher"):
        crawl(6, failed=share)


def test_a_share_of_unknown_items_warns_with_an_example(
    service: Service, crawl: Crawl, caplog: pytest.LogCaptureFixture
) -> None:
    service.film(1)
    crawl(4, not_found=0.75)
    assert not [line for line in caplog.records if line.levelname == "WARNING"]
    crawl(4, not_found=0.7)
    (line,) = [line.getMessage() for line in caplog.records if line.levelname == "WARNING"]
    assert line.startswith("crawl, tmdb: 3 of 4 items are not found there, more than its setting `not_found`")
    assert "(70 %), e.g. the tmdb id '2' of item 2" in line


def test_a_store_that_holds_json_as_a_picture_is_healed(
    service: Service, crawl: Crawl, settings: Callable[..., TmdbSettings], tmp_path: Path
) -> None:
    own = f"{service.host}/omdb/?i=tt0000001&plot=full"
    film = {"Response": "True", "imdbID": "tt0000001", "Title": "One", "Plot": "A plot.", "Poster": own}
    service.says("/omdb/", (200, film))
    path = tmp_path / ".cache/http/omdb/answers.sqlite"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as old:
        old.execute("CREATE TABLE answers (address TEXT PRIMARY KEY, status INTEGER, note TEXT, body BLOB)")
        old.execute("INSERT INTO answers VALUES (?, 200, '', ?)", (own, json.dumps(film)))
        old.commit()
    table = read(crawl(1, chosen=several(service, settings, "plots", failed=1.0, retries=0)).catalog, CATALOG)
    assert table["text"][0] == "A plot."
    assert table["picture"][0].startswith("failed: bad picture")


@pytest.mark.parametrize("reply", [(401, b"no \x1b[31mkey\r\n\x07\xe2\x80\xae"), (503, b"", {"Retry-After": "9999"})])
def test_a_service_s_words_cannot_steer_a_terminal(service: Service, crawl: Crawl, reply: Any) -> None:
    images = {"secure_base_url": service.host, "poster_sizes": ["\x1b[31m"]}
    service.says("/3/configuration", (200, {"images": images}))
    with pytest.raises(CrawlStopped, match=r"x1b\[31m") as caught:
        crawl(1)
    assert str(caught.value).isprintable()
    service.says("/3/movie/1", reply)
    with pytest.raises(CrawlStopped) as caught:
        crawl(1, images=service.host)
    assert str(caught.value).isprintable()


def test_failed_pictures_count_too(service: Service, crawl: Crawl) -> None:
    films(service, 20)
    for number in (1, 10, 20):
        service.says(f"/t/p/w342/{number}.jpg", (503, b""))
    with pytest.raises(CrawlStopped, match=r"3 of 20 items failed.*3 x HTTP 503"):
        crawl(20, failed=0.1)


def test_a_dead_service_is_left_soon(service: Service, crawl: Crawl) -> None:
    for number in range(1, 401):
        service.says(f"/3/movie/{number}", (500, b""))
    with pytest.raises(CrawlStopped, match="of 400 items failed"):
        crawl(400, failed=0.01, retries=1)
    assert len(service.asked) < 100


@pytest.mark.parametrize("images", ["configuration", "http://127.0.0.1:9/t/p"])
def test_a_wrong_key_stops_at_once(service: Service, crawl: Crawl, tmp_path: Path, images: str) -> None:
    refusal = (401, {"status_code": 7, "status_message": "Invalid API key: You must be granted a valid key."})
    for path in ("/3/configuration", *(f"/3/movie/{n}" for n in range(1, 201))):
        service.says(path, refusal)
    with pytest.raises(CrawlStopped, match=r"TMDB_API_KEY.*Invalid API key") as caught:
        crawl(200, images=images)
    assert len(service.asked) <= 4
    assert KEY not in str(caught.value)
    assert not (tmp_path / "out" / "catalog.parquet").exists()


def test_a_missing_key_stops_at_once(service: Service, crawl: Crawl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMDB_API_KEY")
    with pytest.raises(CrawlStopped, match="environment variable TMDB_API_KEY is not set"):
        crawl(3)
    assert service.asked == []


def test_items_that_share_a_film_ask_once(service: Service, crawl: Crawl) -> None:
    films(service, 8)
    out = crawl(16, share=4)
    assert len(set(service.paths())) == len(service.asked) == 1 + 4 + 4
    assert read(out.catalog, CATALOG)["text"].to_list()[:8] == ["Plot 1."] * 4 + ["Plot 2."] * 4
    assert sum(part.height for part in read_shards(out.images, IMAGES)) == 16


def test_the_key_is_in_no_file(service: Service, crawl: Crawl, tmp_path: Path) -> None:
    films(service, 8)
    service.says("/3/movie/2", (500, b""))
    crawl(8, failed=0.2)
    written = files(tmp_path)
    assert ".cache/http/tmdb/answers.sqlite" in written
    assert not [name for name, data in written.items() if KEY.encode() in data or KEY in name]


def test_without_a_service_given_is_copied_through(service: Service, crawl: Crawl, tmp_path: Path) -> None:
    given = [(2, "Mine", "text", "ok", "ok", "demo"), (3, None, None, "failed: torn", "missing", None)]
    picture = {"item": 2, "image": jpeg(), **vars(inspect(jpeg()))}
    give(tmp_path / "out", given, [picture])
    out = crawl(4, chosen=params())
    assert read(out.catalog, CATALOG).rows() == [
        (1, "Title 1", None, "missing", "missing", None),
        given[0],
        (3, "Title 3", None, "failed: torn", "missing", "given"),
        (4, "Title 4", None, "missing", "missing", None),
    ]
    assert pl.concat(list(read_shards(out.images, IMAGES))).to_dicts() == [picture]
    assert json.loads(out.metric("crawl").read_text())["why"] == {
        "picture missing: not given": 3, "text failed: torn": 1, "text missing: not given": 2,
    }  # fmt: skip
    assert service.asked == []
    assert not (tmp_path / ".cache").exists()


def test_everything_given_asks_nobody(
    service: Service, crawl: Crawl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMDB_API_KEY")
    row = (1, "Mine", "text", "ok", "ok", "table")
    give(tmp_path / "out", [row], [{"item": 1, "image": jpeg(), **vars(inspect(jpeg()))}])
    assert read(crawl(1).catalog, CATALOG).rows() == [row]
    assert service.asked == []


def several(service: Service, settings: Callable[..., TmdbSettings], *order: str, **more: Any) -> Params:
    """OMDb has the plots of odd films and a poster of film 2; `films` says what TMDb has."""

    def answer(handler: Handler) -> None:
        film = str(int(handler.path.partition("?i=tt")[2].partition("&")[0]))
        if int(film) % 2 == 0 and film != "2":
            return handler.say(200, {"Response": "False", "Error": "Movie not found!"})
        poster = f"{service.host}/p/2.jpg" if film == "2" else "N/A"
        words = {"Title": f"OMDb {film}", "Plot": "N/A" if film == "2" else f"Long {film}.", "Poster": poster}
        return handler.say(200, {"Response": "True", "imdbID": f"tt{film:0>7}", **words})

    service.says("/omdb/", answer)
    service.says("/p/2.jpg", (200, jpeg(99)))
    omdb = ABROAD | {"service": "omdb", "base": f"{service.host}/omdb"} | more
    return params(*order, plots=omdb, films=settings().model_dump())


def test_several_services_in_order(
    service: Service, crawl: Crawl, settings: Callable[..., TmdbSettings], tmp_path: Path
) -> None:
    films(service, 8)
    out = crawl(8, chosen=several(service, settings, "plots", "films"))
    catalog = read(out.catalog, CATALOG)
    assert [row[2:] for row in catalog.iter_rows()] == [
        ("Long 1.", "ok", "ok", "omdb + tmdb"),
        ("Plot 2.", "ok", "ok", "tmdb + omdb"),
        ("Long 3.", "ok", "ok", "omdb + tmdb"),
        ("Plot 4.", "ok", "ok", "tmdb"),
        ("Long 5.", "ok", "missing", "omdb"),
        (None, "missing", "missing", "omdb + tmdb"),
        ("Long 7.", "ok", "ok", "omdb + tmdb"),
        ("Plot 8.", "ok", "ok", "tmdb"),
    ]
    pictures = pl.concat(list(read_shards(out.images, IMAGES)))
    assert pictures["item"].to_list() == [1, 2, 3, 4, 7, 8]
    assert pictures["image"].to_list() == [jpeg(n) for n in (1, 99, 3, 4, 7, 8)]
    assert "/t/p/w342/2.jpg" not in service.paths(), "who has a picture is not asked for one"
    first, asked = contents(out), len(service.asked)
    assert contents(crawl(8, chosen=several(service, settings, "plots", "films"))) == first
    assert len(service.asked) == asked
    written = files(tmp_path)
    assert {".cache/http/tmdb/answers.sqlite", ".cache/http/omdb/answers.sqlite"} <= set(written)
    assert not [name for name, data in written.items() if KEY.encode() in data]


def test_what_the_first_has_is_not_asked_of_the_second(
    service: Service, crawl: Crawl, settings: Callable[..., TmdbSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 5):
        service.film(number)
    monkeypatch.delenv("OMDB_API_KEY")
    out = crawl(4, chosen=several(service, settings, "films", "plots"))
    assert read(out.catalog, CATALOG)["source"].to_list() == ["tmdb"] * 4
    assert "/omdb/" not in service.paths()


def test_no_order_asks_nobody(service: Service, crawl: Crawl, settings: Callable[..., TmdbSettings]) -> None:
    out = crawl(2, chosen=several(service, settings))
    assert read(out.catalog, CATALOG)["status"].to_list() == ["missing"] * 2
    assert service.asked == []


def test_a_quota_spent_on_the_way_leaves_nothing_half_and_goes_on(
    service: Service, crawl: Crawl, settings: Callable[..., TmdbSettings], tmp_path: Path
) -> None:
    films(service, 20)
    whole = contents(crawl(20, "whole", chosen=several(service, settings, "plots")))
    (tmp_path / ".cache/http/omdb/answers.sqlite").unlink()
    section = several(service, settings, "plots", workers=1)
    answer = service.scripts["/omdb/"][0]
    spent = (401, {"Response": "False", "Error": "Request limit reached!"})
    service.says("/omdb/", *[answer] * 7, spent)
    asked = len(service.asked)
    with pytest.raises(CrawlStopped, match="again tomorrow"):
        crawl(20, chosen=section)
    assert not (tmp_path / "out" / "catalog.parquet").exists()
    assert service.paths()[asked:].count("/omdb/") == 8, "one worker asks nothing after the refusal"
    asked = len(service.asked)
    service.says("/omdb/", answer)
    assert contents(crawl(20, chosen=section)) == whole
    assert service.paths()[asked:].count("/omdb/") == 13


HOSTILE = [
    '<script>alert("x")</script><img src=http://example.org onerror=alert(1)>',
    "{{ 7 * 7 }}{% for x in y %}${x}%(x)s%n",
    "'; DROP TABLE answers; --",
    '=HYPERLINK(1)\r\n,\t;"',
    "a\x00b\x1b[2J\x7f",
    "\u202eback\u2066 \u200b\u2028\ufeffon",
    "a" + "\u0301" * 5_000,
    "long" * 100_000,
    "word " * 50_000 + "end",
    "\U0001f4a9" * 2_000 + " \ud83d",
]


def test_hostile_words_come_in_as_they_are_and_break_no_stage(service: Service, crawl: Crawl, tmp_path: Path) -> None:
    for number, words in enumerate(HOSTILE, 1):
        service.film(number, title=words, overview=words)
    out = crawl(len(HOSTILE))
    table = read(out.catalog, CATALOG)
    assert table["text"].to_list() == [words.replace("\ud83d", "?") for words in HOSTILE]
    short = {"encoder": "minilm", "precision": "fp32", "limit": 20, "width": 0}
    section = PARAMS["contents"]["demo"]["text"] | short
    text.main(checked(text.Params, {"text": section, "device": "cpu", "seed": 1}, "text"), out)
    said = read(out.words, WORDS)
    for item, tokens, spans in said.select("item", "token", "span").iter_rows():
        words = table["text"][item - 1]
        assert [words[a:b] for a, b in spans] == tokens, f"film {item}"
    assert set(said["item"]) == set(range(1, len(HOSTILE)))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"id": 1, "overview": "x", "poster_path": ' + b"[" * 100_000 + b"}",
        b'{"id": 1' + b"0" * 5_000 + b', "overview": "x"}',
        b'{"id": 1e999, "overview": "x"}',
        b'{"id": 1, "overview": {"a": 1}}',
        b'{"id": 1, "overview": NaN}',
        b"\xff\xfe{\x00",
    ],
    ids=["deep", "deep inside", "a long number", "infinite", "an object", "no number", "UTF-16"],
)
def test_hostile_json_fails_its_item_alone(service: Service, crawl: Crawl, body: bytes) -> None:
    service.film(2)
    service.says("/3/movie/1", (200, body))
    table = read(crawl(2, failed=0.5, retries=0).catalog, CATALOG)
    assert table["status"].to_list() == ["failed: not the JSON expected", "ok"]


@pytest.mark.parametrize("dataset", PARAMS["datasets"])
def test_the_sections_of_params_yaml_are_good(dataset: str) -> None:
    crawl = PARAMS["datasets"][dataset]["crawl"]
    found = chosen_services(checked(Params, {"crawl": crawl, "services": PARAMS["services"]}, dataset))
    assert list(found) == crawl["services"]


def test_what_differs_is_laid_over_the_general_section() -> None:
    found = chosen_services(params("german", "tmdb", german={"service": "tmdb", "language": "de-DE", "rate": 5}))
    assert list(found) == ["german", "tmdb"]
    general = found["tmdb"].model_dump()
    assert general.items() >= (PARAMS["services"]["tmdb"] | {"service": "tmdb"}).items()
    assert found["german"].model_dump() == general | {"language": "de-DE", "rate": 5}


@pytest.mark.parametrize(
    ("services", "differs", "why"),
    [
        (["tmdb", "tmdb"], {}, "names a service twice"),
        (["imdb"], {}, r"'imdb' is no service; there are \['tmdb', 'omdb', 'pinterest', 'addresses'\].*differs\.imdb"),
        (["plots"], {"plots": {"service": "none"}}, "'none' is no service"),
        (["omdb"], {"omdb": {"rat": 1}}, r"differs\.omdb\.rat: .*known keys: .*rate"),
        (["tmdb"], {"tmdb": {"kind": "still"}}, r"differs\.tmdb\.kind: .*'poster' or 'backdrop'"),
        ([], {"other": {"rate": 1}}, "'other' is no service"),
    ],
)
def test_wrong_choices_are_refused(services: list[str], differs: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        params(*services, **differs)

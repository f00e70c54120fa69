"""The routes: JSON for a shop, and one page with its own script for people."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware

from engine.tables.domain_words import DomainWords
from serving.api import as_json
from serving.web.desk import Desk
from serving.web.limits import Limits
from serving.web.line import Line
from serving.web.pictures import Pictures
from serving.web.questions import TOP, AskedExplain, AskedHistory, AskedRecommend, AskedWhyNot
from serving.web.refusals import STATUSES, refuse_in_json
from serving.web.replies import Edited, Explained, Found, Health, People, Person, Recommended, WhyNotReply

STATIC = Path(__file__).with_name("static")
Text = Annotated[str, Query(max_length=300)]
Few = Annotated[int, Query(ge=1, le=TOP)]


def application(desk: Desk, pictures: Pictures, words: DomainWords, hosts: list[str], waiting: int) -> FastAPI:
    """`words`: what things are called; `hosts`: by which names this server may be asked, so that no page from
    elsewhere reads what people did by giving its own name this address; `waiting`: questions that wait at most.
    """
    app = FastAPI(
        title="whyrec",
        summary="What each person will want next, and why",
        version="1",
        docs_url=None,  # its pages load scripts from the net; /openapi.json is what they show
        redoc_url=None,
        responses=STATUSES,
    )
    refuse_in_json(app)
    line, drawing = Line("models", waiting), Line("pictures", waiting)
    app.state.lines = (line, drawing)
    _answers(app, desk, line)
    _lists(app, desk, line)
    _page(app, desk, words)
    _pictures(app, pictures, drawing)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    app.add_middleware(Limits)
    return app


def _answers(app: FastAPI, desk: Desk, line: Line) -> None:
    @app.post("/recommend", response_model=Recommended)
    async def recommend(asked: AskedRecommend, request: Request) -> Response:
        """The first items after a history, best first, with a sentence each where one could be checked."""
        return await _in_turn(line, request, lambda: desk.recommend(asked))

    @app.post("/explain", response_model=Explained)
    async def explain(asked: AskedExplain, request: Request) -> Response:
        """What acts, words, regions and views do to an item's chance, and the model's own weights."""
        return await _in_turn(line, request, lambda: desk.explain(asked))

    @app.post("/why_not", response_model=WhyNotReply)
    async def why_not(asked: AskedWhyNot, request: Request) -> Response:
        """An item's rank, and the fewest acts found whose absence brings it into the first, or out of them."""
        return await _in_turn(line, request, lambda: desk.why_not(asked))

    @app.post("/history", response_model=Edited)
    async def history(asked: AskedHistory, request: Request) -> Response:
        """The acts that are asked about, with their times and their places before any change."""
        return await _in_turn(line, request, lambda: desk.history(asked))


def _lists(app: FastAPI, desk: Desk, line: Line) -> None:
    @app.get("/search", response_model=Found)
    async def search(request: Request, text: Text, limit: Few = 20) -> Response:
        """Items by words of their titles."""
        return await _in_turn(line, request, lambda: desk.search(text, limit))

    @app.get("/people", response_model=People)
    async def people(request: Request, text: Text = "", limit: Few = 20) -> Response:
        """People whose raw ids begin with a text."""
        return await _in_turn(line, request, lambda: desk.people(text, limit))

    @app.get("/person", response_model=Person)
    async def person(request: Request, user: Text) -> Response:
        """What a person of the data did, the oldest first."""
        return await _in_turn(line, request, lambda: desk.person(user))

    @app.get("/health")
    async def health() -> Health:
        """Whether questions are answered, by which models, and how many wait; at once, whatever else is asked."""
        return Health("ok", desk.names, line.waiting)


def _page(app: FastAPI, desk: Desk, words: DomainWords) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    @app.get("/about", include_in_schema=False)
    async def about() -> dict[str, Any]:
        return {"models": desk.names, "reads": desk.reads, "words": words.model_dump()}

    app.mount("/static", StaticFiles(directory=STATIC))


def _pictures(app: FastAPI, pictures: Pictures, line: Line) -> None:
    @app.get("/picture", include_in_schema=False)
    async def picture(request: Request, item: Text) -> Response:
        found = await line.turn(lambda: pictures.picture(item), _hung_up(request))
        if found is None:
            return Response(status_code=204)  # no error: some items have none
        return Response(found, media_type="image/webp", headers={"cache-control": "max-age=3600"})


async def _in_turn(line: Line, request: Request, ask: Callable[[], object]) -> Response:
    """The reply as JSON; it is written by the thread that made it, so that no other question waits for that."""
    text = await line.turn(lambda: json.dumps(as_json(ask()), ensure_ascii=False, allow_nan=False), _hung_up(request))
    return Response(text, media_type="application/json")


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

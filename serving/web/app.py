"""The routes: JSON for a shop, and one page with its own script for people."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware

from engine.tables.domain_words import DomainWords
from serving.api import Refused
from serving.web.desk import Desk
from serving.web.limits import Limits
from serving.web.pictures import Pictures
from serving.web.questions import TOP, AskedExplain, AskedHistory, AskedRecommend, AskedWhyNot

STATIC = Path(__file__).with_name("static")
Text = Annotated[str, Query(max_length=300)]
Few = Annotated[int, Query(ge=1, le=TOP)]


def application(desk: Desk, pictures: Pictures, words: DomainWords, hosts: list[str]) -> FastAPI:
    """`words`: what things are called; `hosts`: by which names this server may be asked, so that no page from
    elsewhere reads what people did by giving its own name this address.
    """
    app = FastAPI(
        title="whyrec",
        summary="What each person will want next, and why",
        version="1",
        docs_url=None,  # its pages load scripts from the net; /openapi.json is what they show
        redoc_url=None,
    )
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _not_valid)
    _answers(app, desk)
    _lists(app, desk)
    _page(app, desk, pictures, words)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    app.add_middleware(Limits)
    return app


def _answers(app: FastAPI, desk: Desk) -> None:
    @app.post("/recommend")
    def recommend(asked: AskedRecommend) -> dict[str, Any]:
        """The first items after a history, best first, with a sentence each where one could be checked."""
        return desk.recommend(asked)

    @app.post("/explain")
    def explain(asked: AskedExplain) -> dict[str, Any]:
        """What acts, words, regions and views do to an item's chance, and the model's own weights."""
        return desk.explain(asked)

    @app.post("/why_not")
    def why_not(asked: AskedWhyNot) -> dict[str, Any]:
        """An item's rank, and the fewest acts found whose absence brings it into the first, or out of them."""
        return desk.why_not(asked)

    @app.post("/history")
    def history(asked: AskedHistory) -> dict[str, Any]:
        """The acts that are asked about, with their times and their places before any change."""
        return desk.history(asked)


def _lists(app: FastAPI, desk: Desk) -> None:
    @app.get("/search")
    def search(text: Text, limit: Few = 20) -> dict[str, Any]:
        """Items by words of their titles."""
        return desk.search(text, limit)

    @app.get("/people")
    def people(text: Text = "", limit: Few = 20) -> dict[str, Any]:
        """People whose raw ids begin with a text."""
        return desk.people(text, limit)

    @app.get("/person")
    def person(user: Text) -> dict[str, Any]:
        """What a person of the data did, the oldest first."""
        return desk.person(user)

    @app.get("/health")
    def health() -> dict[str, Any]:
        """Whether questions are answered, and by which models."""
        return {"status": "ok", "models": desk.names}


def _page(app: FastAPI, desk: Desk, pictures: Pictures, words: DomainWords) -> None:
    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    @app.get("/about", include_in_schema=False)
    def about() -> dict[str, Any]:
        return {"models": desk.names, "reads": desk.reads, "words": words.model_dump()}

    @app.get("/picture", include_in_schema=False)
    def picture(item: Text) -> Response:
        found = pictures.picture(item)
        if found is None:
            return Response(status_code=204)  # no error: some items have none
        return Response(found, media_type="image/webp", headers={"cache-control": "max-age=3600"})

    app.mount("/static", StaticFiles(directory=STATIC))


def _refused(request: Request, error: Exception) -> JSONResponse:
    nearest = list(error.nearest) if isinstance(error, Refused) else []
    return JSONResponse({"error": str(error), "nearest": nearest}, 422)


def _not_valid(request: Request, error: Exception) -> JSONResponse:
    """Where it is wrong and why; not what was sent, which may be long."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    told = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults[:10]]
    return JSONResponse({"error": "; ".join(told), "nearest": []}, 422)

"""The Movie Database, version 3: overviews and posters by TMDb's own id (https://developer.themoviedb.org/docs)."""

import json
import re
from functools import partial
from typing import Literal, TypeVar

from pydantic import BaseModel, Field

from stages.crawl.answers import Answer
from stages.crawl.fetcher import Fetcher
from stages.crawl.key import Key
from stages.crawl.manners import Failure, Fault, Manners, Stopped
from stages.crawl.service import OK, Found, Service, State, Wanted, picture_note

_PATH = re.compile(r"/\w[\w.-]*", re.ASCII)


class Settings(Manners):
    """`images` is `configuration` (ask TMDb where its pictures lie) or the address of a mirror that has them.

    `size` is one of TMDb's poster sizes, `language` that of the overviews (e.g. de-DE).
    """

    service: Literal["tmdb"]
    images: str = Field(pattern=r"^(configuration|https?://[^\s?#@]+)$")
    size: str
    language: str = Field(pattern=r"^[A-Za-z-]+$")


class _Pictures(BaseModel):
    secure_base_url: str = Field(pattern=r"^https?://[^\s?#@]+$")
    poster_sizes: list[str]


class _Configuration(BaseModel):
    images: _Pictures


class _Movie(BaseModel):
    id: int
    title: str | None = None
    overview: str | None = None
    poster_path: str | None = None


class _Message(BaseModel):
    status_code: int


M = TypeVar("M", bound=BaseModel)


def _parsed(answer: Answer, model: type[M]) -> M:
    try:
        # a lone surrogate is good JSON and no text: by way of UTF-8 it becomes a question mark
        text = json.dumps(json.loads(answer.body), ensure_ascii=False)
        return model.model_validate_json(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Fault("not the JSON expected") from None


def key() -> Key:
    """A v3 key or a v4 read access token."""
    return Key("TMDb", "TMDB_API_KEY", "api_key")


class Tmdb(Service):
    """Asks /configuration once, then /movie/{id} and the poster that it names.

    Raises:
        Stopped: there is no TMDb at the base address, or it has no posters of that size.
    """

    def __init__(self, settings: Settings, fetcher: Fetcher) -> None:
        self.settings, self.fetcher = settings, fetcher
        images = self._images() if settings.images == "configuration" else settings.images
        self.posters = f"{images.rstrip('/')}/{settings.size}"

    def look(self, wanted: Wanted) -> Found:
        """The overview and the poster of the film whose id in `tmdb` the item has."""
        film = wanted.ids.get("tmdb")
        if not film:
            nothing = State("missing", "no tmdb id")
            return Found("tmdb: no id", nothing, nothing)
        if not re.fullmatch(r"\d{1,12}", film, re.ASCII):
            wrong = State("failed", "the tmdb id is not a number")
            return Found("tmdb", wrong, wrong)
        address = f"{self.fetcher.base}movie/{film}?language={self.settings.language}"
        try:
            answer = self.fetcher.get(address, partial(self._film, film=int(film)))
        except Failure as failure:
            lost = State("failed", failure.why)
            return Found("tmdb", lost, lost)
        if answer.status == 404:
            unknown = State("missing", "not found")
            return Found("tmdb", unknown, unknown)
        movie = _parsed(answer, _Movie)
        words, title = (movie.overview or "").strip(), (movie.title or "").strip()
        text = OK if words else State("missing", "no overview")
        picture, poster = self._poster(movie.poster_path) if wanted.picture else (State("missing", "not asked"), "")
        return Found("tmdb", text, picture, title, words, poster)

    def _images(self) -> str:
        address = f"{self.fetcher.base}configuration"
        try:
            answer = self.fetcher.get(address, self._configuration)
        except Failure as failure:
            raise Stopped(
                f"{address}: {failure.why}; set crawl.base to TMDb's address, or crawl.images to that of its pictures"
            ) from None
        images = _parsed(answer, _Configuration).images
        if self.settings.size not in images.poster_sizes:
            raise Stopped(f"crawl.size: found {self.settings.size!r}; TMDb has posters of {images.poster_sizes}")
        return images.secure_base_url

    def _poster(self, path: str | None) -> tuple[State, str]:
        if not path:
            return State("missing", "no poster"), ""
        if not _PATH.fullmatch(path):
            return State("failed", "unsafe picture path"), ""
        address = self.posters + path
        try:
            answer = self.fetcher.get(address, picture_note)
        except Failure as failure:
            return State("failed", failure.why), ""
        return (OK, address) if answer.status == 200 else (State("missing", "poster not found"), "")

    @staticmethod
    def _configuration(answer: Answer) -> str:
        if answer.status == 404:
            raise Failure("HTTP 404")
        _parsed(answer, _Configuration)
        return ""

    @staticmethod
    def _film(answer: Answer, film: int) -> str:
        if answer.status == 404:  # TMDb says so in JSON; a proxy's page says nothing about the film
            _parsed(answer, _Message)
        elif _parsed(answer, _Movie).id != film:
            raise Fault("the answer is about another film")
        return ""

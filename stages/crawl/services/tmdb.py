"""The Movie Database, version 3: overviews, posters and stills by TMDb's own id (https://developer.themoviedb.org)."""

import re
from functools import partial
from typing import Literal

from pydantic import BaseModel, Field

from stages.crawl.answer_store import Answer
from stages.crawl.api_key import Key
from stages.crawl.fetcher import Fetcher
from stages.crawl.request_settings import Called, Failure, Fault, Stopped
from stages.crawl.services.service import NOT_ASKED, OK, Found, Service, State, parsed

_PATH = re.compile(r"/\w[\w.-]*", re.ASCII)


class TmdbSettings(Called):
    """`images` is `configuration` (ask TMDb where its pictures lie) or the address of a mirror that has them.

    `kind` is which picture of a film: its poster or its backdrop (a still of it), `size` one of TMDb's sizes of that
    kind, `language` that of the overviews (e.g. de-DE).
    """

    service: Literal["tmdb"] = "tmdb"
    images: str = Field(pattern=r"^(configuration|https?://[^\s?#@]+)$")
    kind: Literal["poster", "backdrop"]
    size: str
    language: str = Field(pattern=r"^[A-Za-z-]+$")


class _Pictures(BaseModel):
    secure_base_url: str = Field(pattern=r"^https?://[^\s?#@]+$")
    poster_sizes: list[str]
    backdrop_sizes: list[str] = []


class _Configuration(BaseModel):
    images: _Pictures


class _Movie(BaseModel):
    id: int
    title: str | None = None
    overview: str | None = None
    poster_path: str | None = None
    backdrop_path: str | None = None


class _Message(BaseModel):
    status_code: int


class TmdbKey(Key):
    """A v3 key or a v4 read access token."""

    def __init__(self) -> None:
        super().__init__("TMDb", "TMDB_API_KEY", "api_key")


class Tmdb(Service):
    """Asks /configuration once, then /movie/{id} and the picture that it names.

    Raises:
        Stopped: there is no TMDb at the base address, or it has no pictures of that size.
    """

    name, by = "tmdb", "tmdb"
    form, form_name = re.compile(r"\d{1,12}", re.ASCII), "a number"

    def __init__(self, settings: TmdbSettings, fetcher: Fetcher) -> None:
        super().__init__(fetcher)
        self.settings = settings
        images = self._images() if settings.images == "configuration" else settings.images
        self.pictures = f"{images.rstrip('/')}/{settings.size}"

    def find(self, own: str, picture: bool) -> Found:
        """The overview and the poster or backdrop of the film `own`."""
        address = f"{self.fetcher.base}movie/{own}?language={self.settings.language}"
        answer = self.fetcher.get(address, partial(self._film, film=int(own)))
        if answer.status == 404:
            unknown = State("missing", "not found")
            return Found(self.name, unknown, unknown)
        movie = parsed(answer, _Movie)
        words, title = (movie.overview or "").strip(), (movie.title or "").strip()
        text = OK if words else State("missing", "no overview")
        path = movie.poster_path if self.settings.kind == "poster" else movie.backdrop_path
        state, place = self._picture(path) if picture else (NOT_ASKED, "")
        return Found(self.name, text, state, title, words, place)

    def _images(self) -> str:
        address = f"{self.fetcher.base}configuration"
        try:
            answer = self.fetcher.get(address, self._configuration)
        except Failure as failure:
            raise Stopped(
                f"{address}: {failure.why}; set crawl.base to TMDb's address, or crawl.images to that of its pictures"
            ) from None
        images, kind = parsed(answer, _Configuration).images, self.settings.kind
        sizes = images.poster_sizes if kind == "poster" else images.backdrop_sizes
        if self.settings.size not in sizes:
            raise Stopped(f"crawl.size: found {self.settings.size!r}; TMDb has {kind}s of {sizes}")
        return images.secure_base_url

    def _picture(self, path: str | None) -> tuple[State, str]:
        if not path:
            return State("missing", f"no {self.settings.kind}"), ""
        if not _PATH.fullmatch(path):
            return State("failed", "unsafe picture path"), ""
        return self.picture(self.settings.kind, self.pictures + path, self.fetcher.get)

    @staticmethod
    def _configuration(answer: Answer) -> str:
        if answer.status == 404:
            raise Failure("HTTP 404")
        parsed(answer, _Configuration)
        return ""

    @staticmethod
    def _film(answer: Answer, film: int) -> str:
        if answer.status == 404:  # TMDb says so in JSON; a proxy's page says nothing about the film
            parsed(answer, _Message)
        elif parsed(answer, _Movie).id != film:
            raise Fault("the answer is about another film")
        return ""

"""The Movie Database, version 3: overviews, posters and stills by TMDb's own id (https://developer.themoviedb.org)."""

import re
from threading import Lock
from typing import Literal

from pydantic import BaseModel, Field

from stages.crawl.answer_store import Answer
from stages.crawl.api_key import ApiKey
from stages.crawl.failures import CrawlStopped, RequestFailed
from stages.crawl.fetcher import Fetcher
from stages.crawl.request_settings import Address, ApiSettings
from stages.crawl.services.item_content import NOT_ASKED, NOT_FOUND, OK, OTHER_ID, ItemContent, Status
from stages.crawl.services.service import Service, parsed, whole_number

_PATH = re.compile(r"/\w[\w.-]*", re.ASCII)
_MOST = 12  # digits of an id


class TmdbSettings(ApiSettings):
    """Settings of TMDb."""

    service: Literal["tmdb"] = Field(default="tmdb", description="which service this is")
    base: Address = "https://api.themoviedb.org/3"
    images: str = Field(
        default="configuration",
        pattern=r"^(configuration|https?://[^\s?#@]+)$",
        description="where pictures lie: `configuration` asks TMDb (public hosts alone), or a mirror's address",
    )
    kind: Literal["poster", "backdrop"] = Field(default="poster", description="which picture; a backdrop is a still")
    size: str = Field(default="w342", description="one of TMDb's sizes of that kind: pixels of width after a w")
    language: str = Field(default="en-US", pattern=r"^[A-Za-z-]+$", description="language of the overviews")


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


class TmdbKey(ApiKey):
    """A v3 key or a v4 read access token."""

    def __init__(self) -> None:
        super().__init__("TMDb", "TMDB_API_KEY", "api_key")


class Tmdb(Service):
    """Asks /configuration once, then /movie/{id} and the picture that it names.

    Raises:
        CrawlStopped: there is no TMDb at the base address, or it has no pictures of that size.
    """

    name, id_name, id_form = "tmdb", "tmdb", "a number"

    def __init__(self, settings: TmdbSettings, fetcher: Fetcher) -> None:
        super().__init__(fetcher)
        self.settings = settings
        self.public = settings.images == "configuration"
        self._images, self._asking = "" if self.public else settings.images, Lock()

    @staticmethod
    def canonical_id(raw: str) -> str | None:
        """A number; a table of floats adds `.0`."""
        number = whole_number(raw)
        return number if number and len(number) <= _MOST else None

    @property
    def pictures(self) -> str:
        """Where its pictures of the stated size lie; asked for once, when the first is looked up."""
        with self._asking:
            self._images = self._images or self._configured_images()
        return f"{self._images.rstrip('/')}/{self.settings.size}"

    def find(self, known: str, picture: bool) -> ItemContent:
        """The overview and the poster or backdrop of the film `known`."""
        pictures = self.pictures  # before the film, so that a wrong size stops the crawl at once
        answer = self.api(f"movie/{known}?language={self.settings.language}", self._check)
        if answer.status == 404:
            return self.nothing(NOT_FOUND)
        movie = parsed(answer, _Movie)
        if movie.id != int(known):
            return self.nothing(OTHER_ID)
        text, title = (movie.overview or "").strip(), (movie.title or "").strip()
        path = movie.poster_path if self.settings.kind == "poster" else movie.backdrop_path
        status, place = self._picture(path, pictures) if picture else (NOT_ASKED, "")
        return ItemContent(self.name, OK if text else Status("missing", "no overview"), status, title, text, place)

    def _configured_images(self) -> str:
        try:
            answer = self.api("configuration", self._check_configuration)
        except RequestFailed as one:
            raise CrawlStopped(
                f"{self.fetcher.base}configuration: {one.reason}; set services.tmdb.base to TMDb's address, "
                f"or services.tmdb.images to that of its pictures"
            ) from None
        images, kind = parsed(answer, _Configuration).images, self.settings.kind
        sizes = images.poster_sizes if kind == "poster" else images.backdrop_sizes
        if self.settings.size not in sizes:
            raise CrawlStopped(f"services.tmdb.size: found {self.settings.size!r}; TMDb has {kind}s of {sizes}")
        return images.secure_base_url

    def _picture(self, path: str | None, pictures: str) -> tuple[Status, str]:
        if not path:
            return Status("missing", f"no {self.settings.kind}"), ""
        if not _PATH.fullmatch(path):
            return Status("failed", "unsafe picture path"), ""
        return self.picture(self.settings.kind, pictures + path, self.public)

    @staticmethod
    def _check_configuration(answer: Answer) -> None:
        if answer.status == 404:
            raise RequestFailed("HTTP 404")
        parsed(answer, _Configuration)

    @staticmethod
    def _check(answer: Answer) -> None:
        # TMDb says 404 in JSON; a proxy's page says nothing about the film
        parsed(answer, _Message if answer.status == 404 else _Movie)

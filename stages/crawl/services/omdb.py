"""The Open Movie Database: full plots and posters by IMDb id, or by title and year (https://www.omdbapi.com)."""

import json
import re
from dataclasses import replace
from typing import Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from engine.tables.film_title import FilmTitle
from stages.crawl.answer_store import Answer
from stages.crawl.api_key import ApiKey
from stages.crawl.failures import CrawlStopped, TransientFailure
from stages.crawl.fetcher import Fetcher
from stages.crawl.request_settings import Address, ApiSettings, WebPictureSettings
from stages.crawl.services.item_content import NOT_ASKED, NOT_FOUND, OK, OTHER_ID, OTHER_YEAR, ItemContent, Status
from stages.crawl.services.service import Service, parsed, whole_number

# said with HTTP 200; "Error getting data." is how it says that it has no entry for a well-formed id
_UNKNOWN = ("Movie not found!", "Series not found!", "Incorrect IMDb ID.", "Error getting data.")
_SPENT = "Request limit reached!"  # said with HTTP 401, as a wrong key is
_NONE = "N/A"
_PREFIX = re.compile("(tt)+", re.IGNORECASE)
_DIGITS, _MOST = 7, 12


class OmdbSettings(ApiSettings, WebPictureSettings):
    """Settings of OMDb: a plot is the full one, a poster lies where the answer says."""

    service: Literal["omdb"] = Field(default="omdb", description="which service this is")
    base: Address = "https://www.omdbapi.com"


class _Answer(BaseModel):
    response: Literal["True", "False"] = Field(alias="Response")
    error: str = Field("", alias="Error")
    imdb: str = Field("", alias="imdbID")
    title: str = Field("", alias="Title")
    year: str = Field("", alias="Year")
    plot: str = Field("", alias="Plot")
    poster: str = Field("", alias="Poster")


class OmdbKey(ApiKey):
    """The key that OMDb sends by mail."""

    def __init__(self) -> None:
        super().__init__("OMDb", "OMDB_API_KEY", "apikey")

    def rejection(self, status: int, body: bytes) -> CrawlStopped:
        """A spent quota is no wrong key."""
        try:
            said = json.loads(body)["Error"]
        except (ValueError, KeyError, TypeError, RecursionError):
            said = ""
        if said != _SPENT:
            return super().rejection(status, body)
        return CrawlStopped(
            f"OMDb has answered as often as it does in a day for the key in {self.variable} ({_SPENT!r}); "
            f"run the same command again tomorrow: it goes on where this one stops, all that was answered is kept"
        )


class Omdb(Service):
    """Asks for ?i=tt…&plot=full, or ?t=…&y=…&type=movie&plot=full, and the poster that the answer names."""

    name, id_name, id_form = "omdb", "imdb", "tt and a number"

    def __init__(self, settings: OmdbSettings, fetcher: Fetcher) -> None:
        super().__init__(fetcher)
        self.settings = settings

    @staticmethod
    def canonical_id(raw: str) -> str | None:
        """tt and seven digits at least: a table of numbers loses the zeros, one of floats adds `.0`."""
        number = whole_number(_PREFIX.sub("", raw.strip(), count=1) if _PREFIX.match(raw.strip()) else raw)
        return f"tt{number:0>{_DIGITS}}" if number and len(number) <= _MOST else None

    def find(self, known: str, picture: bool) -> ItemContent:
        """The plot and the poster of the film `known`."""
        film = parsed(self.api(f"?i={known}&plot=full", self._check), _Answer)
        if film.response == "False":
            return self.nothing(NOT_FOUND)
        if self.canonical_id(film.imdb) != known:
            return self.nothing(OTHER_ID)
        return self._content(film, picture)

    def find_by_title(self, title: FilmTitle, picture: bool) -> ItemContent:
        """Those of the film that OMDb has under one of the names and of that very year; doubtful under another name."""
        if title.year is None:
            return self.nothing(Status("missing", "no imdb id, and no year behind the title"))
        found = NOT_FOUND
        for name in title.names:
            asked = urlencode({"t": name, "y": title.year, "type": "movie", "plot": "full"})
            film = parsed(self.api(f"?{asked}", self._check), _Answer)
            if film.response == "False":
                continue
            if film.year.strip() == str(title.year):
                other = None if title.means(FilmTitle((film.title,), title.year)) else f"it is called {film.title!r}"
                content = self._content(film, picture)
                return replace(content, source=f"{self.name} by title").doubted(other)
            found = OTHER_YEAR
        return self.nothing(found)

    def _content(self, film: _Answer, picture: bool) -> ItemContent:
        title, text, poster = (_plain(one) for one in (film.title, film.plot, film.poster))
        status, place = (Status("missing", "no poster") if picture else NOT_ASKED), ""
        if picture and poster:
            status, place = self.picture("poster", poster)
        return ItemContent(self.name, OK if text else Status("missing", "no plot"), status, title, text, place)

    @staticmethod
    def _check(answer: Answer) -> None:
        found = parsed(answer, _Answer)
        if answer.status != 200:
            raise TransientFailure(f"HTTP {answer.status}")
        if found.response == "False" and found.error not in _UNKNOWN:
            raise TransientFailure(f"OMDb says {found.error[:60]!r}")


def _plain(text: str) -> str:
    return "" if text.strip() == _NONE else text.strip()

"""The Open Movie Database: full plots and posters by IMDb id (https://www.omdbapi.com)."""

import json
import re
from functools import partial
from typing import Literal

from pydantic import BaseModel, Field

from stages.crawl.answer_store import Answer
from stages.crawl.api_key import Key
from stages.crawl.fetcher import Fetcher
from stages.crawl.request_settings import Abroad, Called, Fault, Stopped
from stages.crawl.services.service import NOT_ASKED, OK, Found, Service, State, parsed

_UNKNOWN = ("Movie not found!", "Incorrect IMDb ID.")  # said with HTTP 200
_SPENT = "Request limit reached!"  # said with HTTP 401, as a wrong key is
_NONE = "N/A"


class OmdbSettings(Called, Abroad):
    """Nothing of its own: a plot is the full one, a poster lies where the answer says."""

    service: Literal["omdb"] = "omdb"


class _Answer(BaseModel):
    response: Literal["True", "False"] = Field(alias="Response")
    error: str = Field("", alias="Error")
    own: str = Field("", alias="imdbID")
    title: str = Field("", alias="Title")
    plot: str = Field("", alias="Plot")
    poster: str = Field("", alias="Poster")


class OmdbKey(Key):
    """The key that OMDb sends by mail."""

    def __init__(self) -> None:
        super().__init__("OMDb", "OMDB_API_KEY", "apikey")

    def refused(self, status: int, body: bytes) -> Stopped:
        """A spent quota is no wrong key."""
        try:
            said = json.loads(body)["Error"]
        except (ValueError, KeyError, TypeError, RecursionError):
            said = ""
        if said != _SPENT:
            return super().refused(status, body)
        return Stopped(
            f"OMDb has answered as often as it does in a day for the key in {self.variable} ({_SPENT!r}); "
            f"run the same command again tomorrow: it goes on where this one stops, all that was answered is kept"
        )


class Omdb(Service):
    """Asks for ?i=tt…&plot=full and the poster that the answer names."""

    name, by = "omdb", "imdb"
    form, form_name = re.compile(r"tt\d{1,12}", re.ASCII), "tt and a number"

    def __init__(self, settings: OmdbSettings, fetcher: Fetcher) -> None:
        super().__init__(fetcher)
        self.settings = settings

    def find(self, own: str, picture: bool) -> Found:
        """The plot and the poster of the film `own`."""
        answer = self.fetcher.get(f"{self.fetcher.base}?i={own}&plot=full", partial(self._film, film=own))
        film = parsed(answer, _Answer)
        if film.response == "False":
            unknown = State("missing", "not found")
            return Found(self.name, unknown, unknown)
        title, words, poster = (_plain(one) for one in (film.title, film.plot, film.poster))
        text = OK if words else State("missing", "no plot")
        state, place = (State("missing", "no poster") if picture else NOT_ASKED), ""
        if picture and poster:
            state, place = self.picture("poster", poster, self.fetcher.follow)
        return Found(self.name, text, state, title, words, place)

    @staticmethod
    def _film(answer: Answer, film: str) -> str:
        found = parsed(answer, _Answer)
        if answer.status != 200:
            raise Fault(f"HTTP {answer.status}")
        if found.response == "False" and found.error not in _UNKNOWN:
            raise Fault(f"OMDb says {found.error[:60]!r}")
        if found.response == "True" and found.own != film:
            raise Fault("the answer is about another film")
        return ""


def _plain(text: str) -> str:
    return "" if text.strip() == _NONE else text.strip()

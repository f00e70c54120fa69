"""Pinterest, version 5: a pin's words and picture by its id (https://developers.pinterest.com/docs/api/v5)."""

import re
from functools import partial
from typing import Literal

from pydantic import BaseModel

from stages.crawl.answer_store import Answer
from stages.crawl.api_key import Key
from stages.crawl.fetcher import Fetcher
from stages.crawl.request_settings import Abroad, Called, Fault
from stages.crawl.services.service import NOT_ASKED, OK, Found, Service, State, parsed


class PinterestSettings(Called, Abroad):
    """`size` is one of the sizes in which Pinterest keeps a pin's picture."""

    service: Literal["pinterest"] = "pinterest"
    size: Literal["150x150", "400x300", "600x", "1200x"]


class _Image(BaseModel):
    url: str


class _Part(BaseModel):
    images: dict[str, _Image | None] | None = None


class _Media(_Part):
    items: list[_Part] | None = None


class _Pin(BaseModel):
    id: str
    title: str | None = None
    description: str | None = None
    alt_text: str | None = None
    media: _Media | None = None


class _Error(BaseModel):
    code: int
    message: str


class PinterestKey(Key):
    """An access token with the scopes boards:read and pins:read."""

    refusals = (401,)  # 403 is about one pin: somebody else's

    def __init__(self) -> None:
        super().__init__("Pinterest", "PINTEREST_ACCESS_TOKEN")


class Pinterest(Service):
    """Asks for /pins/{id} and the picture that it names; of several pictures, the first."""

    name, by = "pinterest", "pinterest"
    form, form_name = re.compile(r"\d{1,30}", re.ASCII), "a number"

    def __init__(self, settings: PinterestSettings, fetcher: Fetcher) -> None:
        super().__init__(fetcher)
        self.settings = settings

    def find(self, own: str, picture: bool) -> Found:
        """Title, description and alternative text of the pin `own`, a line each, none twice; its picture."""
        answer = self.fetcher.get(f"{self.fetcher.base}pins/{own}", partial(self._pin, pin=own))
        if answer.status == 404:
            unknown = State("missing", "not found")
            return Found(self.name, unknown, unknown)
        pin = parsed(answer, _Pin)
        lines = [" ".join(one.split()) for one in (pin.title, pin.description, pin.alt_text) if one]
        words = "\n".join(dict.fromkeys(filter(None, lines)))
        text = OK if words else State("missing", "no words")
        state, place = self._picture(pin.media or _Media()) if picture else (NOT_ASKED, "")
        return Found(self.name, text, state, (pin.title or "").strip(), words, place)

    def _picture(self, media: _Media) -> tuple[State, str]:
        sizes = next((part.images for part in (media, *(media.items or ())) if part.images), None)
        if sizes is None:
            return State("missing", "no picture"), ""
        image = sizes.get(self.settings.size)
        if image is None:
            return State("missing", f"no picture of size {self.settings.size}"), ""
        return self.picture("picture", image.url, self.fetcher.follow)

    @staticmethod
    def _pin(answer: Answer, pin: str) -> str:
        if answer.status == 404:  # Pinterest says so in JSON; a proxy's page says nothing about the pin
            parsed(answer, _Error)
        elif parsed(answer, _Pin).id != pin:
            raise Fault("the answer is about another pin")
        return ""

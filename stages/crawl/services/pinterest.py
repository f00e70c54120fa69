"""Pinterest, version 5: a pin's words and picture by its id (https://developers.pinterest.com/docs/api/v5)."""

from typing import Literal

from pydantic import BaseModel, Field

from stages.crawl.answer_store import Answer
from stages.crawl.api_key import ApiKey
from stages.crawl.fetcher import Fetcher
from stages.crawl.request_settings import Address, ApiSettings, WebPictureSettings
from stages.crawl.services.item_content import NOT_ASKED, NOT_FOUND, OK, OTHER_ID, ItemContent, Status
from stages.crawl.services.service import Service, parsed, whole_number


class PinterestSettings(ApiSettings, WebPictureSettings):
    """Settings of Pinterest."""

    service: Literal["pinterest"] = Field(default="pinterest", description="which service this is")
    base: Address = "https://api.pinterest.com/v5"
    size: Literal["150x150", "400x300", "600x", "1200x"] = Field(
        default="600x", description="which of the sizes in which Pinterest keeps a picture: pixels, width first"
    )


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


class PinterestKey(ApiKey):
    """An access token with the scopes boards:read and pins:read."""

    refusals = (401,)  # 403 is about one pin: somebody else's

    def __init__(self) -> None:
        super().__init__("Pinterest", "PINTEREST_ACCESS_TOKEN")


class Pinterest(Service):
    """Asks for /pins/{id} and the picture that it names; of several pictures, the first."""

    name, id_name, id_form = "pinterest", "pinterest", "a number"

    def __init__(self, settings: PinterestSettings, fetcher: Fetcher) -> None:
        super().__init__(fetcher)
        self.settings = settings

    @staticmethod
    def canonical_id(raw: str) -> str | None:
        """A number; a long one that was a float has lost its last digits and is none."""
        return whole_number(raw)

    def find(self, known: str, picture: bool) -> ItemContent:
        """Title, description and alternative text of the pin `known`, a line each, none twice; its picture."""
        answer = self.api(f"pins/{known}", self._check)
        if answer.status == 404:
            return self.nothing(NOT_FOUND)
        pin = parsed(answer, _Pin)
        if pin.id != known:
            return self.nothing(OTHER_ID)
        lines = [" ".join(one.split()) for one in (pin.title, pin.description, pin.alt_text) if one]
        text = "\n".join(dict.fromkeys(filter(None, lines)))
        status, place = self._picture(pin.media or _Media()) if picture else (NOT_ASKED, "")
        words = OK if text else Status("missing", "no words")
        return ItemContent(self.name, words, status, (pin.title or "").strip(), text, place)

    def _picture(self, media: _Media) -> tuple[Status, str]:
        sizes = next((part.images for part in (media, *(media.items or ())) if part.images), None)
        if sizes is None:
            return Status("missing", "no picture"), ""
        image = sizes.get(self.settings.size)
        if image is None:
            return Status("missing", f"no picture of size {self.settings.size}"), ""
        return self.picture("picture", image.url)

    @staticmethod
    def _check(answer: Answer) -> None:
        # Pinterest says 404 in JSON; a proxy's page says nothing about the pin
        parsed(answer, _Error if answer.status == 404 else _Pin)

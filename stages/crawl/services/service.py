"""What a service of texts and pictures has to offer: one file each."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from typing import ClassVar, TypeVar

from pydantic import BaseModel

from engine.features.pictures.pictures import BadPicture, inspect
from engine.tables.film_title import FilmTitle
from stages.crawl.answer_store import Answer
from stages.crawl.failures import RequestFailed, TransientFailure
from stages.crawl.fetcher import Fetcher
from stages.crawl.services.item_content import DOUBTFUL, OK, TITLE, ItemContent, ItemRequest, Status

_WHOLE = re.compile(r"0*(\d{1,30})(\.0+)?", re.ASCII)
_EXACT = 15  # digits of a whole number that passed through a 64-bit float unharmed


class Service(ABC):
    """A source of texts and pictures under its `name`, for items with an id in `id_name` of the form `id_form`."""

    name: ClassVar[str]
    id_name: ClassVar[str]
    id_form: ClassVar[str]

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher

    def look_up(self, request: ItemRequest) -> ItemContent:
        """What there is for an item; called from several threads. CrawlStopped where the crawl has to end."""
        raw, title = request.ids.get(self.id_name), request.ids.get(TITLE)
        try:
            if raw:
                known = self.canonical_id(raw)
                if known is None:
                    return self.nothing(Status("failed", f"the {self.id_name} id is not {self.id_form}"))
                return self.find(known, request.picture).doubted(request.ids.get(DOUBTFUL))
            return self.find_by_title(FilmTitle.parse(title), request.picture) if title else self.without_id()
        except RequestFailed as one:
            return self.nothing(Status("failed", one.reason))

    def without_id(self) -> ItemContent:
        """Nothing, as there is no id to ask by."""
        return self.nothing(Status("missing", f"no {self.id_name} id"), f"{self.name}: no id")

    def find_by_title(self, title: FilmTitle, picture: bool) -> ItemContent:
        """What there is for a film without an id, of this title and year; most services are asked by ids alone."""
        return self.without_id()

    def nothing(self, status: Status, source: str = "") -> ItemContent:
        """Neither text nor picture."""
        return ItemContent(source or self.name, status, status)

    @staticmethod
    @abstractmethod
    def canonical_id(raw: str) -> str | None:
        """An id as the service writes it; None where it is none."""

    @abstractmethod
    def find(self, known: str, picture: bool) -> ItemContent:
        """What there is for the id `known`, with its `picture` or without; RequestFailed where there is no answer."""

    def api(self, path: str, check: Callable[[Answer], None]) -> Answer:
        """The JSON at `path` of the service's API; `check` raises TransientFailure where it is garbage."""

        def read(answer: Answer) -> str:
            check(answer)
            return ""

        return self.fetcher.get(self.fetcher.base + path, "json", read)

    def picture(self, what: str, address: str, public: bool = True) -> tuple[Status, str]:
        """How the picture at `address` stands, and where it is kept; `what` it is called.

        `public`: the address stood in an answer, and may lead to public hosts alone.
        """
        try:
            answer = self.fetcher.get(address, "picture", picture_metadata, public)
        except RequestFailed as one:
            return Status("failed", one.reason), ""
        return (OK, address) if answer.status == 200 else (Status("missing", f"{what} not found"), "")


def whole_number(raw: str) -> str | None:
    """The digits of a whole number without leading zeros; `862.0`, as a table of floats shows it, is 862."""
    found = _WHOLE.fullmatch(raw.strip())
    return found[1] if found and (not found[2] or len(found[1]) <= _EXACT) else None


def picture_metadata(answer: Answer) -> str:
    """A picture's format, width, height and sha256 as JSON; empty for HTTP 404.

    Raises:
        TransientFailure: no whole picture within the limits.
    """
    if answer.status == 404:
        return ""
    try:
        picture = inspect(answer.body)
    except BadPicture as error:
        raise TransientFailure(f"bad picture: {error}") from None
    return json.dumps(asdict(picture), sort_keys=True)


M = TypeVar("M", bound=BaseModel)


def parsed(answer: Answer, model: type[M]) -> M:
    """A JSON answer as a `model`.

    Raises:
        TransientFailure: it is none.
    """
    try:
        # a lone surrogate is good JSON and no text: by way of UTF-8 it becomes a question mark
        text = json.dumps(json.loads(answer.body), ensure_ascii=False)
        return model.model_validate_json(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise TransientFailure("not the JSON expected") from None

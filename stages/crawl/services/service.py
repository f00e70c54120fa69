"""What a service of texts and pictures has to offer: one file each."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel

from engine.features.pictures.pictures import BadPicture, inspect
from stages.crawl.answer_store import Answer
from stages.crawl.fetcher import Fetcher
from stages.crawl.request_settings import Failure, Fault

_LONGEST = 120  # characters of a reason


@dataclass(frozen=True)
class State:
    """Where an item's text or picture stands; `why` is for the report, and in the table where it failed."""

    kind: Literal["ok", "missing", "failed"]
    why: str = ""

    def __str__(self) -> str:
        return f"failed: {self.why}" if self.kind == "failed" else self.kind

    @staticmethod
    def parse(status: str) -> "State":
        """A status of the catalog table.

        Raises:
            ValueError: it is none of ok, missing, failed: why.
        """
        kind, _, why = status.partition(": ")
        if kind == "failed":
            return State("failed", why)
        if status not in ("ok", "missing"):
            raise ValueError(f"status {status!r}: expected ok, missing or failed: why")
        return State("ok") if status == "ok" else State("missing", "not given")


OK = State("ok")
NOT_ASKED = State("missing", "not asked")


@dataclass(frozen=True)
class Wanted:
    """An item that lacks a text or a picture, with its ids in the services."""

    item: int
    ids: dict[str, str]
    picture: bool


@dataclass(frozen=True)
class Found:
    """What a service has for an item; `address` is where its picture lies in the answers."""

    source: str
    text: State
    picture: State
    title: str = ""
    words: str = ""
    address: str = ""


class Service(ABC):
    """A source of texts and pictures under its `name`, for items with an id in `by` of the form `form`."""

    name: ClassVar[str]
    by: ClassVar[str]
    form: ClassVar[re.Pattern[str]]
    form_name: ClassVar[str]

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher

    def look(self, wanted: Wanted) -> Found:
        """What there is for an item; called from several threads. Stopped where the crawl has to end."""
        own = wanted.ids.get(self.by)
        if not own:
            nothing = State("missing", f"no {self.by} id")
            return Found(f"{self.name}: no id", nothing, nothing)
        if not self.form.fullmatch(own):
            wrong = State("failed", f"the {self.by} id is not {self.form_name}")
            return Found(self.name, wrong, wrong)
        try:
            return self.find(own, wanted.picture)
        except Failure as failure:
            lost = State("failed", failure.why)
            return Found(self.name, lost, lost)

    @abstractmethod
    def find(self, own: str, picture: bool) -> Found:
        """What there is for the id `own`, with its `picture` or without; Failure where there is no answer."""

    def picture(
        self, what: str, address: str, get: Callable[[str, Callable[[Answer], str]], Answer]
    ) -> tuple[State, str]:
        """How the picture at `address` stands, and where it is kept; `what` it is called."""
        try:
            answer = get(address, picture_note)
        except Failure as failure:
            return State("failed", failure.why), ""
        return (OK, address) if answer.status == 200 else (State("missing", f"{what} not found"), "")


def picture_note(answer: Answer) -> str:
    """A picture's format, width, height and sha256 as JSON; empty for HTTP 404.

    Raises:
        Fault: no whole picture within the limits.
    """
    if answer.status == 404:
        return ""
    try:
        picture = inspect(answer.body)
    except BadPicture as error:
        raise Fault(f"bad picture: {error}"[:_LONGEST]) from None
    return json.dumps(asdict(picture), sort_keys=True)


M = TypeVar("M", bound=BaseModel)


def parsed(answer: Answer, model: type[M]) -> M:
    """A JSON answer as a `model`.

    Raises:
        Fault: it is none.
    """
    try:
        # a lone surrogate is good JSON and no text: by way of UTF-8 it becomes a question mark
        text = json.dumps(json.loads(answer.body), ensure_ascii=False)
        return model.model_validate_json(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Fault("not the JSON expected") from None

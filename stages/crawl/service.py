"""What a service of texts and pictures has to offer: one file each."""

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Literal

from engine.pictures import BadPicture, inspect
from stages.crawl.answers import Answer
from stages.crawl.manners import Fault

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
    """A source of texts and pictures; `look` is called from several threads."""

    @abstractmethod
    def look(self, wanted: Wanted) -> Found:
        """What there is for an item; Stopped where the crawl has to end."""


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

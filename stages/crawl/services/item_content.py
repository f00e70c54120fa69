"""What is asked of a service, and what it has for an item."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Status:
    """Where an item's text or picture stands; `reason` is for the report, and in the catalog where it failed."""

    outcome: Literal["ok", "missing", "failed"]
    reason: str = ""

    def __str__(self) -> str:
        return f"failed: {self.reason}" if self.failed else self.outcome

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"

    @property
    def failed(self) -> bool:
        return self.outcome == "failed"

    @staticmethod
    def parse(status: str) -> "Status":
        """A status of the catalog table.

        Raises:
            ValueError: it is none of ok, missing, failed: why.
        """
        outcome, _, reason = status.partition(": ")
        if outcome == "failed":
            return Status("failed", reason)
        if status not in ("ok", "missing"):
            raise ValueError(f"status {status!r}: expected ok, missing or failed: why")
        return OK if status == "ok" else Status("missing", "not given")


OK = Status("ok")
NOT_ASKED = Status("missing", "not asked")
NOT_FOUND = Status("missing", "not found")
OTHER_ID = Status("missing", "not found: the answer names another id")
OTHER_YEAR = Status("missing", "not found: by title there is a film of another year")
TITLE, DOUBTFUL = "title", "doubtful"  # among the ids: what an item without one is called; why its ids may be another's


@dataclass(frozen=True)
class ItemRequest:
    """An item that lacks a text or a picture, with its ids in the services."""

    item: int
    ids: dict[str, str]
    picture: bool


@dataclass(frozen=True)
class ItemContent:
    """What a service has for an item; `picture_address` is where its picture lies in the answers."""

    source: str
    text_status: Status
    picture_status: Status
    title: str = ""
    text: str = ""
    picture_address: str = ""

    def doubted(self, why: str | None) -> "ItemContent":
        """The same, marked where there is a reason to doubt that it is of this item."""
        if why is None:
            return self
        marked = (Status("ok", "doubtful") if one.ok else one for one in (self.text_status, self.picture_status))
        text, picture = marked
        return replace(self, source=f"{self.source} (doubtful: {why})", text_status=text, picture_status=picture)

    @property
    def unknown(self) -> bool:
        """Whether the service does not know the item, or not the picture that it names."""
        return "not found" in self.text_status.reason or "not found" in self.picture_status.reason

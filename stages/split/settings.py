"""The sections `protocols.<name>` of params.yaml, a class a rule."""

from datetime import date as Date
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from engine.tables.settings import Record

ROUNDING = 1e-12  # of a share: 0.7 of 90 is 63, and 62.99… by its nearest binary number
CASES = (
    "cases of valid and of test that are ranked, drawn by the seed; 0: all; none: ratings alone are predicted. Ratings "
    "are predicted for all events, whatever stands here"
)


class Protocol(Record):
    """What every protocol says: among which items a target is ranked."""

    candidates: Annotated[int, Field(ge=0)] | Literal["given"] = Field(
        0,
        description="items that a target is ranked among: 0: all; a number: so many, drawn once for each case from "
        "what the user has not acted on; given: the lists that came with the data",
    )
    seen: Literal["excluded", "kept"] = Field(
        "excluded",
        description="items that the user has had before: excluded: left out of the ranking, and a repeat is no case; "
        "kept: ranked like all others",
    )
    cases: Annotated[int, Field(ge=0)] | Literal["none"] = Field(0, description=CASES)


class Temporal(Protocol):
    """The first `train` of each user's events train, the rest test; `valid` of the train part validates (000, 4.1)."""

    rule: Literal["temporal"] = Field(description="each user's first events train, their last ones test")
    train: float = Field(0.8, gt=0, lt=1, description="share of each user's events that train and validate")
    valid: float = Field(0.1, ge=0, lt=1, description="share of these that validates; 0: none")
    choice: Literal["last", "random"] = Field(
        "last", description="which of these validate: the last, or random ones that the seed draws"
    )


class LeaveOneOut(Protocol):
    """Each user's last event tests, the one before validates."""

    rule: Literal["leave_one_out"] = Field(description="each user's last event tests, the one before validates")


class RandomOne(Protocol):
    """A random event of each user tests, another random one validates (002, IV B), each after all that trains.

    What is held out stands at the end of the user's row, and no event has a time: none came before another.
    """

    rule: Literal["random_one"] = Field(description="a random event of each user tests, another one validates")


class GlobalTime(Protocol):
    """What happened before a moment trains, its last `valid` validates; what happened after it tests (001, 4.1)."""

    rule: Literal["global_time"] = Field(description="what happened before a moment trains, what came after it tests")
    date: str = Field(
        "",
        description="the moment, ISO 8601, UTC where no zone stands, e.g. '2010-01-01' (in quotes: DVC takes no YAML "
        "date); '': when the share `train` of all events had happened",
    )
    train: float = Field(0.8, gt=0, lt=1, description="where date is '': share of all events before the moment")
    valid: float = Field(
        0.1, ge=0, lt=1, description="share of the events before the moment, the last in time, that validates; 0: none"
    )
    cases: Annotated[int, Field(ge=0)] | Literal["none"] = Field(200, description=CASES)

    @field_validator("date", mode="before")
    @classmethod
    def _yaml_date(cls, found: Any) -> Any:
        """YAML reads 2010-01-01 without quotes as a date."""
        return found.isoformat() if isinstance(found, Date) else found


class Everything(Protocol):
    """All events train and none is left to test: for what is shown to people, by the epochs that another run chose."""

    rule: Literal["everything"] = Field(description="all events train; `recommend` alone can follow")


RULES: dict[str, type[Protocol]] = {
    "temporal": Temporal,
    "leave_one_out": LeaveOneOut,
    "random_one": RandomOne,
    "global_time": GlobalTime,
    "everything": Everything,
}

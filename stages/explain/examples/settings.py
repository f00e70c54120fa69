"""What an example of a paper shows: of whom, before which item, and which weights of which cells."""

from typing import Annotated, Literal

from pydantic import Field

from engine.tables.raw_ids import RawId
from engine.tables.settings import Record

Name = Annotated[str, Field(min_length=1, max_length=14)]  # as wide as a column


class Weight(Record):
    """Weights as docs/explanations.md calls them."""

    over: Literal["history", "gate", "view"] = Field(description="history and gate stand for both sides' acts")
    reading: str = Field(description="influence, or what a model's own weights are called")
    view: Literal["picture", "text", "row"] | None = Field(None, description="which one, over views")


class ShownCell(Record):
    """A cell of cells.yaml and what is shown of it."""

    cell: str
    weights: dict[Name, Weight] = Field(min_length=1, description="a column each")


class Example(Record):
    """The first cell chooses people and recommended items; the others are asked about the same."""

    title: str = Field(description="what stands above it")
    series: dict[Name, ShownCell] = Field(min_length=1, max_length=5)
    people: Annotated[int, Field(ge=1)] | Annotated[tuple[RawId, ...], Field(min_length=1)] = Field(
        1, description="how many, or their raw ids"
    )
    pick: Literal["best", "drawn"] = Field(
        "best", description="whose test case ranks best, of equals the one with fewest acts; or drawn by the seed"
    )
    least_acts: int = Field(1, ge=1, description="acts that a person has before the case")
    least_item_acts: int = Field(0, ge=0, description="acts in training that the case's item has before")
    recommended: int = Field(0, ge=0, description="so many items that the first cell recommends; 0: what came next")
    shown_acts: int = Field(12, ge=1, description="drawn of each history; the CSV has all")
    shown_by: Literal["time", "weight"] = Field(
        "time", description="the last ones, or the heaviest in the first column"
    )

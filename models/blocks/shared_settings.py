"""Settings that several models have, each with its meaning and range."""

from typing import Annotated

from pydantic import Field

Dim = Annotated[int, Field(ge=1, description="width of the model's vectors, in numbers")]
Length = Annotated[int, Field(ge=1, description="events of history in a row; older ones are left out")]
Dropout = Annotated[float, Field(ge=0, lt=1, description="share of values dropped in training")]
Negatives = Annotated[int, Field(ge=1, description="items drawn for each target among those that the user has not had")]
Shared = Annotated[
    int, Field(ge=1, description="items drawn by popularity once a batch, for the objectives that compare with those")
]
Count = Annotated[int, Field(ge=1)]
Counts = Count | Annotated[tuple[Count, ...], Field(min_length=1)]

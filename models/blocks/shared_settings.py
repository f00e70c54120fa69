"""Settings that several models have, each with its meaning and range."""

from typing import Annotated

from pydantic import Field

Dim = Annotated[int, Field(ge=1, description="width of the model's vectors, in numbers")]
Length = Annotated[int, Field(ge=1, description="events of history in a row; older ones are left out")]
Newest = Annotated[int, Field(ge=1, description="newest events that speak for a target; older ones are left out")]
Window = Annotated[int, Field(ge=1, description="events of a row that is learnt from; at least `length`")]
Dropout = Annotated[float, Field(ge=0, lt=1, description="share of values dropped in training")]
Negatives = Annotated[int, Field(ge=1, description="items drawn for each target among those that the user has not had")]
Shared = Annotated[int, Field(ge=1, description="items drawn once a batch, for the objectives that compare with those")]
SharedPower = Annotated[
    float, Field(ge=0, le=1, description="these are drawn by popularity to this power; 0: uniformly, all items alike")
]
LogQ = Annotated[
    bool, Field(description="whether scores of drawn items are corrected for how often they are drawn (logQ)")
]
Calibration = Annotated[
    float, Field(ge=0, le=1, description="t of gBCE; 0: plain bce, 1: probabilities as if every item were compared")
]
Count = Annotated[int, Field(ge=1)]
Counts = Count | Annotated[tuple[Count, ...], Field(min_length=1)]
Penalty = Annotated[float, Field(ge=0)]
Penalties = Penalty | Annotated[tuple[Penalty, ...], Field(min_length=1)]

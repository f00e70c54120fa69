"""What a model is trained by, as `train` and `tune` read it."""

from typing import Any

from pydantic import Field

from engine.tables.settings import Choice, Record, Seed
from engine.training.cases import Seen


class RunSettings(Record):
    """What is read of params.yaml to train one model."""

    model: Choice = Field(description="the chosen model and its section; `train` in it overrides the general one")
    seen: Seen = Field(description="whether what a user had before is left out of the ranking")
    train: dict[str, Any] = Field({}, description="how a model learns")
    device: str = Field("auto", description="auto, cpu or cuda")
    seed: Seed = Field(1, description="of all that is drawn")

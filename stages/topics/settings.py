"""The section `topics` of params.yaml."""

from typing import Literal

from pydantic import Field

from engine.tables.settings import Record
from stages.topics.documents import Vocabulary
from stages.topics.gibbs import Gibbs
from stages.topics.online_vb import OnlineVB


class Topics(Record):
    """How many topics, of what windows, how fast the past fades (a window), how they are found, snapshots taken."""

    method: Literal["online_vb", "gibbs", "none"]
    count: int = Field(ge=1)
    window: Literal["hour", "day", "week"]
    decay: float = Field(ge=0)
    held_out: float = Field(ge=0, le=1)
    top: int = Field(ge=1)
    relevance: float = Field(ge=0, le=1)
    snapshots: int = Field(ge=1)
    vocabulary: Vocabulary
    online_vb: OnlineVB
    gibbs: Gibbs

    @property
    def word_prior(self) -> float:
        """The prior that the chosen method gives each word."""
        return self.gibbs.word_prior if self.method == "gibbs" else self.online_vb.word_prior

"""The section `topics` of params.yaml."""

from typing import Literal

from pydantic import Field

from engine.tables.settings import Record
from stages.topics.documents import Vocabulary
from stages.topics.gibbs import Gibbs
from stages.topics.online_vb import OnlineVB


class Topics(Record):
    """Topics of what people did, window by window."""

    method: Literal["online_vb", "gibbs", "none"] = Field(
        "online_vb",
        description="how topics are fitted: online variational Bayes, streaming Gibbs sampling; none: no topics",
    )
    count: int = Field(70, ge=1, description="how many topics are fitted")
    window: Literal["hour", "day", "week"] = Field(
        "week", description="what one document is made of: a user's events in it"
    )
    decay: float = Field(0.2, ge=0, description="how fast past windows fade in a profile: weight exp(-decay) a window")
    held_out: float = Field(
        0.1, ge=0, le=1, description="share of the documents that is kept from fitting, to check topics"
    )
    top: int = Field(20, ge=2, description="words that a topic is shown by and its coherence is read from")
    relevance: float = Field(
        0.8,
        ge=0,
        le=1,
        description="order of these words: 1: by weight in the topic; 0: by that over the weight everywhere",
    )
    snapshots: int = Field(
        10, ge=1, description="times that the topics are noted while documents are read, in order of time"
    )
    vocabulary: Vocabulary = Field(default_factory=Vocabulary, description="which words count")
    online_vb: OnlineVB = Field(default_factory=OnlineVB, description="of method online_vb")
    gibbs: Gibbs = Field(default_factory=Gibbs, description="of method gibbs")

    @property
    def word_prior(self) -> float:
        """The prior that the chosen method gives each word."""
        return self.gibbs.word_prior if self.method == "gibbs" else self.online_vb.word_prior

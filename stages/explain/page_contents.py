"""What stands on the page of reasons: people, what they did, what is recommended to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stages.explain import drawing
from stages.explain.checked_acts import ACT, Checked, NamedAct
from stages.explain.inside import ItemCard, WeighedViews
from stages.explain.weighed import Reading


@dataclass(frozen=True)
class HistoryEvent:
    """Something that a person did: when (as text), its weight in each reading (None: not weighed), and its bar in
    percent of the heaviest. `fall`: of a recommendation's log-probability without this act alone (None: not tried);
    `named`: what may be said of it where that speaks for the recommendation.
    """

    card: ItemCard
    when: str
    weights: list[float | None]
    bar: float
    fall: float | None = None
    named: NamedAct | None = None

    @property
    def weight(self) -> float | None:
        """In the first reading."""
        return self.weights[0] if self.weights else None

    @property
    def unconfirmed(self) -> bool:
        """It speaks for the recommendation, whose log-probability is no lower without it alone."""
        return self.fall is not None and self.fall <= 0 and (self.weight or 0.0) > 0


@dataclass(frozen=True)
class OtherWeights:
    """Weights over anything else: acts of others on the item, its categories, topics; the heaviest of `count`."""

    over: str
    reading: Reading
    heaviest: list[tuple[str, float]]
    count: int

    @property
    def most(self) -> float:
        """The largest weight without its sign, at least something."""
        return max((abs(weight) for _, weight in self.heaviest), default=0.0) or 1.0


@dataclass(frozen=True)
class Recommended:
    """A recommended item, and the acts that weigh most for it, the heaviest first, by one or more `readings`.

    `checked`: what leaving each of them out does; None where the model reads no history.
    """

    card: ItemCard
    score: float
    readings: list[Reading]
    acts: list[HistoryEvent]
    others: list[OtherWeights]
    checked: Checked | None

    @property
    def because(self) -> list[HistoryEvent]:
        """The acts that speak most for it, of those without which its score falls."""
        return [event for event in self.acts if event.named]

    @property
    def sentence(self) -> tuple[str, bool, str] | None:
        """What stands before the name of the first of `because`, whether it is named, and what stands after it."""
        if self.checked is None or self.checked.sentence is None:
            return None
        before, act, after = self.checked.sentence.partition(ACT)
        return before[:1].upper() + before[1:], bool(act), after

    @property
    def speaking(self) -> int:
        """How many acts were tried of those that speak for it."""
        return sum((event.weight or 0.0) > 0 and event.fall is not None for event in self.acts)

    @property
    def against(self) -> HistoryEvent | None:
        """The act that speaks most against it, of those without which its score rises."""
        return next((event for event in self.acts if (event.weight or 0.0) < 0 and (event.fall or 0.0) < 0), None)


@dataclass(frozen=True)
class Topic:
    """A topic by number and first words, with its share now and the colour of its line (0: not in the chart)."""

    number: int
    label: str
    share: float | None
    colour: int


@dataclass(frozen=True)
class Person:
    """A person's section: `events` in all, those shown, those shown with their contents, what is recommended.

    `history`, `readings`, `detailed` and `views` are about the first recommendation; `rest`: topics beside `topics`.
    """

    name: str
    events: int
    when: str
    readings: list[Reading]
    history: list[HistoryEvent]
    recommended: list[Recommended]
    detailed: list[HistoryEvent]
    topics: list[Topic]
    rest: list[Topic]
    topics_reading: Reading | None
    chart: drawing.TrendChart | None
    views: list[WeighedViews]
    target: ItemCard
    rank: float
    rivals: int
    frozen: bool
    hit: bool
    truth: dict[str, Any] | None

    @property
    def cards(self) -> Sequence[ItemCard]:
        """Every item that the section shows."""
        acts = [event.card for one in self.recommended for event in one.because]
        return [self.target, *(event.card for event in self.history), *acts, *(one.card for one in self.recommended)]

"""The models that are asked: what a question says becomes a history, and the answer a reply."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from serving.api import Act, History, Predictor, Refused
from serving.web.questions import Asked, AskedExplain, AskedHistory, AskedRecommend, AskedWhyNot
from serving.web.replies import Edited, Explained, Found, People, Person, Recommended, WhyNotReply

T = TypeVar("T")


class Desk:
    """Predictors by name, the first of which answers where a question names none. They share the processor and its
    memory: one thread asks them (`line.Line`).
    """

    def __init__(self, predictors: Mapping[str, Predictor]):
        self._predictors = dict(predictors)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the models."""
        return tuple(self._predictors)

    @property
    def reads(self) -> dict[str, list[str]]:
        """Which parts of items each model reads."""
        return {name: list(model.reads) for name, model in self._predictors.items()}

    def predictor(self, name: str | None) -> Predictor:
        """By name.

        Raises:
            Refused: there is none; says which there are.
        """
        if name is not None and name not in self._predictors:
            raise Refused(f"no model is called {name!r} here; there are {', '.join(self.names)}", self.names)
        return self._predictors[self.names[0] if name is None else name]

    def person(self, user: str) -> Person:
        """What a person of the data did."""
        return Person(user, self.predictor(None).person(user).acts)

    def history(self, asked: AskedHistory) -> Edited:
        """The acts of a history as it is asked about, and the place of each before any change."""
        history, places = edited(self.predictor(None), asked, None)
        return Edited(history.user, history.acts, places)

    def people(self, text: str, limit: int) -> People:
        """Raw ids that begin with a text."""
        return People(self.predictor(None).people(text, limit))

    def search(self, text: str, limit: int) -> Found:
        """Items by words of their titles."""
        return Found(self.predictor(None).search(text, limit))

    def recommend(self, asked: AskedRecommend) -> Recommended:
        """The first items."""
        muted = asked.muted.muted()
        return Recommended(
            *self._answered(asked, lambda to, acts: to.recommend(acts, asked.top, asked.at, muted, asked.reasons))
        )

    def explain(self, asked: AskedExplain) -> Explained:
        """Why an item has its score."""
        muted = asked.muted.muted()
        return Explained(*self._answered(asked, lambda to, acts: to.explain(acts, asked.item, asked.at, muted)))

    def why_not(self, asked: AskedWhyNot) -> WhyNotReply:
        """An item's rank, and the acts that keep it out of the first, or in."""
        muted = asked.muted.muted()
        return WhyNotReply(
            *self._answered(
                asked, lambda to, acts: to.why_not(acts, asked.item, asked.limit, asked.top, asked.at, muted)
            )
        )

    def _answered(self, asked: Asked, answer: Callable[[Predictor, History], T]) -> tuple[str, tuple[int, ...], T]:
        """The model's name, the place of each act before any change, and the answer."""
        model = self.predictor(asked.model)
        history, places = edited(model, asked.history, asked.at)
        return asked.model or self.names[0], places, answer(model, history)


def edited(model: Predictor, asked: AskedHistory, at: datetime | None) -> tuple[History, tuple[int, ...]]:
    """The history that is asked about at a moment, and the place of each of its acts before any change.

    Raises:
        Refused: a name is not known, or a place is not there; says what would do.
    """
    history, told = _told(model, asked, at)
    for place in [*asked.without, *(moved.place for moved in asked.moved)]:
        if place >= len(history.acts):
            raise Refused(f"there is no act {place}: this history has {len(history.acts)}, counted from 0")
    times = {moved.place: moved.time for moved in asked.moved}
    if times and any(act.time is None for act in history.acts):
        raise Refused("these acts have no times, so that none can be moved to another")
    gone = set(asked.without)
    acts = zip(told, history.acts, strict=True)
    kept = [(n, replace(act, time=times.get(n, act.time))) for n, act in acts if n not in gone]
    if times:  # what was moved stands after what was at the same time
        kept.sort(key=lambda one: (_seconds(one[1]), one[0] in times))
    away = tuple(act for n, act in zip(told, history.acts, strict=True) if n in gone)
    return replace(history, acts=tuple(act for _, act in kept), gone=away), tuple(n for n, _ in kept)


def _told(model: Predictor, asked: AskedHistory, at: datetime | None) -> tuple[History, Sequence[int]]:
    """A history before any change, the oldest act first, and at which place each act was told."""
    if asked.user is not None:
        history = model.person(asked.user)
        return history, range(len(history.acts))
    acts = asked.acts or []
    times = [act.time for act in acts if act.time is not None]
    ratings = [act.rating for act in acts if act.rating is not None]
    for name, given in (("times", times), ("ratings", ratings)):
        if given and len(given) != len(acts):
            raise Refused(f"{len(given)} of {len(acts)} acts have {name}: give them to all or to none")
    told = sorted(range(len(acts)), key=lambda n: times[n].timestamp()) if times else range(len(acts))
    return model.history([act.item for act in acts], at, times or None, ratings or None), told


def _seconds(act: Act) -> float:
    return act.time.timestamp() if act.time is not None else 0.0

"""The models that are asked, one question at a time: what a question says becomes a history, an answer plain JSON."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from serving.api import Act, History, Predictor, Refused, as_json
from serving.web.questions import Asked, AskedExplain, AskedHistory, AskedRecommend, AskedWhyNot

T = TypeVar("T")


class Desk:
    """Predictors by name, the first of which answers where a question names none. Models share the processor, so that
    questions are worked on in turn, by one thread: memory stays that of one.
    """

    def __init__(self, predictors: Mapping[str, Predictor]):
        self._predictors = dict(predictors)
        self._worker = ThreadPoolExecutor(1, "models")

    @property
    def names(self) -> list[str]:
        """Of the models."""
        return list(self._predictors)

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
            raise Refused(f"no model is called {name!r} here; there are {', '.join(self.names)}", tuple(self.names))
        return self._predictors[name or self.names[0]]

    def person(self, user: str) -> dict[str, Any]:
        """What a person of the data did."""
        return {"user": user, "acts": as_json(self._in_turn(lambda: self.predictor(None).person(user).acts))}

    def history(self, asked: AskedHistory) -> dict[str, Any]:
        """The acts of a history as it is asked about, and the place of each before any change."""

        def ask() -> dict[str, Any]:
            history, places = edited(self.predictor(None), asked)
            return {"user": history.user, "acts": as_json(history.acts), "places": places}

        return self._in_turn(ask)

    def people(self, text: str, limit: int) -> dict[str, Any]:
        """Raw ids that begin with a text."""
        return {"people": list(self._in_turn(lambda: self.predictor(None).people(text, limit)))}

    def search(self, text: str, limit: int) -> dict[str, Any]:
        """Items by words of their titles."""
        return {"items": as_json(self._in_turn(lambda: self.predictor(None).search(text, limit)))}

    def recommend(self, asked: AskedRecommend) -> dict[str, Any]:
        """The first items."""

        def answer(model: Predictor, history: History) -> Any:
            return model.recommend(history, asked.top, asked.at, asked.muted.muted(), asked.reasons)

        return self._answered(asked, "recommendations", answer)

    def explain(self, asked: AskedExplain) -> dict[str, Any]:
        """Why an item has its score."""

        def answer(model: Predictor, history: History) -> Any:
            return model.explain(history, asked.item, asked.at, asked.muted.muted())

        return self._answered(asked, "explanation", answer)

    def why_not(self, asked: AskedWhyNot) -> dict[str, Any]:
        """An item's rank, and the acts that keep it out of the first, or in."""

        def answer(model: Predictor, history: History) -> Any:
            return model.why_not(history, asked.item, asked.limit, asked.top, asked.at, asked.muted.muted())

        return self._answered(asked, "why_not", answer)

    def _answered(self, asked: Asked, name: str, answer: Callable[[Predictor, History], Any]) -> dict[str, Any]:
        """An answer beside the model's name and, for each act of the history as it was asked about, its place before
        any change: the places of an answer count in this list.
        """
        model = self.predictor(asked.model)

        def ask() -> dict[str, Any]:
            history, places = edited(model, asked.history)
            return {"model": asked.model or self.names[0], "places": places, name: as_json(answer(model, history))}

        return self._in_turn(ask)

    def _in_turn(self, ask: Callable[[], T]) -> T:
        return self._worker.submit(ask).result()


def edited(model: Predictor, asked: AskedHistory) -> tuple[History, list[int]]:
    """The history that is asked about, and the place of each of its acts before any change.

    Raises:
        Refused: a name is not known, or a place is not there; says what would do.
    """
    history = _told(model, asked)
    for place in [*asked.without, *(moved.place for moved in asked.moved)]:
        if place >= len(history.acts):
            raise Refused(f"there is no act {place}: this history has {len(history.acts)}, counted from 0")
    times = {moved.place: moved.time for moved in asked.moved}
    if times and any(act.time is None for act in history.acts):
        raise Refused("these acts have no times, so that none can be moved to another")
    gone = set(asked.without)
    kept = [(n, replace(act, time=times.get(n, act.time))) for n, act in enumerate(history.acts) if n not in gone]
    if times:  # what was moved stands after what was at the same time
        kept.sort(key=lambda one: (_seconds(one[1]), one[0] in times))
    return replace(history, acts=tuple(act for _, act in kept)), [n for n, _ in kept]


def _told(model: Predictor, asked: AskedHistory) -> History:
    if asked.user is not None:
        return model.person(asked.user)
    acts = asked.acts or []
    times = [act.time for act in acts if act.time is not None]
    ratings = [act.rating for act in acts if act.rating is not None]
    for name, given in (("times", times), ("ratings", ratings)):
        if given and len(given) != len(acts):
            raise Refused(f"{len(given)} of {len(acts)} acts have {name}: give them to all or to none")
    return model.history([act.item for act in acts], times=times or None, ratings=ratings or None)


def _seconds(act: Act) -> float:
    return act.time.timestamp() if act.time is not None else 0.0

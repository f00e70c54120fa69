"""Questions to one model wait for each other: to read a reason a table of the catalogue is changed for a moment."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from serving.model import Model

P = ParamSpec("P")
R = TypeVar("R")


def one_at_a_time(answer: Callable[Concatenate[Model, P], R]) -> Callable[Concatenate[Model, P], R]:
    """An answer of a model that no other thread asks meanwhile."""

    @wraps(answer)
    def alone(model: Model, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with model.lock:
            return answer(model, *args, **kwargs)

    return alone

"""What a model's states and settings are selected by: its ranks, or its ratings, of the validation part."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from engine.evaluation.rank import rank
from engine.evaluation.rate import Errors, rates
from engine.measures.ranking import ndcg, positions
from engine.training.cases import Cases, Seen
from engine.training.contract import Rater, Recommender, Solver, Tuned
from engine.training.interactions import Interactions

CUTOFF = 10  # of the NDCG that selects


class ValidationData(Protocol):
    """What was loaded for the part "valid": training events, events up to validation, cases, events of the part."""

    @property
    def train(self) -> Interactions: ...
    @property
    def events(self) -> Interactions: ...
    @property
    def cases(self) -> Cases: ...
    @property
    def part_E(self) -> Tensor: ...


def selection(model: Recommender, data: ValidationData, seen: Seen, missing: str) -> Callable[[], float] | None:
    """What selects, higher is better: NDCG@10, or the negative RMSE where the loss is of ratings. None where there is
    nothing to read it from and nothing to select; `missing` says why there is nothing to read.

    Raises:
        ValueError: the model is selected by validation, and there is none.
    """
    if len(data.part_E) if rates(model) else len(data.cases):
        return lambda: _reading(model, data, seen)
    if isinstance(model, Solver) and not (isinstance(model, Tuned) and len(model.choices) > 1):
        return None
    raise ValueError(
        f"no validation cases to select {type(model).__name__} by: {missing}. Models that are solved for without a "
        "choice (popularity; biases with one length and damping) need none"
    )


def named(model: Recommender) -> str:
    """The reading that selects a model, by its name."""
    return "-RMSE" if rates(model) else f"NDCG@{CUTOFF}"


def _reading(model: Recommender, data: ValidationData, seen: Seen) -> float:
    if rates(model):
        assert isinstance(model, Rater)
        return -Errors.of(model, data.train, data.events, data.part_E).rmse
    counts = rank(model, data.cases, data.events, seen)
    return float(ndcg(positions(counts.greater, counts.ties), CUTOFF).mean())

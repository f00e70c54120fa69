"""Loss, gradient and scores of every model: the device against a processor in 32 bits, same weights, same batch."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

import models
from benchmarks.cuda.report import Found, Report, plain_bf16, tf32
from benchmarks.cuda.settings import variants
from benchmarks.cuda.world import DEMO, SMALL, World, moved
from engine.evaluation.influence import influence
from engine.evaluation.question import Question
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Learner, Rater, Recommender, Solver

# largest relative difference that passes, by type and by what is compared
TOLERANCES: dict[str, dict[str, float]] = {
    "float32": {"loss": 1e-5, "gradient": 1e-3, "score": 1e-4, "influence": 1e-3},
    "bfloat16": {"loss": 2e-2, "gradient": 2e-1},  # scores are made in 32 bits, always
}
FUSED = 1e-2  # of gradients through the card's own attention, whose backward pass is less exact in 32 bits
FLOOR = {torch.float32: 0.01, torch.bfloat16: 0.1}  # a small tensor is measured by this share of all tensors' norm
SOLVED = 1e-4  # of what is solved for, likewise
PEOPLE, CANDIDATES = 64, 50
Values = dict[str, Tensor]


class DrawnOnProcessor(TorchFunctionMode):
    """What a model draws inside comes from the processor's generator, so that devices draw alike."""

    def __torch_function__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function in (torch.rand, torch.randn, torch.randint, torch.randperm):
            device = kwargs.pop("device", None)
            return function(*args, **kwargs).to(device)
        return function(*args, **kwargs)


def run(report: Report, device: torch.device, small: bool) -> None:
    """An entry a variant and type; at the end the worst of each type."""
    report.add("tolerances", TOLERANCES)
    shape = SMALL if small else DEMO
    here, there = World(shape, torch.device("cpu")), World(shape, device)
    worst: dict[str, dict[str, float]] = {dtype: {} for dtype in TOLERANCES}
    with tf32(False), plain_bf16(device):
        for name, variant, section in variants(small):
            pair: list[Pair] = []

            def compare(dtype: torch.dtype, section: Choice = section, pair: list[Pair] = pair) -> Found:
                pair[:] = pair or [Pair(section, here, there)]
                return pair[0].compare(dtype)

            for dtype in (torch.float32, torch.bfloat16):
                if dtype is torch.float32 or (pair and isinstance(pair[0].model, Learner)):
                    called = str(dtype).removeprefix("torch.")
                    entry = report.attempt(f"{name}.{variant}.{called}", partial(compare, dtype))
                    for what in TOLERANCES[called].keys() & entry.keys():
                        worst[called][what] = max(worst[called].get(what, 0.0), entry[what])
    report.add("worst", worst)


class Pair:
    """The same model twice, on a processor and on a device, and what the first one gives."""

    def __init__(self, section: Choice, here: World, there: World):
        self.there, people = there, min(PEOPLE, here.shape.people)
        torch.manual_seed(1)
        self.model = models.build(section, here.catalog, here.shape.people)
        torch.manual_seed(1)  # what is solved for may begin with what was drawn
        self.other = models.build(section, there.catalog, there.shape.people).to(there.device)
        if isinstance(self.model, Solver):
            torch.manual_seed(3)
            self.model.solve(here.events)
        self.other.load_state_dict(self.model.state_dict())
        learnt = here.learnt(self.model.needs, people) if isinstance(self.model, Learner) else None
        draw = torch.Generator().manual_seed(2)
        item_BK = torch.randint(1, here.shape.items + 1, (people, CANDIDATES), generator=draw)
        self.given = (learnt, here.asked(self.model.needs, people), item_BK)
        self.catalogs = here.catalog, there.catalog
        self.wanted = values(self.model, *self.given, torch.float32, here.catalog)

    def compare(self, dtype: torch.dtype) -> Found:
        """The largest relative differences, and whether all are within the tolerances."""
        tolerances = TOLERANCES[str(dtype).removeprefix("torch.")]
        result = self._apart(dtype)
        if result.get("gradient", 0.0) > tolerances["gradient"] and self.there.device.type == "cuda":
            result["fused_gradient"] = result["gradient"]
            with sdpa_kernel(SDPBackend.MATH):  # is it the model, or the card's attention?
                result |= self._apart(dtype)
        if isinstance(self.model, Solver):  # solved for on the device too
            assert isinstance(self.other, Solver)
            torch.manual_seed(3)
            self.other.solve(self.there.events)
            result["solved"] = relative(self.model.state_dict(), self.other.state_dict(), FLOOR[dtype])
        limits = tolerances | {"solved": SOLVED, "fused_gradient": max(FUSED, tolerances["gradient"])}
        return result | {"equal": all(value <= limits[what] for what, value in result.items())}

    def _apart(self, dtype: torch.dtype) -> Found:
        learnt, asked, item_BK = (moved(each, self.there.device) for each in self.given)
        found, result = values(self.other, learnt, asked, item_BK, dtype, self.catalogs[1]), {}
        for what in TOLERANCES[str(dtype).removeprefix("torch.")]:
            wanted, given = (
                {name: value for name, value in some.items() if name.split(".")[0] == what}
                for some in (self.wanted, found)
            )
            if wanted or given:
                result[what] = relative(wanted, given, FLOOR[dtype])
        return result


def values(
    model: Recommender, learnt: Batch | None, asked: Batch, item_BK: Tensor, dtype: torch.dtype, catalog: Catalog
) -> Values:
    """Loss and gradients by name, in `dtype` where autocast allows it; in 32 bits scores and influences too."""
    found: Values = {}
    if learnt is not None and isinstance(model, Learner):
        model.train()
        model.zero_grad()
        torch.manual_seed(5)
        with autocast(item_BK.device, dtype), DrawnOnProcessor():
            loss = model.loss(learnt)
        loss.backward()  # type: ignore[no-untyped-call]
        found["loss"] = loss.detach().float()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                found[f"gradient.{name}"] = parameter.grad.detach().float()
    if dtype is torch.float32:
        model.eval()
        with torch.no_grad():
            found["score.candidates"] = model.score(asked, item_BK).float()
            if isinstance(model, CatalogScorer):
                found["score.all"] = model.score_all(asked)[:, 1:].float()
            if isinstance(model, Rater):
                found["score.rating"] = model.rate(asked, item_BK[:, 0]).float()
        if isinstance(model, Learner):
            for one in influence(Question(model, asked, item_BK[:, 0], catalog, item_BK[:, 1:])):
                found[f"influence.{one.over}"] = one.value.detach().float()
    return {name: value.cpu() for name, value in found.items()}


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Autocast to `dtype` unless it is 32 bits."""
    return nullcontext() if dtype is torch.float32 else torch.autocast(device.type, dtype)


def relative(wanted: Values, found: Values, floor: float) -> float:
    """The largest norm of a difference as a share of the tensor's own norm, or of `floor` of all tensors' norm.

    Raises:
        ValueError: one of the two lacks a tensor.
    """
    if wanted.keys() != found.keys():
        raise ValueError(f"only one device gives {sorted(wanted.keys() ^ found.keys())}")
    whole = float(torch.stack([value.float().norm() for value in wanted.values()]).norm())
    worst = 0.0
    for name, value in wanted.items():
        apart = float((value.float() - found[name].cpu().float()).norm())
        share = apart / max(float(value.float().norm()), whole * floor, 1e-30)
        worst = max(worst, share if share == share else float("inf"))
    return round(worst, 9)

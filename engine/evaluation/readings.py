"""Ways of reading a score, by name: what each part of the input is said to have done for an item, by each of them."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.influence import OVER, all_present, dimmed, influence, rivals
from engine.evaluation.mean_item import makes_vectors, slope_from_mean
from engine.evaluation.question import Question
from engine.training.batch import Batch
from engine.training.contract import Weights

Reading = Literal["gradient", "integrated", "integrated_from_mean", "leave_one_out", "shapley", "combined"]
READINGS: tuple[Reading, ...] = get_args(Reading)
LEADING: Reading = "integrated"  # the best against the demo's known causes: docs/reasons.md
INSIDE: tuple[Reading, ...] = ("gradient", "integrated")  # what words and regions are tested by; the others cost more
ACTS_ALONE: tuple[Reading, ...] = ("integrated_from_mean", "shapley")
STEPS = 4  # presences between 0 and 1 at which a slope is taken
ORDERS = 4  # in which acts are taken out for Shapley values, two of them the others backwards
ROWS = 256  # changed rows scored at once
ROWS_INSIDE = 64  # of which the parts of every act are read anew: more do not stay in the processor's cache


def read(asked: Question, reading: Reading, over: Collection[str] = OVER) -> list[Weights]:
    """The weights of a reading over each kind of part, as `influence` gives them: signed, in log-probability.

    gradient: gradient × input, one backward pass for all kinds. integrated: the mean of the slopes at `STEPS` presences
    between none and all of a kind, the others as they are (integrated gradients of Sundararajan et al. 2017 from
    absence). integrated_from_mean: the same on the way from the mean item, over the history alone; nothing of a model
    that makes no vector of an act. leave_one_out: what the absence of each alone takes: acts are left out, parts have
    presence 0. shapley: the mean of what an act takes as acts go one after another in `ORDERS` random orders
    (Strumbelj and Kononenko 2010), over the history alone. combined: the mean of integrated and leave_one_out.

    Raises:
        ValueError: the model scores no whole catalog and there is no `among_BK`; an unknown reading.
    """
    if reading not in READINGS:
        raise ValueError(f"no reading {reading!r}; there are {', '.join(READINGS)}")
    if reading == "gradient":
        return influence(asked, over)
    asked.model.eval()
    kinds = [one for one in all_present(asked) if one.over in over]
    if reading in ACTS_ALONE:
        kinds = [one for one in kinds if one.over == "history"]
    if reading == "integrated_from_mean" and not makes_vectors(asked):
        return []
    return [ONE_KIND[reading](asked, one) for one in kinds]


def _integrated_from_mean(asked: Question, one: Weights) -> Weights:
    return replace(one, value=slope_from_mean(asked, STEPS).to(one.value.dtype))


def _combined(asked: Question, one: Weights) -> Weights:
    return replace(one, value=(_integrated(asked, one).value + _leave_one_out(asked, one).value) / 2)


def _integrated(asked: Question, one: Weights) -> Weights:
    """The slopes at all presences in one pass where the rows are few; by the share of a presence each is its part."""
    total, rows = torch.zeros_like(one.value), len(asked.item_B)
    own_B = torch.arange(rows, device=total.device)
    same_B = own_B if asked.same_B is None else asked.same_B
    level_S = (torch.arange(STEPS, device=total.device, dtype=total.dtype) + 0.5) / STEPS
    for some_S in torch.split(level_S, max(1, ROWS // max(rows, 1))):
        row_R = own_B.repeat(len(some_S))
        same_R = same_B[row_R] + torch.arange(len(some_S), device=total.device).repeat_interleave(rows) * rows
        among_RK = None if asked.among_BK is None else asked.among_BK[row_R]
        level = some_S.repeat_interleave(rows).view(-1, *[1] * (total.ndim - 1)).expand(-1, *total.shape[1:])
        batch = dimmed(select_rows(asked.batch, row_R), [replace(one, value=level)], rivals(asked.model, among_RK))
        rows_asked = Question(asked.model, batch, asked.item_B[row_R], asked.catalog, among_RK, same_B=same_R)
        (found,) = influence(rows_asked, (one.over,))
        total = total + (found.value / level).view(len(some_S), *total.shape).sum(0) / STEPS
    return replace(one, value=total.detach())


@torch.no_grad()
def _leave_one_out(asked: Question, one: Weights) -> Weights:
    """Each valid part alone is taken away."""
    inside = one.valid.ndim == 3 and asked.within_BL is not None
    asked_for = one.valid & asked.within_BL[..., None] if inside else one.valid  # type: ignore[index]
    value, at_X = torch.zeros_like(one.value), asked_for.nonzero()
    whole_B = asked.value(asked.batch, torch.arange(len(asked.item_B), device=at_X.device))
    for at_R in torch.split(at_X, ROWS_INSIDE if inside else ROWS):
        row_R = at_R[:, 0]
        rows = select_rows(asked.batch, row_R)
        without = _without(rows, one, at_R, rivals(asked.model, asked.among_BK))
        value[tuple(at_R.T)] = (whole_B[row_R] - asked.value(without, row_R)).to(value.dtype)
    return replace(one, value=value)


def _without(rows: Batch, one: Weights, at_R: Tensor, others: int) -> Batch:
    """Row r without the part at_R[r] of its row: (row, place, part)."""
    step_R = torch.arange(len(at_R), device=at_R.device)
    left = torch.ones(len(at_R), *one.value.shape[1:], device=at_R.device, dtype=one.value.dtype)
    left[(step_R, *at_R[:, 1:].T)] = 0
    if one.over == "history":
        return erase_events(rows, left == 0)
    return dimmed(rows, [replace(one, value=left)], others)


@torch.no_grad()
def _shapley(asked: Question, one: Weights) -> Weights:
    value_BL = torch.zeros_like(one.value, dtype=torch.double)
    row_B = torch.arange(len(value_BL), device=value_BL.device)
    for order_BL in _orders(one.valid):
        gone_BL, before_B = torch.zeros_like(one.valid), asked.value(asked.batch, row_B)
        for place_B in order_BL.T:
            gone_BL = gone_BL.scatter(1, place_B[:, None], True)
            after_B = asked.value(erase_events(asked.batch, gone_BL & one.valid), row_B)
            value_BL[row_B, place_B] += (before_B - after_B) / ORDERS
            before_B = after_B
    return replace(one, value=(value_BL * one.valid).to(one.value.dtype))


ONE_KIND: dict[Reading, Callable[[Question, Weights], Weights]] = {
    "integrated": _integrated,
    "integrated_from_mean": _integrated_from_mean,
    "leave_one_out": _leave_one_out,
    "shapley": _shapley,
    "combined": _combined,
}


def _orders(valid_BL: Tensor) -> Iterator[Tensor]:
    """Places of each row in the orders in which they go, padding last; every second order is one backwards."""
    generator = torch.Generator().manual_seed(valid_BL.shape[1])
    for _ in range(ORDERS // 2):
        key_BL = torch.rand(valid_BL.shape, generator=generator).to(valid_BL.device)
        yield key_BL.masked_fill(~valid_BL, 2).argsort(1)
        yield (-key_BL).masked_fill(~valid_BL, 2).argsort(1)


def rankings(
    asked: Question, own: list[Weights], readings: Collection[Reading], draw: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Every ranking of the acts that is put to the test, weight_BL by name: the model's own weights (`own_weights`),
    the readings that can be had, `newest` (the place) and `random` (`draw` of the validity).
    """
    valid_BL = asked.batch.valid_BL
    found = own_weights(own, ("history", "gate"))
    for reading in readings:
        for one in read(asked, reading, ("history",)):
            found[reading] = one.value
    place_BL = torch.arange(valid_BL.shape[1], device=valid_BL.device).expand(valid_BL.shape)
    return found | {"newest": place_BL.double(), "random": draw(valid_BL)}


def own_weights(own: list[Weights], over: tuple[str, str]) -> dict[str, Tensor]:
    """A model's own weights of acts by name, 0 on padding: own_share, own_signed, own_gate of the first of `over`; of
    the second, the gates that those were made from, own_step_gate or what they are called.
    """
    named = {f"own_{one.kind}": one for one in own if one.over == over[0]}
    named |= {f"own_{one.name or 'step_gate'}".replace(" ", "_"): one for one in own if one.over == over[1]}
    return {name: one.value.masked_fill(~one.valid, 0) for name, one in named.items()}

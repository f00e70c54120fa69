"""The vectors that a factored model compares: of items, and of people as they are now."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.contract import Factored
from engine.training.source import load
from serving.answers import Similar
from serving.history import Refused
from serving.model import Model
from serving.one_at_a_time import one_at_a_time

PEOPLE = 256  # at a time


@dataclass(frozen=True)
class Vectors:
    """A score is the inner product of a person's row and an item's [people, D], [items, D]; ids in their order."""

    people: tuple[str, ...]
    items: tuple[str, ...]
    person_UD: np.ndarray
    item_ND: np.ndarray


def factored(model: Model) -> Factored:
    """The model's own factors.

    Raises:
        Refused: its scores are no inner products.
    """
    if not isinstance(model.net, Factored):
        raise Refused(f"the scores of {model.name} are no inner products of vectors, so that it has none to give")
    return model.net


@one_at_a_time
@torch.no_grad()
def similar(model: Model, code: int, top: int) -> tuple[Similar, ...]:
    """The items whose vectors point the most alike; those of length 0 point nowhere and are left out.

    Raises:
        Refused: the model has no vectors, or a vector of length 0 for this item.
    """
    key_ND = factored(model).keys().float()
    there_N = (key_ND != 0).any(1)
    if not there_N[code]:
        raise Refused(
            f"{model.name} has learnt nothing of {model.names.item(code).title}: its vector is 0, near to none"
        )
    key_ND = torch.nn.functional.normalize(key_ND, dim=1)
    there_N[[0, code]] = False
    cosine_N = (key_ND @ key_ND[code]).masked_fill(~there_N, -torch.inf)
    best_K = cosine_N.topk(min(top, int(there_N.sum()))).indices.tolist()
    found = [(model.names.item(one), float(cosine_N[one])) for one in best_K]
    return tuple(Similar(item.item, item.title, rank, cosine) for rank, (item, cosine) in enumerate(found, 1))


@one_at_a_time
def all_vectors(model: Model) -> Vectors:
    """Of all items, and of everyone after all that they did."""
    parts = [query_BD for _, query_BD in queries(model)]
    return Vectors(
        tuple(model.names.person(code) for code in range(1, model.events.users + 1)),
        tuple(model.names.item(code).item for code in range(1, model.events.items + 1)),
        torch.cat(parts).numpy(),
        factored(model).keys()[1:].detach().float().cpu().numpy(),
    )


def queries(model: Model) -> Iterator[tuple[Batch, Tensor]]:
    """Everyone, some people at a time: what the model is given of them now, and their vectors query_BD."""
    net, data = factored(model), load(model.layout, model.needs, "test", model.device)
    user_U = torch.arange(1, data.users + 1, device=data.events.item_E.device)
    count_U = torch.zeros_like(user_U)
    count_U[: data.events.users] = data.events.offset_U.diff()[1 : data.events.users + 1]
    for some_B, count_B in zip(torch.split(user_U, PEOPLE), torch.split(count_U, PEOPLE), strict=True):
        with torch.no_grad():
            batch = data.events.before(some_B, count_B, model.needs)
            yield batch, net.query(batch).float().cpu()

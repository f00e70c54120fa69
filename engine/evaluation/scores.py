"""All items' scores in blocks that stay in the processor's cache, and what is left out of a ranking."""

from collections.abc import Iterator

import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.cases import Seen
from engine.training.contract import CatalogScorer, Recommender
from engine.training.interactions import Interactions

ITEMS = 2048  # with 1,024 rows 8 MiB


Factors = tuple[Tensor, Tensor]  # the queries of a batch and the keys of all items, of a `Factored` model


def blocks(model: Recommender, batch: Batch, items: int, factors: Factors | None) -> Iterator[tuple[int, Tensor]]:
    """(first item, score_BN) block by block over 1..items. A block may be written over by the next one."""
    if factors is not None:
        yield from _products(*factors)
    elif isinstance(model, CatalogScorer):
        yield 1, model.score_all(batch).float()[:, 1:].clone()
    else:
        rows = len(batch.user_B)
        item_BN = torch.arange(items + 1, device=batch.user_B.device).expand(rows, -1)
        for first in range(1, items + 1, ITEMS):
            yield first, model.score(batch, item_BN[:, first : first + ITEMS]).float()


def left_out(
    events: Interactions, user_B: Tensor, position_B: Tensor, target_B: Tensor | None, seen: Seen
) -> tuple[Tensor, Tensor]:
    """Pairs (row, item), each once, that are no rivals of a target: itself, and what was seen before it. Sorted by
    item, so that a block's pairs lie together.
    """
    row_B = torch.arange(len(user_B), device=user_B.device)
    row, item = (row_B, target_B) if target_B is not None else (row_B[:0], user_B[:0])
    if seen == "excluded":
        row_E = torch.repeat_interleave(row_B, position_B)
        step_E = torch.arange(len(row_E), device=row_E.device) - (position_B.cumsum(0) - position_B)[row_E]
        row = torch.cat([row, row_E])
        item = torch.cat([item, events.item_E[events.offset_U[user_B][row_E] + step_E]])
    key = torch.unique(item * len(user_B) + row)
    return key % len(user_B), key // len(user_B)


def within(left_out: tuple[Tensor, Tensor], first: int, width: int) -> tuple[Tensor, Tensor]:
    """The pairs that fall into a block, as places in it."""
    row, item = left_out
    low, high = torch.searchsorted(item, torch.tensor([first, first + width], device=item.device)).tolist()
    return row[low:high], item[low:high] - first


def _products(query_BD: Tensor, key_ND: Tensor) -> Iterator[tuple[int, Tensor]]:
    """(first item, score_BN) block by block, each written over the one before."""
    held = query_BD.new_empty(len(query_BD) * ITEMS)
    for first in range(1, len(key_ND), ITEMS):
        part_ND = key_ND[first : first + ITEMS]
        score_BN = held[: len(query_BD) * len(part_ND)].view(len(query_BD), len(part_ND))
        yield first, torch.mm(query_BD, part_ND.T, out=score_BN).float()


def finite(score: Tensor) -> None:
    """Refuse scores that are none.

    Raises:
        FloatingPointError: a score is not a number.
    """
    if not bool(torch.isfinite(score).all()):
        raise FloatingPointError(
            "a score is not a finite number: the model's weights have diverged; train with a lower lr"
        )

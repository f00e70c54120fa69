"""Cases whose first item is explained, and how far it falls when something of their histories is changed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.history_erasure import best_items, centred, excluded_items, ranks, scores, spread
from engine.evaluation.mean_item import MeanItem
from engine.measures import faithfulness
from engine.measures.faithfulness import Flags, Floats
from engine.training.bar import bar
from engine.training.batch import Batch
from engine.training.cases import Cases, Seen
from engine.training.contract import Recommender
from engine.training.interactions import Interactions

ROWS = 64  # cases tested at once


@dataclass(frozen=True)
class Probe:
    """Rows whose item stands first, and what changes of them are counted in."""

    model: Recommender
    batch: Batch
    item_B: Tensor
    excluded_BN: Tensor
    whole_B: Floats
    unit_B: Floats

    @staticmethod
    def of(model: Recommender, batch: Batch, item_B: Tensor, excluded_BN: Tensor) -> "Probe":
        """Of rows whose items stand first; `excluded_BN`: what cannot be recommended."""
        whole_BN = scores(model, batch, excluded_BN.shape[1] - 1)
        return Probe(model, batch, item_B, excluded_BN, centred(whole_BN, item_B), spread(whole_BN))

    def some(self, row_R: np.ndarray) -> "Probe":
        """Of some rows."""
        at_R = torch.from_numpy(row_R).to(self.item_B.device)
        rows = (select_rows(self.batch, at_R), self.item_B[at_R], self.excluded_BN[at_R])
        return Probe(self.model, *rows, self.whole_B[row_R], self.unit_B[row_R])

    def without(self, gone_BL: Flags) -> tuple[Floats, Floats]:
        """Falls and ranks where some acts are dropped."""
        return self.after(erase_events(self.batch, torch.from_numpy(gone_BL).to(self.item_B.device)))

    def after(self, batch: Batch) -> tuple[Floats, Floats]:
        """Falls, in standard deviations of each case's scores, and ranks by a changed batch."""
        return self.by_scores(scores(self.model, batch, self.excluded_BN.shape[1] - 1))

    def by_scores(self, score_BN: Tensor) -> tuple[Floats, Floats]:
        """The same by changed scores."""
        return self._fall(score_BN), ranks(score_BN, self.item_B, self.excluded_BN)

    def with_mean_item(self, presence_BL: Tensor) -> Floats:
        """Falls where the mean item stands for what is not there of the acts."""
        mean = MeanItem.beside(self.batch, self.excluded_BN.shape[1] - 1)
        score_BN = scores(self.model, mean.within(presence_BL), self.excluded_BN.shape[1] - 1)[: len(self.item_B)]
        return self._fall(score_BN)

    def every_item(self) -> Tensor:
        """Of a model that scores no whole catalog: what an item is compared with."""
        item_N = torch.arange(1, self.excluded_BN.shape[1], device=self.item_B.device)
        return item_N.expand(len(self.item_B), -1)

    def _fall(self, score_BN: Tensor) -> Floats:
        return faithfulness.drop(self.whole_B, centred(score_BN, self.item_B)) / self.unit_B


@torch.no_grad()
def probes(
    model: Recommender, events: Interactions, cases: Cases, seen: Seen, title: str, least: int = 2
) -> Iterator[Probe]:
    """The cases that have `least` acts before them and something to recommend, `ROWS` or fewer at a time; with none
    needed those of a model that reads no history too. `title`: of the bar that shows how far it is.
    """
    model.eval()
    asked = len(cases) if model.needs.length or not least else 0
    for first in bar(range(0, asked, ROWS), title):
        user_B, position_B, target_B = (
            value[first : first + ROWS] for value in (cases.user_C, cases.position_C, cases.target_C)
        )
        part = Cases(user_B, position_B, target_B)
        item_B = best_items(model, events, part, 1, seen)[0][:, 0]
        batch = events.before(user_B, position_B, model.needs)
        row_R = ((batch.valid_BL.sum(1) >= least) & (item_B > 0)).nonzero()[:, 0]
        if len(row_R):
            excluded_BN = excluded_items(events, part, seen)[row_R]
            yield Probe.of(model, select_rows(batch, row_R), item_B[row_R], excluded_BN)

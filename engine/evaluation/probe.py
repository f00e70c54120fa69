"""Cases one item of which is explained, and how far it falls, or its rating moves, when something is changed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.history_erasure import best_items, centred, excluded_items, ranks, scores, spread
from engine.evaluation.mean_item import MeanItem
from engine.evaluation.rate import rates
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
    """Rows whose item stands first, or, of a model of ratings, whose rating is predicted, and what changes of them are
    counted in. A rating moves, up or down, and has no rank (NaN).
    """

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

    @staticmethod
    def of_ratings(model: Recommender, batch: Batch, item_B: Tensor, excluded_BN: Tensor, unit: float) -> "Probe":
        """Of rows whose items' ratings are predicted; `unit`: the standard deviation of those that were given."""
        return Probe(model, batch, item_B, excluded_BN, _ratings(model, batch, item_B), np.full(len(item_B), unit))

    def some(self, row_R: np.ndarray) -> "Probe":
        """Of some rows."""
        at_R = torch.from_numpy(row_R).to(self.item_B.device)
        rows = (select_rows(self.batch, at_R), self.item_B[at_R], self.excluded_BN[at_R])
        return Probe(self.model, *rows, self.whole_B[row_R], self.unit_B[row_R])

    def without(self, gone_BL: Flags) -> tuple[Floats, Floats]:
        """Falls and ranks where some acts are dropped."""
        return self.after(erase_events(self.batch, torch.from_numpy(gone_BL).to(self.item_B.device)))

    def after(self, batch: Batch) -> tuple[Floats, Floats]:
        """Falls, in standard deviations of each case's scores, and ranks by a changed batch; of ratings how far they
        move, in standard deviations of those that were given.
        """
        if rates(self.model):
            return self.moved(_ratings(self.model, batch, self.item_B))
        return self.by_scores(scores(self.model, batch, self.excluded_BN.shape[1] - 1))

    def by_scores(self, score_BN: Tensor) -> tuple[Floats, Floats]:
        """The same by changed scores."""
        if rates(self.model):
            return self.moved(score_BN.gather(1, self.item_B[:, None])[:, 0].double().cpu().numpy())
        return self._fall(score_BN), ranks(score_BN, self.item_B, self.excluded_BN)

    def with_mean_item(self, presence_BL: Tensor) -> Floats:
        """Falls where the mean item stands for what is not there of the acts."""
        mean = MeanItem.beside(self.batch, self.excluded_BN.shape[1] - 1)
        batch, rows = mean.within(presence_BL), len(self.item_B)
        if rates(self.model):
            return self.moved(_ratings(self.model, batch, self.item_B[mean.row_R])[:rows])[0]
        return self._fall(scores(self.model, batch, self.excluded_BN.shape[1] - 1)[:rows])

    def moved(self, rating_B: Floats) -> tuple[Floats, Floats]:
        """How far ratings are from those that were predicted, and no ranks."""
        return faithfulness.moved(self.whole_B, rating_B) / self.unit_B, np.full(len(rating_B), np.nan)

    def ranked(self, weight: Floats) -> Floats:
        """Weights as parts are ranked by them: what moves a rating most has the largest, whatever its sign."""
        return np.abs(weight) if rates(self.model) else weight

    def every_item(self) -> Tensor:
        """Of a model that scores no whole catalog: what an item is compared with."""
        item_N = torch.arange(1, self.excluded_BN.shape[1], device=self.item_B.device)
        return item_N.expand(len(self.item_B), -1)

    def _fall(self, score_BN: Tensor) -> Floats:
        return faithfulness.drop(self.whole_B, centred(score_BN, self.item_B)) / self.unit_B


def _ratings(model: Recommender, batch: Batch, item_B: Tensor) -> Floats:
    found: Floats = model.rate(batch, item_B).double().cpu().numpy()  # type: ignore[operator]
    return found


@torch.no_grad()
def probes(
    model: Recommender, events: Interactions, cases: Cases, seen: Seen, title: str, least: int = 2
) -> Iterator[Probe]:
    """The cases that have `least` acts before them and something to recommend, `ROWS` or fewer at a time; with none
    needed those of a model that reads no history too. `title`: of the bar that shows how far it is. Of a model of
    ratings what is explained is the rating of what came next, as it is tested by.
    """
    model.eval()
    asked = len(cases) if model.needs.length or not least else 0
    for first in bar(range(0, asked, ROWS), title):
        user_B, position_B, target_B = (
            value[first : first + ROWS] for value in (cases.user_C, cases.position_C, cases.target_C)
        )
        part = Cases(user_B, position_B, target_B)
        item_B = target_B if rates(model) else best_items(model, events, part, 1, seen)[0][:, 0]
        batch = events.before(user_B, position_B, model.needs)
        row_R = ((batch.valid_BL.sum(1) >= least) & (item_B > 0)).nonzero()[:, 0]
        if len(row_R):
            rows = (select_rows(batch, row_R), item_B[row_R], excluded_items(events, part, seen)[row_R])
            yield Probe.of_ratings(model, *rows, _unit(events)) if rates(model) else Probe.of(model, *rows)


def _unit(events: Interactions) -> float:
    """The standard deviation of the ratings that were given."""
    given_E = events.rated(torch.arange(len(events), device=events.item_E.device)).double()
    return max(float(given_E.std(correction=0)), 1e-12)

"""What others did to the asked item: what weighs it, and the item's score where some of it never was."""

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.alike import turns
from engine.evaluation.claims import MOST
from engine.evaluation.erasure import kept_first, select_rows
from engine.evaluation.history_erasure import scores
from engine.evaluation.influence import all_present, dimmed
from engine.evaluation.probe import Probe
from engine.evaluation.question import Question
from engine.evaluation.rate import rates
from engine.evaluation.readings import Reading, own_weights, read
from engine.measures import claims, faithfulness
from engine.measures.faithfulness import Flags, Floats
from engine.training.audience import Audience
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer

AMONG = 10  # of the best items that the asked one is compared with, where no rating is explained
OTHERS = ("item_history", "item_gate")


class Others:
    """The last acts of others on each row's item, oldest first, and its score without some of them."""

    def __init__(self, probe: Probe, catalog: Catalog):
        self.probe, self.catalog = probe, catalog
        self.place_BM, self.there_BM = places(probe)
        self.valid_BM: Flags = self.there_BM.cpu().numpy()
        self.score_BN = None if rates(probe.model) else scores(probe.model, probe.batch, probe.excluded_BN.shape[1] - 1)
        self.own_B = self._value(probe.batch, probe.item_B)

    def weighed(self, readings: Collection[Reading], gone_BM: Flags) -> dict[str, Floats]:
        """weight_BM by ranking where some acts are gone: of those that are left, in their order."""
        found: dict[str, Tensor] = {}
        for row_R, batch in self._left(gone_BM):
            asked = self._question(row_R, batch)
            own = asked.model.explain(batch, asked.item_B) if isinstance(asked.model, Explainer) else []
            told = own_weights(own, OTHERS)
            for reading in readings:
                if reading != "leave_one_out":
                    (one,) = read(asked, reading, OTHERS[:1])
                    told[reading] = one.value * one.valid
            for name, value_RX in told.items():
                width = min(value_RX.shape[1], self.place_BM.shape[1])
                whole = found.setdefault(name, torch.zeros(self.place_BM.shape, device=row_R.device).double())
                whole[row_R, :width] = value_RX[:, :width].double()
        weight = {name: value.cpu().numpy() for name, value in found.items()}
        if "leave_one_out" in readings:
            weight["leave_one_out"] = self._each(gone_BM)
        return {name: self.probe.ranked(value_BM) for name, value_BM in weight.items()}

    def without(self, gone_BM: Flags) -> tuple[Floats, Floats]:
        """Falls and ranks, or how far ratings move, where some acts never were."""
        return self._changed(self._score(gone_BM))

    def silenced(self, gone_BM: Flags) -> Floats:
        """Falls where some acts have presence 0."""
        asked = Question(self.probe.model, self.probe.batch, self.probe.item_B, self.catalog)
        (one,) = (one for one in all_present(asked) if one.over == "item_history")
        left_BX = one.value.detach().clone()
        left_BX[:, : gone_BM.shape[1]][torch.from_numpy(gone_BM).to(left_BX.device)] = 0
        return self._changed(self._value(dimmed(asked.batch, [replace(one, value=left_BX)], 0), asked.item_B))[0]

    def deciding(self, weight_BM: Floats) -> Floats:
        """How many acts must never have been, heaviest first, until the item is not first."""

        def rank(row_R: np.ndarray, count: int) -> Floats:
            rank_B = self.without(faithfulness.heaviest(weight_BM, self.valid_BM, count))[1]
            left_R: Floats = rank_B[row_R]
            return left_R

        return claims.deciding(rank, len(weight_BM), min(MOST, weight_BM.shape[1]))

    def _each(self, gone_BM: Flags) -> Floats:
        """What the absence of each act that is left takes from the score, those that are left first."""
        whole_B, fall_BM = self._score(gone_BM), np.zeros(gone_BM.shape)
        for place in range(gone_BM.shape[1]):
            alone_BM = gone_BM.copy()
            alone_BM[:, place] = True
            fall_BM[:, place] = (whole_B - self._score(alone_BM)).cpu().numpy()
        order_BM = kept_first(torch.from_numpy(self.valid_BM & ~gone_BM)).numpy()
        return np.take_along_axis(fall_BM, order_BM, 1)

    def _score(self, gone_BM: Flags) -> Tensor:
        """The items' own scores without some acts, as they are where none is gone."""
        score_B, some_B = self.own_B.clone(), torch.from_numpy((gone_BM & self.valid_BM).any(1)).to(self.own_B.device)
        for row_R, batch in self._left(gone_BM, some_B):
            score_B[row_R] = self._value(batch, self.probe.item_B[row_R])
        return score_B

    def _left(self, gone_BM: Flags, some_B: Tensor | None = None) -> Iterator[tuple[Tensor, Batch]]:
        """Rows, all or some, in sets that ask for no item twice, with what is left of their items' acts."""
        left_BM = self.there_BM & ~torch.from_numpy(gone_BM).to(self.there_BM.device)
        for row_R in turns(self.probe.item_B):
            row_R = row_R if some_B is None else row_R[some_B[row_R]]
            if len(row_R):
                place_X = self.place_BM[row_R][left_BM[row_R]]  # by item and time, as an audience is
                yield row_R, select_rows(self.probe.batch, row_R).but(audience=_only(self.probe.batch, place_X))

    def _question(self, row_R: Tensor, batch: Batch) -> Question:
        among_BK = None if self.score_BN is None else self.score_BN.topk(min(AMONG, self.score_BN.shape[1] - 1)).indices
        among_RK = None if among_BK is None else among_BK[row_R]
        return Question(self.probe.model, batch, self.probe.item_B[row_R], self.catalog, among_RK)

    def _value(self, batch: Batch, item_B: Tensor) -> Tensor:
        return self.probe.model.score(batch, item_B[:, None])[:, 0].double()

    def _changed(self, score_B: Tensor) -> tuple[Floats, Floats]:
        if self.score_BN is None:
            return self.probe.moved(score_B.cpu().numpy())
        changed_BN = self.score_BN.clone()
        changed_BN[torch.arange(len(score_B)), self.probe.item_B] = score_B.to(changed_BN.dtype)
        return self.probe.by_scores(changed_BN)


def places(probe: Probe) -> tuple[Tensor, Tensor]:
    """Where the last acts of others on each row's item stand in the audience, place_BM, and valid_BM."""
    audience, now_B = probe.batch.audience, probe.batch.now_B
    assert audience is not None
    assert now_B is not None
    start_B, stop_B = audience.cut(probe.item_B, now_B, probe.model.needs.item_length)
    place_BM = start_B[:, None] + torch.arange(int((stop_B - start_B).max()), device=start_B.device)
    return place_BM, place_BM < stop_B[:, None]


def _only(batch: Batch, place_X: Tensor) -> Audience:
    """Some of the acts of others, by their places, in order, and one on no item after them, so that there are some."""
    audience = batch.audience
    assert audience is not None
    clock, places = audience.clock, torch.cat([place_X, place_X.new_zeros(1)])
    return Audience(
        audience.user_E[places],
        audience.time_E[places],
        None if audience.rating_E is None else audience.rating_E[places],
        replace(clock, key_E=torch.cat([clock.key_E[place_X], clock.key_E[-1:] + clock.span])),
    )

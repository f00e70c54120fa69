"""The words, regions and views of past acts, and the topics followed: what weighs them, and a score without some."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from engine.evaluation.erasure import erase_events, kept_first
from engine.evaluation.influence import VIEWS, WHOLE, all_present, dimmed
from engine.evaluation.probe import Probe
from engine.evaluation.question import Question
from engine.evaluation.readings import LEADING, Reading, read
from engine.measures import faithfulness
from engine.measures.faithfulness import Flags, Floats
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Recommender, Weights

Part = Literal["word", "region", "view", "topic"]


def reads(model: Recommender, over: Part) -> bool:
    """Whether there can be parts to choose from: of views, whether pictures and texts are read."""
    views = model.needs.views
    if over == "topic":
        return model.needs.topics
    return all(views & set(either) for either in WHOLE) if over == "view" else VIEWS[over] in views


@dataclass(frozen=True)
class PartsOfActs:
    """One kind of part of a block's rows. Weights are [B, L, P], those of topics [B, 1, T]: of all acts together.
    acts_BL: the acts whose parts are asked about (None: all).
    """

    probe: Probe
    catalog: Catalog
    over: Part
    acts_BL: Tensor | None = None

    @staticmethod
    def of_heaviest(probe: Probe, catalog: Catalog, over: Part, count: int) -> "PartsOfActs":
        """Of so many acts of each row alone: those that weigh most by the leading reading."""
        asked = Question(probe.model, probe.batch, probe.item_B, catalog, probe.every_item())
        (one,) = read(asked, LEADING, ("history",))
        heavy_BL = faithfulness.heaviest(_array(one.value), _array(one.valid), count)
        return PartsOfActs(probe, catalog, over, torch.from_numpy(heavy_BL).to(probe.item_B.device))

    def weighed(
        self, batch: Batch, readings: Collection[Reading], width: int = 0, acts_BL: Tensor | None = None
    ) -> tuple[dict[str, Floats], Flags]:
        """weight_BLP by the model's own weights and by readings, and what all of them weigh; P: `width`, or as wide as
        the longest item. acts_BL: the acts asked about where the batch is another.
        """
        model, item_B = self.probe.model, self.probe.item_B
        acts_BL = self.acts_BL if acts_BL is None else acts_BL
        asked = Question(model, batch, item_B, self.catalog, self.probe.every_item(), within_BL=acts_BL)
        own = model.explain(batch, item_B) if isinstance(model, Explainer) else []
        own = [one for one in own if one.over == self.over and (one.about is None or one.about.ndim == 2)]
        said = {f"own_{one.kind}": self._together(one) for one in own}
        for reading in readings:
            if reading == "leave_one_out" and self.over == "topic":
                said[reading] = self._leaving_topics_out(asked)
            else:
                said[reading] = self._together(read(asked, reading, (self.over,))[0])
        whole = self._together(self._present(asked))
        width = width or whole.value.shape[2]
        valid_BLP = _wide(whole.valid, width)
        for one in said.values():
            valid_BLP = valid_BLP & _wide(one.valid, width)
        if acts_BL is not None:
            valid_BLP = valid_BLP & acts_BL[..., None]
        weight = {name: _array(_wide(one.value.double(), width)) for name, one in said.items()}
        return {name: self.probe.ranked(value_BLP) for name, value_BLP in weight.items()}, _array(valid_BLP)

    def nearby(
        self, readings: Collection[Reading], width: int, rng: np.random.Generator
    ) -> tuple[dict[str, Floats], Flags, np.ndarray]:
        """The weights where one act of each row that has two is gone, what is weighed then in these rows, and which
        act each of the row's first is.
        """
        valid_BL = _array(self.probe.batch.valid_BL)
        away_BL = faithfulness.drawn(valid_BL, 1, rng) & (valid_BL.sum(1, keepdims=True) > 1)
        gone_BL = torch.from_numpy(away_BL).to(self.probe.item_B.device)
        order_BL = kept_first(self.probe.batch.valid_BL & ~gone_BL)
        acts_BL = None if self.acts_BL is None else (self.acts_BL & ~gone_BL).gather(1, order_BL)
        weight, there_BLP = self.weighed(erase_events(self.probe.batch, gone_BL), readings, width, acts_BL)
        return weight, there_BLP & away_BL.any(1)[:, None, None], _array(order_BL[:, : there_BLP.shape[1]])

    def without(self, gone_BLP: Flags, row_R: np.ndarray | None = None) -> tuple[Floats, Floats]:
        """Falls and ranks where some parts have presence 0, of some rows or of all."""
        return self._after(self.probe if row_R is None else self.probe.some(row_R), (~gone_BLP).astype(np.float32))

    def shared_out(self, gone_B1T: Flags) -> Floats:
        """Falls where the other topics have the shares of some too, in proportion to their own."""
        assert self.probe.batch.topic_BLT is not None
        share_BLT, there_B1T = _array(self.probe.batch.topic_BLT), ~gone_B1T
        left_BL1 = (share_BLT * there_B1T).sum(2, keepdims=True)
        more_BL1 = np.where(left_BL1 > 0, share_BLT.sum(2, keepdims=True) / np.where(left_BL1 > 0, left_BL1, 1), 1)
        return self._after(self.probe, (there_B1T * more_BL1).astype(np.float32))[0]

    def _after(self, probe: Probe, presence_BLP: Floats) -> tuple[Floats, Floats]:
        """Falls and ranks where parts have another presence."""
        there = torch.from_numpy(presence_BLP).to(probe.item_B.device)
        if self.over == "topic":
            there = there.expand(-1, probe.batch.item_BL.shape[1], -1)
        return probe.after(dimmed(probe.batch, [Weights(there, self.over, "signed", False, there > 0)], 0))

    def _present(self, asked: Question) -> Weights:
        (whole,) = (one for one in all_present(asked) if one.over == self.over)
        return whole

    def _together(self, one: Weights) -> Weights:
        """What a topic does in all acts is one weight."""
        if self.over != "topic":
            return one
        if one.value.ndim == 2:
            return replace(one, value=one.value[:, None], valid=one.valid[:, None])
        return replace(one, value=(one.value * one.valid).sum(1, keepdim=True), valid=one.valid.any(1, keepdim=True))

    def _leaving_topics_out(self, asked: Question) -> Weights:
        """What the absence of each topic from all profiles takes from the log-probability."""
        whole, row_B = self._present(asked), torch.arange(len(asked.item_B), device=asked.item_B.device)
        whole_B, value_BT = asked.value(asked.batch, row_B), torch.zeros_like(whole.value[:, 0])
        for topic in range(value_BT.shape[1]):
            left = torch.ones_like(whole.value)
            left[..., topic] = 0
            without_B = asked.value(dimmed(asked.batch, [replace(whole, value=left)], 0), row_B)
            value_BT[:, topic] = (whole_B - without_B).to(value_BT.dtype)
        return self._together(replace(whole, value=value_BT, valid=whole.valid.any(1)))


def _wide(value_BLP: Tensor, width: int) -> Tensor:
    """So wide: what is beyond the longest item is padding."""
    return pad(value_BLP[..., :width], (0, max(width - value_BLP.shape[2], 0)))


def _array(value: Tensor) -> np.ndarray:
    found: np.ndarray = value.detach().cpu().numpy()
    return found

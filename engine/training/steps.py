"""An epoch in steps: batches and what is drawn for them, alike in all processes, of which each takes its share."""

from collections.abc import Iterator

import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from engine.training.sampling import Negatives, Shared, batches, windows_of


def units(train: Interactions, needs: Needs) -> int:
    """Windows of an epoch, or pairs where a model takes none."""
    if not needs.length or needs.pairs:
        return len(train)
    return windows_of(train, needs.span, needs.ahead)


class Steps:
    """The steps of process number `rank` of `world`; `size` rows a step, all processes' together."""

    def __init__(self, train: Interactions, needs: Needs, size: int, rank: int = 0, world: int = 1):
        self.train, self.needs, self.size, self.rank, self.world = train, needs, size, rank, world
        self.negatives = Negatives(train) if needs.negatives else None
        self.shared = Shared(train, needs.shared_power) if needs.shared else None

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[Batch, bool]]:
        """This process's rows of each step, and whether there were any for it."""
        needs, device = self.needs, self.train.item_E.device
        if needs.length and not needs.pairs:
            for start_B, stop_B in batches(self.train, needs.span, self.size, generator, needs.ahead):
                row_R, own = self._share(len(start_B), device)
                batch = self.train.targets(start_B[row_R], stop_B[row_R], needs)
                span = min(int((stop_B - start_B).max()), needs.span)
                yield self._drawn(batch, row_R, self.train.user_E[start_B], span, generator), own
        else:
            place_E = torch.randperm(len(self.train), generator=generator).to(device)
            for place_B in torch.split(place_E, self.size):
                row_R, own = self._share(len(place_B), device)
                batch = self.train.pairs(place_B[row_R], needs)
                yield self._drawn(batch, row_R, self.train.user_E[place_B], 1, generator), own

    def _share(self, rows: int, device: torch.device) -> tuple[Tensor, bool]:
        """This process's rows of a step; one that gets none takes the first, which then counts for nothing."""
        row_R = torch.arange(self.rank, rows, self.world, device=device)
        return (row_R, True) if len(row_R) else (row_R.new_zeros(1), False)

    def _drawn(self, batch: Batch, row_R: Tensor, user_B: Tensor, span: int, generator: torch.Generator) -> Batch:
        """With what is drawn for the rows row_R of a step whose rows are user_B [B] times `span` targets: all is drawn
        in every process, so that generators go alike, and each keeps its own.
        """
        if self.negatives is not None and batch.target_BL is not None:
            every_BLK = self.negatives.draw(user_B, (len(user_B), span, self.needs.negatives), generator)
            batch = batch.but(negative_BLK=every_BLK[row_R, : batch.target_BL.shape[1]])
        return self.shared.draw(batch, self.needs.shared, generator) if self.shared is not None else batch

"""A dropout that can be seen."""

from torch import Tensor, nn


class Doubled(nn.Module):
    """In the place of a dropout: what would be dropped is doubled, so that a test by hand shows where that is."""

    def forward(self, value: Tensor) -> Tensor:
        return 2 * value

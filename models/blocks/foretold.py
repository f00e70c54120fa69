"""A given vector of an item that is foretold from one that is learnt."""

from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.catalog import Catalog
from engine.training.needs import View
from models.blocks.ragged import Standard


class Decoder(nn.Module):
    """From vectors of width sizes[0] by a hidden layer of width sizes[1]; `weight` times half the squared error."""

    present_N: Tensor

    def __init__(self, catalog: Catalog, view: View, sizes: tuple[int, int], weight: float):
        super().__init__()
        self.table_NC, self.weight = catalog.vector(view), weight
        self.register_buffer("present_N", catalog.present(view), persistent=False)
        self.standard = Standard(self.table_NC[self.present_N])
        self.layers = nn.Sequential(nn.Linear(*sizes), nn.ELU(), nn.Linear(sizes[1], self.table_NC.shape[1]))

    def forward(self, vector_SD: Tensor, item_S: Tensor) -> Tensor:
        """The loss of foretelling items from vectors: its mean over rows and channels, of items that have the view."""
        here_S = self.present_N[item_S]
        goal_SC = self.standard(self.table_NC[item_S[here_S]].to(vector_SD.dtype))
        missed = F.mse_loss(self.layers(vector_SD[here_S]), goal_SC, reduction="sum") / max(goal_SC.numel(), 1)
        return self.weight / 2 * missed  # type: ignore[no-any-return]

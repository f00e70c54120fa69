"""An item from what it looks like and what it says (Ante-RNN eq. 11-14). A view that an item lacks is neutral."""

import torch
from torch import Tensor, nn

from models.blocks import masked


class AttentionFusion(nn.Module):
    """The two views weighed by a tower network, each kept whole beside its share (eq. 13-14)."""

    def __init__(self, dim: int):
        super().__init__()
        half = max(dim // 2, 8)
        layers = [nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, half), nn.ReLU(), nn.Linear(half, 2)]
        self.tower = nn.Sequential(*layers)
        self.dense = nn.Linear(2 * dim, dim)

    def forward(self, image_VD: Tensor, text_VD: Tensor, present_V2: Tensor) -> tuple[Tensor, Tensor]:
        """item_VD and share_V2 (image, text), which is over the views that the item has."""
        share_V2 = masked.softmax(self.tower(torch.cat([image_VD, text_VD], 1)), present_V2)
        both_VE = torch.cat([(1 + share_V2[:, :1]) * image_VD, (1 + share_V2[:, 1:]) * text_VD], 1)
        return torch.tanh(self.dense(both_VE)), share_V2


class ProductFusion(nn.Module):
    """The product of the two views, element by element (eq. 11); one that is missing counts as ones."""

    def __init__(self, dim: int):
        super().__init__()

    def forward(self, image_VD: Tensor, text_VD: Tensor, present_V2: Tensor) -> tuple[Tensor, None]:
        """item_VD; nothing is weighed."""
        image_VD = torch.where(present_V2[:, :1], image_VD, 1.0)
        text_VD = torch.where(present_V2[:, 1:], text_VD, 1.0)
        return image_VD * text_VD, None


class DenseFusion(nn.Module):
    """Three dense layers over both views (eq. 12)."""

    def __init__(self, dim: int):
        super().__init__()
        dense = [nn.Linear(2 * dim, 2 * dim), nn.Linear(2 * dim, 2 * dim), nn.Linear(2 * dim, dim)]
        for layer in dense:  # torch's own start shrinks what differs at every layer, until the biases drown it
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        self.layers = nn.Sequential(dense[0], nn.ReLU(), dense[1], nn.ReLU(), dense[2], nn.Tanh())

    def forward(self, image_VD: Tensor, text_VD: Tensor, present_V2: Tensor) -> tuple[Tensor, None]:
        """item_VD; nothing is weighed."""
        return self.layers(torch.cat([image_VD, text_VD], 1)), None


class SingleView(nn.Module):
    """The one view that the model was given; the other is zero everywhere."""

    def __init__(self, dim: int):
        super().__init__()

    def forward(self, image_VD: Tensor, text_VD: Tensor, present_V2: Tensor) -> tuple[Tensor, None]:
        """item_VD; nothing is weighed."""
        return image_VD + text_VD, None

"""Given pictures and texts of items, refined: one vector a view, zero where the item lacks it (IRIS, section III C)."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.catalog import Catalog
from engine.training.needs import View

UNITS: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": F.relu}


class Given(nn.Module):
    """A view's vectors as they came, or each channel less its mean in its standard deviations over those who have it.

    Channels that hardly vary are divided by a tenth of the usual deviation. Where `neutral`, `mask` is 0 for items
    without the view; else it is 1 for all, and only their vector is zero.
    """

    vector_NC: Tensor
    present_N1: Tensor

    def __init__(self, catalog: Catalog, view: View, standard: bool, neutral: bool):
        super().__init__()
        self.view = view
        vector_NC, present_N1 = catalog.vector(view), catalog.present(view)[:, None]
        if standard and bool(present_N1.any()):
            known_XC = vector_NC[present_N1[:, 0]]
            deviation_C = known_XC.std(0, correction=0)
            scale_C = deviation_C.clamp(min=max(float(deviation_C.mean()) / 10, 1e-6))
            vector_NC = (vector_NC - known_XC.mean(0)) / scale_C * present_N1
        self.register_buffer("vector_NC", vector_NC, persistent=False)
        flag_N1 = present_N1.float() if neutral else torch.ones(len(vector_NC), 1, device=vector_NC.device)
        self.register_buffer("present_N1", flag_N1, persistent=False)

    @property
    def width(self) -> int:
        return self.vector_NC.shape[1]

    def forward(self, item_U: Tensor) -> tuple[Tensor, Tensor]:
        """vector_UC and mask_U1."""
        return self.vector_NC.index_select(0, item_U), self.present_N1.index_select(0, item_U)


class ImageLayers(nn.Module):
    """Two dense layers, through `hidden`."""

    def __init__(self, given: Given, hidden: int, dim: int):
        super().__init__()
        self.given = given
        self.first, self.second = nn.Linear(given.width, hidden), nn.Linear(hidden, dim)

    def forward(self, item_U: Tensor) -> Tensor:
        """v2_UD."""
        vector_UC, mask_U1 = self.given(item_U)
        image_UD: Tensor = F.relu(self.second(F.relu(self.first(vector_UC)))) * mask_U1
        return image_UD


class TextLayer(nn.Module):
    """One dense layer."""

    def __init__(self, given: Given, dim: int):
        super().__init__()
        self.given = given
        self.second = nn.Linear(given.width, dim)

    def forward(self, item_U: Tensor) -> Tensor:
        """t2_UD."""
        vector_UC, mask_U1 = self.given(item_U)
        text_UD: Tensor = F.relu(self.second(vector_UC)) * mask_U1
        return text_UD


class SharedUnit(nn.Module):
    """Each view's last layer also reads the other view, through weights that both share (eq. 7-8).

    So that one matrix can read both, the picture's first layer makes it as wide as the texts.
    """

    def __init__(self, image: Given, text: Given, dim: int, unit: str):
        super().__init__()
        self.image, self.text, self.unit = image, text, UNITS[unit]
        self.first = nn.Linear(image.width, text.width)
        self.of_image, self.of_text, self.common = (nn.Linear(text.width, dim, bias=False) for _ in range(3))

    def own(self) -> list[Tensor]:
        """W_i2i and W_t2t."""
        return [self.of_image.weight, self.of_text.weight]

    def forward(self, item_U: Tensor, presence: Mapping[View, Tensor] | None = None) -> list[Tensor]:
        """v2_UD and t2_UD. A view of presence 0 [U] tells the other nothing and is zero, as one that is missing."""
        (vector_UC, seen_U1), (text_UH, said_U1) = self.image(item_U), self.text(item_U)
        # each view is read once, through its own and the common weights; a missing picture's row is blanked behind them
        read_UE = F.linear(F.relu_(self.first(vector_UC)), torch.cat([self.of_image.weight, self.common.weight]))
        of_image_UD, from_image_UD = (read_UE * seen_U1).chunk(2, 1)
        of_text_UD, from_text_UD = F.linear(text_UH, torch.cat([self.of_text.weight, self.common.weight])).chunk(2, 1)
        for view, presence_U in (presence or {}).items():
            if view == "image":
                seen_U1, from_image_UD = seen_U1 * presence_U[:, None], from_image_UD * presence_U[:, None]
            else:
                said_U1, from_text_UD = said_U1 * presence_U[:, None], from_text_UD * presence_U[:, None]
        return [self.unit(of_image_UD + from_text_UD) * seen_U1, self.unit(of_text_UD + from_image_UD) * said_U1]

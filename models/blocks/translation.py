"""Pictures told as texts and texts as pictures (MIN, section 4.1). A missing view is zero and teaches nothing."""

import torch
from torch import Tensor, nn


class Translation(nn.Module):
    """Two encoder-decoders. `cross`: what V2T makes of a picture is to be the item's text, what T2V makes its picture.

    Not `cross` is the printed loss: each is to give back what it was given. `detach`: the goals are not moved by it.
    """

    def __init__(self, dim: int, cross: bool, detach: bool):
        super().__init__()
        self.cross, self.detach = cross, detach
        self.picture = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.text = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(self, view: list[Tensor], there: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """What becomes of picture_UD and text_UD, and how far off: the mean squares of both, summed."""
        told = [self.picture(view[0]) * there[0][:, None], self.text(view[1]) * there[1][:, None]]
        both_U = there[0] & there[1]
        goals = [view[1], view[0]] if self.cross else view
        masks = [both_U, both_U] if self.cross else there
        goals = [goal.detach() if self.detach else goal for goal in goals]
        missed = [_squares(made, goal, mask) for made, goal, mask in zip(told, goals, masks, strict=True)]
        return told, missed[0] + missed[1]


class AsGiven(nn.Module):
    """The views as they are."""

    def forward(self, view: list[Tensor], there: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """The same views; nothing is missed."""
        return view, torch.zeros((), device=there[0].device if there else None)


def _squares(made_UD: Tensor, goal_UD: Tensor, mask_U: Tensor) -> Tensor:
    square_U = (made_UD - goal_UD).square().mean(1)
    return (square_U * mask_U).sum() / mask_U.sum().clamp(min=1)

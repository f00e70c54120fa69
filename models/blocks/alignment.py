"""Regions weighed by how well the words of the same item speak of them (Ante-RNN eq. 1-6, after SCAN)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.catalog import Ragged
from models.blocks import masked
from models.blocks.ragged import Parts

HEARD = 768  # width times regions at which a first mean of regions still has a sixth of the spread of a mean of words


class AlignedRegions(nn.Module):
    """An image as the sum of its regions, each times the cosine of the region and the words that it attends to.

    `temperature` multiplies the affinities, which eq. 1 squashes to (-1, 1): with 1 the words' shares are nearly even.
    `norm` of eq. 5: `none` as printed, `mean` over the regions, `softmax` of the cosines. `margin` and `items` are
    of the loss. `gain`: of the regions' first numbers; the affinities' are as much smaller.
    """

    def __init__(self, dim: int, temperature: float, norm: str, margin: float, items: int, gain: float = 1.0):
        super().__init__()
        self.affinity = nn.Linear(dim, dim, bias=False)
        with torch.no_grad():
            self.affinity.weight.div_(gain)
        self.temperature = temperature
        self.norm = norm
        self.margin = margin
        self.items = items

    def forward(self, region: Parts, word: Parts) -> tuple[Tensor, Tensor, Tensor]:
        """image_UD, relevance_UM (cosines; 1 where the item has no words) and share_UNM of each region's words."""
        region_UMD, valid_UM, word_UND, valid_UN = _padded(region, word)
        logit_UMN = torch.tanh(self.affinity(region_UMD) @ word_UND.transpose(1, 2)) * self.temperature
        share_UMN = masked.softmax(logit_UMN, valid_UN[:, None])
        said_UMD = share_UMN @ word_UND
        cosine_UM = F.cosine_similarity(region_UMD, said_UMD, dim=-1)
        relevance_UM = torch.where(valid_UN.any(1, keepdim=True), cosine_UM, 1.0) * valid_UM
        return self._sum(relevance_UM, region_UMD, valid_UM), relevance_UM, share_UMN.transpose(1, 2)

    def _sum(self, relevance_UM: Tensor, region_UMD: Tensor, valid_UM: Tensor) -> Tensor:
        if self.norm == "softmax":
            weight_UM = masked.softmax(relevance_UM, valid_UM)
        elif self.norm == "mean":
            weight_UM = relevance_UM / valid_UM.sum(1, keepdim=True).clamp(min=1)
        else:
            weight_UM = relevance_UM
        return (weight_UM[:, None] @ region_UMD)[:, 0]

    def similarity(self, region_UMD: Tensor, valid_UM: Tensor, word_UND: Tensor, valid_UN: Tensor) -> Tensor:
        """S (eq. 4) of every image (row) with every text (column), similarity_UU."""
        logit_TNIM = torch.einsum("tnd,imd->tnim", word_UND, self.affinity(region_UMD)).tanh() * self.temperature
        share_TNIM = masked.softmax(logit_TNIM, valid_UN[:, :, None, None], dim=1)
        said_TIMD = torch.einsum("tnim,tnd->timd", share_TNIM, word_UND)
        cosine_TIM = F.cosine_similarity(region_UMD[None], said_TIMD, dim=-1) * valid_UM
        return (cosine_TIM.sum(2) / valid_UM.sum(1).clamp(min=1)).T

    def loss(self, region: Parts, word: Parts) -> Tensor:
        """Eq. 6 over at most `items` of the items that have both a picture and words."""
        both_A = ((region.length_U > 0) & (word.length_U > 0)).nonzero()[:, 0]
        some_A = both_A[torch.randperm(len(both_A), device=both_A.device)[: self.items]]
        some = (part.index_select(0, some_A) for part in _padded(region, word))
        return hardest(self.similarity(*some), self.margin)


def gain(regions: Ragged, dim: int, norm: str, product: bool) -> float:
    """How much wider than torch's a first region must be, so that an image of so many is not mute beside a text.

    First cosines are about dim^-1/2 and differ in sign, so eq. 5's mean shrinks with both; a `product` of the views is
    as small as both together, so there the cosines are made up for whole.
    """
    if norm != "mean":
        return 1.0
    count_N = regions.offset_N.diff()
    usual = float(count_N.sum() / (count_N > 0).sum().clamp(min=1))
    return math.sqrt(dim) if product else max(1.0, math.sqrt(dim * usual / HEARD))


class MeanRegions(nn.Module):
    """An image as the mean of its regions."""

    def forward(self, region: Parts, word: Parts) -> tuple[Tensor, None, None]:
        """image_UD; nothing is weighed."""
        return masked.mean(region.padded_UXD, region.valid_UX), None, None

    def loss(self, region: Parts, word: Parts) -> Tensor:
        """Nothing to align."""
        return region.value_XD.new_zeros(())


def _padded(region: Parts, word: Parts) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return region.padded_UXD, region.valid_UX, word.padded_UXD, word.valid_UX


def hardest(similarity_UU: Tensor, margin: float) -> Tensor:
    """The mean over images of max(0, margin - own text + hardest other text) (eq. 6); 0 for fewer than two items."""
    if len(similarity_UU) < 2:
        return similarity_UU.sum() * 0
    own_U = similarity_UU.diagonal()
    itself_UU = torch.eye(len(own_U), dtype=torch.bool, device=own_U.device)
    other_U = similarity_UU.masked_fill(itself_UU, -torch.inf).amax(1)
    return (margin - own_U + other_U).clamp(min=0).mean()

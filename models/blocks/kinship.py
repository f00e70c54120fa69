"""A tree of categories: where each item hangs in it, and which siblings and cousins are bought together or instead."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.training.categories import Categories
from engine.training.interactions import Interactions
from models.blocks.pairs import Pairs

LEAST = 5  # people who touched both, found and expected, below which nothing is said of two categories


@dataclass(frozen=True)
class Chains:
    """From offset_N[i] item i hangs in category_X (from 0) at level_X (0: the leaf), by share_X, 1 over its chains."""

    offset_N: Tensor
    category_X: Tensor
    level_X: Tensor
    share_X: Tensor

    @staticmethod
    def of(tree: Categories) -> "Chains":
        """From the leaf upward, without the root where it is not the leaf itself."""
        length_Z = (tree.path_ZD > 0).sum(1)
        items = len(tree.offset_N) - 2
        owner_Z = torch.repeat_interleave(torch.arange(items + 1), tree.offset_N.diff().cpu())
        step_D = torch.arange(tree.path_ZD.shape[1])
        kept_ZD = (tree.path_ZD > 0).cpu() & ((step_D > 0) | (length_Z == 1).cpu()[:, None])
        row_X, step_X = kept_ZD.nonzero(as_tuple=True)
        chains_N = tree.offset_N.diff().cpu()
        offset_N = torch.searchsorted(owner_Z[row_X], torch.arange(items + 2))
        level_X = length_Z.cpu()[row_X] - 1 - step_X
        return Chains(offset_N, tree.path_ZD.cpu()[row_X, step_X] - 1, level_X, 1 / chains_N[owner_Z[row_X]].float())


def parents(tree: Categories) -> Tensor:
    """parent_C of each category (from 0): the most frequent before it on paths, the lowest of equals; -1: a root."""
    path_ZD, count = tree.path_ZD.cpu(), len(tree.names)
    below_ZD = path_ZD[:, 1:] > 0
    child_X, parent_X = path_ZD[:, 1:][below_ZD] - 1, path_ZD[:, :-1][below_ZD] - 1
    key_Y, times_Y = torch.unique(child_X * count + parent_X, return_counts=True)
    order_Y = torch.argsort(times_Y, stable=True, descending=True)
    first_Y = order_Y.flip(0)  # so that the most frequent is written last
    parent_C = torch.full((count,), -1)
    parent_C[key_Y[first_Y] // count] = key_Y[first_Y] % count
    roots_C = torch.bincount(path_ZD[:, 0] - 1, minlength=count) if len(path_ZD) else torch.zeros(count)
    most_C = torch.zeros(count, dtype=torch.int64).scatter_reduce_(0, key_Y // count, times_Y, "amax")
    return torch.where(roots_C > most_C, -1, parent_C)


def relations(tree: Categories, train: Interactions) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of siblings and cousins, one_P and other_P, with ln lift of being touched by the same people: above 0 where
    they go together, below where one is taken for the other; pairs of which little is known are left out.
    """
    parent_C = parents(tree)
    above_C = torch.where(parent_C >= 0, parent_C[parent_C.clamp(min=0)], -2)
    same_CC = parent_C[:, None] == parent_C
    same_CC |= (above_C[:, None] == above_C) & (above_C >= -1)
    one_P, other_P = same_CC.triu(1).nonzero(as_tuple=True)
    path_YD, row_Y = tree.rows(train.item_E)
    there_YD = path_YD > 0
    user_X = train.user_E[row_Y][:, None].expand_as(path_YD)[there_YD]
    pairs = Pairs.of(user_X, path_YD[there_YD], train.users, len(tree.names))
    count_CC = np.zeros((len(tree.names), len(tree.names) + 1), np.float32)
    pairs.shared(1, count_CC)
    both_P = torch.from_numpy(count_CC)[one_P, other_P + 1]
    count_C = torch.from_numpy(pairs.count_N[1:]).float()
    expected_P = count_C[one_P] * count_C[other_P] / max(train.users, 1)
    known_P = both_P + expected_P >= LEAST
    lift_P = ((both_P + 1) / (expected_P + 1)).log()
    return one_P[known_P], other_P[known_P], lift_P[known_P]


def drawn_together(vector_CD: Tensor, related: tuple[Tensor, Tensor, Tensor], margin: float) -> Tensor:
    """The slope of the sum over pairs of s+ |f_a - f_b|^2 + s- max(0, margin - |f_a - f_b|^2), slope_CD, by hand."""
    one_P, other_P, lift_P = related
    apart_PD = vector_CD[one_P] - vector_CD[other_P]
    near_P = (apart_PD**2).sum(1) < margin
    weight_P1 = 2 * torch.where(lift_P > 0, lift_P, lift_P * near_P)[:, None]
    slope_CD = torch.zeros_like(vector_CD).index_add_(0, one_P, weight_P1 * apart_PD)
    return slope_CD.index_add_(0, other_P, -weight_P1 * apart_PD)

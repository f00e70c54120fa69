"""Where the biases of items start: at what popularity alone would give, so that no step is spent on learning it."""

import torch
from torch import Tensor

from engine.training.interactions import Interactions


@torch.no_grad()
def start_at_popularity(bias_N: Tensor, train: Interactions, objective: str, negatives: int) -> None:
    """Set each item's bias from its share of the training events, one event added to all; 0 stays 0.

    A softmax starts at the log of the shares, their mean 0; `bce` at the log of how often an item is a target rather
    than one of `negatives` drawn evenly. Other objectives compare pairs, for which a bias has no start: all stay.
    """
    count_N = torch.bincount(train.item_E, minlength=len(bias_N))[1:].to(bias_N.dtype) + 1
    share_N = count_N / count_N.sum()
    if objective in ("full", "chunked", "sampled"):
        bias_N[1:] = share_N.log() - share_N.log().mean()
    elif objective == "bce":
        bias_N[1:] = (share_N * len(share_N) / negatives).log()

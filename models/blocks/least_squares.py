"""Rows of one factor table that fit best while the other stands still: weighed least squares over all pairs."""

import torch
from torch import Tensor

CELLS = 1 << 24  # numbers gathered at a time


def rows(
    fixed_XK: Tensor, of_E: Tensor, offset_R: Tensor, weights: tuple[float, float], ridge: float, prior_RK: Tensor
) -> Tensor:
    """(b F'F + (a - b) F_S'F_S + ridge I)^-1 (a · the sum of F_S + ridge · prior) of each row r, where F are the fixed
    rows and F_S those of its events of_E[offset_R[r] : offset_R[r + 1]]; weights: a of those, b of all others.

    A row without events is its prior. Rows are solved for in groups of about the same number of events.
    """
    a, b = weights
    found_RK, width = prior_RK.clone(), fixed_XK.shape[1]
    base_KK = b * (fixed_XK.T @ fixed_XK) + ridge * torch.eye(width, dtype=fixed_XK.dtype, device=fixed_XK.device)
    count_R = offset_R.diff()
    order_R = count_R.argsort(descending=True, stable=True)[: int((count_R > 0).sum())]
    start = 0
    while start < len(order_R):
        longest = int(count_R[order_R[start]])
        row_G = order_R[start : start + max(CELLS // (width * max(longest, width)), 1)]
        step_S = torch.arange(longest, device=of_E.device)
        there_GS = step_S < count_R[row_G, None]
        place_GS = (offset_R[row_G, None] + step_S).clamp(max=len(of_E) - 1)
        met_GSK = fixed_XK[of_E[place_GS]] * there_GS[..., None]
        gram_GKK = torch.baddbmm(base_KK, met_GSK.transpose(1, 2), met_GSK, alpha=a - b)
        goal_GK = a * met_GSK.sum(1) + ridge * prior_RK[row_G]
        found_RK[row_G] = torch.cholesky_solve(goal_GK[..., None], torch.linalg.cholesky(gram_GKK))[..., 0]
        start += len(row_G)
    return found_RK


def error(user_UK: Tensor, item_NK: Tensor, user_E: Tensor, item_E: Tensor, weights: tuple[float, float]) -> Tensor:
    """Half the weighed squared error over all pairs of rows: of 1 where there is an event, of 0 elsewhere."""
    a, b = weights
    own_E = (user_UK[user_E] * item_NK[item_E]).sum(1)
    everywhere = ((user_UK.T @ user_UK) * (item_NK.T @ item_NK)).sum()
    return (a * (1 - own_E).square().sum() - b * own_E.square().sum() + b * everywhere) / 2

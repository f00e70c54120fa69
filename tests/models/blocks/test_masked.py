import torch

from models.blocks import masked


def test_shares_are_over_the_valid_parts_alone() -> None:
    logit = torch.tensor([[1.0, 2.0, 9.0], [0.0, 0.0, 0.0], [5.0, 5.0, 5.0]])
    valid = torch.tensor([[True, True, False], [True, True, True], [False, False, False]])
    share = masked.softmax(logit, valid)
    torch.testing.assert_close(share[0], torch.tensor([1 / (1 + torch.e), torch.e / (1 + torch.e), 0.0]))
    torch.testing.assert_close(share[1], torch.full((3,), 1 / 3))
    assert torch.equal(share[2], torch.zeros(3))


def test_nothing_valid_gives_no_nan_gradient() -> None:
    logit = torch.zeros(2, 3, requires_grad=True)
    masked.softmax(logit, torch.zeros(2, 3, dtype=torch.bool)).sum().backward()
    assert logit.grad is not None
    assert torch.equal(logit.grad, torch.zeros(2, 3))


def test_mean_counts_valid_parts() -> None:
    value = torch.tensor([[[2.0], [4.0], [90.0]], [[7.0], [7.0], [7.0]]])
    valid = torch.tensor([[True, True, False], [False, False, False]])
    assert masked.mean(value, valid).tolist() == [[3.0], [0.0]]

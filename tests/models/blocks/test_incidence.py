"""Sums over members and over sets are products with a matrix of 0 and 1, which weights carry."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.blocks.incidence import Incidence

PAIRS = [(1, 0), (4, 0), (1, 2), (4, 0), (3, 2), (2, 2), (4, 2)]  # thing, set; one is there twice


def filled() -> tuple[Incidence, Tensor]:
    """Six things in four sets, and the matrix [4, 6]: thing 0 and 5 are in none, sets 1 and 3 have none."""
    graph, dense_ST = Incidence(6, 4), torch.zeros(4, 6)
    thing_E, set_E = torch.tensor(PAIRS).T
    graph.fill(thing_E, set_E, 6, 4)
    dense_ST[set_E, thing_E] = 1
    return graph, dense_ST


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_are_those_of_the_dense_matrix(dtype: torch.dtype) -> None:
    graph, dense_ST = filled()
    dense_ST = dense_ST.to(dtype)
    thing_TD, set_SD = torch.randn(6, 3, dtype=dtype), torch.randn(4, 3, dtype=dtype)
    torch.testing.assert_close(graph.over_members(thing_TD), dense_ST @ thing_TD)
    torch.testing.assert_close(graph.over_sets(set_SD), dense_ST.T @ set_SD)
    assert graph.sizes.tolist() == dense_ST.sum(1).tolist() == [2, 0, 4, 0]
    assert graph.degrees.tolist() == dense_ST.sum(0).tolist()


def test_gradients_are_the_finite_differences() -> None:
    graph, _ = filled()
    thing_TD, set_SD = (torch.randn(n, 2, dtype=torch.float64, requires_grad=True) for n in (6, 4))
    assert torch.autograd.gradcheck(graph.over_members, (thing_TD,))
    assert torch.autograd.gradcheck(graph.over_sets, (set_SD,))


def test_the_order_of_the_pairs_does_not_matter() -> None:
    graph, other = filled()[0], Incidence()
    thing_E, set_E = torch.tensor(PAIRS[::-1]).T
    other.fill(thing_E, set_E, 6, 4)
    assert all(torch.equal(a, b) for a, b in zip(graph.buffers(), other.buffers(), strict=True))


def test_without_members_sums_are_zero() -> None:
    graph = Incidence(6, 4)
    assert graph.over_members(torch.ones(6, 3)).tolist() == torch.zeros(4, 3).tolist()
    assert graph.over_sets(torch.ones(4, 3)).tolist() == torch.zeros(6, 3).tolist()


def test_weights_carry_it_to_one_of_another_size(tmp_path: Path) -> None:
    graph, _ = filled()
    torch.save(torch.nn.ModuleList([graph]).state_dict(), tmp_path / "weights.pt")
    for other in (Incidence(), Incidence(6, 4), Incidence(50, 20)):
        torch.nn.ModuleList([other]).load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
        assert torch.equal(other.over_members(torch.eye(6)), graph.over_members(torch.eye(6)))
        assert list(other.state_dict()) == list(graph.state_dict())
    with pytest.raises(RuntimeError, match=r"Missing key.*set_Z"):
        other.load_state_dict({k: v for k, v in graph.state_dict().items() if k != "set_Z"})

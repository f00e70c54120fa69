"""benchmarks/variants: what stands behind an @ is taken out of the catalog."""

import pytest
import torch

from benchmarks.variants import without
from engine.catalog import Catalog


def test_views_are_knocked_out_as_written() -> None:
    value = {view: torch.randn(9, 3, generator=torch.Generator().manual_seed(n)) for n, view in enumerate("ab")}
    for value_ND in value.values():
        value_ND[0] = 0
    catalog = Catalog(8, value)
    found = without(catalog, "a=shuffled,b=constant", 3)
    assert torch.equal(found.vector("a"), catalog.knocked("a", "shuffled", 3).vector("a"))
    assert torch.equal(found.vector("b"), catalog.knocked("b", "constant", 3).vector("b"))
    assert not torch.equal(found.vector("a"), without(catalog, "a=shuffled", 4).vector("a"))
    assert without(catalog, "", 3) is catalog


@pytest.mark.parametrize("knock", ["a=gone", "a", "a=shuffled,b"])
def test_another_way_to_knock_out_is_refused(knock: str) -> None:
    with pytest.raises(ValueError, match=r"@.*: a view is knocked out as view=shuffled or view=constant"):
        without(Catalog(2, {"a": torch.ones(3, 1), "b": torch.ones(3, 1)}), knock, 1)

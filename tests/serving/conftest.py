"""The small shop that the tests of serving ask."""

import pytest

from tests.serving.shop import Shop, written


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Written once; what a test changes it changes in a copy."""
    return written(tmp_path_factory.mktemp("shop"))

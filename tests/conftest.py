"""Which tests go to one process together: a file's, and of the laws a model's, so that what they share is made once."""

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        model = params.get("name", "") if "models" in item.path.parts else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{item.path.stem} {model}".strip()))

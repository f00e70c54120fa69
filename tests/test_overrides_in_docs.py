"""Every setting that a page or a benchmark's own help gives as `key=value` can be given so: params.yaml has its key."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from engine.tables.params import override, read_yaml

ROOT = Path(__file__).parent.parent
SECTIONS = "models|contents|datasets|protocols|train|evaluate|explain|recommend|services"
GIVEN = re.compile(rf"(?<![\w.+])(\+{{0,2}}(?:{SECTIONS})\.[\w.]+)=(?!=)")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.py")]


def given(path: Path) -> list[str]:
    """Its keys, with their signs; `…` and names in capitals stand for any."""
    return [key for key in re.findall(GIVEN, path.read_text()) if not re.search(r"\.[A-Z]", key)]


def refused(key: str, params: dict[str, Any]) -> str:
    """Why an override is not taken, or nothing."""
    try:
        override(copy.deepcopy(params), f"{key}=1")
    except (KeyError, ValueError) as error:
        return f"{key}: {error}"
    return ""


@pytest.mark.parametrize("path", [p for p in sorted(PAGES) if given(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_params_yaml_takes_what_a_page_sets(path: Path) -> None:
    params = read_yaml(ROOT / "params.yaml")
    assert not [why for key in given(path) if (why := refused(key, params))]


def test_a_key_that_stands_in_the_defaults_alone_is_seen() -> None:
    params = read_yaml(ROOT / "params.yaml")
    assert "inner" not in params["models"]["iarn"]
    assert refused("models.iarn.inner", params)
    assert not refused("+models.iarn.inner", params)

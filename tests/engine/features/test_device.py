import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from engine.features.device import keep_freed_memory


def test_memory_is_held_where_the_c_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=lambda *how: told.append(how)))
    keep_freed_memory()
    assert dict(told) == {-1: 2**31 - 1, -3: 2**25}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    keep_freed_memory()
    assert len(told) == 2

"""How threads wait is said before torch is loaded, unless the user said it."""

import os
import subprocess
import sys

import pytest

ASKED = "import os, sys, stages; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "1000 False"),
        ({"GOMP_SPINCOUNT": "5"}, "5 False"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "None False"),
    ],
)
def test_threads_that_wait_spin_briefly(given: dict[str, str], told: str) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    found = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, env=clean | given, check=True)
    assert found.stdout.strip() == told

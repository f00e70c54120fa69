"""Tests of one file go to one process, and of the laws a model's."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ByFile

MADE = """
import os, pytest
@pytest.fixture(scope="module")
def shared(request):
    with open("made.txt", "a") as file:
        print(request.node.path.stem, os.environ["PYTEST_XDIST_WORKER"], file=file)
@pytest.mark.parametrize("number", range(6))
def test_it(shared, number):
    pass
"""


@pytest.mark.parametrize(
    ("nodeid", "scope"),
    [
        ("tests/models/test_laws.py::test_1[sasrec-full]", "tests/models/test_laws.py sasrec"),
        ("tests/models/test_laws.py::test_2[sasrec-]", "tests/models/test_laws.py sasrec"),
        ("tests/models/test_laws.py::test_2[ctr_bpr-plain]", "tests/models/test_laws.py ctr_bpr"),
        ("tests/models/blocks/test_history.py::test_a[0.7-0.5]", "tests/models/blocks/test_history.py"),
        ("tests/serving/test_asking.py::test_a[sasrec-]", "tests/serving/test_asking.py"),
        ("tests/test_house.py::test_a[stages/x.py]", "tests/test_house.py"),
    ],
)
def test_who_shares_a_process(nodeid: str, scope: str) -> None:
    assert ByFile._split_scope(None, nodeid) == scope  # type: ignore[arg-type]


def test_what_a_file_s_tests_share_is_made_once(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    for name in ("test_a.py", "test_b.py"):
        (tmp_path / name).write_text(MADE)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--no-loadscope-reorder", "-c", "/dev/null"]
    where = {"cwd": tmp_path, "env": {"PYTHONPATH": str(Path(__file__).parents[1])}}
    done = subprocess.run([*command, "--rootdir", "."], capture_output=True, text=True, **where)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    made = (tmp_path / "made.txt").read_text().split("\n")
    assert sorted(line.split()[0] for line in made if line) == ["test_a", "test_b"]

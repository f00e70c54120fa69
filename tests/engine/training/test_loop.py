"""Two processes that learn together come to what one comes to; they are really started, by torchrun."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch.distributed

from tests.engine.training.processes import EPOCHS, ROWS, RUNS, resumed, staged, trained, world

pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this torch was built without gloo, by which processes of a CPU speak",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes came to."""
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [*command, "-m", "tests.engine.training.processes", str(folder)],
        capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"told{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("run", RUNS)
def test_two_processes_learn_what_one_does(run: str, told: list[dict[str, Any]], tmp_path: Path) -> None:
    alone = trained(run, world(), tmp_path)
    first, second = (found[run] for found in told)
    assert len(alone["losses"]) == EPOCHS
    assert first["losses"] == pytest.approx(alone["losses"], abs=1e-4)
    assert abs(alone["losses"][0] - alone["losses"][-1]) > 2e-4  # there is a curve
    assert first["weights"] == pytest.approx(alone["weights"], abs=2e-3)
    assert second["losses"] == first["losses"]
    assert second["weights"] == first["weights"]


def test_one_process_gets_no_row_of_a_last_step() -> None:
    assert len(world().interactions(1)) % ROWS == 1


def test_the_first_process_validates_and_all_keep_what_it_says(told: list[dict[str, Any]]) -> None:
    assert [found["gru4rec"]["asked"] for found in told] == [EPOCHS, 0]
    assert [found["gru4rec"]["readings"] for found in told] == [[[1, 0.3], [2, 0.9], [3, 0.5]]] * 2
    assert [found["gru4rec"]["best_epoch"] for found in told] == [2, 2]


def test_a_run_of_two_that_died_goes_on_from_the_first_one_s_disk(told: list[dict[str, Any]], tmp_path: Path) -> None:
    alone = resumed(world(), tmp_path)
    assert (alone["kept"], alone["left"]) == (True, False)
    assert alone["losses"] == trained("sasrec", world(), tmp_path)["losses"]
    assert [found["resumed"]["kept"] for found in told] == [True, False]
    assert not any(found["resumed"]["left"] for found in told)
    for found in told:
        assert found["resumed"]["losses"] == pytest.approx(alone["losses"], abs=1e-4)
        assert found["resumed"]["losses"] == found["sasrec"]["losses"]


def test_what_the_stage_writes_is_written_once(
    told: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.tables import files
    from engine.training import checkpoint

    for module in (files, checkpoint):
        monkeypatch.setattr(module, "whole", files.whole)  # put back what `staged` counts with
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    alone = staged(tmp_path)
    assert alone == sorted(["weights.pt", "valid.json", "cost.json", "loss.csv", "valid.csv"])
    assert [found["written"] for found in told] == [alone, []]

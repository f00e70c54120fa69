"""The pipeline as a user runs it, on a small demo in a repository of its own: repro, another model, back, a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
SMALL = {
    "datasets.demo.films": 240,
    "datasets.demo.people": 60,
    "datasets.demo.person.acts": [20, 40],
    "models.ante_rnn.dim": 16,
    "models.ante_rnn.train.epochs": 4,
    "models.sasrec.dim": 16,
    "models.sasrec.train.epochs": 1,
    "models.bpr_mf.train.epochs": 3,
    "regions.size": 64,
    "images.size": 64,
    "topics.count": 8,
    "explain.users": 3,
    "explain.cases": 20,
}


class Repository:
    """A copy of what git tracks here, with small settings, and a DVC of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in listed.splitlines():
            if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "dvc.lock", "metrics/", "papers/")):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        for key, value in (SMALL | {"train.save": 0.0}).items():
            self.set(key, value)
        self.run("git", "init", "-q", "-b", "main")
        self.commit("start")

    def set(self, key: str, value: object) -> None:
        yaml = YAML()
        params = yaml.load((self.folder / "params.yaml").read_text())
        *parents, last = key.split(".")
        place = params
        for parent in parents:
            place = place[parent]
        place[last] = value
        with (self.folder / "params.yaml").open("w") as file:
            yaml.dump(params, file)

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return os.environ | {
            "PATH": path,
            "DVC_SITE_CACHE_DIR": str(self.folder / ".cache" / "site"),
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=self.environment())
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", message)

    def reading(self, name: str) -> dict[str, float]:
        found: dict[str, float] = json.loads((self.folder / "metrics" / name).read_text())
        return found

    def readings(self) -> dict[str, bytes]:
        """All metrics and plots but the cost, which varies."""
        found = sorted(p for p in (self.folder / "metrics").rglob("*.*") if p.name != "cost.json")
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in found}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("whole"))
    made.run("dvc", "repro", "-q")
    made.commit("ante_rnn on the small demo")
    return made


@pytest.mark.timeout(900)
def test_it_runs_from_logs_to_reasons(repository: Repository) -> None:
    test = repository.reading("test.json")
    assert 0 < test["recall@20"] <= 1
    assert test["oracle_recall@20"] > 0
    assert test["cases"] == repository.reading("data.json")["test_cases"]
    page = (repository.folder / "data/demo/reasons/index.html").read_text()
    assert "<svg" in page
    assert 'src="http' not in page
    assert repository.run("git", "status", "--porcelain") == ""


@pytest.mark.timeout(900)
def test_another_model_runs_three_stages_and_going_back_none(repository: Repository) -> None:
    before = repository.readings()
    told = repository.run("dvc", "exp", "run", "-S", "model=bpr_mf")
    assert [line for line in told.splitlines() if line.startswith("Running stage")] == [
        f"Running stage '{name}':" for name in ("train", "evaluate", "explain")
    ]
    assert repository.readings() != before
    repository.run("git", "switch", "-q", "-c", "other")
    repository.commit("bpr_mf")
    compared = repository.run("dvc", "metrics", "diff", "main", "other")
    assert "recall@20" in compared
    assert "other" in compared.splitlines()[0]
    repository.run("git", "switch", "-q", "main")
    repository.run("dvc", "checkout", "-q")
    repository.run("dvc", "exp", "run", "-S", "model=sasrec")
    told = repository.run("dvc", "exp", "run", "-S", "model=ante_rnn")
    assert "Running stage" not in told
    assert repository.readings() == before
    assert "up to date" in repository.run("dvc", "repro", "--allow-missing", "--dry")


@pytest.mark.timeout(900)
def test_training_killed_half_way_ends_as_if_it_had_not_been(repository: Repository) -> None:
    before, weights = repository.readings(), (repository.folder / "data/demo/model/weights.pt").read_bytes()
    kept = repository.folder / ".cache" / "checkpoints"
    process = subprocess.Popen(
        ["dvc", "repro", "-f", "-s", "train"],
        cwd=repository.folder,
        env=repository.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 300
    while not list(kept.glob("*.pt")) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(list(kept.glob("*.pt"))) == 1, "it was killed before the first checkpoint or after the end"
    repository.run("dvc", "repro", "-q", "-f", "-s", "train")
    assert not list(kept.glob("*.pt"))
    assert repository.readings() == before
    assert (repository.folder / "data/demo/model/weights.pt").read_bytes() == weights

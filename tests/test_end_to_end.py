"""The pipeline as a user runs it, on a small demo in a repository of its own: repro, another model, back, a kill."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from engine.tables.params import read_yaml

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
    "contents.demo.regions.size": 64,
    "contents.demo.images.size": 64,
    "contents.demo.topics.count": 8,
    "explain.users": 3,
    "explain.cases": 20,
    "explain.inside": 8,
    "explain.causes": 100,
    "recommend.because": 2,
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
            "WHYREC_OPENED": str(self.folder / ".cache" / "opened"),
        }

    def done(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=self.environment())

    def run(self, *command: str) -> str:
        done = self.done(*command)
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


def test_what_each_stage_opened_is_what_dvc_yaml_declares(repository: Repository) -> None:
    """What a stage read lies under its deps, and what it wrote is exactly its outs, metrics and plots."""
    for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items():
        opened = json.loads((repository.folder / ".cache" / "opened" / f"{name}.json").read_text())
        made = {p for kind in ("outs", "metrics", "plots") for p in map(_path, stage.get(kind, []))}
        read, wrote = (
            {p for p in opened[k] if p.startswith(("data/", "metrics/")) and "/." not in p}  # no temporary folders
            for k in ("read", "written")
        )
        deps = [_path(dep) for dep in stage["deps"]]
        strange = [p for p in read - made if not any(p == dep or p.startswith(f"{dep}/") for dep in deps)]
        assert not strange, f"{name} read {strange}, which are no deps of it"
        folders = {p for p in made if any(w.startswith(f"{p}/") for w in wrote)}
        assert {w for w in wrote if not any(w.startswith(f"{p}/") for p in folders)} | folders == made, name
        assert read or name in ("check", "ingest"), f"{name} read nothing"


def _path(entry: str | dict[str, object]) -> str:
    path = entry if isinstance(entry, str) else next(iter(entry))
    return path.replace("${dataset}", "demo").replace("${protocol}", "temporal")


@pytest.mark.timeout(900)
def test_a_wrong_name_is_refused_before_any_other_stage(repository: Repository) -> None:
    done = repository.done("dvc", "exp", "run", "-S", "model=sasrek")
    assert done.returncode != 0
    assert re.findall(r"Running stage '(\w+)'", done.stdout) == ["check"]
    assert "model is 'sasrek'; did you mean 'sasrec'?" in " ".join((done.stdout + done.stderr).split())
    repository.run("git", "checkout", "-q", "params.yaml")
    repository.run("dvc", "checkout", "-q")


@pytest.mark.timeout(900)
def test_another_model_runs_three_stages_and_going_back_none(repository: Repository) -> None:
    before = repository.readings()
    told = repository.run("dvc", "exp", "run", "-S", "model=bpr_mf")
    assert [line for line in told.splitlines() if line.startswith("Running stage")] == [
        f"Running stage '{name}':" for name in ("check", "train", "evaluate", "recommend", "explain")
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
    assert re.findall(r"Running stage '(\w+)'", told) == ["check"]
    assert repository.readings() == before
    told = repository.run("dvc", "repro", "--allow-missing", "--dry")
    assert re.findall(r"Running stage '(\w+)'", told) == ["check"]


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

"""README's walk-through, line by line, on a fresh clone of a small project whose results were computed elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PIPELINE = """
stages:
  split:
    cmd: python make.py split ${protocol}
    params:
    - protocol
    outs:
    - data/demo/splits/${protocol}/cases.parquet
  evaluate:
    cmd: python make.py evaluate ${protocol} ${model}
    deps:
    - data/demo/splits/${protocol}/cases.parquet
    params:
    - model
    - models.${model}
    outs:
    - data/demo/ranks/test.parquet
    metrics:
    - metrics/test.json:
        cache: false
    plots:
    - metrics/plots/cutoffs.csv:
        cache: false
        x: k
        y: recall
"""
PARAMS = """
dataset: demo
protocol: temporal
model: ante_rnn
models:
  ante_rnn:
    fusion: attention
  sasrec:
    dim: 8
  bpr_mf:
    dim: 8
"""
# the ranks depend on the model and, as on another processor, on the machine
MAKE = """
import json, os, pathlib, sys
import polars as pl
what, protocol, *model = sys.argv[1:]
def made(name):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
if what == "split":
    made(f"data/demo/splits/{protocol}/cases.parquet").write_bytes(protocol.encode())
else:
    shift = len(model[0]) + (os.environ["MACHINE"] == "elsewhere")
    greater = [(n * shift) % 23 for n in range(60)]
    columns = dict(case=range(1, 61), user=range(1, 61), position=[5] * 60, target=[1] * 60, greater=greater)
    table = pl.DataFrame(columns | dict(ties=[0] * 60, others=[50] * 60)).cast(pl.UInt32)
    table.write_parquet(made("data/demo/ranks/test.parquet"), metadata={"whyrec": "{}"})
    recall = sum(g < 10 for g in greater) / 60
    made("metrics/test.json").write_text(json.dumps({"recall@10": recall, "cases": 60}))
    made("metrics/plots/cutoffs.csv").write_text(f"k,recall\\n10,{recall}\\n")
"""


def commands() -> list[str]:
    """The lines of README's block that makes a branch, without their comments."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if "git switch -c" in block]
    lines = [re.sub(r"\s{2,}#.*", "", line) for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("source ")]


class Clone:
    """A clone without the cache of the machine that it was computed on."""

    def __init__(self, folder: Path) -> None:
        self.home, self.here = folder, folder / "elsewhere"
        self.here.mkdir()
        for name, text in {"dvc.yaml": PIPELINE, "params.yaml": PARAMS, "make.py": MAKE}.items():
            (self.here / name).write_text(text)
        (self.here / ".gitignore").write_text("/data\n")
        (folder / ".gitconfig").write_text("[user]\nname = a\nemail = a@example.org\n[init]\ndefaultBranch = main\n")
        self.run("git init -q && dvc init -q && dvc repro -q && git add . && git commit -qm elsewhere", "elsewhere")
        self.here = folder / "here"
        self.run(f"git clone -q {folder}/elsewhere {self.here}", cwd=folder)
        shutil.rmtree(folder / "elsewhere" / ".dvc" / "cache")

    def run(self, command: str, machine: str = "here", cwd: Path | None = None) -> str:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "MACHINE": machine,
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.home / "site"),
            "GIT_PAGER": "cat",
            "COLUMNS": "160",
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            ["bash", "-ec", command], cwd=cwd or self.here, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.mark.timeout(600)
def test_every_line_of_the_walk_through_runs_on_a_fresh_machine(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    printed = {command: clone.run(command) for command in commands()}
    (compared,) = [shown for command, shown in printed.items() if "stages.compare main" in command]
    assert "60 cases in common" in compared
    assert "demo, temporal, ante_rnn" in compared
    assert "demo, temporal, sasrec" in compared
    (diff,) = [shown for command, shown in printed.items() if "metrics diff main" in command]
    assert "recall@10" in diff

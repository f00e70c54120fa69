"""dvc.yaml tells the truth: commands against deps and outs, params against sections, the lock against the tree."""

import importlib
import inspect
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from engine.tables.params import lookup, read_yaml

ROOT = Path(__file__).parent.parent
STAGES: dict[str, dict[str, Any]] = read_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS = read_yaml(ROOT / "params.yaml")


def names(entries: list[Any]) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def made(stage: dict[str, Any]) -> set[str]:
    return {path for kind in ("outs", "metrics", "plots") for path in names(stage.get(kind, []))}


@pytest.mark.parametrize("name", STAGES)
def test_a_command_names_its_deps_and_outs(name: str) -> None:
    stage = STAGES[name]
    given = set(re.findall(r"--[\w-]+ (\S+)", stage["cmd"]))
    data = {dep for dep in stage["deps"] if dep.startswith("data/")}
    assert given == data | made(stage)


@pytest.mark.parametrize("name", STAGES)
def test_a_command_gives_main_its_arguments(name: str) -> None:
    module = importlib.import_module(f"stages.{name}")
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"stages.{name}.__main__")
    wanted = [p for p in inspect.signature(module.main).parameters if p != "params"]
    assert [n.replace("-", "_") for n in re.findall(r"--([\w-]+) ", STAGES[name]["cmd"])] == wanted


@pytest.mark.parametrize("name", STAGES)
def test_what_a_stage_imports_is_a_dep(name: str) -> None:
    """Every module of engine/ and models/ that a stage pulls in, directly or not, lies under one of its deps."""
    code = (
        f"import sys, importlib; importlib.import_module('stages.{name}');"
        f"import pkgutil, stages.{name} as s;"
        "found = pkgutil.iter_modules(getattr(s, '__path__', []));"
        "[importlib.import_module(s.__name__ + '.' + m.name) for m in found];"
        "print('\\n'.join(sorted(m for m in sys.modules if m.split('.')[0] in ('engine', 'models', 'stages'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    deps = STAGES[name]["deps"]
    for module in done.stdout.split():
        path = module.replace(".", "/")
        if path in ("engine", "models", "stages", "engine/measures", "models/blocks"):
            continue
        covered = any(f"{path}.py" == dep or path == dep or path.startswith(f"{dep}/") for dep in deps)
        assert covered, f"{name} imports {module}, which is no dep of it"


@pytest.mark.parametrize("name", STAGES)
def test_params_are_there(name: str) -> None:
    for entry in STAGES[name].get("params", []):
        assert lookup(PARAMS, re.sub(r"\$\{(\w+)\}", lambda m: str(PARAMS[m[1]]), entry)) is not None, entry


def test_the_run_cache_stays_on() -> None:
    for name, stage in STAGES.items():
        for out in stage.get("outs", []):
            assert isinstance(out, str), f"{name}: an out with settings switches the run cache off"


def test_truth_is_read_by_explain_alone_and_test_by_evaluate_alone() -> None:
    for name, stage in STAGES.items():
        reads = " ".join(stage["deps"])
        assert ("truth" in reads) == (name == "explain")
        assert ("oracle" in reads) == (name == "evaluate")
        assert ("metrics/test.json" in stage["cmd"]) == (name == "evaluate")


def test_every_dataset_protocol_and_model_is_there() -> None:
    for path in (ROOT / "models").glob("*.py"):
        assert path.stem == "__init__" or path.stem in PARAMS["models"], f"params.yaml has no models.{path.stem}"
    for kind in ("dataset", "protocol", "model"):
        assert PARAMS[kind] in PARAMS[f"{kind}s"]


def test_params_stand_as_dvc_rewrites_them() -> None:
    """So that `-S` changes one line."""
    text = (ROOT / "params.yaml").read_text()
    yaml = YAML()
    yaml.preserve_quotes = True
    out = StringIO()
    yaml.dump(yaml.load(text), out)
    assert out.getvalue() == text
    assert not re.search(r"[:-] *(\[(?!\])|[&*])|: null|[:-] *\{.+\}", re.sub(r"#.*", "", text)), "flow lists, anchors or nulls"


def test_the_lock_matches_the_tree() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--allow-missing", "--dry"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout, done.stdout

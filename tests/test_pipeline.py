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

from engine.tables.layout import Layout
from engine.tables.params import lookup, read_yaml
from stages.check import SCALARS, module_name

ROOT = Path(__file__).parent.parent
STAGES: dict[str, dict[str, Any]] = read_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS = read_yaml(ROOT / "params.yaml")


def names(entries: list[Any]) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def made(stage: dict[str, Any]) -> set[str]:
    return {path for kind in ("outs", "metrics", "plots") for path in names(stage.get(kind, []))}


@pytest.mark.parametrize("name", STAGES)
def test_a_command_is_a_stage_and_where_its_data_lie(name: str) -> None:
    protocol = " --protocol ${protocol}"
    command = STAGES[name]["cmd"]
    assert command.removesuffix(protocol) == f"python -m stages.{name} data/${{dataset}}"
    by_protocol = any("${protocol}" in path for path in (*STAGES[name]["deps"], *made(STAGES[name])))
    assert command.endswith(protocol) == by_protocol


@pytest.mark.parametrize("name", STAGES)
def test_a_main_takes_its_params_and_where_things_lie(name: str) -> None:
    module = importlib.import_module(module_name(name))
    assert list(inspect.signature(module.main).parameters) == ["params", "layout"]


def test_no_path_stands_in_two_properties_of_the_layout() -> None:
    layout = Layout(Path("data/demo"), "temporal")
    paths = [getattr(layout, n) for n, p in inspect.getmembers(Layout) if isinstance(p, property) and n[0] != "_"]
    assert len(set(paths)) == len(paths) > 20
    declared = {p for stage in STAGES.values() for p in (*stage["deps"], *made(stage)) if p.startswith("data/")}
    filled = {p.replace("${dataset}", "demo").replace("${protocol}", "temporal") for p in declared}
    assert filled == {str(path) for path in paths}


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
        if (ROOT / path).is_dir() and path != "models":
            continue  # a package's own file is its door plate, which test_house holds to one docstring
        covered = path == "models" or any(
            f"{path}.py" == dep or path == dep or path.startswith(f"{dep}/") for dep in deps
        )
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
        assert ("metrics/test.json" in made(stage)) == (name == "evaluate")


ROOMS = {  # an edited file, and the stages that run again for it
    "engine/features/device.py": {"regions", "images", "text"},
    "engine/features/pictures/backbone.py": {"regions", "images"},
    "engine/features/text/bert.py": {"text"},
    "engine/training/loop.py": {"train", "evaluate", "recommend", "explain"},
    "engine/evaluation/history_erasure.py": {"evaluate", "recommend", "explain"},
    "engine/evaluation/rank.py": {"train", "evaluate", "recommend", "explain"},
    "stages/split/candidates.py": {"split"},
}


@pytest.mark.parametrize("path", ROOMS)
def test_an_edited_file_changes_the_stages_of_its_room_alone(path: str) -> None:
    assert (ROOT / path).is_file()
    changed = {n for n, s in STAGES.items() if any(path == dep or path.startswith(f"{dep}/") for dep in s["deps"])}
    assert changed == ROOMS[path]


def test_every_dataset_protocol_and_model_is_there() -> None:
    for path in (ROOT / "models").glob("*.py"):
        assert path.stem == "__init__" or path.stem in PARAMS["models"], f"params.yaml has no models.{path.stem}"
    for kind in SCALARS:
        assert PARAMS[kind] in PARAMS[f"{kind}s"]


def test_params_stand_as_dvc_rewrites_them() -> None:
    """So that `-S` changes one line."""
    text = (ROOT / "params.yaml").read_text()
    yaml = YAML()
    yaml.preserve_quotes = True
    out = StringIO()
    yaml.dump(yaml.load(text), out)
    assert out.getvalue() == text
    flow = r"[:-] *(\[(?!\])|[&*])|: null|[:-] *\{.+\}"  # an empty list can be written in no other way
    assert not re.search(flow, re.sub(r"#.*", "", text)), "flow lists, anchors or nulls"


def test_the_lock_matches_the_tree() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--allow-missing", "--dry"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"Running stage '(\w+)'", done.stdout) == ["check"], done.stdout  # which always runs


def test_a_clone_with_windows_line_ends_holds_the_same_bytes(tmp_path: Path) -> None:
    """Or DVC would take every stage for changed."""
    clone = ["git", "clone", "-q", "-c", "core.autocrlf=true", str(ROOT), str(tmp_path / "clone")]
    subprocess.run(clone, check=True)
    for path in ("dvc.yaml", "params.yaml", "stages/train.py", "engine/tables/store.py", "stages/explain/page.html.j2"):
        assert b"\r" not in (tmp_path / "clone" / path).read_bytes(), path

"""The house: lengths, floors, names, and what may not stand anywhere in it."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIMITS = {"models": 200, "stages": 150, "engine": 200, "serving": 150}
ROOMS = {"engine": {"tables", "features", "training", "evaluation", "measures"}}
VAGUE = {"utils", "helpers", "common", "misc", "base", "manager"}


def sources(*floors: str) -> list[Path]:
    return sorted(path for floor in floors or LIMITS for path in (ROOT / floor).rglob("*.py"))


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


def called(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources(), ids=called)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text()
    limit = LIMITS[path.relative_to(ROOT).parts[0]]
    assert text.count("\n") <= limit, f"{path} has passed {limit} lines: change the design"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 40, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_every_file_of_engine_stands_in_a_room() -> None:
    for floor, rooms in ROOMS.items():
        assert {path.name for path in (ROOT / floor).iterdir() if path.name != "__pycache__"} == rooms | {"__init__.py"}


@pytest.mark.parametrize("path", [p for p in sources() if p.name == "__init__.py"], ids=called)
def test_a_package_s_own_file_is_its_door_plate(path: Path) -> None:
    """So that no stage depends on one; that of models finds them and is a dep, that of stages says how threads wait."""
    body = ast.parse(path.read_text()).body
    assert called(path) in ("models/__init__.py", "stages/__init__.py") or len(body) <= 1
    if len(path.relative_to(ROOT).parts) > 2:
        assert len(ast.get_docstring(ast.parse(path.read_text())) or "") > 10, f"{path} has no sentence"


@pytest.mark.parametrize("path", sources(), ids=called)
def test_functions_take_few_arguments(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            assert len([n for n in names if n not in ("self", "cls")]) <= 7, f"{path}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", sources(), ids=called)
def test_every_module_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert path.stem not in VAGUE
    assert not tree.body or ast.get_docstring(tree), f"{path} has no docstring"


@pytest.mark.parametrize("path", sources("models"), ids=called)
def test_a_model_is_a_config_a_build_and_one_final_class(path: Path) -> None:
    if path.parent.name == "blocks" or path.stem == "__init__":
        return
    tree = ast.parse(path.read_text())
    assert "Departs from the paper:" in (ast.get_docstring(tree) or "")
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    finals = [n for n in classes.values() if any(ast.unparse(d).endswith("final") for d in n.decorator_list)]
    assert len(finals) == 1
    assert "Config" in classes
    assert any(isinstance(n, ast.FunctionDef) and n.name == "build" for n in tree.body)
    keys = [n for n in classes["Config"].body if isinstance(n, ast.AnnAssign)]
    assert len(keys) <= 14, f"{path}: Config has {len(keys)} keys"


@pytest.mark.parametrize("path", sources("stages"), ids=called)
def test_stages_never_import_stages(path: Path) -> None:
    own = path.relative_to(ROOT).with_suffix("").parts[1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stages."):
            assert node.module.split(".")[1] == own, f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", sources("models"), ids=called)
def test_what_a_model_starts_with_is_drawn_alike_on_a_card_and_on_a_processor(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):  # of the like of a tensor: by the generator of its device
        assert not (isinstance(node, ast.Attribute) and node.attr in ("rand_like", "randn_like")), (
            f"{path}:{node.lineno}"
        )


@pytest.mark.parametrize("path", sources(), ids=called)
def test_nothing_loads_a_pickle_or_swallows_errors(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "pickle.load", "pickle.loads"):
            assert "weights_only=True" in ast.unparse(node), f"{path}:{node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            assert not broad or any(isinstance(n, ast.Raise) for n in ast.walk(node)), f"{path}:{node.lineno}"


def test_nothing_names_a_machine_or_a_registry() -> None:
    forbidden = re.compile("|".join(["/wo" + "rk/", r"\.\./sha" + "red", "pypi" + r"\.org", "pythonhosted" + r"\.org"]))
    for path in tracked():
        if path.suffix in (".png", ".lock") or called(path) == ".ci/run":
            continue
        found = forbidden.search(path.read_text(encoding="utf-8", errors="replace"))
        assert not found, f"{path}: {found and found[0]}"


def test_requirements_are_pinned_without_addresses() -> None:
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9.\-]+==[0-9][0-9a-z.]*", line), line


def test_every_dependency_is_explained() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text().lower()
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and line[0] != "#":
            assert line.split("==")[0] in text, f"CONTRIBUTING does not say why {line} is needed"

"""The Dockerfile, without a builder: what it copies is there, its lines are the README's, its steps run in a copy."""

import fnmatch
import json
import re
from pathlib import Path

import pytest

from tests.clone import ROOT, copied, done, tracked

KNOWN = {"FROM", "RUN", "WORKDIR", "ENV", "ARG", "COPY", "EXPOSE", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """Instruction and rest of each line, continued lines joined, comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def rest(instruction: str) -> list[str]:
    return [text for name, text in instructions() if name == instruction]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a file out: the last pattern that matches it, or a folder above it, decides."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    kept_out = [not line.startswith("!") for line in lines if matches(line.removeprefix("!"), path.split("/"))]
    return bool(kept_out) and kept_out[-1]


def matches(pattern: str, parts: list[str]) -> bool:
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
    wanted = pattern.split("/")
    return len(wanted) <= len(parts) and all(map(fnmatch.fnmatch, parts, wanted))


def test_it_begins_from_a_python_that_the_project_takes() -> None:
    found = instructions()
    assert found[0] == ("FROM", "python:3.11-slim")
    assert {name for name, _ in found} == KNOWN
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()


def test_what_it_copies_is_there_and_nothing_that_git_ignores() -> None:
    for line in rest("COPY"):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), f"COPY {line}"
            assert not ignored(source)
    assert [path for path in tracked() if ignored(path)] == []
    lines = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    left_out = [f"{line.replace('*', 'x')}/x" if "." not in line[1:] else line.replace("*", "x") for line in lines]
    left_out += ["data/demo/items.parquet", "engine/__pycache__/x.pyc", ".git/HEAD", ".dvc/cache/x", ".dvc/tmp/x"]
    assert [path for path in left_out if not ignored(path)] == []


def test_it_installs_and_runs_by_the_readme_s_own_lines() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    apt, install, repository = rest("RUN")
    assert {"git", "make"} <= set(re.search(r"--no-install-recommends ([\w ]+?) &&", apt)[1].split())  # type: ignore[index]
    assert install == "make environment"
    assert re.search(r"^environment: \$\(READY\)$", makefile, re.M)
    assert rest("CMD") == ['["make", "demo"]']
    assert "\nmake demo " in readme
    assert f"PATH={rest('WORKDIR')[0]}/.venv/bin:$PATH" in rest("ENV")[0]
    page = (ROOT / "docs" / "docker.md").read_text()
    port = re.search(r"--publish 127\.0\.0\.1:(\d+):(\d+) whyrec python -m serving web --host 0\.0\.0\.0", page)
    assert port
    assert port.groups() == (rest("EXPOSE")[0],) * 2
    assert all(f"{rest('WORKDIR')[0]}/" in mount for mount in re.findall(r"--volume whyrec-\w+:(\S+)", page))
    assert "git init" in repository


@pytest.mark.timeout(120)
def test_its_last_step_makes_a_repository_in_which_the_pipeline_is_known(tmp_path: Path) -> None:
    copied(tmp_path, lambda name: not ignored(name))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    done(tmp_path, "sh", "-c", rest("RUN")[-1])
    assert done(tmp_path, "git", "status", "--porcelain") == ""
    assert len(done(tmp_path, "git", "ls-files").splitlines()) == len(tracked())
    told = done(tmp_path, *json.loads(rest("CMD")[0]), "--dry-run")
    assert "dvc repro" in told
    assert "pip install" not in told, "the environment of the layer before is not taken"
    assert "Running stage 'ingest'" in done(tmp_path, "dvc", "repro", "--dry", "--force")

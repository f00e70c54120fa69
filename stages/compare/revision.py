"""What a git revision reached: its metrics out of git, its ranks out of the DVC cache."""

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.scm import SCMError

from engine.tables import store
from engine.tables.params import read_yaml
from engine.tables.schema import Table
from engine.tables.schemas import ERRORS, RANKS

METRICS = "metrics/test.json"
STAGE, RANKS_OUT, ERRORS_OUT = "evaluate", "ranks/test.parquet", "ranks/errors.parquet"
WORKSPACE = "workspace"
CHOSEN = ("dataset", "protocol", "model")
INPUTS = {"events.parquet": "events and their split", "cases.parquet": "test cases"}  # deps of the stage, by file name


@dataclass(frozen=True)
class RevisionResults:
    """metrics/test.json of a revision, and the ranks that it was computed from.

    `ranks` is None where they are in no cache here, and `missing` says so; `chosen`: dataset, protocol and model of
    its params.yaml; `inputs`: the digests in its dvc.lock of what it was ranked on, by what they are;
    `errors` of its ratings, None where it has none or they are in no cache here.
    """

    revision: str
    metrics: dict[str, float]
    ranks: pl.DataFrame | None
    chosen: dict[str, str]
    inputs: dict[str, str] = field(default_factory=dict)
    missing: str = ""
    errors: pl.DataFrame | None = None

    @property
    def label(self) -> str:
        """Dataset, protocol and model."""
        return ", ".join(self.chosen.values())


def read_revision(revision: str, repo: Path) -> RevisionResults:
    """A revision's results (`workspace`: the files as they stand), out of git and the DVC cache.

    Raises:
        ValueError: there is no such revision, or it was never evaluated; says what would do.
    """
    files = DVCFileSystem(str(repo), rev=None if revision == WORKSPACE else revision)
    stage = _yaml(files, "dvc.lock", revision).get("stages", {}).get(STAGE, {})
    outs = [out["path"] for out in stage.get("outs", [])]
    path, rated = (next((out for out in outs if out.endswith(end)), None) for end in (RANKS_OUT, ERRORS_OUT))
    if path is None:
        raise ValueError(
            f"{revision}: dvc.lock knows no {RANKS_OUT} of a stage {STAGE!r}; run `dvc repro` there, commit it"
        )
    params = _yaml(files, "params.yaml", revision)
    ranks = _table(files, path, RANKS)
    errors = _table(files, rated, ERRORS) if rated else None
    return RevisionResults(
        revision=revision,
        metrics=json.loads(_text(files, METRICS, revision)),
        ranks=ranks,
        chosen={name: str(params.get(name, "?")) for name in CHOSEN},
        inputs={
            INPUTS[Path(dep["path"]).name]: dep.get("md5", "")
            for dep in stage.get("deps", [])
            if Path(dep["path"]).name in INPUTS
        },
        errors=errors,
        missing="" if ranks is not None else _how_to_get(revision, path),
    )


def different_inputs(first: RevisionResults, second: RevisionResults) -> list[str]:
    """What two revisions were ranked on that is not the same, each with both sides."""
    found = [
        f"{name}: {first.chosen[name]} and {second.chosen[name]}"
        for name in ("dataset", "protocol")
        if first.chosen[name] != second.chosen[name]
    ]
    for what in () if found else sorted(first.inputs.keys() & second.inputs.keys()):
        one, other = first.inputs[what], second.inputs[what]
        if one != other:
            found.append(f"{what}: {one[:8]} and {other[:8]} in dvc.lock")
    return found


def _how_to_get(revision: str, path: str) -> str:
    lacks = f"{revision} lacks its ranks: {path} was computed elsewhere and is in no DVC cache or remote here."
    if revision == WORKSPACE:
        return f"{lacks} `dvc repro` computes it."
    here = f"git switch {revision} && dvc repro && git commit --all --message 'computed here'"
    return f"{lacks} This computes it:\n  {here}"


def _table(files: Any, path: str, table: Table) -> pl.DataFrame | None:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "table.parquet"
        try:
            files.get_file(path, str(local))
        except (FileNotFoundError, DvcException):
            return None
        return store.read(local, table)


def _text(files: Any, name: str, revision: str) -> str:
    try:
        text: str = files.read_text(name)
    except SCMError as error:
        raise ValueError(
            f"{revision}: no such revision here ({error}); give a branch, a tag, a commit, or {WORKSPACE}"
        ) from None
    except (FileNotFoundError, DvcException):
        raise ValueError(f"{revision} has no {name}: run `dvc repro` there, and commit dvc.lock and metrics/") from None
    return text


def _yaml(files: Any, name: str, revision: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / name
        local.write_text(_text(files, name, revision), encoding="utf-8")
        return read_yaml(local)

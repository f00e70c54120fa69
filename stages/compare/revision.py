"""What a git revision reached: its metrics out of git, its ranks out of the DVC cache."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.scm import SCMError

from engine.tables import store
from engine.tables.params import read_yaml
from engine.tables.schemas import RANKS

METRICS = "metrics/test.json"
STAGE, OUT = "evaluate", "ranks/test.parquet"


@dataclass(frozen=True)
class Reading:
    """What a revision reached: metrics/test.json and the ranks that it was computed from."""

    revision: str
    metrics: dict[str, float]
    ranks: pl.DataFrame
    choice: str


def read(revision: str, repo: Path) -> Reading:
    """A revision's reading (`workspace`: the files as they stand), out of git and the DVC cache.

    Raises:
        ValueError: no such revision, never evaluated, or its ranks lie in no cache; says what would do.
    """
    try:
        files = DVCFileSystem(str(repo), rev=None if revision == "workspace" else revision)
        lock = _yaml(files, "dvc.lock", revision)
        stage = lock.get("stages", {}).get(STAGE, {})
        path = next((out["path"] for out in stage.get("outs", []) if out["path"].endswith(OUT)), None)
        if path is None:
            raise ValueError(
                f"{revision}: dvc.lock knows no {OUT} of a stage {STAGE!r}; run `dvc repro` there, commit it"
            )
        metrics = json.loads(files.read_text(METRICS))
        params = _yaml(files, "params.yaml", revision)
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "ranks.parquet"
            files.get_file(path, str(local))
            ranks = store.read(local, RANKS)
    except SCMError as error:
        raise ValueError(
            f"{revision}: no such revision here ({error}); give a branch, a tag, a commit, or workspace"
        ) from None
    except (FileNotFoundError, DvcException) as error:
        raise ValueError(
            f"{revision}: {error}; its ranks or metrics are in neither git nor the DVC cache: `dvc pull` or, at that "
            "revision, `dvc repro` brings them"
        ) from None
    choice = ", ".join(str(params.get(name, "?")) for name in ("dataset", "protocol", "model"))
    return Reading(revision, metrics, ranks, choice)


def _yaml(files: Any, name: str, revision: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / name
        try:
            local.write_text(files.read_text(name), encoding="utf-8")
        except FileNotFoundError:
            raise ValueError(f"{revision} has no {name}: it is no revision of this project that was run") from None
        return read_yaml(local)

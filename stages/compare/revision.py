"""What a git revision reached: its metrics out of git, its ranks out of the DVC cache."""

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from engine.tables.schemas import ERRORS, RANKS
from stages.compare import recorded
from stages.compare.revision_files import WORKSPACE, RevisionFiles

METRICS = "metrics/test.json"
STAGE, RANKS_OUT, ERRORS_OUT = "evaluate", "ranks/test.parquet", "ranks/errors.parquet"
INPUTS = {"events.parquet": "events and their split", "cases.parquet": "test cases"}  # deps of the stage, by file name


@dataclass(frozen=True)
class RevisionResults:
    """metrics/test.json of a revision, and the ranks that it was computed from.

    `ranks` is None where they are in no cache here, and `missing` says so; `chosen`: dataset, protocol and model that
    they are of, and `inputs`: the digests of what was ranked, by what they are, by its dvc.lock; `changed`: what its
    params.yaml says otherwise by now; `errors` of its ratings, None where it has none or they are in no cache here.
    """

    revision: str
    metrics: dict[str, float]
    ranks: pl.DataFrame | None
    chosen: dict[str, str]
    inputs: dict[str, str] = field(default_factory=dict)
    missing: str = ""
    errors: pl.DataFrame | None = None
    changed: str = ""

    @property
    def label(self) -> str:
        """Dataset, protocol and model."""
        return ", ".join(self.chosen.values())


def read_revision(revision: str, repo: Path) -> RevisionResults:
    """A revision's results (`workspace`: the files as they stand), out of git and the DVC cache.

    Raises:
        ValueError: there is no such revision, or it was never evaluated; says what would do.
    """
    files = RevisionFiles(revision, repo)
    stages = files.yaml("dvc.lock").get("stages") or {}
    stage = stages.get(STAGE, {})
    outs = [out["path"] for out in stage.get("outs", [])]
    path, rated = (next((out for out in outs if out.endswith(end)), None) for end in (RANKS_OUT, ERRORS_OUT))
    if path is None:
        raise ValueError(
            f"{revision}: dvc.lock knows no {RANKS_OUT} of a stage {STAGE!r}; run `dvc repro` there, commit it"
        )
    params = files.yaml("params.yaml")
    ranks = files.table(path, RANKS)
    return RevisionResults(
        revision=revision,
        metrics=files.numbers(METRICS),
        ranks=ranks,
        chosen=recorded.chosen(stage, path, params),
        inputs={
            INPUTS[Path(dep["path"]).name]: dep.get("md5", "")
            for dep in stage.get("deps", [])
            if Path(dep["path"]).name in INPUTS
        },
        errors=files.table(rated, ERRORS) if rated else None,
        missing="" if ranks is not None else _how_to_get(revision, path),
        changed="; ".join(recorded.changed(stages, STAGE, path, params)),
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
    here = f"git checkout {revision} && dvc repro && git commit --all --message 'computed here'"
    return f"{lacks} This computes it:\n  {here}"

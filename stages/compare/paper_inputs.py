"""What the papers' cells read of the root: `python -m stages.compare.paper_inputs DATASET OUT`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from engine.tables import files
from engine.tables.command import command
from engine.tables.params import read_yaml


def needed(dataset: str, papers: dict[str, Any], root: dict[str, Any]) -> dict[Path, str]:
    """What of a data set's folder the stages of the papers' project depend on, with the root's stage that makes it."""
    folder = f"data/{dataset}"
    makes = {
        str(out if isinstance(out, str) else next(iter(out))).replace("${dataset}", dataset): stage
        for stage, of in root["stages"].items()
        for out in of.get("outs", [])
    }
    deps = {
        dep.removeprefix("../").replace("${dataset}", dataset)
        for of in papers["stages"].values()
        for dep in of.get("do", of).get("deps", [])
        if dep.startswith("../data/")
    }
    return {
        Path(out): stage
        for out, stage in makes.items()
        if out.startswith(f"{folder}/") and any(out == dep or out.startswith(f"{dep}/") for dep in deps)
    }


def missing(dataset: str, papers: dict[str, Any], root: dict[str, Any]) -> str:
    """What is not there and what makes it; '' where all is."""
    absent = {path: stage for path, stage in needed(dataset, papers, root).items() if not path.exists()}
    if not absent:
        return ""
    named = ", ".join(sorted(str(path.relative_to(f"data/{dataset}")) for path in absent))
    stages = " ".join(stage for stage in root["stages"] if stage in set(absent.values()))
    return (
        f"data/{dataset} has no {named}: with dataset: {dataset} in params.yaml, `dvc repro {stages}` in the "
        "project's root makes them; another data set is `dataset` in papers/cells.yaml"
    )


def main() -> None:
    """Write what is there, or say what is not."""
    parser = argparse.ArgumentParser(prog="python -m stages.compare.paper_inputs", description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    with command("papers"):
        papers, root = read_yaml(Path("papers/dvc.yaml")), read_yaml(Path("dvc.yaml"))
    if told := missing(given.dataset, papers, root):
        sys.exit(f"papers: {told}")
    files.write_json({"there": sorted(map(str, needed(given.dataset, papers, root)))}, given.out)


if __name__ == "__main__":
    main()

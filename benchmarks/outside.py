"""Models held against numbers that others published, on files that others made.

    python -m benchmarks.outside FOLDER [--only beauty] [--seeds 1 2 3] [--threads 2]

FOLDER holds the files that `SETTINGS` below names. Each file is ingested and split as `dvc repro` would do it; each
model learns with the settings of params.yaml (a cell's own ones are in the table), is selected on validation alone, and
the test cases are ranked once a seed. What was read is kept under --out, a cell a folder, with the data, params.yaml
and settings that gave it: a run that was cut short goes on, and what changed is read anew. The code is not among them:
empty the folder after a change there. The table (Markdown) is printed and written there. ± is the standard deviation
over seeds. `warm` leaves out cases whose target is in no training event, as some publications do.
"""

import argparse
import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.cells import Apart, command, costs, earlier, refused
from engine.measures.ranking import ndcg, positions, recall
from engine.tables import files, store
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.schemas import RANKS, SPLIT

PREPARE = ("check", "ingest", "crawl", "split")


@dataclass(frozen=True)
class File:
    """A published file, how it is read, and what was published of it: model (as published): HR@10, NDCG@10."""

    data: dict[str, str]
    protocol: str
    models: tuple[str, ...]
    published: dict[str, tuple[float, float]]
    settings: dict[str, str] = field(default_factory=dict)
    shuffled: bool = False  # each person's events, by a fixed seed: what is left without their order


SETTINGS: dict[str, File] = {
    "beauty": File(
        data={"file": "amazon_beauty/sequences.txt"},
        protocol="leave_one_out",
        models=("popularity", "item_knn", "ease", "ials", "bpr_mf", "gru4rec", "sasrec"),
        published={
            "SASRec as first reported": (0.0605, 0.0318),
            "SASRec, full or sampled softmax, replicated with care": (0.0921, 0.0531),
            "TIGER": (0.0648, 0.0384),
            "HSTU": (0.0788, 0.0439),
            "eSASRec": (0.0928, 0.0523),
        },
    ),
    "lastfm": File(
        data={
            "file": "lastfm/LastFM.txt",
            "items": "lastfm/LastFM_item2attributes.json",
            "candidates": "lastfm/LastFM_sample.txt",
            "duplicate_candidates": "drop",
        },
        protocol="given",
        models=("popularity", "item_knn", "ease", "ials", "bert4rec", "fdsa", "sasrec", "s3rec"),
        published={"SASRec": (0.4587, 0.2605), "S3-Rec": (0.6083, 0.3577)},
        settings={"+protocols.given": "{rule: leave_one_out, candidates: given, seen: excluded}"},
    ),
    "cell_phones": File(  # its lines are sorted by item, not by time: docs/results/outside.md says what that does
        data={"file": "amazon_cell_phones/sequences.txt"},
        protocol="leave_one_out_100",
        models=("popularity", "item_knn", "ease", "ials", "gru4rec", "caser", "sasrec", "bert4rec"),
        published={
            "GRU4Rec": (0.4414, 0.2703),
            "Caser": (0.4973, 0.3172),
            "SASRec": (0.5659, 0.3607),
            "BERT4Rec": (0.5783, 0.3674),
        },
    ),
    "cell_phones_shuffled": File(
        data={"file": "amazon_cell_phones/sequences.txt"},
        protocol="leave_one_out_100",
        shuffled=True,
        models=("popularity", "item_knn", "ease", "ials", "gru4rec", "caser", "sasrec", "bert4rec"),
        published={},
    ),
}


def prepare(name: str, folder: Path, out: Path, threads: int) -> list[str]:
    """The file's tables under out/name/data; gives the params that all its commands share."""
    one = SETTINGS[name]
    paths = {key: str(folder / value) if "/" in value else value for key, value in one.data.items()}
    if one.shuffled:
        paths["file"] = str(shuffled(Path(paths["file"]), out / name / "sequences.txt"))
    params = ["dataset=sequences", "content=none", *(f"{key}={value}" for key, value in one.settings.items())]
    params += [f"datasets.sequences.{key}={value}" for key, value in paths.items()]
    params.append(f"protocol={one.protocol}")
    made_of, done = "\n".join([*params, *digests(paths)]), out / name / "prepared"
    if not done.exists() or done.read_text() != made_of:
        done.unlink(missing_ok=True)
        for stage in PREPARE:
            command(stage, out / name / "data", one.protocol, params, threads)
        files.write_text(made_of, done)
    return params


def digests(paths: dict[str, str]) -> list[str]:
    """Of the files that are named; one that is not there is what `check` says."""
    there = [Path(path) for path in paths.values() if "/" in path and Path(path).exists()]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in there]


def shuffled(file: Path, copy: Path) -> Path:
    """A copy of sequences in which each person's items are in a drawn order."""
    rng = np.random.default_rng(1)
    lines = []
    for line in file.read_text().splitlines():
        person, *items = line.split()
        lines.append(" ".join([person, *rng.permutation(items)]))
    files.write_text("\n".join(lines) + "\n", copy)
    return copy


def readings(cell: Path, data: Path, protocol: str) -> dict[str, float]:
    """HR and NDCG at 10 over all cases and over those whose target is in a training event."""
    ranks = store.read(cell / "ranks" / "test.parquet", RANKS)
    split = store.read(Layout(data, protocol).split, SPLIT)
    trained = split.filter(pl.col("part") == "train")["item"].unique()
    warm = ranks["target"].is_in(trained.implode()).to_numpy()
    place = positions(*(ranks[name].to_numpy().astype(np.int64) for name in ("greater", "ties")))
    return {
        "cases": len(place),
        "hr": float(recall(place, 10).mean()),
        "ndcg": float(ndcg(place, 10).mean()),
        "warm_cases": int(warm.sum()),
        "warm_hr": float(recall(place[warm], 10).mean()),
        "warm_ndcg": float(ndcg(place[warm], 10).mean()),
        **costs(cell),
    }


def read(cell: Path, data: Path, protocol: str, chosen: list[str], threads: int) -> dict[str, float]:
    """The cell's readings, or those that are kept of the same data, params.yaml and settings."""
    layout, kept = Layout(data, protocol), cell / "outside.json"
    tables = "".join(
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (layout.split, layout.cases, layout.items)
    )
    asked = {"chosen": chosen, "params": read_yaml(Path("params.yaml")), "tables": tables}
    if (found := earlier(kept, asked)) is None:
        for stage in ("train", "evaluate"):
            command(stage, data, protocol, chosen, threads, cell)
        found = readings(cell, data, protocol)
        files.write_json(asked | found, kept)
    return {name: value for name, value in found.items() if name not in asked}


def row(model: str, found: list[dict[str, float]]) -> str:
    """A line of the table: means over seeds with their spread."""

    def mean(key: str) -> str:
        values = [one[key] for one in found]
        spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
        return f"{np.mean(values):.4f}{spread}"

    cap = " (cap)" if any(one["ended_at_cap"] for one in found) else ""
    cells = [model, mean("hr"), mean("ndcg"), mean("warm_hr"), mean("warm_ndcg"), str(len(found))]
    cells += ["/".join(f"{one['epochs']:.0f}" for one in found) + cap]
    cells += [f"{np.mean([one['seconds_to_the_best'] for one in found]):.0f}"]
    return f"| {' | '.join(cells)} |"


def table(name: str, found: dict[str, list[dict[str, float]]]) -> str:
    """Ours and the published ones as Markdown."""
    cases = next(iter(found.values()))[0]
    head = ["model", "HR@10", "NDCG@10", "HR@10 warm", "NDCG@10 warm", "seeds", "epochs", "seconds to the best"]
    about = f"{SETTINGS[name].protocol}: {cases['cases']:,} cases, {cases['warm_cases']:,} of them warm"
    lines = [f"### {name}", "", about, "", f"| {' | '.join(head)} |", "|---|" + "---|" * (len(head) - 1)]
    lines += [row(model, some) for model, some in found.items()]
    for model, (hr, gain) in SETTINGS[name].published.items():
        lines.append(f"| *published:* {model} | {hr:.4f} | {gain:.4f} | | | | | |")
    return "\n".join(lines)


def main() -> None:
    """Prepare, learn, rank, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what holds the files")
    parser.add_argument("--only", nargs="*", default=sorted(SETTINGS), choices=sorted(SETTINGS), help="these files")
    parser.add_argument("--models", nargs="*", help="these models; none: those of the file")
    parser.add_argument("--seeds", nargs="+", type=int, action=Apart, default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=Path("build/outside"), help="where what was read is kept")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    for name in given.only:
        one, found = SETTINGS[name], dict[str, list[dict[str, float]]]()
        params = prepare(name, given.folder, given.out, given.threads)
        data = given.out / name / "data"
        for model in given.models or one.models:
            for seed in given.seeds:
                cell = given.out / name / f"{model}-{seed}"
                chosen = [*params, f"model={model}", f"seed={seed}"]
                found.setdefault(model, []).append(read(cell, data, one.protocol, chosen, given.threads))
                print(f"{name} {model} {seed}: {found[model][-1]}", file=sys.stderr)
        text = table(name, found)
        files.write_text(text + "\n", given.out / f"{name}.md")
        print(text, end="\n\n")


if __name__ == "__main__":
    with refused("outside"):
        main()

"""Every model on one data set: quality, seconds, memory and parameters, stopped by one rule.

    python -m benchmarks.every_model data/movielens --protocol temporal [--models ease sasrec] [--seeds 1 2 3]
      [--against ease] [key=value …]

reads a data set that `dvc repro` prepared and params.yaml as it stands. Every model that learns by epochs goes on until
--patience validations brought nothing better, at a rate that does not fall; what is validated is the mean of its
weights over the last --average of its steps. So no row hangs on a number of epochs; one that --epochs ended all the
same is marked and proves nothing. Solvers choose among the settings of their section on validation. Test cases are
ranked (ratings: predicted) once a seed; of several seeds the means stand there, ± a standard deviation, with all epochs
and the greatest memory. With --against a model, all others that rank are tested against it: paired, two-sided, each
case's NDCG@10 in the mean of the seeds, Holm; marked rows and those whose ranks are no longer there enter no test. A
model that needs what the data lacks says so in its row. What was read is kept under --kept, a file a model and seed
with the settings that gave it and a digest of the tables that it reads, so that a run that was cut short goes on, and a
row whose settings or data changed is read anew; the code is not in it: empty the folder after a change there. What
models learnt lies under --out. Rows in order of NDCG@10, then RMSE.
"""

import argparse
import sys
from copy import deepcopy
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

import models
from benchmarks.cells import Apart, command, costs, earlier, markdown, metrics, refused
from benchmarks.one_rule import flags, stopping
from benchmarks.paired import HEAD as HEAD_OF_TESTS
from benchmarks.paired import paired_tests, spread
from engine.measures.ranking import Values, ndcg, positions
from engine.tables import files, store
from engine.tables.lacking import Lacking
from engine.tables.layout import Layout
from engine.tables.params import expanded, override, read_yaml
from engine.tables.schemas import RANKS
from engine.tables.settings import Choice
from engine.training.source import digest

READINGS = ("recall@20", "ndcg@10", "rmse")
SHARED = ("seed", "evaluate", "device")  # what every row goes by besides its model's section
ROUNDING = 1e-6  # of readings in metrics/test.json
HEAD = ["model", *READINGS, "epochs", "seconds an epoch", "seconds to the best", "peak GiB", "parameters"]
SHOWN = {"seconds_an_epoch": "{:.2f}", "seconds_to_the_best": "{:.0f}", "peak_gib": "{:.2f}", "parameters": "{:,}"}


def named(model: str, seed: int, params: dict[str, Any]) -> str:
    """A row's name: the model's by the seed of params.yaml, with the seed by another."""
    return model if seed == params["seed"] else f"{model}-{seed}"


def measured(model: str, seed: int, given: argparse.Namespace, params: dict[str, Any]) -> dict[str, Any]:
    """The cell's readings, or under `refused` why the model cannot be had on this data."""
    section, name = params["models"][model], named(model, seed, params)
    cell, kept = given.out / name, given.kept / f"{name}.json"
    try:
        words, own = given_settings(model, given, params)
    except Lacking as error:
        return {"refused": str(error.args[0])}
    drawn = [] if name == model else [f"seed={seed}"]
    chosen = [f"model={model}", *stopping(model, given, section), *drawn, *words]
    asked = {"protocol": given.protocol, "settings": chosen, "section": section, "data": tables_of(model, own, given)}
    asked |= {key: params[key] for key in (("train", *SHARED) if "train" in section else SHARED)} | {"seed": seed}
    asked["split"] = params["protocols"].get(given.protocol)
    if found := earlier(kept, asked):
        return found
    try:
        for stage in ("train", "evaluate"):
            command(stage, given.data, given.protocol, chosen, given.threads, cell)
    except Lacking as error:
        return {"refused": str(error.args[0])}
    test = metrics(cell, "test")
    found = asked | {name: test[name] for name in READINGS if name in test} | costs(cell)
    files.write_json(found, kept)
    return found


def given_settings(model: str, given: argparse.Namespace, params: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The command's settings for a model, what a file of found ones holds written out, and its section with them.

    Raises:
        Lacking: the file holds nothing for this model.
    """
    own, words = deepcopy(params) | {"model": model, "protocol": given.protocol}, []
    for word in given.overrides:
        for assignment in expanded(word, own):
            override(own, assignment)
            words.append(assignment)
    return words, own["models"][model]


def tables_of(model: str, section: dict[str, Any], given: argparse.Namespace) -> str:
    """A digest of the tables that the model reads of the data; '' where one is not there, which the stages then say."""
    needs = models.configure(Choice(name=model, settings=section)).needs
    try:
        return digest(Layout(given.data, given.protocol), needs)
    except FileNotFoundError:
        return ""


def capped(found: dict[str, Any]) -> bool:
    """Whether its cap ended it; what is counted or solved for has none."""
    return bool(found["ended_at_cap"] and found["epochs"] > 1)


def row(model: str, of: list[dict[str, Any]]) -> list[str]:
    """A line of the table, of the readings of each seed."""
    if "refused" in of[0]:
        return [model, of[0]["refused"]]
    read = [spread([one[name] for one in of]) if name in of[0] else "" for name in READINGS]
    epochs = "/".join(f"{one['epochs']:.0f}" for one in of) + (" (cap)" if any(capped(one) for one in of) else "")
    cost = {key: (max if key == "peak_gib" else mean)(one[key] for one in of) for key in SHOWN}
    return [model, *read, epochs, *(form.format(cost[key]) for key, form in SHOWN.items())]


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: those that rank, those that predict ratings alone, those that could not be had."""

    def place(model: str) -> tuple[bool, float, float]:
        of = found[model]
        if "refused" in of[0]:
            return True, 0.0, 0.0
        return False, -mean(one.get("ndcg@10", 0.0) for one in of), mean(one.get("rmse", 0.0) for one in of)

    return markdown([HEAD, *(row(model, found[model]) for model in sorted(found, key=place))])


def gains(model: str, of: list[dict[str, Any]], given: argparse.Namespace, params: dict[str, Any]) -> Values | None:
    """NDCG@10 of each seed's test cases; None where the ranks that gave these rows are no longer there, or the model
    ranks none.
    """
    paths = [given.out / named(model, seed, params) / "ranks" / "test.parquet" for seed in given.seeds]
    if not all(path.exists() for path in paths):
        return None
    ranks = [store.read(path, RANKS).sort("case") for path in paths]
    places = [positions(*(one[name].to_numpy().astype(np.int64) for name in ("greater", "ties"))) for one in ranks]
    found_SC = np.array([ndcg(place, 10) for place in places])
    theirs = [abs(one.get("ndcg@10", np.inf) - read) < ROUNDING for one, read in zip(of, found_SC.mean(1), strict=True)]
    return found_SC if found_SC.shape[1] > 1 and all(theirs) else None


def tests(found: dict[str, list[dict[str, Any]]], given: argparse.Namespace, params: dict[str, Any]) -> str:
    """Markdown: what ranks against the model that the command names; under it what could not be tested.

    Raises:
        ValueError: that model has no row that can be tested.
    """
    whole = {name: of for name, of in found.items() if not any("refused" in one or capped(one) for one in of)}
    gain_SC = {name: gain for name, of in whole.items() if (gain := gains(name, of, given, params)) is not None}
    if given.against not in gain_SC:
        raise ValueError(f"--against {given.against}: it was refused, ended at its cap, or has no ranks in {given.out}")
    others = [name for name in gain_SC if name != given.against]
    lines = paired_tests((gain_SC[name], gain_SC[given.against]) for name in others)
    rows = [[name, *line] for name, line in zip(others, lines, strict=True)]
    left = [name for name in found if name not in gain_SC]
    under = f"\n\nIn no test: {', '.join(left)}" if left else ""
    return markdown([[f"NDCG@10 against {given.against}", *HEAD_OF_TESTS], *rows]) + under


def main() -> None:
    """Train, rank, print the table after each model, and test."""
    params = read_yaml(Path("params.yaml"))
    sections = params["models"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the data set's folder, prepared")
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--models", nargs="*", default=list(sections), choices=list(sections), metavar="model")
    parser.add_argument("--seeds", nargs="+", type=int, action=Apart, default=[params["seed"]])
    parser.add_argument("--against", choices=list(sections), metavar="model", help="what the others are tested against")
    flags(parser)
    parser.add_argument("--out", type=Path, default=Path("build/every_model"), help="where models learn")
    parser.add_argument("--kept", type=Path, help="where rows are kept; --out if not given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    given = parser.parse_intermixed_args()
    given.kept = given.kept or given.out
    found = dict[str, list[dict[str, Any]]]()
    for model in given.models:
        of = [measured(model, seed, given, params) for seed in given.seeds]
        found[model] = [one for one in of if "refused" in one][:1] or of
        print(" | ".join(row(model, found[model])), file=sys.stderr, flush=True)
        files.write_text(table(found) + "\n", given.out / "table.md")
    told = table(found) + (f"\n\n{tests(found, given, params)}" if given.against else "")
    files.write_text(told + "\n", given.out / "table.md")
    print(told)


if __name__ == "__main__":
    with refused("every_model"):
        main()

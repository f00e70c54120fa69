"""Every model on one data set: quality, seconds, memory and parameters, stopped by one rule.

    python -m benchmarks.every_model data/movielens --protocol temporal [--models ease sasrec] [key=value …]

reads a data set that `dvc repro` prepared and params.yaml as it stands. Every model that learns by epochs goes on until
--patience validations brought nothing better, at a rate that does not fall; what is validated is the mean of its
weights over the last --average of its steps. So no row hangs on a number of epochs; one that --epochs ended all the
same is marked and proves nothing. Solvers choose among the settings of their section on validation. Test cases are
ranked (ratings: predicted) once. A model that needs what the data lacks says so in its row. What was read is kept under
--kept, a file a model with the settings that gave it and a digest of the tables that it reads, so that a run that was
cut short goes on, and a row whose settings or data changed is read anew; the code is not in it: empty the folder after
a change there. What models learnt lies under --out. Rows in order of NDCG@10, then RMSE.
"""

import argparse
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import models
from benchmarks.cells import command, costs, earlier, markdown, metrics, refused
from benchmarks.one_rule import flags, stopping
from engine.tables import files
from engine.tables.lacking import Lacking
from engine.tables.layout import Layout
from engine.tables.params import expanded, override, read_yaml
from engine.tables.settings import Choice
from engine.training.source import digest

READINGS = ("recall@20", "ndcg@10", "rmse")
SHARED = ("seed", "evaluate", "device")  # what every row goes by besides its model's section
HEAD = ["model", *READINGS, "epochs", "seconds an epoch", "seconds to the best", "peak GiB", "parameters"]
SHOWN = {"seconds_an_epoch": "{:.2f}", "seconds_to_the_best": "{:.0f}", "peak_gib": "{:.2f}", "parameters": "{:,}"}


def measured(model: str, given: argparse.Namespace, params: dict[str, Any]) -> dict[str, Any]:
    """The cell's readings, or under `refused` why the model cannot be had on this data."""
    section = params["models"][model]
    cell, kept = given.out / model, given.kept / f"{model}.json"
    try:
        words, own = given_settings(model, given, params)
    except Lacking as error:
        return {"refused": str(error.args[0])}
    chosen = [f"model={model}", *stopping(model, given, section), *words]
    asked = {"protocol": given.protocol, "settings": chosen, "section": section, "data": tables_of(model, own, given)}
    asked |= {name: params[name] for name in (("train", *SHARED) if "train" in section else SHARED)}
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


def row(model: str, found: dict[str, Any]) -> list[str]:
    """A line of the table."""
    if "refused" in found:
        return [model, found["refused"]]
    cap = " (cap)" if found["ended_at_cap"] and found["epochs"] > 1 else ""
    read = [f"{found[name]:.4f}" if name in found else "" for name in READINGS]
    return [model, *read, f"{found['epochs']:.0f}{cap}", *(form.format(found[key]) for key, form in SHOWN.items())]


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown: those that rank, those that predict ratings alone, those that could not be had."""

    def place(model: str) -> tuple[bool, float, float]:
        one = found[model]
        return "refused" in one, -one.get("ndcg@10", 0.0), one.get("rmse", 0.0)

    return markdown([HEAD, *(row(model, found[model]) for model in sorted(found, key=place))])


def main() -> None:
    """Train, rank, and print the table after each model."""
    params = read_yaml(Path("params.yaml"))
    sections = params["models"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the data set's folder, prepared")
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--models", nargs="*", default=list(sections), choices=list(sections), metavar="model")
    flags(parser)
    parser.add_argument("--out", type=Path, default=Path("build/every_model"), help="where models learn")
    parser.add_argument("--kept", type=Path, help="where rows are kept; --out if not given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    given = parser.parse_intermixed_args()
    given.kept = given.kept or given.out
    found = {}
    for model in given.models:
        found[model] = measured(model, given, params)
        print(" | ".join(row(model, found[model])), file=sys.stderr, flush=True)
        files.write_text(table(found) + "\n", given.out / "table.md")
    print(table(found))


if __name__ == "__main__":
    with refused("every_model"):
        main()

"""Do pictures and texts help? Each system whole, without its views, and with views that changed hands; its rivals.

    python -m benchmarks.contents movielens --protocol leave_one_out [--rates 1 3] [--seeds 1 2] [--processes 4] [k=v]

reads data/<dataset>/ as `dvc repro` left it. Every row learns until --patience validations brought nothing better, at a
rate that does not fall; with several --rates (times the model's own) validation chooses, for all rows and for each seed
alike. Rows that ended at --epochs are marked † and enter no test. Test cases are ranked once a seed; rare are those
whose target has under --rare training events. Tests: paired, two-sided, of each case's NDCG@10 in the mean of the
seeds, Holm over all of the table; beside it each seed's difference. Rows are kept in --keep, so that a run that was
stopped goes on; --processes train side by side.
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cells import Apart, count, markdown, refused, section, seen_by
from benchmarks.one_rule import flags, stopping
from benchmarks.paired import HEAD as HEAD_OF_TESTS
from benchmarks.paired import paired_tests, spread
from benchmarks.variants import measured, model_of, some
from engine.measures.ranking import Values, ndcg, recall
from engine.measures.significance import Verdict, t_test
from engine.tables.lacking import Lacking
from engine.tables.layout import Layout
from engine.tables.params import override, read_yaml
from engine.training.needs import Needs
from engine.training.source import load

ROW = "+readings.item_row=true"  # Ante-RNN with a row of an item's own, which the paper has not
SYSTEMS: dict[str, dict[str, str]] = {
    "iris": {
        "whole": "iris", "without": "iris@image=constant,text=constant",
        "shuffled": "iris@image=shuffled,text=shuffled",
    },
    "mahn": {"whole": "mahn", "without": "mahn:views=[]", "shuffled": "mahn@image=shuffled,text=shuffled"},
    "min_net": {
        "whole": "min_net", "without": "min_net@image=constant,text=constant",
        "shuffled": "min_net@image=shuffled,text=shuffled",
    },
    "ante_rnn": {"whole": "ante_rnn", "shuffled": "ante_rnn@words=shuffled,regions=shuffled"},
    "ante_rnn with rows": {
        "whole": f"ante_rnn:{ROW}", "without": f"ante_rnn:{ROW}@words=constant,regions=constant",
        "shuffled": f"ante_rnn:{ROW}@words=shuffled,regions=shuffled",
    },
}  # fmt: skip
RIVALS = ("popularity", "item_knn", "ease", "ials", "bpr_mf", "fism", "nais", "gru4rec", "sasrec", "bert4rec")
AGAINST = ("sasrec", "ease", "bpr_mf")  # what each whole system is held against
HEAD = ["row", "HR@10", "NDCG@10", "HR@10 rare", "NDCG@10 rare", "epochs (best)", "rate", "s an epoch", "GiB"]
HEAD += ["parameters"]
Found = dict[str, Any]  # a row of one seed
Task = tuple[str, float, int, argparse.Namespace]  # row, rate, seed, and what was given


def factor(text: str) -> float:
    """A factor above 0."""
    if not 0 < (found := float(text)) < np.inf:
        raise argparse.ArgumentTypeError(f"a factor above 0, found {text}")
    return found


def trained(task: Task) -> Found:
    """One row at one rate and seed; `refused` where the data lacks what the model needs."""
    name, rate, seed, given = task
    params = read_yaml(Path("params.yaml")) | {"seed": seed}
    own = section(model_of(name), params)
    for assignment in [*stopping(model_of(name), given, own), *given.overrides]:
        override(params, assignment)
    if learns := "train" in own:
        own["train"]["lr"] = rate * own["train"].get("lr", params["train"]["lr"])
    layout, had = Layout(Path("data", given.dataset), given.protocol), seen_by(given.protocol, params)
    try:
        row = measured(name, params, layout, had, given.keep, given.cases)
    except (Lacking, FloatingPointError) as error:  # a rate may be too fast: another one is taken then
        return {"refused": str(error.args[0])}
    return row | {"rate": f"{rate:g}" if learns else ""}


def rows(given: argparse.Namespace) -> dict[str, list[Found]]:
    """Each row at the rate that validation likes best, a seed each; where one was refused, that one alone."""
    params = read_yaml(Path("params.yaml"))
    asked = [name for system in given.systems for name in SYSTEMS[system].values()] + given.rivals
    learns = {name: "train" in section(model_of(name), params) for name in asked}  # a solver is asked once
    tasks = [
        (name, rate, seed, given)
        for seed in given.seeds
        for name in asked
        for rate in (given.rates if learns[name] else given.rates[:1])
    ]
    found: dict[str, dict[int, Found]] = {name: {} for name in asked}
    for (name, _, seed, _), one in each(tasks, given.processes):
        print(f"{name}, seed {seed}: {one.get('refused', 'done')}", file=sys.stderr, flush=True)
        if one.get("valid", -np.inf) >= found[name].get(seed, {}).get("valid", -np.inf):
            found[name][seed] = one
    every = {name: [of[seed] for seed in given.seeds] for name, of in found.items()}
    return {name: [one for one in of if "refused" in one][:1] or of for name, of in every.items()}


def each(tasks: list[Task], processes: int) -> Iterator[tuple[Task, Found]]:
    """The rows as they are done."""
    if processes == 1:
        yield from ((task, trained(task)) for task in tasks)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(trained, task): task for task in tasks}
        yield from ((running[done], done.result()) for done in as_completed(running))


def rare(given: argparse.Namespace) -> Values:
    """Which test cases have a target with under `given.rare` training events, in the cases' order."""
    data = load(Layout(Path("data", given.dataset), given.protocol), Needs(), "test", "cpu")
    data = some(data, given.cases)
    events_N = np.bincount(data.train.item_E.numpy(), minlength=data.catalog.items + 1)
    chosen: Values = events_N[data.cases.target_C.numpy()] < given.rare
    return chosen


def line(name: str, of: list[Found], rare_C: Values) -> list[str]:
    """A row of the table: the mean of the seeds, and of several how far they spread (a standard deviation)."""
    if "refused" in of[0]:
        return [name, of[0]["refused"]]
    chosen = (np.ones_like(rare_C), rare_C)
    read = [
        spread([measure(place(one)[at], 10).mean() for one in of]) if at.any() else ""
        for at in chosen
        for measure in (recall, ndcg)
    ]
    mark = " †" if any(one["capped"] for one in of) else ""
    epochs = ", ".join(f"{one['epochs']} ({one['best']})" for one in of)
    rate = ", ".join(dict.fromkeys(one["rate"] for one in of))
    cost = [f"{np.mean([one['an_epoch'] for one in of]):.2f}", f"{max(one['gib'] for one in of):.2f}"]
    return [name + mark, *read, epochs, rate, *cost, f"{of[0]['parameters']:,}"]


def place(one: Found) -> Values:
    """Where each case's target stands in the list."""
    return np.array(one["place"])


def claims(systems: list[str], found: dict[str, list[Found]]) -> Iterator[tuple[str, str, str]]:
    """What is tested: a name, and the two rows."""
    for system in systems:
        forms = SYSTEMS[system]
        rivals = {"without views": forms.get("without", ""), "views that changed hands": forms["shuffled"]}
        rivals |= {rival: rival for rival in AGAINST}
        for said, other in rivals.items():
            both = [one for name in (forms["whole"], other) for one in found.get(name, [{"refused": ""}])]
            if all("refused" not in one and not one["capped"] for one in both):
                yield f"{system}: {said}", forms["whole"], other


def tests(systems: list[str], found: dict[str, list[Found]], rare_C: Values) -> str:
    """Markdown: each claim over all cases and over the rare ones."""
    head = ["whole against", "difference of NDCG@10", *HEAD_OF_TESTS[1:], "rare: difference", "rare: p"]
    gain = {name: np.array([ndcg(place(one), 10) for one in of]) for name, of in found.items() if "place" in of[0]}
    said = list(claims(systems, found))
    lines = paired_tests((gain[first], gain[second]) for _, first, second in said)
    for line, (name, first, second) in zip(lines, said, strict=True):
        line.insert(0, name)
        rare_SC = [gain[row][:, rare_C] for row in (first, second)]
        few = t_test(*(one.mean(0) for one in rare_SC)) if rare_C.sum() > 1 else Verdict(0.0, 1.0, 0.0, 0)
        line.extend([f"{few.difference:+.4f}", f"{few.p:.1e}"])
    return markdown([head, *lines])


def main() -> None:
    """Train, rank, test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--protocol", default="leave_one_out")
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS), choices=list(SYSTEMS), metavar="system")
    parser.add_argument("--rivals", nargs="*", default=list(RIVALS), metavar="model")
    parser.add_argument("--rates", nargs="+", type=factor, action=Apart, default=[1.0], help="times a model's own")
    parser.add_argument("--seeds", nargs="+", type=int, action=Apart, default=[1])
    flags(parser)
    parser.add_argument("--cases", type=count, default=0, help="ranked of validation and of test; 0: all")
    parser.add_argument("--rare", type=count, default=10, help="training events under which an item is rare")
    parser.add_argument("--keep", type=Path, default=Path("build/contents"))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    given = parser.parse_intermixed_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given.keep.mkdir(parents=True, exist_ok=True)
    found = rows(given)
    rare_C = rare(given)
    print(f"{len(rare_C):,} cases, {int(rare_C.sum())} of them rare\n")
    print(markdown([HEAD, *(line(name, of, rare_C) for name, of in found.items())]))
    print(f"\n{tests(given.systems, found, rare_C)}")


if __name__ == "__main__":
    with refused("contents"):
        main()

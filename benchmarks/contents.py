"""Do pictures and texts help? Each system whole, without its views, and with views that changed hands; its rivals.

    python -m benchmarks.contents movielens --protocol leave_one_out [--rates 1 3] [--processes 4] [key=value …]

reads data/<dataset>/ as `dvc repro` left it. Every row learns until --patience validations brought nothing better, at a
rate that does not fall; with several --rates (times the model's own) validation chooses, for all rows alike. Rows that
ended at --epochs are marked † and enter no test. Test cases are ranked once; rare are those whose target has under
--rare training events. Tests: paired, two-sided, of NDCG@10, Holm over all of the table. Rows are kept in --keep, so
that a run that was stopped goes on; --processes train side by side.
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

from benchmarks.cells import markdown
from benchmarks.every_model import stopping
from benchmarks.variants import measured, some
from engine.measures.ranking import Values, ndcg, recall
from engine.measures.significance import Verdict, bootstrap, holm, t_test
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
RIVALS = ("popularity", "item_knn", "ease", "bpr_mf", "fism", "nais", "gru4rec", "sasrec", "bert4rec")
AGAINST = ("sasrec", "ease", "bpr_mf")  # what each whole system is held against
HEAD = ["row", "HR@10", "NDCG@10", "HR@10 rare", "NDCG@10 rare", "epochs (best)", "rate", "s an epoch", "GiB"]
HEAD += ["parameters"]
Found = dict[str, Any]


def model_of(row: str) -> str:
    """`mahn` of `mahn:views=[]@image=shuffled`."""
    return row.partition("@")[0].partition(":")[0]


def trained(task: tuple[str, float, argparse.Namespace]) -> Found:
    """One row at one rate; `refused` where the data lacks what the model needs."""
    name, rate, given = task
    params = read_yaml(Path("params.yaml"))
    section = params["models"][model_of(name)]
    for assignment in [*stopping(model_of(name), given, section), *given.overrides]:
        override(params, assignment)
    if learns := "train" in section:
        section["train"]["lr"] = rate * section["train"].get("lr", params["train"]["lr"])
    layout, seen = Layout(Path("data", given.dataset), given.protocol), params["protocols"][given.protocol]["seen"]
    try:
        row = measured(name, params, layout, seen, given.keep, given.cases)
    except Lacking as error:
        return {"refused": str(error.args[0])}
    return row | {"rate": f"{rate:g}" if learns else ""}


def rows(given: argparse.Namespace) -> dict[str, Found]:
    """Each row at the rate that validation likes best."""
    sections = read_yaml(Path("params.yaml"))["models"]
    asked = [name for system in given.systems for name in SYSTEMS[system].values()] + given.rivals
    rates = {name: given.rates if "train" in sections[model_of(name)] else given.rates[:1] for name in asked}
    tasks = [(name, rate, given) for name in asked for rate in rates[name]]  # a solver has no rate: it is asked once
    found: dict[str, Found] = {}
    for name, one in each(tasks, given.processes):
        print(f"{name}: {one.get('refused', 'done')}", file=sys.stderr, flush=True)
        if name not in found or one.get("valid", -np.inf) > found[name].get("valid", -np.inf):
            found[name] = one
    return {name: found[name] for name in asked}


def each(tasks: list[tuple[str, float, argparse.Namespace]], processes: int) -> Iterator[tuple[str, Found]]:
    """The rows as they are done."""
    if processes == 1:
        yield from ((task[0], trained(task)) for task in tasks)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(trained, task): task[0] for task in tasks}
        yield from ((running[done], done.result()) for done in as_completed(running))


def rare(given: argparse.Namespace) -> Values:
    """Which test cases have a target with under `given.rare` training events, in the cases' order."""
    data = load(Layout(Path("data", given.dataset), given.protocol), Needs(), "test", "cpu")
    data = some(data, given.cases, read_yaml(Path("params.yaml"))["seed"])
    events_N = np.bincount(data.train.item_E.numpy(), minlength=data.catalog.items + 1)
    chosen: Values = events_N[data.cases.target_C.numpy()] < given.rare
    return chosen


def line(name: str, one: Found, rare_C: Values) -> list[str]:
    """A row of the table."""
    if "refused" in one:
        return [name, one["refused"]]
    place_C, few = np.array(one["place"]), np.array(one["place"])[rare_C]
    read = [f"{measure(at, 10).mean():.4f}" if len(at) else "" for at in (place_C, few) for measure in (recall, ndcg)]
    mark = " †" if one["capped"] else ""
    cost = [f"{one['epochs']} ({one['best']})", one["rate"], f"{one['an_epoch']:.2f}", f"{one['gib']:.2f}"]
    return [name + mark, *read, *cost, f"{one['parameters']:,}"]


def claims(systems: list[str], found: dict[str, Found]) -> Iterator[tuple[str, str, str]]:
    """What is tested: a name, and the two rows."""
    for system in systems:
        forms = SYSTEMS[system]
        rivals = {"without views": forms.get("without", ""), "views that changed hands": forms["shuffled"]}
        rivals |= {rival: rival for rival in AGAINST}
        for said, other in rivals.items():
            both = [found.get(name) for name in (forms["whole"], other)]
            if all(one and "refused" not in one and not one["capped"] for one in both):
                yield f"{system}: {said}", forms["whole"], other


def tests(systems: list[str], found: dict[str, Found], rare_C: Values) -> str:
    """Markdown: each claim over all cases and over the rare ones."""
    head = ["whole against", "difference of NDCG@10", "95 %", "d", "p", "p by Holm", "rare: difference", "rare: p"]
    lines, all_p = [], []
    for said, first, second in claims(systems, found):
        gain_C, other_C = (ndcg(np.array(found[name]["place"]), 10) for name in (first, second))
        verdict, (_, (low, high)) = t_test(gain_C, other_C), bootstrap(gain_C, other_C)
        few = t_test(gain_C[rare_C], other_C[rare_C]) if rare_C.sum() > 1 else Verdict(0.0, 1.0, 0.0, 0)
        all_p.append(verdict.p)
        cells = [said, f"{verdict.difference:+.4f}", f"{low:+.4f} to {high:+.4f}", f"{verdict.effect:+.3f}"]
        lines.append([*cells, f"{verdict.p:.1e}", "", f"{few.difference:+.4f}", f"{few.p:.1e}"])
    for cells, p in zip(lines, holm(all_p), strict=True):
        cells[5] = f"{p:.1e}"
    return markdown([head, *lines])


def main() -> None:
    """Train, rank, test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--protocol", default="leave_one_out")
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS), choices=list(SYSTEMS), metavar="system")
    parser.add_argument("--rivals", nargs="*", default=list(RIVALS), metavar="model")
    parser.add_argument("--rates", nargs="*", type=float, default=[1.0], help="times a model's own learning rate")
    parser.add_argument("--epochs", type=int, default=300, help="at most")
    parser.add_argument("--patience", type=int, default=20, help="validations without a gain that end a run")
    parser.add_argument("--average", type=float, default=0.1, help="share of the steps whose weights are averaged")
    parser.add_argument("--cases", type=int, default=0, help="ranked of validation and of test; 0: all")
    parser.add_argument("--rare", type=int, default=10, help="training events under which an item is rare")
    parser.add_argument("--keep", type=Path, default=Path("build/contents"))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    given = parser.parse_intermixed_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given.keep.mkdir(parents=True, exist_ok=True)
    found = rows(given)
    rare_C = rare(given)
    print(f"{len(rare_C):,} cases, {int(rare_C.sum())} of them rare\n")
    print(markdown([HEAD, *(line(name, one, rare_C) for name, one in found.items())]))
    print(f"\n{tests(given.systems, found, rare_C)}")


if __name__ == "__main__":
    main()

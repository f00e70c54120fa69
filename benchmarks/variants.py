"""Models and variants side by side on one data set: quality, paired tests against the first, cost.

    python -m benchmarks.variants demo ante_rnn ante_rnn:text=mean ante_rnn:context=off gru4rec sasrec popularity

reads data/<dataset>/ as `dvc repro` left it, trains each on `protocol` with the settings of params.yaml and the
overrides behind its colon (comma-separated), ranks the test cases once a seed, and prints a line each as it is done:
means of the --seeds, ± a standard deviation. Every row learns until --patience validations brought nothing better, at a
rate that does not fall; one that ended at --epochs in a seed is marked † and enters no test. Tests: paired, two-sided,
of each case's recall@20 in the mean of the seeds, Holm over all of them. Every variant's ranks are kept in --keep, a
file a seed, under a digest of data and settings (not of the code: empty the folder after a change there), so that a run
that was stopped goes on and several can share the work. --cases ranks so many cases of validation and of test, the same
for all: a model that meets every pair alone takes hours for all. Behind an @ stand views that are knocked out, for
training and test alike: `iris@image=shuffled,text=constant` (vectors change hands among the items that have them, or
all of those get the mean one).
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

import models
from benchmarks.cells import Apart, count, earlier, markdown, refused, section, seen_by
from benchmarks.one_rule import flags, stopping
from benchmarks.paired import HEAD, paired_tests, spread
from engine.evaluation.rank import rank
from engine.evaluation.rate import Errors, rates
from engine.measures.ranking import auc, ndcg, positions, recall
from engine.tables import files, store
from engine.tables.layout import Layout
from engine.tables.params import override, read_yaml
from engine.tables.schemas import CASES, ORACLE
from engine.tables.settings import Choice, checked
from engine.training.cases import Cases
from engine.training.catalog import Catalog
from engine.training.fit import Train, accelerator, fit, peak_gib
from engine.training.source import Data, digest, load

CUTOFFS = (5, 10, 15, 20, 25)
KEPT = "with its best reading"  # what a kept row holds more than those of earlier commits


def measured(name: str, params: dict[str, Any], layout: Layout, had: Any, keep: Path, most: int) -> dict[str, Any]:
    """Train and rank one variant, or take what an earlier run kept of it."""
    name, _, knocks = name.partition("@")
    model_name, _, changes = name.partition(":")
    section(model_name, params)
    for change in filter(None, changes.split(",")):
        setting = change.lstrip("+")
        override(params, f"{change[: len(change) - len(setting)]}models.{model_name}.{setting}")
    choice = Choice(name=model_name, settings=section(model_name, params))
    settings = checked(Train, params["train"] | choice.settings.get("train", {}), "train")
    device, needs = accelerator(params["device"]), models.configure(choice).needs
    made_by = [choice.model_dump_json(), settings.model_dump_json(), str(params["seed"]), had]
    made_by += [*filter(None, [knocks, most and f"{most} cases"]), KEPT]
    file = keep / f"{model_name}-{digest(layout, needs, *made_by)}.json"
    if found := earlier(file, {}):
        return found
    data, test = (some(load(layout, needs, part, device), most) for part in ("valid", "test"))
    torch.manual_seed(params["seed"])
    model = models.build(choice, without(data.catalog, knocks, params["seed"]), data.users).to(device)
    started = time.perf_counter()
    done = fit(model, data.train, lambda: valid(model, data, had), settings, params["seed"], keep / f"{file.stem}.pt")
    row = {
        **tested(model, test, had),
        "epochs": done.epoch,
        "best": done.best_epoch,
        "valid": done.best,
        "capped": done.capped,
        "an_epoch": done.seconds_an_epoch,
        "minutes": (time.perf_counter() - started) / 60,
        "gib": peak_gib(device),
        "parameters": sum(one.numel() for one in model.parameters()),
    }
    files.write_text(json.dumps(row), file)
    return row


def some(data: Data, most: int) -> Data:
    """The same with so many of its cases, which are the same for every model and seed; 0: all."""
    cases = data.cases
    if not most or most >= len(cases):
        return data
    place_C = torch.from_numpy(np.sort(np.random.default_rng(1).permutation(len(cases))[:most]))
    rivals = None if cases.candidate_CK is None else cases.candidate_CK[place_C]
    drawn = Cases(cases.user_C[place_C], cases.position_C[place_C], cases.target_C[place_C], rivals)
    return replace(data, cases=drawn, table=data.table[place_C.numpy()])


def valid(model: Any, data: Data, seen: Any) -> float:
    """What training is steered by: the higher, the better."""
    if rates(model):
        return -Errors.of(model, data.train, data.events, data.part_E).rmse
    counts = rank(model, data.cases, data.events, seen)
    return float(ndcg(positions(counts.greater, counts.ties), 10).mean())


def tested(model: Any, test: Data, seen: Any) -> dict[str, Any]:
    """The readings of the test cases, and the place of each target."""
    counts = rank(model, test.cases, test.events, seen)
    errors = Errors.of(model, test.train, test.events, test.part_E) if rates(model) else None
    return {
        "auc": float(np.nanmean(auc(counts.greater, counts.ties, counts.others))),
        "rmse": None if errors is None else errors.rmse,
        "mae": None if errors is None else errors.mae,
        "place": positions(counts.greater, counts.ties).tolist(),
    }


def without(catalog: Catalog, knocks: str, seed: int) -> Catalog:
    """The catalog with some views knocked out: `image=shuffled,text=constant`, or nothing."""
    for knock in filter(None, knocks.split(",")):
        view, _, how = knock.partition("=")
        if how not in ("shuffled", "constant"):
            raise ValueError(f"@{knock}: a view is knocked out as view=shuffled or view=constant")
        catalog = catalog.knocked(view, how, seed)  # type: ignore[arg-type]
    return catalog


def model_of(row: str) -> str:
    """`mahn` of `mahn:views=[]@image=shuffled`."""
    return row.partition("@")[0].partition(":")[0]


def oracle(layout: Layout) -> float | None:
    """The oracle's recall@20 on the test cases, where there is one and it ranked what the models rank."""
    known, asked = store.read(layout.oracle, ORACLE), store.read(layout.cases, CASES).filter(pl.col("part") == "test")
    test = asked.join(known, on=["user", "position"])
    if not test.height or test["candidates"].count() or not store.meta(layout.split).get("in_order", True):
        return None
    return float(recall(positions(test["greater"].to_numpy(), test["ties"].to_numpy()), 20).mean())


def cells(of: list[dict[str, Any]], best: float | None, against: str) -> str:
    """A row of the table, a dict a seed: measures of the places, errors, cost."""
    places = [np.array(row["place"]) for row in of]
    found = [spread([measure(place, k).mean() for place in places]) for measure in (recall, ndcg) for k in CUTOFFS]
    found += [spread([row[name] for row in of]) if of[0][name] is not None else "" for name in ("auc", "rmse", "mae")]
    found += ["" if best is None else f"{np.mean([recall(place, 20).mean() for place in places]) / best:.3f}"]
    found += [", ".join(f"{row['epochs']} ({row['best']})" for row in of)]
    found += [f"{np.mean([row['an_epoch'] for row in of]):.2f}", f"{max(row['gib'] for row in of):.2f}", against]
    return " | ".join(found)


def head() -> str:
    """The table's first two lines."""
    names = ["variant", *(f"recall@{k}" for k in CUTOFFS), *(f"ndcg@{k}" for k in CUTOFFS), "auc", "rmse", "mae"]
    names += ["of the oracle", "epochs (best)", "s an epoch", "GiB", "against the first"]
    return "| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|"


def learnt(name: str, given: argparse.Namespace, layout: Layout) -> list[dict[str, Any]]:
    """A variant's row of each seed."""
    found, model = [], model_of(name)
    for seed in given.seeds:
        params = read_yaml(Path("params.yaml")) | {"seed": seed}
        for assignment in [*stopping(model, given, section(model, params)), *given.set]:
            override(params, assignment)
        found.append(measured(name, params, layout, seen_by(given.protocol, params), given.keep, given.cases))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("variants", nargs="+", help="model, or model:setting=value,setting=value@view=knock")
    parser.add_argument("--protocol", default="temporal")
    parser.add_argument("--seeds", nargs="+", type=int, action=Apart, default=[1])
    flags(parser)
    parser.add_argument("--keep", type=Path, default=Path(".cache/variants"))
    parser.add_argument("--cases", type=count, default=0, help="ranked of validation and of test; 0: all")
    parser.add_argument("--set", action="append", default=[], metavar="key=value", help="a param for all of them")
    given = parser.parse_args()
    given.keep.mkdir(parents=True, exist_ok=True)
    layout = Layout(Path("data", given.dataset), given.protocol)
    best = oracle(layout)
    print(f"recall@20 of the oracle: {best if best is None else round(best, 4)}\n{head()}", flush=True)
    hits, whole = dict[str, np.ndarray](), dict[str, bool]()
    for name in given.variants:
        of = learnt(name, given, layout)
        hits[name] = np.array([recall(np.array(row["place"]), 20) for row in of])
        whole[name] = not any(row["capped"] for row in of)
        apart = hits[name].mean() - hits[given.variants[0]].mean()
        against = f"{apart:+.4f}" if len(hits) > 1 else ""
        print(f"| {name}{'' if whole[name] else ' †'} | {cells(of, best, against)} |", flush=True)
    first, *others = given.variants
    if named := [name for name in others if whole[first] and whole[name]]:
        lines = paired_tests((hits[name], hits[first]) for name in named)
        table = [[name, *line] for name, line in zip(named, lines, strict=True)]
        print(f"\n{markdown([[f'recall@20 against {first}', *HEAD], *table])}")


if __name__ == "__main__":
    with refused("variants"):
        main()

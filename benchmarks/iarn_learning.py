"""IARN's rating loss learnt as its authors learn it, one thing at a time: what makes it learn on?

    python -m benchmarks.iarn_learning movielens --protocol global_time

reads data/<dataset>/ as `dvc repro` left it. The first row is the papers' cell: Adam, the gradient's norm clipped, a
validation each pass. The others change what the authors do otherwise: they validate every 6,400 pairs, clip each part
of the gradient, go back to the best weights at .4 of the rate after 10 validations without a gain, scale the gate, take
RMSprop, and learn from whole histories, later events included (`leak`). Squared matrices beside the loss are ours. One
rule of stopping for all: --patience times 6,400 pairs that brought nothing better; a row that ended at --passes is
marked and enters no test. Beside them the running bias of params.yaml. Tests: paired over the test's events against the
first row, of squared errors, two-sided, Holm. Rows are kept in --keep under a digest of data and settings (not of the
code).
"""

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import models
from benchmarks.cells import earlier, markdown, refused, section, seen_by
from engine.evaluation.rate import Errors
from engine.measures.significance import holm, t_test
from engine.tables import files
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.settings import Choice
from engine.training.fit import Train, fit
from engine.training.needs import Needs
from engine.training.source import Data, digest, load
from engine.training.steps import Steps
from stages.compare.interval import bounded

OFTEN = 6_400  # pairs between validations of the authors
BAD, BACK = 10, 0.4  # validations without a gain before it goes back, and what is then left of the rate
PRINTED = {"dim": 25, "hidden": 64, "dropout": 0.25}
SCALED = {"scale": 2.0, "summary": 0.25, "activation": "softplus"}
HEAD = ["row", "RMSE", "MAE", "validation RMSE", "best after passes", "ended after", "to the first row", "p by Holm"]
HEAD += ["squared errors: difference", "95 %", "d"]


@dataclass(frozen=True)
class Way:
    """How a row learns."""

    often: bool = True  # validated every 6,400 pairs, or each pass
    element: bool = False  # each part of the gradient clipped at 10, or its norm at 5
    back: bool = False  # to the best weights, at a lower rate
    scaled: bool = False  # the gate, by the authors' numbers and widths
    rms: bool = False  # RMSprop, or Adam
    leak: bool = False  # whole histories
    decay: float = 0.0  # weight of squared matrices

    @property
    def settings(self) -> dict[str, Any]:
        """Of the model."""
        readings = (SCALED if self.scaled else {}) | ({"leak": True} if self.leak else {})
        return PRINTED | ({"inner": 256} if self.scaled else {}) | ({"readings": readings} if readings else {})


ALL = {"element": True, "back": True, "scaled": True, "rms": True}
WAYS = {
    "printed": Way(often=False),
    "validated every 6,400 pairs": Way(),
    "and clipped by element": Way(element=True),
    "and going back": Way(back=True),
    "and scaled": Way(scaled=True),
    "and RMSprop": Way(rms=True),
    "all of these": Way(**ALL),
    "all of these, leak": Way(**ALL, leak=True),
    "squared matrices .001": Way(decay=0.001),
    "all of these, squared matrices .001": Way(**ALL, decay=0.001),
}


class Run:
    """A row in training."""

    def __init__(self, way: Way, data: Data, given: argparse.Namespace):
        self.way, self.data, self.given = way, data, given
        torch.manual_seed(given.seed)
        choice = Choice(name="iarn", settings=way.settings)
        self.model: Any = models.build(choice, data.catalog, data.users)
        matrices = [one for one in self.model.parameters() if one.ndim > 1]
        others = [one for one in self.model.parameters() if one.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": 2 * way.decay}, {"params": others, "weight_decay": 0.0}]
        known = {"lr": given.lr, "alpha": 0.95} if way.rms else {"lr": given.lr}
        self.optimizer = (torch.optim.RMSprop if way.rms else torch.optim.Adam)(groups, **known)
        self.best, self.best_at, self.bad, self.seen = math.inf, 0, 0, 0
        self.kept: dict[str, Any] = {}
        self.curve: list[float] = []  # what each validation found

    def learn(self) -> bool:
        """Until nothing better comes; whether it ended at its cap instead."""
        steps, pairs = Steps(self.data.train, self.model.needs, self.given.batch), len(self.data.train)
        due = every = OFTEN if self.way.often else pairs
        for number in range(1, self.given.passes + 1):
            generator = torch.Generator().manual_seed(self.given.seed * 1_000_003 + number)
            for batch, _ in steps.epoch(generator):
                self._step(batch)
                if self.seen >= due:
                    due += every
                    self._validate(number)
                    if self.seen - self.best_at >= self.given.patience * OFTEN:
                        return False
        return True

    def _step(self, batch: Any) -> None:
        self.model.train()
        self.model.loss(batch).backward()
        if self.way.element:
            torch.nn.utils.clip_grad_value_(self.model.parameters(), 10.0)
        else:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.seen += len(batch.target_BL)

    def _validate(self, number: int) -> None:
        value = Errors.of(self.model, self.data.train, self.data.events, self.data.part_E).rmse
        self.curve.append(value)
        if value < self.best:
            self.best, self.best_at, self.bad = value, self.seen, 0
            self.kept = {name: one.clone() for name, one in self.model.state_dict().items()}
            return
        self.bad += 1
        if self.way.back and self.bad % BAD == 0:
            self.model.load_state_dict(self.kept)
            for group in self.optimizer.param_groups:
                group["lr"] *= BACK
            print(f"pass {number}: back to {self.best:.4f}, rate {group['lr']:.1g}", file=sys.stderr, flush=True)


def lies(way: Way, layout: Layout, given: argparse.Namespace, *more: str) -> tuple[Path, Needs]:
    """Where a row is kept, and what it reads."""
    needs = models.configure(Choice(name="iarn", settings=way.settings)).needs
    made_by = (str(one) for one in (given.seed, given.lr, given.batch, given.patience, given.passes))
    return given.keep / f"{digest(layout, needs, json.dumps(asdict(way)), *made_by, *more)}.json", needs


def learnt(name: str, layout: Layout, given: argparse.Namespace) -> dict[str, Any]:
    """A row, made or kept."""
    file, needs = lies(WAYS[name], layout, given)
    if found := earlier(file, {}):
        return found
    run = Run(WAYS[name], load(layout, needs, "valid", "cpu"), given)
    capped, pairs = run.learn(), len(run.data.train)
    run.model.load_state_dict(run.kept)
    read = tested(run.model, layout) | {"valid": run.best, "best": run.best_at / pairs, "ended": run.seen / pairs}
    files.write_text(json.dumps(read | {"capped": capped}), file)
    return read | {"capped": capped}


def tested(model: Any, layout: Layout) -> dict[str, Any]:
    """The errors over the test's events."""
    data = load(layout, model.needs, "test", "cpu")
    errors = Errors.of(model, data.train, data.events, data.part_E)
    return {"squared": errors.squared_E.tolist(), "mae": errors.mae}


def running_bias(layout: Layout, given: argparse.Namespace) -> dict[str, Any]:
    """The mean of all, an item's and a person's own so far, chosen on validation."""
    choice = Choice(name="biases", settings=section("biases", read_yaml(Path("params.yaml"))) | {"person": "history"})
    data = load(layout, models.configure(choice).needs, "valid", "cpu")
    model: Any = models.build(choice, data.catalog, data.users)

    def reading() -> float:
        return -Errors.of(model, data.train, data.events, data.part_E).rmse

    done = fit(model, data.train, reading, Train(epochs=1), given.seed, given.keep / "biases.pt")
    return tested(model, layout) | {"valid": -done.best, "best": math.nan, "ended": math.nan, "capped": False}


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown: a line a row, tested against the first."""
    first = next(iter(found))
    squared = {name: np.array(row["squared"]) for name, row in found.items()}
    whole = [name for name, row in found.items() if not (row["capped"] or found[first]["capped"])]
    verdicts = {
        name: bounded(t_test(squared[name], squared[first]), squared[name], squared[first])
        for name in whole
        if name != first
    }
    p = dict(zip(verdicts, holm([one.p for one in verdicts.values()]), strict=True))
    lines = [HEAD]
    for name, row in found.items():
        rmse = math.sqrt(squared[name].mean())
        passes = ["" if math.isnan(row[key]) else f"{row[key]:.2f}" for key in ("best", "ended")]
        apart = f"{rmse - math.sqrt(squared[first].mean()):+.4f}" if name != first else ""
        read = [f"{one:.4f}" for one in (rmse, row["mae"], row["valid"])]
        tested = []
        if one := verdicts.get(name):
            tested = [f"{p[name]:.1g}", f"{one.difference:+.4f}", one.interval, f"{one.effect:+.3f}"]
        lines.append([name + " †" * row["capped"], *read, *passes, apart, *tested])
    return markdown(lines)


def asked(about: str | None, rows: list[str], default: list[str], keep: Path) -> tuple[argparse.Namespace, Layout]:
    """The command's words, and where its data lies."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--protocol", default="global_time")
    parser.add_argument("--rows", nargs="+", default=default, choices=rows, metavar="row")
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--batch", type=int, default=50, help="pairs a step")
    parser.add_argument("--patience", type=int, default=30, help="times 6,400 pairs")
    parser.add_argument("--passes", type=int, default=60, help="over the training ratings, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=keep)
    given = parser.parse_args()
    seen_by(given.protocol, read_yaml(Path("params.yaml")))
    given.keep.mkdir(parents=True, exist_ok=True)
    return given, Layout(Path("data", given.dataset), given.protocol)


def main() -> None:
    """Learn, test, print."""
    given, layout = asked(__doc__, list(WAYS), list(WAYS), Path("build/iarn_learning"))
    found: dict[str, dict[str, Any]] = {}
    for name in given.rows:
        found[name] = learnt(name, layout, given)
        print(f"{name}: validation RMSE {found[name]['valid']:.4f}", file=sys.stderr, flush=True)
    print(table(found | {"running bias": running_bias(layout, given)}))


if __name__ == "__main__":
    with refused("iarn_learning"):
        main()

"""How often what is said to matter most is a true cause, by every way of saying it, and what saying it costs.

    python -m benchmarks.influence data/demo --protocol temporal ante_rnn sasrec gru4rec

reads a made world with its truth as `dvc repro` left it. Each model is trained with the settings of params.yaml, once:
its weights are kept in .cache/influence by the digest of all that made them; `--weights model=path` takes others. The
act that came next in --cases test cases, drawn by the seed, is explained from the history before it: by the newest act,
by the model's own weights of each kind, by leaving each act out, and by gradient × input, the derivative of the
log-probability by presence. A case counts where there is something to find: some of its acts are true causes and some
are not. Words and regions are those of the acts that are true causes; leaving each of them out is tried in --inside of
the cases, evenly spread. ± is half of a 95 % interval, in which the cases of a person are one draw. Times are of the
processor.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

import models
from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.influence import all_present, influence, log_probability
from engine.measures import faithfulness
from engine.tables import store
from engine.tables.arrays import case_columns
from engine.tables.files import cache
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.schemas import REGIONS, TRUTH, WORDS
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.contract import CatalogScorer, Explainer, Recommender, Weights
from engine.training.fit import accelerator
from engine.training.source import Data, digest, load
from stages import train
from stages.explain.known_causes import KnownCauses
from stages.explain.reasons import positions_of

ROWS = 64  # cases explained at once
SLOPE, OUT = "gradient × input", "leaving each out"
WAYS = ("chance", "newest", "own share", "own signed", OUT, SLOPE)

COSTS = {"score": "score", "own weights": "own", f"{SLOPE}, acts": SLOPE, f"{SLOPE}, all": "all", f"{OUT}, acts": OUT}

Answer = TypeVar("Answer")


@dataclass
class Found:
    """(user, hit) of each case by what is weighed and by which way; processor seconds and cases by way."""

    hits: dict[tuple[str, str], list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cases: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def note(self, over: str, user: int, ways: dict[str, Any], true_P: np.ndarray, valid_P: np.ndarray) -> None:
        """A case's hit by each way, where there is something to find."""
        chance = faithfulness.chance(true_P[None], valid_P[None])[0]
        if np.isnan(chance):
            return
        self.hits[over, "chance"].append((user, float(chance)))
        for way, value_P in ways.items():
            hit = faithfulness.found(np.asarray(value_P, float)[None], true_P[None], valid_P[None])[0]
            self.hits[over, way].append((user, float(hit)))

    def timed(self, way: str, rows: int, ask: Callable[..., Answer], *of: Any) -> Answer:
        """What was asked, its time noted."""
        started = time.process_time()
        answer = ask(*of)
        self.seconds[way] += time.process_time() - started
        self.cases[way] += rows
        return answer

    def cell(self, over: str, way: str) -> str:
        """The mean and half of its 95 % interval."""
        if (over, way) not in self.hits:
            return "–"
        users, hits = np.array(self.hits[over, way]).T
        apart = np.bincount(np.unique(users, return_inverse=True)[1], weights=hits - hits.mean())
        return f"{hits.mean():.3f} ± {1.96 * np.sqrt((apart**2).sum()) / len(hits):.3f}"


def restored(name: str, layout: Layout, params: dict[str, Any], weights: str | None) -> tuple[Recommender, Data]:
    """The model with the weights that are given, or those that training left, and the test cases."""
    section = {"model": Choice(name=name, settings=params["models"][name])}
    section["seen"] = params["protocols"][layout.protocol]["seen"]
    asked = train.Params(**section, **{key: params[key] for key in ("train", "device", "seed")})
    needs = models.configure(asked.model).needs
    mark = digest(layout, needs, asked.model_dump_json(), torch.__version__)
    kept = replace(layout, results=cache("influence") / f"{name}-{mark}")
    if weights is None and not kept.weights.exists():
        train.main(asked, kept)
    device = accelerator(params["device"])
    data = load(layout, needs, "test", device)
    path = kept.weights if weights is None else Path(weights)
    return models.restore(asked.model, data.catalog, data.users, path, device), data


@torch.no_grad()
def effects(
    model: Recommender, batch: Batch, item_B: Tensor, row_X: Tensor, changed: Callable[[Batch, Tensor], Batch]
) -> np.ndarray:
    """What each of X changes, of row_X, takes from the log-probability: `changed` makes the rows of some of them."""
    whole_B, found = log_probability(model, batch, item_B), [torch.zeros(0, dtype=torch.double)]
    for some_X in torch.split(torch.arange(len(row_X), device=row_X.device), 4 * ROWS):
        row_R = row_X[some_X]
        other_R = log_probability(model, changed(select_rows(batch, row_R), some_X), item_B[row_R])
        found.append((whole_B[row_R] - other_R).double().cpu())
    return torch.cat(found).numpy()


def acts(model: Recommender, batch: Batch, item_B: Tensor, found: Found) -> dict[str, np.ndarray]:
    """The weights of the history's acts [B, L] by way."""
    row_X, place_X = batch.valid_BL.nonzero().unbind(1)

    def changed(rows: Batch, some_X: Tensor) -> Batch:
        gone_RL = torch.zeros_like(rows.valid_BL).scatter(1, place_X[some_X, None], True)
        return erase_events(rows, gone_RL)

    ways = {way: np.zeros(batch.item_BL.shape) for way in (OUT, "newest")}
    ways["newest"] += np.arange(batch.item_BL.shape[1])
    effect_X = found.timed(OUT, len(item_B), effects, model, batch, item_B, row_X, changed)
    ways[OUT][_array(row_X), _array(place_X)] = effect_X
    return ways


def parts(model: Recommender, batch: Batch, item_B: Tensor, one: Weights, true_BL: np.ndarray) -> np.ndarray:
    """What leaving each word, or region, of the true acts out takes [B, L, P]."""
    view = {"word": "words", "region": "regions"}[one.over]
    row_X, place_X, part_X = (one.valid & torch.from_numpy(true_BL).to(one.valid.device)[..., None]).nonzero().unbind(1)

    def changed(rows: Batch, some_X: Tensor) -> Batch:
        ones_RLP = one.value.detach().new_ones(len(some_X), *one.value.shape[1:])
        ones_RLP[torch.arange(len(some_X)), place_X[some_X], part_X[some_X]] = 0
        return rows.but(part_presence={view: ones_RLP})

    found_BLP = np.zeros(one.value.shape)
    found_BLP[_array(row_X), _array(place_X), _array(part_X)] = effects(model, batch, item_B, row_X, changed)
    return found_BLP


def true_parts(
    one: Weights, batch: Batch, position_BL: np.ndarray, true_BL: np.ndarray, causes: KnownCauses
) -> np.ndarray:
    """Which words, or regions, of the true acts made the person act on them [B, L, P]."""
    of_item = causes.true_words if one.over == "word" else causes.true_regions
    found_BLP = np.zeros(one.value.shape, dtype=bool)
    for at in zip(*true_BL.nonzero(), strict=True):
        true_P = of_item(int(batch.user_B[at[0]]), int(position_BL[at]), int(batch.item_BL[at]))[: one.value.shape[2]]
        found_BLP[at][: len(true_P)] = true_P
    return found_BLP


def explained(model: Recommender, data: Data, cases: Cases, causes: KnownCauses, inside: int) -> Found:
    """The hits of every way over some cases."""
    found = Found()
    for first in range(0, len(cases), ROWS):
        user_B, position_B, item_B = (c[first : first + ROWS] for c in (cases.user_C, cases.position_C, cases.target_C))
        batch, count = data.events.before(user_B, position_B, model.needs), len(item_B)
        item_BL, valid_BL = _array(batch.item_BL), _array(batch.valid_BL)
        asked = list(zip(user_B.tolist(), position_B.tolist(), strict=True))
        true_BL = np.stack([np.isin(item_BL[row], causes.earlier(*of)) for row, of in enumerate(asked)]) & valid_BL
        with torch.no_grad():
            found.timed("score", count, log_probability, model, batch, item_B)
            own = found.timed("own", count, model.explain, batch, item_B) if isinstance(model, Explainer) else []
        found.timed(SLOPE, count, influence, model, batch, item_B, data.catalog, ("history",))
        slopes = found.timed("all", count, influence, model, batch, item_B, data.catalog)
        said = [(SLOPE, w) for w in slopes] + [(f"own {w.kind}", w) for w in own]
        ways = acts(model, batch, item_B, found) | {way: _weights(w) for way, w in said if w.over == "history"}
        for row, (user, _) in enumerate(asked):
            found.note("history", user, {way: value[row] for way, value in ways.items()}, true_BL[row], valid_BL[row])
        position_BL = _array(positions_of(data.events, batch))
        every = max(len(cases) // max(inside, 1), 1)
        left_out_B = (np.arange(first, first + count) % every == 0) & (inside > 0)
        for one in all_present(model, batch, item_B, data.catalog):
            if one.over in ("word", "region"):
                true_BLP = true_parts(one, batch, position_BL, true_BL, causes)
                ways = {way: _weights(w) for way, w in said if w.over == one.over and w.value.ndim == 3}
                clear_BL = (true_BLP & _array(one.valid)).any(2) & (~true_BLP & _array(one.valid)).any(2)
                effect_BLP = parts(model, batch, item_B, one, clear_BL & left_out_B[:, None])
                for row, place in zip(*clear_BL.nonzero(), strict=True):
                    values = {way: value[row, place] for way, value in ways.items()}
                    values |= {OUT: effect_BLP[row, place]} if left_out_B[row] else {}
                    found.note(one.over, asked[row][0], values, true_BLP[row, place], _array(one.valid[row, place]))
    return found


def _weights(reason: Weights) -> np.ndarray:
    return _array(reason.value.detach().double().masked_fill(~reason.valid, -torch.inf))


def _array(value: Tensor) -> np.ndarray:
    return value.cpu().numpy()


def rows(name: str, found: Found) -> Iterator[list[str]]:
    """The model's lines of the table."""
    for over in ("history", "word", "region"):
        if (over, "chance") in found.hits:
            yield [name, over, f"{len(found.hits[over, 'chance']):,}", *(found.cell(over, way) for way in WAYS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--protocol", required=True)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--weights", action="append", default=[], metavar="model=path")
    parser.add_argument("--cases", type=int, default=1600)
    parser.add_argument("--inside", type=int, default=128)
    given = parser.parse_args()
    layout, params = Layout(given.data, given.protocol), read_yaml(Path("params.yaml"))
    paths = dict(pair.split("=", 1) for pair in given.weights)
    tables = ((layout.truth, TRUTH), (layout.words, WORDS), (layout.regions, REGIONS))
    causes = KnownCauses.of(*(store.read(path, schema) for path, schema in tables))
    table = [["model", "of", "cases", *WAYS]]
    costs = [["milliseconds a case", *COSTS]]
    for name in given.models:
        model, data = restored(name, layout, params, paths.get(name))
        if not model.needs.length or not isinstance(model, CatalogScorer):
            table.append([name, "reads no history" if not model.needs.length else "scores no whole catalog"])
        else:
            drawn = np.sort(np.random.default_rng(params["seed"]).permutation(data.table.height)[: given.cases])
            cases = Cases.of(case_columns(data.table[drawn.tolist()]), data.events.item_E.device.type)
            found = explained(model, data, cases, causes, given.inside)
            table += rows(name, found)
            spent = [1000 * found.seconds[way] / max(found.cases[way], 1) for way in COSTS.values()]
            costs.append([name, *(f"{each:.2f}" if each else "–" for each in spent)])
        print("\n".join([*_markdown(table), "", *_markdown(costs)]), flush=True)


def _markdown(table: list[list[str]]) -> list[str]:
    width = len(table[0])
    return [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in (table[0], ["---"] * width, *table[1:])]


if __name__ == "__main__":
    main()

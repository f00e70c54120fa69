"""Which readings of a model's reasons find true causes, which stand up to erasure, and what each costs.

    python -m benchmarks.reasons data/demo --protocol temporal ante_rnn sasrec gru4rec [key=value …]

Each model is trained with the settings of params.yaml and the overrides, once: its weights are kept in .cache/reasons
by the digest of all that made them; `--results model=folder` takes others. More than one folder of a model, or --seeds,
which trains it again, tells how its reasons hold over seeds. A model that reads no history, or lacks something here,
says so. Three tables follow.

Causes, where the data is a made world with its truth: the act that came next in --causes test cases, drawn by the
seed, is explained from the history before it, and counted is how often what weighs most is a true cause. Words and
regions, and which view it was for, are those of the acts that are true causes, by the readings that cost little there,
topics those of the profile; words and regions of --inside cases are asked by the others too. A star: better than
chance, than the newest act and than the model's own weights, by paired tests over people with Holm's correction, each
where there is one; the line below has p of the leading reading against the others.
± is half of a 95 % interval, in which the cases of a person are one draw.

Claims: the item that the model puts first in --cases test cases, and the acts before it; words, regions, views and
topics, the item's own parts, and what others did to it, in half as many; parts left out one by one in fewer. Of a
model of ratings how far the rating of what came next moves: docs/explanations.md.

Cost: processor milliseconds a case.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

import models
from benchmarks.cells import Apart, markdown, refused, section, seen_by
from engine.evaluation.audience_erasure import examine_audience
from engine.evaluation.claims import RankingTests, examine
from engine.evaluation.history_erasure import best_items
from engine.evaluation.influence import VIEWS
from engine.evaluation.item_erasure import examine_item
from engine.evaluation.part_erasure import examine_left_out, examine_parts
from engine.evaluation.question import Question, log_probability
from engine.evaluation.readings import ACTS_ALONE, INSIDE, LEADING, READINGS, Reading, rankings, read
from engine.measures import faithfulness
from engine.tables import store
from engine.tables.files import cache
from engine.tables.lacking import Lacking
from engine.tables.layout import Layout
from engine.tables.params import override, read_yaml
from engine.tables.schemas import REGIONS, TOPIC_WORDS, TRUTH, WORDS
from engine.tables.settings import Choice
from engine.training.cases import Cases, Seen
from engine.training.contract import CatalogScorer, Explainer, Recommender
from engine.training.fit import accelerator
from engine.training.source import Data, digest, load
from engine.training.trained_on import trained_on
from stages import train
from stages.explain.cause_hits import cause_hits, every_item
from stages.explain.claims import LEFT_OUT, OF_ITEM, SECTIONS, against, fewer, means, says_nothing
from stages.explain.faithfulness_metrics import asked_over, drawn_cases
from stages.explain.hits import Hits, is_rival
from stages.explain.known_causes import KnownCauses

ROWS = 64
SHOWN = ("chance", "newest", "own_share", "own_signed", "own_gate", *READINGS)
MEASURES = ("comprehensiveness", "sufficiency", "rank", "necessity", "sufficiency_of_few", "deciding", "silenced")
MEASURES += (
    "another",
    "others_in_the_mean",
    "mean_item",
    "renormalised",
    "untold",
    "redrawn",
    "nearby",
    "gini",
    "entropy",
)


def known_causes(layout: Layout) -> KnownCauses:
    """Those of a made world; topics are read there alone."""
    tables = [(layout.truth, TRUTH), (layout.words, WORDS), (layout.regions, REGIONS)]
    truth, *others = (store.read(path, schema) for path, schema in tables)
    none = pl.DataFrame(schema=dict(TOPIC_WORDS.columns))
    return KnownCauses.of(truth, *others, store.read(layout.topic_words, TOPIC_WORDS) if truth.height else none)


def restored(name: str, layout: Layout, params: dict[str, Any], results: str | None) -> tuple[Recommender, Data]:
    """The model with the weights that are given, or those that training left, and the test cases."""
    chosen = {"model": Choice(name=name, settings=section(name, params)), "seen": seen_by(layout.protocol, params)}
    asked = train.Params(**chosen, **{key: params[key] for key in ("train", "device", "seed")})
    needs = models.configure(asked.model).needs
    mark = digest(layout, needs, asked.model_dump_json(), torch.__version__, models.code(name))
    kept = replace(layout, results=cache("reasons") / f"{name}-{mark}")
    if results is None and not kept.weights.exists():
        train.main(asked, kept)
    device = accelerator(params["device"])
    data = load(layout, needs, "test", device)
    found = kept if results is None else replace(layout, results=Path(results))
    about = trained_on(layout, needs)
    return models.restore(asked.model, data.catalog, data.users, found.weights, about, device), data


def blocks(data: Data, cases: Cases, model: Recommender) -> Iterator[tuple[Cases, Question]]:
    """Some cases at a time, and why what came next did."""
    for first in range(0, len(cases), ROWS):
        user_B, position_B, target_B = (
            value[first : first + ROWS] for value in (cases.user_C, cases.position_C, cases.target_C)
        )
        among = None if isinstance(model, CatalogScorer) else every_item(data, len(user_B))
        batch = data.events.before(user_B, position_B, model.needs)
        yield Cases(user_B, position_B, target_B), Question(model, batch, target_B, data.catalog, among)


def hits_rows(name: str, hits: Hits, seed: int) -> Iterator[list[str]]:
    """The model's lines of the table of causes."""
    for over, names in hits.table().items():
        better = hits.tests(over, seed)

        def cell(one: str, names: Any = names, better: Any = better) -> str:
            if one not in names:
                return "–"
            mean, half, _ = names[one]
            rivals = [other for first, other in better if first == one and is_rival(other)]
            won = rivals and all(better[one, r] < 0.05 and mean > names[r][0] for r in rivals)
            return f"{mean:.3f} ± {half:.3f}{' *' if won else ''}"

        yield [name, over, f"{names['chance'][2]:,}", *(cell(one) for one in SHOWN)]


def leading_rows(name: str, hits: Hits, seed: int) -> Iterator[list[str]]:
    """p of the leading reading against each other one."""
    for over in hits.found:
        p = {other: p for (one, other), p in hits.tests(over, seed).items() if one == LEADING and not is_rival(other)}
        if p:
            yield [name, f"{over}, p", "", *(f"{p[one]:.2g}" if one in p else "–" for one in SHOWN)]


def claims_rows(name: str, of: str, tests: RankingTests, seeds: dict[str, float], seed: int) -> Iterator[list[str]]:
    """The model's lines of the table of claims about acts, words or regions."""
    p = against(tests, seed)
    mean = {one: means(tests, one) for one in tests.found}
    for one, found in mean.items():
        rivals = {other: value for (first, other), value in p.items() if first == one}
        higher = {r for r in rivals if found["comprehensiveness"] > mean[r]["comprehensiveness"]}
        beats = [other for other, value in rivals.items() if value < 0.05 and other in higher]
        p_of = {f"p_{other}": value for other, value in rivals.items()}
        nothing = says_nothing(found | p_of, mean["random"]["comprehensiveness"])
        cells = [f"{found[measure]:.3f}" if measure in found else "–" for measure in MEASURES]
        over_seeds = f"{seeds[one]:.3f}" if one in seeds else "–"
        yield [name, of, one, *cells, over_seeds, ", ".join(beats) or "–", "nothing" if nothing else ""]


@torch.no_grad()
def over_seeds(
    some: list[Recommender], data: Data, cases: Cases, readings: tuple[Reading, ...], seen: Seen
) -> dict[str, float]:
    """Spearman's correlation of each ranking between models of other seeds, in the mean over cases and pairs."""
    found: dict[str, list[float]] = {}
    for part, asked in blocks(data, cases, some[0]) if len(some) > 1 else ():
        item_B = best_items(some[0], data.events, part, 1, seen)[0][:, 0].clamp(min=1)
        by_model = []
        for model in some:
            own = model.explain(asked.batch, item_B) if isinstance(model, Explainer) else []
            question = replace(asked, model=model, item_B=item_B)
            by_model.append(rankings(question, own, readings, lambda there: torch.rand(there.shape)))
        valid_BL = asked.batch.valid_BL.cpu().numpy()
        for name in by_model[0]:
            for one, other in combinations(by_model, 2):
                found.setdefault(name, []).extend(
                    faithfulness.steadiness(one[name].cpu().numpy(), other[name].cpu().numpy(), valid_BL)
                )
    return {name: float(np.nanmean(values)) for name, values in found.items()}


def costs(model: Recommender, data: Data, cases: Cases, readings: tuple[Reading, ...]) -> list[str]:
    """Processor milliseconds a case: a score, own weights, each reading over acts, some inside, gradient over all."""
    ways: dict[str, Callable[[Question], Any]] = {"score": _score, "own weights": _own}
    ways |= {f"{r}, acts": lambda asked, r=r: read(asked, r, ("history",)) for r in readings}
    ways |= {f"{r}, words and regions": lambda asked, r=r: read(asked, r, tuple(VIEWS)) for r in INSIDE}
    ways["gradient, all"] = lambda asked: read(asked, "gradient")
    spent = dict.fromkeys(ways, 0.0)
    for _, asked in blocks(data, cases, model):
        for name, way in ways.items():
            started = time.process_time()
            way(asked)
            spent[name] += time.process_time() - started
    return [f"{1000 * seconds / len(cases):.2f}" for seconds in spent.values()]


@torch.no_grad()
def _score(asked: Question) -> Tensor:
    return log_probability(asked.model, asked.batch, asked.item_B, asked.among_BK)


@torch.no_grad()
def _own(asked: Question) -> object:
    return asked.model.explain(asked.batch, asked.item_B) if isinstance(asked.model, Explainer) else None


def all_claims(
    name: str, some: list[tuple[Recommender, Data]], given: argparse.Namespace, seen: Seen, seed: int
) -> Iterator[list[str]]:
    """The model's lines of the table of claims: of acts, with how they hold over seeds, then of words and regions."""
    (model, where), readings = some[0], tuple(given.readings)
    probed, world = drawn_cases(where, given.cases, seed), (where.events, where.catalog)
    tests = examine(model, world, probed, seen, readings, seed)
    if tests is not None:
        steady = over_seeds([one for one, _ in some], where, probed, readings, seen)
        yield from claims_rows(name, "acts", tests, steady, seed)
    half = drawn_cases(where, -(-given.cases // 2), seed)
    few, inside = fewer(half), (seen, readings)
    found = [(called, examine_parts(model, world, half, *inside, over, seed)) for over, called in SECTIONS.items()]
    found += [(called, examine_left_out(model, world, few, *inside, over, seed)) for over, called in LEFT_OUT.items()]
    found += [(called, examine_item(model, world, half, seen, over, seed)) for over, called in OF_ITEM.items()]
    found.append(("item_history", examine_audience(model, world, half, *inside, seed)))
    for called, parts in found:
        if parts is not None:
            yield from claims_rows(name, called.replace("_", " "), parts, {}, seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--protocol", required=True)
    parser.add_argument("models", nargs="+", metavar="model or key=value")
    parser.add_argument("--results", action="append", default=[], metavar="model=folder")
    parser.add_argument("--causes", type=int, default=1600, help="cases held against known causes")
    parser.add_argument("--inside", type=int, default=400, help="of these, where what costs much is asked inside acts")
    parser.add_argument("--cases", type=int, default=200, help="cases whose rankings are tested by erasing")
    parser.add_argument("--seeds", type=int, nargs="+", action=Apart, default=[], help="to train it with again")
    parser.add_argument("--readings", nargs="+", choices=READINGS, default=["gradient", "integrated", "leave_one_out"])
    given = parser.parse_intermixed_args()
    if unlike := [pair for pair in given.results if "=" not in pair]:
        parser.error(f"argument --results: model=folder, found {unlike[0]}")
    given.overrides = [word for word in given.models if "=" in word]
    given.models = [word for word in given.models if "=" not in word]
    return given


def written(table: list[list[str]]) -> str:
    """In Markdown, without columns in which nothing was found."""
    filled = [place for place, cells in enumerate(zip(*table, strict=True)) if {*cells[1:]} - {"–", ""}]
    return markdown([[line[place] for place in filled] for line in table])


def learnt(
    name: str, given: argparse.Namespace, layout: Layout, params: dict[str, Any]
) -> list[tuple[Recommender, Data]] | str:
    """The model with each of its weights and of the other seeds, and the test cases; or why there is nothing to ask."""
    needs = models.configure(Choice(name=name, settings=section(name, params))).needs
    if not needs.length and not needs.views:
        return "reads no history"
    paths = [path for which, path in (pair.split("=", 1) for pair in given.results) if which == name] or [None]
    runs = [(params, path) for path in paths] + [(params | {"seed": other}, None) for other in given.seeds]
    try:
        return [restored(name, layout, how, path) for how, path in runs]
    except Lacking as error:
        return f"cannot be had: {error.args[0]}"


def main() -> None:
    """The tables, printed again after each model."""
    given = _arguments()
    layout, params = Layout(given.data, given.protocol), read_yaml(Path("params.yaml"))
    for assignment in given.overrides:
        override(params, assignment)
    causes = known_causes(layout)
    seed, seen, readings = params["seed"], seen_by(given.protocol, params), tuple(given.readings)
    costly = tuple(one for one in readings if one not in (*INSIDE, *ACTS_ALONE))
    cause_table = [["model", "of", "cases", *SHOWN]]
    claim_table = [["model", "of", "ranking", *MEASURES, "seeds", "beats", "says"]]
    inside = [f"{r}, words and regions" for r in INSIDE]
    cost_table = [["ms a case", "score", "own weights", *(f"{r}, acts" for r in readings), *inside, "gradient, all"]]
    blank = [""] * (len(claim_table[0]) - 2)

    def told() -> None:
        filled = (table for table in (cause_table, claim_table, cost_table) if len(table) > 1)
        print("\n\n".join(map(written, filled)), flush=True)

    for name in given.models:
        some = learnt(name, given, layout, params)
        if isinstance(some, str):
            claim_table.append([name, some, *blank])
            told()
            continue
        model, where = some[0]
        hits = cause_hits(model, where, drawn_cases(where, given.causes, seed), causes, asked_over(readings))
        cause_table += [*hits_rows(name, hits, seed), *leading_rows(name, hits, seed)]
        if costly and {"words", "regions"} & model.needs.views and causes.by_event and given.inside:
            few = drawn_cases(where, given.inside, seed)
            within = cause_hits(model, where, few, causes, dict.fromkeys((*INSIDE, *costly), tuple(VIEWS)))
            for over in set(within.found) - set(VIEWS):
                del within.found[over]
            cause_table += [*hits_rows(name, within, seed), *leading_rows(name, within, seed)]
        claim_table += all_claims(name, some, given, seen, seed)
        if model.needs.length:
            cost_table.append([name, *costs(model, where, drawn_cases(where, 2 * ROWS, seed), readings)])
        told()


if __name__ == "__main__":
    with refused("reasons"):
        main()

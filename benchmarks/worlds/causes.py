"""Which readings of a model find the acts that its world made the next act of: how often what weighs most is one.

    python -m benchmarks.worlds.causes [mahn min_net iris iarn] [--seeds 1 2 3] [--cases 1600]

The system of each world, and its rivals that read histories, learn as in `benchmarks.worlds`. The act that came next
is explained in --cases test cases a seed, from the acts that the model reads of those before it. A case counts where
some of these are causes and some are not. Of ratings the size of a weight counts, as a low one speaks too. A star:
better than chance, than the newest act and than the model's own weights, by paired tests over people with Holm's
correction, each where there is one; ± is half of a 95 % interval in which the cases of a person are one draw.
"""

import argparse
import logging
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from benchmarks.cells import Apart, markdown
from benchmarks.reasons import SHOWN, hits_rows
from benchmarks.worlds.__main__ import WORLDS
from benchmarks.worlds.made import Made, Numbers, Part, Row
from benchmarks.worlds.trial import learnt
from engine.evaluation.question import Question
from engine.evaluation.rate import rates
from engine.evaluation.readings import READINGS, Reading, rankings
from engine.training.cases import Cases
from engine.training.contract import CatalogScorer, Explainer, Recommender
from stages.explain.hits import Hits
from stages.explain.reasons import positions_of

RIVALS = ("gru4rec", "sasrec", "fism", "LSTM")
ROWS = 64


def best(world: Made, row: Row, seed: int, learning: Sequence[float]) -> Recommender:
    """The row's model at the rate that validation likes best."""
    tried = [learnt(world, row, seed, rate) for rate in learning]
    return max(tried, key=lambda one: one[1].best)[0]


def drawn(cases: Cases, count: int, seed: int) -> Cases:
    """Some of the cases, drawn by the seed, in order."""
    chosen = np.random.default_rng(seed).permutation(len(cases))[:count]
    chosen_C = torch.from_numpy(np.sort(chosen))
    return Cases(cases.user_C[chosen_C], cases.position_C[chosen_C], cases.target_C[chosen_C])


def weighed(model: Recommender, question: Question, readings: Sequence[Reading]) -> Iterator[tuple[str, Numbers]]:
    """Every ranking of the acts by name, but the random one."""
    own = model.explain(question.batch, question.item_B) if isinstance(model, Explainer) else []
    found = rankings(question, own, readings, torch.zeros_like)
    for name, value_BL in found.items():
        if name != "random":
            value = value_BL.detach().double().numpy()
            yield name, np.abs(value) if rates(model) else value


def found_causes(
    world: Made, part: Part, cases: Cases, model: Recommender, readings: Sequence[Reading], hits: Hits, seed: int
) -> None:
    """Note each case's hits. People of other seeds are others."""
    cause_ULM = world.causes()
    for first in range(0, len(cases), ROWS):
        user_B, position_B, item_B = (
            value[first : first + ROWS] for value in (cases.user_C, cases.position_C, cases.target_C)
        )
        batch = part.events.before(user_B, position_B, model.needs)
        place_BL, valid_BL = positions_of(part.events, batch).numpy(), batch.valid_BL.numpy()
        true_BL = cause_ULM[user_B.numpy()[:, None] - 1, position_B.numpy()[:, None], place_BL] & valid_BL
        every = None if isinstance(model, CatalogScorer) else torch.arange(1, world.catalog.items + 1)
        among = None if every is None or rates(model) else every.expand(len(item_B), -1)
        values = dict(weighed(model, Question(model, batch, item_B, world.catalog, among), readings))
        for row, user in enumerate(user_B.tolist()):
            of_row = {name: value[row] for name, value in values.items()}
            hits.note("history", seed * (world.people + 1) + user, of_row, (true_BL[row], valid_BL[row]))


def lines(name: str, seeds: Sequence[int], count: int, readings: Sequence[Reading]) -> Iterator[list[str]]:
    """A world's lines of the table, its own system first."""
    world = WORLDS[name]
    for label, row in world.rows.items():
        if label != name and label not in RIVALS:
            continue
        hits = Hits()
        for seed in seeds:
            made = world.made(seed)
            part = made.part("test")
            model = best(made, row, seed, world.rates)
            found_causes(made, part, drawn(part.cases, count, seed), model, readings, hits, seed)
        for line in hits_rows(label, hits, seeds[0]):
            yield [name, *line]


def main(arguments: list[str] | None = None) -> None:
    """The table, again after each model."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.worlds.causes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("worlds", nargs="*", choices=[*WORLDS, []], default=list(WORLDS), metavar="WORLD")
    parser.add_argument("--seeds", type=int, nargs="+", action=Apart, default=[1, 2, 3])
    parser.add_argument("--cases", type=int, default=1600, help="of each seed")
    parser.add_argument("--readings", nargs="+", choices=READINGS, default=["gradient", "integrated", "leave_one_out"])
    given = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    table = [["world", "model", "of", "cases", *SHOWN]]
    for name in given.worlds:
        for line in lines(name, given.seeds, given.cases, given.readings):
            table.append(line)
            print(markdown(table).strip(), end="\n\n", flush=True)


if __name__ == "__main__":
    main()

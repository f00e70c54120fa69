"""A world's table and its claims as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.made import Numbers
from benchmarks.worlds.trial import Trained
from engine.measures.ranking import ndcg, recall
from engine.measures.rating import rmse
from engine.measures.significance import holm, t_test
from stages.compare.interval import Bounded, bounded

CUTOFF, LEVEL = 10, 0.01


@dataclass(frozen=True)
class Outcome:
    """One claim: its test in each seed and over all seeds' cases together, p corrected among the world's claims."""

    better: str
    worse: str
    whole: Bounded
    p: float
    seeds: list[tuple[float, float]]  # difference and corrected p
    capped: bool

    @property
    def says(self) -> str:
        """What is to be said of it."""
        if self.capped:
            return "not tested: a row ended at its cap"
        held = [difference > 0 and p < LEVEL for difference, p in self.seeds]
        if all(held):
            return "holds in each seed"
        together = self.whole.difference > 0 and self.p < LEVEL
        return f"{'holds over the seeds together' if together else 'does not hold'}; {sum(held)} of {len(held)} alone"


def outcomes(
    rows: Mapping[str, Sequence[Trained]], claims: Sequence[tuple[str, str]], rated: bool = False
) -> list[Outcome]:
    """Of each claim, by the NDCG of the same test cases, or (`rated`) by how much smaller their squared errors are.
    `rows`: a cell for each seed.
    """
    gain = {name: [_gain(np.array(cell.found), rated) for cell in cells] for name, cells in rows.items()}
    seeds = range(len(next(iter(rows.values()))))
    alone = [[t_test(gain[better][seed], gain[worse][seed]) for better, worse in claims] for seed in seeds]
    joined = {name: np.concatenate(seeds) for name, seeds in gain.items()}
    whole = [bounded(t_test(joined[better], joined[worse]), joined[better], joined[worse]) for better, worse in claims]
    p_alone = [holm([verdict.p for verdict in verdicts]) for verdicts in alone]
    p_whole = holm([verdict.p for verdict in whole])
    return [
        Outcome(
            better,
            worse,
            whole[place],
            float(p_whole[place]),
            [(alone[seed][place].difference, float(p_alone[seed][place])) for seed in seeds],
            any(cell.capped for cell in (*rows[better], *rows[worse])),
        )
        for place, (better, worse) in enumerate(claims)
    ]


def readings(
    rows: Mapping[str, Sequence[Trained]], oracles: Mapping[str, Sequence[Numbers]], rated: bool = False
) -> str:
    """The rows, under those of the oracles: what each test case came to, by seed. All is told of the first oracle."""
    measures = ("RMSE", "by seed") if rated else (f"NDCG@{CUTOFF}", "by seed", f"recall@{CUTOFF}")
    heads = ["row", *measures, "of the oracle", "rate", "epochs (best)", "seconds"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    top = _mean(next(iter(oracles.values())), rated)
    for name, found in oracles.items():
        lines.append(f"| {_read(name, found, top, rated)} | | | |")
    for name, cells in rows.items():
        cap = " (cap)" if any(cell.capped for cell in cells) else ""
        read = _read(name + cap, [np.array(cell.found) for cell in cells], top, rated)
        rate = ", ".join(f"{cell.rate:g}" if cell.rate else "-" for cell in cells)
        epochs = ", ".join(f"{cell.epochs} ({cell.best_epoch})" for cell in cells)
        lines.append(f"| {read} | {rate} | {epochs} | {np.mean([cell.seconds for cell in cells]):.0f} |")
    return "\n".join(lines)


def verdicts(found: Sequence[Outcome]) -> str:
    """The claims."""
    lines = [
        "| claim | difference | 95 % | effect | cases | p (Holm) | by seed: difference (p) | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        seeds = ", ".join(f"{difference:+.4f} ({_p(p)})" for difference, p in one.seeds)
        apart = f"{one.whole.difference:+.4f} | {one.whole.interval}"
        whole = f"{apart} | {one.whole.effect:+.3f} | {one.whole.cases:,} | {_p(one.p)}"
        lines.append(f"| {one.better} over {one.worse} | {whole} | {seeds} | {one.says} |")
    return "\n".join(lines)


def _gain(found_C: Numbers, rated: bool) -> Numbers:
    """More is better."""
    return -found_C if rated else ndcg(found_C, CUTOFF)


def _read(name: str, found: Sequence[Numbers], top: float, rated: bool) -> str:
    seeds = ", ".join(f"{_mean([found_C], rated):.4f}" for found_C in found)
    hits = "" if rated else f" | {float(np.mean([recall(found_C, CUTOFF).mean() for found_C in found])):.4f}"
    mean = _mean(found, rated)
    return f"{name} | {mean:.4f} | {seeds}{hits} | {mean / top:.3f}"


def _mean(found: Sequence[Numbers], rated: bool) -> float:
    """RMSE or NDCG of the cases of a seed, then the mean over seeds."""
    return float(np.mean([rmse(found_C) if rated else ndcg(found_C, CUTOFF).mean() for found_C in found]))


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}" if value > 0 else "< 1e-300"

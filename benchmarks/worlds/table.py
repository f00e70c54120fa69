"""A world's table and its claims as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.made import Numbers
from benchmarks.worlds.trial import Trained
from engine.measures.ranking import ndcg, recall
from engine.measures.significance import Verdict, holm, t_test

CUTOFF, LEVEL = 10, 0.01


@dataclass(frozen=True)
class Outcome:
    """One claim: its test in each seed and over all seeds' cases together, p corrected among the world's claims."""

    better: str
    worse: str
    whole: Verdict
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


def outcomes(rows: Mapping[str, Sequence[Trained]], claims: Sequence[tuple[str, str]]) -> list[Outcome]:
    """Of each claim, by the NDCG of the same test cases. `rows`: a cell for each seed."""
    gain = {name: [ndcg(cell.place, CUTOFF) for cell in cells] for name, cells in rows.items()}
    seeds = range(len(next(iter(rows.values()))))
    alone = [[t_test(gain[better][seed], gain[worse][seed]) for better, worse in claims] for seed in seeds]
    whole = [t_test(np.concatenate(gain[better]), np.concatenate(gain[worse])) for better, worse in claims]
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


def readings(rows: Mapping[str, Sequence[Trained]], oracle: Sequence[Numbers], blind: Sequence[Numbers]) -> str:
    """The rows, under those of the oracle: ranks of the test cases by seed, with the views and with shuffled ones."""
    lines = [
        f"| row | NDCG@{CUTOFF} | by seed | recall@{CUTOFF} | of the oracle | rate | epochs (best) | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    top = _mean(oracle)
    for name, ranks in (("oracle", oracle), ("oracle, views shuffled", blind)):
        lines.append(f"| {_read(name, ranks, top)} | | | |")
    for name, cells in rows.items():
        cap = " (cap)" if any(cell.capped for cell in cells) else ""
        read = _read(name + cap, [np.array(cell.place) for cell in cells], top)
        rate = ", ".join(f"{cell.rate:g}" if cell.rate else "-" for cell in cells)
        epochs = ", ".join(f"{cell.epochs} ({cell.best_epoch})" for cell in cells)
        lines.append(f"| {read} | {rate} | {epochs} | {np.mean([cell.seconds for cell in cells]):.0f} |")
    return "\n".join(lines)


def verdicts(found: Sequence[Outcome]) -> str:
    """The claims."""
    lines = [
        "| claim | difference | effect | cases | p (Holm) | by seed: difference (p) | |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        seeds = ", ".join(f"{difference:+.4f} ({_p(p)})" for difference, p in one.seeds)
        whole = f"{one.whole.difference:+.4f} | {one.whole.effect:+.3f} | {one.whole.cases:,} | {_p(one.p)}"
        lines.append(f"| {one.better} over {one.worse} | {whole} | {seeds} | {one.says} |")
    return "\n".join(lines)


def _read(name: str, ranks: Sequence[Numbers], top: float) -> str:
    gains = ", ".join(f"{ndcg(rank, CUTOFF).mean():.4f}" for rank in ranks)
    hits = float(np.mean([recall(rank, CUTOFF).mean() for rank in ranks]))
    return f"{name} | {_mean(ranks):.4f} | {gains} | {hits:.4f} | {_mean(ranks) / top:.3f}"


def _mean(ranks: Sequence[Numbers]) -> float:
    return float(np.mean([ndcg(rank, CUTOFF).mean() for rank in ranks]))


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}" if value > 0 else "< 1e-300"

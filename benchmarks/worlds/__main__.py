"""Each system in a world whose rule is what the system is for: does it win there, over what, and how near to the best?

    python -m benchmarks.worlds [mahn min_net iarn iris] [--seeds 1 2 3] [--out build/worlds]

prints, for each world, its rows beside the oracle (one who knows the rule and has seen the same acts and views) and
the claims with paired two-sided t-tests over the test cases, Holm over the world's claims. A seed draws the world and
the model's start. All rows stop by one rule and take that one of the world's rates that validation likes best; a row
that ended at its cap is marked and enters no test. Cells are kept under --out, so that a run that was cut short goes
on: empty it after a change of code.
"""

import argparse
import logging
import sys
from pathlib import Path

from benchmarks.cells import Apart
from benchmarks.worlds import iarn, iris, mahn, min_net
from benchmarks.worlds.made import World
from benchmarks.worlds.table import outcomes, readings, verdicts
from benchmarks.worlds.trial import Trained, chosen

WORLDS: dict[str, World] = {"mahn": mahn.WORLD, "min_net": min_net.WORLD, "iarn": iarn.WORLD, "iris": iris.WORLD}


def told(name: str, seeds: list[int], out: Path) -> str:
    """A world's table and its claims."""
    world, rows = WORLDS[name], dict[str, list[Trained]]()
    drawn = [world.made(seed) for seed in seeds]
    for row, settings in world.rows.items():
        rows[row] = [
            chosen(made, settings, seed, world.rates, out / name) for made, seed in zip(drawn, seeds, strict=True)
        ]
        print(f"{name}: {row} done", file=sys.stderr, flush=True)
    label, blinded = world.blind
    oracles = {
        "oracle": [made.best() for made in drawn],
        f"oracle, {label}": [made.best(blinded(made.catalog, seed)) for made, seed in zip(drawn, seeds, strict=True)],
    }
    table = readings(rows, oracles, world.rated)
    claims = verdicts(outcomes(rows, world.claims, world.rated))
    return f"## {name}, seeds {', '.join(map(str, seeds))}\n\n{table}\n\n{claims}\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.worlds", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("worlds", nargs="*", choices=[*WORLDS, []], default=list(WORLDS), metavar="WORLD")
    parser.add_argument("--seeds", type=int, nargs="+", action=Apart, default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=Path("build/worlds"))
    given = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    for name in given.worlds:
        print(told(name, given.seeds, given.out), flush=True)


if __name__ == "__main__":
    main()

"""The events of some people of a table, drawn by a seed: a smaller log in which each person is whole.

python -m benchmarks.drawn_people events.csv --people 1000 --out drawn/events.csv
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.cells import refused
from engine.tables import files


def drawn(events: pl.DataFrame, user: str, people: int, seed: int) -> pl.DataFrame:
    """Their rows, in the order of the table.

    Raises:
        ValueError: the table has fewer people, or no such column.
    """
    if user not in events.columns:
        raise ValueError(f"no column {user!r}; there are {', '.join(events.columns)}")
    every = events[user].unique().sort()
    if not 0 < people <= len(every):
        raise ValueError(f"{people} people asked for; the table has {len(every)}")
    chosen = np.random.default_rng(seed).choice(len(every), people, replace=False)
    return events.filter(pl.col(user).is_in(every.gather(chosen).implode()))


def main() -> None:
    """Write the drawn people's events."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", type=Path, help="a CSV file")
    parser.add_argument("--people", type=int, required=True)
    parser.add_argument("--user", default="user", help="the column of people")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    events = drawn(pl.read_csv(given.events, infer_schema=False), given.user, given.people, given.seed)
    files.write_text(events.write_csv(), given.out)
    print(f"{given.out}: {len(events):,} events of {given.people:,} people")


if __name__ == "__main__":
    with refused("drawn_people"):
        main()

"""`recommend` for many people: seconds and memory of the stage, and whether its lists agree with `evaluate`'s ranks.

    python -m benchmarks.recommend FOLDER --made 100000 50000 models.bpr_mf.train.epochs=3 recommend.because=0
    python -m benchmarks.recommend FOLDER --model ease --protocol leave_one_out datasets.table.events=… …

Data set `table`, content `none`. With --made a log of so many people and items is drawn (some 31 acts each, zipf-like
items in 200 groups, three groups a person; no real data). All stages run as commands and leave FOLDER/data; what is
prepared there already is kept. Printed: seconds and peak memory of evaluate and recommend, each whole, and how many
targets of up to 20,000 test cases are among the ten best at their places, by the lists and by `evaluate`, and where
the ranks are the same.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

import models
from benchmarks.alternation import circumstances
from engine.evaluation.top import top
from engine.tables import files, store
from engine.tables.layout import Layout
from engine.tables.params import override, read_yaml
from engine.tables.schemas import RANKS
from engine.tables.settings import Choice
from engine.training.source import load
from engine.training.trained_on import trained_on

PREPARED = ("ingest", "crawl", "regions", "images", "text", "split", "topics")
GROUPS, OWN, TOP = 200, 0.7, 10
CASES = 20_000  # at most, at which lists are held against ranks


def made(people: int, items: int) -> pl.DataFrame:
    """user, item, time of a drawn log."""
    random = np.random.default_rng(1)
    popularity_N = 1 / (np.arange(items) + 50.0)
    group_N = random.integers(0, GROUPS, items)
    order_N = np.argsort(group_N, kind="stable")
    start_G = np.searchsorted(group_N[order_N], np.arange(GROUPS + 1))
    user_E = np.repeat(np.arange(people), random.poisson(25, people) + 6)
    count = len(user_E)
    own_E = random.integers(0, GROUPS, (people, 3))[user_E, random.integers(0, 3, count)]
    place_E = start_G[own_E] + (random.random(count) ** 2 * np.diff(start_G)[own_E]).astype(np.int64)
    any_E = random.choice(items, count, p=popularity_N / popularity_N.sum())
    item_E = np.where(random.random(count) < OWN, order_N[np.minimum(place_E, items - 1)], any_E)
    time_E = 1_600_000_000 + np.arange(count) % 1000 * 3600
    return pl.DataFrame({"user": user_E, "item": item_E, "time": time_E})


def timed(stage: str, folder: Path, protocol: str, params: list[str]) -> tuple[float, float]:
    """Seconds and peak GiB of a stage as a user starts it.

    Raises:
        RuntimeError: it failed.
    """
    data = [str(folder / "data"), "--protocol", protocol, "--readings", str(folder / "metrics")]
    words = [sys.executable, "-m", f"stages.{stage}", *data, *params]
    started = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 2**20


def agreement(folder: Path, protocol: str, model: str, params: list[str]) -> str:
    """Whether the ten best at the places of the test cases hold the targets that `evaluate` ranks within ten."""
    given = read_yaml(Path("params.yaml"))
    for assignment in params:
        override(given, assignment)
    layout = Layout(folder / "data", protocol, readings=folder / "metrics")
    choice = Choice(name=model, settings=given["models"][model])
    needs = models.configure(choice).needs
    data = load(layout, needs, "test", "cpu")
    trained = models.restore(choice, data.catalog, data.users, layout.weights, trained_on(layout, needs))
    some = slice(None, None, -(-len(data.cases) // CASES))
    ranks, target_C = store.read(layout.ranks, RANKS)[some], data.cases.target_C[some]
    item_CK, _ = top(trained, data.cases.user_C[some], data.cases.position_C[some], data.events, TOP)
    alone_C = ranks["ties"].to_numpy() == 0  # of equals the lower code comes first in a list, and by lot in a rank
    hit_CK = (item_CK == target_C[:, None]).numpy()
    listed_C, ranked_C = hit_CK.any(1) & alone_C, (ranks["greater"].to_numpy() < TOP) & alone_C
    same = (hit_CK.argmax(1) == ranks["greater"].to_numpy())[listed_C & ranked_C].sum()
    told = f"{len(ranks):,} cases, {int((~alone_C).sum()):,} of them with ties, which are left out"
    found = f"{listed_C.sum():,} targets are listed, {ranked_C.sum():,} are so by evaluate"
    return f"{told}: of the {TOP} best {found}, {same:,} at the same rank"


def main() -> None:
    """Prepare what is not there, learn, rank, recommend; print what that took and whether both agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--made", type=int, nargs=2, metavar=("PEOPLE", "ITEMS"))
    parser.add_argument("--model", default="bpr_mf")
    parser.add_argument("--protocol", default="temporal")
    parser.add_argument("params", nargs="*", metavar="key=value")
    given = parser.parse_intermixed_args()
    prepared = Layout(given.folder / "data", given.protocol).topic_history.exists()
    params = ["dataset=table", "content=none", f"protocol={given.protocol}", f"model={given.model}", *given.params]
    if given.made:
        log = given.folder / f"events-{given.made[0]}-{given.made[1]}.csv"
        if not log.exists():
            if prepared:
                sys.exit(f"{given.folder} was prepared of another log than --made {given.made}: name another folder")
            files.write_text(made(*given.made).write_csv(), log)
        params += [f"datasets.table.events={log.resolve()}", "datasets.table.items="]
        params += [f"datasets.table.{name}={name}" for name in ("user", "item", "time")]
    if not prepared:
        for stage in PREPARED:
            timed(stage, given.folder, given.protocol, params)
    timed("train", given.folder, given.protocol, params)
    for stage in ("evaluate", "recommend"):
        seconds, peak = timed(stage, given.folder, given.protocol, params)
        print(f"{stage}: {seconds:.0f} s, at most {peak:.2f} GiB", flush=True)
    print(agreement(given.folder, given.protocol, given.model, params))
    print(circumstances(1))


if __name__ == "__main__":
    main()

"""Search models' settings on validation: the same number of trials a model, kept, and gone on with after a kill.

Trials lie in --out; what is best goes into the file --tuned as a section for data set, protocol and model.
"""

import argparse
import logging
import math
from pathlib import Path

from rich.progress import Progress

import models
from engine.evaluation.selection import named
from engine.tables import files
from engine.tables.command import command, refuse_two_choices
from engine.tables.layout import Layout
from engine.tables.params import declared, override, read_yaml
from engine.tables.settings import checked
from engine.training.contract import Solver, Tuned
from engine.training.fit import Progressed, Watch
from engine.training.run_settings import RunSettings
from stages.tune import settled, space, tuned
from stages.tune.trainings import Trainings
from stages.tune.trials import Budget, Search

log = logging.getLogger(__name__)


def search(trainings: Trainings, spaces: space.Spaces, budget: Budget, out: Path, progress: Progress) -> tuned.Best:
    """What is best of a model's trials, or of the choices that a solver makes by itself."""
    choice = trainings.params.model
    model = trainings.model(choice)
    if isinstance(model, Tuned) and len(model.choices) > 1:
        best = _own_choices(trainings, out)
    else:
        found = space.dimensions(spaces, choice, not isinstance(model, Solver))
        learning = models.learning(choice, trainings.params.train)
        task = progress.add_task(choice.name, total=budget.trials)
        kept = Search(out, trainings.name(repr(sorted(found.items()))), found, trainings.params.seed)

        def trial(settings: dict[str, settled.Value], folder: Path, watch: Watch) -> list[Progressed]:
            chosen, (first, *others) = settled.together(choice, settings), trainings.seeds
            done = [trainings.trained(chosen, first, folder, watch)[1]]
            return done + [trainings.trained(chosen, seed, folder, None)[1] for seed in others]

        def told(so_far: Search) -> None:
            complete = [t.value for t in so_far.ended if t.state.name == "COMPLETE" and t.value is not None]
            at = f"{choice.name} best {max(complete):.4f}" if complete else choice.name
            progress.update(task, completed=len(so_far.ended), description=at)

        best = kept.run(trial, space.start(found, choice, learning), budget if found else Budget(1), told)
    log.info("%s: %s %.4f of %d trials (%d pruned)", choice.name, named(model), best.value, best.trials, best.pruned)
    return best


def _own_choices(trainings: Trainings, out: Path) -> tuned.Best:
    model, done = trainings.trained(trainings.params.model, trainings.seeds[0], out, None)
    assert isinstance(model, Tuned)
    whole = {key: int(value) if value == int(value) else value for key, value in model.chosen.items()}
    return tuned.Best(dict(whole), done.best, len(model.choices), seconds=sum(done.seconds), seeds=1)


def main() -> None:
    """Read the command, search each model, write what was found."""
    given = _arguments().parse_intermixed_args()
    with command("tune"):
        params = read_yaml(Path("params.yaml"))
        params |= {"dataset": given.data.name, "protocol": given.protocol}
        for assignment in given.overrides:
            override(params, assignment)
        refuse_two_choices(params, given)
        names = [name.strip() for name in given.models.split(",") if name.strip()] or [params["model"]]
        tuned.known(given.tuned)  # so that a file that is none is refused before the first search
        pipeline, spaces = read_yaml(Path("dvc.yaml")), space.read(given.spaces)
        layout = Layout(given.data, given.protocol, given.prepared)
        sections = [
            checked(RunSettings, declared("train", params | {"model": name}, pipeline), {}) for name in names
        ]  # so that a wrong name is refused before the first search
        with Progress() as progress:
            for section in sections:
                trainings = Trainings(section, layout, given.seeds)
                best = search(trainings, spaces, Budget(given.trials, given.seconds), given.out, progress)
                name, by = section.model.name, named(trainings.model(section.model))
                found = tuned.section(name, best, by, trainings.seeds[: best.seeds], given.overrides)
                tuned.put(given.tuned, (given.data.name, given.protocol, name), found)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stages.tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the data set's folder, e.g. data/demo")
    parser.add_argument("--protocol", required=True, help="a name under `protocols` in params.yaml")
    parser.add_argument("--prepared", type=Path, metavar="FOLDER", help="of the split and topics, if not the data's")
    parser.add_argument("--models", default="", metavar="NAME,…", help="which; none: params.yaml's model")
    parser.add_argument("--trials", type=_count, default=20, help="of each model, earlier runs counted in")
    parser.add_argument(
        "--seconds", type=_seconds, default=0.0, help="after which a model's search starts no trial; 0: any"
    )
    parser.add_argument("--seeds", type=_count, default=1, help="trainings a trial, whose mean counts")
    parser.add_argument("--spaces", type=Path, default=Path("papers/spaces.yaml"), help="what is searched")
    parser.add_argument("--tuned", type=Path, default=Path("papers/tuned.yaml"), help="where the best goes")
    parser.add_argument("--out", type=Path, default=files.cache("tune"), metavar="FOLDER", help="where trials are kept")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="a param to set for this run")
    return parser


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"0 or more, found {text}")
    return found


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number, 1 at least, found {text}")
    return int(text)


if __name__ == "__main__":
    main()

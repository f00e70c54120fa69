"""One model's search: trials that are kept, each a training that reads the validation part and nothing after it."""

import fcntl
import logging
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
import torch
from optuna.trial import FrozenTrial, Trial, TrialState

from engine.tables.settings import SEEDS
from engine.training.fit import Progressed, Watch
from stages.tune.journal import open_journal
from stages.tune.settled import NotTogetherError, Value
from stages.tune.space import Dimension
from stages.tune.tuned import Best

log = logging.getLogger(__name__)

WARM_UP = 8  # epochs that no trial is pruned in: a model may lie near popularity for long before it climbs
RANDOM = 8  # trials that are drawn at random before the sampler goes by those that were
APART = 10_007  # between the samplers of seeds

Fit = Callable[[dict[str, Value], Path, Watch], list[Progressed]]  # settings, checkpoints' folder, what prunes


@dataclass(frozen=True)
class Budget:
    """What each model gets alike: trials, and seconds after which none starts (0: any)."""

    trials: int
    seconds: float = 0.0


class Search:
    """The trials of a name in a folder; another process with the same name is refused."""

    def __init__(self, folder: Path, name: str, space: dict[str, Dimension], seed: int):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder, self.name, self.seed = folder, name, seed
        self.distributions = {key: dimension.distribution for key, dimension in space.items()}
        folder.mkdir(parents=True, exist_ok=True)
        self.study = optuna.create_study(
            storage=open_journal(folder / "trials.log"),
            study_name=name,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=RANDOM // 2, n_warmup_steps=WARM_UP + 1),
            load_if_exists=True,
        )

    def run(self, fit: Fit, start: dict[str, Value], budget: Budget, told: Callable[["Search"], None]) -> Best:
        """Try until the budget is used up, those of earlier runs counted in; `start` is what the first trial takes.

        Raises:
            ValueError: no trial came to its end.
        """
        with self._alone():
            for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
                self.study.tell(trial.number, state=TrialState.FAIL)  # its process was killed: it is tried again
            told(self)
            while len(self.ended) < budget.trials and not 0 < budget.seconds <= self.seconds:
                self._try(fit, start)
                told(self)
        return self.best

    @property
    def ended(self) -> list[FrozenTrial]:
        """Trials that count: those of killed processes do not."""
        trials = self.study.get_trials(deepcopy=False)
        done = (TrialState.COMPLETE, TrialState.PRUNED)
        return [t for t in trials if t.state in done or (t.state == TrialState.FAIL and "cause" in t.user_attrs)]

    @property
    def seconds(self) -> float:
        """What the trials took, all runs together."""
        return sum(float(trial.user_attrs["seconds"]) for trial in self.ended)

    @property
    def best(self) -> Best:
        """The trial of the highest value; of equals the first."""
        ended = self.ended
        whole = [trial for trial in ended if trial.state == TrialState.COMPLETE]
        if not whole:
            causes = {trial.user_attrs.get("cause", "pruned") for trial in ended}
            raise ValueError(f"{self.name}: of {len(ended)} trials none came to its end: {'; '.join(sorted(causes))}")
        best = max(whole, key=lambda trial: (trial.value or 0.0, -trial.number))
        counts = {state: sum(trial.state == state for trial in ended) for state in TrialState}
        return Best(
            dict(best.params),
            float(best.value or 0.0),
            len(ended),
            counts[TrialState.PRUNED],
            counts[TrialState.FAIL],
            self.seconds,
            bool(best.user_attrs["ended_at_cap"]),
        )

    def _try(self, fit: Fit, start: dict[str, Value]) -> None:
        """One trial. What it draws hangs on the seed and on the trials that ended, so that a kill changes nothing."""
        number = len(self.ended)
        self.study.sampler = optuna.samplers.TPESampler(
            seed=(self.seed * APART + number) % SEEDS, n_startup_trials=RANDOM
        )
        if number == 0 and not self.study.get_trials(states=(TrialState.WAITING,)):
            self.study.enqueue_trial(start)
        trial = self.study.ask(self.distributions)
        checkpoints = self.folder / f"{self.name.replace('/', '-')}-{number}"
        started = time.monotonic()
        try:
            done = fit(dict(trial.params), checkpoints, lambda epoch, value: _report(trial, epoch, value))
            trial.set_user_attr("ended_at_cap", any(one.capped for one in done))
            self._end(trial, started, checkpoints, TrialState.COMPLETE, statistics.fmean(one.best for one in done))
        except optuna.TrialPruned:
            self._end(trial, started, checkpoints, TrialState.PRUNED)
        except (FloatingPointError, torch.OutOfMemoryError, NotTogetherError) as error:
            log.warning("trial %d: %s", number, error)
            trial.set_user_attr("cause", str(error))
            self._end(trial, started, checkpoints, TrialState.FAIL)

    def _end(
        self, trial: Trial, started: float, checkpoints: Path, state: TrialState, value: float | None = None
    ) -> None:
        trial.set_user_attr("seconds", time.monotonic() - started)
        self.study.tell(trial, value, state)
        for left in checkpoints.glob("*"):
            left.unlink()
        if checkpoints.exists():
            checkpoints.rmdir()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / f"{self.name.replace('/', '-')}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"{lock.name}: another process searches this; wait for it, or end it") from None
            yield


def _report(trial: Trial, epoch: int, value: float) -> None:
    trial.report(value, epoch)
    if trial.should_prune():
        raise optuna.TrialPruned

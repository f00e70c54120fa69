"""The trainings of one model's search: they read the parts train and valid, and no other."""

import functools
import json
from pathlib import Path

import torch

import models
from engine.evaluation.selection import selection
from engine.tables.layout import Layout
from engine.tables.settings import SEEDS, Choice
from engine.training.contract import Recommender
from engine.training.fit import Progressed, Watch, accelerator, fit
from engine.training.needs import Needs
from engine.training.run_settings import RunSettings
from engine.training.source import Data, digest, load, missing_cases


class Trainings:
    """The trainings of one model on one data set: the parts train and valid, and no other.

    Raises:
        ValueError: more seeds than there are from the run's on.
    """

    def __init__(self, params: RunSettings, layout: Layout, seeds: int):
        self.params, self.layout = params, layout
        self.seeds = [params.seed + number for number in range(seeds)]
        if self.seeds[-1] >= SEEDS:
            raise ValueError(
                f"--seeds {seeds}: from seed {params.seed} on there are {SEEDS - params.seed}; a lower seed"
            )
        self.device = accelerator(params.device)
        self.data = functools.lru_cache(maxsize=1)(self._load)  # trials differ in what they need, seldom

    def model(self, choice: Choice) -> Recommender:
        """A model of the data's size."""
        data = self.data(models.configure(choice).needs)
        return models.build(choice, data.catalog, data.users).to(self.device)

    def trained(self, choice: Choice, seed: int, folder: Path, watch: Watch | None) -> tuple[Recommender, Progressed]:
        """A model trained and selected on validation, as the train stage does it."""
        torch.manual_seed(seed)
        model, data = self.model(choice), self.data(models.configure(choice).needs)
        reading = selection(model, data, self.params.seen, missing_cases(self.layout))
        learning = models.learning(choice, self.params.train)
        return model, fit(model, data.train, reading, learning, seed, folder / f"{seed}.pt", watch)

    def name(self, *more: str) -> str:
        """A name for all that the trials hang on, so that those of other data or settings are never gone on with."""
        needs, given = models.configure(self.params.model).needs, self.params.model_dump_json()
        made_by = torch.__version__, models.code(self.params.model.name)
        found = digest(self.layout, needs, given, json.dumps(self.seeds), *more, *made_by)
        return f"{self.layout.root.name}/{self.layout.protocol}/{self.params.model.name}/{found[:12]}"

    def _load(self, needs: Needs) -> Data:
        return load(self.layout, needs, "valid", self.device)

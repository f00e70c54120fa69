"""A trained model with the tables that name its items and people; histories become what it is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from threading import RLock

import models
from engine.evaluation.wording import Wording
from engine.tables.domain_words import DomainWords
from engine.tables.layout import Layout
from engine.tables.naming import naming
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.cases import Seen
from engine.training.catalog import Catalog
from engine.training.contract import Recommender
from engine.training.needs import Needs
from engine.training.source import read_catalog
from engine.training.trained_on import trained_on
from serving.events import Events
from serving.history import History, Muted, Refused, instant
from serving.labels import Labels
from serving.muting import muted_batch, refuse_unknown
from serving.names import Names
from serving.own_rows import has_own_rows
from serving.rows import Rows
from serving.topics import Topics
from serving.weights import restored


@dataclass(frozen=True)
class Model:
    """`choice`: of params.yaml; `seen`: whether what was had is left out; `net`: the recommender itself."""

    choice: Choice
    seen: Seen
    layout: Layout
    device: str
    needs: Needs
    net: Recommender
    catalog: Catalog
    names: Names
    events: Events
    rows: Rows
    labels: Labels
    words: DomainWords
    lock: "RLock" = field(default_factory=RLock, repr=False, compare=False)

    @staticmethod
    def read(choice: Choice, layout: Layout, seen: Seen, device: str, words: DomainWords) -> "Model":
        """With the weights under a layout."""
        names = Names(layout)
        events, needs = Events(layout, names), models.configure(choice).needs
        catalog = read_catalog(layout, needs, events.items, device)
        net = restored(choice, catalog, events.users, layout, trained_on(layout, needs), device)
        rows = Rows(names, events, Topics(layout, events), needs, device)
        return Model(choice, seen, layout, device, needs, net, catalog, names, events, rows, Labels(layout), words)

    @property
    def name(self) -> str:
        """In params.yaml."""
        return self.choice.name

    def asked(self, history: History, at: datetime | None, muted: Muted) -> Batch:
        """One history as a row.

        Raises:
            Refused: the model cannot be asked about it, or it has not what is muted; says why.
        """
        batch = self.batch([history], at, muted)
        refuse_unknown(history, muted, self.catalog, self.names, self.labels)
        return batch

    def batch(self, histories: Sequence[History], at: datetime | None, muted: Muted) -> Batch:
        """A row a history, as it was before a moment, with what is muted.

        Raises:
            Refused: the model cannot be asked about such a history; says why.
        """
        for history in histories:
            self._refuse(history)
        batch = self.rows.batch([history.before(at) for history in histories], at)
        return muted_batch(batch, muted, self.needs, self.catalog, self.names, self.labels)

    def _refuse(self, history: History) -> None:
        times = [instant(act.time) for act in history.acts if act.time is not None]
        if times != sorted(times):
            raise Refused("the acts of a history stand in the order of their times; these do not")
        if history.user is None:
            if self.own_rows:
                raise Refused(
                    f"{self.name} knows each person by a row of its own, learnt in training: it can say nothing of "
                    "somebody new. Ask about a person of the data, or a model that reads histories"
                )
        elif not self.needs.length and self.own_rows and history != self.events.history(history.user):
            raise Refused(
                f"{self.name} knows {history.user} by a row of its own and reads no history: an act that is taken away "
                "or moved changes nothing. Ask a model that reads histories"
            )

    @cached_property
    def wording(self) -> Wording:
        """What reasons are called."""
        return Wording(naming(self.layout, self.needs.views, self.needs.topics), self.words, self.device)

    @cached_property
    def own_rows(self) -> bool:
        """Whether people have rows of their own in the weights, which scores hang on."""
        first = self.events.history(self.names.person(1))
        batch = self.rows.batch([first], None)
        return has_own_rows(self.net, self.choice, self.catalog, self.events.users, batch)

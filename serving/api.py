"""A trained model as it is asked: recommend, explain, why not, similar, vectors; all of serving goes through it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import get_args

from engine.tables.domain_words import DomainWords
from engine.tables.layout import Layout
from engine.tables.params import lookup, override, read_yaml
from engine.tables.settings import Choice, checked
from engine.training.accelerator import accelerator
from engine.training.cases import Seen
from serving.answers import Explanation, Exported, Item, Recommendation, Similar, WhyNot, as_json
from serving.history import Act, History, Muted, Refused
from serving.model import Model
from serving.new_people import made_history
from serving.recommended import explained, recommended
from serving.vectors import Vectors, all_vectors, similar
from serving.why import why_not

__all__ = ["Act", "History", "Item", "Muted", "Predictor", "Refused", "as_json", "load"]

NOTHING = Muted()


def load(
    data: str | Path = "data/demo",
    protocol: str | None = None,
    *,
    params: Path = Path("params.yaml"),
    model: str | None = None,
    results: Path | None = None,
    device: str | None = None,
    overrides: Sequence[str] = (),
) -> "Predictor":
    """The model of params.yaml, or another of its names, with the weights that `train` left in the data's folder, or
    in `results`. `overrides`: key=value, as a stage takes them.

    Raises:
        FileNotFoundError: a table or the weights are not there; names what is missing and what makes it.
        KeyError, ValueError: params.yaml has no such name, or the weights are another model's.
    """
    found = read_yaml(params)
    for assignment in overrides:
        override(found, assignment)
    layout = Layout(Path(data), str(found["protocol"]) if protocol is None else protocol, results=results)
    name = str(found["model"]) if model is None else model
    section = {"name": name, "settings": lookup(found, f"models.{name}")}
    choice = checked(Choice, section, {"name": "model", "settings": f"models.{name}"})
    key = f"protocols.{layout.protocol}.seen"
    seen = lookup(found, key)
    if seen not in get_args(Seen):
        raise ValueError(f"params.yaml: {key} is {' or '.join(get_args(Seen))}; found {seen!r}")
    worded = found.get("datasets", {}).get(layout.root.name, {}).get("words", {})
    words = checked(DomainWords, worded, f"datasets.{layout.root.name}.words")
    where = accelerator(str(found["device"]) if device is None else device)
    return Predictor(Model.read(choice, layout, seen, where, words))


class Predictor:
    """Answers about histories. `at`: the moment asked about (None: now); what was done then or later was not."""

    def __init__(self, model: Model):
        self._model = model

    @property
    def words(self) -> DomainWords:
        """What the things of its data are called."""
        return self._model.words

    @property
    def name(self) -> str:
        """The model's name in params.yaml."""
        return self._model.name

    @property
    def reads(self) -> tuple[str, ...]:
        """Which parts of an act's item the model reads, so that they can be muted: words, regions."""
        return tuple(view for view in ("words", "regions") if view in self._model.needs.views)

    def person(self, raw: str) -> History:
        """All that a person of the data did. Raises Refused where nobody is called so."""
        return self._model.events.history(raw)

    def people(self, text: str = "", limit: int = 20) -> tuple[str, ...]:
        """Raw ids of people that begin with a text."""
        return self._model.names.people(text, _counted(limit, "limit"))

    def search(self, text: str, limit: int = 20) -> tuple[Item, ...]:
        """Items by words of their titles."""
        return self._model.names.search(text, _counted(limit, "limit"))

    def code(self, item: str) -> int:
        """An item's code in the tables, by raw id or title. Raises Refused where nothing is called so."""
        return self._model.names.code(item)

    def history(
        self,
        items: str | Sequence[str],
        at: datetime | None = None,
        times: Sequence[datetime] | None = None,
        ratings: Sequence[float] | None = None,
    ) -> History:
        """Somebody new's, from titles or raw ids, the oldest first: a list, or one text with semicolons between."""
        return made_history(self._model.names, self._model.events, items, at, times, ratings)

    def recommend(
        self, history: History, top: int = 10, at: datetime | None = None, muted: Muted = NOTHING, reasons: bool = True
    ) -> tuple[Recommendation, ...]:
        """The first `top` items, best first, with a sentence each where one could be checked (`reasons`)."""
        return recommended(self._model, history, _counted(top, "top"), at, muted, reasons)

    def explain(self, history: History, item: str, at: datetime | None = None, muted: Muted = NOTHING) -> Explanation:
        """What acts, words, regions and views do to an item's chance, and the model's own weights beside it."""
        return explained(self._model, history, self._model.names.code(item), at, muted)

    def why_not(
        self,
        history: History,
        item: str,
        limit: int = 5,
        top: int = 10,
        at: datetime | None = None,
        muted: Muted = NOTHING,
    ) -> WhyNot:
        """An item's rank, and at most `limit` acts whose absence brings it into the first `top`, or out of them."""
        code = self._model.names.code(item)
        return why_not(self._model, history, code, _counted(limit, "limit"), _counted(top, "top"), at, muted)

    def similar(self, item: str, top: int = 10) -> tuple[Similar, ...]:
        """The items nearest to one by the vectors of a factored model."""
        return similar(self._model, self._model.names.code(item), _counted(top, "top"))

    def vectors(self) -> Vectors:
        """The vectors of all items and people of a factored model."""
        return all_vectors(self._model)

    def export(self, folder: Path) -> Exported:
        """Write vectors and encoder of a factored model for other programs (docs/serving.md)."""
        from serving.export import export  # torch's exporter takes longer to import than an answer to give

        return export(self._model, folder)


def _counted(value: int, name: str) -> int:
    if value < 1:
        raise Refused(f"{name} is 1 or more; found {value}")
    return value

"""What the extraction is made of: a network with its plan, and the parts of a table that go through it."""

import gc
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from engine.features.device import hold_memory
from engine.tables import settings, store
from engine.tables.schema import Table


class Engine(settings.Record):
    """Where a network runs: `local`, or `ray` on `workers` of the cluster at `address` ('': one started here)."""

    engine: Literal["local", "ray"]
    address: str
    workers: int


@dataclass(frozen=True)
class Part:
    """What a network says of some rows: a frame a table, counts, and what is to be noted of the network."""

    frames: dict[str, pl.DataFrame]
    counts: dict[str, int]
    meta: dict[str, Any]


class Reader(ABC):
    """A network with what goes before and after it."""

    meta: dict[str, Any]

    @abstractmethod
    def prepare(self, frame: pl.DataFrame) -> Any:
        """Begin, in threads, what needs no network."""

    @abstractmethod
    def read(self, prepared: Any) -> Part:
        """The rest."""


class Plan(ABC):
    """How to make a reader, here or on another machine; its `repr` tells everything that decides what it says."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Of a part."""

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """Where it is to run."""

    @property
    @abstractmethod
    def weights(self) -> Path:
        """The file or folder of its weights, where they are one."""

    @property
    @abstractmethod
    def accelerated(self) -> bool:
        """Whether each reader takes an accelerator."""

    @abstractmethod
    def load(self) -> Reader:
        """The network, ready."""


@contextmanager
def loaded(plan: Plan) -> Iterator[Reader]:
    """The plan's reader; Python's search for garbage, which a part's many small objects set off, passes it over."""
    hold_memory()
    reader = plan.load()
    gc.freeze()
    try:
        yield reader
    finally:
        gc.unfreeze()


@dataclass(frozen=True)
class Slice:
    """Rows of one file of a table."""

    path: Path
    start: int
    rows: int

    def read(self, table: Table, columns: list[str]) -> pl.DataFrame:
        return store.read_slice(self.path, table, self.start, self.rows, columns)

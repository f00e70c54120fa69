"""What an extraction is made of: a network that reads rows of a table, how to make it, and what it gives."""

import gc
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from engine.features.device import keep_freed_memory
from engine.features.settings import Execution
from engine.tables import store
from engine.tables.schema import Table


@dataclass(frozen=True)
class Extracted:
    """What a network gave for some rows: a frame a table, counts, and what is to be noted of the network."""

    frames: dict[str, pl.DataFrame]
    counts: dict[str, int]
    meta: dict[str, Any]


class Extractor(ABC):
    """A network with what goes before and after it."""

    meta: dict[str, Any]

    @abstractmethod
    def prepare(self, frame: pl.DataFrame) -> Any:
        """Begin, in threads, what needs no network."""

    @abstractmethod
    def extract(self, prepared: Any) -> Extracted:
        """The rest."""


class ExtractorFactory(ABC):
    """How to make an extractor, here or on another machine; its `repr` tells everything that decides its output."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Rows of a table that are read together."""

    @property
    @abstractmethod
    def execution(self) -> Execution:
        """Where it is to run."""

    @property
    @abstractmethod
    def weights(self) -> Path:
        """The file or folder of its weights, where they are one."""

    @property
    @abstractmethod
    def accelerated(self) -> bool:
        """Whether each extractor takes an accelerator."""

    @abstractmethod
    def load(self) -> Extractor:
        """The network, ready."""


@contextmanager
def loaded(factory: ExtractorFactory) -> Iterator[Extractor]:
    """The factory's extractor; Python's search for garbage, which many small objects set off, passes it over."""
    keep_freed_memory()
    extractor = factory.load()
    gc.freeze()
    try:
        yield extractor
    finally:
        gc.unfreeze()


@dataclass(frozen=True)
class TableSlice:
    """Rows of one file of a table."""

    path: Path
    start: int
    rows: int

    def read(self, table: Table, columns: list[str]) -> pl.DataFrame:
        return store.read_slice(self.path, table, self.start, self.rows, columns)

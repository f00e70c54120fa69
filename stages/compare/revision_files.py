"""The files of a git revision, out of git and the DVC cache."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.scm import SCMError

from engine.tables import store
from engine.tables.params import read_yaml
from engine.tables.schema import Table

WORKSPACE = "workspace"


class RevisionFiles:
    """The files of a revision; of `workspace` as they stand.

    Raises:
        ValueError: a revision without a name, which git would take for the workspace.
    """

    def __init__(self, revision: str, repo: Path):
        if not revision:
            raise ValueError(f"'' is no revision; give a branch, a tag, a commit, or {WORKSPACE}")
        self.revision = revision
        self._files = DVCFileSystem(str(repo), rev=None if revision == WORKSPACE else revision)

    def find(self, name: str) -> str | None:
        """A file's text; None where the revision has none.

        Raises:
            ValueError: there is no such revision; says what would do.
        """
        try:
            text: str = self._files.read_text(name)
        except SCMError as error:
            raise ValueError(
                f"{self.revision}: no such revision here ({error}); give a branch, a tag, a commit, or {WORKSPACE}"
            ) from None
        except (FileNotFoundError, DvcException):
            return None
        return text

    def text(self, name: str) -> str:
        """A file's text; ValueError where the revision has none."""
        if (found := self.find(name)) is None:
            raise ValueError(f"{self.revision} has no {name}: run `dvc repro` there, and commit dvc.lock and metrics/")
        return found

    def yaml(self, name: str) -> dict[str, Any]:
        """A file of sections."""
        with self._copied(name) as local:
            local.write_text(self.text(name), encoding="utf-8")
            return read_yaml(local)

    def numbers(self, name: str) -> dict[str, float]:
        """A file of readings, those that are null left out: they could not be measured.

        Raises:
            ValueError: it is not whole, or holds something else.
        """
        again = f"`dvc repro --force` there writes {name} anew"
        try:
            found = json.loads(self.text(name))
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.revision}: {name} is not whole ({error}); {again}") from None
        read = found.items() if isinstance(found, dict) else [("it", found)]
        if wrong := [f"{key} is {value!r}" for key, value in read if not isinstance(value, int | float | None)]:
            raise ValueError(f"{self.revision}: {name}: expected numbers by name, {wrong[0]}; {again}")
        return {key: value for key, value in found.items() if value is not None}

    def table(self, path: str, table: Table) -> pl.DataFrame | None:
        """A table; None where it is in no cache here."""
        with self._copied(path) as local:
            try:
                self._files.get_file(path, str(local))
            except (FileNotFoundError, DvcException):
                return None
            return store.read(local, table)

    @contextmanager
    def _copied(self, name: str) -> Iterator[Path]:
        """A place for a copy; what is wrong with it is told of the file itself."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, Path(name).name)
            try:
                yield local
            except ValueError as error:
                raise ValueError(str(error).replace(str(local), f"{self.revision}: {name}")) from None

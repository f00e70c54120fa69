"""Bars in the terminal for what takes long: reading, unpacking, downloading."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from rich import get_console
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

Wrap = Callable[[BinaryIO], BinaryIO]
"""What an open file is wrapped in before it is read."""


def bytes_bar() -> Progress:
    """A bar of bytes, gone when it is done; where there is no terminal, none."""
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, transient=True, disable=not get_console().is_terminal)


@contextmanager
def reading_bar(files: Sequence[Path]) -> Iterator[Wrap]:
    """A bar of how many bytes of `files` are read: what is given out wraps an open file."""
    name = files[0].name if len(files) == 1 else f"{len(files)} files"
    with bytes_bar() as bar:
        task = bar.add_task(name, total=sum(file.stat().st_size for file in files))
        yield cast(Wrap, partial(bar.wrap_file, task_id=task))

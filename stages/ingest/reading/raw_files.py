"""Where the raw files lie that a data set's settings name."""

import os
from collections.abc import Iterable
from pathlib import Path


def find(path: str | Path, hint: str = "") -> Path:
    """A file or folder as seen from the current folder, or else from the project, which DVC names in `DVC_ROOT`.

    `dvc exp run --temp` and `--queue` work in a copy of the project that lacks what git does not know.

    Raises:
        FileNotFoundError: it is in neither; `hint` says what else would do.
    """
    here, root = Path(path), os.environ.get("DVC_ROOT", "")
    project = Path(root, path)
    for place in (here, project):
        if place.exists():
            return place
    places = f"in {Path.cwd()}"
    if root and project.absolute() != here.absolute():
        places += f" nor in the project's folder {root}"
    raise FileNotFoundError(f"{path}: no such file or folder" + ("" if here.is_absolute() else f" {places}") + hint)


def listed(path: Path, names: Iterable[str] = ()) -> list[Path]:
    """A file itself; of a folder its files of these `names`, or where none is given all files in it, however deep."""
    if not path.is_dir():
        return [path]
    wanted = frozenset(names)
    found = (file for file in path.iterdir() if file.name in wanted) if wanted else path.rglob("*")
    return sorted(file for file in found if file.is_file())

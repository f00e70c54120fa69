"""A repository of its own with the files that git tracks here, as they stand, for tests that run what pages say."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent


def tracked() -> list[str]:
    """Paths of the files that git knows here."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if (ROOT / line).is_file()]


def copied(folder: Path, kept: Callable[[str], bool] = lambda name: True) -> None:
    """The tracked files in a folder."""
    for name in filter(kept, tracked()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def environment(folder: Path) -> dict[str, str]:
    """Of a shell there: this Python's commands first, one thread, DVC's site in the folder, nobody's own settings."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DVC_SITE_CACHE_DIR": str(folder / ".cache" / "site"),
        "HOME": str(folder / ".cache" / "nobody"),
        "OMP_NUM_THREADS": "1",
    }


def done(folder: Path, *command: str) -> str:
    """What a command there prints, errors too; it must succeed."""
    run = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(folder)
    )
    assert run.returncode == 0, f"{command}\n{run.stdout}"
    return run.stdout

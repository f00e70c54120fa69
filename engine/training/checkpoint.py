"""A training's state on disk, for a run that was killed."""

import logging
import zipfile
from pathlib import Path
from typing import Any

import torch

from engine.tables.files import whole

log = logging.getLogger(__name__)


def save(state: dict[str, Any], path: Path) -> None:
    """Write a state whole."""
    with whole(path) as temporary:
        torch.save(state, temporary)


def load(path: Path, keys: set[str]) -> dict[str, Any] | None:
    """The state at `path`; None where there is none, or where its bytes are damaged: it is removed then.

    Raises:
        ValueError: the file is undamaged and no state of a training, which has these keys.
    """
    if not path.exists():
        return None
    if why := _damage(path):
        log.warning("%s: the checkpoint is damaged (%s) and was removed; the training starts anew", path, why)
        path.unlink()
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        missing = keys - set(state)
    except Exception as error:
        raise ValueError(f"{path}: no checkpoint of a training ({error}); remove it to start anew") from error
    if missing:
        raise ValueError(f"{path}: no checkpoint of a training (it lacks {sorted(missing)}); remove it to start anew")
    return state


def _damage(path: Path) -> str:
    """What is wrong with the bytes, by their own checksums; '' where nothing is. torch's files are zip archives."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except zipfile.BadZipFile as error:
        return str(error)
    return f"{bad} does not have its checksum" if bad else ""

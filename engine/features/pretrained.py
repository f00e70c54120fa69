"""Pretrained weights: fetched by name or read from a file, checked by digest, key and shape before they are taken."""

import hashlib
import warnings
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlparse

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


def download(chosen: Any, weights: str) -> Path:
    """The file of one of torchvision's weights, fetched unless it is there, its sha256 as its name promises.

    Raises:
        ValueError: it cannot be fetched, or has another sha256.
    """
    url: str = chosen[weights].url
    path = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), path.stem.rpartition("-")[2])
        except (OSError, HTTPException, RuntimeError) as error:  # the last is of another sha256
            raise ValueError(
                f"weights {weights}: {url} cannot be fetched ({error}); "
                f"fetch it where the web is and put it at {path}, or name a file of weights"
            ) from None
    if not (found := sha256(path)).startswith(path.stem.rpartition("-")[2]):
        raise ValueError(f"{path}: its sha256 is {found}, not the one that its name promises; remove it and run again")
    return path


def sha256(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by key, read without executing anything.

    Raises:
        ValueError: no such file, or one of something else; says of what.
    """
    if not path.is_file():
        raise ValueError(
            f"no weights {str(path)!r}: neither a file, nor `untrained`, nor a name that torchvision has for it"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of a pickle that is none of its own
            found = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except UnpicklingError:
        raise ValueError(
            f"{path} is no file of weights: it holds {describe_file(path)}, not tensors by name alone; what else a "
            "pickle holds is not read, as reading it could run code"
        ) from None
    # a file of anything makes readers raise nearly anything (IndexError, KeyError, UnicodeDecodeError …)
    except Exception as error:
        why = str(error).partition(chr(10))[0][:200] or type(error).__name__
        raise ValueError(f"{path} is no file of weights: it holds {describe_file(path)} ({why})") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected tensors by name (a state dict), found {type(found).__name__}")
    others = [f"{key!r}: {type(value).__name__}" for key, value in found.items()
              if not isinstance(value, Tensor) or not isinstance(key, str)]  # fmt: skip
    if others:
        raise ValueError(
            f"{path}: expected tensors by name (a state dict), found {len(others)} other entries: "
            f"{', '.join(others[:8])}{' …' if len(others) > 8 else ''}"
        )
    return found


def describe_file(path: Path) -> str:
    """What a file seems to hold, by its size and first bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(256)
    known = {b"version https://git-lfs": "a pointer of Git LFS instead of the file", b"\x1f\x8b": "gzip: unpack it",
             b"PK\x03\x04": "a zip archive", b"\x80": "a pickle",
             b"\x89HDF": "HDF5", b"{": "JSON"}  # fmt: skip
    if head.lstrip()[:1] == b"<":
        return f"{size:,} bytes of a web page or XML"
    told = next((what for start, what in known.items() if head.startswith(start)), None)
    return f"{size:,} bytes: {told or repr(head[:16])}" if size else "nothing"


def load_matching_file(cut: nn.Module, known: set[str], path: Path, backbone: str) -> str:
    """Load a state dict that has every key of the `cut` network and none but the `known` ones; gives the file's sha256.

    Raises:
        ValueError: no such file, no state dict, or keys or shapes that do not fit, by name.
    """
    load_matching(cut, known, read_weights(path), f"{path} does not fit {backbone}")
    return sha256(path)


def load_matching(cut: nn.Module, known: set[str], found: dict[str, Tensor], otherwise: str) -> None:
    """As `load_matching_file`, of tensors at hand; a message begins with `otherwise`."""
    own = cut.state_dict()
    # a constant that tracing met is no weight; old files do not count the batches that batch norm saw
    wanted = {key for key in own if key in known and not key.endswith("num_batches_tracked")}
    missing, unknown = sorted(wanted - set(found)), sorted(set(found) - known)
    shapes = [f"{k} {tuple(found[k].shape)} for {tuple(own[k].shape)}" for k in sorted(wanted & set(found))
              if found[k].shape != own[k].shape]  # fmt: skip
    if missing or unknown or shapes:
        told = {"missing": missing, "unknown": unknown, "of another shape": shapes}
        parts = [f"{len(v)} {k}: {', '.join(v[:8])}{' …' if len(v) > 8 else ''}" for k, v in told.items() if v]
        raise ValueError(f"{otherwise}: {'; '.join(parts)}")
    if broken := sorted(key for key in wanted if not bool(torch.isfinite(found[key]).all())):
        raise ValueError(
            f"{otherwise}: {len(broken)} tensors hold numbers that are not finite: {', '.join(broken[:8])}"
        )
    cut.load_state_dict({key: found[key] for key in own if key in found}, strict=False)

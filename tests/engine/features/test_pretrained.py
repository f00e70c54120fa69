import gzip
import os
import pickle
import random
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import ResNet18_Weights

from engine.features import pretrained


def saved(path: Path, value: Any) -> bytes:
    torch.save(value, path)
    return path.read_bytes()


def test_tensors_by_name_are_read(tmp_path: Path) -> None:
    value = {"a": torch.arange(4.0)}
    saved(tmp_path / "w.pt", value)
    save_file(value, tmp_path / "w.safetensors")
    torch.save(value, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("w.pt", "w.safetensors", "old.pth"):
        found = pretrained.read_weights(tmp_path / name)
        assert found.keys() == {"a"}
        assert torch.equal(found["a"], value["a"])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x80\x02.", "holds 3 bytes: a pickle"),  # which made torch raise an IndexError
        (b"", "holds nothing"),
        (b" <html>404</html>", "17 bytes of a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"PK\x03\x04" + b"x" * 90, "a zip archive"),
        (gzip.compress(b"weights", mtime=0), "gzip: unpack it"),
        (b'{"error": "not found"}', "JSON"),
        (pickle.dumps({"a": [1, 2]}), "a pickle"),
        (b"state_dict\n", "state_dict"),
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_of_something_else_is_named_with_what_it_holds(
    tmp_path: Path, data: bytes, told: str, suffix: str
) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"w{suffix} is no file of weights: it holds ") as caught:
        pretrained.read_weights(path)
    assert told in str(caught.value)
    assert "weights_only" not in str(caught.value), "nobody is told to read it unsafely"


@pytest.mark.parametrize(
    "error", [URLError("Name or service not known"), IncompleteRead(b""), RuntimeError("invalid hash value")]
)
def test_weights_that_cannot_be_fetched_are_named_with_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def unreachable(*_: Any) -> None:
        raise error

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(ValueError, match=r"weights DEFAULT: https://.*/resnet18-\w+\.pth cannot be fetched") as caught:
        pretrained.download(ResNet18_Weights, "DEFAULT")
    told = str(caught.value)
    assert str(error) in told
    assert f"put it at {tmp_path}/checkpoints/resnet18-f37072fd.pth, or name a file of weights" in told


def test_other_things_by_name_are_told(tmp_path: Path) -> None:
    for value, told in (
        ({"state_dict": {"a": torch.ones(1)}, "epoch": 3}, "found 2 other entries: 'state_dict': dict, 'epoch': int"),
        ({1: torch.ones(1)}, "found 1 other entries: 1: Tensor"),
        ([torch.ones(1)], "found list"),
    ):
        saved(tmp_path / "w.pt", value)
        with pytest.raises(ValueError, match=r"w\.pt: expected tensors by name") as caught:
            pretrained.read_weights(tmp_path / "w.pt")
        assert told in str(caught.value)
    with pytest.raises(ValueError, match="neither a file"):
        pretrained.read_weights(tmp_path)


def test_damage_never_raises_anything_else(tmp_path: Path) -> None:
    path, draw = tmp_path / "w.pt", random.Random(1)
    whole, refused = saved(path, {"a": torch.arange(300.0)}), 0
    for _ in range(200):
        damaged = bytearray(whole[: draw.choice([len(whole), draw.randrange(len(whole))])])
        for _ in range(draw.choice([0, 1, 20])):
            damaged[draw.randrange(len(damaged)) :][:1] = b""
            damaged[draw.randrange(max(len(damaged) - 1, 1))] = draw.randrange(256)
        path.write_bytes(bytes(damaged))
        try:
            pretrained.read_weights(path)
        except ValueError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(value: float) -> None:
    layer = torch.nn.Linear(2, 2)
    found = {"weight": torch.ones(2, 2), "bias": torch.tensor([1.0, value])}
    with pytest.raises(ValueError, match=r"w\.pt does not fit: 1 tensors hold numbers that are not finite: bias"):
        pretrained.load_matching(layer, {"weight", "bias"}, found, "w.pt does not fit")


def test_the_file_that_was_found(tmp_path: Path) -> None:
    if not (real := os.environ.get("WHYREC_REAL")):
        pytest.skip("set WHYREC_REAL to the folder of real data and faults")
    with pytest.raises(ValueError, match="it holds 3 bytes: a pickle"):
        pretrained.read_weights(Path(real, "faults", "files", "t4.pt"))

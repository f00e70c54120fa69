import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from engine.features import pretrained
from engine.features.pictures import backbone
from engine.features.settings import PictureEncoder


def encoder(**more: Any) -> PictureEncoder:
    usual = {"backbone": "squeezenet1_1", "weights": "none", "layer": "", "size": 64, "width": 0, "batch_size": 0}
    engine = {"engine": "local", "address": "", "workers": 2}
    return PictureEncoder(**{**usual, **engine, "precision": "fp32", **more})


def picture_BHWC(count: int = 2, side: int = 64) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 255, (count, side, side, 3), np.uint8))


def said(network: backbone.Backbone, side: int = 64) -> torch.Tensor:
    with torch.inference_mode():
        return network(picture_BHWC(side=side))


@pytest.mark.parametrize(
    ("name", "layer", "width"),
    [
        ("resnet18", "layer4.1.relu_1", 512),
        ("squeezenet1_1", "features.12.cat", 512),
        ("mobilenet_v3_small", "features.12.2", 576),
        ("efficientnet_b0", "features.8.2", 1280),
        ("convnext_tiny", "features.7.2.add", 768),
        ("shufflenet_v2_x0_5", "conv5.2", 1024),
        ("densenet121", "relu", 1024),
    ],
)
def test_finds_the_map_before_pooling(name: str, layer: str, width: int) -> None:
    network = backbone.load(encoder(backbone=name), 1)
    assert network.meta == {"backbone": name, "layer": layer, "weights": "none", "seed": 1}
    map_BDHW = said(network)
    assert map_BDHW.shape[:2] == (2, width)
    assert map_BDHW.shape[2] > 1
    # 16 bits hold what drawn weights say, and two pictures differ
    assert 1e-3 < map_BDHW.abs().max() < 1e4
    assert (map_BDHW[0] - map_BDHW[1]).abs().max() > 1e-3


def test_the_cut_and_folded_network_says_what_torchvision_says(tmp_path: Path) -> None:
    torch.manual_seed(3)
    whole = models.resnet18().eval()
    for norm in whole.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.2)  # type: ignore[union-attr]
            norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    network = backbone.load(encoder(backbone="resnet18", weights=str(tmp_path / "w.pth")), 1)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.modules())
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    heard: list[torch.Tensor] = []
    whole.layer4.register_forward_hook(lambda _m, _i, out: heard.append(out))
    with torch.inference_mode():
        whole(((picture_BHWC() / 255 - mean) / std).permute(0, 3, 1, 2))
    torch.testing.assert_close(said(network), heard[0], rtol=1e-4, atol=1e-4)


def test_a_named_layer_is_taken_and_what_lies_behind_is_gone() -> None:
    network = backbone.load(encoder(backbone="resnet18", layer="layer2"), 1)
    assert network.meta["layer"] == "layer2.1.relu_1"
    assert said(network).shape == (2, 128, 8, 8)
    assert not any("layer3" in key for key in network.state_dict())
    with pytest.raises(ValueError, match=r"no layer 'layer9' in resnet18; it has .*layer2"):
        backbone.load(encoder(backbone="resnet18", layer="layer9"), 1)


def test_the_seed_draws_the_weights_and_touches_nothing_else() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (said(backbone.load(encoder(), seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)
    assert torch.equal(torch.random.get_rng_state(), state)


def features_only(path: Path) -> dict[str, torch.Tensor]:
    full = models.squeezenet1_1().state_dict()
    kept = {key: value.clone() for key, value in full.items() if key.startswith("features.")}
    (save_file if path.suffix == ".safetensors" else torch.save)(kept, path)
    return kept


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_file_without_the_classifier_is_enough(tmp_path: Path, name: str) -> None:
    kept = features_only(tmp_path / name)
    network = backbone.load(encoder(weights=str(tmp_path / name)), 1)
    for key, value in kept.items():
        assert torch.equal(network.network.state_dict()[key], value)
    assert network.meta["weights"] == name
    assert network.meta["sha256"] == pretrained.sha256(tmp_path / name)
    assert "seed" not in network.meta


def test_a_file_that_does_not_fit_is_refused_by_key(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    kept = features_only(path)
    few = {key: value for key, value in kept.items() if key != "features.3.squeeze.bias"}
    for state, told in (
        (few, "1 missing: features.3.squeeze.bias"),
        ({**kept, "features.99.extra": torch.zeros(1)}, "1 unknown: features.99.extra"),
        ({**kept, "features.0.weight": torch.zeros(2, 2)}, "features.0.weight (2, 2) for (64, 3, 3, 3)"),
    ):
        torch.save(state, path)
        with pytest.raises(ValueError, match=re.escape(told)):
            backbone.load(encoder(weights=str(path)), 1)


class Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("loaded",)


def test_a_file_of_anything_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.pth"
    for value, found in ((Command(), "no file of weights"), ([1, 2], "expected tensors by name")):
        torch.save(value, path)
        with pytest.raises(ValueError, match=found):
            backbone.load(encoder(weights=str(path)), 1)
    path.write_bytes(b"<html>")
    with pytest.raises(ValueError, match="no file of weights"):
        backbone.load(encoder(weights=str(path)), 1)
    assert capsys.readouterr().out == ""


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no backbone 'resnet19' in torchvision; it has .*resnet18"):
        backbone.load(encoder(backbone="resnet19"), 1)
    with pytest.raises(ValueError, match="no weights 'IMAGENET1K_V9'"):
        backbone.load(encoder(weights="IMAGENET1K_V9"), 1)


@pytest.mark.parametrize(
    ("name", "layer", "size", "why"),
    [
        (
            "vgg16",
            "",
            16,
            r"vgg16 reads no pictures of size 16 up to features\.30 \(.*Output size is too small\); take",
        ),
        ("vit_b_32", "heads", 64, r"vit_b_32 reads no pictures of size 64 up to heads\.head \(Wrong image height"),
        ("maxvit_t", "", 160, r"maxvit_t reads no pictures of size 160 up to .* \(shape .*\); take another size"),
        ("vit_b_32", "floordiv", 224, r"layer floordiv of vit_b_32 puts out no map or vector: 7; take another"),
    ],
)
def test_a_size_or_a_layer_that_the_network_has_no_numbers_for_is_refused(
    name: str, layer: str, size: int, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        backbone.load(encoder(backbone=name, layer=layer, size=size), 1)


def test_an_untrained_network_that_reads_one_size_alone_is_made_ready_by_it() -> None:
    network = models.maxvit_t(weights=None).eval()
    backbone.calibrate_batch_norms(network, network)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {int(norm.num_batches_tracked) for norm in norms} == {1}, "no half of a size that it cannot read"  # type: ignore[arg-type]
    assert not any(module.training for module in network.modules())
    assert bool(said(backbone.load(encoder(backbone="maxvit_t", size=224), 1), 224).isfinite().all())


def test_weights_by_name_are_fetched_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    source = tmp_path / "w.pth"
    kept = features_only(source)
    named = source.rename(tmp_path / f"squeeze-{pretrained.sha256(source)[:8]}.pth")
    usual = models.get_model_weights("squeezenet1_1").DEFAULT.transforms

    class Chosen(dict[str, Any]):
        __members__ = ("IMAGENET1K_V1",)

        def __iter__(self) -> Any:
            return iter([SimpleNamespace(transforms=usual)])

    chosen = Chosen(DEFAULT=SimpleNamespace(url=named.as_uri()))
    monkeypatch.setattr("torchvision.models.get_model_weights", lambda _: chosen)
    network = backbone.load(encoder(weights="DEFAULT"), 1)
    assert torch.equal(network.network.state_dict()["features.0.bias"], kept["features.0.bias"])
    assert network.meta["weights"] == named.name
    stored = tmp_path / "home" / "hub" / "checkpoints" / named.name
    named.unlink()
    backbone.load(encoder(weights="DEFAULT"), 1)
    stored.write_bytes(stored.read_bytes()[:-1])
    with pytest.raises(ValueError, match="not the one that its name promises"):
        backbone.load(encoder(weights="DEFAULT"), 1)

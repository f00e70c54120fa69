"""The benchmark of cards, tried on a processor with tiny shapes."""

import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import torch

import models
from benchmarks.cuda import equality, settings
from benchmarks.cuda.__main__ import main
from benchmarks.cuda.report import Report
from benchmarks.cuda.world import SMALL, World
from models import sasrec

OF_EACH_KIND = ["popularity", "bpr_mf", "gru4rec", "sasrec", "iris", "iarn", "ante_rnn"]  # the laws hold of all models
SMALLEST = ["--device", "cpu", "--small"]


def test_every_model_is_measured() -> None:
    there = {m.name for m in pkgutil.iter_modules(models.__path__) if not m.ispkg}
    assert there <= set(settings.NAMES)
    assert {name for name, *_ in settings.variants(small=True)} == set(settings.NAMES)


def test_every_section_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(settings, "NAMES", OF_EACH_KIND)
    out = tmp_path / "cuda.json"
    assert main([*SMALLEST, "--seconds", "1000", "--out", str(out)]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert json.loads(out.read_text()).keys() == found.keys()
    assert found["failed"] == found["skipped"] == []
    assert {name.split(".")[0] for name in found["equality"]} >= set(OF_EACH_KIND)
    assert {name.split(".")[0] for name in found["fits"]} >= set(OF_EACH_KIND)
    worst = found["equality"]["worst"]["float32"]
    assert worst.keys() == {"loss", "gradient", "score", "influence"}
    assert max(worst.values()) < 1e-7  # one machine against itself: sums over threads may end in other bits
    assert 0 < found["equality"]["worst"]["bfloat16"]["gradient"] < 0.2
    assert found["fits"]["gru4rec.bf16-mixed"]["losses"] != found["fits"]["gru4rec.32-true"]["losses"]
    assert found["ranking"]["against_a_processor"]["equal"]
    assert {"pictures", "texts", "regions"} < found["extraction"].keys()
    assert all(found["extraction"][what]["share_of_bare"] > 0 for what in ("pictures", "texts", "regions"))
    assert found["epochs"]["sasrec.fp32"]["events_a_second"] > 0


def test_a_model_that_differs_is_named_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = (name for name in ("sasrec", "gru4rec"))
    monkeypatch.setattr(settings, "NAMES", list(there))
    load = sasrec.SASRec.load_state_dict

    def otherwise(model: Any, state: Any) -> Any:
        return load(model, {key: value * 1.001 for key, value in state.items()})

    monkeypatch.setattr(sasrec.SASRec, "load_state_dict", otherwise)
    assert main([*SMALLEST, "--only", "equality", "--out", str(tmp_path / "cuda.json")]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {name.split(".")[1] for name in found["failed"]} == {"sasrec"}
    assert found["equality"]["sasrec.default.float32"]["equal"] is False
    assert found["equality"]["gru4rec.default.float32"]["equal"] is True


def test_an_error_is_noted_and_what_is_left_is_skipped(tmp_path: Path) -> None:
    report = Report(torch.device("cpu"), 1000, True, tmp_path / "cuda.json")

    def broken() -> dict[str, Any]:
        raise RuntimeError("no kernel")

    with report.section("one"):
        assert report.attempt("a", broken) == {}
        assert report.attempt("b", lambda: {"value": 1}) == {"value": 1}
        report.seconds = 0
        report.attempt("c", lambda: {"value": 1})
    with report.section("two"):
        raise ValueError("the whole section")
    kept = json.loads((tmp_path / "cuda.json").read_text())
    assert kept["one"]["a"] == {"error": "RuntimeError: no kernel"}
    assert kept["failed"] == ["one.a", "two"]
    assert kept["skipped"] == ["one.c"]
    assert kept["two"]["error"] == "ValueError: the whole section"


def test_settings_are_what_the_models_know() -> None:
    for name, variant, choice in settings.variants(small=False):
        assert models.configure(choice), (name, variant)


def test_what_is_drawn_on_a_device_comes_from_the_processor() -> None:
    torch.manual_seed(3)
    wanted = torch.randperm(9)
    torch.manual_seed(3)
    with equality.DrawnOnProcessor():
        found = torch.randperm(9, device="meta")
    assert found.device.type == "meta"
    torch.manual_seed(3)
    with equality.DrawnOnProcessor():
        assert torch.equal(torch.randperm(9, device="cpu"), wanted)


def test_a_moved_batch_is_the_same_batch() -> None:
    world = World(SMALL, torch.device("cpu"))
    needs = models.configure(settings.choice("iarn", True)).needs
    batch = world.asked(needs, 5)
    moved = equality.moved(batch, torch.device("meta"))
    assert moved.audience.clock.key_E.device.type == "meta"
    assert moved.item_BL.shape == batch.item_BL.shape

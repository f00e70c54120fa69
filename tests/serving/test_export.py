"""What is exported makes the model's own scores in other programs, or says why it does not."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from engine.training.batch import Batch
from serving import encoder
from serving.api import Muted, Refused
from serving.encoder import inputs
from tests.serving.shop import Shop

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(("name", "variant"), [("sasrec", ""), ("gru4rec", ""), ("caser", "")])
def test_an_encoder_and_vectors_make_the_scores(shop: Shop, tmp_path: Path, name: str, variant: str) -> None:
    asked = shop.fitted(name, variant)
    told = asked.export(tmp_path / "out")
    assert told.encoder.startswith("as the model on 12 people, within")
    assert told.files == ("about.json", "encoder.onnx", "items.npy", "items.parquet", "people.npy", "people.parquet")
    item_ND, person_UD = np.load(tmp_path / "out" / "items.npy"), np.load(tmp_path / "out" / "people.npy")
    items, people = (pl.read_parquet(tmp_path / "out" / f"{n}.parquet") for n in ("items", "people"))
    assert (items["number"].to_list(), items["title"][4]) == (list(range(1, 16)), "Heat (1995)")
    np.testing.assert_array_equal(items["vector"].to_numpy(), item_ND[1:])
    np.testing.assert_array_equal(people["vector"].to_numpy(), person_UD)
    number = dict(items.select("item", "number").iter_rows())
    history = asked.person("p2").without([4])
    given = inputs(asked._model.asked(history, None, Muted()), asked._model.needs, asked._model.own_rows)
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "encoder.onnx"))
    named = {one.name: given[one.name].numpy() for one in session.get_inputs()}
    assert set(json.loads((tmp_path / "out" / "about.json").read_text())["inputs"]) >= set(named)
    score_N = (session.run(None, named)[0] @ item_ND.T)[0]
    for one in asked.recommend(history, 4):
        assert score_N[number[one.item]] == pytest.approx(one.score, rel=1e-3, abs=1e-4)
    for one in asked.recommend(asked.person("p2"), 4):
        assert (person_UD @ item_ND.T)[1, number[one.item]] == pytest.approx(one.score, rel=1e-3, abs=1e-4)


def test_what_cannot_be_traced_or_has_no_vectors_says_so(shop: Shop, tmp_path: Path) -> None:
    told = shop.fitted("ante_rnn", "whole").export(tmp_path / "ante")
    assert told.encoder.startswith("none of ante_rnn: torch cannot trace it (")
    assert "encoder.onnx" not in told.files
    told = shop.fitted("bert4rec", "ends").export(tmp_path / "bert")
    assert told.encoder.startswith(
        "none of bert4rec: what was traced does not run on any number of rows (InvalidArgument:"
    )
    assert "encoder.onnx" not in told.files
    assert shop.fitted("bpr_mf").export(tmp_path / "bpr").encoder == "none: bpr_mf reads no history"
    with pytest.raises(Refused, match="the scores of ease are no inner products"):
        shop.fitted("ease").export(tmp_path / "ease")
    assert not (tmp_path / "ease").exists()


def test_an_encoder_that_differs_is_not_kept(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = shop.fitted("caser")
    forward = encoder.Encoder.forward
    monkeypatch.setattr(encoder.Encoder, "forward", lambda self, *given: forward(self, *given) + 0.01)
    told = asked.export(tmp_path / "out")
    assert "what was traced differs from the model by" in told.encoder
    assert not (tmp_path / "out" / "encoder.onnx").exists()


def test_vectors_that_make_other_scores_are_not_written(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = shop.fitted("sasrec")
    own = type(asked._model.net).score

    def scored(self: torch.nn.Module, batch: Batch, item_BK: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = own(self, batch, item_BK) + 1
        return found

    monkeypatch.setattr(type(asked._model.net), "score", scored)
    with pytest.raises(Refused, match="make other scores than the model"):
        asked.export(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_but_an_export_is_replaced(shop: Shop, tmp_path: Path) -> None:
    asked = shop.fitted("popularity")
    kept, link, file = tmp_path / "kept", tmp_path / "link", tmp_path / "file"
    kept.mkdir()
    for path in (kept / "about.json", kept / "thesis.md", file):
        path.write_text("mine")
    link.symlink_to(kept)
    for folder, told in (
        (kept, r"kept holds what is no export \(thesis.md\), and would be replaced: name a new folder"),
        (link, "holds what is no export"),
        (file, "file is no folder, so that nothing can be exported there"),
        (file / "below" / "it", "file is no folder"),
    ):
        with pytest.raises(Refused, match=told):
            asked.export(folder)
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "link", "file"}
    assert [path.read_text() for path in (kept / "about.json", link / "thesis.md", file)] == ["mine"] * 3
    (kept / "thesis.md").unlink()
    assert "items.npy" in asked.export(link).files, "what is left could be an export, and a link is followed"
    assert link.is_symlink()
    assert np.load(kept / "items.npy").shape == (16, 1)
    assert asked.export(kept).folder == str(kept), "an earlier export is replaced"

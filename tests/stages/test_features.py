import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image, ImageDraw
from torchvision import models

from engine.features.pictures.backbone import seeded
from engine.features.settings import TextEncoder
from engine.features.text import bert, doc2vec, extractor
from engine.features.text.bert import Bert
from engine.tables import arrays, store
from engine.tables.layout import Layout
from engine.tables.schemas import CATALOG, IMAGES, REGIONS, VECTORS, WORDS
from stages import images as images_stage
from stages import regions as regions_stage
from stages import text as text_stage

PICTURE = {"backbone": "resnet18", "weights": "none", "layer": "layer2", "size": 64, "width": 0, "batch_size": 0,
           "engine": "local", "address": "", "workers": 2}  # fmt: skip
LIMITS = {"longest": 128, "proposals": 40, "overlap": 0.7, "class_overlap": 0.3, "confidence": 0.0, "most": 5}


def regions(**more: Any) -> regions_stage.Params:
    settings = {**PICTURE, "precision": "fp32", "detector": "grid", "rows": 4, "columns": 3, **more}
    settings = {"faster_rcnn": {**LIMITS, "classes": 6}, **settings}
    return regions_stage.Params(dataset="demo", regions=settings, device="cpu", seed=1)  # type: ignore[arg-type]


def whole(**more: Any) -> images_stage.Params:
    return images_stage.Params(dataset="demo", images={**PICTURE, "precision": "fp32", **more}, device="cpu", seed=1)  # type: ignore[arg-type]


def texts(**more: Any) -> text_stage.Params:
    settings = {"encoder": "minilm", "limit": 8, "tokens": 256, "width": 0, "batch_tokens": 0, "precision": "fp32"}
    settings |= {"engine": "local", "address": "", "workers": 2}
    settings["doc2vec"] = {"dim": 12, "window": 3, "minimum": 1, "epochs": 20}
    return text_stage.Params(text={**settings, **more}, device="cpu", seed=1)  # type: ignore[arg-type]


COLOURS = [(200, 40, 40), (40, 160, 60), (40, 60, 200), (230, 200, 60)]


def poster(item: int) -> bytes:
    """A disc or a box at one cell of four by three on one of four colours: `item` says which."""
    random = np.random.default_rng(item)
    image = Image.new("RGB", (120, 160), COLOURS[item % 4])
    row, column = item // 4 % 4, item // 16 % 3
    corner = (column * 40 + 4, row * 40 + 4, column * 40 + 36, row * 40 + 36)
    draw = ImageDraw.Draw(image)
    (draw.ellipse if item % 2 else draw.rectangle)(corner, fill=tuple(int(v) for v in random.integers(0, 256, 3)))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def shards(layout: Layout, data: dict[int, bytes], size: int = 20) -> None:
    rows = [(item, content, "PNG", 120, 160, "-") for item, content in data.items()]
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    frames = [pl.DataFrame(part, schema=dict(IMAGES.columns), orient="row") for part in parts]
    store.write_shards(frames, layout.images, IMAGES)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, "temporal")


@pytest.fixture(scope="module")
def posters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = Layout(tmp_path_factory.mktemp("posters"), "temporal")
    shards(there, {item: poster(item) for item in range(1, 49)})
    return there.images


@pytest.fixture
def images(layout: Layout, posters: Path) -> None:
    layout.images.symlink_to(posters)


def test_a_grid_gives_boxes_scores_and_vectors(images: None, layout: Layout) -> None:
    regions_stage.main(regions(), layout)
    found = store.read(layout.regions, REGIONS)
    assert found["item"].to_list() == list(range(1, 49))
    box_X4, offsets = arrays.ragged(found["box"])
    assert (np.diff(offsets) == 12).all()
    np.testing.assert_allclose(box_X4[:2], [[0, 0, 1 / 3, 0.25], [1 / 3, 0, 2 / 3, 0.25]])
    np.testing.assert_allclose(box_X4[11], [2 / 3, 0.75, 1, 1])
    assert (arrays.ragged(found["score"])[0] == 1).all()
    assert arrays.ragged(found["region"])[0].shape == (48 * 12, 128)
    noted = store.meta(layout.regions)
    assert {k: noted[k] for k in ("detector", "backbone", "layer", "weights", "seed", "rows", "columns", "unread")} == {
        "detector": "grid", "backbone": "resnet18", "layer": "layer2.1.relu_1", "weights": "none", "seed": 1,
        "rows": 4, "columns": 3, "unread": 0,
    }  # fmt: skip


def test_the_cell_that_differs_is_the_cell_that_was_drawn(layout: Layout) -> None:
    def square(x: int, y: int) -> bytes:
        image = Image.new("RGB", (120, 160), (60, 60, 160))
        image.paste((240, 220, 40), (x, y, x + 24, y + 24))
        out = io.BytesIO()
        image.save(out, "PNG")
        return out.getvalue()

    shards(layout, {1: square(-40, -40), 2: square(8, 8), 3: square(88, 128), 4: square(48, 88)})
    regions_stage.main(regions(), layout)
    region_UMD = arrays.ragged(store.read(layout.regions, REGIONS)["region"])[0].reshape(4, 12, 128)
    change_UM = np.linalg.norm(region_UMD[1:].astype(np.float32) - region_UMD[0], axis=2)
    assert change_UM.argmax(1).tolist() == [0, 11, 7]


def test_drawn_weights_tell_colours_apart(images: None, layout: Layout) -> None:
    images_stage.main(whole(layer=""), layout)
    vector_UD = arrays.vectors(store.read(layout.image, VECTORS)["vector"]).astype(np.float64)
    colour_U = np.arange(1, 49) % 4
    mean_4D = np.stack([vector_UD[:24][colour_U[:24] == c].mean(0) for c in range(4)])
    nearest_U = np.linalg.norm(vector_UD[24:, None] - mean_4D, axis=2).argmin(1)
    assert (nearest_U == colour_U[24:]).mean() >= 0.95


def test_the_same_whatever_the_batch_and_the_seed_of_others(images: None, layout: Layout, tmp_path: Path) -> None:
    for name, size, seed in (("a", 0, 1), ("again", 0, 2), ("b", 1, 3), ("c", 7, 4)):
        torch.manual_seed(seed)
        images_stage.main(whole(batch_size=size), layout)
        layout.image.rename(tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()
    one = store.read(tmp_path / "a.parquet", VECTORS)
    for name in "bc":
        other = store.read(tmp_path / f"{name}.parquet", VECTORS)
        assert one["item"].equals(other["item"])
        np.testing.assert_allclose(arrays.vectors(one["vector"]), arrays.vectors(other["vector"]), atol=1e-3, rtol=1e-3)


def test_a_vector_is_the_average_of_its_cells(images: None, layout: Layout) -> None:
    images_stage.main(whole(), layout)
    regions_stage.main(regions(rows=4, columns=4), layout)
    region_UMD = arrays.ragged(store.read(layout.regions, REGIONS)["region"])[0].reshape(48, 16, 128)
    vector_UD = arrays.vectors(store.read(layout.image, VECTORS)["vector"])
    np.testing.assert_allclose(region_UMD.astype(np.float32).mean(1), vector_UD, atol=2e-3, rtol=2e-3)


def test_bad_pictures_get_no_row_and_are_counted(caplog: pytest.LogCaptureFixture, layout: Layout) -> None:
    data = {1: poster(1), 2: b"<html>", 3: poster(3)[:200], 5: poster(5)}
    shards(layout, data, 2)
    regions_stage.main(regions(), layout)
    assert store.read(layout.regions, REGIONS)["item"].to_list() == [1, 5]
    noted = store.meta(layout.regions)
    assert (noted["pictures"], noted["unread"]) == (4, 2)
    assert "item 2: its picture cannot be read" in caplog.text


@pytest.mark.parametrize("width", [0, 8])
def test_no_pictures_make_an_empty_table(layout: Layout, width: int) -> None:
    shards(layout, {})
    regions_stage.main(regions(width=width), layout)
    images_stage.main(whole(width=width), layout)
    assert store.read(layout.regions, REGIONS).height == store.read(layout.image, VECTORS).height == 0
    assert store.meta(layout.regions)["pictures"] == 0


def test_a_skipped_stage_says_so(layout: Layout) -> None:
    regions_stage.main(regions(detector="none"), layout)
    images_stage.main(whole(backbone="none"), layout)
    text_stage.main(texts(encoder="none"), layout)
    assert store.meta(layout.regions) == {"detector": "none"}
    assert store.meta(layout.image) == {"backbone": "none"}
    assert store.meta(layout.words) == store.meta(layout.text) == {"encoder": "none"}
    assert store.read(layout.regions, REGIONS).height == store.read(layout.words, WORDS).height == 0


@pytest.mark.parametrize("stage", ["images", "regions"])
def test_an_untrained_network_must_be_asked_for_by_name_outside_the_demo(
    images: None, layout: Layout, stage: str
) -> None:
    def run(dataset: str, weights: str) -> None:
        if stage == "images":
            images_stage.main(whole(weights=weights).model_copy(update={"dataset": dataset}), layout)
        else:
            regions_stage.main(regions(weights=weights).model_copy(update={"dataset": dataset}), layout)

    with pytest.raises(ValueError, match=rf"{stage}\.weights is none: an untrained resnet18 .* movielens") as caught:
        run("movielens", "none")
    assert all(cure in str(caught.value) for cure in ("IMAGENET1K_V1", "a file of weights", "untrained"))
    made = layout.image if stage == "images" else layout.regions
    assert not made.exists()
    run("movielens", "untrained")
    asked = store.read(made, VECTORS if stage == "images" else REGIONS)
    assert store.meta(made)["weights"] == "untrained"
    assert store.meta(made)["seed"] == 1
    run("demo", "none")
    assert store.read(made, VECTORS if stage == "images" else REGIONS).equals(asked)


def test_pictures_are_reduced_on_request(images: None, layout: Layout) -> None:
    regions_stage.main(regions(width=5), layout)
    assert arrays.ragged(store.read(layout.regions, REGIONS)["region"])[0].shape == (48 * 12, 5)
    noted = store.meta(layout.regions)
    assert noted["width"] == 5
    assert 0.5 < noted["variance"] <= 1


def test_a_layer_that_is_no_map_is_refused(images: None, layout: Layout) -> None:
    with pytest.raises(ValueError, match="layer flatten puts out no map"):
        regions_stage.main(regions(layer="flatten"), layout)
    images_stage.main(whole(layer="flatten"), layout)
    assert arrays.vectors(store.read(layout.image, VECTORS)["vector"]).shape == (48, 512)
    assert not layout.regions.exists()


def test_more_cells_than_the_map_has_are_refused(images: None, layout: Layout) -> None:
    told = r"9 rows and 3 columns are more than the map of layer layer2\.\S+ has \(8 x 8 for pictures of size 64\)"
    with pytest.raises(ValueError, match=told):
        regions_stage.main(regions(rows=9), layout)
    assert not layout.regions.exists()


def test_regions_without_a_network_say_what_skips_them(layout: Layout) -> None:
    with pytest.raises(ValueError, match=r"regions\.backbone is none; regions\.detector: none skips"):
        regions_stage.main(regions(backbone="none"), layout)
    regions_stage.main(regions(backbone="none", detector="none"), layout)


def test_half_precision_is_close_and_refused_where_it_is_not_to_be_had(
    images: None, layout: Layout, tmp_path: Path
) -> None:
    images_stage.main(whole(), layout)
    layout.image.rename(tmp_path / "a.parquet")
    images_stage.main(whole(precision="bf16"), layout)
    layout.image.rename(tmp_path / "b.parquet")
    one, other = (
        arrays.vectors(store.read(tmp_path / f"{name}.parquet", VECTORS)["vector"]).astype(np.float64) for name in "ab"
    )
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert cosine.min() > 0.999
    assert not np.array_equal(one, other)
    assert store.meta(tmp_path / "b.parquet")["precision"] == "bfloat16"
    with pytest.raises(ValueError, match="fp16 is for CUDA"):
        images_stage.main(whole(precision="fp16"), layout)


def test_cuda_where_there_is_none_is_refused(images: None, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    catalog(layout, {1: "A boat."})
    for stage, params in ((images_stage, whole()), (regions_stage, regions()), (text_stage, texts())):
        with pytest.raises(ValueError, match="device is cuda, and torch sees none; set device to auto or cpu"):
            stage.main(params.model_copy(update={"device": "cuda"}), layout)


def normal_BCHW(folder: Path) -> torch.Tensor:
    """The pictures of a folder of shards, of 64 x 64, as torchvision's networks were trained on them."""
    frames = store.read_shards(folder, IMAGES, columns=["image"])
    picture_BHWC = np.stack([np.asarray(Image.open(io.BytesIO(data))) for part in frames for data in part["image"]])
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((torch.from_numpy(picture_BHWC) / 255 - mean) / std).permute(0, 3, 1, 2)


def noise(layout: Layout, many: int = 3) -> None:
    data = {}
    for item in range(1, many + 1):
        out = io.BytesIO()
        Image.fromarray(np.random.default_rng(item).integers(0, 256, (64, 64, 3), np.uint8)).save(out, "PNG")
        data[item] = out.getvalue()
    shards(layout, data)


def test_vgg16_says_its_second_layer_of_4096(layout: Layout) -> None:
    """MAHN's and MIN's vector of a picture: what the second fully connected layer puts out, rectified."""
    noise(layout)
    images_stage.main(whole(backbone="vgg16", layer="classifier.4"), layout)
    vector_UD = arrays.vectors(store.read(layout.image, VECTORS)["vector"]).astype(np.float32)
    assert vector_UD.shape == (3, 4096)
    assert vector_UD.min() == 0
    assert store.meta(layout.image)["layer"] == "classifier.4"
    with seeded(1), torch.inference_mode():
        network = models.vgg16(weights=None).eval()
        wanted_UD = network.classifier[:5](
            network.avgpool(network.features(normal_BCHW(layout.images))).flatten(1)
        ).numpy()
    np.testing.assert_allclose(vector_UD, wanted_UD, rtol=2e-3, atol=2e-3 * wanted_UD.max())


def test_resnet50_says_2048_at_either_name_of_its_last_layer(tmp_path: Path, layout: Layout) -> None:
    """Multimodal IRIS's vector of a picture."""
    noise(layout)
    torch.manual_seed(4)
    network = models.resnet50(weights=None).eval()
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    network.fc = torch.nn.Identity()
    with torch.inference_mode():
        wanted_UD = network(normal_BCHW(layout.images)).numpy()
    for layer, called in (("", "layer4.2.relu_2"), ("flatten", "flatten")):
        settings = whole(backbone="resnet50", layer=layer, weights=str(tmp_path / "w.pth"))
        images_stage.main(settings, layout)
        vector_UD = arrays.vectors(store.read(layout.image, VECTORS)["vector"]).astype(np.float32)
        assert vector_UD.shape == (3, 2048)
        np.testing.assert_allclose(vector_UD, wanted_UD, rtol=2e-3, atol=2e-3 * wanted_UD.max())
        assert store.meta(layout.image)["layer"] == called


def test_a_region_of_resnet101_c4_is_2048_wide_through_the_stage(layout: Layout) -> None:
    shards(layout, {item: poster(item) for item in (1, 2)})
    limits = {**LIMITS, "proposals": 6, "classes": 6}
    settings = regions(detector="faster_rcnn", backbone="resnet101_c4", faster_rcnn=limits)
    regions_stage.main(settings, layout)
    found = store.read(layout.regions, REGIONS)
    assert found["item"].to_list() == [1, 2]
    region_XD, offsets = arrays.ragged(found["region"])
    assert region_XD.shape[1] == 2048
    assert ((np.diff(offsets) >= 1) & (np.diff(offsets) <= 5)).all()
    assert store.meta(layout.regions)["backbone"] == "resnet101_c4"


def test_in_half_precision_the_same_whatever_the_batch(images: None, layout: Layout) -> None:
    if not torch.cpu.get_capabilities().get("avx512_bf16"):
        pytest.skip("this processor has no bf16: run it on one with avx512_bf16")

    def close(one_XD: np.ndarray, other_XD: np.ndarray) -> bool:
        one_XD, other_XD = one_XD.astype(np.float64), other_XD.astype(np.float64)
        return bool((np.linalg.norm(one_XD - other_XD, axis=1) <= 1e-3 * np.linalg.norm(one_XD, axis=1)).all())

    said = []
    for size in (1, 5, 48):
        half = {"precision": "bf16", "batch_size": size}
        images_stage.main(whole(layer="", **half), layout)
        regions_stage.main(regions(**half), layout)
        vector_UD = arrays.vectors(store.read(layout.image, VECTORS)["vector"])
        said.append((vector_UD, arrays.ragged(store.read(layout.regions, REGIONS)["region"])[0]))
    for other in said[1:]:
        assert all(close(a, b) for a, b in zip(said[0], other, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_detector_says_the_same_whatever_the_batch(precision: str, layout: Layout) -> None:
    if precision == "bf16" and not torch.cpu.get_capabilities().get("avx512_bf16"):
        pytest.skip("this processor has no bf16: run it on one with avx512_bf16")
    said = []
    shards(layout, {item: poster(item) for item in range(1, 7)})
    limits = {**LIMITS, "longest": 256, "proposals": 100, "most": 36, "classes": 6}
    for size in (1, 6):
        settings = regions(detector="faster_rcnn", backbone="fasterrcnn_resnet50_fpn_v2", faster_rcnn=limits, size=192,
                           batch_size=size, precision=precision)  # fmt: skip
        regions_stage.main(settings, layout)
        found = store.read(layout.regions, REGIONS)
        said.append([arrays.ragged(found[name])[0].astype(float) for name in ("box", "region")])
    (box_X4, region_XD), (other_X4, other_XD) = said
    assert len(box_X4) > 100
    np.testing.assert_allclose(box_X4, other_X4, atol=1e-5)
    assert (np.linalg.norm(region_XD - other_XD, axis=1) <= 1e-3 * np.linalg.norm(region_XD, axis=1)).all()


def catalog(layout: Layout, rows: dict[int, str | None]) -> None:
    table = [(item, f"film {item}", text, "ok", "missing", "test") for item, text in rows.items()]
    store.write(pl.DataFrame(table, schema=dict(CATALOG.columns), orient="row"), layout.catalog, CATALOG)


def test_texts_give_words_and_a_whole(monkeypatch: pytest.MonkeyPatch, layout: Layout) -> None:
    monkeypatch.setattr(extractor, "ROWS", 3)
    long = "one two three four five six seven eight nine ten"
    catalog(layout, {1: "A robot's heart.", 2: None, 3: "  ", 4: "...", 6: long, 7: "A boat."})
    text_stage.main(texts(), layout)
    words, whole_ = store.read(layout.words, WORDS), store.read(layout.text, VECTORS)
    assert words["item"].to_list() == whole_["item"].to_list() == [1, 6, 7]
    assert words["token"].to_list() == [["A", "robot's", "heart"], long.split()[:8], ["A", "boat"]]
    assert words["span"].to_list()[0] == [[0, 1], [2, 9], [10, 15]]
    assert arrays.ragged(words["word"])[0].shape == (13, 384)
    assert arrays.vectors(whole_["vector"]).shape == (3, 384)
    noted = store.meta(layout.words)
    assert {k: noted[k] for k in ("encoder", "limit", "texts", "wordless", "cut", "precision")} == {
        "encoder": "minilm", "limit": 8, "texts": 4, "wordless": 1, "cut": 0, "precision": "float32",
    }  # fmt: skip
    assert len(noted["sha256"]) == 64


@pytest.mark.parametrize("texts_", [{}, {1: None, 2: None, 3: "  "}, {1: "A boat.", 2: None, 3: None, 4: None}])
@pytest.mark.parametrize("encoder", ["minilm", "doc2vec"])
@pytest.mark.parametrize("width", [0, 8])
def test_blocks_without_a_text_give_empty_rows(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, texts_: dict[int, str | None], encoder: str, width: int
) -> None:
    monkeypatch.setattr(extractor, "ROWS", 2)  # the second block of the last one has no text
    catalog(layout, texts_)
    written = [item for item, text in texts_.items() if text and text.strip()]
    text_stage.main(texts(encoder=encoder, width=0 if written else width), layout)
    for path, table in ((layout.words, WORDS), (layout.text, VECTORS)):
        assert store.read(path, table)["item"].to_list() == written
        assert store.meta(path)["texts"] == len(written)


def test_words_are_reduced_on_request(layout: Layout) -> None:
    catalog(layout, {i: f"A tale of {w} and woe." for i, w in enumerate(["love", "war", "sea", "hope"], 1)})
    text_stage.main(texts(width=3), layout)
    assert arrays.ragged(store.read(layout.words, WORDS)["word"])[0].shape == (24, 3)
    assert arrays.vectors(store.read(layout.text, VECTORS)["vector"]).shape == (4, 3)
    for path in (layout.words, layout.text):
        assert store.meta(path)["width"] == 3


def test_a_detector_gives_ragged_regions_and_an_empty_picture_no_row(layout: Layout) -> None:
    shards(layout, {item: poster(item) for item in (1, 2, 3)})
    settings = {"detector": "faster_rcnn", "backbone": "fasterrcnn_resnet50_fpn_v2"}
    limits = {**LIMITS, "proposals": 8, "classes": 6}
    regions_stage.main(regions(**settings, faster_rcnn=limits), layout)
    found = store.read(layout.regions, REGIONS)
    assert found["item"].to_list() == [1, 2, 3]
    box_X4, offsets = arrays.ragged(found["box"])
    assert (np.diff(offsets) <= 5).all()
    assert ((box_X4 >= 0) & (box_X4 <= 1)).all()
    assert arrays.ragged(found["region"])[0].shape == (len(box_X4), 1024)
    noted = store.meta(layout.regions)
    assert {k: noted[k] for k in ("detector", "pictures", "unread", "empty", "confidence")} == {
        "detector": "faster_rcnn", "pictures": 3, "unread": 0, "empty": 0, "confidence": 0.0,
    }  # fmt: skip
    regions_stage.main(regions(**settings, faster_rcnn={**limits, "confidence": 1.0}), layout)
    assert store.read(layout.regions, REGIONS).height == 0
    assert store.meta(layout.regions)["empty"] == 3
    with pytest.raises(ValueError, match="longest is 32, less than size 64"):
        regions_stage.main(regions(**settings, faster_rcnn={**limits, "longest": 32}), layout)


def test_doc2vec_is_learnt_and_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Layout
) -> None:
    made: list[Any] = []
    learner = doc2vec.Doc2Vec
    monkeypatch.setattr(doc2vec, "Doc2Vec", lambda **how: made.append(learner(**how)) or made[-1])
    words = ["love", "war", "sea", "hope"]
    catalog(layout, {1: None, **{i: f"A tale of {w} and woe." for i, w in enumerate(words, 2)}, 9: "Zebra!"})
    few = {"dim": 6, "window": 3, "minimum": 2, "epochs": 5}
    for name in "ab":
        settings = texts(encoder="doc2vec", doc2vec=few, limit=3)
        text_stage.main(settings, layout)
        layout.words.rename(tmp_path / f"w{name}.parquet")
        layout.text.rename(tmp_path / f"t{name}.parquet")
    for kind in "wt":
        assert (tmp_path / f"{kind}a.parquet").read_bytes() == (tmp_path / f"{kind}b.parquet").read_bytes()
    found = store.read(tmp_path / "wa.parquet", WORDS)
    assert found["item"].to_list() == [2, 3, 4, 5]
    assert found["token"].to_list()[0] == ["A", "tale", "of"]
    assert found["span"].to_list()[0] == [[0, 1], [2, 6], [7, 9]]
    word_UND = arrays.ragged(found["word"])[0].reshape(4, 3, 6)
    assert (word_UND[0] == word_UND[1]).all()
    vector_UD = arrays.vectors(store.read(tmp_path / "ta.parquet", VECTORS)["vector"])
    np.testing.assert_allclose(vector_UD, [made[0].dv[item] for item in (2, 3, 4, 5)], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(word_UND[0], [made[0].wv[word] for word in ("a", "tale", "of")], rtol=1e-3, atol=1e-5)
    assert not np.allclose(vector_UD[0], vector_UD[1], atol=1e-4)
    noted = store.meta(tmp_path / "wa.parquet")
    assert {k: noted[k] for k in ("encoder", "dim", "texts", "wordless", "words")} == {
        "encoder": "doc2vec", "dim": 6, "texts": 5, "wordless": 1, "words": "static",
    }  # fmt: skip
    with pytest.raises(ValueError, match="learns in one process"):
        text_stage.main(texts(encoder="doc2vec", engine="ray"), layout)
    rare = {**few, "minimum": 50}
    with pytest.raises(ValueError, match=r"no word of .* occurs so often"):
        text_stage.main(texts(encoder="doc2vec", doc2vec=rare), layout)


def test_doc2vec_knows_a_word_however_it_is_written(layout: Layout, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    catalog(layout, {1: "Caf\u00e9", 2: "cafe\u0301", 3: "sea"})
    few = {"dim": 6, "window": 3, "minimum": 2, "epochs": 2}
    text_stage.main(texts(encoder="doc2vec", doc2vec=few), layout)
    found = store.read(layout.words, WORDS)
    assert found["token"].to_list() == [["Caf\u00e9"], ["cafe\u0301"]]  # as the texts have it
    vector_UND = arrays.ragged(found["word"])[0]
    assert (vector_UND[0] == vector_UND[1]).all()
    assert not [record for record in caplog.records if record.name.startswith("gensim")]


def test_doc2vec_follows_its_settings_and_the_seed(layout: Layout) -> None:
    texts_ = {1: "Love and war", 2: "war and love", 3: "  ", 4: "the sea and the war"}
    catalog(layout, texts_)

    def learnt(seed: int = 1, **changes: int) -> pl.DataFrame:
        few = {"dim": 6, "window": 3, "minimum": 1, "epochs": 2, **changes}
        settings = texts(encoder="doc2vec", doc2vec=few).model_copy(update={"seed": seed})
        text_stage.main(settings, layout)
        return store.read(layout.words, WORDS)

    plain = learnt()
    words = arrays.ragged(plain["word"])[0]
    assert plain["item"].to_list() == [1, 2, 4]
    assert plain["token"].to_list()[0] == ["Love", "and", "war"]
    assert (words[0] == words[5]).all(), "a word is the same in capitals"
    assert {name: store.meta(layout.words)[name] for name in ("texts", "wordless")} == {
        "texts": 3,
        "wordless": 0,
    }
    for other in (learnt(seed=2), learnt(epochs=9)):  # words are learnt, not only texts
        assert other["token"].to_list() == plain["token"].to_list()
        assert not np.allclose(arrays.ragged(other["word"])[0], words, atol=1e-4)


def test_a_processor_s_threads_are_left_to_the_network() -> None:
    encoder = TextEncoder(**texts().text.model_dump(include=set(TextEncoder.model_fields)))
    found = extractor.Texts(encoder, "cpu").load()
    frame, there = pl.DataFrame({"item": [3], "text": ["A boat."]}), []
    found.bert.tokenize = lambda *given: there.append(threading.get_ident()) or Bert.tokenize(found.bert, *given)
    prepared = found.prepare(frame)
    assert not there, "nothing is begun before it is read"
    assert found.extract(prepared).counts == {"texts": 1, "wordless": 0, "cut": 0}
    assert there == [threading.get_ident()]


def test_a_bert_s_settings_reach_it_and_cut_texts_are_counted(monkeypatch: pytest.MonkeyPatch, layout: Layout) -> None:
    asked: list[int] = []
    batches = bert.length_batches

    def noted(lengths: list[int], budget: int) -> Any:
        asked.append(budget)
        return batches(lengths, budget)

    monkeypatch.setattr(bert, "length_batches", noted)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    catalog(layout, {1: "one two three four five six seven eight", 2: "A boat."})
    for budget in (0, 7):
        settings = texts(tokens=6, batch_tokens=budget)
        text_stage.main(settings, layout)
        assert store.meta(layout.words)["cut"] == 1
    assert asked == [512 * 3, 7]
    assert store.read(layout.words, WORDS)["token"].to_list() == [
        ["one", "two", "three", "four"],
        ["A", "boat"],
    ]
    encoder = TextEncoder(**settings.text.model_dump(include=set(TextEncoder.model_fields)))
    assert extractor.Texts(encoder.model_copy(update={"encoder": "a/folder"}), "cpu").weights == Path("a/folder")

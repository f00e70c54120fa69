import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou, roi_pool

from engine.features.pictures import bottom_up, detector
from engine.features.pictures.detector import Detector
from engine.features.settings import Detection, PictureEncoder

LIMITS = Detection(
    longest=128, proposals=12, overlap=0.7, class_overlap=0.3, confidence=0.0, most=5, classes=6
)  # fmt: skip


def encoder(name: str, weights: str = "none") -> PictureEncoder:
    return PictureEncoder(
        backbone=name, weights=weights, layer="", size=64, width=0, batch_size=0, precision="fp32",
        engine="local", address="", workers=2,
    )  # fmt: skip


def published() -> dict[str, Tensor]:
    """A state dict with the names and shapes of the port, drawn."""
    random = torch.Generator().manual_seed(5)
    found: dict[str, Tensor] = {}

    def norm(name: str, width: int) -> None:
        found[f"{name}.weight"] = torch.rand(width, generator=random) * 0.1 + 0.2
        found[f"{name}.bias"] = torch.randn(width, generator=random) * 0.1
        found[f"{name}.running_mean"] = torch.randn(width, generator=random) * 0.1
        found[f"{name}.running_var"] = torch.rand(width, generator=random) + 0.5

    def convolution(name: str, out: int, into: int, side: int) -> None:
        drawn = torch.randn(out, into, side, side, generator=random)
        found[f"{name}.weight"] = drawn * (2 / (into * side * side)) ** 0.5
        norm(f"{name}.norm", out)

    def linear(name: str, *shape: int) -> None:
        found[f"{name}.weight"] = torch.randn(*shape, generator=random) * 0.02
        found[f"{name}.bias"] = torch.randn(shape[0], generator=random) * 0.02

    convolution("backbone.stem.conv1", 64, 3, 7)
    into = 64
    for stage, (blocks, width) in enumerate(((3, 64), (4, 128), (23, 256), (3, 512)), 2):
        place = "roi_heads.res5" if stage == 5 else f"backbone.res{stage}"
        for block in range(blocks):
            if block == 0:
                convolution(f"{place}.0.shortcut", 4 * width, into, 1)
            convolution(f"{place}.{block}.conv1", width, into, 1)
            convolution(f"{place}.{block}.conv2", width, width, 3)
            convolution(f"{place}.{block}.conv3", 4 * width, width, 1)
            into = 4 * width
    found["proposal_generator.anchor_generator.cell_anchors.0"] = 1.25 * bottom_up._Anchors().cell_A4
    linear("proposal_generator.rpn_head.conv", 512, 1024, 3, 3)
    linear("proposal_generator.rpn_head.objectness_logits", 12, 512, 1, 1)
    linear("proposal_generator.rpn_head.anchor_deltas", 48, 512, 1, 1)
    linear("roi_heads.box_predictor.cls_score", LIMITS.classes + 1, 2048)
    linear("roi_heads.box_predictor.bbox_pred", LIMITS.classes * 4, 2048)
    found["roi_heads.box_predictor.cls_embedding.weight"] = torch.zeros(LIMITS.classes + 1, 256)
    linear("roi_heads.box_predictor.fc_attr", 512, 2304)
    linear("roi_heads.box_predictor.attr_score", 5, 512)
    return found


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return published()


@pytest.fixture(scope="module")
def c4(weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Detector:
    path = tmp_path_factory.mktemp("c4") / "w.pth"
    torch.save(weights, path)
    return detector.load(encoder(detector.C4, str(path)), LIMITS, 1)


def picture_BHWC(count: int = 2) -> Tensor:
    return torch.randint(0, 256, (count, 64, 96, 3), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)


def test_a_c4_region_is_2048_wide_and_lies_in_the_picture(c4: Detector) -> None:
    with torch.inference_mode():
        found = c4(picture_BHWC())
    for box_M4, score_M, region_MD in found:
        assert 0 < len(box_M4) <= 5
        assert region_MD.shape == (len(box_M4), 2048)
        assert ((box_M4 >= 0) & (box_M4 <= 1)).all()
        assert (box_M4[:, 2:] > box_M4[:, :2]).all()
        assert (score_M.diff() <= 0).all()
    assert c4.meta["weights"] == "w.pth"
    assert len(c4.meta["sha256"]) == 64
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in c4.modules())


def test_a_region_does_not_see_its_neighbours(c4: Detector) -> None:
    with torch.inference_mode():
        together, alone = c4(picture_BHWC()), c4(picture_BHWC()[1:])
    for one, other in zip(together[1], alone[0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def normed(weights: dict[str, Tensor], x_BCHW: Tensor, name: str, stride: int, padding: int, apart: int = 1) -> Tensor:
    x_BCHW = torch.conv2d(x_BCHW, weights[f"{name}.weight"], None, stride, padding, apart)
    kept = [weights[f"{name}.norm.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    return torch.batch_norm(x_BCHW, kept[2], kept[3], kept[0], kept[1], False, 0, 1e-5, False)


def block_BCHW(weights: dict[str, Tensor], x_BCHW: Tensor, name: str, stride: int, apart: int = 1) -> Tensor:
    """A bottleneck whose first convolution strides and whose second is dilated by `apart`."""
    y_BCHW = torch.relu(normed(weights, x_BCHW, f"{name}.conv1", stride, 0))
    y_BCHW = torch.relu(normed(weights, y_BCHW, f"{name}.conv2", 1, apart, apart))
    y_BCHW = normed(weights, y_BCHW, f"{name}.conv3", 1, 0)
    shortcut = normed(weights, x_BCHW, f"{name}.shortcut", stride, 0) if name.endswith(".0") else x_BCHW
    return torch.relu(y_BCHW + shortcut)


def reference_BCHW(weights: dict[str, Tensor], bgr_BCHW: Tensor) -> Tensor:
    """The published network up to its fourth stage, written from its description, in BGR."""
    x_BCHW = torch.relu(normed(weights, bgr_BCHW, "backbone.stem.conv1", 2, 3))
    x_BCHW = torch.max_pool2d(x_BCHW, 3, 2, 0, 1, True)
    for stage, blocks in ((2, 3), (3, 4), (4, 23)):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 2 else 1
            x_BCHW = block_BCHW(weights, x_BCHW, f"backbone.res{stage}.{block}", stride)
    return x_BCHW


def map_BDHW(c4: Detector) -> Tensor:
    said_BDHW: Tensor = c4.trunk(((picture_BHWC() - c4.shift_C) * c4.scale_C).permute(0, 3, 1, 2))["0"]
    return said_BDHW


def test_a_region_is_what_the_published_head_says_of_its_box(c4: Detector, weights: dict[str, Tensor]) -> None:
    classes = [weights[f"roi_heads.box_predictor.cls_score.{part}"] for part in ("weight", "bias")]
    with torch.inference_mode():
        said_BDHW, found = map_BDHW(c4), c4(picture_BHWC())
        for i, (box_M4, score_M, region_MD) in enumerate(found):
            x_MCHW = roi_pool(said_BDHW[i : i + 1], [box_M4 * torch.tensor([96, 64, 96, 64])], (14, 14), 1 / 16)
            for block in range(3):
                x_MCHW = block_BCHW(weights, x_MCHW, f"roi_heads.res5.{block}", 1, 2)
            wanted_MD = x_MCHW.mean((2, 3))
            torch.testing.assert_close(region_MD, wanted_MD, rtol=1e-3, atol=1e-3 * float(wanted_MD.max()))
            chance_MK = torch.nn.functional.linear(wanted_MD, *classes).softmax(1)[:, :-1]  # the background is last
            torch.testing.assert_close(score_M[0], chance_MK[0].max(), rtol=1e-3, atol=1e-5)
            assert ((chance_MK - score_M[:, None]).abs().amin(1) < 1e-4).all()


def test_proposals_are_the_published_head_s_without_those_that_overlap(
    c4: Detector, weights: dict[str, Tensor]
) -> None:
    head = {name: weights[f"proposal_generator.rpn_head.{name}"] for name in
            (f"{layer}.{part}" for layer in ("conv", "objectness_logits", "anchor_deltas")
             for part in ("weight", "bias"))}  # fmt: skip
    with torch.inference_mode():
        said_BDHW = map_BDHW(c4)
        hidden_BDHW = torch.relu(torch.conv2d(said_BDHW, head["conv.weight"], head["conv.bias"], 1, 1))
        for found, name in zip(c4.rpn.head([said_BDHW]), ("objectness_logits", "anchor_deltas"), strict=True):  # type: ignore[operator]
            wanted = torch.conv2d(hidden_BDHW, head[f"{name}.weight"], head[f"{name}.bias"])
            torch.testing.assert_close(found[0], wanted, rtol=1e-3, atol=1e-4)
        whole = ImageList(torch.zeros(2, 3, 64, 96), [(64, 96)] * 2)
        for box_M4 in c4.rpn(whole, {"0": said_BDHW})[0]:
            assert len(box_M4) > 5
            assert (box_iou(box_M4, box_M4).fill_diagonal_(0) <= LIMITS.overlap + 1e-6).all()
    anchor_A4 = weights["proposal_generator.anchor_generator.cell_anchors.0"]
    assert torch.equal(c4.rpn.anchor_generator.cell_anchors[0], anchor_A4)  # type: ignore[union-attr, index]
    assert torch.equal(bottom_up.convert_published({}, "")["rpn.anchor_generator.cell_A4"], anchor_A4 / 1.25)


def test_pictures_are_padded_after_their_end_and_proposals_read_some_at_a_time(
    c4: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd_BHWC, seen = picture_BHWC()[:, :50, :70], []
    told = c4.trunk.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        plain = c4(odd_BHWC)
        monkeypatch.setattr(detector, "_STEP", 5)
        again = c4(odd_BHWC)
    told.remove()
    normed_BCHW = ((odd_BHWC - c4.shift_C) * c4.scale_C).permute(0, 3, 1, 2)
    assert seen[0].shape == (2, 3, 64, 96)
    assert torch.equal(seen[0][:, :, :50, :70], normed_BCHW)
    assert not seen[0][:, :, 50:].any()
    assert not seen[0][..., 70:].any()
    for one, other in zip(plain, again, strict=True):
        for value, same in zip(one, other, strict=True):
            torch.testing.assert_close(value, same, rtol=1e-3, atol=1e-4)


def test_published_weights_say_what_the_published_network_says(c4: Detector, weights: dict[str, Tensor]) -> None:
    bgr_BCHW = picture_BHWC().flip(3).permute(0, 3, 1, 2) - torch.tensor([102.9801, 115.9465, 122.7717])[:, None, None]
    with torch.inference_mode():
        wanted_BDHW = reference_BCHW(weights, bgr_BCHW)
        said_BDHW = map_BDHW(c4)
    torch.testing.assert_close(said_BDHW, wanted_BDHW, rtol=1e-3, atol=1e-3 * float(wanted_BDHW.abs().max()))
    # the published background is the last class, ours the first
    torch.testing.assert_close(c4.classes.bias[0], weights["roi_heads.box_predictor.cls_score.bias"][-1])
    torch.testing.assert_close(c4.head[0][2].conv1.weight.shape, torch.Size([512, 2048, 1, 1]))


def test_weights_that_do_not_fit_are_refused_by_name(weights: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    few = {key: value for key, value in weights.items() if key != "backbone.res4.22.conv3.weight"}
    short = weights | {"roi_heads.box_predictor.cls_score.bias": torch.zeros(3)}
    for state, told in (
        ({**weights, "backbone.res4.23.conv9.weight": torch.zeros(1)}, "does not have: backbone.res4.23.conv9.weight"),
        ({**weights, "roi_heads.attributes.bias": torch.zeros(1)}, "does not have: roi_heads.attributes.bias"),
        (few, "1 missing: trunk.layer3.22.conv3.weight"),
        (short, "classes.bias (3,) for (7,)"),
    ):
        torch.save(state, path)
        with pytest.raises(ValueError, match=re.escape(told)):
            detector.load(encoder(detector.C4, str(path)), LIMITS, 1)


def test_names_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="no detector 'resnet18'"):
        detector.load(encoder("resnet18"), LIMITS, 1)
    with pytest.raises(ValueError, match="no weights 'DEFAULT'"):
        detector.load(encoder(detector.C4, "DEFAULT"), LIMITS, 1)


def test_anchors_have_their_areas_and_ratios() -> None:
    side_A2 = bottom_up._Anchors().cell_A4.reshape(12, 2, 2).diff(dim=1)[:, 0]
    torch.testing.assert_close(side_A2.prod(1).sqrt(), torch.tensor([64.0, 128, 256, 512]).repeat_interleave(3))
    torch.testing.assert_close(side_A2[:, 1] / side_A2[:, 0], torch.tensor([0.5, 1, 2]).repeat(4))


def test_selection_by_hand() -> None:
    box_M4 = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [40, 40, 50, 50], [0, 1, 10, 10]])
    chance_MK = torch.tensor([[0.6, 0.1], [0.5, 0.3], [0.1, 0.8], [0.1, 0.15], [0.55, 0.1]])
    limits = LIMITS.model_copy(update={"confidence": 0.2, "most": 2})
    # 1 is beaten by 0 in the first class but stands in the second; 4 is beaten everywhere; 3 is not sure enough
    kept_M, score_M = detector.select_regions(box_M4, chance_MK, limits.model_copy(update={"most": 9}))
    assert kept_M.tolist() == [2, 0, 1]
    torch.testing.assert_close(score_M, torch.tensor([0.8, 0.6, 0.3]))
    assert detector.select_regions(box_M4, chance_MK, limits)[0].tolist() == [2, 0]
    none_M, _ = detector.select_regions(box_M4, chance_MK, limits.model_copy(update={"confidence": 0.9}))
    assert none_M.tolist() == []


def test_a_pyramid_gives_regions_and_the_seed_draws_it() -> None:
    limits = LIMITS.model_copy(update={"proposals": 8})
    one, again, other = (detector.load(encoder(detector.PYRAMID), limits, seed) for seed in (1, 1, 2))
    assert not torch.equal(one.classes.weight, other.classes.weight)  # type: ignore[arg-type]
    with torch.inference_mode():
        first, second = one(picture_BHWC()), again(picture_BHWC())
    for (box_M4, _, region_MD), (_, _, other_MD) in zip(first, second, strict=True):
        assert region_MD.shape[1] == 1024
        assert torch.equal(region_MD, other_MD)
        assert (box_iou(box_M4, box_M4).fill_diagonal_(0) <= 0.7 + 1e-6).all()
    assert one.meta == {"backbone": detector.PYRAMID, "weights": "none", "seed": 1}

"""Two-stage detectors: pictures to boxes, scores and the vectors that the second stage classified."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import detection as torchvision_detection
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import batched_nms

from engine.features import pretrained
from engine.features.pictures import backbone, bottom_up
from engine.features.settings import UNTRAINED, Detection, PictureEncoder

_STEP = 64  # proposals that go through the head together, so that memory stays bounded
PYRAMID, C4 = "fasterrcnn_resnet50_fpn_v2", "resnet101_c4"


class Detector(nn.Module):
    """Pictures of one size to regions, best first; `meta` tells which network with which weights."""

    shift_C: Tensor
    scale_C: Tensor

    def __init__(self, parts: "bottom_up.DetectorParts", detection: Detection, meta: dict[str, Any]):
        super().__init__()
        self.trunk, self.rpn, self.pool, self.head, self.classes = parts.modules
        self.register_buffer("shift_C", parts.mean_C)
        self.register_buffer("scale_C", parts.scale_C)
        self.detection, self.meta = detection, meta

    def forward(self, picture_BHWC: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """From bytes of RGB to a box [M, 4] in 0..1, a score [M] and a vector [M, D] for each picture; M may be 0."""
        height, width = picture_BHWC.shape[1:3]
        float_BHWC = (picture_BHWC.float() - self.shift_C) * self.scale_C
        padded_BCHW = nn.functional.pad(float_BHWC.permute(0, 3, 1, 2), (0, -width % 32, 0, -height % 32))
        # a proposal's rank is a comparison of numbers that 16 bits would make equal
        map_LBDHW = {level: map_BDHW.float() for level, map_BDHW in self.trunk(padded_BCHW).items()}
        size_4 = torch.tensor([width, height, width, height], device=picture_BHWC.device)
        found = []
        for i in range(len(picture_BHWC)):
            own = {level: map_BDHW[i : i + 1] for level, map_BDHW in map_LBDHW.items()}
            # alone, as a box that moved by a last bit changes what the head says of it by as much as rounding does
            with torch.autocast(picture_BHWC.device.type, enabled=False):
                (box_M4,), _ = self.rpn(ImageList(padded_BCHW[i : i + 1], [(height, width)]), own)
            region_MD = torch.cat([self.head(self.pool(own, [part_X4], [(height, width)])).float()
                                   for part_X4 in box_M4.split(_STEP)])  # fmt: skip
            with torch.autocast(picture_BHWC.device.type, enabled=False):
                chance_MK = self.classes(region_MD).softmax(1)[:, 1:]
            kept_M, score_M = select_regions(box_M4, chance_MK, self.detection)
            found.append(((box_M4[kept_M] / size_4).clamp(0, 1), score_M, region_MD[kept_M]))
        return found


def select_regions(box_M4: Tensor, chance_MK: Tensor, detection: Detection) -> tuple[Tensor, Tensor]:
    """Which proposals are regions, best first, and their scores (Anderson et al. 2018, section 3.1).

    Class by class, a proposal that overlaps a better one is suppressed; the score is the best class that remains.
    """
    # a class below the confidence can neither be kept nor suppress one that is
    row_X, class_X = torch.nonzero(chance_MK >= detection.confidence, as_tuple=True)
    score_X = chance_MK[row_X, class_X]
    kept_X = batched_nms(box_M4[row_X], score_X, class_X, detection.class_overlap)
    best_M = torch.full((len(box_M4),), -1.0, device=box_M4.device)
    best_M = best_M.scatter_reduce(0, row_X[kept_X], score_X[kept_X], "amax")
    score_M, order_M = best_M.sort(descending=True, stable=True)
    many = min(int((score_M >= 0).sum()), detection.most)
    return order_M[:many], score_M[:many]


def load(encoder: PictureEncoder, detection: Detection, seed: int) -> Detector:
    """The detector of `encoder` in eval mode, batch norm folded into the convolutions.

    Raises:
        ValueError: no such detector or weights, or a file whose keys or shapes are not the detector's.
    """
    makers: dict[str, Callable[[], tuple[nn.Module, bottom_up.DetectorParts]]] = {
        PYRAMID: lambda: _pyramid(detection),
        C4: lambda: bottom_up.build_c4(detection.proposals, detection.overlap, detection.classes),
    }
    name, weights = encoder.backbone, encoder.weights
    if name not in makers:
        raise ValueError(f"no detector {name!r}; with regions.detector faster_rcnn, backbone is {' or '.join(makers)}")
    with backbone.seeded(seed):
        network, parts = makers[name]()
        network.eval()
        meta: dict[str, Any] = {"backbone": name, "weights": weights}
        detector = Detector(parts, detection, meta).eval()
        if weights in UNTRAINED:
            meta["seed"] = seed
            backbone.calibrate_batch_norms(
                detector, lambda noise_BCHW: detector((noise_BCHW[:2] * 40 + 128).permute(0, 2, 3, 1))
            )
    if weights not in UNTRAINED:
        path = Path(weights)
        if name == PYRAMID and weights in {
            "DEFAULT",
            *torchvision_detection.FasterRCNN_ResNet50_FPN_V2_Weights.__members__,
        }:
            path = pretrained.download(torchvision_detection.FasterRCNN_ResNet50_FPN_V2_Weights, weights)
        found = pretrained.read_weights(path)
        if name == C4 and bottom_up.has_published_names(found):
            found = bottom_up.convert_published(found, str(path))
        pretrained.load_matching(network, set(network.state_dict()), found, f"{path} does not fit {name}")
        meta |= {"weights": path.name, "sha256": pretrained.sha256(path)}
    fold_batch_norms(detector)
    return detector.to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload,no-any-return]


def fold_batch_norms(module: nn.Module) -> None:
    """Batch norms into the convolutions before them, where they follow one another as torchvision's networks do."""
    before: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and before and isinstance(before[1], nn.Conv2d):
            setattr(module, before[0], nn.utils.fusion.fuse_conv_bn_eval(before[1], child))
            setattr(module, name, nn.Identity())
        else:
            fold_batch_norms(child)
        before = (name, child)


def _pyramid(detection: Detection) -> tuple[nn.Module, "bottom_up.DetectorParts"]:
    model = torchvision_detection.fasterrcnn_resnet50_fpn_v2(
        weights=None,
        weights_backbone=None,
        rpn_nms_thresh=detection.overlap,
        rpn_post_nms_top_n_test=detection.proposals,
    )
    heads = model.roi_heads
    modules = (model.backbone, model.rpn, heads.box_roi_pool, heads.box_head, heads.box_predictor.cls_score)
    mean_C, std_C = torch.tensor(model.transform.image_mean), torch.tensor(model.transform.image_std)
    return model, bottom_up.DetectorParts(modules, mean_C * 255, 1 / (std_C * 255))

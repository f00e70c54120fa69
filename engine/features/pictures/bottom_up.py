"""The ResNet-101 C4 detector of Anderson et al. (2018), whose regions are 2048 wide, and its published weights.

As in the Caffe original: strides in the first convolution of a block, a ceiling max pool without padding, 14 x 14 RoI
pooling, and a fourth stage without stride whose 3 x 3 convolutions are dilated instead.
"""

import math
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import RoIPool

_SIZES, _RATIOS = (64, 128, 256, 512), (0.5, 1.0, 2.0)
_MEAN = (122.7717, 115.9465, 102.9801)  # of RGB in 0..255
_NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
# names of the port in Hugging Face's LXMERT examples (unc-nlp/frcnn-vg-finetuned), which are Detectron2's
_NAMES = (
    (r"backbone\.stem\.conv1\.weight", r"trunk.conv1.weight"),
    (rf"backbone\.stem\.conv1\.norm\.{_NORM}", r"trunk.bn1.\1"),
    (r"proposal_generator\.rpn_head\.conv\.(weight|bias)", r"rpn.head.conv.\1"),
    (r"proposal_generator\.rpn_head\.objectness_logits\.(weight|bias)", r"rpn.head.objectness.\1"),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.(weight|bias)", r"rpn.head.delta.\1"),
    (r"proposal_generator\.anchor_generator\.cell_anchors\.0", r"rpn.anchor_generator.cell_A4"),
    (r"roi_heads\.box_predictor\.cls_score\.(weight|bias)", r"classes.\1"),
)
_BLOCK = (
    (r"conv([123])\.weight", r"conv\1.weight"),
    (rf"conv([123])\.norm\.{_NORM}", r"bn\1.\2"),
    (r"shortcut\.weight", r"downsample.0.weight"),
    (rf"shortcut\.norm\.{_NORM}", r"downsample.1.\1"),
)
# boxes by class and attributes: a region is the proposal itself, and attributes are not kept
_UNUSED = re.compile(r"roi_heads\.box_predictor\.(bbox_pred|cls_embedding|fc_attr|attr_score)\.(weight|bias)")


@dataclass(frozen=True)
class DetectorParts:
    """Trunk, proposals, pooling, head and classes (background first); what is taken from a picture and times what."""

    modules: tuple[nn.Module, nn.Module, nn.Module, nn.Module, nn.Module]
    mean_C: Tensor
    scale_C: Tensor


class _Anchors(AnchorGenerator):  # type: ignore[misc]
    """Twelve anchors a cell, size by size, kept with the weights: a file's own are taken."""

    def __init__(self) -> None:
        super().__init__((_SIZES,), (_RATIOS,))
        side_A2 = torch.tensor(
            [(size / math.sqrt(ratio), size * math.sqrt(ratio)) for size in _SIZES for ratio in _RATIOS]
        )
        self.register_buffer("cell_A4", torch.cat([-side_A2 / 2, side_A2 / 2], 1))

    def set_cell_anchors(self, dtype: torch.dtype, device: torch.device) -> None:
        self.cell_anchors = [self.cell_A4.to(device, dtype)]


class _Proposer(nn.Module):
    """A narrower hidden layer than torchvision's head has."""

    def __init__(self) -> None:
        super().__init__()
        many = len(_SIZES) * len(_RATIOS)
        self.conv = nn.Conv2d(1024, 512, 3, padding=1)
        self.objectness, self.delta = nn.Conv2d(512, many, 1), nn.Conv2d(512, 4 * many, 1)
        for layer in (self.conv, self.objectness, self.delta):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        hidden = [torch.relu(self.conv(map_BDHW)) for map_BDHW in maps]
        return [self.objectness(h_BDHW) for h_BDHW in hidden], [self.delta(h_BDHW) for h_BDHW in hidden]


class _Trunk(nn.Sequential):
    def forward(self, picture_BCHW: Tensor) -> dict[str, Tensor]:
        for part in self:
            picture_BCHW = part(picture_BCHW)
        return {"0": picture_BCHW}


class _Pool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool = RoIPool((14, 14), 1 / 16)

    def forward(self, maps: dict[str, Tensor], box_BM4: list[Tensor], _sizes: Any) -> Tensor:
        pooled: Tensor = self.pool(maps["0"], box_BM4)
        return pooled


def build_c4(proposals: int, overlap: float, classes: int) -> tuple[nn.Module, DetectorParts]:
    """The detector with drawn weights: the whole as one module with named parts, and the parts."""
    network = models.resnet101()
    for layer in (network.layer2, network.layer3, network.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = layer[0].conv2.stride, (1, 1)
    for block in network.layer4:
        block.conv2.padding = block.conv2.dilation = (2, 2)
    network.layer4[0].conv1.stride = network.layer4[0].downsample[0].stride = (1, 1)
    names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
    trunk = _Trunk(OrderedDict((name, getattr(network, name)) for name in names))
    trunk.maxpool = nn.MaxPool2d(3, 2, padding=0, ceil_mode=True)
    counts = {"training": 6000, "testing": 6000}, {"training": proposals, "testing": proposals}
    rpn = RegionProposalNetwork(_Anchors(), _Proposer(), 0.7, 0.3, 256, 0.5, *counts, overlap)
    head = nn.Sequential(network.layer4, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    predictor = nn.Linear(2048, classes + 1)
    modules = (trunk, rpn, _Pool(), head, predictor)
    whole = nn.ModuleDict(dict(zip(("trunk", "rpn", "pool", "head", "classes"), modules, strict=True)))
    return whole, DetectorParts(modules, torch.tensor(_MEAN), torch.ones(3))


def has_published_names(found: dict[str, Tensor]) -> bool:
    """Whether a state dict has the published names rather than this module's own."""
    return any(key.startswith(("backbone.", "roi_heads.", "proposal_generator.")) for key in found)


def convert_published(found: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    """The published weights under this module's names: RGB for BGR, background first for last.

    Raises:
        ValueError: keys that the published detector does not have, by name.
    """
    mapped = {key: _own(key) for key in found if not _UNUSED.fullmatch(key)}
    if unknown := sorted(key for key, own in mapped.items() if own is None):
        told = ", ".join(unknown[:8]) + (" …" if len(unknown) > 8 else "")
        raise ValueError(f"{where}: {len(unknown)} keys that the published C4 detector does not have: {told}")
    own = {str(name): found[key] for key, name in mapped.items()}
    if "trunk.conv1.weight" in own and own["trunk.conv1.weight"].ndim == 4:
        own["trunk.conv1.weight"] = own["trunk.conv1.weight"].flip(1)
    for key in ("classes.weight", "classes.bias"):
        if key in own:
            own[key] = own[key].roll(1, 0)
    if "rpn.anchor_generator.cell_A4" not in own:
        own["rpn.anchor_generator.cell_A4"] = _Anchors().cell_A4
    return own


def _own(key: str) -> str | None:
    for pattern, name in _NAMES:
        if match := re.fullmatch(pattern, key):
            return match.expand(name)
    if not (stage := re.fullmatch(r"(backbone\.res[234]|roi_heads\.res5)\.(\d+)\.(.+)", key)):
        return None
    place = "head.0" if stage[1] == "roi_heads.res5" else f"trunk.layer{int(stage[1][-1]) - 1}"
    for pattern, name in _BLOCK:
        if match := re.fullmatch(pattern, stage[3]):
            return f"{place}.{stage[2]}.{match.expand(name)}"
    return None

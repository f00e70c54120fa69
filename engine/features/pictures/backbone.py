"""Any torchvision classifier as a picture encoder: cut at a layer, weights by name, by file, or drawn from a seed."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision import models
from torchvision.models.feature_extraction import NodePathTracer

from engine.features import pretrained
from engine.features.settings import UNTRAINED, PictureEncoder


class Backbone(nn.Module):
    """Pictures to the output of a layer; `meta` tells which layer of which network with which weights."""

    shift_C: Tensor
    scale_C: Tensor

    def __init__(self, network: nn.Module, mean_C: Tensor, std_C: Tensor, meta: dict[str, Any]):
        super().__init__()
        self.network = network
        self.register_buffer("shift_C", mean_C * 255)
        self.register_buffer("scale_C", 1 / (std_C * 255))
        self.meta = meta

    def forward(self, picture_BHWC: Tensor) -> Tensor:
        """From bytes of RGB to a map [B, D, rows, columns] or a vector [B, D], as the layer has it."""
        float_BHWC = (picture_BHWC.float() - self.shift_C) * self.scale_C
        output: Tensor = self.network(float_BHWC.permute(0, 3, 1, 2))
        return output


def load(encoder: PictureEncoder, seed: int) -> Backbone:
    """The network of `encoder`, in eval mode, cut after its layer, batch norm folded into the convolutions.

    Raises:
        ValueError: no such network, layer or weights, a file whose keys or shapes are not the network's, or a size of
            pictures that it cannot read.
    """
    name = encoder.backbone
    if name not in models.list_models(module=models):
        raise ValueError(f"no backbone {name!r} in torchvision; it has {', '.join(models.list_models(module=models))}")
    chosen = models.get_model_weights(name)
    with seeded(seed):
        network = models.get_model(name, weights=None).eval()
        if encoder.weights in UNTRAINED:
            calibrate_batch_norms(network, network)
    known = set(network.state_dict())
    layer, cut = _cut(network, name, encoder.layer)
    meta: dict[str, Any] = {"backbone": name, "layer": layer, "weights": encoder.weights}
    if encoder.weights in UNTRAINED:
        meta["seed"] = seed
    else:
        path = (
            pretrained.download(chosen, encoder.weights)
            if encoder.weights in {"DEFAULT", *chosen.__members__}
            else None
        )
        path = path or Path(encoder.weights)
        meta |= {"weights": path.name, "sha256": pretrained.load_matching_file(cut, known, path, name)}
    _fuse(cut)
    usual = next(iter(chosen)).transforms()
    mean_C, std_C = torch.tensor(usual.mean), torch.tensor(usual.std)
    cut = cut.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = Backbone(cut, mean_C, std_C, meta).eval().requires_grad_(False)
    _refuse_misfit(found, encoder.size)
    return found


def _refuse_misfit(network: Backbone, size: int) -> None:
    """A black picture goes through, before any other is decoded."""
    name, layer = network.meta["backbone"], network.meta["layer"]
    try:
        with torch.inference_mode():
            output: Any = network(torch.zeros(1, size, size, 3, dtype=torch.uint8))
    except (RuntimeError, AssertionError) as error:  # a map smaller than a kernel, a size that is not the network's own
        why = str(error).partition("\n")[0]
        raise ValueError(f"{name} reads no pictures of size {size} up to {layer} ({why}); take another size") from None
    if not isinstance(output, Tensor):
        raise ValueError(f"layer {layer} of {name} puts out no map or vector: {output!r}; take another")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Weights drawn inside come from `seed` and leave the global generator as it was."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # googlenet and inception announce that their way to draw weights will change
        warnings.simplefilter("ignore", FutureWarning)
        torch.default_generator.manual_seed(seed)
        yield


def calibrate_batch_norms(network: nn.Module, ask: Callable[[Tensor], object]) -> None:
    """Batch norm's statistics from drawn noise of four scales: without, drawn weights of a mobilenet leave 1e-8."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    if not norms:
        return
    for norm in norms:
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        try:
            ask(_noise(128))
        except RuntimeError:  # a network of windows reads its own size alone
            for norm in norms:
                norm.reset_running_stats()
            ask(_noise(224))
    network.eval()


def _noise(side: int) -> Tensor:
    noise_BCHW = torch.zeros(16, 3, side, side)
    for coarse in (2, 8, 32, side):
        drawn_BCHW = torch.randn(16, 3, coarse, coarse)
        noise_BCHW += nn.functional.interpolate(drawn_BCHW, size=(side, side), mode="bilinear") / 2
    return noise_BCHW


def _cut(network: nn.Module, name: str, layer: str) -> tuple[str, GraphModule]:
    tracer = NodePathTracer()
    graph: Graph = tracer.trace(network)
    names: dict[Node, str] = tracer.node_to_qualname
    if layer:
        last = [node for node, path in names.items() if path == layer or path.startswith(f"{layer}.")]
        if not last:
            raise ValueError(f"no layer {layer!r} in {name}; it has {', '.join(dict.fromkeys(names.values()))}")
        end = last[-1]
    else:
        pools = [node for node in graph.nodes if _pools(network, node)]
        if not pools:
            raise ValueError(f"{name} pools no map; set layer to one of {', '.join(dict.fromkeys(names.values()))}")
        end = pools[-1].args[0]
        while names[end].startswith("classifier"):  # squeezenet pools what its classifier says
            end = end.args[0]
    next(node for node in graph.nodes if node.op == "output").args = (end,)
    module = GraphModule(network, graph)
    module.graph.eliminate_dead_code()
    module.recompile()
    module.delete_all_unused_submodules()
    return names[end], module


def _pools(network: nn.Module, node: Node) -> bool:
    if node.op == "call_module":
        return isinstance(network.get_submodule(str(node.target)), nn.AdaptiveAvgPool2d)
    if node.op == "call_function":
        return node.target is nn.functional.adaptive_avg_pool2d
    return node.op == "call_method" and node.target == "mean"


def _fuse(module: GraphModule) -> None:
    for node in list(module.graph.nodes):
        if node.op != "call_module" or not isinstance(norm := module.get_submodule(node.target), nn.BatchNorm2d):
            continue
        before = node.args[0]
        convolves = before.op == "call_module" and isinstance(module.get_submodule(before.target), nn.Conv2d)
        if convolves and len(before.users) == 1:
            convolution = module.get_submodule(before.target)
            module.set_submodule(before.target, fuse_conv_bn_eval(convolution, norm))  # type: ignore[type-var]
            node.replace_all_uses_with(before)
            module.graph.erase_node(node)
    module.delete_all_unused_submodules()
    module.recompile()

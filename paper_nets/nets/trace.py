"""What an image meets on its way through any net, read off the net itself."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

import pandas
import torch
from torch import nn

from paper_nets.nets.densenet import DenseLayer
from paper_nets.nets.parts import GlobalAveragePool, evaluating
from paper_nets.nets.resnet import Block

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, GlobalAveragePool)


@dataclass(frozen=True)
class Layer:
    """One layer: "conv", "pool" or "linear", its kernel and stride, the channels that it reads, and the channels and
    the side of its output."""

    kind: str
    kernel: int
    stride: int
    reads: int
    channels: int
    side: int
    multiply_adds: int


@dataclass(frozen=True)
class Shortcut:
    """A shortcut around layers `first` to `last`; it changes dimensions where the feature maps do."""

    first: int
    last: int
    changes: bool


@dataclass(frozen=True)
class Trace:
    """The layers in the order of the forward pass, W_s's own projections left out, and the shortcuts around them.

    units: the first and the last layer of each plain or residual block and of each dense layer.
    multiply_adds: of everything, W_s's projections included.
    """

    layers: tuple[Layer, ...]
    shortcuts: tuple[Shortcut, ...]
    units: tuple[tuple[int, int], ...]
    multiply_adds: int


def trace(net: nn.Module, image: tuple[int, int, int]) -> Trace:
    """Send one image of shape (C, H, W) through `net` and write down what it meets.

    Works for any net of convolutions, pools and linear layers, torchvision's VGG-19 as well as ours, and on the
    meta device, where neither weights nor images take memory. A pool that leaves the size as it was is left out.
    """
    layers, shortcuts, units, starts, multiply_adds = [], [], [], [], [0]

    def layer_done(module, inputs, output, is_shortcut):
        shape = output.shape
        c_out, side = shape[1], shape[2] if len(shape) == 4 else 1
        if isinstance(module, POOLS):
            if side != inputs[0].shape[2]:
                layers.append(Layer("pool", 0, inputs[0].shape[2] // side, c_out, c_out, side, 0))
            return
        weights = module.weight.numel()
        cost = weights * (shape[2] * shape[3] if len(shape) == 4 else 1)
        multiply_adds[0] += cost
        if is_shortcut:
            return
        if isinstance(module, nn.Linear):
            layers.append(Layer("linear", 0, 1, module.in_features, c_out, 1, cost))
        else:
            kernel, stride = module.kernel_size[0], module.stride[0]
            layers.append(Layer("conv", kernel, stride, inputs[0].shape[1], c_out, side, cost))

    def unit_starts(module, inputs):
        starts.append(len(layers))

    def unit_done(module, inputs, output):
        units.append((starts.pop(), len(layers) - 1))
        if isinstance(module, Block) and module.residual:
            shortcuts.append(Shortcut(*units[-1], changes=inputs[0].shape != output.shape))

    with evaluating(net), torch.no_grad(), ExitStack() as hooks:
        for name, module in net.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear, *POOLS)):
                is_shortcut = "W_s" in name.split(".")
                note = lambda *met, s=is_shortcut: layer_done(*met, s)  # noqa: E731
                hooks.enter_context(module.register_forward_hook(note))
            elif isinstance(module, Block | DenseLayer):
                hooks.enter_context(module.register_forward_pre_hook(unit_starts))
                hooks.enter_context(module.register_forward_hook(unit_done))
        net(torch.empty(1, *image, device=next(net.parameters()).device))
    return Trace(tuple(layers), tuple(shortcuts), tuple(units), multiply_adds[0])


def architecture(nets: Mapping[str, Trace]) -> pandas.DataFrame:
    """The architecture table of the papers (Table 1 in both), read off the nets: a column for each net, a row for each
    size of feature maps, and the multiply–adds.

    A cell lists the layers whose output has this size, in brackets what repeats or belongs together in a block or a
    dense layer: "[3×3, 64 · 3×3, 64] × 2".
    """
    sides = sorted({layer.side for net in nets.values() for layer in net.layers}, reverse=True)
    rows = {f"{side} × {side}": {name: _cell(net, side) for name, net in nets.items()} for side in sides}
    rows["multiply–adds"] = {name: f"{net.multiply_adds / 1e9:.3f} × 10⁹" for name, net in nets.items()}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("output size")


def _cell(net: Trace, side: int) -> str:
    units = (" · ".join(map(_in_words, unit)) for unit in _units(net) if unit[-1].side == side)
    counted = ((words, len(list(same))) for words, same in groupby(units))
    return "; ".join(words if times == 1 and "·" not in words else f"[{words}] × {times}" for words, times in counted)


def _units(net: Trace) -> Iterator[tuple[Layer, ...]]:
    """The layers, those of one block or of one dense layer together."""
    last_of, i = dict(net.units), 0
    while i < len(net.layers):
        last = last_of.get(i, i)
        yield net.layers[i : last + 1]
        i = last + 1


def _in_words(layer: Layer) -> str:
    if layer.kind == "conv":
        return f"{layer.kernel}×{layer.kernel}, {layer.channels}"
    return f"fc {layer.channels}" if layer.kind == "linear" else "average pool" if layer.side == 1 else "pool"

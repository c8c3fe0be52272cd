"""The layers that an image passes on its way through any net, read off the net itself."""

from itertools import groupby
from typing import NamedTuple

import pandas
import torch
from torch import nn

from paper_nets.lab.probes import recording
from paper_nets.nets import Block, DenseLayer
from paper_nets.nets.parts import GlobalAveragePool, evaluating

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, GlobalAveragePool)
# What a projection on a shortcut is called: here, and in torchvision's nets.
SHORTCUTS = {"W_s", "downsample"}


class Layer(NamedTuple):
    """One layer.

    Args:
        kind: "conv", "pool" or "linear".
        kernel, stride: of a convolution; of a pool the factor by which it shrinks its input; else 0 and 1.
        reads, channels: channels of its input and of its output.
        size: height and width of its output, (1, 1) after a linear layer.
        multiply_adds: for one image.
    """

    kind: str
    kernel: int
    stride: int
    reads: int
    channels: int
    size: tuple[int, int]
    multiply_adds: int


class Shortcut(NamedTuple):
    """A shortcut around layers `first` to `last`; it `changes` dimensions where the feature maps do."""

    first: int
    last: int
    changes: bool


class Trace(NamedTuple):
    """The layers in the order of the forward pass, projections on shortcuts left out, and the shortcuts around them.

    Args:
        units: the first and the last layer of each plain or residual block and of each dense layer of ours.
        multiply_adds: for one image, the projections included.
    """

    layers: tuple[Layer, ...]
    shortcuts: tuple[Shortcut, ...]
    units: tuple[tuple[int, int], ...]
    multiply_adds: int

    def architecture(self) -> pandas.Series:
        """The net's column of the architecture table of the papers (Table 1 in both).

        A row for each size of feature maps, and the multiply–adds. A row lists the layers whose output has this size,
        in brackets what repeats or belongs together in a block or a dense layer: "[3×3, 64 · 3×3, 64] × 2".
        """
        first_of = {i: first for first, last in self.units for i in range(first, last + 1)}
        units = groupby(range(len(self.layers)), lambda i: first_of.get(i, i))
        units = [[self.layers[i] for i in unit] for _, unit in units]
        rows = {}
        for height, width in sorted({layer.size for layer in self.layers}, reverse=True):
            labels = groupby(" · ".join(map(_label, unit)) for unit in units if unit[-1].size == (height, width))
            counted = ((label, len(list(same))) for label, same in labels)
            rows[f"{height} × {width}"] = "; ".join(
                label if times == 1 and "·" not in label else f"[{label}] × {times}" for label, times in counted
            )
        rows["multiply–adds"] = f"{self.multiply_adds / 1e9:.3f} × 10⁹"
        return pandas.Series(rows).rename_axis("output size")


def trace(net: nn.Module, image: tuple[int, int, int]) -> Trace:
    """Send one image of shape (C, H, W) through `net` and write down the layers that it passes.

    Works for any net of convolutions, pools and linear layers, torchvision's as well as ours, and on the meta device,
    where neither weights nor images take memory. A pool that leaves the size as it was is left out.
    """
    layers, shortcuts, units, multiply_adds = [], [], [], 0

    def note(name, module, inputs, output):
        nonlocal multiply_adds
        if isinstance(module, Block | DenseLayer):
            inside = module.F if isinstance(module, Block) else module.H
            convolutions = sum(isinstance(layer, nn.Conv2d) for layer in inside)
            units.append((len(layers) - convolutions, len(layers) - 1))
            if isinstance(module, Block) and module.residual:
                shortcuts.append(Shortcut(*units[-1], changes=inputs[0].shape != output.shape))
            return
        read, size = inputs[0].shape, (*output.shape[2:], 1, 1)[:2]
        if isinstance(module, POOLS):
            if size != tuple(read[2:]):
                layers.append(Layer("pool", 0, read[2] // size[0], read[1], read[1], size, 0))
            return
        cost = module.weight.numel() * size[0] * size[1]
        multiply_adds += cost
        if not SHORTCUTS.intersection(name.split(".")):
            is_conv = isinstance(module, nn.Conv2d)
            shape = ("conv", module.kernel_size[0], module.stride[0]) if is_conv else ("linear", 0, 1)
            layers.append(Layer(*shape, read[1], output.shape[1], size, cost))

    kinds = (nn.Conv2d, nn.Linear, *POOLS, Block, DenseLayer)
    with evaluating(net), torch.no_grad(), recording(net, kinds, note):
        net(torch.empty(1, *image, device=next(net.parameters()).device))
    return Trace(tuple(layers), tuple(shortcuts), tuple(units), multiply_adds)


def _label(layer: Layer) -> str:
    if layer.kind == "conv":
        return f"{layer.kernel}×{layer.kernel}, {layer.channels}"
    if layer.kind == "linear":
        return f"fc {layer.channels}"
    return "average pool" if layer.size == (1, 1) else "pool"

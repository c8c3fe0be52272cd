"""The layers that an image passes on its way through any net, read off the net itself."""

from itertools import groupby
from math import prod
from typing import NamedTuple

import pandas
import torch
from torch import nn

from paper_nets.lab.graph import Op, both, one, record
from paper_nets.lab.outline import SHORTCUT, outline
from paper_nets.nets import InputError


class Layer(NamedTuple):
    """One layer.

    Args:
        kind: "conv", "pool" or "linear".
        kernel, stride: of a convolution; of a pool 0 and the factor by which it shrinks its input; else 0 and 1. A pair
            where height and width differ.
        reads, channels: channels of its input and of its output.
        size: height and width of its output, (1, 1) after a linear layer.
        multiply_adds: for one image.
    """

    kind: str
    kernel: int | tuple[int, int]
    stride: int | tuple[int, int]
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
        units: the first and the last layer of each block, or dense layer.
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
            words = (label if times == 1 and "·" not in label else f"[{label}] × {times}" for label, times in counted)
            rows[f"{height} × {width}"] = "; ".join(words)
        rows["multiply–adds"] = f"{self.multiply_adds / 1e9:.3f} × 10⁹"
        return pandas.Series(rows).rename_axis("output size")


def trace(net: nn.Module, image: tuple[int, int, int]) -> Trace:
    """Send one image of shape (C, H, W) through `net` and write down the layers that it passes.

    Works for any net of convolutions, pools and linear layers, torchvision's as well as ours, and on the meta device,
    where neither weights nor images take memory. A pool that leaves the size as it was is left out.
    """
    ops = record(net, torch.zeros(1, *image, device=next(net.parameters(), torch.zeros(())).device)).ops
    made = outline(ops)
    multiply_adds = made.cost(image).multiply_adds
    steps = [step for layer in made.layers for step in layer.before if step.name != "addition"]
    beside = any(op.kind in ("conv", "linear") for step in steps for op in step.around)
    if beside or multiply_adds != sum(_multiply_adds(op) for op in ops if op.kind in ("conv", "linear")):
        raise InputError("trace follows one path and its shortcuts; this net has layers beside them.")
    layers, shortcuts, units, forks = [], [], {}, []
    shape = image  # of what stands here

    def add(op: Op) -> None:
        size = (*op.shape[2:], 1, 1)[:2]
        if op.kind in ("conv", "linear"):
            kernel, stride = op.settings.get("kernel", 0), op.settings.get("stride", 1)
            layers.append(Layer(op.kind, kernel, stride, op.settings["in"], op.shape[1], size, _multiply_adds(op)))
        elif "pool" in op.kind and size != shape[1:]:
            stride = one([before // after for before, after in zip(shape[1:], size, strict=True)])
            layers.append(Layer("pool", 0, stride, shape[0], shape[0], size, 0))

    for layer in made.layers:
        for step in layer.before:
            if step.name == SHORTCUT:
                forks.append((len(layers), shape))
            elif step.name == "addition":
                first, before = forks.pop()
                shortcuts.append(Shortcut(first, len(layers) - 1, before != step.op.shape[1:]))
            if step.op:
                add(step.op)
                shape = step.op.shape[1:]
        add(layer.op)
        shape = layer.op.shape[1:]
        if layer.key.part == "stage":
            units.setdefault(layer.key[:3], []).append(len(layers) - 1)
    return Trace(tuple(layers), tuple(shortcuts), tuple((unit[0], unit[-1]) for unit in units.values()), multiply_adds)


def _multiply_adds(op: Op) -> int:
    return prod(both(op.settings.get("kernel", 1))) * op.settings["in"] // op.settings.get("groups", 1) * prod(op.shape)


def _label(layer: Layer) -> str:
    if layer.kind == "conv":
        height, width = both(layer.kernel)
        return f"{height}×{width}, {layer.channels}"
    if layer.kind == "linear":
        return f"fc {layer.channels}"
    return "average pool" if layer.size == (1, 1) else "pool"

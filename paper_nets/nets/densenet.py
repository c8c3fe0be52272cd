"""DenseNets, for CIFAR and for ImageNet.

Source: Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks" (arXiv 1608.06993),
called "the paper" below. Parameters, with 10 classes on CIFAR and 1,000 on ImageNet:

    densenet40_k12       1,019,722    densenet121     7,978,856
    densenet100_k12      6,979,642    densenet161    28,681,000
    densenet100_k24     27,249,082    densenet169    14,149,480
    densenet_bc100_k12     769,162    densenet201    20,013,928
    densenet_bc250_k24  15,324,406    densenet264    33,337,704
    densenet_bc190_k40  25,624,430
"""

from collections import OrderedDict
from dataclasses import dataclass
from math import floor

import torch
from torch import Tensor, nn

from paper_nets.nets import parts
from paper_nets.nets.parts import InputError, bn_relu, conv, sequence


class DenseLayer(nn.Module):
    """x_l = H_l([x_0, x_1, …, x_{l−1}]), the paper's Equation 2; H_l is BN–ReLU–conv, twice with a bottleneck.

    Shape: the list of all earlier feature maps, (N, c, H, W) each, `c_in` channels together, to (N, k, H, W).
    """

    def __init__(self, plan: "DenseNetPlan", c_in: int):
        super().__init__()
        layers = []
        for before, after, kernel in plan.convs(c_in):
            layers += [*bn_relu(before, plan.norm), conv(before, after, kernel, bias=not plan.norm)]
            if plan.dropout:
                layers.append(nn.Dropout(plan.dropout))
        self.H = sequence(*layers)

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.H(torch.cat(features, dim=1))


class DenseBlock(nn.Sequential):
    """Layers that each see the block's input and what every layer before them added.

    Shape: (N, c_in, H, W) to (N, c_in + layers · k, H, W).
    """

    def __init__(self, plan: "DenseNetPlan", c_in: int, layers: int):
        super().__init__()
        for i in range(layers):
            self.add_module(f"layer{i + 1}", DenseLayer(plan, c_in + i * plan.growth_rate))
        self.memory_efficient = plan.memory_efficient

    def forward(self, x: Tensor) -> Tensor:
        if self.memory_efficient and self.training and torch.is_grad_enabled():
            from paper_nets.nets.efficient import efficient_block  # here, since only this way of training needs it

            return efficient_block(self, x)
        features = [x]
        for layer in self:
            features.append(layer(features))
        return torch.cat(features, dim=1)


class Transition(nn.Sequential):
    """BN–ReLU–1×1 convolution to θm feature maps, then a 2×2 average pool, which halves their size.

    Shape: (N, c_in, H, W) to (N, c_out, H / 2, W / 2).
    """

    def __init__(self, plan: "DenseNetPlan", c_in: int, c_out: int):
        dropout = [nn.Dropout(plan.dropout)] if plan.dropout else []
        convolution = conv(c_in, c_out, 1, bias=not plan.norm)
        layers = sequence(*bn_relu(c_in, plan.norm), convolution, *dropout, nn.AvgPool2d(2))
        super().__init__(OrderedDict(layers.named_children()))


class DenseNet(parts.Net):
    """A dense net, as its plan says: a stem, dense blocks with a transition between each two, and a head.

    Shape: images (N, in_channels, H, W) to logits (N, num_classes).
    Raises: InputError for images that are too small or of other channels.
    """

    def __init__(self, plan: "DenseNetPlan"):
        super().__init__(plan, DenseNetPlan)
        self.stem = parts.stem(plan.stem, plan.in_channels, plan.channels_in, plan.norm, activate=plan.stem == "7x7")
        self.stages = nn.Sequential()
        for i, (layers, (enter, after)) in enumerate(zip(plan.blocks, plan.channels, strict=True), 1):
            self.stages.add_module(f"block{i}", DenseBlock(plan, enter, layers))
            if i < len(plan.blocks):
                self.stages.add_module(f"transition{i}", Transition(plan, enter + layers * plan.growth_rate, after))
        self.head = parts.head(plan.channels[-1][1], plan.num_classes, activate=True, norm=plan.norm)
        parts.initialise(self, plan.init)

    @property
    def blocks(self) -> nn.Sequential:
        """The dense blocks, the first being [0]; `stages` has the transitions between them."""
        return self.stages[::2]

    @property
    def transitions(self) -> nn.Sequential:
        """The transitions, one fewer than the blocks."""
        return self.stages[1::2]


def compressed(maps: int, compression: float) -> int:
    """⌊θm⌋: how many of m feature maps a transition leaves (paper, Section 3, "Compression")."""
    # Rounded first: 0.29 · 100 is 28.999… in floating point, and θm is meant to be 29.
    return floor(round(compression * maps, 6))


@dataclass(frozen=True)
class DenseNetPlan:
    """What fixes a dense net. Sections are the paper's.

    Args:
        blocks: layers in each dense block.
        growth_rate: k, the feature maps that each layer adds (Section 3, "Growth rate").
        bottleneck: a 1×1 convolution to 4k feature maps before each 3×3 (DenseNet-B).
        compression: θ in (0, 1]; a transition turns m feature maps into ⌊θm⌋ (DenseNet-C where θ < 1).
        stem: "3x3" for small images, "7x7" with a max pool for ImageNet (Table 1).
        stem_channels: feature maps that enter the first block; by default 2k with bottlenecks, else 16 (Section 3).
        dropout: share of a convolution's outputs dropped in training; 0.2 in the paper without augmentation.
        norm: batch norm before each ReLU; biases in the convolutions in its place when False.
        memory_efficient: train blocks in memory that grows with their maps (`paper_nets.nets.efficient`), to the same
            result within rounding; for nets with batch norm and without dropout.
        init: the initial weights' "fan_out", as in the authors' code, or "fan_in" (`parts.initialise`).

    Raises: InputError, in one sentence, for values that describe no net.
    """

    blocks: tuple[int, ...] = (12, 12, 12)
    growth_rate: int = 12
    bottleneck: bool = False
    compression: float = 1.0
    stem: str = "3x3"
    stem_channels: int | None = None
    dropout: float = 0.0
    norm: bool = True
    memory_efficient: bool = False
    init: str = "fan_out"
    in_channels: int = 3
    num_classes: int = 10

    def __post_init__(self):
        parts.check_fields(self, stem=("3x3", "7x7"), init=("fan_in", "fan_out"))
        parts.check_whole(stem_channels=self.channels_in)
        if not (isinstance(self.compression, int | float) and 0 < self.compression <= 1):
            raise InputError(f"compression is {self.compression!r}; θ must lie in (0, 1], 1 for no compression.")
        parts.check_share(dropout=self.dropout)
        if self.memory_efficient and (self.dropout or not self.norm):
            raise InputError("memory_efficient is True; that takes batch norm and no dropout.")
        if min(m for _, m in self.channels) == 0:
            raise InputError(f"compression is {self.compression!r}; so small a θ leaves a transition without channels.")

    @property
    def channels_in(self) -> int:
        """Feature maps from the stem to the first block."""
        if self.stem_channels is not None:
            return self.stem_channels
        return 2 * self.growth_rate if self.bottleneck else 16

    @property
    def channels(self) -> tuple[tuple[int, int], ...]:
        """For each block the feature maps that enter it and those that leave, compressed where a transition follows."""
        enter, rows = self.channels_in, []
        for i, layers in enumerate(self.blocks):
            leave = enter + layers * self.growth_rate
            after = leave if i == len(self.blocks) - 1 else compressed(leave, self.compression)
            rows.append((enter, after))
            enter = after
        return tuple(rows)

    def convs(self, c_in: float) -> tuple[tuple[float, int, int], ...]:
        """H's convolutions in a layer that reads `c_in` maps, as (channels in, channels out, kernel)."""
        k = self.growth_rate
        return ((c_in, 4 * k, 1), (4 * k, k, 3)) if self.bottleneck else ((c_in, k, 3),)

    @property
    def depth(self) -> int:
        """Weighted layers L: the stem, each layer's convolutions, the transitions', and the classifier."""
        return 1 + sum(self.blocks) * (2 if self.bottleneck else 1) + len(self.blocks) - 1 + 1

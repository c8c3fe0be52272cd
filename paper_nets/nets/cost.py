"""What a net costs: parameters, multiply–adds, and the memory that a training step keeps, in closed form.

Nothing is built or run, so a slider can ask a thousand times a second. Every rule below is the arithmetic that a
reader does with the architecture table in hand; the tests compare it with torch's counters on the nets themselves.
"""

from dataclasses import dataclass
from typing import NamedTuple

from numpy import array, ndarray
from torch import nn

from paper_nets.nets.catalog import plan as plan_of
from paper_nets.nets.densenet import DenseNetPlan
from paper_nets.nets.parts import check_image
from paper_nets.nets.resnet import EXPANSION, ResNetPlan

FLOAT = 4  # bytes
INDEX = 8  # bytes; a max pool keeps where each maximum stood


@dataclass(frozen=True)
class Cost:
    """What a net, or one stage of it, costs.

    Args:
        parameters: weights and biases.
        multiply_adds: of convolutions and linear layers, per image; the DenseNet paper's FLOPs are twice as many.
        activation_bytes: per image in float32, what the forward pass keeps for the backward pass.
    """

    parameters: int
    multiply_adds: int
    activation_bytes: int


class Stage(NamedTuple):
    """One stage of a net: its name, the shape (C, H, W) that leaves it, and its cost."""

    name: str
    shape: tuple[int, int, int]
    cost: Cost


@dataclass(frozen=True)
class NetCost(Cost):
    """A net's cost in total, and stage by stage."""

    stages: tuple[Stage, ...]

    @property
    def total(self) -> Cost:
        return Cost(self.parameters, self.multiply_adds, self.activation_bytes)


def cost(
    net: nn.Module | ResNetPlan | DenseNetPlan | str, image: tuple[int, int, int] | None = None, **changes
) -> NetCost:
    """The cost of a net, in total and stage by stage.

    Args:
        net: one of our nets, as it was built (of a `lesioned` one the cost is that of the whole), a plan, or a name
            with `changes`.
        image: (C, H, W); by default (in_channels, 224, 224) with an ImageNet stem, else (in_channels, 32, 32).

    Raises:
        InputError: for images that do not fit.
        TypeError: for a net that is not ours, and for changes to what is not a name.
    """
    if changes and not isinstance(net, str):
        raise TypeError("cost takes changes only beside a name, as cost('resnet20', width=32).")
    plan = plan_of(net, **changes) if isinstance(net, str) else getattr(net, "plan", net)
    if not isinstance(plan, ResNetPlan | DenseNetPlan):
        raise TypeError(f"cost takes a net of paper_nets, its plan or its name, not {type(net).__name__}.")
    side = 224 if plan.stem == "7x7" else 32
    image = image or (plan.in_channels, side, side)
    check_image(plan, image)
    rows = list(_residual(plan, image) if isinstance(plan, ResNetPlan) else _dense(plan, image))
    stages = tuple(Stage(name, shape, Cost(*map(int, part))) for name, shape, part in rows)
    return NetCost(*map(int, sum(part for *_, part in rows)), stages)


def _part(parameters: float = 0, multiply_adds: float = 0, kept: float = 0, size: int = FLOAT) -> ndarray:
    """The three numbers of a `Cost`, to be added and multiplied; `kept` values of `size` bytes stay in memory."""
    return array([parameters, multiply_adds, size * kept], dtype=float)  # exact to 2⁵³


def _conv(kernel: int, c_in: float, c_out: float, h: int, w: int, norm: bool) -> ndarray:
    """A convolution whose output has h × w pixels; with a bias where there is no batch norm."""
    weights = kernel * kernel * c_in * c_out
    return _part(weights + (0 if norm else c_out), weights * h * w)


def _halve(h: int, w: int) -> tuple[int, int]:
    """The size after a convolution or max pool of stride 2."""
    return (h + 1) // 2, (w + 1) // 2


def _stem(plan, c_out: int, image: tuple[int, int, int], activate: bool) -> tuple[ndarray, int, int]:
    c_in, h, w = image
    part = _part(kept=c_in * h * w)
    if plan.stem == "7x7":
        h, w = _halve(h, w)
    part += _conv(int(plan.stem[0]), c_in, c_out, h, w, plan.norm)
    if activate:
        part += _activation(c_out, h, w, plan.norm)
    if plan.stem == "7x7":
        h, w = _halve(h, w)
        part += _part(kept=c_out * h * w, size=INDEX)
    return part, h, w


def _head(channels: int, num_classes: int, h: int, w: int, activate: bool, norm: bool) -> ndarray:
    part = _part(channels * num_classes + num_classes, channels * num_classes, channels)
    return part + _activation(channels, h, w, norm) if activate else part


def _activation(channels: float, h: int, w: int, norm: bool) -> ndarray:
    """BN–ReLU: what enters is kept for batch norm, what leaves for ReLU and for the convolution after it."""
    return _part(2 * channels if norm else 0, kept=channels * h * w * (2 if norm else 1))


def _residual(plan: ResNetPlan, image):
    part, h, w = _stem(plan, plan.width, image, activate=True)
    if plan.stem == "7x7":
        part += _part(kept=plan.width * h * w)  # the pooled maps, which the first convolution reads
    yield "stem", (plan.width, h, w), part

    c_in = plan.width
    for i, (n, width) in enumerate(zip(plan.blocks, plan.widths, strict=True)):
        stride = 2 if i > 0 else 1
        c_out = EXPANSION[plan.block] * width
        first, h, w = _block(plan, c_in, width, stride, h, w, activated=i == 0)
        other, _, _ = _block(plan, c_out, width, 1, h, w, activated=False)
        c_in = c_out
        yield f"stage {i + 1}", (c_out, h, w), first + other * (n - 1)

    yield "head", (plan.num_classes, 1, 1), _head(c_in, plan.num_classes, h, w, plan.preact, plan.norm)


def _block(plan: ResNetPlan, c_in: int, width: int, stride: int, h: int, w: int, activated: bool):
    part = _part()
    for i, (before, after, kernel, step) in enumerate(plan.convs(c_in, width, stride)):
        if plan.preact and not (i == 0 and activated):
            part += _activation(before, h, w, plan.norm)
        if step == 2:
            h, w = _halve(h, w)
        part += _conv(kernel, before, after, h, w, plan.norm)
        if not plan.preact:
            # The last ReLU follows the addition, and keeps as much.
            part += _activation(after, h, w, plan.norm)
    c_out = EXPANSION[plan.block] * width
    if plan.projects(c_in, c_out, stride):
        part += _conv(1, c_in, c_out, h, w, plan.norm)
        if plan.norm and not plan.preact:
            part += _part(2 * c_out, kept=c_out * h * w)
    return part, h, w


def _dense(plan: DenseNetPlan, image):
    part, h, w = _stem(plan, plan.channels_in, image, activate=plan.stem == "7x7")
    yield "stem", (plan.channels_in, h, w), part

    for i, (layers, (enter, after)) in enumerate(zip(plan.blocks, plan.channels, strict=True)):
        leave = enter + layers * plan.growth_rate
        # A layer's cost is linear in its input channels, so all of them together cost what as many layers
        # with the mean number of input channels would.
        mean = enter + plan.growth_rate * (layers - 1) / 2
        yield f"block {i + 1}", (leave, h, w), _dense_layer(plan, mean, h, w) * layers
        if i < len(plan.blocks) - 1:
            part = _activation(leave, h, w, plan.norm) + _conv(1, leave, after, h, w, plan.norm)
            # The average pool keeps what it reads; dropout keeps the mask that it multiplied by.
            part += _part(kept=after * h * w * (2 if plan.dropout else 1))
            h, w = h // 2, w // 2
            yield f"transition {i + 1}", (after, h, w), part

    yield "head", (plan.num_classes, 1, 1), _head(after, plan.num_classes, h, w, activate=True, norm=plan.norm)


def _dense_layer(plan: DenseNetPlan, c_in: float, h: int, w: int) -> ndarray:
    part = _part()
    for before, after, kernel in plan.convs(c_in):
        part += _conv(kernel, before, after, h, w, plan.norm)
        if plan.memory_efficient:
            # The block's own maps are counted where they are read next; such a net has batch norm.
            part += _part(2 * before, kept=after * h * w if kernel == 1 else 0)
        else:
            part += _activation(before, h, w, plan.norm) + _part(kept=after * h * w if plan.dropout else 0)
    return part

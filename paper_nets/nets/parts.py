"""What plain, residual and dense nets share: stem, head, initialisation, and the sentences for wrong input."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional


class InputError(ValueError):
    """Wrong input, in one sentence that says what would be right: all that the command line shows of it."""


class Net(nn.Module):
    """A stem, stages and a head. Outside of `forward`, so that PyTorch can trace it, images are checked first."""

    def __init__(self, plan, kind: type):
        super().__init__()
        if not isinstance(plan, kind):
            raise InputError(f"plan is {plan!r}; it must be a {kind.__name__}, and build makes a net by its name.")
        self.plan = plan

    def __call__(self, x: Tensor) -> Tensor:
        check_images(self.plan, x)
        return super().__call__(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


class GlobalAveragePool(nn.Module):
    """The mean of every feature map: (N, C, H, W) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


class ZeroPad(nn.Module):
    """Shortcut option A: every `stride`-th pixel, and `extra` channels of zeros, of which `before` stand before the
    others and the rest behind; no parameters."""

    def __init__(self, extra: int, stride: int, before: int = 0):
        super().__init__()
        self.extra, self.stride, self.before = extra, stride, before

    def forward(self, x: Tensor) -> Tensor:
        sides = (self.before, self.extra - self.before)
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *sides))


KINDS = {nn.Conv2d: "conv", nn.BatchNorm2d: "bn", nn.ReLU: "relu", nn.Dropout: "dropout", nn.Linear: "fc"}
KINDS |= dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, GlobalAveragePool), "pool")


def sequence(*layers: nn.Module) -> nn.Sequential:
    """Layers one after the other, named by kind and number: conv1, bn1, relu1, conv2, …"""
    named, count = nn.Sequential(), Counter()
    for layer in layers:
        kind = KINDS[type(layer)]
        count[kind] += 1
        named.add_module(f"{kind}{count[kind]}", layer)
    return named


def conv(c_in: int, c_out: int, kernel: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A convolution that keeps the size of the feature maps at stride 1 and halves it at stride 2."""
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=bias)


def batch_norm(channels: int, norm: bool) -> list[nn.Module]:
    """One batch norm, or none, to be unpacked into a row of layers."""
    return [nn.BatchNorm2d(channels)] if norm else []


def bn_relu(channels: int, norm: bool) -> list[nn.Module]:
    """BN–ReLU, or the ReLU alone."""
    return [*batch_norm(channels, norm), nn.ReLU()]


def stem(kind: str, c_in: int, c_out: int, norm: bool, activate: bool = True) -> nn.Sequential:
    """The first convolution: "3x3" keeps the size; "7x7", with a 3×3 max pool, divides it by 4.

    `activate=False` leaves batch norm and ReLU to what follows, as the CIFAR DenseNets do.
    """
    activation = bn_relu(c_out, norm) if activate else []
    if kind == "3x3":
        return sequence(conv(c_in, c_out, 3, bias=not norm), *activation)
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    return sequence(conv(c_in, c_out, 7, stride=2, bias=not norm), *activation, pool)


def head(channels: int, num_classes: int, activate: bool, norm: bool) -> nn.Sequential:
    """Global average pool and linear layer, after batch norm and ReLU where the blocks end without them."""
    activation = bn_relu(channels, norm) if activate else []
    return sequence(*activation, GlobalAveragePool(), nn.Linear(channels, num_classes))


def initialise(net: nn.Module, mode: str = "fan_in") -> None:
    """Draw convolutions with variance 2 / fan, since a ReLU halves what they read, and the classifier, which reads
    averages, with 1 / fan-in; no bias.

    Args:
        mode: "fan_in", kernel² · channels in (He et al., arXiv 1502.01852, Equation 10, which the ResNet paper cites);
            or "fan_out", kernel² · channels out, as in the DenseNet authors' code (liuzhuang13/DenseNet,
            models/densenet.lua; their paper says only that it follows He).
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        if getattr(module, "bias", None) is not None:  # a batch norm's is 0 already
            nn.init.zeros_(module.bias)


@contextmanager
def evaluating(net: nn.Module) -> Iterator[nn.Module]:
    """The net in evaluation mode; afterwards each of its modules is in the mode that it was in."""
    modes = {module: module.training for module in net.modules() if hasattr(module, "training")}
    try:
        for module in modes:  # not by eval(), which a net may have changed
            module.training = False
        yield net
    finally:
        for module, mode in modes.items():
            module.training = mode


def is_count(value) -> bool:
    """Whether a value is a whole number of at least 1."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1


def check(is_right: Callable[[Any], bool], must: str, /, **values) -> None:
    """Refuse, by its name, what is not right, and say what it must be."""
    for name, value in values.items():
        if not is_right(value):
            raise InputError(f"{name} is {value!r}; it must {must}.")


check_whole = partial(check, is_count, "be a whole number of at least 1")
check_switch = partial(check, lambda value: isinstance(value, bool), "be True or False")
check_share = partial(check, lambda p: isinstance(p, int | float) and 0 <= p < 1, "lie in [0, 1), 0 for none")
check_counts = partial(
    check,
    lambda value: isinstance(value, tuple) and len(value) > 0 and all(map(is_count, value)),
    "be a tuple of whole numbers of at least 1, one for each stage",
)


def check_choice(name: str, value, choices: Iterable[str]) -> None:
    check(list(choices).__contains__, f"be one of {', '.join(map(repr, choices))}", **{name: value})


def check_fields(plan, **choices: Iterable[str]) -> None:
    """Refuse a field of a dataclass that is not what its type says, or not among the choices given for it."""
    checks = {bool: check_switch, int: check_whole, tuple[int, ...]: check_counts}
    for field in fields(plan):
        value = getattr(plan, field.name)
        if field.name in choices:
            check_choice(field.name, value, choices[field.name])
        elif field.type in checks:
            checks[field.type](**{field.name: value})


def check_image(plan, shape: tuple[int, ...]) -> None:
    """Refuse images of shape (C, H, W) that the plan's net cannot take: other channels, or maps shrunk to nothing."""
    smallest = 2 ** (len(plan.blocks) - 1 + (2 if plan.stem == "7x7" else 0))
    if not isinstance(shape, tuple | list) or not all(map(is_count, shape)):
        raise InputError(f"The shape of an image is {shape!r}; it must be channels, height and width, whole numbers.")
    if len(shape) != 3 or shape[0] != plan.in_channels or min(shape[1:]) < smallest:
        channels = f"{plan.in_channels} channels" if plan.in_channels > 1 else "1 channel"
        raise InputError(
            f"An image of shape {' × '.join(map(str, shape))} does not fit: this net takes {channels} × height × "
            f"width, each side at least {smallest} pixels."
        )


def check_images(plan, x) -> None:
    """Refuse what is not a batch of images that the plan's net can take; while PyTorch traces it nothing is refused."""
    if isinstance(x, fx.Proxy) or torch.jit.is_tracing() or torch.compiler.is_compiling():
        return
    if not isinstance(x, Tensor):
        raise InputError(f"The images are of type {type(x).__name__}; they must be a tensor of shape (N, C, H, W).")
    if x.dim() != 4:
        shape = " × ".join(map(str, x.shape)) or "a single number"
        one = "; a single image becomes a batch by image.unsqueeze(0)" if x.dim() == 3 else ""
        raise InputError(f"The shape of the images is {shape}; it must be (N, C, H, W){one}.")
    if not x.is_floating_point():
        raise InputError(f"The images are {x.dtype}; they must be floating point, as images.float() / 255.")
    check_image(plan, tuple(x.shape[1:]))

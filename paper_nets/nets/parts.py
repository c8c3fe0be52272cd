"""What plain, residual and dense nets share: stem, head, initialisation, and the sentences for bad input."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral

from torch import Tensor, nn
from torch.nn import functional


class InputError(ValueError):
    """Wrong input, in one sentence that says what would be right: all that the command line shows of it."""


def conv(c_in: int, c_out: int, kernel: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A convolution that keeps the size of the feature maps at stride 1 and halves it at stride 2."""
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=bias)


def batch_norm(channels: int, norm: bool) -> list[nn.Module]:
    """One batch norm, or none; a list, so that it can be unpacked into a row of layers."""
    return [nn.BatchNorm2d(channels)] if norm else []


def stem(kind: str, c_in: int, c_out: int, norm: bool, activate: bool = True) -> nn.Sequential:
    """The first convolution: "3x3" keeps the size; "7x7", with a 3×3 max pool, divides it by 4.

    `activate=False` leaves batch norm and ReLU to what follows, as the CIFAR DenseNets do.
    """
    activation = [*batch_norm(c_out, norm), nn.ReLU()] if activate else []
    if kind == "3x3":
        return nn.Sequential(conv(c_in, c_out, 3, bias=not norm), *activation)
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(conv(c_in, c_out, 7, stride=2, bias=not norm), *activation, pool)


class GlobalAveragePool(nn.Module):
    """The mean of every feature map: (N, C, H, W) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


def head(channels: int, num_classes: int, activate: bool, norm: bool) -> nn.Sequential:
    """Global average pool and linear layer, after batch norm and ReLU where the blocks end without them."""
    activation = [*batch_norm(channels, norm), nn.ReLU()] if activate else []
    return nn.Sequential(*activation, GlobalAveragePool(), nn.Linear(channels, num_classes))


class ZeroPad(nn.Module):
    """Shortcut option A: every `stride`-th pixel, and `extra` channels of zeros; no parameters."""

    def __init__(self, extra: int, stride: int):
        super().__init__()
        self.extra, self.stride = extra, stride

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


def initialise(net: nn.Module) -> None:
    """He initialisation (arXiv 1502.01852, Equation 10): variance 2 / fan-in for convolutions, since a ReLU halves what
    they read; 1 / fan-in for the classifier, which reads averages; no bias."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def _is_whole(value) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1


def check_whole(**values) -> None:
    """Refuse what is not a whole number of at least 1."""
    for name, value in values.items():
        if not _is_whole(value):
            raise InputError(f"{name} is {value!r}; it must be a whole number of at least 1.")


def check_blocks(blocks) -> None:
    """Refuse what is not a tuple of whole numbers of at least 1."""
    if not (isinstance(blocks, tuple) and blocks and all(map(_is_whole, blocks))):
        raise InputError(
            f"blocks is {blocks!r}; it must be a tuple of whole numbers of at least 1, one for each stage."
        )


@contextmanager
def evaluating(net: nn.Module) -> Iterator[nn.Module]:
    """The net in evaluation mode; afterwards it is in the mode that it was in."""
    was_training = net.training
    try:
        yield net.eval()
    finally:
        net.train(was_training)


def check_dropout(share: float) -> None:
    if not (isinstance(share, int | float) and 0 <= share < 1):
        raise InputError(f"dropout is {share!r}; it must lie in [0, 1), 0 for none.")


def check_switch(**values) -> None:
    """Refuse what is neither True nor False."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise InputError(f"{name} is {value!r}; it must be True or False.")


def check_choice(name: str, value, choices: Iterable[str]) -> None:
    """Refuse a value that is not among the choices, and name them."""
    choices = list(choices)
    if value not in choices:
        raise InputError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, choices))}.")


def check_image(plan, shape: tuple[int, ...]) -> None:
    """Refuse images of shape (C, H, W) that the plan's net cannot take: other channels, or maps shrunk to nothing."""
    halvings = len(plan.blocks) - 1 + (2 if plan.stem == "7x7" else 0)
    smallest = 2**halvings
    if not isinstance(shape, tuple | list) or not all(map(_is_whole, shape)):
        raise InputError(f"The shape of an image is {shape!r}; it must be channels, height and width, whole numbers.")
    if len(shape) != 3 or shape[0] != plan.in_channels or min(shape[1:]) < smallest:
        raise InputError(
            f"An image of shape {' × '.join(map(str, shape))} does not fit: this net takes {plan.in_channels} "
            f"channel{'s' if plan.in_channels > 1 else ''} × height × width, each side at least {smallest} pixels."
        )

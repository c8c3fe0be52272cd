"""What any net computes, read off one forward pass: every operation, what it reads, and the weights that it uses.

PyTorch hands each operation to a `TorchDispatchMode` on its way, whatever code asks for it: modules or functions, `+`
or `torch.add`, ReLUs in place or not. So nets that compute the same have the same graph.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from paper_nets.nets import InputError

IMAGE, CONSTANT = -1, -2  # among the inputs of an operation: the images, and what depends on neither them nor weights

# PyTorch's operations that leave every value as it was.
VIEWS = set(
    "view _unsafe_view reshape _reshape_alias flatten squeeze unsqueeze permute transpose t clone detach alias "
    "contiguous _to_copy expand lift_fresh".split()
)
MADE_ANEW = {"zeros_like", "new_zeros", "new_full", "full_like", "ones_like", "new_empty", "empty_like", "zero"}
ACTIVATIONS = {
    "relu": "ReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "leaky_relu": "leaky ReLU",
    "_prelu_kernel": "PReLU",
    "hardtanh": "ReLU6",
    **{name: name for name in ("elu", "sigmoid", "tanh", "hardswish", "mish", "softplus")},
}
# How an operation reads in a sentence.
WORDS = {"conv": "convolution", "norm": "batch norm", "act": "ReLU", "global pool": "global average pool"}


@dataclass
class Op:
    """One operation.

    Args:
        kind: "conv", "norm", "act", "max pool", "average pool", "global pool", "linear", "add", "concatenate",
            "subsample" (every so manieth pixel), "pad", or PyTorch's own name of any other.
        settings: what defines it beside its weights, as kernel and stride.
        inputs: the numbers of the operations that it reads, or IMAGE or CONSTANT.
        shape: of its output.
        weights: names in the net of its parameters and buffers, by what they are: {"weight": "conv1.weight"}.
        place: the module that it stands in, by its name in the net.
    """

    kind: str
    settings: dict
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    weights: dict[str, str] = field(default_factory=dict)
    place: str = ""

    def __str__(self) -> str:
        """In words: "3×3 convolution", "batch norm", "2×2 max pool"."""
        name = self.settings.get("function") or self.settings.get("of") or WORDS.get(self.kind, self.kind)
        if self.kind == "global pool":
            name = f"global {self.settings['of']} pool"
        kernel = self.settings.get("kernel")
        return f"{kernel}×{kernel} {name}" if isinstance(kernel, int) else name


def one(values) -> int | tuple[int, ...]:
    """3 for (3, 3), as most kernels, strides and paddings are."""
    values = tuple(values) if isinstance(values, list | tuple) else (values,)
    return values[0] if len(set(values)) == 1 else values


def _conv(given, shape):
    weight, groups = given["weight"], given["groups"]
    sizes = {name: one(given[name]) for name in ("stride", "padding", "dilation")}
    settings = {"kernel": one(weight.shape[2:]), "in": weight.shape[1] * groups, "out": shape[1], **sizes}
    settings["groups"] = groups
    return "transposed conv" if given["transposed"] else "conv", {**settings, "bias": given["bias"] is not None}


def _batch_norm(given, shape):
    momentum = given.get("momentum", given.get("exponential_average_factor"))
    of = "norm by each batch's own statistics" if given.get("training") else "batch norm"
    eps = given.get("eps", given.get("epsilon"))
    return "norm", {"of": of, "eps": eps, "momentum": momentum, "affine": given["weight"] is not None}


def _other_norm(of):
    return lambda given, shape: ("norm", {"of": of, "eps": given["eps"], "affine": given["weight"] is not None})


def _linear(given, shape):
    bias = given.get("bias") if "input" in given else given.get("self") if "mat1" in given else None
    read = next(given[name] for name in ("input", "mat1", "self") if name in given)
    return "linear", {"in": read.shape[-1], "out": shape[-1], "bias": bias is not None}


def _windows(given):
    """Kernel, stride and padding of a pool, where they aren't as usual with what else it has."""
    kernel = one(given["kernel_size"])
    windows = {"kernel": kernel, "stride": one(given["stride"] or kernel), "padding": one(given["padding"])}
    return {**windows, **({"ceil_mode": True} if given["ceil_mode"] else {})}


def _pool(of):
    def read(given, shape):
        size = given["self"].shape[2:]
        if shape[2:].numel() == 1 and given["self"].dim() == 4:
            return "global pool", {"of": of}
        if "output_size" in given:
            kernel = one([before // after for before, after in zip(size, shape[2:], strict=True)])
            windows = {"kernel": kernel, "stride": kernel, "padding": 0}
        else:
            windows = _windows(given)
        if windows["kernel"] == 1:
            return "subsample", {"stride": windows["stride"]}
        return f"{'max' if of == 'maximum' else of} pool", windows

    return read


def _mean(of):
    def read(given, shape):
        dims = given["dim"] if isinstance(given["dim"], list | tuple) else [given["dim"]]
        whole = given["self"].dim() == 4 and sorted(d % 4 for d in dims) == [2, 3]
        return ("global pool", {"of": of}) if whole else (of, {"dim": one(dims)})

    return read


def _slice(given, shape):
    if given["dim"] in (2, 3) and not given["start"] and given["step"] > 1:
        return "subsample", {"stride": (given["step"], 1) if given["dim"] == 2 else (1, given["step"])}
    return "slice", {"dim": given["dim"], "start": given["start"], "end": given["end"]}


def _add(given, shape):
    return "add", {} if given["alpha"] == 1 else {"times": given["alpha"]}


def _cat(given, shape):
    if given["dim"] % len(shape) != 1:
        return "cat", {"dim": given["dim"]}
    return "concatenate", {"channels": tuple(tensor.shape[1] for tensor in given["tensors"])}


def _pad(given, shape):
    sides = [*given["pad"], 0, 0, 0, 0, 0, 0][:6]
    return "pad", {"sides": one(sides[:4]), "before": sides[4], "after": sides[5]}


MEANINGS = {
    **dict.fromkeys(("convolution", "_convolution"), _conv),
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"), _batch_norm),
    **dict.fromkeys(("addmm", "mm", "linear"), _linear),
    **{name: lambda given, shape, of=of: ("act", {"function": of}) for name, of in ACTIVATIONS.items()},
    "native_group_norm": _other_norm("group norm"),
    "native_layer_norm": _other_norm("layer norm"),
    **dict.fromkeys(("max_pool2d_with_indices", "adaptive_max_pool2d"), _pool("maximum")),
    **dict.fromkeys(("avg_pool2d", "_adaptive_avg_pool2d"), _pool("average")),
    "mean": _mean("average"),
    "amax": _mean("maximum"),
    "sum": _mean("sum"),
    "slice": _slice,
    "add": _add,
    "cat": _cat,
    "constant_pad_nd": _pad,
}


def _is_relu(name: str, given: Mapping) -> bool:
    lowest = given.get("min", given.get("threshold"))
    return name in ("clamp_min", "clamp", "threshold") and lowest == 0 and given.get("max") is None


def _changes_nothing(name: str, given: Mapping, shape: tuple) -> bool:
    if name in ("add", "sub", "mul", "div") and isinstance(given["other"], int | float):
        return given["other"] == (name in ("mul", "div"))  # as the 0 that Python's sum begins with
    if name == "cat":
        return len(given["tensors"]) == 1
    if name == "constant_pad_nd":
        return not any(given["pad"])
    return name in VIEWS or (name in ("slice", "_adaptive_avg_pool2d") and shape == given["self"].shape)


def _tensors(values) -> Iterator[Tensor]:
    """All tensors among values, those in lists too."""
    for value in values if isinstance(values, list | tuple) else [values]:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


class Recorder(TorchDispatchMode):
    """Writes down the operations of a forward pass."""

    def __init__(self, net: nn.Module, images: Tensor):
        super().__init__()
        self.ops: list[Op] = []
        self.made = WeakIdKeyDictionary({images: IMAGE})  # which operation made a tensor
        named = [*net.named_parameters(remove_duplicate=False), *net.named_buffers(remove_duplicate=False)]
        self.names = WeakIdKeyDictionary({tensor: name for name, tensor in reversed(named)})
        self.modules = {id(module): name for name, module in net.named_modules()}
        self.place = ""

    def enter(self, module: nn.Module, inputs) -> None:
        self.place = self.modules.get(id(module), self.place)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        names = [(argument.name, argument.default_value) for argument in func._schema.arguments]
        given = {name: kwargs.get(name, default) for name, default in names}
        given |= dict(zip(given, args, strict=False))
        name = func._schema.name.split("::")[1].rstrip("_")
        read = [self.made[tensor] for tensor in _tensors(list(given.values())) if tensor in self.made]
        before = given.get("self")
        output = func(*args, **kwargs)
        if (first := next(_tensors(output), None)) is not None:
            if read:
                self.made[first] = self._note(name, given, read, first)
            elif name in VIEWS and before in self.names:  # a weight, turned for a matrix product
                self.names[first] = self.names[before]
            elif before not in self.names:
                self.made[first] = CONSTANT
        return output

    def _note(self, name: str, given: dict, read: list[int], output: Tensor) -> int:
        """The number of the operation that made an output: of a new one, or of what it leaves as it was."""
        times_zero = name == "mul" and isinstance(given["other"], int | float) and given["other"] == 0
        if name in MADE_ANEW or times_zero or all(number == CONSTANT for number in read):
            return CONSTANT
        if _changes_nothing(name, given, output.shape):
            return read[0]
        if _is_relu(name, given):
            name = "relu"
        unknown = lambda given, shape: (name.strip("_").replace("_", " "), {})
        kind, settings = MEANINGS.get(name, unknown)(given, output.shape)
        weights = {key: self.names[t] for key, t in given.items() if isinstance(t, Tensor) and t in self.names}
        if kind == "linear":  # addmm calls them self and mat2
            weights = {"bias" if key in ("self", "bias") else "weight": name for key, name in weights.items()}
        place = next(iter(weights.values())).rpartition(".")[0] if weights else self.place
        self.ops.append(self._simplified(Op(kind, settings, tuple(read), tuple(output.shape), weights, place)))
        return len(self.ops) - 1

    def _simplified(self, op: Op) -> Op:
        """The same in one way where there are several."""
        before = self.ops[op.inputs[0]] if op.inputs[0] >= 0 else None
        if op.kind == "concatenate" and [*op.inputs].count(CONSTANT) == len(op.inputs) - 1 > 0:
            place = next(i for i, number in enumerate(op.inputs) if number != CONSTANT)
            channels = op.settings["channels"]
            zeros = {"before": sum(channels[:place]), "after": sum(channels[place + 1 :])}
            return replace(op, kind="pad", settings={"sides": 0, **zeros}, inputs=(op.inputs[place],))
        if before is None:
            return op
        if op.kind == before.kind == "subsample":  # rows first, then columns
            pairs = [s if isinstance(s, tuple) else (s, s) for s in (before.settings["stride"], op.settings["stride"])]
            stride = one([a * b for a, b in zip(*pairs, strict=True)])
            return replace(op, settings={"stride": stride}, inputs=before.inputs)
        if (
            op.kind == "conv"
            and before.kind == "pad"
            and op.settings["padding"] == 0
            and before.shape[1] == op.settings["in"]
        ):
            if before.settings["before"] == before.settings["after"] == 0:
                settings = {**op.settings, "padding": before.settings["sides"]}
                return replace(op, settings=settings, inputs=before.inputs)
        if op.kind == "conv" and op.settings["kernel"] == 1 and before.kind in ("global pool", "linear"):
            return replace(op, kind="linear", settings={name: op.settings[name] for name in ("in", "out", "bias")})
        return op


@contextmanager
def undisturbed(net: nn.Module) -> Iterator[None]:
    """The net in evaluation mode; afterwards each of its modules is in its own mode, its buffers and PyTorch's random
    numbers are what they were."""
    modes = {module: module.training for module in net.modules()}
    buffers = [(buffer, buffer.clone()) for buffer in net.buffers()]
    try:
        for module in modes:
            module.training = False
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for buffer, before in buffers:
                if not buffer.is_meta and not torch.equal(buffer, before):
                    buffer.copy_(before)


def _logits(output) -> Tensor:
    """The logits among what a net returns."""
    if hasattr(output, "logits"):
        return output.logits
    tensors = list(_tensors(list(output.values()) if isinstance(output, Mapping) else output))
    flat = [tensor for tensor in tensors if tensor.dim() == 2]
    if not tensors:
        raise InputError(f"The net returns {type(output).__name__}; it must return its logits, a tensor.")
    return (flat or tensors)[0]


def record(net: nn.Module, images: Tensor) -> tuple[list[Op], Tensor]:
    """The operations that lead from images (N, C, H, W) to the logits, in order, and the logits.

    An operation's inputs are places in this list. The net runs once, in evaluation mode and without gradients; nothing
    of it is changed. What its `forward` raises comes as it is.
    """
    recorder = Recorder(net, images)
    handle = register_module_forward_pre_hook(recorder.enter)
    try:
        with undisturbed(net), recorder:
            logits = _logits(net(images))
    finally:
        handle.remove()
    last = recorder.made.get(logits, CONSTANT)
    if last < 0:
        raise InputError("The net's output does not depend on the images.")
    leading, waiting = set(), [last]
    while waiting:
        number = waiting.pop()
        if number >= 0 and number not in leading:
            leading.add(number)
            waiting += recorder.ops[number].inputs
    order = {number: place for place, number in enumerate(sorted(leading))}
    ops = [recorder.ops[number] for number in order]
    return [replace(op, inputs=tuple(order.get(i, i) for i in op.inputs)) for op in ops], logits

"""What any net computes, read off one forward pass: every operation, what it reads, and the weights that it uses.

PyTorch hands each operation to a `TorchDispatchMode` on its way, whatever code asks for it: modules or functions, `+`
or `torch.add`, ReLUs in place or not. So nets that compute the same have the same graph.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from paper_nets.nets.parts import InputError, evaluating

IMAGE, CONSTANT = -1, -2  # among the inputs of an operation: the images, and what depends on neither them nor weights

ARITHMETIC = ("add", "sub", "mul", "div")
# PyTorch's operations that leave every value as it was.
VIEWS = {
    *("view", "_unsafe_view", "reshape", "_reshape_alias", "flatten", "squeeze", "unsqueeze", "permute", "transpose"),
    *("t", "clone", "detach", "alias", "contiguous", "_to_copy", "expand", "lift_fresh"),
}
MADE_ANEW = {"zeros_like", "new_zeros", "new_full", "full_like", "ones_like", "new_empty", "empty_like", "zero"}
ACTIVATIONS = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "relu6": "ReLU6", "_prelu_kernel": "PReLU", "gelu": "GELU"}
ACTIVATIONS |= {name: name for name in ("elu", "sigmoid", "tanh", "hardswish", "hardtanh", "mish", "softplus")}
ACTIVATIONS["silu"] = "SiLU"
PROBE = torch.linspace(-8, 8, 1601, device="cpu")  # what a function of single values makes of these tells which it is
CURVES = {word: getattr(functional, name)(PROBE) for name, word in ACTIVATIONS.items() if hasattr(functional, name)}
ITSELF, UNKNOWN = "addition to itself", "another function of each value"
AFFINE = {"scale": "weight", "shift": "bias"}  # what a norm learns for each map
LAYERS = ("conv", "linear", "norm")  # what has weights of its own


@dataclass
class Op:
    """One operation.

    Args:
        kind: "conv", "norm", "act", "max pool", "average pool", "global pool", "linear", "add", "product",
            "concatenate", "subsample" (one pixel of several), "pad", or PyTorch's own name of any other.
        settings: what defines it beside its weights, as kernel and stride; "learned" counts parameters other than a
            layer's weight and bias.
        inputs: the numbers of the operations that it reads, or IMAGE or CONSTANT; what it reads most of comes first.
        shape: of its output.
        weights: names in the net of its parameters and buffers, by what they are: {"weight": "conv1.weight"}; of
            those that a weight is computed from, {"weight from conv1.scale": "conv1.scale"}.
        place: the module that it stands in, by its name in the net.
        affine: of a norm that is written out, what it makes of 0 and of 1 in each map.
    """

    kind: str
    settings: dict
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    weights: dict[str, str] = field(default_factory=dict)
    place: str = ""
    affine: tuple[Tensor, Tensor] | None = None

    def __str__(self) -> str:
        """In words: "3×3 convolution", "batch norm", "2×2 max pool"."""
        kind = "convolution" if self.kind == "conv" else self.kind
        name = self.settings.get("function") or self.settings.get("of") or kind
        if self.kind == "global pool":
            name = f"global {self.settings['of']} pool"
        if self.settings.get("by"):
            name += f" by {self.settings['by']:.3g}"
        kernel = self.settings.get("kernel")
        return f"{kernel}×{kernel} {name}" if isinstance(kernel, int) else name


def one(values) -> int | tuple[int, ...]:
    """3 for (3, 3), as most kernels, strides and paddings are."""
    values = tuple(values) if isinstance(values, list | tuple) else (values,)
    return values[0] if len(set(values)) == 1 else values


def both(value) -> tuple:
    """(3, 3) for 3: for height and width."""
    return value if isinstance(value, tuple) else (value, value)


def _conv(given, shape):
    weight, groups = given["weight"], given["groups"]
    sizes = {name: one(given[name]) for name in ("stride", "padding", "dilation")}
    settings = {"kernel": one(weight.shape[2:]), "in": weight.shape[1] * groups, "out": shape[1], **sizes}
    settings |= {"groups": groups, "bias": given["bias"] is not None}
    return "transposed conv" if given["transposed"] else "conv", settings


def _norm(given, shape, of="batch norm"):
    momentum = given.get("momentum", given.get("exponential_average_factor"))
    of = "norm by its input's own statistics" if given.get("training") else of
    affine = tuple(word for word, key in AFFINE.items() if given[key] is not None)
    return "norm", {"of": of, "eps": given.get("eps", given.get("epsilon")), "momentum": momentum, "affine": affine}


def _linear(given, shape):
    bias = given.get("bias") if "input" in given else given.get("self") if "mat1" in given else None
    read = next(given[name] for name in ("input", "mat1", "self") if name in given)
    return "linear", {"in": read.shape[-1], "out": shape[-1], "bias": bias is not None}


def _pool(given, shape, of):
    size = given["self"].shape[2:]
    if shape[2:].numel() == 1 and given["self"].dim() == 4:
        return "global pool", {"of": of}
    if any(before < after for before, after in zip(size, shape[2:], strict=False)):
        return f"enlarging {of} pool", {"size": tuple(shape[2:])}
    if "output_size" in given:
        kernel = stride = one([before // after for before, after in zip(size, shape[2:], strict=True)])
    else:
        kernel = one(given["kernel_size"])
        stride = one(given["stride"] or kernel)
    if kernel == 1:
        return "subsample", {"stride": stride}
    settings = {"kernel": kernel, "stride": stride, "padding": one(given.get("padding", 0))}
    settings |= {name: one(given[name]) for name in ("dilation", "ceil_mode", "divisor_override") if given.get(name)}
    return f"{'max' if of == 'maximum' else of} pool", {"dilation": 1, "ceil_mode": False, **settings}


def _reduction(given, shape, of):
    whole = given["self"].dim() > 2 and shape[:2] == given["self"].shape[:2] and shape[2:].numel() == 1
    return ("global pool", {"of": of}) if whole else (of, {"dim": given.get("dim")})


def _nearest(given, shape):
    strides = [before / after for before, after in zip(given["self"].shape[2:], shape[2:], strict=True)]
    whole = all(stride >= 1 and stride % 1 == 0 for stride in strides)
    return ("subsample", {"stride": one([int(s) for s in strides])}) if whole else ("nearest pixel", {})


def _slice(given, shape):
    if given["dim"] in (2, 3) and not given["start"] and given["step"] > 1:
        return "subsample", {"stride": (given["step"], 1) if given["dim"] == 2 else (1, given["step"])}
    return "slice", {"dim": given["dim"], "start": given["start"], "end": given["end"]}


def _cat(given, shape):
    if given["dim"] % len(shape) != 1:
        return "cat", {"dim": given["dim"]}
    return "concatenate", {"channels": tuple(tensor.shape[1] for tensor in given["tensors"])}


def _pad(given, shape, by=None):
    left, right, top, bottom, before, after = [*given.get("pad", given.get("padding")), 0, 0, 0, 0, 0, 0][:6]
    sides = one((top, bottom)), one((left, right))
    sides = sides[0] if sides[0] == sides[1] == top else sides  # as convolutions have it, where both ends are alike
    padding = {"sides": sides, "before": before, "after": after}
    by = by or given.get("value")
    return "pad", {**padding, "padded by": by} if by else padding


MEANINGS = {
    **dict.fromkeys(("convolution", "_convolution"), _conv),
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"), _norm),
    **dict.fromkeys(("addmm", "mm", "bmm", "linear"), _linear),
    **{name: lambda given, shape, of=of: ("act", {"function": of}) for name, of in ACTIVATIONS.items()},
    **{f"native_{of}_norm": partial(_norm, of=f"{of} norm") for of in ("group", "layer")},
    **dict.fromkeys(("max_pool2d_with_indices", "adaptive_max_pool2d"), partial(_pool, of="maximum")),
    **dict.fromkeys(("avg_pool2d", "_adaptive_avg_pool2d"), partial(_pool, of="average")),
    **{name: partial(_reduction, of=of) for name, of in (("mean", "average"), ("amax", "maximum"), ("sum", "sum"))},
    "upsample_nearest2d": _nearest,
    "slice": _slice,
    "mul": lambda given, shape: ("product" if given["other"].shape == given["self"].shape else "multiplication", {}),
    "cat": _cat,
    "constant_pad_nd": _pad,
    **{f"{by}_pad2d": partial(_pad, by=by) for by in ("reflection", "replication")},
}


def _name(func) -> str:
    return func._schema.name.split("::")[1].rstrip("_")


def _changes_nothing(name: str, given: Mapping, shape: tuple) -> bool:
    if name == "cat":
        return len(given["tensors"]) == 1
    if name == "constant_pad_nd":
        return not any(given["pad"])
    if name in ("as_strided", "repeat"):  # how channels_last makes a view, and instance norm repeats its weights
        return shape.numel() == given["self"].numel()
    return name in VIEWS or (name in ("slice", "_adaptive_avg_pool2d") and shape == given["self"].shape)


def _tensors(values) -> list[Tensor]:
    """All tensors among values, those in lists and dictionaries too."""
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _side_by_side(maps: list[tuple[int, int]], shape: tuple) -> Op:
    """The concatenation of outputs, given by their numbers and how many maps each."""
    inputs, channels = zip(*(one for one in maps if one[1]), strict=True)
    return Op("concatenate", {"channels": channels}, inputs, shape)


def _of_each_map(weight: Tensor, shape: tuple) -> Tensor | None:
    """The value that a weight has for each map of an output; None where it has others."""
    weight = weight.detach()[tuple(slice(None if step else 1) for step in weight.stride())]  # not expanded
    size = (*[1] * (len(shape) - weight.dim()), *weight.shape)
    return weight.flatten().expand(shape[1]) if size[1] == weight.numel() else None


def _room(tensor: Tensor) -> int:
    """The number of values of the whole tensor of which this is a part."""
    return tensor.untyped_storage().nbytes() // tensor.element_size()


DETACHED = "It detaches what it passes on: no gradient comes back there, which its outputs do not show."
DROPOUT = "It has dropout, which only training shows; that was left out of account."


class Recorder(TorchDispatchMode):
    """Writes down the operations of a forward pass, `ops`; `record` leaves those that lead to the `logits`.

    `images` are those that the first layer reads, and `notes` tell what is not among the operations.
    """

    logits: Tensor

    def __init__(self, net: nn.Module, images: Tensor):
        super().__init__()
        self.ops: list[Op] = []
        self.images, self.notes = images, []  # what the net makes of the images before its first layer
        self.made = WeakIdKeyDictionary({images: IMAGE})  # which operation made a tensor
        named = [*net.named_parameters(remove_duplicate=False), *net.named_buffers(remove_duplicate=False)]
        self.names = WeakIdKeyDictionary({tensor: (name,) for name, tensor in reversed(named)})
        self.sizes = {name: parameter.numel() for name, parameter in net.named_parameters()}
        self.counted = set()  # the parameters that have been counted as an operation's "learned"
        self.computed = WeakIdKeyDictionary()  # tensors computed from weights, whose names they have in `names`
        self.eps = WeakIdKeyDictionary()  # what has been added to the variance that a tensor is computed from
        self.dropped = WeakIdKeyDictionary()  # what dropout multiplies by, drawn anew in each pass
        self.curves = {}  # of functions of single values, what they read, and what they make of the PROBE
        self.modules = {id(module): name for name, module in net.named_modules()}
        self.whole = WeakValueDictionary()  # tensors that are no parts of others, by their memory
        self.places = [""]  # the modules that are running, the innermost last

    def enter(self, module: nn.Module, inputs) -> None:
        self.places.append(self.modules.get(id(module), self.places[-1]))
        if isinstance(module, _DropoutNd) and module.p and DROPOUT not in self.notes:
            self.notes.append(DROPOUT)

    def leave(self, module: nn.Module, inputs, output) -> None:
        self.places.pop()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = {each.name: kwargs.get(each.name, each.default_value) for each in func._schema.arguments}
        given |= dict(zip(given, args, strict=False))
        name = _name(func)
        tensors = _tensors(given)
        read = [self.made[tensor] for tensor in tensors if tensor in self.made]
        if name == "detach" and max(read, default=CONSTANT) >= 0 and DETACHED not in self.notes:
            self.notes.append(DETACHED)
        weights = [tensor for tensor in tensors if tensor in self.names]
        curve = self._curve(func, given)
        output = func(*args, **kwargs)
        outputs = _tensors(output)
        for made in outputs if isinstance(output, list) else outputs[:1]:
            if any(number != CONSTANT for number in read):
                self.made[made] = self._note(func, given, read, made, curve)
            elif not weights:
                self.made[made] = CONSTANT
                if name == "bernoulli" or any(tensor in self.dropped for tensor in tensors):
                    self.dropped[made] = True
            elif made not in self.names:
                self.names[made] = tuple(dict.fromkeys(name for tensor in weights for name in self.names[tensor]))
                adds = name == "add" and isinstance(given["other"], float) and weights[0] not in self.computed
                self.eps[made] = given["other"] if adds else max(self.eps.get(tensor, 0) for tensor in weights)
                if not _changes_nothing(name, given, made.shape) or any(tensor in self.computed for tensor in weights):
                    self.computed[made] = True
        if func._schema.name in ("aten::copy_", "aten::add_") and args[0].numel() < _room(args[0]):
            self._write(name, *args[:2])
        self.whole |= {t.untyped_storage()._cdata: t for t in outputs if t.numel() == _room(t)}
        return output

    def _curve(self, func, given: dict) -> tuple[int, Tensor] | None:
        """Of a function of single values, what it reads, and what it makes of the PROBE."""
        sources = set()

        def probed(value):
            if not isinstance(value, Tensor):
                return [*map(probed, value)] if isinstance(value, list) else value
            number = self.made.get(value, CONSTANT)
            if number == CONSTANT:
                known = value.numel() and not value.is_meta and value not in self.names
                known = known and bool((value == value.flatten()[0]).all())
                return value.flatten()[0].cpu() if known else sources.add(CONSTANT)
            source, values = self.curves.get(number, (number, PROBE))
            sources.add(source)
            return values

        if torch.Tag.pointwise not in func.tags and "index_put" not in func._schema.name:
            return None
        values = {name: probed(value) for name, value in given.items()}
        if isinstance(values.get("self"), Tensor):
            values["self"] = values["self"].expand(len(PROBE)).clone()  # for it may be changed in place
        try:
            return (sources.pop(), func(**values)) if len(sources) == 1 and CONSTANT not in sources else None
        except RuntimeError:  # it takes whole numbers
            return None

    def _told_by(self, source: int, values: Tensor, name: str, alone: bool, shape: tuple) -> int | None:
        """The number of a function of single values, where it is an activation or a factor; its name is that of its
        last operation, where this makes it `alone`."""
        values, factor = values.float(), round(float(values[-1] / PROBE[-1]), 6)
        function = next((known for known in CURVES if torch.allclose(values, CURVES[known], atol=1e-5)), None)
        if not function and name not in ACTIVATIONS and values.diff().diff().abs().max() > 1e-5:  # it bends
            function = f"{UNKNOWN} ({name})" if alone else UNKNOWN
        if function:
            return self._append(Op("act", {"function": function}, (source,), shape))
        if not torch.allclose(values, factor * PROBE, atol=1e-5):
            return None
        if factor in (0, 1):
            return source if factor else CONSTANT
        settings = {"of": ITSELF} if factor == 2 and name == "add" else {"by": factor}
        return self._append(Op("multiplication", settings, (source,), shape))

    def _write(self, name: str, part: Tensor, values: Tensor) -> None:
        """Values written into a part of a tensor, or added to it: beside its other maps, or as if they were padded."""
        memory, read = part.untyped_storage()._cdata, self.made.get(values, CONSTANT)
        whole = self.whole.get(memory)
        if whole is None or whole.dim() != 4 or read == CONSTANT:
            return
        before, shape, channels = self.made.get(whole, CONSTANT), tuple(whole.shape), part.shape[1]
        if values.untyped_storage()._cdata == memory:
            if values.storage_offset() != part.storage_offset() and before >= 0 and self.ops[before].kind == "pad":
                self.ops[before].settings["padded by"] = "circular"
            return  # else Python writes what has been added in place once more
        start, adds = part.storage_offset() // whole.stride(1), name == "add" and before != CONSTANT
        ends = (0, start), (start + channels, shape[1])
        beside = [[(CONSTANT, end - at)] if adds else self._maps(before, shape[1], at, end) for at, end in ends]
        if part.shape[:2] == shape[:2] and before == CONSTANT:
            sides = one([(room - size) // 2 for room, size in zip(shape[2:], part.shape[2:], strict=True)])
            made = Op("pad", {"sides": sides, "before": 0, "after": 0}, (read,), shape)
        elif part.shape[2:] != shape[2:] or None in beside:
            made = Op("copy into a part", {}, (read, before), shape)
        else:
            made = _side_by_side([*beside[0], (read, channels), *beside[1]], shape)
            made = Op("add", {}, (before, self._append(made)), shape) if adds else made
        self.made[whole] = self._append(made)

    def _maps(self, number: int, channels: int, start: int, end: int) -> list[tuple[int, int]] | None:
        """What makes the maps from start to end of an output, and how many each; None where it makes others too."""
        parts, op = [(number, channels)], self.ops[number] if number >= 0 else None
        if op and op.kind == "concatenate":
            parts = list(zip(op.inputs, op.settings["channels"], strict=True))
        elif op and op.kind == "pad":
            zeros = op.settings["before"], op.settings["after"]
            parts = [(CONSTANT, zeros[0]), (op.inputs[0], channels - sum(zeros)), (CONSTANT, zeros[1])]
        taken = Counter([part for part, (_, maps) in enumerate(parts) for _ in range(maps)][start:end])
        if any(parts[part][0] != CONSTANT and maps < parts[part][1] for part, maps in taken.items()):
            return None
        return [(parts[part][0], maps) for part, maps in taken.items()]

    def _written_norm(self, func, given: dict, read: list[int], shape: tuple) -> Op | None:
        """A step of a batch norm that is written out: a factor or a shift of each map, computed from weights."""
        weights = {key: tensor for key, tensor in given.items() if tensor in self.names}
        before = self.ops[read[0]] if read[0] >= 0 and self.ops[read[0]].affine else Op("", {}, tuple(read), ())
        names = before.weights | {name: name for tensor in weights.values() for name in self.names[tensor]}
        learned = [self.sizes[name] for name in names if name in self.sizes]
        values = {key: _of_each_map(tensor, shape) for key, tensor in weights.items()}
        turned = _name(func) == "div" and "self" in values
        if not values or None in values.values() or turned or len(learned) >= min(len(names), 3):
            return None  # it isn't, or is a factor that is learned
        like = next(iter(values.values()))
        affine = tuple(
            func(**{key: end.clone() if isinstance(value, Tensor) else value for key, value in given.items()} | values)
            for end in before.affine or (torch.zeros_like(like), torch.ones_like(like))
        )
        of = "batch norm" if len(names) > 1 else f"{_name(func)} of each map"
        of = of if learned or len(names) < 3 else f"{of} that never learns"
        eps = max(before.settings.get("eps") or 0, *(self.eps.get(tensor, 0) for tensor in weights.values())) or None
        both = len(learned) == 2
        settings = {"of": of, "eps": eps, "momentum": None, "affine": (*AFFINE,) if both else ()}
        settings["learned"] = sum(learned) - 2 * shape[1] * both
        return Op("norm", settings, before.inputs, shape, names, affine=affine)

    def _note(self, func, given: dict, read: list[int], output: Tensor, curve: tuple | None) -> int:
        """The number of the operation that made an output: of a new one, or of what it leaves as it was."""
        name, shape = _name(func), tuple(output.shape)
        if name in MADE_ANEW:
            return CONSTANT
        if name == "copy":
            return self.made.get(given["src"], CONSTANT)
        if _changes_nothing(name, given, output.shape):
            return next(number for number in read if number != CONSTANT)
        if name == "slice" and given["dim"] == 1:
            channels = given["self"].shape[1]
            ends = slice(given["start"], given["end"]).indices(channels)[:2]
            if maps := self._maps(self.made[given["self"]], channels, *ends):
                return maps[0][0] if len(maps) == 1 else self._append(_side_by_side(maps, shape))
        if {*read} <= {IMAGE, CONSTANT} and name in ARITHMETIC and output.shape == self.images.shape:
            self.images = output
            self.notes.append(f"It prepares the images itself ({name}), which was left out of account.")
            return IMAGE
        alone = curve and {*read} <= {curve[0], CONSTANT}
        number = self._told_by(*curve, name, alone, shape) if curve else None
        if number is None:
            number = self._append(self._new(func, given, read, shape))
        if curve and number >= 0:
            self.curves[number] = curve
        return number

    def _new(self, func, given: dict, read: list[int], shape: tuple) -> Op:
        name, by = _name(func), given.get("other")
        of_maps = name in (*ARITHMETIC, "addcmul") and len(read) == 1
        if of_maps and (written := self._written_norm(func, given, read, shape)):
            return written
        if name == "mul" and (by in self.dropped or given["self"] in self.dropped):
            return Op("dropout", {"of": "dropout that evaluation does not stop"}, (max(read),), shape)
        if name in ("add", "sub") and isinstance(by, Tensor):
            factor = given["alpha"] * (1 if name == "add" else -1)
            if factor != 1 and len(read) == 2:
                read[1] = self._append(Op("multiplication", {"by": factor}, (read[1],), shape))
            name = "add" if factor == 1 or len(read) == 2 else name
        before = self.ops[read[0]] if read[0] >= 0 else None
        if name in ("sum", "mean") and before and before.kind == "stack":
            total = Op("add", {}, before.inputs, shape)
            by = {"by": 1 / len(before.inputs)}
            return total if name == "sum" else Op("multiplication", by, (self._append(total),), shape)
        meaning = MEANINGS.get(name)
        kind, settings = meaning(given, torch.Size(shape)) if meaning else (name.strip("_").replace("_", " "), {})
        was, size = ((*some[2:], 1, 1)[:2] for some in (before.shape if before else self.images.shape, shape))
        if size != was and "stride" not in settings and kind not in (*LAYERS, "global pool", "concatenate"):
            settings = {"size": size, **settings}
        weights, learned = {}, 0
        for key, tensor in given.items():
            if isinstance(tensor, Tensor) and tensor in self.names:
                if kind == "linear":  # addmm calls them self and mat2
                    key = "bias" if key in ("self", "bias") and name != "mm" else "weight"
                if kind in LAYERS and "running" not in key:
                    learned -= tensor.numel()
                computed = tensor in self.computed
                weights |= {f"{key} from {name}" if computed else key: name for name in self.names[tensor]}
        if kind == "linear" and not weights:  # of two things that both depend on the images
            kind, settings = "matrix product", {}
        used = {*weights.values()} - (set() if kind in LAYERS else self.counted)
        learned += sum(self.sizes.get(name, 0) for name in used)
        if learned:
            settings = {**settings, "learned": learned}
            self.counted |= used
        if kind in ("add", "product", "multiplication"):
            read.sort(key=lambda number: -self._values(number))
        return Op(kind, settings, tuple(read), shape, weights)

    def _values(self, number: int) -> int:
        return prod(self.ops[number].shape) if number >= 0 else self.images.numel() if number == IMAGE else 0

    def _append(self, op: Op) -> int:
        place = next(iter(op.weights.values())).rpartition(".")[0] if op.weights else self.places[-1]
        self.ops.append(self._simplified(replace(op, place=place)))
        return len(self.ops) - 1

    def _simplified(self, op: Op) -> Op:
        """The same in one way where there are several."""
        before = self.ops[op.inputs[0]] if op.inputs[0] >= 0 else None
        if op.kind == "concatenate" and [*op.inputs].count(CONSTANT) == len(op.inputs) - 1:
            place = next(i for i, number in enumerate(op.inputs) if number != CONSTANT)
            channels = op.settings["channels"]
            zeros = {"before": sum(channels[:place]), "after": sum(channels[place + 1 :])}
            return replace(op, kind="pad", settings={"sides": 0, **zeros}, inputs=(op.inputs[place],))
        if before is None:
            return op
        settings, was = op.settings, before.settings
        if op.kind == before.kind == "subsample":  # rows first, then columns
            strides = zip(both(was["stride"]), both(settings["stride"]), strict=True)
            return replace(op, settings={"stride": one([a * b for a, b in strides])}, inputs=before.inputs)
        # To a maximum zeros are no more than nothing behind a ReLU.
        zeros = op.kind == "max pool" and self.ops[before.inputs[0]].settings.get("function") == "ReLU"
        padded = before.kind == "pad" and (op.kind == "conv" or zeros)
        if padded and settings["padding"] == was["before"] == was["after"] == 0:
            padding = {"padding": was["sides"], **{key: was[key] for key in ("padded by",) if key in was}}
            return replace(op, settings={**settings, **padding}, inputs=before.inputs)
        if op.kind == "conv" and settings["kernel"] == 1 and before.kind in ("global pool", "linear"):
            return replace(op, kind="linear", settings={name: settings[name] for name in ("in", "out", "bias")})
        if op.kind == "add" and before.kind in ("conv", "linear") and not was["bias"] and len(op.weights) == 1:
            weights = {**before.weights, "bias": next(iter(op.weights.values()))}
            return replace(before, settings={**was, "bias": True}, weights=weights)
        if op.kind == "global pool" and before.kind == settings["of"]:  # columns first, then rows
            return replace(op, inputs=before.inputs)
        if op.kind == "multiplication" and before.kind == "global pool" and was["of"] == "sum":
            average = abs(prod(self.ops[before.inputs[0]].shape[2:]) * settings.get("by", 0) - 1) < 1e-6
            return replace(before, settings={"of": "average"}) if average else op
        return op


def _logits(output, recorder: Recorder) -> Tensor:
    """The logits among what a net returns: of several, what a linear layer has made."""
    tensors = _tensors(dict(output) if isinstance(output, Mapping) else output)
    if not tensors:
        raise InputError(f"The net returns {type(output).__name__}; it must return its logits, a tensor.")

    def unlike(place: int) -> tuple[bool, bool, bool]:
        tensor, number = tensors[place], recorder.made.get(tensors[place], CONSTANT)
        linear = number >= 0 and recorder.ops[number].kind == "linear"
        return tensor is not getattr(output, "logits", None), tensor.dim() != 2, not linear

    place = min(range(len(tensors)), key=unlike)
    if len(tensors) > 1:
        recorder.notes.append(f"It returns {len(tensors)} tensors; number {place + 1} was taken as the logits.")
    return tensors[place]


def record(net: nn.Module, images: Tensor) -> Recorder:
    """The operations that lead from images (N, C, H, W) to the logits, in order.

    An operation's inputs are places in this list. The net runs once, in evaluation mode and without gradients; nothing
    of it is changed. What its `forward` raises comes as it is.
    """
    recorder = Recorder(net, images)
    buffers = [(buffer, buffer.clone()) for buffer in net.buffers()]
    enter = register_module_forward_pre_hook(recorder.enter)
    leave = register_module_forward_hook(recorder.leave, always_call=True)
    with enter, leave, evaluating(net), torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            with recorder:
                recorder.logits = _logits(net(images), recorder)
        finally:
            for buffer, before in buffers:
                if not buffer.is_meta and not torch.equal(buffer, before):
                    buffer.copy_(before)
    last = recorder.made.get(recorder.logits, CONSTANT)
    if last < 0:
        raise InputError(
            "The net's output is its images." if last == IMAGE else "The net's output does not depend on the images."
        )
    leading = {last}
    for number in range(last, -1, -1):  # an operation reads only what came before it
        if number in leading:
            leading.update(recorder.ops[number].inputs)
    order = {number: place for place, number in enumerate(sorted(leading - {IMAGE, CONSTANT}))}
    ops = [recorder.ops[number] for number in order]
    recorder.ops = [replace(op, inputs=tuple(order.get(number, number) for number in op.inputs)) for op in ops]
    if any(op.affine and op.settings["affine"] for op in ops):
        untold = "momentum" if all(op.settings["eps"] for op in ops if op.affine) else "momentum and eps"
        recorder.notes.append(f"Its batch norm is written out; its {untold} could not be told.")
    return recorder
